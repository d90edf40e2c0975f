//! The JSON Schema of the file, generated from the raw types.
//!
//! Beside JSON Schema 2020-12 it uses annotations of its own, which validators ignore: `x-expected`
//! (what belongs there, in words), `x-default` (a default that depends), `x-minimum` and `x-maximum`
//! (bounds of what is spelled as text), `x-type` (a type's name for people), `x-described-elsewhere` (the
//! reference has the keys at another place).

use std::{collections::BTreeMap, sync::LazyLock};

use schemars::{
    Schema,
    generate::SchemaSettings,
    transform::{Transform, transform_subschemas},
};
use serde_json::{Map, Value};

use crate::raw::RawConfig;

static SCHEMA: LazyLock<Value> = LazyLock::new(|| {
    let generator = SchemaSettings::draft2020_12()
        .with_transform(Tidy)
        .into_generator();
    sorted(generator.into_root_schema_for::<RawConfig>().to_value())
});

/// The JSON Schema of the configuration file, for editors and for `docs/reference`.
#[must_use]
pub fn json_schema() -> Value {
    SCHEMA.clone()
}

pub(crate) fn schema() -> &'static Value {
    &SCHEMA
}

/// The schema that a `$ref` leads to, or the one given.
pub(crate) fn resolve(schema: &Value) -> &Value {
    let target = schema
        .get("$ref")
        .and_then(Value::as_str)
        .and_then(|reference| reference.strip_prefix('#'))
        .and_then(|pointer| SCHEMA.pointer(pointer));
    target.unwrap_or(schema)
}

/// The keys of an object's schema with their schemas, by name.
pub(crate) fn properties(schema: &Value) -> impl Iterator<Item = (&str, &Value)> {
    let properties = resolve(schema).get("properties").and_then(Value::as_object);
    properties
        .into_iter()
        .flatten()
        .map(|(key, schema)| (key.as_str(), schema))
}

/// The schema of what a mapping with free keys or a list holds, and how that is added to its place in
/// words; the schema itself for everything else.
pub(crate) fn inner(schema: &Value) -> (&'static str, &Value) {
    let schema = resolve(schema);
    match (schema.get("additionalProperties"), schema.get("items")) {
        (Some(entry @ Value::Object(_)), _) => (".<id>", resolve(entry)),
        (_, Some(item)) => ("[]", resolve(item)),
        _ => ("", schema),
    }
}

/// By name: serde_json's own order depends on a feature that any other crate may switch on.
fn sorted(value: Value) -> Value {
    match value {
        Value::Object(map) => {
            let by_name: BTreeMap<_, _> = map.into_iter().collect();
            let sorted = by_name.into_iter().map(|(key, value)| (key, sorted(value)));
            Value::Object(sorted.collect())
        }
        Value::Array(items) => Value::Array(items.into_iter().map(sorted).collect()),
        scalar => scalar,
    }
}

/// Makes what schemars says stricter and plainer.
#[derive(Clone)]
struct Tidy;

impl Transform for Tidy {
    fn transform(&mut self, schema: &mut Schema) {
        if let Some(object) = schema.as_object_mut() {
            refuse_null(object);
            list_options(object);
            use_real_bounds(object);
            drop_idle_defaults(object);
            join_lines(object);
        }
        transform_subschemas(self, schema);
    }
}

/// A key without a value is a slip, not a way to ask for the default: `tenants:` above lines that
/// were commented out would mean all tenants.
fn refuse_null(schema: &mut Map<String, Value>) {
    if let Some(Value::Array(types)) = schema.get_mut("type") {
        types.retain(|name| name != "null");
        if let [only] = types.as_slice() {
            let only = only.clone();
            schema.insert("type".to_owned(), only);
        }
    }
    let Some(Value::Array(alternatives)) = schema.get_mut("anyOf") else {
        return;
    };
    alternatives.retain(|alternative| alternative.get("type") != Some(&"null".into()));
    if let [Value::Object(only)] = alternatives.as_slice() {
        let only = only.clone();
        schema.remove("anyOf");
        for (key, value) in only {
            schema.entry(key).or_insert(value);
        }
    }
}

/// One list instead of alternatives, of which a validator would say that none fits.
fn list_options(schema: &mut Map<String, Value>) {
    let Some(Value::Array(alternatives)) = schema.get("oneOf") else {
        return;
    };
    let of_each = |key: &str| -> Option<Vec<Value>> {
        alternatives.iter().map(|a| a.get(key).cloned()).collect()
    };
    let Some(options) = of_each("const") else {
        return;
    };
    let descriptions = of_each("description");
    schema.remove("oneOf");
    schema.insert("type".to_owned(), "string".into());
    schema.insert("enum".to_owned(), options.into());
    if let Some(descriptions) = descriptions {
        schema.insert("enumDescriptions".to_owned(), descriptions.into());
    }
}

/// Bounds of whole numbers can be compared by JSON Schema itself.
fn use_real_bounds(schema: &mut Map<String, Value>) {
    if schema.get("type") != Some(&"integer".into()) {
        return;
    }
    for (annotation, keyword) in [("x-minimum", "minimum"), ("x-maximum", "maximum")] {
        if let Some(bound) = schema.remove(annotation) {
            schema.insert(keyword.to_owned(), bound);
        }
    }
}

/// A required key has no default, and `null` is none.
fn drop_idle_defaults(schema: &mut Map<String, Value>) {
    let required = schema.get("required").cloned();
    let required = required.as_ref().and_then(Value::as_array);
    let Some(Value::Object(properties)) = schema.get_mut("properties") else {
        return;
    };
    for (key, property) in properties {
        let is_required = required.is_some_and(|keys| keys.iter().any(|k| k == key));
        if let Some(property) = property.as_object_mut()
            && (is_required || property.get("default") == Some(&Value::Null))
        {
            property.remove("default");
        }
    }
}

/// Line breaks of a doc comment are the source's, paragraphs are the text's. Headed sections are for
/// those who read the source.
fn join_lines(schema: &mut Map<String, Value>) {
    if let Some(Value::String(text)) = schema.get_mut("description") {
        let paragraphs = text.split("\n\n").take_while(|p| !p.starts_with('#'));
        let paragraphs: Vec<_> = paragraphs.map(|p| p.replace('\n', " ")).collect();
        *text = paragraphs.join("\n\n");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    use crate::yaml::looks_secret;

    #[test]
    fn no_key_of_the_file_looks_like_that_of_a_secret() {
        let defs = SCHEMA.get("$defs").and_then(Value::as_object);
        let schemas = defs.into_iter().flat_map(Map::values).chain([&*SCHEMA]);
        for (key, schema) in schemas.flat_map(properties) {
            // What is a secret is to be hidden.
            let is_secret = schema.to_string().contains("#/$defs/Secret\"");
            let hides = looks_secret(key) && !is_secret;
            assert!(!hides, "reports would hide the value of {key}");
        }
    }
}
