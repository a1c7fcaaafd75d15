//! Durations and sizes as people write them: `"10s"`, `"1h 30m"`, `"64MiB"`, `"1 MB"`.
//!
//! Reads and shows them; says nothing about which are sensible (the table of settings does).

use std::time::Duration;

/// No duration or size has this many digits, and `humantime` may overflow on such.
const MAX_DIGITS: usize = 15;

/// Unit by unit, the larger first; a bare `K` would leave open which of the two is meant, so there is none.
const UNITS: &[(&str, u64)] =
    &[("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10), ("GB", 1_000_000_000), ("MB", 1_000_000), ("kB", 1_000)];

/// A duration, or what is wrong with it.
pub(super) fn parse_time(text: &str) -> Result<Duration, String> {
    let digits = text.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or_default();
    if digits > MAX_DIGITS {
        return Err("it is too long to be a duration".to_owned());
    }
    humantime::parse_duration(text.trim()).map_err(|error| match error {
        humantime::DurationError::Empty => "it is empty".to_owned(),
        humantime::DurationError::UnknownUnit { ref unit, .. } if unit.is_empty() => "it has no unit".to_owned(),
        humantime::DurationError::UnknownUnit { ref unit, .. } => format!("`{unit}` is not a unit of time"),
        humantime::DurationError::NumberOverflow => "it is too long or too fine to be a duration".to_owned(),
        _ => "it is not a number with a unit".to_owned(),
    })
}

/// A size in bytes; `None` where it is not one.
pub(super) fn parse_bytes(text: &str) -> Option<u64> {
    let text = text.trim();
    let (number, unit) = text.split_at(text.find(|c: char| !c.is_ascii_digit()).unwrap_or(text.len()));
    let unit = unit.trim_start();
    let factor = match unit {
        "" | "B" => 1,
        _ => UNITS.iter().find(|(name, _)| name.eq_ignore_ascii_case(unit)).map(|(_, factor)| *factor)?,
    };
    number.parse::<u64>().ok()?.checked_mul(factor)
}

/// As it would be written.
pub(crate) fn show_bytes(bytes: u64) -> String {
    for (unit, factor) in UNITS.iter().filter(|(unit, _)| unit.ends_with("iB")) {
        if bytes >= *factor && bytes.is_multiple_of(*factor) {
            return format!("{}{unit}", bytes / factor);
        }
    }
    bytes.to_string()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn reads_sizes_with_and_without_unit() {
        for (text, bytes) in
            [("64MiB", 64 << 20), ("1 MB", 1_000_000), ("512", 512), ("10 B", 10), ("2gib", 2 << 30), ("3 KB", 3000)]
        {
            assert_eq!(parse_bytes(text), Some(bytes), "{text}");
        }
        for text in ["", "MiB", "1.5MiB", "-1", "10 parsecs", "64M", "99999999999999999999", "18446744073709551615KiB"]
        {
            assert_eq!(parse_bytes(text), None, "{text}");
        }
    }

    #[test]
    fn shows_sizes_as_they_are_written() {
        for bytes in [1, 1000, 1024, 1 << 20, 3 << 30, (1 << 20) + 1] {
            assert_eq!(parse_bytes(&show_bytes(bytes)), Some(bytes));
        }
        assert_eq!(show_bytes(64 << 20), "64MiB");
    }

    #[test]
    fn reads_durations_and_says_what_is_wrong() {
        assert_eq!(parse_time("1h 30m").unwrap(), Duration::from_secs(5400));
        assert_eq!(parse_time("5 ms").unwrap(), Duration::from_millis(5));
        assert_eq!(parse_time("10").unwrap_err(), "it has no unit");
        assert_eq!(parse_time("10 parsecs").unwrap_err(), "`parsecs` is not a unit of time");
        assert_eq!(parse_time("").unwrap_err(), "it is empty");
        assert_eq!(parse_time("soon").unwrap_err(), "it is not a number with a unit");
        assert!(parse_time("18446744073709551615s 1000000000ns").is_err());
    }
}
