//! JSON pointers (RFC 6901): text in, decoded reference tokens out.
//!
//! Stricter than RFC 6901 in one point: the empty pointer, which would mean the whole document, is refused, because a
//! plugin that wants the document asks for the record's value instead.

use thiserror::Error;

/// Why a JSON pointer cannot name a field.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum PointerError {
    /// The pointer is the empty string.
    #[error("the empty JSON pointer means the whole document, not a field; ask for the record's value instead")]
    Empty,
    /// The first character is not a slash.
    #[error("JSON pointer `{pointer}` does not begin with `/`; write `/{pointer}`")]
    NoSlash {
        /// The pointer as it was given.
        pointer: String,
    },
    /// A tilde stands for itself.
    #[error("JSON pointer `{pointer}` has a `~` without 0 or 1 after it; write `~0` for `~` and `~1` for `/`")]
    BadEscape {
        /// The pointer as it was given.
        pointer: String,
    },
}

/// The decoded tokens of a pointer, at least one.
pub(super) fn tokens(pointer: &str) -> Result<Vec<String>, PointerError> {
    if pointer.is_empty() {
        return Err(PointerError::Empty);
    }
    let Some(tokens) = pointer.strip_prefix('/') else {
        return Err(PointerError::NoSlash { pointer: pointer.to_owned() });
    };
    tokens
        .split('/')
        .map(|token| decode(token).ok_or_else(|| PointerError::BadEscape { pointer: pointer.to_owned() }))
        .collect()
}

fn decode(token: &str) -> Option<String> {
    let mut decoded = String::with_capacity(token.len());
    let mut characters = token.chars();
    while let Some(character) = characters.next() {
        decoded.push(match character {
            '~' => match characters.next()? {
                '0' => '~',
                '1' => '/',
                _ => return None,
            },
            other => other,
        });
    }
    Some(decoded)
}

/// The array element that a token names: digits without a leading zero.
pub(super) fn array_index(token: &str) -> Option<usize> {
    let digits = token.bytes().all(|byte| byte.is_ascii_digit());
    let leading_zero = token.len() > 1 && token.starts_with('0');
    if digits && !leading_zero { token.parse().ok() } else { None }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]
    use super::*;

    #[test]
    fn escapes_are_decoded_once() {
        assert_eq!(tokens("/a~1b/~01//0").unwrap(), ["a/b", "~1", "", "0"]);
        assert_eq!(tokens("/").unwrap(), [""]);
    }

    #[test]
    fn pointers_that_name_no_field_are_refused() {
        assert_eq!(tokens(""), Err(PointerError::Empty));
        assert_eq!(tokens("id"), Err(PointerError::NoSlash { pointer: "id".into() }));
        for pointer in ["/a~", "/~2", "/a/~/b"] {
            assert_eq!(tokens(pointer), Err(PointerError::BadEscape { pointer: pointer.into() }));
        }
    }

    #[test]
    fn only_plain_numbers_name_elements() {
        assert_eq!(array_index("0"), Some(0));
        assert_eq!(array_index("10"), Some(10));
        for token in ["", "-", "+1", "01", "00", "1x", "99999999999999999999999"] {
            assert_eq!(array_index(token), None, "{token}");
        }
    }
}
