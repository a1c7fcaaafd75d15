//! Splits an answer into records: where each one's own bytes stand in the body.
//!
//! In come a body and a JSON pointer, out come ranges of the body. Nothing is parsed into values or written anew, so
//! a record is byte for byte what the server sent.

use std::{collections::HashMap, fmt, ops::Range};

use serde::{
    Deserializer,
    de::{DeserializeSeed, IgnoredAny, MapAccess, SeqAccess, Visitor},
};
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
    let text = match simdutf8::basic::from_utf8(body) {
        Ok(text) => text,
        // The other one is faster, and does not say where.
        Err(_) => std::str::from_utf8(body).map_err(|error| SplitError::NotJson(error.to_string()))?,
    };
    let tokens: Vec<String> =
        pointer.split('/').skip(1).map(|token| token.replace("~1", "/").replace("~0", "~")).collect();
    let items = match in_one_pass(text, &tokens) {
        Some(items) => items,
        None => step_by_step(text, pointer, &tokens)?,
    };
    // The items borrow from the body, so their addresses tell where in it they stand.
    let start = text.as_ptr() as usize;
    let range = |item: &&RawValue| {
        let begin = item.get().as_ptr() as usize - start;
        begin..begin + item.get().len()
    };
    Ok(items.iter().map(range).collect())
}

/// The items, where nothing is wrong.
fn in_one_pass<'a>(text: &'a str, tokens: &[String]) -> Option<Vec<&'a RawValue>> {
    let mut reader = serde_json::Deserializer::from_str(text);
    let items = Way(tokens).deserialize(&mut reader).ok()?;
    reader.end().ok()?;
    items
}

/// What is left of the way to the array.
struct Way<'t>(&'t [String]);

impl<'de> DeserializeSeed<'de> for Way<'_> {
    type Value = Option<Vec<&'de RawValue>>;

    fn deserialize<D: Deserializer<'de>>(self, reader: D) -> Result<Self::Value, D::Error> {
        reader.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Way<'_> {
    type Value = Option<Vec<&'de RawValue>>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("an array or an object")
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        let mut found = None;
        while let Some(name) = members.next_key::<String>()? {
            match self.0.split_first() {
                Some((token, rest)) if *token == name => found = members.next_value_seed(Way(rest))?,
                _ => drop(members.next_value::<IgnoredAny>()?),
            }
        }
        Ok(found)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let Some((token, rest)) = self.0.split_first() else {
            let mut all = Vec::new();
            while let Some(item) = items.next_element()? {
                all.push(item);
            }
            return Ok(Some(all));
        };
        let wanted: Option<usize> = token.parse().ok();
        let (mut found, mut index) = (None, 0);
        loop {
            if Some(index) == wanted {
                let Some(item) = items.next_element_seed(Way(rest))? else { return Ok(None) };
                found = item;
            } else if items.next_element::<IgnoredAny>()?.is_none() {
                return Ok(found);
            }
            index += 1;
        }
    }
}

/// The items, or what is wrong.
fn step_by_step<'a>(text: &'a str, pointer: &str, tokens: &[String]) -> Result<Vec<&'a RawValue>, SplitError> {
    let not_json = |error: serde_json::Error| SplitError::NotJson(error.to_string());
    let mut value: &RawValue = serde_json::from_str(text).map_err(not_json)?;
    for token in tokens {
        value = match value.get().as_bytes().first() {
            Some(b'{') => {
                let members: HashMap<String, &RawValue> = serde_json::from_str(value.get()).map_err(not_json)?;
                members.get(token).copied()
            }
            Some(b'[') => {
                let items: Vec<&RawValue> = serde_json::from_str(value.get()).map_err(not_json)?;
                token.parse().ok().and_then(|index: usize| items.get(index).copied())
            }
            _ => None,
        }
        .ok_or_else(|| SplitError::Missing(pointer.to_owned()))?;
    }
    if !value.get().starts_with('[') {
        return Err(SplitError::NotArray(pointer.to_owned()));
    }
    serde_json::from_str(value.get()).map_err(not_json)
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
    fn one_pass_finds_what_steps_find() {
        let bodies = [
            r#"{"a":[1,{"b":[true,"x"]}],"c":[]}"#,
            r#"{"a":[0],"a":[1,[2,3],{}]}"#,
            r#"{"a":[0],"a":7}"#,
            r#"[[1,[2]],{"a":[null]},"s",-1.5e3]"#,
            r#"{"a":{"a":{"a":[[]]}}}"#,
            r#"{"":["empty"],"\u0061":[8]}"#,
            r#"{"a":[1] }x"#,
            r#"{"a":[01]}"#,
            r#"{"a":1e999,"c":[1e999]}"#,
            "[",
            "7",
        ];
        let pointers = [
            "", "/", "/a", "/a/0", "/a/1", "/a/1/b", "/a/2", "/a/a/a", "/a/a/a/0", "/0", "/0/1", "/1/a", "/c", "/9",
            "/01",
        ];
        for body in bodies {
            for pointer in pointers {
                let tokens: Vec<String> = pointer.split('/').skip(1).map(str::to_owned).collect();
                let gets =
                    |items: Vec<&RawValue>| items.into_iter().map(|item| item.get().to_owned()).collect::<Vec<_>>();
                let steps = step_by_step(body, pointer, &tokens).map(gets);
                assert_eq!(in_one_pass(body, &tokens).map(gets), steps.ok(), "{body} {pointer}");
            }
        }
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
