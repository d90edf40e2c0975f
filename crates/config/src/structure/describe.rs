//! A schema in words.

use serde_json::Value;

use crate::schema;

/// What belongs where this schema applies: `a whole number from 1 to 64`.
pub(super) fn describe(schema: &Value) -> String {
    let text = |key: &str| schema.get(key).and_then(Value::as_str);
    if let Some(expected) = text("x-expected") {
        return match (text("x-minimum"), text("x-maximum")) {
            (Some(min), Some(max)) => format!("{expected}, from {min} to {max}"),
            _ => expected.to_owned(),
        };
    }
    let schema = schema::resolve(schema);
    if let Some(Value::Array(options)) = schema.get("enum") {
        let options: Vec<_> = options.iter().filter_map(Value::as_str).collect();
        return format!("one of: {}", options.join(", "));
    }
    match schema.get("type").and_then(Value::as_str) {
        Some("object") => "a mapping".to_owned(),
        Some("array") => "a list".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("integer") => match (schema.get("minimum"), schema.get("maximum")) {
            (Some(min), Some(max)) => format!("a whole number from {min} to {max}"),
            _ => "a whole number, not negative".to_owned(),
        },
        _ => "text".to_owned(),
    }
}
