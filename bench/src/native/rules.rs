//! The notebook's rules, as pure functions: the texts of a record go in, its id or the reason against it comes out.

use uuid::Uuid;

/// The fields that the rules look at.
#[derive(Debug, Clone, Copy, Default)]
pub struct Checked<'a> {
    pub id: Option<&'a str>,
    pub email: Option<&'a str>,
    pub gender: Option<&'a str>,
    pub registered_date: Option<&'a str>,
}

/// The id of a good record, or the reason code.
pub fn judge(record: &Checked<'_>) -> Result<Uuid, &'static str> {
    let (Some(id), Some(email), Some(_)) = (record.id, record.email, record.registered_date) else {
        return Err("missing_field");
    };
    if !is_email(email) {
        return Err("bad_email");
    }
    if !matches!(record.gender, Some("male" | "female")) {
        return Err("bad_gender");
    }
    hyphenated(id).ok_or("bad_uuid")
}

/// Whether `.+@.+\..+` matches somewhere in a line.
fn is_email(text: &str) -> bool {
    text.split(['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}']).any(|line| {
        let line = line.as_bytes();
        let at = line.iter().skip(1).position(|byte| *byte == b'@').map(|place| place + 1);
        let dot = line.split_last().and_then(|(_, line)| line.iter().rposition(|byte| *byte == b'.'));
        matches!((at, dot), (Some(at), Some(dot)) if dot > at + 1)
    })
}

/// A UUID of the form 8-4-4-4-12; the crate alone would take others, too.
fn hyphenated(text: &str) -> Option<Uuid> {
    (text.len() == uuid::fmt::Hyphenated::LENGTH).then(|| Uuid::try_parse(text).ok()).flatten()
}

#[cfg(test)]
mod tests {
    use super::*;

    const ID: &str = "7d8a9c3e-0b1f-4c5d-8e6f-a1b2c3d4e5f6";

    #[test]
    fn the_first_broken_rule_is_the_reason() {
        let good = Checked { id: Some(ID), email: Some("a@b.c"), gender: Some("male"), registered_date: Some("") };
        assert_eq!(judge(&good).map(|id| id.to_string()), Ok(ID.to_owned()));
        assert_eq!(judge(&Checked { registered_date: None, ..good }), Err("missing_field"));
        assert_eq!(judge(&Checked { email: Some("a@b."), gender: None, ..good }), Err("bad_email"));
        assert_eq!(judge(&Checked { gender: Some("Male"), id: Some(""), ..good }), Err("bad_gender"));
        for id in ["", "7d8a9c3e0b1f4c5d8e6fa1b2c3d4e5f6", "{7d8a9c3e-0b1f-4c5d-8e6f-a1b2c3d4e5f6}", &format!("{ID}\n")]
        {
            assert_eq!(judge(&Checked { id: Some(id), ..good }), Err("bad_uuid"), "{id}");
        }
    }

    #[test]
    fn an_email_has_something_before_between_and_after() {
        for (text, is) in [
            ("a@b.c", true),
            ("@b.c", false),
            ("a@.c", false),
            ("a@b.", false),
            ("a@b", false),
            ("@@b.c", true),
            ("a@b\n.c", false),
            ("x\na@b.c", true),
            ("", false),
        ] {
            assert_eq!(is_email(text), is, "{text:?}");
        }
    }
}
