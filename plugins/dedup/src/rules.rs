//! When two keys are one, as pure functions of the key's text.

use millstream_sdk::uuid;

/// The 16 bytes of a UUID, whichever case it is written in; `None` where the text is none.
#[inline]
pub fn uuid_key(text: &[u8]) -> Option<[u8; 16]> {
    uuid::parse(text)
}

/// The text's bytes as they are, so a number and a string that are written alike are one key. An empty text is no key:
/// otherwise all records that lack theirs would count as one.
#[inline]
pub fn text_key(text: &[u8]) -> Option<&[u8]> {
    (!text.is_empty()).then_some(text)
}
