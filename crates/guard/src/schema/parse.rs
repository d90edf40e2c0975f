//! From a schema's text to a value, within bounds.

use cardea_mcp::{Limits, json};
use serde_json::Value;

use super::{
    SCHEMA_BYTES_MAX, SCHEMA_DEPTH_MAX,
    error::{SchemaError, Unusable},
};

pub(super) fn parse(text: &str) -> Result<Value, SchemaError> {
    if text.len() > SCHEMA_BYTES_MAX {
        return Err(SchemaError::at_root(Unusable::Large));
    }
    let limits = Limits {
        depth_max: SCHEMA_DEPTH_MAX,
    };
    // Two readers must not see two schemas.
    json::check(text, &limits)
        .map_err(|error| SchemaError::at_root(Unusable::Json(error.to_string())))?;
    serde_json::from_str(text)
        .map_err(|error| SchemaError::at_root(Unusable::Json(error.to_string())))
}
