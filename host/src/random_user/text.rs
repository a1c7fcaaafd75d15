//! Small pieces of JSON and text, appended to a buffer without an allocation.

use super::dice::Dice;

const HEX: &[u8; 16] = b"0123456789abcdef";

/// A JSON string. The word lists hold nothing that JSON would have to escape; a test says so.
pub(super) fn string(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    out.extend_from_slice(text.as_bytes());
    out.push(b'"');
}

/// A number in decimal.
pub(super) fn number(out: &mut Vec<u8>, number: u32) {
    digits(out, number, number.checked_ilog10().unwrap_or(0) + 1);
}

/// The last `count` decimal digits of a number, with leading zeros.
pub(super) fn digits(out: &mut Vec<u8>, number: u32, count: u32) {
    for place in (0..count).rev() {
        out.push(b'0' + (number / 10_u32.pow(place) % 10) as u8);
    }
}

/// A JSON string with `#` replaced by digits and `@` by letters.
pub(super) fn pattern(out: &mut Vec<u8>, dice: &mut Dice, shape: &str) {
    out.push(b'"');
    for byte in shape.bytes() {
        out.push(match byte {
            b'#' => b'0' + dice.below(10) as u8,
            b'@' => b'A' + dice.below(26) as u8,
            other => other,
        });
    }
    out.push(b'"');
}

/// That many hexadecimal digits.
pub(super) fn hex(out: &mut Vec<u8>, dice: &mut Dice, count: usize) {
    let mut left = count;
    while left > 0 {
        let bits = dice.bits();
        for nibble in 0..left.min(16) {
            push_nibble(out, bits >> (4 * nibble));
        }
        left -= left.min(16);
    }
}

/// A UUID of version 4.
pub(super) fn uuid(out: &mut Vec<u8>, dice: &mut Dice) {
    hex(out, dice, 8);
    out.push(b'-');
    hex(out, dice, 4);
    out.extend_from_slice(b"-4");
    hex(out, dice, 3);
    out.push(b'-');
    push_nibble(out, 8 | (dice.bits() & 3));
    hex(out, dice, 3);
    out.push(b'-');
    hex(out, dice, 12);
}

fn push_nibble(out: &mut Vec<u8>, bits: u64) {
    out.extend(HEX.get((bits & 15) as usize));
}

/// A moment of that year, as in `1993-07-20T09:44:18.674Z`. Days 29 to 31 do not occur.
pub(super) fn date(out: &mut Vec<u8>, dice: &mut Dice, year: u32) {
    digits(out, year, 4);
    for (before, from, to, count) in
        [(b'-', 1, 12, 2), (b'-', 1, 28, 2), (b'T', 0, 23, 2), (b':', 0, 59, 2), (b':', 0, 59, 2), (b'.', 0, 999, 3)]
    {
        out.push(before);
        digits(out, dice.between(from, to), count);
    }
    out.push(b'Z');
}

/// A name as it stands in an e-mail address: its Latin form, without accents, in lower case, letters only.
pub(super) fn plain_name(out: &mut Vec<u8>, name: &str) {
    let name = name.split_once('|').map_or(name, |(_, latin)| latin);
    for letter in name.chars() {
        let plain = match letter {
            'a'..='z' => {
                out.push(letter as u8);
                continue;
            }
            'A'..='Z' => {
                out.push(letter.to_ascii_lowercase() as u8);
                continue;
            }
            'à'..='å' | 'À'..='Å' => "a",
            'æ' | 'Æ' => "ae",
            'ç' | 'Ç' => "c",
            'è'..='ë' | 'È'..='Ë' => "e",
            'ì'..='ï' | 'Ì'..='Ï' | 'ı' | 'İ' => "i",
            'ğ' | 'Ğ' => "g",
            'ñ' | 'Ñ' => "n",
            'ò'..='ö' | 'Ò'..='Ö' | 'ø' | 'Ø' => "o",
            'ù'..='ü' | 'Ù'..='Ü' => "u",
            'ş' | 'Ş' => "s",
            'ß' => "ss",
            _ => "",
        };
        out.extend_from_slice(plain.as_bytes());
    }
}
