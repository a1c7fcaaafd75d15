//! UUIDs as text and as bytes. No loop here depends on the data, so the compiler makes straight vector code of it.

/// Where the 32 digits of the text form stand.
const DIGITS: [u8; 32] = [
    0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 16, 17, 19, 20, 21, 22, 24, 25, 26, 27, 28, 29, 30, 31, 32, 33, 34,
    35,
];
/// Where its hyphens stand.
const HYPHENS: [u8; 4] = [8, 13, 18, 23];

/// Reads the form `8-4-4-4-12`, in lower or upper case: nothing before it and nothing after it, not even a line end.
#[inline]
pub fn parse(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let at = |place: u8| text.get(usize::from(place)).copied().unwrap_or_default();
    let mut wrong = false;
    for place in HYPHENS {
        wrong |= at(place) != b'-';
    }
    let mut nibbles = [0; 32];
    for (nibble, place) in nibbles.iter_mut().zip(DIGITS) {
        let digit = at(place).wrapping_sub(b'0');
        let letter = (at(place) | 0x20).wrapping_sub(b'a');
        wrong |= (digit > 9) & (letter > 5);
        *nibble = if digit > 9 { letter.wrapping_add(10) } else { digit };
    }
    let mut bytes = [0; 16];
    let (pairs, _) = nibbles.as_chunks::<2>();
    for (byte, [high, low]) in bytes.iter_mut().zip(pairs) {
        *byte = high << 4 | low;
    }
    (!wrong).then_some(bytes)
}

/// The text of a version 4 UUID, in lower case, whose 122 random bits come from `seed`.
pub fn v4(seed: [u64; 2]) -> String {
    let [high, low] = seed;
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    format!(
        "{:08x}-{:04x}-{:04x}-{:04x}-{:012x}",
        high >> 32,
        high >> 16 & 0xffff,
        high & 0xffff,
        low >> 48,
        low & 0xffff_ffff_ffff
    )
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    const TEXT: &[u8] = b"0123ABCD-45ef-6789-abcd-EF0123456789";

    #[test]
    fn both_cases_are_the_same_bytes() {
        let bytes = [0x01, 0x23, 0xab, 0xcd, 0x45, 0xef, 0x67, 0x89, 0xab, 0xcd, 0xef, 0x01, 0x23, 0x45, 0x67, 0x89];
        assert_eq!(parse(TEXT), Some(bytes));
        assert_eq!(parse(&TEXT.to_ascii_lowercase()), Some(bytes));
        assert_eq!(parse(&TEXT.to_ascii_uppercase()), Some(bytes));
    }

    #[test]
    fn every_other_byte_at_every_place_is_refused() {
        for place in 0..TEXT.len() {
            for byte in 0..=u8::MAX {
                let mut text = TEXT.to_vec();
                text[place] = byte;
                let right = if matches!(place, 8 | 13 | 18 | 23) { byte == b'-' } else { byte.is_ascii_hexdigit() };
                assert_eq!(parse(&text).is_some(), right, "byte {byte} at {place}");
            }
        }
    }

    #[test]
    fn other_lengths_are_refused() {
        assert_eq!(parse(&TEXT[..35]), None);
        assert_eq!(parse(&[TEXT, b"\n"].concat()), None);
        assert_eq!(parse(&[b"{", TEXT, b"}"].concat()), None);
        assert_eq!(parse(b""), None);
    }

    #[test]
    fn v4_has_its_version_and_variant_whatever_the_seed() {
        assert_eq!(v4([0, 0]), "00000000-0000-4000-8000-000000000000");
        assert_eq!(v4([u64::MAX, u64::MAX]), "ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(v4([0x0123_4567_89ab_cdef, 0x0123_4567_89ab_cdef]), "01234567-89ab-4def-8123-456789abcdef");
    }
}
