//! The inside of JSON strings: escapes are read here, both to check them and to decode them.

use memchr::memchr;

/// Reads the escape whose backslash is at `at`: the character that it stands for and the position after it. `None`
/// where it is malformed or half of a surrogate pair.
pub(super) fn escape(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let character = match bytes.get(at + 1)? {
        b'"' => '"',
        b'\\' => '\\',
        b'/' => '/',
        b'b' => '\u{8}',
        b'f' => '\u{c}',
        b'n' => '\n',
        b'r' => '\r',
        b't' => '\t',
        b'u' => return unicode_escape(bytes, at),
        _ => return None,
    };
    Some((character, at + 2))
}

/// `\uXXXX`, or two of them that are a surrogate pair; `at` is the backslash.
fn unicode_escape(bytes: &[u8], at: usize) -> Option<(char, usize)> {
    let first = hex(bytes, at + 2)?;
    if !(0xd800..0xdc00).contains(&first) {
        return Some((char::from_u32(first)?, at + 6)); // a low surrogate alone is no `char`
    }
    let (Some(b'\\'), Some(b'u')) = (bytes.get(at + 6), bytes.get(at + 7)) else { return None };
    let low = hex(bytes, at + 8)?.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
    Some((char::from_u32(0x10000 + ((first - 0xd800) << 10) + low)?, at + 12))
}

/// The four hexadecimal digits at `at`.
fn hex(bytes: &[u8], at: usize) -> Option<u32> {
    let digits = bytes.get(at..)?.first_chunk::<4>()?;
    digits.iter().try_fold(0, |value, digit| Some(value << 4 | char::from(*digit).to_digit(16)?))
}

/// Appends the decoded text of a string whose inside, `inside`, has passed the scan.
pub(super) fn decode(inside: &[u8], out: &mut Vec<u8>) {
    let mut rest = inside;
    while let Some(at) = memchr(b'\\', rest) {
        let (plain, escaped) = rest.split_at(at);
        // An escape that cannot be read never passes the scan; were it to, the text is kept as written from there.
        let Some((character, end)) = escape(escaped, 0) else { break };
        out.extend_from_slice(plain);
        out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        rest = escaped.get(end..).unwrap_or_default();
    }
    out.extend_from_slice(rest);
}

/// Appends `document[start..end]`. Most fields are short, and copying 64 bytes to keep a few is cheaper than a copy of
/// unknown length.
#[inline]
pub(super) fn copy(document: &[u8], start: usize, end: usize, out: &mut Vec<u8>) {
    const WIDE: usize = 64;
    let wide = document.get(start..).and_then(|rest| rest.first_chunk::<WIDE>());
    match wide {
        Some(wide) if end.saturating_sub(start) <= WIDE => {
            let kept = out.len() + (end - start);
            out.extend_from_slice(wide);
            out.truncate(kept);
        }
        _ => out.extend_from_slice(document.get(start..end).unwrap_or_default()),
    }
}
