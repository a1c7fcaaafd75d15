//! How counts are kept, as pure functions: as decimal digits, so that whoever looks into the state can read them.

/// The count that is kept; 0 where nothing is.
pub fn count(kept: &[u8]) -> u64 {
    str::from_utf8(kept).ok().and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

/// A count as it is kept.
pub fn kept(count: u64) -> Vec<u8> {
    count.to_string().into_bytes()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_read_again() {
        assert_eq!(count(b""), 0);
        for number in [1, 9, 10, u64::MAX] {
            assert_eq!(count(&kept(number)), number);
        }
    }
}
