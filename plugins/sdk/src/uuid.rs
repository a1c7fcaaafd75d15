//! UUIDs as text and as bytes.
//!
//! Reading one is in the path of every record, so in the sandbox it is done with vector instructions; the portable way
//! says the same and is what native tests see.

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
use portable::{digits, written};
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
use vector::{digits, written};

/// Reads the form `8-4-4-4-12`, in lower or upper case: nothing before it and nothing after it, not even a line end.
#[inline]
pub fn parse(text: &[u8]) -> Option<[u8; 16]> {
    let text: &[u8; 36] = text.try_into().ok()?;
    let hyphens = [text[8], text[13], text[18], text[23]] == [b'-'; 4];
    digits(text).filter(|_| hyphens)
}

#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
mod portable {
    /// Where the first digit of each byte stands; the second one is beside it.
    const BYTES: [usize; 16] = [0, 2, 4, 6, 9, 11, 14, 16, 19, 21, 24, 26, 28, 30, 32, 34];

    /// The 32 digits as bytes, whatever stands between them; `None` where one is no digit.
    pub(super) fn digits(text: &[u8; 36]) -> Option<[u8; 16]> {
        let mut bytes = [0; 16];
        for (byte, place) in bytes.iter_mut().zip(BYTES) {
            let [high, low] = text.get(place..)?.first_chunk()?;
            *byte = nibble(*high)? << 4 | nibble(*low)?;
        }
        Some(bytes)
    }

    fn nibble(digit: u8) -> Option<u8> {
        char::from(digit).to_digit(16).map(|nibble| nibble as u8)
    }

    /// The text of the UUID that these are the bytes of, the first one highest.
    pub(super) fn written(high: u64, low: u64) -> [u8; 36] {
        let mut text = [b'-'; 36];
        let bytes = [high.to_be_bytes(), low.to_be_bytes()];
        for (byte, place) in bytes.into_iter().flatten().zip(BYTES) {
            let pair =
                [byte >> 4, byte & 0xf].map(|nibble| char::from_digit(nibble.into(), 16).unwrap_or_default() as u8);
            if let Some(two) = text.get_mut(place..place + 2) {
                two.copy_from_slice(&pair);
            }
        }
        text
    }
}

#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
mod vector {
    use core::arch::wasm32::{
        i8x16_shuffle, u8x16, u8x16_add, u8x16_extract_lane, u8x16_gt, u8x16_shl, u8x16_shr, u8x16_splat, u8x16_sub,
        u8x16_swizzle, u64x2, v128, v128_and, v128_any_true, v128_bitselect, v128_load, v128_or, v128_store,
    };

    /// The 32 digits as bytes, whatever stands between them; `None` where one is no digit.
    #[inline]
    pub(super) fn digits(text: &[u8; 36]) -> Option<[u8; 16]> {
        let start = text.as_ptr();
        // SAFETY: each load reads 16 of the 36 bytes behind the reference; none needs alignment.
        let (head, middle, tail) =
            unsafe { (v128_load(start.cast()), v128_load(start.add(16).cast()), v128_load(start.add(20).cast())) };
        // the digits without the hyphens: those at 0 to 17, then those at 19 to 35
        let left = i8x16_shuffle::<0, 1, 2, 3, 4, 5, 6, 7, 9, 10, 11, 12, 14, 15, 16, 17>(head, middle);
        let right = i8x16_shuffle::<3, 4, 5, 6, 20, 21, 22, 23, 24, 25, 26, 27, 28, 29, 30, 31>(middle, tail);
        let ((left, wrong_left), (right, wrong_right)) = (nibbles(left), nibbles(right));
        if v128_any_true(v128_or(wrong_left, wrong_right)) {
            return None;
        }
        let high = i8x16_shuffle::<0, 2, 4, 6, 8, 10, 12, 14, 16, 18, 20, 22, 24, 26, 28, 30>(left, right);
        let low = i8x16_shuffle::<1, 3, 5, 7, 9, 11, 13, 15, 17, 19, 21, 23, 25, 27, 29, 31>(left, right);
        let mut bytes = [0; 16];
        // SAFETY: the array has the 16 bytes that are written, and the store needs no alignment.
        unsafe { v128_store(bytes.as_mut_ptr().cast(), v128_or(u8x16_shl(high, 4), low)) };
        Some(bytes)
    }

    /// The text of the UUID that these are the bytes of, the first one highest.
    #[inline]
    pub(super) fn written(high: u64, low: u64) -> [u8; 36] {
        let bytes = u64x2(high.swap_bytes(), low.swap_bytes());
        let digits =
            u8x16(b'0', b'1', b'2', b'3', b'4', b'5', b'6', b'7', b'8', b'9', b'a', b'b', b'c', b'd', b'e', b'f');
        let high = u8x16_swizzle(digits, u8x16_shr(bytes, 4));
        let low = u8x16_swizzle(digits, v128_and(bytes, u8x16_splat(0xf)));
        let left = i8x16_shuffle::<0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23>(high, low);
        let right = i8x16_shuffle::<8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31>(high, low);
        let hyphens = u8x16_splat(b'-');
        let head = i8x16_shuffle::<0, 1, 2, 3, 4, 5, 6, 7, 16, 8, 9, 10, 11, 16, 12, 13>(left, hyphens);
        let tail = i8x16_shuffle::<1, 2, 3, 16, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15>(right, hyphens);
        let mut text = [b'-'; 36];
        // SAFETY: each store writes 16 of the array's 36 bytes, from 0 and from 20 on; neither needs alignment.
        unsafe {
            v128_store(text.as_mut_ptr().cast(), head);
            v128_store(text.as_mut_ptr().add(20).cast(), tail);
        }
        text[16] = u8x16_extract_lane::<14>(left);
        text[17] = u8x16_extract_lane::<15>(left);
        text[19] = u8x16_extract_lane::<0>(right);
        text
    }

    /// The value of each digit, and 0xff in each place where there is none.
    #[inline]
    fn nibbles(text: v128) -> (v128, v128) {
        let number = u8x16_sub(text, u8x16_splat(b'0'));
        let letter = u8x16_sub(v128_or(text, u8x16_splat(0x20)), u8x16_splat(b'a'));
        let no_number = u8x16_gt(number, u8x16_splat(9));
        let no_letter = u8x16_gt(letter, u8x16_splat(5));
        let value = v128_bitselect(u8x16_add(letter, u8x16_splat(10)), number, no_number);
        (value, v128_and(no_number, no_letter))
    }
}

/// The text of a version 4 UUID, in lower case, whose 122 random bits come from `seed`.
pub fn v4(seed: [u64; 2]) -> [u8; 36] {
    let [high, low] = seed;
    let high = high & !0xf000 | 0x4000;
    let low = low & !(0b11 << 62) | 0b10 << 62;
    written(high, low)
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
        assert_eq!(&v4([0, 0]), b"00000000-0000-4000-8000-000000000000");
        assert_eq!(&v4([u64::MAX, u64::MAX]), b"ffffffff-ffff-4fff-bfff-ffffffffffff");
        assert_eq!(&v4([0x0123_4567_89ab_cdef, 0x0123_4567_89ab_cdef]), b"01234567-89ab-4def-8123-456789abcdef");
    }
}
