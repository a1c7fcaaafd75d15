//! One rule about six fields, which are read by hand or by the derive macro, as the settings say: the verdicts are the same.

use millstream_sdk::{Fields, Kind, Plugin, Record, Setup, TextField, Typed, Verdict, serde::Deserialize};

/// The settings.
#[derive(Deserialize)]
#[serde(crate = "millstream_sdk::serde", deny_unknown_fields)]
pub struct Config {
    /// Whether the derive macro reads the fields.
    derived: bool,
}

/// What the rule needs of a user.
#[derive(Fields)]
pub struct User<'a> {
    id: &'a str,
    email: &'a str,
    gender: &'a str,
    #[field(rename = "registered_date")]
    registered: &'a str,
    phone: Option<&'a str>,
    #[field(default)]
    blocked: bool,
}

/// The same, by hand.
pub struct ByHand {
    id: TextField,
    email: TextField,
    gender: TextField,
    registered: TextField,
    phone: TextField,
    blocked: TextField,
}

/// See the module.
pub enum Rule {
    /// By hand.
    ByHand(ByHand),
    /// By the derive macro.
    Derived(Typed<User<'static>>),
}

impl Plugin for Rule {
    fn new(setup: &mut Setup) -> Result<Self, String> {
        if setup.config::<Config>()?.derived {
            return Ok(Self::Derived(setup.fields()));
        }
        Ok(Self::ByHand(ByHand {
            id: setup.text("/id"),
            email: setup.text("/email"),
            gender: setup.text("/gender"),
            registered: setup.text("/registered_date"),
            phone: setup.text("/phone"),
            blocked: setup.text("/blocked"),
        }))
    }

    fn record(&mut self, record: &Record<'_>) -> Verdict {
        match self {
            Self::ByHand(fields) => fields.judge(record),
            Self::Derived(user) => match user.read(record) {
                Ok(user) => judge(&user),
                Err(fault) => fault.into(),
            },
        }
    }
}

fn judge(user: &User<'_>) -> Verdict {
    let is_right = !user.blocked
        && user.id.len() == 36
        && user.email.contains('@')
        && matches!(user.gender, "male" | "female")
        && user.registered > "2002"
        && user.phone.is_none_or(|phone| !phone.is_empty());
    if is_right { Verdict::Keep } else { Verdict::Drop("odd".into()) }
}

impl ByHand {
    fn judge(&self, record: &Record<'_>) -> Verdict {
        match self.read(record) {
            Ok(user) => judge(&user),
            Err(reason) => Verdict::Reject(reason.into()),
        }
    }

    fn read<'a>(&self, record: &Record<'a>) -> Result<User<'a>, &'static str> {
        Ok(User {
            id: text(record, self.id, "missing_field: id", "wrong_type: id")?,
            email: text(record, self.email, "missing_field: email", "wrong_type: email")?,
            gender: text(record, self.gender, "missing_field: gender", "wrong_type: gender")?,
            registered: text(record, self.registered, "missing_field: registered_date", "wrong_type: registered_date")?,
            phone: match record.kind(self.phone) {
                Kind::Absent | Kind::Null => None,
                _ => Some(text(record, self.phone, "missing_field: phone", "wrong_type: phone")?),
            },
            blocked: match record.kind(self.blocked) {
                Kind::Absent | Kind::Null | Kind::False => false,
                Kind::True => true,
                _ => return Err("wrong_type: blocked"),
            },
        })
    }
}

fn text<'a>(
    record: &Record<'a>,
    field: TextField,
    missing: &'static str,
    wrong: &'static str,
) -> Result<&'a str, &'static str> {
    match record.kind(field) {
        Kind::String => Ok(record.text(field).unwrap_or_default()),
        Kind::Absent | Kind::Null => Err(missing),
        Kind::NotJson => Err("not_json"),
        Kind::NotObject => Err("not_json: root is not an object"),
        _ => Err(wrong),
    }
}

millstream_sdk::export!(Rule);
