//! What a contact is made of, as pure functions.

/// Both names, or the one that there is.
pub fn full_name(first: &str, last: &str) -> String {
    format!("{first} {last}").trim().to_owned()
}

/// The domain of an address: what follows its last `@`, if anything does.
pub fn domain(email: &str) -> Option<&str> {
    email.rsplit_once('@').map(|(_, domain)| domain).filter(|domain| !domain.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_has_no_blanks_around_it() {
        assert_eq!(full_name("Ada", "Lovelace"), "Ada Lovelace");
        assert_eq!(full_name("", "Lovelace"), "Lovelace");
    }

    #[test]
    fn a_domain_follows_the_last_at() {
        assert_eq!(domain("ada@example.com"), Some("example.com"));
        assert_eq!(domain("ada"), None);
        assert_eq!(domain("ada@"), None);
    }
}
