//! JSON on one line: the whitespace between tokens taken out, everything else as written.
//!
//! Numbers, the order of keys and repeated keys stay as they are, which a parse and a print would not keep.

/// Appends `json`, a valid document, to `out` without its whitespace. The result holds no line feed, since JSON has
/// none inside of strings.
pub fn compact(json: &[u8], out: &mut Vec<u8>) {
    let (mut in_string, mut escaped) = (false, false);
    out.reserve(json.len());
    for byte in json {
        if in_string {
            in_string = escaped || *byte != b'"';
            escaped = !escaped && *byte == b'\\';
        } else if matches!(byte, b' ' | b'\t' | b'\n' | b'\r') {
            continue;
        } else {
            in_string = *byte == b'"';
        }
        out.push(*byte);
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn compacted(json: &str) -> String {
        let mut out = Vec::new();
        compact(json.as_bytes(), &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_order_and_repeated_keys_stay() {
        let json = "{ \"b\" : 1e5,\n\t\"a\" : [ 12.50 , \"x \\\" y\\\\\" ], \"b\": { } }\r\n";
        assert_eq!(compacted(json), r#"{"b":1e5,"a":[12.50,"x \" y\\"],"b":{}}"#);
    }

    proptest! {
        #[test]
        fn means_the_same_as_the_pretty_print(keys in prop::collection::vec(".{0,8}", 0..6), numbers: [i64; 3]) {
            let value = serde_json::json!({ "keys": keys, "numbers": numbers, "nested": { "keys": keys } });
            let pretty = serde_json::to_string_pretty(&value).unwrap();
            prop_assert_eq!(compacted(&pretty), serde_json::to_string(&value).unwrap());
        }
    }
}
