//! What the settings mean, as pure functions.

/// Whether a date comes before another one. Both are written as `2019-03-08T13:05:55Z` or as the beginning of that, so that the
/// order of texts is the order of time.
pub fn is_before(date: &str, other: &str) -> bool {
    date < other
}

/// The domain of an address: what follows its last `@`, if anything does.
pub fn domain(email: &str) -> Option<&str> {
    email.rsplit_once('@').map(|(_, domain)| domain).filter(|domain| !domain.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn dates_are_compared_down_to_what_both_have() {
        assert!(is_before("2009-12-31T23:59:59Z", "2010"));
        assert!(!is_before("2010-01-01T00:00:00Z", "2010-01-01"));
    }

    #[test]
    fn a_domain_follows_the_last_at() {
        assert_eq!(domain("ada@example.com"), Some("example.com"));
        assert_eq!(domain("\"a@b\"@example.com"), Some("example.com"));
        assert_eq!(domain("ada"), None);
        assert_eq!(domain("ada@"), None);
    }
}
