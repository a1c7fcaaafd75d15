//! Splits an answer into records: where each one's own bytes stand in the body.
//!
//! In come a body and a JSON pointer, out come ranges of the body. Nothing is parsed into values or written anew, so
//! a record is byte for byte what the server sent.

use std::{collections::HashMap, ops::Range};

use serde_json::value::RawValue;

/// Why a body cannot be split.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum SplitError {
    /// It is no JSON document.
    #[error("the answer is not JSON ({0})")]
    NotJson(String),
    /// The pointer leads nowhere.
    #[error("the answer has nothing at `{0}`")]
    Missing(String),
    /// It leads to something else than an array.
    #[error("what the answer has at `{0}` is not an array")]
    NotArray(String),
}

/// The items of the array that `pointer` (RFC 6901) leads to.
pub(super) fn split(body: &[u8], pointer: &str) -> Result<Vec<Range<usize>>, SplitError> {
    let not_json = |error: serde_json::Error| SplitError::NotJson(error.to_string());
    let text = std::str::from_utf8(body).map_err(|error| SplitError::NotJson(error.to_string()))?;
    let mut value: &RawValue = serde_json::from_str(text).map_err(not_json)?;
    let missing = || SplitError::Missing(pointer.to_owned());
    for token in pointer.split('/').skip(1) {
        let token = token.replace("~1", "/").replace("~0", "~");
        value = match value.get().as_bytes().first() {
            Some(b'{') => {
                let members: HashMap<String, &RawValue> = serde_json::from_str(value.get()).map_err(not_json)?;
                members.get(&token).copied()
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(not_json)?;
                token.parse().ok().and_then(|index: usize| items.get(index).copied())
            }
            _ => None,
        }
        .ok_or_else(missing)?;
    }
    if !value.get().starts_with('[') {
        return Err(SplitError::NotArray(pointer.to_owned()));
    }
    let items: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(not_json)?;
    // The items borrow from the body, so their addresses tell where in it they stand.
    let start = text.as_ptr() as usize;
    let range = |item: &&RawValue| {
        let begin = item.get().as_ptr() as usize - start;
        begin..begin + item.get().len()
    };
    Ok(items.iter().map(range).collect())
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::indexing_slicing)]
mod tests {
    use super::*;

    fn texts(body: &str, pointer: &str) -> Result<Vec<String>, SplitError> {
        Ok(split(body.as_bytes(), pointer)?.into_iter().map(|range| body[range].to_owned()).collect())
    }

    #[test]
    fn items_keep_their_own_text() {
        let body = "{ \"results\" : [ {\"a\" : 1.50,\n \"b\":\"\\u00e9\"} , [ ], \"ü\" ,1e5 ], \"info\": {} }\n";
        let items = ["{\"a\" : 1.50,\n \"b\":\"\\u00e9\"}", "[ ]", "\"ü\"", "1e5"];
        assert_eq!(texts(body, "/results").unwrap(), items);
    }

    #[test]
    fn pointers_lead_through_escapes_and_arrays() {
        let body = r#"[{"a/b":{"~":[1,2]}}]"#;
        assert_eq!(texts(body, "/0/a~1b/~0").unwrap(), ["1", "2"]);
        assert_eq!(texts("[7]", "").unwrap(), ["7"]);
    }

    #[test]
    fn what_cannot_be_split_is_told_apart() {
        assert!(matches!(texts("<html>", "/results"), Err(SplitError::NotJson(_))));
        assert!(matches!(texts("{\"results\":[1]} x", "/results"), Err(SplitError::NotJson(_))));
        assert!(matches!(split(b"[\"\xff\"]", ""), Err(SplitError::NotJson(_))));
        assert_eq!(texts("{\"error\":1}", "/results"), Err(SplitError::Missing("/results".into())));
        assert_eq!(texts("{\"results\":null}", "/results/0"), Err(SplitError::Missing("/results/0".into())));
        assert_eq!(texts("{\"results\":{}}", "/results"), Err(SplitError::NotArray("/results".into())));
    }
}
