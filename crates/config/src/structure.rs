//! The first stage: every mistake that a single value, or a key of one mapping, can have.
//!
//! The generated schema is the only description of the structure. A validator lists what breaks it,
//! and each entry becomes a sentence here. Values that broke it are taken out, so that the second
//! stage can look at the rest.

mod describe;
mod explain;
mod keys;

use std::sync::LazyLock;

use jsonschema::{PatternOptions, Validator};
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::{
    diagnostic::{Diagnostic, Diagnostics},
    raw::{RawConfig, RawConstraintFile, file_schema},
    schema,
    yaml::{At, Document},
};

/// Checks the document against the schema and reads what is right in it.
///
/// `None` only when nothing can be read, and then there are errors.
pub(crate) fn read(document: &mut Document) -> (Option<RawConfig>, Diagnostics) {
    read_as(document, &VALIDATOR, schema::schema())
}

/// As [`read`], for a file of constraints.
pub(crate) fn read_constraints(
    document: &mut Document,
) -> (Option<RawConstraintFile>, Diagnostics) {
    read_as(document, &CONSTRAINTS_VALIDATOR, &CONSTRAINTS_SCHEMA)
}

fn read_as<T: DeserializeOwned>(
    document: &mut Document,
    validator: &Result<Validator, String>,
    root: &'static Value,
) -> (Option<T>, Diagnostics) {
    let mut diagnostics = Diagnostics::new();
    let validator = match validator {
        Ok(validator) => validator,
        Err(mistake) => return (None, own_mistake(document, mistake).into()),
    };
    let mut broken = Vec::new();
    for error in validator.iter_errors(&document.value) {
        let found = explain::explain(document, &error, root);
        diagnostics.extend(found.diagnostics);
        broken.extend(found.broken);
    }
    document.broken.extend(broken);

    let mut value = document.value.clone();
    for at in &document.broken {
        remove(&mut value, at);
    }
    match serde_json::from_value(value) {
        Ok(raw) => (Some(raw), diagnostics),
        // The root is no mapping, or (a mistake of ours) the schema allows more than the types do.
        Err(_) if diagnostics.has_errors() => (None, diagnostics),
        Err(_) => {
            diagnostics.push(own_mistake(document, "the schema and the types differ"));
            (None, diagnostics)
        }
    }
}

/// Building it takes longer than using it.
static VALIDATOR: LazyLock<Result<Validator, String>> =
    LazyLock::new(|| validator(schema::schema()));

static CONSTRAINTS_SCHEMA: LazyLock<Value> =
    LazyLock::new(|| file_schema(schema::schema().get("$defs").unwrap_or(&Value::Null)));

static CONSTRAINTS_VALIDATOR: LazyLock<Result<Validator, String>> =
    LazyLock::new(|| validator(&CONSTRAINTS_SCHEMA));

fn validator(schema: &Value) -> Result<Validator, String> {
    jsonschema::draft202012::options()
        .with_pattern_options(PatternOptions::regex())
        .build(schema)
        .map_err(|error| error.to_string())
}

/// Takes out the value at `at`, or the nearest that holds it and stands under a key: items of a list
/// cannot go, since those behind them would change their places.
fn remove(root: &mut Value, at: &At) {
    let mut at = at.clone();
    while let Some((parent, last)) = at.split() {
        match root.pointer_mut(parent.as_str()) {
            Some(Value::Object(map)) => {
                map.remove(&last);
                return;
            }
            _ => at = parent,
        }
    }
}

fn own_mistake(document: &Document, detail: &str) -> Diagnostic {
    let message = format!("this file cannot be checked: {detail}");
    Diagnostic::of_file(document.source.name(), message)
        .help("this is a mistake in Cardea; please report it")
}
