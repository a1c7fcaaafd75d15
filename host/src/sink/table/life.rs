//! How long a row still lives that may have been written before a crash.
//!
//! A lifetime counts from the write. A record that was written, not committed and written again after a restart would
//! live anew, or come back long after it had expired; counted from its first write, the table is as if there had been
//! no crash.

/// What is left of a row's life.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Left {
    /// All of it: the row is written for the first time.
    All,
    /// That much, in the unit that was asked in; more than nothing.
    Part(i64),
    /// Nothing: it has been written and has expired since, or would have.
    Nothing,
}

/// What is left at `now` of a life of `ttl` that began at `written`; all three in one unit, which decides where a life is
/// cut. A beginning in the future (the clock was set back) leaves all of it, never more.
pub fn left(written: Option<i64>, ttl: i64, now: i64) -> Left {
    let Some(written) = written.filter(|written| *written < now) else { return Left::All };
    match written.saturating_add(ttl).saturating_sub(now) {
        rest if rest > 0 => Left::Part(rest),
        _ => Left::Nothing,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_life_counts_from_the_first_write_and_is_never_longer_than_whole() {
        assert_eq!(left(None, 10, 1_000), Left::All);
        assert_eq!(left(Some(1_000), 10, 1_000), Left::All);
        assert_eq!(left(Some(5_000), 10, 1_000), Left::All, "the clock was set back");
        assert_eq!(left(Some(999), 10, 1_000), Left::Part(9));
        assert_eq!(left(Some(991), 10, 1_000), Left::Part(1));
        assert_eq!(left(Some(990), 10, 1_000), Left::Nothing);
        assert_eq!(left(Some(i64::MIN), 10, i64::MAX), Left::Nothing);
        assert_eq!(left(Some(0), i64::MAX, 1), Left::Part(i64::MAX - 1));
    }
}
