//! Tool arguments mirrored into `Mcp-Param-*` headers.
//!
//! # Source
//! MCP 2026-07-28, basic/transports/streamable-http, Custom Headers from Tool Parameters.

use std::collections::BTreeSet;

use http::HeaderMap;
use serde_json::Value;

use crate::header;

/// One argument that a tool's definition mirrors into a header.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mirrored {
    /// The header's name, in lower case.
    pub header: String,
    /// The keys from the arguments' root to the value.
    pub path: Vec<String>,
}

/// Why a tool's annotations make its definition invalid.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("invalid `x-mcp-header`: {0}")]
pub struct InvalidAnnotation(pub String);

/// Header and body differ, in words for the client.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0}")]
pub struct Mismatch(pub String);

/// Nested schemas looked through for annotations; deeper ones are refused.
const SCHEMA_DEPTH_MAX: usize = 32;

/// The mirrored arguments of a tool's `inputSchema`.
///
/// # Errors
/// [`InvalidAnnotation`] when an annotation breaks a rule: the whole tool is then invalid.
pub fn of_schema(schema: &Value) -> Result<Vec<Mirrored>, InvalidAnnotation> {
    let mut found = Vec::new();
    properties(schema, &mut Vec::new(), &mut found)?;
    let reachable = found.len();
    if annotations(schema, 0)? != reachable {
        return Err(invalid(
            "only properties reached through `properties` may carry it",
        ));
    }
    let distinct: BTreeSet<_> = found.iter().map(|m| &m.header).collect();
    if distinct.len() != found.len() {
        return Err(invalid("two properties name the same header"));
    }
    Ok(found)
}

fn invalid(rule: impl Into<String>) -> InvalidAnnotation {
    InvalidAnnotation(rule.into())
}

fn properties(
    schema: &Value,
    path: &mut Vec<String>,
    found: &mut Vec<Mirrored>,
) -> Result<(), InvalidAnnotation> {
    if path.len() > SCHEMA_DEPTH_MAX {
        return Err(invalid("the schema is nested too deeply"));
    }
    let Some(Value::Object(members)) = schema.get("properties") else {
        return Ok(());
    };
    for (key, property) in members {
        path.push(key.clone());
        if let Some(name) = property.get("x-mcp-header") {
            found.push(Mirrored {
                header: header_name(name, property)?,
                path: path.clone(),
            });
        }
        properties(property, path, found)?;
        path.pop();
    }
    Ok(())
}

fn header_name(name: &Value, property: &Value) -> Result<String, InvalidAnnotation> {
    let Some(name) = name.as_str() else {
        return Err(invalid("the name must be a string"));
    };
    let token = |b: u8| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&b);
    if name.is_empty() || !name.bytes().all(token) {
        return Err(invalid(format!(
            "`{}` is not a header name",
            name.escape_debug()
        )));
    }
    let primitive = property
        .get("type")
        .and_then(Value::as_str)
        .is_some_and(|t| matches!(t, "string" | "integer" | "boolean"));
    if !primitive {
        return Err(invalid(
            "only string, integer and boolean properties may carry it",
        ));
    }
    Ok(format!(
        "{}{}",
        header::PARAM_PREFIX,
        name.to_ascii_lowercase()
    ))
}

/// Annotations anywhere in the schema. A property that is *named* `x-mcp-header` counts as one
/// too, and makes the tool invalid rather than ambiguous.
fn annotations(value: &Value, depth: usize) -> Result<usize, InvalidAnnotation> {
    if depth > 2 * SCHEMA_DEPTH_MAX {
        return Err(invalid("the schema is nested too deeply"));
    }
    let mut count = 0;
    match value {
        Value::Object(members) => {
            for (key, member) in members {
                count += usize::from(key == "x-mcp-header");
                count += annotations(member, depth + 1)?;
            }
        }
        Value::Array(items) => {
            for item in items {
                count += annotations(item, depth + 1)?;
            }
        }
        _ => {}
    }
    Ok(count)
}

/// Compares the mirrored headers of a call with its arguments.
///
/// # Errors
/// [`Mismatch`] when a header is missing, superfluous, not decodable or of another value.
pub fn compare(
    mirrored: &[Mirrored],
    headers: &HeaderMap,
    arguments: &Value,
) -> Result<(), Mismatch> {
    for one in mirrored {
        let mut value = Some(arguments);
        for key in &one.path {
            value = value.and_then(|v| v.get(key));
        }
        let value = value.filter(|v| !v.is_null());
        let mut values = headers.get_all(&one.header).iter();
        let (sent, again) = (values.next(), values.next());
        let shown = one.path.join(".");
        if again.is_some() {
            return Err(Mismatch(format!("header `{}` is there twice", one.header)));
        }
        match (value, sent) {
            (None, None) => {}
            (None, Some(_)) => {
                return Err(Mismatch(format!(
                    "header `{}` is set, but the arguments hold no `{shown}`",
                    one.header
                )));
            }
            (Some(_), None) => {
                return Err(Mismatch(format!(
                    "header `{}` is missing; it must repeat the argument `{shown}`",
                    one.header
                )));
            }
            (Some(value), Some(sent)) => {
                let same = header::decode(sent.as_bytes()).is_some_and(|text| same(value, &text));
                if !same {
                    return Err(Mismatch(format!(
                        "header `{}` does not match the argument `{shown}`",
                        one.header
                    )));
                }
            }
        }
    }
    Ok(())
}

/// The mirrored headers of a call with these arguments (raw JSON), encoded.
#[must_use]
pub fn of_arguments(mirrored: &[Mirrored], arguments: &str) -> Vec<(String, String)> {
    if mirrored.is_empty() {
        return Vec::new();
    }
    let arguments: Value = serde_json::from_str(arguments).unwrap_or_default();
    let one = |one: &Mirrored| {
        let value = one
            .path
            .iter()
            .try_fold(&arguments, |value, key| value.get(key))?;
        let text = match value {
            Value::String(text) => text.clone(),
            Value::Bool(_) | Value::Number(_) => value.to_string(),
            _ => return None,
        };
        Some((one.header.clone(), header::encode(&text).into_owned()))
    };
    mirrored.iter().filter_map(one).collect()
}

fn same(value: &Value, text: &str) -> bool {
    match value {
        Value::String(s) => s == text,
        Value::Bool(b) => text == if *b { "true" } else { "false" },
        Value::Number(n) => n.to_string() == text || equal_numbers(n, text),
        _ => false,
    }
}

/// `42` and `42.0` are the same integer, as the specification asks.
fn equal_numbers(number: &serde_json::Number, text: &str) -> bool {
    let text = text.strip_suffix(".0").unwrap_or(text);
    let shown = number.to_string();
    shown.strip_suffix(".0").unwrap_or(&shown) == text
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn schema() -> Value {
        json!({"type":"object","properties":{
            "region":{"type":"string","x-mcp-header":"Region"},
            "deep":{"type":"object","properties":{"n":{"type":"integer","x-mcp-header":"N"}}}}})
    }

    #[test]
    fn mirrored_arguments_are_found_at_their_paths() {
        let found = of_schema(&schema()).unwrap();
        let mut names: Vec<_> = found
            .iter()
            .map(|m| (m.header.as_str(), m.path.join(".")))
            .collect();
        names.sort();
        assert_eq!(
            names,
            [
                ("mcp-param-n", "deep.n".into()),
                ("mcp-param-region", "region".into())
            ]
        );
    }

    #[test]
    fn annotations_that_break_a_rule_make_the_tool_invalid() {
        for property in [
            json!({"type":"number","x-mcp-header":"A"}),
            json!({"type":"string","x-mcp-header":""}),
            json!({"type":"string","x-mcp-header":"a b"}),
            json!({"type":"string","x-mcp-header":7}),
            json!({"type":"array","items":{"type":"string","x-mcp-header":"A"}}),
            json!({"anyOf":[{"type":"string","x-mcp-header":"A"}]}),
        ] {
            let schema = json!({"type":"object","properties":{"p":property}});
            assert!(of_schema(&schema).is_err(), "{schema}");
        }
        let twice = json!({"properties":{"a":{"type":"string","x-mcp-header":"X"},"b":{"type":"string","x-mcp-header":"x"}}});
        assert!(of_schema(&twice).is_err());
    }

    #[test]
    fn headers_must_repeat_the_arguments() {
        let mirrored = of_schema(&schema()).unwrap();
        let arguments = json!({"region":"eu","deep":{"n":42}});
        let headers = |pairs: &[(&'static str, &str)]| -> HeaderMap {
            pairs
                .iter()
                .map(|(k, v)| (http::HeaderName::from_static(k), v.parse().unwrap()))
                .collect()
        };
        let ok = headers(&[("mcp-param-region", "eu"), ("mcp-param-n", "42.0")]);
        assert_eq!(compare(&mirrored, &ok, &arguments), Ok(()));
        let made: HeaderMap = of_arguments(&mirrored, &arguments.to_string())
            .into_iter()
            .map(|(k, v)| (http::HeaderName::try_from(k).unwrap(), v.parse().unwrap()))
            .collect();
        assert_eq!(made.len(), 2);
        assert_eq!(compare(&mirrored, &made, &arguments), Ok(()));
        for bad in [
            headers(&[("mcp-param-region", "us"), ("mcp-param-n", "42")]),
            headers(&[("mcp-param-n", "42")]),
        ] {
            assert!(compare(&mirrored, &bad, &arguments).is_err());
        }
        assert!(compare(&mirrored, &ok, &json!({"region":"eu"})).is_err());
    }
}
