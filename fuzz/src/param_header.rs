//! Arguments mirrored into headers: which ones is read off any schema, and only equal ones pass.

use std::collections::BTreeSet;

use cardea_mcp::{
    header,
    param_header::{self, Mirrored},
};
use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::Value;

/// Reads `data` as a schema, or as `{"inputSchema":…,"arguments":…,"headers":{…}}`.
pub fn param_header(data: &[u8]) {
    let Ok(input) = serde_json::from_slice::<Value>(data) else {
        return;
    };
    let schema = input.get("inputSchema").unwrap_or(&input);
    let arguments = input.get("arguments").unwrap_or(&Value::Null);
    let found = param_header::of_schema(schema);
    assert_eq!(found.is_ok(), is_valid(schema), "{found:?}");
    let Ok(mirrored) = found else {
        return;
    };
    for one in &mirrored {
        stands_in_schema(one, schema);
    }
    let sent = headers(input.get("headers"));
    if param_header::compare(&mirrored, &sent, arguments).is_ok() {
        for one in &mirrored {
            repeats(one, &sent, arguments);
        }
    }
    honest_headers_pass(&mirrored, arguments);
}

/// One annotation of a schema.
struct Annotation<'a> {
    name: &'a Value,
    property: &'a Value,
    /// Whether only `properties` lead to it.
    reachable: bool,
}

/// Deeper than any schema that is accepted.
const DEPTH_SEEN: usize = 80;

fn is_valid(schema: &Value) -> bool {
    let mut found = Vec::new();
    if !annotations(schema, 0, Some(Place::Schema), &mut found) {
        return false;
    }
    let names: BTreeSet<_> = found.iter().map(|a| lower(a.name)).collect();
    names.len() == found.len()
        && found.iter().all(|a| {
            let kind = a.property.get("type").and_then(Value::as_str);
            a.reachable
                && kind.is_some_and(|t| ["string", "integer", "boolean"].contains(&t))
                && a.name
                    .as_str()
                    .is_some_and(|n| HeaderName::from_bytes(n.as_bytes()).is_ok())
        })
}

fn lower(name: &Value) -> String {
    name.as_str().unwrap_or_default().to_ascii_lowercase()
}

/// What an object is when only `properties` led to it.
#[derive(Clone, Copy, PartialEq)]
enum Place {
    Schema,
    Properties,
}

/// Collects every member that is named like an annotation; `false` when the schema is too deep.
fn annotations<'a>(
    value: &'a Value,
    depth: usize,
    place: Option<Place>,
    found: &mut Vec<Annotation<'a>>,
) -> bool {
    // `of_schema` counts values nested in values to twice its depth of schemas.
    if depth > 64 {
        return false;
    }
    assert!(depth < DEPTH_SEEN);
    match value {
        Value::Object(members) => members.iter().all(|(key, member)| {
            if key == "x-mcp-header" {
                found.push(Annotation {
                    name: member,
                    property: value,
                    // The root is no property.
                    reachable: place == Some(Place::Schema) && depth > 0,
                });
            }
            let inner = match place {
                Some(Place::Schema) if key == "properties" => Some(Place::Properties),
                Some(Place::Properties) => Some(Place::Schema),
                _ => None,
            };
            annotations(member, depth + 1, inner, found)
        }),
        Value::Array(items) => items.iter().all(|i| annotations(i, depth + 1, None, found)),
        _ => true,
    }
}

fn stands_in_schema(one: &Mirrored, schema: &Value) {
    let mut property = schema;
    for key in &one.path {
        property = &property["properties"][key.as_str()];
    }
    let name = lower(&property["x-mcp-header"]);
    assert_eq!(one.header, format!("{}{name}", header::PARAM_PREFIX));
    assert!(HeaderName::from_bytes(one.header.as_bytes()).is_ok());
}

fn headers(sent: Option<&Value>) -> HeaderMap {
    let members = sent.and_then(Value::as_object).into_iter().flatten();
    let mut headers = HeaderMap::new();
    for (name, values) in members {
        let one = std::slice::from_ref(values);
        for value in values.as_array().map_or(one, Vec::as_slice) {
            let name = HeaderName::from_bytes(name.as_bytes());
            let value = HeaderValue::from_str(value.as_str().unwrap_or_default());
            if let (Ok(name), Ok(value)) = (name, value) {
                headers.append(name, value);
            }
        }
    }
    headers
}

fn argument<'a>(one: &Mirrored, arguments: &'a Value) -> Option<&'a Value> {
    let found = one
        .path
        .iter()
        .try_fold(arguments, |value, key| value.get(key));
    found.filter(|value| !value.is_null())
}

/// A header that was let through is there once and stands for the argument's value.
fn repeats(one: &Mirrored, headers: &HeaderMap, arguments: &Value) {
    let sent: Vec<_> = headers.get_all(&one.header).iter().collect();
    let Some(value) = argument(one, arguments) else {
        assert!(sent.is_empty());
        return;
    };
    assert_eq!(sent.len(), 1, "`{}` in {headers:?}", one.header);
    let text = header::decode(sent[0].as_bytes()).unwrap();
    match value {
        Value::String(s) => assert_eq!(*s, text),
        Value::Bool(b) => assert_eq!(b.to_string(), text),
        Value::Number(n) => match (n.as_i64(), text.parse::<i64>()) {
            (Some(n), Ok(text)) => assert_eq!(n, text),
            _ => assert_eq!(n.as_f64(), text.parse().ok()),
        },
        _ => panic!("`{value}` cannot be mirrored"),
    }
}

/// Headers made from the arguments pass; one less, one more or one other does not.
fn honest_headers_pass(mirrored: &[Mirrored], arguments: &Value) {
    let mut honest = HeaderMap::new();
    let mut can_be_mirrored = true;
    for one in mirrored {
        let text = match argument(one, arguments) {
            None => continue,
            Some(Value::String(s)) => s.clone(),
            Some(value) => {
                can_be_mirrored &= value.is_boolean() || value.is_number();
                value.to_string()
            }
        };
        let name = HeaderName::from_bytes(one.header.as_bytes()).unwrap();
        honest.insert(name, HeaderValue::from_str(&header::encode(&text)).unwrap());
    }
    let passes = |headers: &HeaderMap| param_header::compare(mirrored, headers, arguments).is_ok();
    assert_eq!(passes(&honest), can_be_mirrored);
    for one in mirrored {
        let name = HeaderName::from_bytes(one.header.as_bytes()).unwrap();
        let mut dishonest = honest.clone();
        dishonest.insert(&name, HeaderValue::from_static("no value of this argument"));
        assert!(!passes(&dishonest) || value_is(one, arguments, "no value of this argument"));
        if honest.contains_key(&name) {
            dishonest.remove(&name);
            assert!(!passes(&dishonest));
            let mut twice = honest.clone();
            twice.append(&name, HeaderValue::from_static("another"));
            assert!(!passes(&twice), "`{name}` twice");
        }
    }
}

fn value_is(one: &Mirrored, arguments: &Value, text: &str) -> bool {
    argument(one, arguments).is_some_and(|value| value == text)
}
