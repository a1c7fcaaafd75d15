//! What each rule means, as pure functions.

use millstream_sdk::uuid;

/// Whether the text is a UUID of the form 8-4-4-4-12 and nothing else.
pub fn is_uuid(text: &str) -> bool {
    uuid::parse(text.as_bytes()).is_some()
}

/// Whether the text has something before and something after its last `@`.
pub fn is_email(text: &str) -> bool {
    text.rsplit_once('@').is_some_and(|(mailbox, domain)| !mailbox.is_empty() && !domain.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_uuid_is_nothing_but_a_uuid() {
        assert!(is_uuid("7d8a9c3e-0b1f-4c5d-8e6f-a1b2c3d4e5f6"));
        assert!(is_uuid("7D8A9C3E-0B1F-4C5D-8E6F-A1B2C3D4E5F6"));
        for text in ["", "7d8a9c3e", "7d8a9c3e-0b1f-4c5d-8e6f-a1b2c3d4e5f6\n", "7d8a9c3e-0b1f-4c5d-8e6f-a1b2c3d4e5fg"] {
            assert!(!is_uuid(text), "{text:?}");
        }
    }

    #[test]
    fn an_address_has_both_sides() {
        assert!(is_email("ada@example.com"));
        for text in ["", "ada", "ada@", "@example.com"] {
            assert!(!is_email(text), "{text:?}");
        }
    }
}
