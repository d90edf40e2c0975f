//! Header values: every text has exactly one spelling, and what is read is what was written.

use std::borrow::Cow;

use cardea_mcp::{header, param_header};
use http::{HeaderMap, HeaderValue};
use serde_json::json;

/// Reads `data` as a header's value, and as a text to be written into one.
pub fn header(data: &[u8]) {
    if let Some(text) = header::decode(data) {
        let value = trimmed(data);
        match &text {
            Cow::Borrowed(text) => assert_eq!(text.as_bytes(), value),
            // No second spelling of the same text: base64 has spare bits and optional padding.
            Cow::Owned(text) => {
                if let Cow::Owned(again) = header::encode(text) {
                    assert_eq!(again.as_bytes(), value);
                }
            }
        }
        round_trip(&text);
        mirrored(data, &text);
    }
    if let Ok(text) = std::str::from_utf8(data) {
        round_trip(text);
        mirrored(header::encode(text).as_bytes(), text);
    }
}

/// Without the blanks that HTTP does not count to a value.
fn trimmed(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

fn round_trip(text: &str) {
    let value = header::encode(text);
    assert!(value.bytes().all(|b| (0x20..0x7f).contains(&b)));
    assert_eq!(value.trim(), value);
    assert!(HeaderValue::from_str(&value).is_ok());
    assert_eq!(header::decode(value.as_bytes()).as_deref(), Some(text));
}

/// A header mirrors exactly the argument whose text it stands for.
fn mirrored(value: &[u8], text: &str) {
    let Ok(value) = HeaderValue::from_bytes(value) else {
        return;
    };
    let schema = json!({"properties": {"v": {"type": "string", "x-mcp-header": "V"}}});
    let mirrored = param_header::of_schema(&schema).unwrap();
    let headers = HeaderMap::from_iter([("mcp-param-v".parse().unwrap(), value)]);
    let compare = |v: &str| param_header::compare(&mirrored, &headers, &json!({ "v": v }));
    assert_eq!(compare(text), Ok(()));
    assert!(compare(&format!("{text} ")).is_err());
    assert!(compare(&format!("\u{0}{text}")).is_err());
    if let Some((at, _)) = text.char_indices().next_back() {
        assert!(compare(&text[..at]).is_err());
    }
}
