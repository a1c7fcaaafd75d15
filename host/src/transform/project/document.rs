//! The JSON grammar, exactly as `serde_json` reads it into a `Value`: positions in, positions out.
//!
//! Every function takes the position of what it reads and returns the position after it, or `None` where the document
//! is malformed. UTF-8 is checked beforehand, for the whole document. Nothing here recurses, allocates, or knows which
//! fields are wanted.

use super::text;
use crate::record::Kind;

/// Containers may be open at the same time: one more is refused, as `serde_json` does.
pub(super) const MAX_DEPTH: u32 = 127;

/// One record's bytes with the bitmap of those that matter inside strings.
#[derive(Clone, Copy)]
pub(super) struct Document<'a> {
    /// The whole record.
    pub bytes: &'a [u8],
    /// See [`super::bitmap::Bits::specials`].
    pub specials: &'a [u64],
}

/// Where the inside of a string ends.
#[derive(Clone, Copy)]
pub(super) struct StringEnd {
    /// Position of the closing quote.
    pub quote: usize,
    /// Whether there are escapes in it.
    pub escaped: bool,
}

/// A member's key and where its value, after colon and white space, begins.
pub(super) struct Key<'a> {
    /// The key as written, without its quotes.
    pub text: &'a [u8],
    /// Whether there are escapes in it.
    pub escaped: bool,
    /// Position of the value's first byte.
    pub value: usize,
}

impl<'a> Document<'a> {
    #[inline]
    pub(super) fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// The first position from `at` on that is not white space.
    #[inline]
    pub(super) fn skip_space(&self, mut at: usize) -> usize {
        while let Some(b' ' | b'\n' | b'\t' | b'\r') = self.byte(at) {
            at += 1;
        }
        at
    }

    /// Reads the inside of a string; `at` is the position after the opening quote.
    #[inline]
    pub(super) fn string(&self, at: usize) -> Option<StringEnd> {
        let special = self.next_special(at)?;
        if self.byte(special)? == b'"' {
            return Some(StringEnd { quote: special, escaped: false });
        }
        self.string_with_escapes(special)
    }

    fn string_with_escapes(&self, mut special: usize) -> Option<StringEnd> {
        let mut escaped = false;
        loop {
            match self.byte(special)? {
                b'"' => return Some(StringEnd { quote: special, escaped }),
                b'\\' => {
                    escaped = true;
                    let (_, end) = text::escape(self.bytes, special)?;
                    special = self.next_special(end)?;
                }
                _ => return None, // a control byte
            }
        }
    }

    /// The first quote, backslash or control byte from `at` on.
    #[inline]
    fn next_special(&self, at: usize) -> Option<usize> {
        let mut word = at / 64;
        let mut bits = self.specials.get(word)? >> (at % 64);
        if bits != 0 {
            return Some(at + bits.trailing_zeros() as usize);
        }
        while bits == 0 {
            word += 1;
            bits = *self.specials.get(word)?;
        }
        Some(word * 64 + bits.trailing_zeros() as usize)
    }

    /// Reads a member's key and colon; `at` is where the key's quote must be.
    pub(super) fn key(&self, at: usize) -> Option<Key<'a>> {
        if self.byte(at)? != b'"' {
            return None;
        }
        let StringEnd { quote, escaped } = self.string(at + 1)?;
        let colon = self.skip_space(quote + 1);
        if self.byte(colon)? != b':' {
            return None;
        }
        Some(Key { text: self.bytes.get(at + 1..quote)?, escaped, value: self.skip_space(colon + 1) })
    }

    /// Reads a value whatever it is. `at` is its first byte, `depth` the number of containers that are open there.
    pub(super) fn skip(&self, mut at: usize, depth: u32) -> Option<usize> {
        let mut open = depth;
        // One bit per container that was opened here, 1 for an object, the innermost lowest: MAX_DEPTH bits fit.
        let mut objects: u128 = 0;
        loop {
            let first = self.byte(at)?;
            at = match first {
                b'{' | b'[' => {
                    if open == MAX_DEPTH {
                        return None;
                    }
                    let object = first == b'{';
                    at = self.skip_space(at + 1);
                    if self.byte(at)? != closing(object) {
                        open += 1;
                        objects = objects << 1 | u128::from(object);
                        if object {
                            at = self.key(at)?.value;
                        }
                        continue;
                    }
                    at + 1
                }
                b'"' => self.string(at + 1)?.quote + 1,
                _ => self.scalar(at)?,
            };
            loop {
                if open == depth {
                    return Some(at);
                }
                let object = objects & 1 == 1;
                at = self.skip_space(at);
                let next = self.byte(at)?;
                at += 1;
                if next == b',' {
                    at = self.skip_space(at);
                    if object {
                        at = self.key(at)?.value;
                    }
                    break;
                }
                if next != closing(object) {
                    return None;
                }
                objects >>= 1;
                open -= 1;
            }
        }
    }

    /// Reads a number, `true`, `false` or `null`.
    pub(super) fn scalar(&self, at: usize) -> Option<usize> {
        match self.byte(at)? {
            b'-' | b'0'..=b'9' => self.number(at),
            b't' => self.literal(at, b"true"),
            b'f' => self.literal(at, b"false"),
            b'n' => self.literal(at, b"null"),
            _ => None,
        }
    }

    fn literal(&self, at: usize, word: &[u8]) -> Option<usize> {
        self.bytes.get(at..)?.starts_with(word).then_some(at + word.len())
    }

    fn number(&self, start: usize) -> Option<usize> {
        /// Up to so many bytes and exponent digits a number is below 10^199, far inside the range of an `f64`.
        const SAFE: (usize, usize) = (100, 2);
        let unsigned = if self.byte(start)? == b'-' { start + 1 } else { start };
        let mut at = match self.byte(unsigned)? {
            b'0' => unsigned + 1,
            _ => self.digits(unsigned)?,
        };
        if self.byte(at) == Some(b'.') {
            at = self.digits(at + 1)?;
        }
        let mut exponent_digits = 0;
        if let Some(b'e' | b'E') = self.byte(at) {
            let sign = matches!(self.byte(at + 1), Some(b'+' | b'-'));
            let first = at + 1 + usize::from(sign);
            at = self.digits(first)?;
            exponent_digits = at - first;
        }
        if at - start > SAFE.0 || exponent_digits > SAFE.1 {
            // Which numbers are out of range hangs on how they are rounded: `serde_json` itself must say.
            serde_json::from_slice::<serde_json::Number>(self.bytes.get(start..at)?).ok()?;
        }
        Some(at)
    }

    /// Reads one digit or more.
    #[inline]
    fn digits(&self, start: usize) -> Option<usize> {
        let mut at = start;
        while let Some(b'0'..=b'9') = self.byte(at) {
            at += 1;
        }
        (at > start).then_some(at)
    }
}

/// The kind of a value that begins with that byte and has been read without fault.
pub(super) fn kind(first: u8) -> Kind {
    match first {
        b'"' => Kind::String,
        b'{' => Kind::Object,
        b'[' => Kind::Array,
        b't' => Kind::True,
        b'f' => Kind::False,
        b'n' => Kind::Null,
        _ => Kind::Number,
    }
}

fn closing(object: bool) -> u8 {
    if object { b'}' } else { b']' }
}
