//! The facts, each with a record that shows it and what must become of that record.

const FIELDS: [(&str, &str); 11] = [
    ("first_name", "\"Ann\""),
    ("last_name", "\"Miller\""),
    ("gender", "\"female\""),
    ("address", "\"1 Mill Lane, Leeds, Yorkshire, England\""),
    ("post_code", "\"LS1 1AA\""),
    ("email", "\"ann@example.com\""),
    ("username", "\"ann1\""),
    ("dob", "\"1980-02-03T04:05:06.789Z\""),
    ("registered_date", "\"2010-11-12T13:14:15.161Z\""),
    ("phone", "\"0113\""),
    ("picture", "\"https://example.com/1.jpg\""),
];

/// What must become of a line's record.
#[derive(Clone, Debug)]
pub enum Fate {
    /// It is in the table; these columns look so.
    Row(&'static [(&'static str, Option<&'static str>)]),
    /// It is among the dead letters, its bytes untouched, for this reason.
    Dead(&'static str, &'static str),
    Dropped,
}

pub use Fate::{Dead, Dropped, Row as InTable};

pub struct Line {
    pub fact: &'static str,
    /// Whose row is looked at.
    pub user: usize,
    pub value: Option<Vec<u8>>,
    pub fate: Fate,
}

pub fn id(n: usize) -> String {
    format!("{n:08x}-1111-4222-8333-abcdefabcdef")
}

/// User `n` with some fields' JSON replaced, or left out.
pub fn user(n: usize, edits: &[(&str, Option<&str>)]) -> String {
    let own_id = format!("\"{}\"", id(n));
    let fields = std::iter::once(("id", own_id.as_str())).chain(FIELDS);
    let written = fields.filter_map(|(name, json)| {
        let edit = edits.iter().find(|(edited, _)| *edited == name);
        edit.map_or(Some(json), |(_, json)| *json).map(|json| format!("\"{name}\": {json}"))
    });
    format!("{{{}}}", written.collect::<Vec<_>>().join(", "))
}

/// A user of whom nothing is written but spoilt records, until the last one.
const SPOILT: usize = 0xffff_ffff;

/// Lines in the order in which they are written; line `n` is of user `n` where it says nothing else.
#[derive(Default)]
struct Table(Vec<Line>);

impl Table {
    fn field(&mut self, fact: &'static str, field: &str, json: &str, fate: Fate) {
        let value = user(self.0.len(), &[(field, Some(json))]);
        self.bytes(fact, value, fate);
    }

    fn without(&mut self, fact: &'static str, field: &str, fate: Fate) {
        let value = user(self.0.len(), &[(field, None)]);
        self.bytes(fact, value, fate);
    }

    fn bytes(&mut self, fact: &'static str, value: impl Into<Vec<u8>>, fate: Fate) {
        self.0.push(Line { fact, user: self.0.len(), value: Some(value.into()), fate });
    }

    /// The last line's user again, with another first name.
    fn again(&mut self, fact: &'static str, upper: bool, fate: Fate) {
        let last = id(self.0.len() - 1);
        let id = if upper { last.to_uppercase() } else { last };
        self.field_pair(fact, &[("id", Some(&format!("\"{id}\""))), ("first_name", Some("\"Later\""))], fate);
    }

    fn field_pair(&mut self, fact: &'static str, edits: &[(&str, Option<&str>)], fate: Fate) {
        let value = user(self.0.len(), edits);
        self.bytes(fact, value, fate);
    }

    fn post_codes(&mut self) {
        self.field(
            "a post code that is a string stays as it is",
            "post_code",
            "\"01234\"",
            InTable(&[("post_code", Some("01234"))]),
        );
        self.field(
            "a post code that is an integer becomes its text",
            "post_code",
            "66231",
            InTable(&[("post_code", Some("66231"))]),
        );
        self.field(
            "1e5 keeps its own text, where Spark writes 100000.0",
            "post_code",
            "1e5",
            InTable(&[("post_code", Some("1e5"))]),
        );
        self.field(
            "12.50 keeps its own text, where Spark writes 12.5",
            "post_code",
            "12.50",
            InTable(&[("post_code", Some("12.50"))]),
        );
        self.field("true becomes its word", "post_code", "true", InTable(&[("post_code", Some("true"))]));
        self.field("false becomes its word", "post_code", "false", InTable(&[("post_code", Some("false"))]));
        self.field(
            "an object becomes compact JSON",
            "post_code",
            "{ \"a\" : [ 1, \"b c\" ] }",
            InTable(&[("post_code", Some(r#"{"a":[1,"b c"]}"#))]),
        );
        self.field("an array becomes compact JSON", "post_code", "[ 1 , 2 ]", InTable(&[("post_code", Some("[1,2]"))]));
        self.field("dob is ignored, whatever it holds", "dob", "[1]", InTable(&[("first_name", Some("Ann"))]));
        self.without("dob is ignored where it is absent, too", "dob", InTable(&[("first_name", Some("Ann"))]));
        self.bytes(
            "fields beyond the schema are ignored",
            user(self.0.len(), &[]).replacen('{', "{\"more\": {}, ", 1),
            InTable(&[]),
        );
    }

    fn presence(&mut self) {
        self.without("no id: rejected", "id", Dead("missing_field", "id"));
        self.field("a null id: rejected", "id", "null", Dead("missing_field", "id"));
        self.without("no email: rejected", "email", Dead("missing_field", "email"));
        self.field("a null email: rejected", "email", "null", Dead("missing_field", "email"));
        self.without("no registered_date: rejected", "registered_date", Dead("missing_field", "registered_date"));
        self.field(
            "a null registered_date: rejected",
            "registered_date",
            "null",
            Dead("missing_field", "registered_date"),
        );
        self.field("a null first_name is let be", "first_name", "null", InTable(&[("first_name", None)]));
        self.without("an absent first_name is let be", "first_name", InTable(&[("first_name", None)]));
        self.field("a null last_name is let be", "last_name", "null", InTable(&[("last_name", None)]));
        self.without("an absent last_name is let be", "last_name", InTable(&[("last_name", None)]));
        self.field("a null address is let be", "address", "null", InTable(&[("address", None)]));
        self.without("an absent address is let be", "address", InTable(&[("address", None)]));
        self.field("a null post_code is let be", "post_code", "null", InTable(&[("post_code", None)]));
        self.without("an absent post_code is let be", "post_code", InTable(&[("post_code", None)]));
        self.field("a null username is let be", "username", "null", InTable(&[("username", None)]));
        self.without("an absent username is let be", "username", InTable(&[("username", None)]));
        self.field("a null phone is let be", "phone", "null", InTable(&[("phone", None)]));
        self.without("an absent phone is let be", "phone", InTable(&[("phone", None)]));
        self.field("a null picture is let be", "picture", "null", InTable(&[("picture", None)]));
        self.without("an absent picture is let be", "picture", InTable(&[("picture", None)]));
        self.field(
            "a null gender passes the schema, and then fails the filter on gender",
            "gender",
            "null",
            Dead("bad_gender", "gender"),
        );
        self.without("an absent gender fails that filter as well", "gender", Dead("bad_gender", "gender"));
    }

    fn emails(&mut self) {
        let bad = || Dead("bad_email", "email");
        self.field("an email needs something before the @", "email", "\"@b.c\"", bad());
        self.field("an email needs an @", "email", "\"a.b.c\"", bad());
        self.field("an email needs a dot after the @", "email", "\"a.b@c\"", bad());
        self.field("an email needs something between @ and dot", "email", "\"a@.c\"", bad());
        self.field("an email needs something after the dot", "email", "\"a@b.\"", bad());
        self.field("the shortest email", "email", "\"a@b.c\"", InTable(&[("email", Some("a@b.c"))]));
        self.field(
            "the email's pattern is not anchored",
            "email",
            "\"<Ann> a@@..c, \"",
            InTable(&[("email", Some("<Ann> a@@..c, "))]),
        );
        self.field("the email's dots match no line end", "email", "\"a@b\\n.c\"", bad());
        self.field("a carriage return is a line end, as in Java", "email", "\"a@b\\r.c\"", bad());
        self.field("U+2028 is a line end, as in Java", "email", "\"a@b\\u2028.c\"", bad());
        self.field("U+0085 is a line end, as in Java", "email", "\"a@b\\u0085.c\"", bad());
        self.field(
            "one line with an email is enough",
            "email",
            "\"x\\na@b.c\\ny\"",
            InTable(&[("email", Some("x\na@b.c\ny"))]),
        );
        self.field("an empty email is none", "email", "\"\"", bad());
        self.field("an email that is no text is none", "email", "[\"a@b.c\"]", bad());
    }

    fn genders(&mut self) {
        let bad = || Dead("bad_gender", "gender");
        self.field("male is a gender", "gender", "\"male\"", InTable(&[("gender", Some("male"))]));
        self.field("female is a gender", "gender", "\"female\"", InTable(&[("gender", Some("female"))]));
        self.field("genders are compared with their case", "gender", "\"Male\"", bad());
        self.field("genders are compared whole", "gender", "\"male \"", bad());
        self.field("a gender with a line end is none", "gender", "\"male\\n\"", bad());
        self.field("an empty gender is none", "gender", "\"\"", bad());
    }

    fn ids(&mut self) {
        let bad = || Dead("bad_uuid", "id");
        for (fact, spoil) in [
            ("an id without hyphens is none", (|id| id.replace('-', "")) as fn(String) -> String),
            ("an id with a digit too few is none", |id| id[1..].to_owned()),
            ("the id's pattern is anchored at its end", |id| id + "0"),
            ("the id's pattern is anchored at its begin", |id| format!(" {id}")),
            ("an id in braces is none", |id| format!("{{{id}}}")),
            ("an id has hexadecimal digits only", |id| id.replace('f', "g")),
            ("an id with hyphens in other places is none", |id| format!("{}-{}{}", &id[..7], &id[7..8], &id[9..])),
            ("an id with a line end, which stops Spark's job for good, is rejected", |id| id + "\\n"),
        ] {
            let spoilt = format!("\"{}\"", spoil(id(self.0.len())));
            self.field(fact, "id", &spoilt, bad());
        }
        self.field("a lower-case id is one", "first_name", "\"First\"", InTable(&[("first_name", Some("First"))]));
        self.again("its upper-case form is the same id: a duplicate, and no row of its own", true, Dropped);
        let upper = format!("\"{}\"", id(self.0.len()).to_uppercase());
        self.field(
            "an upper-case id is one, and the row has its lower-case form",
            "id",
            &upper,
            InTable(&[("first_name", Some("Ann"))]),
        );
        self.again("its lower-case form is the same id, too", false, Dropped);
        self.field("a first record", "first_name", "\"First\"", InTable(&[("first_name", Some("First"))]));
        self.again("of records with one id the first in the partition wins, whatever the others hold", false, Dropped);
    }

    fn bytes_that_are_no_record(&mut self) {
        let good = user(SPOILT, &[]);
        let not_json = || Dead("not_json", "");
        let no_object = || Dead("not_json", "root is not an object");
        self.bytes("what is not JSON is rejected", "id=1; gender=male", not_json());
        self.bytes("nothing at all is rejected", "", not_json());
        self.bytes("a tombstone is rejected", "", not_json());
        self.0.last_mut().unwrap().value = None;
        self.bytes("half a record is rejected", &good[..good.len() / 2], not_json());
        for root in ["[]", "[{}]", "\"text\"", "1", "true", "null"] {
            self.bytes("a root that is not an object is rejected", root, no_object());
        }
        self.bytes("garbage after the record is rejected", format!("{good} x"), not_json());
        self.bytes("a second record after the record is rejected", format!("{good}{good}"), not_json());
        let invalid = [good.replace("Ann", "").as_bytes(), b"\xff"].concat();
        self.bytes("invalid UTF-8 after the record is rejected", invalid, not_json());
        let (head, tail) = good.split_once("Ann").unwrap();
        for (fact, piece) in [
            ("invalid UTF-8 in a text is rejected", &b"\xc3\x28"[..]),
            ("a surrogate's bytes in a text are rejected", b"\xed\xa0\x80"),
            ("NUL in a text is rejected", b"\0"),
        ] {
            self.bytes(fact, [head.as_bytes(), piece, tail.as_bytes()].concat(), not_json());
        }
        self.bytes("NUL after the record is rejected", format!("{good}\0"), not_json());
        self.bytes("half a surrogate pair is rejected", good.replace("Ann", "\\ud800"), not_json());
        let free = InTable(&[("first_name", Some("Free"))]);
        self.bytes("none of these was repaired and taken: their id is still free", good.replace("Ann", "Free"), free);
        self.0.last_mut().unwrap().user = SPOILT;
    }
}

pub fn lines() -> Vec<Line> {
    let mut table = Table::default();
    table.post_codes();
    table.presence();
    table.emails();
    table.genders();
    table.ids();
    table.bytes_that_are_no_record();
    table.0
}
