//! One entry of the validator's list to a sentence at its place.

use jsonschema::{ValidationError, error::ValidationErrorKind as Kind};
use serde_json::Value;

use super::{describe::describe, keys};
use crate::{
    diagnostic::{Diagnostic, nearest, printable},
    quantity, schema,
    yaml::{At, Document, without_secrets},
};

/// What one entry comes to.
#[derive(Default)]
pub(super) struct Found {
    pub(super) diagnostics: Vec<Diagnostic>,
    /// The values that cannot be used because of it.
    pub(super) broken: Vec<At>,
}

pub(super) fn explain(
    document: &Document,
    error: &ValidationError<'_>,
    root: &'static Value,
) -> Found {
    let case = Case {
        document,
        at: At::from_pointer(error.instance_path().as_str()),
        value: error.instance(),
        schema: surrounding_schema(error, root),
    };
    if document.broken.contains(&case.at) {
        // Said already, when the value was read.
        return Found::default();
    }
    match error.kind() {
        Kind::AdditionalProperties { unexpected } => case.unknown_keys(unexpected),
        Kind::FalseSchema => case.unknown_keys(&case.all_keys()),
        Kind::PropertyNames { error } => case.bad_key(error),
        // What is missing leaves nothing to take out.
        Kind::Required { property } => Found {
            diagnostics: vec![case.missing(property.as_str().unwrap_or_default())],
            broken: Vec::new(),
        },
        Kind::Type { .. } => case.found(case.wrong_type()),
        Kind::Enum { .. } => case.found(case.not_among()),
        Kind::Minimum { .. } | Kind::Maximum { .. } => case.found(case.out_of_range()),
        Kind::MinItems { .. } | Kind::MinProperties { .. } => case.found(case.too_few()),
        Kind::MaxProperties { .. } => case.found(case.too_many()),
        Kind::UniqueItems => case.found(case.repeated()),
        _ => case.found(case.not_valid()),
    }
}

/// The schema that the broken keyword stands in.
fn surrounding_schema(error: &ValidationError<'_>, root: &'static Value) -> &'static Value {
    let path = error.schema_path().as_str();
    let parent = path.rsplit_once('/').map_or("", |(parent, _)| parent);
    root.pointer(parent).unwrap_or(&Value::Null)
}

struct Case<'a> {
    document: &'a Document,
    at: At,
    value: &'a Value,
    schema: &'static Value,
}

impl Case<'_> {
    fn found(&self, diagnostic: Diagnostic) -> Found {
        Found {
            diagnostics: vec![diagnostic],
            broken: vec![self.at.clone()],
        }
    }

    fn unknown_keys(&self, keys: &[String]) -> Found {
        Found {
            diagnostics: keys.iter().map(|key| self.unknown_key(key)).collect(),
            broken: keys.iter().map(|key| self.at.key(key)).collect(),
        }
    }

    /// Where no key is allowed, the validator names none.
    fn all_keys(&self) -> Vec<String> {
        let object = self.document.get(&self.at).and_then(Value::as_object);
        object
            .into_iter()
            .flat_map(|map| map.keys().cloned())
            .collect()
    }

    fn unknown_key(&self, key: &str) -> Diagnostic {
        let known: Vec<_> = schema::properties(self.schema)
            .map(|(key, _)| key)
            .collect();
        let expected = match known.as_slice() {
            [] => "no keys here".to_owned(),
            _ => format!("one of: {}", known.join(", ")),
        };
        let message = format!("unknown key `{}`", printable(key));
        let diagnostic = self
            .document
            .error_at_key(&self.at.key(key), message)
            .expected(expected);
        if key == "<<" {
            return diagnostic.help("YAML 1.2 has no merge keys; repeat the keys");
        }
        if let Some(near) = nearest(key, known) {
            return diagnostic.suggest(Some(near));
        }
        match keys::belongs(key, self.schema) {
            Some(place) => diagnostic.help(format!("there is a key `{place}`")),
            None => diagnostic,
        }
    }

    fn bad_key(&self, error: &ValidationError<'_>) -> Found {
        let key = error.instance().as_str().unwrap_or_default();
        let at = self.at.key(key);
        let slug: String = key
            .to_lowercase()
            .chars()
            .map(|c| if matches!(c, '_' | ' ' | '.') { '-' } else { c })
            .collect();
        let diagnostic = self
            .document
            .error_at_key(&at, format!("`{}` cannot be a key here", printable(key)))
            .expected(describe(self.schema))
            .suggest(is_valid(self.schema, &slug).then_some(slug));
        Found {
            diagnostics: vec![diagnostic],
            broken: vec![at],
        }
    }

    fn missing(&self, key: &str) -> Diagnostic {
        let property = schema::properties(self.schema).find(|(name, _)| *name == key);
        let what = property.map_or_else(String::new, |(_, schema)| describe(schema));
        self.document
            .error_within(&self.at, format!("missing key `{key}`"))
            .expected(format!("the key `{key}` with {what}"))
    }

    fn wrong_type(&self) -> Diagnostic {
        let message = match self.value {
            Value::Null => format!("{} has no value", self.name()),
            _ => format!("{} is {}", self.name(), self.kind()),
        };
        let mut diagnostic = self.document.error(&self.at, message);
        diagnostic.help = self.help_with_type();
        diagnostic.expected(describe(self.schema))
    }

    fn kind(&self) -> String {
        match (self.value, self.shown()) {
            (Value::Bool(_), Some(text)) => format!("the truth value `{text}`"),
            (Value::Bool(_), None) => "a truth value".to_owned(),
            (Value::Number(_), Some(text)) => format!("the number `{text}`"),
            (Value::Number(_), None) => "a number".to_owned(),
            (Value::String(_), Some(text)) => format!("the text `{text}`"),
            (Value::String(_), None) => "a text".to_owned(),
            (Value::Array(_), _) => "a list".to_owned(),
            (Value::Object(_), _) => "a mapping".to_owned(),
            (Value::Null, _) => "nothing".to_owned(),
        }
    }

    fn help_with_type(&self) -> Option<String> {
        let kind = self.schema.get("x-type").and_then(Value::as_str);
        let help = match self.value {
            Value::Null if self.allows("object") => {
                "write `{}`, or remove the key to get the default".to_owned()
            }
            Value::Null if self.allows("array") => {
                "write `[]`, or remove the key to get the default".to_owned()
            }
            Value::Null => "give it a value, or remove it".to_owned(),
            Value::Number(_) if kind == Some("duration") => {
                format!("add a unit: `{}s`", self.shown()?)
            }
            Value::Number(_) if kind == Some("size") => return None,
            Value::Number(_) | Value::Bool(_) if self.allows("string") => match self.shown() {
                Some(text) => format!("put it in quotes: `\"{text}\"`"),
                None => "put it in quotes".to_owned(),
            },
            Value::String(text) if self.allows("boolean") && is_old_boolean(text) => {
                "YAML 1.2 knows only `true` and `false`".to_owned()
            }
            Value::String(text) if self.allows("integer") && text.parse::<u64>().is_ok() => {
                "remove the quotes".to_owned()
            }
            Value::String(_) if self.allows("array") => {
                format!("a list of one is written `[{}]`", self.shown()?)
            }
            _ => return None,
        };
        Some(help)
    }

    fn allows(&self, kind: &str) -> bool {
        match self.schema.get("type") {
            Some(Value::String(only)) => only == kind,
            Some(Value::Array(kinds)) => kinds.iter().any(|k| k == kind),
            _ => false,
        }
    }

    fn not_among(&self) -> Diagnostic {
        let options = self.schema.get("enum").and_then(Value::as_array);
        let options = options.into_iter().flatten().filter_map(Value::as_str);
        let near = self.value.as_str().and_then(|text| nearest(text, options));
        self.not_valid().suggest(near)
    }

    fn out_of_range(&self) -> Diagnostic {
        self.document
            .error(&self.at, format!("{} is out of range", self.name()))
            .expected(describe(self.schema))
    }

    fn too_few(&self) -> Diagnostic {
        let what = match self.value {
            Value::Array(_) => "at least one item",
            _ if self.schema.get("maxProperties").is_some() => return self.too_many(),
            _ => "at least one key",
        };
        self.document
            .error_at_key(&self.at, format!("{} is empty", self.name()))
            .expected(what)
    }

    fn too_many(&self) -> Diagnostic {
        let message = format!("{} must have exactly one key", self.name());
        self.document
            .error(&self.at, message)
            .expected(describe(self.schema))
    }

    fn repeated(&self) -> Diagnostic {
        let items = self.value.as_array().map_or(&[][..], Vec::as_slice);
        let second = items
            .iter()
            .enumerate()
            .position(|(index, item)| items.iter().take(index).any(|before| before == item));
        let at = second.map_or_else(|| self.at.clone(), |index| self.at.index(index));
        let message = format!("{} holds the same twice", self.name());
        self.document.error(&at, message).expected("each item once")
    }

    fn not_valid(&self) -> Diagnostic {
        let message = match (self.value, self.shown()) {
            (Value::String(text), _) if text.is_empty() => format!("{} is empty", self.name()),
            (_, Some(text)) => format!("`{text}` is not valid for {}", self.name()),
            (_, None) => format!("the value of {} is not valid", self.name()),
        };
        let meant = self.value.as_str().and_then(|text| self.meant(text));
        self.document
            .error(&self.at, message)
            .expected(describe(self.schema))
            .suggest(meant)
    }

    /// What was probably meant by a text that does not match its pattern.
    fn meant(&self, text: &str) -> Option<String> {
        match self.schema.get("x-type").and_then(Value::as_str) {
            Some("size") => quantity::meant_size(text),
            Some("duration") => quantity::meant_duration(text),
            Some("claim") => {
                let pointer = format!("/{}", text.replace('.', "/"));
                is_valid(self.schema, &pointer).then_some(pointer)
            }
            _ => None,
        }
    }

    fn name(&self) -> String {
        self.document.name(&self.at)
    }

    /// A scalar as the file spells it; `None` when it must not be shown.
    fn shown(&self) -> Option<String> {
        let node = self.document.node(&self.at)?;
        match self.value {
            _ if node.is_secret => None,
            Value::String(text) => Some(printable(&without_secrets(text))),
            Value::Array(_) | Value::Object(_) => None,
            _ => Some(printable(self.document.source.slice(node.span.clone()))),
        }
    }
}

/// Whether a suggestion would itself be right.
fn is_valid(schema: &Value, text: &str) -> bool {
    jsonschema::draft202012::new(schema).is_ok_and(|validator| validator.is_valid(&text.into()))
}

/// What YAML 1.1 took for a truth value.
fn is_old_boolean(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    matches!(text.as_str(), "yes" | "no" | "on" | "off" | "y" | "n")
}
