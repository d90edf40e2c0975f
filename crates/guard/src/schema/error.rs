//! Why a schema cannot be used.

use std::fmt;

use super::{PATTERNS_MAX, SUBSCHEMAS_MAX};

/// Why a schema cannot be used, and where in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SchemaError {
    /// A JSON pointer into the schema; empty for the schema as a whole.
    pub pointer: String,
    /// Why.
    pub why: Unusable,
}

/// Why a schema cannot be used.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum Unusable {
    /// Its text is longer than [`SCHEMA_BYTES_MAX`](super::SCHEMA_BYTES_MAX).
    #[error("it is over {} bytes", super::SCHEMA_BYTES_MAX)]
    Large,
    /// Its text is not JSON, nests too deeply, or has a key twice.
    #[error("{0}")]
    Json(String),
    /// It holds more than [`SUBSCHEMAS_MAX`] schemas.
    #[error("it holds over {SUBSCHEMAS_MAX} schemas")]
    Wide,
    /// It holds more than [`PATTERNS_MAX`] patterns.
    #[error("it holds over {PATTERNS_MAX} patterns")]
    Patterns,
    /// A pattern cannot be used.
    #[error("the pattern `{pattern}` cannot be used: {reason}")]
    Pattern {
        /// The pattern, shortened.
        pattern: String,
        /// Why.
        reason: &'static str,
    },
    /// It is of a draft that is not known here.
    #[error("its `$schema` is neither draft 2020-12 nor draft-07: `{0}`")]
    Draft(String),
    /// It refers to something that is not in it.
    #[error("`{0}` refers to nothing in the schema; nothing outside of it is looked at")]
    Reference(String),
    /// It applies itself to the same value without end.
    #[error("it applies itself to the same value without end")]
    Endless,
    /// A keyword has a value that it cannot have.
    #[error("`{keyword}` is not {expected}")]
    Keyword {
        /// The keyword.
        keyword: &'static str,
        /// What it has to be.
        expected: &'static str,
    },
    /// A schema is neither an object nor a boolean.
    #[error("a schema is an object or a boolean")]
    NotASchema,
}

impl SchemaError {
    pub(super) fn at_root(why: Unusable) -> Self {
        Self {
            pointer: String::new(),
            why,
        }
    }
}

impl fmt::Display for SchemaError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &*self.pointer {
            "" => write!(f, "the schema cannot be used: {}", self.why),
            at => write!(f, "the schema cannot be used: at `{at}`: {}", self.why),
        }
    }
}

impl std::error::Error for SchemaError {}
