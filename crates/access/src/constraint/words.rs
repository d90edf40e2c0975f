//! What a schema says has to be something: a validator skips what it does not know, and a mistyped condition is none.

use serde_json::{Map, Value};

/// Keywords of JSON Schema 2020-12 whose value is a schema.
const SCHEMA: [&str; 11] = [
    "additionalProperties",
    "contains",
    "contentSchema",
    "else",
    "if",
    "items",
    "not",
    "propertyNames",
    "then",
    "unevaluatedItems",
    "unevaluatedProperties",
];
/// Whose value is a list of schemas.
const LIST: [&str; 4] = ["allOf", "anyOf", "oneOf", "prefixItems"];
/// Whose value is schemas by name; `definitions` is where references of earlier drafts lead.
const NAMED: [&str; 5] = [
    "$defs",
    "definitions",
    "dependentSchemas",
    "patternProperties",
    "properties",
];
/// All others.
const PLAIN: [&str; 38] = [
    "$anchor",
    "$comment",
    "$dynamicAnchor",
    "$dynamicRef",
    "$id",
    "$ref",
    "$schema",
    "$vocabulary",
    "const",
    "contentEncoding",
    "contentMediaType",
    "default",
    "dependentRequired",
    "deprecated",
    "description",
    "enum",
    "examples",
    "exclusiveMaximum",
    "exclusiveMinimum",
    "format",
    "maxContains",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minContains",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "multipleOf",
    "pattern",
    "readOnly",
    "required",
    "title",
    "type",
    "uniqueItems",
    "writeOnly",
];

/// A word of a schema that says nothing, with the place it stands at. What begins with `x-` is for others.
pub(super) fn unknown(schema: &Value) -> Option<(String, String)> {
    of(schema, "")
}

fn of(schema: &Value, at: &str) -> Option<(String, String)> {
    let Value::Object(members) = schema else {
        return None;
    };
    members.iter().find_map(|(word, value)| {
        let below = format!("{at}/{word}");
        let word = word.as_str();
        if SCHEMA.contains(&word) {
            return of(value, &below);
        }
        if LIST.contains(&word) {
            let schemas = value.as_array().map_or(&[][..], Vec::as_slice);
            let mut each = schemas.iter().enumerate();
            return each.find_map(|(n, schema)| of(schema, &format!("{below}/{n}")));
        }
        if NAMED.contains(&word) {
            let none = Map::new();
            let mut each = value.as_object().unwrap_or(&none).iter();
            return each.find_map(|(name, schema)| of(schema, &format!("{below}/{name}")));
        }
        let is_known = PLAIN.contains(&word) || word.starts_with("x-");
        (!is_known).then(|| (word.to_owned(), at.to_owned()))
    })
}
