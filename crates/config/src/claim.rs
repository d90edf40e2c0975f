//! Where in a token something stands.

use std::{borrow::Cow, fmt, sync::Arc};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};
use serde_json::Value;

/// A JSON pointer to a claim of a token, never the empty one.
///
/// # Source
/// RFC 6901.
#[derive(Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(from = "String", into = "String")]
pub struct ClaimPointer(Arc<str>);

impl ClaimPointer {
    pub(crate) const PATTERN: &str = "^(/([^/~]|~[01])*)+$";

    pub(crate) fn of_static(pointer: &'static str) -> Self {
        Self(pointer.into())
    }

    /// The pointer as text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// What it points to in the claims of a token.
    #[must_use]
    pub fn find<'a>(&self, claims: &'a Value) -> Option<&'a Value> {
        claims.pointer(&self.0)
    }
}

impl fmt::Debug for ClaimPointer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "ClaimPointer({:?})", &*self.0)
    }
}

impl From<String> for ClaimPointer {
    fn from(pointer: String) -> Self {
        Self(pointer.into())
    }
}

impl From<ClaimPointer> for String {
    fn from(pointer: ClaimPointer) -> Self {
        pointer.as_str().to_owned()
    }
}

impl JsonSchema for ClaimPointer {
    fn schema_name() -> Cow<'static, str> {
        "ClaimPointer".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "pattern": Self::PATTERN,
            "x-type": "claim",
            "x-expected": "a JSON pointer to a claim, such as `/org_id`",
        })
    }
}
