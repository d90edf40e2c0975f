//! Values that are as a schema says, made from it: enough for the schemas of real tools.

use serde_json::{Map, Value, json};

/// With the members that have to be there.
pub(crate) fn least(schema: &Value) -> Value {
    make(schema, schema, false, 0)
}

/// With every member that the schema names.
pub(crate) fn most(schema: &Value) -> Value {
    make(schema, schema, true, 0)
}

/// Schemas that hold themselves are made no deeper than this.
const DEPTH_MAX: usize = 12;

fn make(schema: &Value, root: &Value, all: bool, depth: usize) -> Value {
    if let Some(reference) = schema["$ref"].as_str() {
        let target = reference
            .strip_prefix('#')
            .and_then(|pointer| root.pointer(pointer));
        return make(target.unwrap_or(&Value::Null), root, all, depth + 1);
    }
    if let Some(value) = schema.get("const") {
        return value.clone();
    }
    if let Some(values) = schema["enum"].as_array() {
        return values[0].clone();
    }
    for word in ["anyOf", "oneOf"] {
        if let Some(alternatives) = schema[word].as_array() {
            return make(&alternatives[0], root, all, depth + 1);
        }
    }
    if let Some(parts) = schema["allOf"].as_array() {
        let parts = parts.iter().map(|part| make(part, root, all, depth + 1));
        let members = parts.filter_map(|part| part.as_object().cloned()).flatten();
        return members.collect::<Map<_, _>>().into();
    }
    let kind = match &schema["type"] {
        Value::Array(kinds) => kinds[0].clone(),
        kind => kind.clone(),
    };
    match kind.as_str() {
        Some("object") => object(schema, root, all && depth < DEPTH_MAX, depth),
        Some("array") => array(schema, root, all, depth),
        Some("string") => text(schema),
        Some("integer" | "number") => number(schema),
        Some("boolean") => true.into(),
        Some("null") => Value::Null,
        _ if schema.get("properties").is_some() => object(schema, root, all, depth),
        _ => "any".into(),
    }
}

fn object(schema: &Value, root: &Value, all: bool, depth: usize) -> Value {
    let required: Vec<_> = (schema["required"].as_array().into_iter().flatten())
        .filter_map(Value::as_str)
        .collect();
    let members = schema["properties"].as_object().into_iter().flatten();
    let made = members
        .filter(|(name, _)| all || required.contains(&name.as_str()))
        .map(|(name, member)| (name.clone(), make(member, root, all, depth + 1)));
    made.collect::<Map<_, _>>().into()
}

fn array(schema: &Value, root: &Value, all: bool, depth: usize) -> Value {
    let wanted = schema["minItems"]
        .as_u64()
        .unwrap_or(u64::from(all && depth < DEPTH_MAX));
    let item = schema.get("items").unwrap_or(&Value::Null);
    (0..wanted)
        .map(|_| make(item, root, all, depth + 1))
        .collect()
}

/// The first of some texts that fits; a schema that none fits needs another one here.
fn text(schema: &Value) -> Value {
    // Draft-07 lets whoever checks hold values to it.
    if schema["format"] == "uri" {
        return "https://example.com/a".into();
    }
    let own = ["default", "examples"].map(|word| &schema[word]);
    let own = own.into_iter().flat_map(|value| match value {
        Value::Array(values) => values.clone(),
        value => vec![value.clone()],
    });
    let common = [
        "text",
        "a",
        "A",
        "ABC",
        "PROJ-123",
        "image.png",
        "1:2",
        "https://example.com/a",
        "2026-11-26",
        "00000000-0000-4000-8000-000000000000",
        "user@example.com",
        "0123456789abcdef0123456789abcdef",
    ];
    let mut candidates = own.chain(common.map(Value::from));
    let fitting = candidates.find(|value| value.is_string() && jsonschema::is_valid(schema, value));
    fitting.unwrap_or_else(|| json!("text"))
}

fn number(schema: &Value) -> Value {
    let candidates = [
        schema["default"].clone(),
        schema["minimum"].clone(),
        schema["maximum"].clone(),
        json!(1),
        json!(0),
        json!(10),
        json!(-1),
        json!(0.5),
        json!(100),
    ];
    let mut candidates = candidates.into_iter();
    let fitting = candidates.find(|value| value.is_number() && jsonschema::is_valid(schema, value));
    fitting.unwrap_or_else(|| json!(1))
}
