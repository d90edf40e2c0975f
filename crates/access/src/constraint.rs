//! What arguments must be like: a JSON Schema, checked offline and in linear time.

mod words;

use std::fmt;

use aws_lc_rs::digest::{SHA256, digest};
use cardea_mcp::{
    Limits,
    canonical::{CanonicalError, canonical},
    json,
};
use jsonschema::{PatternOptions, Validator};
use serde_json::Value;
use thiserror::Error;

/// A compiled schema (JSON Schema 2020-12) that the arguments of a call have to satisfy.
pub struct Constraint {
    schema: Value,
    validator: Validator,
}

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ConstraintError {
    /// It is longer than [`SCHEMA_BYTES_MAX`] or nested deeper than [`SCHEMA_DEPTH_MAX`].
    #[error(
        "a constraint is over {SCHEMA_BYTES_MAX} bytes or nested over {SCHEMA_DEPTH_MAX} deep; \
         name fewer properties, or use several entitlements"
    )]
    Large,
    /// It is no JSON Schema, or refers to something outside of itself.
    #[error("a constraint is not a JSON Schema of its own: {0}")]
    Schema(String),
}

/// Why arguments are not acceptable.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
pub enum ArgumentsError {
    /// They have no one reading: not JSON, too deep, a key twice, a number that readers round.
    #[error("the arguments have no canonical form: {0}")]
    Canonical(#[from] CanonicalError),
    /// They break the constraint.
    #[error("the arguments are outside of what may be granted: {0}")]
    Constraint(String),
}

/// A page of schema; compiled, it may take ten times as much.
pub const SCHEMA_BYTES_MAX: usize = 16 * 1024;

/// Checking recurses as deep.
pub const SCHEMA_DEPTH_MAX: usize = 24;

/// A pattern of a schema, compiled.
const REGEX_BYTES_MAX: usize = 64 * 1024;

/// How much of a violation is told.
const SHOWN_CHARS_MAX: usize = 200;

impl Constraint {
    /// Compiles a schema.
    ///
    /// # Errors
    /// [`ConstraintError`] when it is too large, no schema, or refers outside of itself.
    pub fn compile(schema: &Value) -> Result<Self, ConstraintError> {
        if depth(schema) > SCHEMA_DEPTH_MAX || schema.to_string().len() > SCHEMA_BYTES_MAX {
            return Err(ConstraintError::Large);
        }
        if let Some((word, at)) = words::unknown(schema) {
            let word: String = word.chars().take(SHOWN_CHARS_MAX).collect();
            let at: String = at.chars().take(SHOWN_CHARS_MAX).collect();
            return Err(ConstraintError::Schema(format!(
                "`{}` at `{}` is no keyword of JSON Schema 2020-12, and would hold nobody to anything; names of arguments stand in `properties`",
                word.escape_debug(),
                at.escape_debug()
            )));
        }
        let patterns = PatternOptions::regex()
            .size_limit(REGEX_BYTES_MAX)
            .dfa_size_limit(REGEX_BYTES_MAX);
        let validator = jsonschema::draft202012::options()
            .with_pattern_options(patterns)
            .offline()
            .should_validate_formats(true)
            .should_ignore_unknown_formats(false)
            .build(schema)
            .map_err(|error| ConstraintError::Schema(shown(&error)))?;
        Ok(Self {
            schema: schema.clone(),
            validator,
        })
    }

    /// The schema as it was written.
    #[must_use]
    pub fn schema(&self) -> &Value {
        &self.schema
    }

    /// Whether the arguments are as the schema says.
    pub(crate) fn check(&self, arguments: &Value) -> Result<(), ArgumentsError> {
        self.validator
            .validate(arguments)
            .map_err(|error| ArgumentsError::Constraint(shown(&error)))
    }
}

impl PartialEq for Constraint {
    fn eq(&self, other: &Self) -> bool {
        self.schema == other.schema
    }
}

impl fmt::Debug for Constraint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Constraint({})", self.schema)
    }
}

/// The arguments as constraints see them; a call without any has none: `{}`.
///
/// # Errors
/// [`ArgumentsError::Canonical`] when two readers could read them differently.
pub(crate) fn value(arguments: Option<&str>) -> Result<Value, ArgumentsError> {
    let Some(text) = arguments else {
        return Ok(Value::Object(serde_json::Map::new()));
    };
    // No person could have looked through more, and a schema takes its time.
    if text.len() > crate::ARGUMENTS_BYTES_MAX {
        return Err(ArgumentsError::Constraint(format!(
            "they are longer than {} bytes",
            crate::ARGUMENTS_BYTES_MAX
        )));
    }
    json::check(text, &Limits::default()).map_err(CanonicalError::from)?;
    let value: Value = serde_json::from_str(text).map_err(|_| {
        // A number of no finite double is all that is left.
        ArgumentsError::Canonical(CanonicalError::Number("out of range".to_owned()))
    })?;
    // What a schema says of members says nothing of `null`, which some servers take for no arguments.
    match value.is_object() {
        true => Ok(value),
        false => Err(ArgumentsError::Constraint("they are no object".to_owned())),
    }
}

/// The SHA-256 of the canonical form (RFC 8785) of the arguments; of nothing when a call has none,
/// which no canonical form is.
///
/// # Errors
/// [`ArgumentsError::Canonical`] when two readers could read them differently.
pub fn arguments_digest(arguments: Option<&str>) -> Result<[u8; 32], ArgumentsError> {
    let text = match arguments {
        Some(text) => canonical(text, &Limits::default())?,
        None => String::new(),
    };
    let mut out = [0; 32];
    out.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    Ok(out)
}

fn shown(error: &impl fmt::Display) -> String {
    error.to_string().chars().take(SHOWN_CHARS_MAX).collect()
}

fn depth(value: &Value) -> usize {
    match value {
        Value::Array(items) => 1 + items.iter().map(depth).max().unwrap_or(0),
        Value::Object(map) => 1 + map.values().map(depth).max().unwrap_or(0),
        _ => 0,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn arguments_are_what_the_schema_says() {
        let schema = json!({
            "properties": {"path": {"type": "string", "pattern": "^/srv/"}},
            "required": ["path"], "additionalProperties": false,
        });
        let constraint = Constraint::compile(&schema).unwrap();
        let check = |text| constraint.check(&value(text).unwrap());
        assert_eq!(check(Some(r#"{"path":"/srv/a"}"#)), Ok(()));
        assert!(check(Some(r#"{"path":"/etc/passwd"}"#)).is_err());
        assert!(check(Some(r#"{"path":"/srv/a","mode":1}"#)).is_err());
        assert!(check(None).is_err(), "a call without arguments has no path");
    }

    #[test]
    fn a_schema_that_reaches_outside_or_can_be_slow_is_refused() {
        for schema in [
            json!({"$ref": "https://example.com/schema.json"}),
            json!({"$ref": "file:///etc/passwd"}),
            json!({"pattern": "(a+)\\1"}),
            json!({"pattern": "(?=a)b"}),
            json!({"pattern": "a{500}{500}"}),
            json!({"type": "strnig"}),
            json!({"name": {"const": "eu"}}),
            json!({"properties": {"name": {"enumm": ["eu"]}}}),
            json!({"allOf": [{"propertys": {}}]}),
            json!({"$defs": {"a": {"minlength": 2}}}),
            json!({"items": {"additionalItems": false}}),
        ] {
            let refused = Constraint::compile(&schema);
            assert!(
                matches!(refused, Err(ConstraintError::Schema(_))),
                "{schema}"
            );
        }
        let deep = (0..=SCHEMA_DEPTH_MAX).fold(json!({}), |inner, _| json!({"not": inner}));
        assert_eq!(Constraint::compile(&deep), Err(ConstraintError::Large));
        let long = json!({"const": "x".repeat(SCHEMA_BYTES_MAX)});
        assert_eq!(Constraint::compile(&long), Err(ConstraintError::Large));
    }

    #[test]
    fn whatever_the_standard_has_a_word_for_is_a_schema() {
        let schema = json!({
            "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "One", "x-by": {"name": 1},
            "type": "object", "required": ["name"], "minProperties": 1, "dependentRequired": {"a": ["b"]},
            "properties": {"enumm": {"const": {"anything": 1}}, "name": {"enum": [{"any": "thing"}], "format": "email"}},
            "patternProperties": {"^x": true}, "propertyNames": {"maxLength": 9}, "additionalProperties": false,
            "if": {"not": {"$ref": "#/$defs/a"}}, "then": {"anyOf": [true, {"prefixItems": [{"multipleOf": 2}]}]},
            "$defs": {"a": {"contains": {"default": 1}, "minContains": 1, "examples": [{"x": 1}]}},
        });
        assert!(Constraint::compile(&schema).is_ok());
    }

    #[test]
    fn one_reading_has_one_digest() {
        let of = |text| arguments_digest(Some(text)).unwrap();
        assert_eq!(
            of(r#"{"b":1.0,"a":[true]}"#),
            of(r#"{ "a":[true], "b":1 }"#)
        );
        assert_ne!(of(r#"{"a":1}"#), of(r#"{"a":"1"}"#));
        assert_ne!(of("{}"), arguments_digest(None).unwrap());
        assert!(arguments_digest(Some(r#"{"a":1,"a":2}"#)).is_err());
        assert!(value(Some(r#"{"a":1,"a":2}"#)).is_err());
    }
}
