//! Decimal numerals of any size, as JSON and people write them: to integers, and to the bytes of `varint` and
//! `decimal` cells.
//!
//! Borrows the text; never rounds, and never goes through a float.

/// Most digits of an integer that is written out: `1e999999999` must not become a gigabyte of zeros.
const MAX_DIGITS: usize = 1_000;
/// Largest exponent, either way: whoever reads such a decimal may write its digits out.
const MAX_EXPONENT: i32 = 1_000;

/// A numeral such as `-12.50` or `1e5`: its value is `integer.fraction` times ten to the power of `exponent`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Numeral<'a> {
    negative: bool,
    integer: &'a str,
    fraction: &'a str,
    exponent: i32,
}

impl<'a> Numeral<'a> {
    /// Reads a numeral that takes up the whole text; `None` where it is none, or larger than the limits.
    pub fn parse(text: &'a str) -> Option<Self> {
        let (negative, unsigned) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match unsigned.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, parse_exponent(exponent)?),
            None => (unsigned, 0),
        };
        let (integer, fraction) = match mantissa.split_once('.') {
            Some((integer, fraction)) if !fraction.is_empty() => (integer, fraction),
            Some(_) => return None,
            None => (mantissa, ""),
        };
        let digits = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        let fits = integer.len() + fraction.len() <= MAX_DIGITS && exponent.abs() <= MAX_EXPONENT;
        let valid = !integer.is_empty() && digits(integer) && digits(fraction) && fits;
        valid.then_some(Self { negative, integer, fraction, exponent })
    }

    /// Its value, where that is a whole number of at most 64 bits.
    pub fn to_i64(self) -> Option<i64> {
        let mut value = 0i64;
        for digit in self.whole_digits()? {
            // Counted downwards, because the smallest number has no positive counterpart.
            value = value.checked_mul(10)?.checked_sub(i64::from(digit))?;
        }
        if self.negative { Some(value) } else { value.checked_neg() }
    }

    /// Whether it is a whole number.
    pub fn is_whole(self) -> bool {
        self.whole_digits().is_some()
    }

    /// Its value as the shortest big-endian two's complement, where it is a whole number.
    pub fn to_varint(self) -> Option<Vec<u8>> {
        Some(twos_complement(self.whole_digits()?, self.negative))
    }

    /// Its value in decimal digits without exponent, where it is a whole number.
    pub fn to_whole_text(self) -> Option<String> {
        let digits = self.whole_digits()?.skip_while(|digit| *digit == 0);
        let text: String = digits.map(|digit| char::from(b'0' + digit)).collect();
        Some(match (text.is_empty(), self.negative) {
            (true, _) => "0".to_owned(),
            (false, true) => format!("-{text}"),
            (false, false) => text,
        })
    }

    /// Scale and unscaled value: the numeral is `unscaled / 10^scale`, with the digits as written.
    pub fn to_decimal(self) -> (i32, Vec<u8>) {
        let scale = self.fraction.len() as i32 - self.exponent;
        (scale, twos_complement(self.digits(), self.negative))
    }

    fn digits(self) -> impl Iterator<Item = u8> + 'a {
        self.integer.bytes().chain(self.fraction.bytes()).map(|digit| digit - b'0')
    }

    /// The digits of a whole number, or `None` where something other than zero follows the decimal point.
    fn whole_digits(self) -> Option<impl Iterator<Item = u8> + 'a> {
        let written = self.integer.len() + self.fraction.len();
        let scale = self.fraction.len() as i32 - self.exponent;
        let behind = usize::try_from(scale).unwrap_or(0);
        let zeros = usize::try_from(-scale).unwrap_or(0);
        let whole = written.saturating_sub(behind);
        if self.digits().skip(whole).any(|digit| digit != 0) {
            return None;
        }
        Some(self.digits().take(whole).chain(std::iter::repeat_n(0, zeros)))
    }
}

fn parse_exponent(text: &str) -> Option<i32> {
    let digits = text.strip_prefix(['+', '-']).unwrap_or(text);
    if digits.is_empty() || !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

/// Shortest big-endian two's complement of a number given by its decimal digits.
fn twos_complement(digits: impl Iterator<Item = u8>, negative: bool) -> Vec<u8> {
    // Little endian while it grows.
    let mut bytes: Vec<u8> = Vec::with_capacity(16);
    for digit in digits {
        let mut carry = u16::from(digit);
        for byte in &mut bytes {
            carry += u16::from(*byte) * 10;
            *byte = carry as u8;
            carry >>= 8;
        }
        if carry > 0 {
            bytes.push(carry as u8);
        }
    }
    // One byte more leaves room for the sign; `shorten` takes it away again where it says nothing.
    bytes.push(0);
    if negative {
        let mut carry = true;
        for byte in &mut bytes {
            let (sum, overflow) = (!*byte).overflowing_add(u8::from(carry));
            *byte = sum;
            carry = overflow;
        }
    }
    shorten(&mut bytes);
    bytes.reverse();
    bytes
}

/// Drops leading bytes (the last ones here) that only repeat the sign.
fn shorten(little_endian: &mut Vec<u8>) {
    while let [.., next, last] = little_endian.as_slice() {
        let sign = if next & 0x80 == 0 { 0x00 } else { 0xff };
        if *last != sign {
            return;
        }
        little_endian.pop();
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::expect_used, clippy::indexing_slicing, clippy::panic)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    /// The shortest two's complement of a 128-bit number, the plain way.
    fn shortest(value: i128) -> Vec<u8> {
        let bytes = value.to_be_bytes();
        let mut from = 0;
        while from < 15 && (bytes[from], bytes[from + 1] & 0x80) == if value < 0 { (0xff, 0x80) } else { (0, 0) } {
            from += 1;
        }
        bytes[from..].to_vec()
    }

    proptest! {
        #[test]
        fn integers_come_back(value: i64) {
            let text = value.to_string();
            let numeral = Numeral::parse(&text).unwrap();
            prop_assert_eq!(numeral.to_i64(), Some(value));
            prop_assert_eq!(numeral.to_whole_text(), Some(text.clone()));
        }

        #[test]
        fn varints_are_the_shortest_twos_complement(value: i128) {
            let text = value.to_string();
            prop_assert_eq!(Numeral::parse(&text).unwrap().to_varint().unwrap(), shortest(value));
        }

        #[test]
        fn decimals_keep_their_digits(unscaled: i64, fraction in 1usize..12) {
            let digits = format!("{:0>13}", unscaled.unsigned_abs());
            let (integer, behind) = digits.split_at(digits.len() - fraction);
            let text = format!("{}{integer}.{behind}", if unscaled < 0 { "-" } else { "" });
            let (scale, bytes) = Numeral::parse(&text).unwrap().to_decimal();
            prop_assert_eq!((scale, bytes), (fraction as i32, shortest(unscaled.into())));
        }

        #[test]
        fn exponents_shift_the_point(value in -9_999i64..9_999, exponent in 0u32..12) {
            let text = format!("{value}e{exponent}");
            prop_assert_eq!(Numeral::parse(&text).unwrap().to_i64(), Some(value * 10i64.pow(exponent)));
            let text = format!("{}.0e-{exponent}", value * 10i64.pow(exponent));
            prop_assert_eq!(Numeral::parse(&text).unwrap().to_i64(), Some(value));
        }

        #[test]
        fn any_text_is_read_or_refused(text in "[-+0-9.eE]{0,12}") {
            if let Some(numeral) = Numeral::parse(&text) {
                let float: f64 = text.parse().unwrap();
                prop_assert!(numeral.to_i64().is_none_or(|value| (value as f64 - float).abs() <= float.abs() * 1e-9));
            }
        }
    }

    #[test]
    fn odd_numerals() {
        let whole = |text: &str| Numeral::parse(text).and_then(Numeral::to_i64);
        assert_eq!(whole("1e5"), Some(100_000));
        assert_eq!(whole("12.50"), None);
        assert_eq!(whole("12.50e1"), Some(125));
        assert_eq!(whole("0e999"), Some(0));
        assert_eq!(whole("-9223372036854775808"), Some(i64::MIN));
        assert_eq!(whole("9223372036854775808"), None);
        for text in ["", "-", "1.", ".5", "1e", "1e+", "0x1", "1 ", " 1", "1e1001", "١", "1e5e5", "--1"] {
            assert_eq!(Numeral::parse(text), None, "{text}");
        }
        assert_eq!(Numeral::parse("-0").map(Numeral::to_varint), Some(Some(vec![0])));
        assert_eq!(Numeral::parse("-128").map(Numeral::to_varint), Some(Some(vec![0x80])));
        assert_eq!(Numeral::parse("128").map(Numeral::to_varint), Some(Some(vec![0, 0x80])));
        assert_eq!(Numeral::parse("12.50").map(Numeral::to_decimal), Some((2, vec![0x04, 0xe2])));
        assert_eq!(Numeral::parse("1e5").map(Numeral::to_decimal), Some((-5, vec![1])));
        assert_eq!(Numeral::parse("-1e3").and_then(Numeral::to_whole_text), Some("-1000".to_owned()));
    }
}
