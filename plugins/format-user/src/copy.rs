//! Copies short texts while it looks for what JSON wants escaped.
//!
//! In the sandbox a copy of unknown length is a call into the runtime, and a loop over bytes pays for each of them. So
//! texts are copied in pieces of fixed sizes, the last of which reaches back over the one before it.

/// Appends `text`. Whether nothing in it has to be escaped; otherwise what was appended is to be taken back.
pub fn append(to: &mut Vec<u8>, text: &[u8]) -> bool {
    if let Some(last) = text.last_chunk::<16>() {
        let (chunks, _) = text.as_chunks::<16>();
        let before = to.len();
        let mut is_plain = true;
        for chunk in chunks {
            is_plain &= is_plain_16(chunk);
            to.extend_from_slice(chunk);
        }
        // Over the last chunk, as far as it reaches back.
        to.truncate(before + text.len() - 16);
        to.extend_from_slice(last);
        is_plain & is_plain_16(last)
    } else if let (Some(first), Some(last)) = (text.first_chunk::<8>(), text.last_chunk::<8>()) {
        let before = to.len();
        to.extend_from_slice(first);
        to.truncate(before + text.len() - 8);
        to.extend_from_slice(last);
        specials_8(*first) | specials_8(*last) == 0
    } else if let (Some(first), Some(last)) = (text.first_chunk::<4>(), text.last_chunk::<4>()) {
        let before = to.len();
        to.extend_from_slice(first);
        to.truncate(before + text.len() - 4);
        to.extend_from_slice(last);
        let [a, b, c, d] = *first;
        let [e, f, g, h] = *last;
        is_plain_8([a, b, c, d, e, f, g, h])
    } else {
        text.iter().fold(true, |is_plain, byte| {
            to.push(*byte);
            is_plain & !is_special(*byte)
        })
    }
}

const fn is_special(byte: u8) -> bool {
    (byte < b' ') | (byte == b'"') | (byte == b'\\')
}

fn is_plain_16(text: &[u8; 16]) -> bool {
    let words = text.as_chunks::<8>().0;
    words.iter().fold(0, |specials, word| specials | specials_8(*word)) == 0
}

fn is_plain_8(text: [u8; 8]) -> bool {
    specials_8(text) == 0
}

/// Not zero where one of the bytes has to be escaped. All eight in one word, as comparing byte by byte is not made vector
/// instructions of; see "Determine if a word has a byte less than n" in Anderson, Bit Twiddling Hacks.
fn specials_8(text: [u8; 8]) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    const HIGH: u64 = ONES << 7;
    let word = u64::from_le_bytes(text);
    let less = |word: u64, than: u64| word.wrapping_sub(ONES * than) & !word & HIGH;
    let equals = |byte: u8| less(word ^ (ONES * u64::from(byte)), 1);
    less(word, b' '.into()) | equals(b'"') | equals(b'\\')
}

#[cfg(test)]
#[allow(clippy::indexing_slicing)]
mod tests {
    use super::*;

    #[test]
    fn all_is_copied_and_one_special_byte_is_seen_wherever_it_stands() {
        for length in 0..70 {
            let plain = &"é~ ".repeat(20).into_bytes()[..length];
            let mut copy = b"before".to_vec();
            assert!(append(&mut copy, plain), "{length}");
            assert_eq!(copy, [b"before", plain].concat());
            for at in 0..length {
                for special in [0, 0x1f, b'"', b'\\'] {
                    let mut text = plain.to_vec();
                    text[at] = special;
                    assert!(!append(&mut copy, &text), "{special} at {at} of {length}");
                }
                for neighbour in [b' ', b'!', b'#', b'[', b']', 0x7f, 0x80, 0xff] {
                    let mut text = plain.to_vec();
                    text[at] = neighbour;
                    assert!(append(&mut copy, &text), "{neighbour} at {at} of {length}");
                }
            }
        }
    }
}
