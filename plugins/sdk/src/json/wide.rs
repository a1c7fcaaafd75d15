//! Copies short texts while it looks for what JSON wants escaped.
//!
//! In the sandbox a copy of unknown length is a call into the runtime, and a loop over bytes pays for each of them. So texts
//! are copied in chunks of a fixed size, the last of which takes more than it should: what is too much is cut off again.

/// Bytes that are copied at a time.
pub(super) const CHUNK: usize = 16;

/// Appends the first `length` bytes of `text`, which may go on behind them. Whether nothing among them has to be escaped.
#[inline]
pub(super) fn append(to: &mut Vec<u8>, text: &[u8], length: usize) -> bool {
    let (mut rest, mut left, mut seen) = (text, length, 0);
    while left > CHUNK {
        let Some((chunk, behind)) = rest.split_first_chunk() else { break };
        seen |= specials(chunk);
        to.extend_from_slice(chunk);
        (rest, left) = (behind, left - CHUNK);
    }
    match rest.first_chunk() {
        Some(chunk) => {
            to.extend_from_slice(chunk);
            to.truncate(to.len() - CHUNK + left);
            // what is behind the text does not count
            u32::from(seen) | (u32::from(specials(chunk)) & ((1 << left) - 1)) == 0
        }
        None => append_last(to, rest, left) && seen == 0,
    }
}

/// The last bytes of a column, which nothing follows.
#[cold]
#[inline(never)]
fn append_last(to: &mut Vec<u8>, rest: &[u8], length: usize) -> bool {
    let last = rest.get(..length).unwrap_or(rest);
    to.extend_from_slice(last);
    !last.iter().any(|byte| is_special(*byte))
}

const fn is_special(byte: u8) -> bool {
    byte < b' ' || byte == b'"' || byte == b'\\'
}

/// One bit for each byte, the first one lowest, that is set where the byte has to be escaped.
#[cfg(all(target_arch = "wasm32", target_feature = "simd128"))]
#[inline]
fn specials(chunk: &[u8; CHUNK]) -> u16 {
    use core::arch::wasm32::{u8x16_bitmask, u8x16_eq, u8x16_lt, u8x16_splat, v128_load, v128_or};
    // SAFETY: the load reads the 16 bytes behind the reference, and needs no alignment.
    let bytes = unsafe { v128_load(chunk.as_ptr().cast()) };
    let quote = u8x16_eq(bytes, u8x16_splat(b'"'));
    let backslash = u8x16_eq(bytes, u8x16_splat(b'\\'));
    let control = u8x16_lt(bytes, u8x16_splat(b' '));
    u8x16_bitmask(v128_or(v128_or(quote, backslash), control))
}

/// The same where there are no vectors, which is what native tests see.
#[cfg(not(all(target_arch = "wasm32", target_feature = "simd128")))]
fn specials(chunk: &[u8; CHUNK]) -> u16 {
    chunk.iter().rev().fold(0, |bits, byte| bits << 1 | u16::from(is_special(*byte)))
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn all_is_copied_and_one_special_byte_is_seen_wherever_it_stands() {
        for length in 0..70 {
            for behind in ["", "\"", "\" and more than a chunk of what does not count\\"] {
                let plain = &"é~ ".repeat(20).into_bytes()[..length];
                let mut copy = b"before".to_vec();
                assert!(append(&mut copy, &[plain, behind.as_bytes()].concat(), length), "{length}");
                assert_eq!(copy, [b"before", plain].concat());
                for at in 0..length {
                    let with = |byte| {
                        let mut text = [plain, behind.as_bytes()].concat();
                        text[at] = byte;
                        text
                    };
                    for special in [0, 0x1f, b'"', b'\\'] {
                        assert!(!append(&mut copy, &with(special), length), "{special} at {at} of {length}");
                    }
                    for neighbour in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                        assert!(append(&mut copy, &with(neighbour), length), "{neighbour} at {at} of {length}");
                    }
                }
            }
        }
    }
}
