//! What each rule means, as pure functions of one text.
//!
//! Numbers count as they are written, `true` and `false` as these words; null, arrays, objects and what is absent obey
//! no rule.

use millstream_sdk::{Cell, uuid};
use regex_lite::Regex;

/// What a field's text must be like.
#[derive(Debug)]
pub enum Rule {
    /// See [`is_email`].
    Email,
    /// See [`is_uuid`].
    Uuid,
    /// Exactly one of these texts.
    OneOf(OneOf),
    /// Somewhere in the text, the expression matches.
    Pattern(Regex),
}

/// Whether the text is a UUID of the form 8-4-4-4-12 and nothing else.
///
/// Spark's `$` lets a trailing line end pass, and Cassandra then refuses the row: here it is rejected.
#[inline]
pub fn is_uuid(cell: Cell<'_>) -> bool {
    cell.text().is_some_and(|text| uuid::parse(text).is_some())
}

/// Whether the expression matches somewhere in the text.
pub fn matches(pattern: &Regex, cell: Cell<'_>) -> bool {
    cell.text().and_then(|text| str::from_utf8(text).ok()).is_some_and(|text| pattern.is_match(text))
}

/// Whether `.+@.+\..+` matches somewhere in the text, by Java's rules, as Spark applies them: `.` matches any character
/// but the line ends U+000A, U+000D, U+0085, U+2028 and U+2029.
#[inline]
pub fn is_email(cell: Cell<'_>) -> bool {
    let Some(text) = cell.text() else { return false };
    let marks = match text.len() {
        0..=32 => cell.window::<32>().map(Marks::of),
        33..=64 => cell.window::<64>().map(Marks::of),
        _ => None,
    };
    match marks.map(|marks| marks.up_to(text.len())) {
        Some(marks) if marks.line_end == 0 => marks.are_an_email(text.len()),
        _ => lines(text).any(line_has_email),
    }
}

/// Within one line the leftmost `@` that has something before it and the rightmost `.` that has something after it
/// decide: there must be something between them.
fn line_has_email(line: &[u8]) -> bool {
    let at = line.iter().skip(1).position(|byte| *byte == b'@').map(|place| place + 1);
    let dot = line.split_last().and_then(|(_, line)| line.iter().rposition(|byte| *byte == b'.'));
    matches!((at, dot), (Some(at), Some(dot)) if dot > at + 1)
}

fn lines(text: &[u8]) -> impl Iterator<Item = &[u8]> {
    let mut rest = Some(text);
    std::iter::from_fn(move || {
        let line = rest?;
        let end = (0..line.len()).find_map(|place| {
            let width = match line.get(place..)? {
                [b'\n' | b'\r', ..] => 1,
                [0xc2, 0x85, ..] => 2,
                [0xe2, 0x80, 0xa8 | 0xa9, ..] => 3,
                _ => return None,
            };
            Some((place, width))
        });
        match end {
            Some((place, width)) => {
                rest = line.get(place + width..);
                line.get(..place)
            }
            None => rest.take(),
        }
    })
}

/// Where the bytes that matter stand in up to 64 bytes: bit i is byte i.
#[derive(Clone, Copy)]
struct Marks {
    at: u64,
    dot: u64,
    /// Bytes that are a line end or may begin one.
    line_end: u64,
}

impl Marks {
    #[inline]
    fn of<const N: usize>(window: &[u8; N]) -> Self {
        const { assert!(N <= 64) };
        let mut marks = Self { at: 0, dot: 0, line_end: 0 };
        let (chunks, _) = window.as_chunks::<16>();
        for (i, chunk) in chunks.iter().enumerate() {
            let [at, dot, line_end] = chunk_marks(chunk).map(|bits| u64::from(bits) << (16 * i));
            marks.at |= at;
            marks.dot |= dot;
            marks.line_end |= line_end;
        }
        marks
    }

    /// Without the bytes from `len`, which is at most 64, on.
    #[inline]
    fn up_to(self, len: usize) -> Self {
        let mask = u64::MAX.checked_shr(64 - len as u32).unwrap_or(0);
        Self { at: self.at & mask, dot: self.dot & mask, line_end: self.line_end & mask }
    }

    /// [`line_has_email`] for a line of `len` bytes.
    #[inline]
    fn are_an_email(self, len: usize) -> bool {
        let at = self.at & !1;
        let dot = self.dot & (u64::MAX.checked_shr(65 - len as u32).unwrap_or(0));
        at != 0 && dot != 0 && dot.ilog2() > at.trailing_zeros() + 1
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[inline]
fn chunk_marks(chunk: &[u8; 16]) -> [u16; 3] {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_splat, v128_load, v128_or};
    // SAFETY: the 16 bytes behind the reference are readable, and v128_load asks for no alignment.
    let bytes = unsafe { v128_load(chunk.as_ptr().cast()) };
    let is = |byte| u8x16_eq(bytes, u8x16_splat(byte));
    let line_end = v128_or(v128_or(is(b'\n'), is(b'\r')), v128_or(is(0xc2), is(0xe2)));
    [u8x16_bitmask(is(b'@')), u8x16_bitmask(is(b'.')), u8x16_bitmask(line_end)]
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
#[inline]
fn chunk_marks(chunk: &[u8; 16]) -> [u16; 3] {
    let mut marks = [0; 3];
    for (i, byte) in chunk.iter().enumerate() {
        let is = [*byte == b'@', *byte == b'.', matches!(byte, b'\n' | b'\r' | 0xc2 | 0xe2)];
        for (bits, is) in marks.iter_mut().zip(is) {
            *bits |= u16::from(is) << i;
        }
    }
    marks
}

/// A set of texts.
#[derive(Debug)]
pub struct OneOf {
    choices: Vec<String>,
    /// The choices as words, where there are few and all are short: comparing them needs no loop.
    words: Option<[u64; WORDS]>,
}

const WORDS: usize = 4;
/// Longest text that fits a word beside its length.
const WORD_BYTES: usize = 7;

impl OneOf {
    /// The set of `choices`, which should not be empty.
    pub fn new(choices: Vec<String>) -> Self {
        let few = (1..=WORDS).contains(&choices.len());
        let short = choices.iter().all(|choice| choice.len() <= WORD_BYTES);
        let mut words = [choices.first().map_or(0, |first| word_of_text(first)); WORDS];
        for (word, choice) in words.iter_mut().zip(&choices) {
            *word = word_of_text(choice);
        }
        Self { words: (few && short).then_some(words), choices }
    }

    /// Whether the text is one of the choices, exactly.
    #[inline]
    pub fn contains(&self, cell: Cell<'_>) -> bool {
        let Some(text) = cell.text() else { return false };
        match (self.words, cell.window::<8>()) {
            (Some(_), _) if text.len() > WORD_BYTES => false,
            (Some(words), Some(window)) => {
                let found = word(*window, text.len());
                words.into_iter().fold(false, |any, word| any | (word == found))
            }
            _ => self.choices.iter().any(|choice| choice.as_bytes() == text),
        }
    }
}

/// The first `len` bytes, at most 7, and the length in the last one.
#[inline]
fn word(bytes: [u8; 8], len: usize) -> u64 {
    let mask = (1_u64 << (8 * len as u32)) - 1;
    u64::from_le_bytes(bytes) & mask | (len as u64) << 56
}

fn word_of_text(text: &str) -> u64 {
    let mut bytes = [0; 8];
    for (byte, from) in bytes.iter_mut().zip(text.bytes()) {
        *byte = from;
    }
    word(bytes, text.len().min(WORD_BYTES))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use millstream_sdk::Kind;

    use super::*;

    fn email(text: &str) -> bool {
        is_email(Cell::new(Kind::String, text.as_bytes()))
    }

    #[test]
    fn an_email_is_what_sparks_expression_finds() {
        for text in [
            "a@b.c",
            "x a@b.c y",
            "a@@.c",
            "@@@.c",
            "a@b..",
            "a@.b.c",
            "é@ü.ñ",
            "a@b.c\n",
            "\n\na@b.c",
            "x\u{2028}a@b.c",
            "no@one\nbut@here.is",
            "1@2.3",
        ] {
            assert!(email(text), "{text:?}");
        }
    }

    #[test]
    fn an_email_needs_something_on_all_three_sides() {
        for text in ["", "@", "a", "a@b", "a@.c", "@b.c", "a@b.", "a.b@c", "a at b.c", "a@.", "@example.com", "a@b@c"] {
            assert!(!email(text), "{text:?}");
        }
    }

    #[test]
    fn no_part_of_an_email_reaches_over_a_line_end() {
        for end in ['\n', '\r', '\u{85}', '\u{2028}', '\u{2029}'] {
            for text in ["a?@b.c", "a@?b", "a@b?.c", "a@b.?c", "a@?.c"] {
                let text = text.replace('?', &end.to_string());
                assert!(!email(&text), "{text:?}");
            }
        }
        // characters that only share a first byte with a line end
        assert!(email("\u{84}@\u{2027}.\u{86}"));
        // other controls are no line ends in Java
        assert!(email("a\u{b}@b\u{c}.c"));
    }

    #[test]
    fn the_quick_way_agrees_with_the_plain_one() {
        // all texts up to eight characters over the alphabet that matters, alone and amid other texts
        let alphabet = [b'a', b'@', b'.', b'\n'];
        for len in 0..=8_u32 {
            for n in 0..alphabet.len().pow(len) {
                let text: Vec<u8> = (0..len).map(|i| alphabet[n / alphabet.len().pow(i) % alphabet.len()]).collect();
                let plain = lines(&text).any(line_has_email);
                assert_eq!(is_email(Cell::new(Kind::String, &text)), plain, "{text:?}");
                for (window, fill) in [(32, b'@'), (64, b'.')] {
                    let mut padded = text.clone();
                    padded.resize(window, fill);
                    let marks = if window == 32 {
                        Marks::of::<32>(padded.first_chunk().unwrap())
                    } else {
                        Marks::of::<64>(padded.first_chunk().unwrap())
                    };
                    let marks = marks.up_to(text.len());
                    assert_eq!(marks.line_end != 0, text.contains(&b'\n'));
                    if marks.line_end == 0 {
                        assert_eq!(marks.are_an_email(text.len()), plain, "{text:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn long_emails_are_judged_like_short_ones() {
        for len in [31, 32, 33, 63, 64, 65, 300] {
            let (head, tail) = ("a".repeat(len - 4), "a".repeat(len - 2));
            assert!(email(&format!("{head}@b.c")), "{len}");
            assert!(!email(&format!("{tail}@b")), "{len}");
            assert!(!email(&format!("{}@b.", "a".repeat(len - 3))), "{len}");
        }
    }

    #[test]
    fn one_of_is_exact_also_at_the_end_of_a_column_and_for_long_choices() {
        let short = OneOf::new(vec!["male".into(), "female".into()]);
        let long = OneOf::new(vec!["male".into(), "something else".into()]);
        let is = |set: &OneOf, kind, text: &str| set.contains(Cell::new(kind, text.as_bytes()));
        for set in [&short, &long] {
            assert!(is(set, Kind::String, "male"));
            for text in ["", "Male", "males", "mal", "male ", "\0male", "male\0", "femalefemale"] {
                assert!(!is(set, Kind::String, text), "{text:?}");
            }
            assert!(!is(set, Kind::Null, ""));
        }
        assert!(is(&long, Kind::String, "something else"));
        assert!(is(&OneOf::new(vec!["true".into()]), Kind::True, ""));
        assert!(is(&OneOf::new(vec!["1e5".into()]), Kind::Number, "1e5"));
        assert!(is(&OneOf::new(vec![String::new()]), Kind::String, ""));
    }
}
