//! Numbers, instants and foreign texts as people read them.

use crate::sink::timestamp_text;

/// Of a text from a table so much is shown.
const SHOWN_CHARS: usize = 60;

/// 1234567 as `1,234,567`.
pub fn thousands(n: u64) -> String {
    let digits = n.to_string();
    let mut out = String::with_capacity(digits.len() * 4 / 3);
    for (i, digit) in digits.chars().enumerate() {
        if i > 0 && (digits.len() - i).is_multiple_of(3) {
            out.push(',');
        }
        out.push(digit);
    }
    out
}

/// A part of a whole, such as `12.5 %`. Whatever is there is never shown as nothing, nor what is missing as all.
pub fn percent(part: u64, whole: u64) -> String {
    if whole == 0 {
        return "0 %".to_owned();
    }
    let share = part as f64 * 100.0 / whole as f64;
    match share {
        _ if part == 0 => "0 %".to_owned(),
        _ if part == whole => "100 %".to_owned(),
        tiny if tiny < 0.1 => "< 0.1 %".to_owned(),
        most if most > 99.9 => "> 99.9 %".to_owned(),
        _ => format!("{share:.1} %"),
    }
}

/// An instant, to the second: `2024-02-29 12:34:56Z`.
pub fn instant(ms: i64) -> String {
    let text = timestamp_text(ms);
    let (date, time) = text.split_once('T').unwrap_or((&text, ""));
    format!("{date} {}Z", time.split('.').next().unwrap_or_default())
}

/// A stretch of time, to the second.
pub fn span(ms: i64) -> String {
    humantime::format_duration(std::time::Duration::from_secs(u64::try_from(ms / 1_000).unwrap_or(0))).to_string()
}

/// A text that came from a record, so that it can do nothing to a terminal: control characters and those that change the
/// direction of writing are written out, and it is cut where it is long.
pub fn harmless(text: &str) -> String {
    let mut out = String::new();
    for (at, c) in text.chars().enumerate() {
        if at == SHOWN_CHARS {
            out.push('…');
            break;
        }
        match c {
            '\u{200e}' | '\u{200f}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}' => {
                out.extend(c.escape_unicode())
            }
            c if c.is_control() => out.extend(c.escape_default()),
            c => out.push(c),
        }
    }
    if out.is_empty() { "(empty)".to_owned() } else { out }
}

/// One row, two rows.
pub fn rows(n: u64) -> String {
    format!("{} {}", thousands(n), if n == 1 { "row" } else { "rows" })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_grouped_by_thousands() {
        assert_eq!([0, 999, 1_000, 1_234_567].map(thousands), ["0", "999", "1,000", "1,234,567"]);
    }

    #[test]
    fn a_share_is_never_rounded_to_nothing_or_all() {
        assert_eq!(
            [(0, 0), (0, 9), (9, 9), (1, 1_000_000), (999_999, 1_000_000), (1, 8)].map(|(a, b)| percent(a, b)),
            ["0 %", "0 %", "100 %", "< 0.1 %", "> 99.9 %", "12.5 %"]
        );
    }

    #[test]
    fn a_text_can_do_nothing_to_a_terminal() {
        assert_eq!(harmless("a\x1b[31m\u{202e}b\u{9b}"), "a\\u{1b}[31m\\u{202e}b\\u{9b}");
        assert_eq!(harmless(&"x".repeat(10_000_000)).chars().count(), SHOWN_CHARS + 1);
        assert_eq!(harmless(""), "(empty)");
    }

    #[test]
    fn instants_are_shown_to_the_second() {
        assert_eq!(instant(1_709_210_096_789), "2024-02-29 12:34:56Z");
    }
}
