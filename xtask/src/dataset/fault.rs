//! Records that must be rejected: a good user and a running number go in, a line with exactly one fault comes out.
//!
//! The reasons take turns, and so do the variants of each, so that every variant shows up in a small data set as well.

use super::user::{Cell, User};

/// Why a record must be rejected. The names are the reason codes that the stage `validate` gives.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Reason {
    /// `id`, `email` or `registered_date` is absent or null.
    MissingField,
    /// The email has no `@` between something and a host with a dot.
    BadEmail,
    /// The gender is not `male` or `female`; letter case counts.
    BadGender,
    /// The id is not a UUID in its hyphenated form.
    BadUuid,
    /// The value is not a JSON object.
    NotJson,
}

impl Reason {
    /// All reasons, in the order in which they take turns.
    pub const ALL: [Reason; 5] =
        [Reason::BadEmail, Reason::NotJson, Reason::BadUuid, Reason::MissingField, Reason::BadGender];

    /// The reason code as it is written into a dead letter.
    pub const fn code(self) -> &'static str {
        match self {
            Reason::MissingField => "missing_field",
            Reason::BadEmail => "bad_email",
            Reason::BadGender => "bad_gender",
            Reason::BadUuid => "bad_uuid",
            Reason::NotJson => "not_json",
        }
    }
}

/// The `number`-th invalid line of a data set.
pub(super) fn spoil(user: User, number: usize) -> (String, Reason) {
    let reason = turn(&Reason::ALL, number).unwrap_or(Reason::NotJson);
    let variant = number / Reason::ALL.len();
    let line = match reason {
        Reason::MissingField => without_a_field(user, variant),
        Reason::BadEmail => with_bad_email(user, variant),
        Reason::BadGender => with_bad_gender(user, variant),
        Reason::BadUuid => with_bad_uuid(user, variant),
        Reason::NotJson => not_an_object(&user, variant),
    };
    (line, reason)
}

fn turn<T: Copy>(choices: &[T], number: usize) -> Option<T> {
    choices.iter().cycle().nth(number % choices.len().max(1)).copied()
}

fn without_a_field(mut user: User, variant: usize) -> String {
    let field = turn(&["registered_date", "id", "email"], variant).unwrap_or("id");
    let nothing = if (variant / 3).is_multiple_of(2) { Cell::Absent } else { Cell::Null };
    user.set(field, nothing);
    user.line()
}

fn with_bad_email(mut user: User, variant: usize) -> String {
    let mailbox = user.text("email").split('@').next().unwrap_or_default().to_owned();
    let bad = match variant % 6 {
        0 => mailbox,
        1 => format!("{mailbox}@intranet"),
        2 => format!("{mailbox}.example.com"),
        3 => "@example.com".to_owned(),
        4 => format!("{mailbox}@"),
        _ => String::new(),
    };
    user.set("email", Cell::Text(bad));
    user.line()
}

fn with_bad_gender(mut user: User, variant: usize) -> String {
    let bad = match variant % 6 {
        0 => Cell::Text("FEMALE".to_owned()),
        1 => Cell::Null,
        2 => Cell::Text("nonbinary".to_owned()),
        3 => Cell::Text(String::new()),
        4 => Cell::Text("Male".to_owned()),
        _ => Cell::Text("male ".to_owned()),
    };
    user.set("gender", bad);
    user.line()
}

fn with_bad_uuid(mut user: User, variant: usize) -> String {
    let id = user.text("id").to_owned();
    let bad = match variant % 7 {
        0 => id.replace('-', ""),
        1 => id.chars().skip(1).collect(),
        2 => format!("{id}f"),
        3 => id.replace('-', "_"),
        4 => "user-0001".to_owned(),
        5 => String::new(),
        _ => format!("{}z", id.get(..id.len() - 1).unwrap_or_default()),
    };
    user.set("id", Cell::Text(bad));
    user.line()
}

fn not_an_object(user: &User, variant: usize) -> String {
    let line = user.line();
    let cut = |end: usize| line.get(..end).unwrap_or_default().to_owned(); // a line is ASCII
    match variant % 8 {
        0 => cut(line.len() / 3),
        1 => "[]".to_owned(),
        2 => String::new(),
        3 => format!("id={}; gender={}", user.text("id"), user.text("gender")),
        4 => "null".to_owned(),
        5 => cut(line.len() - 1),
        6 => format!("<id>{}</id>", user.text("id")),
        _ => format!("{line}}}"),
    }
}
