//! The reference of the file for people, generated from the schema.

use std::collections::VecDeque;

use serde_json::Value;

use crate::schema;

const EXAMPLE: &str = include_str!("reference/example.yaml");

const INTRODUCTION: &str = "\
<!-- Generated from the types in crates/config; do not edit. -->

# Configuration

Cardea reads one YAML file. Everything in it is checked before anything starts, and every mistake is
reported at once, with its place and what was expected there.

- The YAML is of version 1.2: only `true` and `false` are truth values, `no` and `yes` are text. Keys
  are text and appear once; there is one document and there are no tags.
- A **size** is a whole number of bytes, or a text such as `512B`, `64KiB`, `4MiB` or `1GiB`.
- A **duration** is a text such as `250ms`, `30s`, `5m`, `2h` or `1d`.
- A **path** is absolute, or relative to the folder of the file.
- A **secret** is never written into the file, but referred to: `{env: NAME}` or `{file: PATH}`.
- A key that is not there has its default. A key without a value is a mistake.

The same rules as a JSON Schema, for editors: [`cardea.schema.json`](cardea.schema.json).

## Example
";

/// The reference of the configuration file in Markdown, for `docs/reference`.
#[must_use]
pub fn reference() -> String {
    let mut out = format!("{INTRODUCTION}\n```yaml\n{EXAMPLE}```\n");
    let mut waiting = VecDeque::from([(String::new(), schema::schema())]);
    while let Some((place, schema)) = waiting.pop_front() {
        section(&mut out, &place, schema);
        if schema.get("x-described-elsewhere").is_some() {
            continue;
        }
        for (key, property) in schema::properties(schema) {
            let (suffix, inner) = schema::inner(property);
            // A secret's parts are explained in the introduction.
            let is_section = inner.get("properties").is_some() && inner.get("x-type").is_none();
            if is_section {
                let place = match place.as_str() {
                    "" => format!("{key}{suffix}"),
                    _ => format!("{place}.{key}{suffix}"),
                };
                waiting.push_back((place, inner));
            }
        }
    }
    out
}

fn section(out: &mut String, place: &str, schema: &Value) {
    let title = match place {
        "" => "Top level".to_owned(),
        _ => format!("`{place}`"),
    };
    out.push_str(&format!(
        "\n## {title}\n\n{}\n",
        text(schema, "description")
    ));
    let mut rows = schema::properties(schema).peekable();
    if rows.peek().is_none() || schema.get("x-described-elsewhere").is_some() {
        return;
    }
    out.push_str("\n| key | type | default | meaning |\n|---|---|---|---|\n");
    for (key, property) in rows {
        let default = match is_required(schema, key) {
            true => "required".to_owned(),
            false => default(property),
        };
        let row = format!(
            "| `{key}` | {} | {default} | {} |\n",
            cell(&kind(property)),
            cell(&text(property, "description").replace("\n\n", " ")),
        );
        out.push_str(&row);
    }
}

/// The type, with its range or its values.
fn kind(property: &Value) -> String {
    let resolved = schema::resolve(property);
    let name = match resolved.get("type").and_then(Value::as_str) {
        _ if !text(resolved, "x-type").is_empty() => match text(resolved, "x-type") {
            "claim" => "JSON pointer".to_owned(),
            other => other.to_owned(),
        },
        Some("string") => match resolved.get("enum").and_then(Value::as_array) {
            Some(options) => {
                let options: Vec<_> = options.iter().map(code).collect();
                options.join(", ")
            }
            None => "text".to_owned(),
        },
        Some("integer") => "number".to_owned(),
        Some("boolean") => "`true` or `false`".to_owned(),
        Some("array") => match resolved.get("items") {
            Some(item) if schema::resolve(item).get("properties").is_some() => "list".to_owned(),
            Some(item) => format!("list of {}", kind(item)),
            None => "list".to_owned(),
        },
        Some("object") => match resolved.get("additionalProperties") {
            Some(entry) if schema::resolve(entry).get("x-type").is_some() => {
                format!("mapping to {}", kind(entry))
            }
            _ => "mapping".to_owned(),
        },
        _ => String::new(),
    };
    let bound = |annotation: &str, keyword: &str| {
        let bound = property.get(annotation).or_else(|| property.get(keyword))?;
        Some(
            bound
                .as_str()
                .map_or_else(|| bound.to_string(), str::to_owned),
        )
    };
    match (bound("x-minimum", "minimum"), bound("x-maximum", "maximum")) {
        (Some(min), Some(max)) => format!("{name}, {min} to {max}"),
        _ => name,
    }
}

fn default(property: &Value) -> String {
    let words = text(property, "x-default");
    match property.get("default") {
        _ if !words.is_empty() => cell(words),
        // An empty section is a section of defaults.
        Some(Value::Object(_)) | None => String::new(),
        Some(Value::Array(items)) if items.is_empty() => "none".to_owned(),
        Some(Value::Array(items)) => {
            let items: Vec<_> = items.iter().map(code).collect();
            items.join(", ")
        }
        Some(value) => code(value),
    }
}

fn is_required(schema: &Value, key: &str) -> bool {
    let required = schema.get("required").and_then(Value::as_array);
    required.is_some_and(|keys| keys.iter().any(|k| k == key))
}

fn text<'a>(schema: &'a Value, key: &str) -> &'a str {
    schema.get(key).and_then(Value::as_str).unwrap_or_default()
}

fn code(value: &Value) -> String {
    match value {
        Value::String(text) => format!("`{text}`"),
        _ => format!("`{value}`"),
    }
}

/// A cell of a Markdown table ends at `|`.
fn cell(text: &str) -> String {
    text.replace('|', "\\|")
}
