//! The schema firewall: what the arguments and results of a tool may look like, by the schema
//! that its server lists.
//!
//! The server wrote the schema, so the schema is a stranger's too: it is bounded in size, depth and
//! patterns, refers to nothing outside of itself, and no value is checked for longer than a budget
//! of steps. What cannot be understood is refused as a whole, with its place and reason.
//!
//! The path: text of a schema -> [`Schema::compile`], once for a definition -> [`Schema::check`]
//! for each value.
//!
//! Why own code and not the `jsonschema` crate: that one has no bound on the work of one check
//! (a schema of a few lines takes it 2^depth steps) and resolves each reference anew, so that a
//! few lines are a schema of any size. What this module decides is compared with it in tests,
//! and with the official suite by `make eval-schema`.
//!
//! # Source
//! JSON Schema 2020-12 (core and validation) and draft-07. `format` and `content…` are annotations,
//! as both say.

mod budget;
mod compile;
mod equal;
mod error;
mod keyword;
mod number;
mod parse;
mod pattern;
mod reference;
mod validate;
mod violation;

use std::collections::BTreeMap;

use serde_json::Value;

use self::keyword::{Node, NodeId};
pub(crate) use self::{
    equal::is_same_number,
    pattern::Pattern,
    violation::{push_step, shown},
};
pub use self::{
    error::{SchemaError, Unusable},
    violation::Violation,
};

/// A schema's text: the largest of 300 tools of real servers is under 4 KiB.
pub const SCHEMA_BYTES_MAX: usize = 256 * 1024;
/// How deep a schema nests; compiling recurses as deep.
pub const SCHEMA_DEPTH_MAX: usize = 64;
/// Schemas within a schema, each once, however often it is referred to.
pub const SUBSCHEMAS_MAX: usize = 8192;
/// Patterns in a schema.
pub const PATTERNS_MAX: usize = 128;
/// One pattern, as it is written.
pub const PATTERN_BYTES_MAX: usize = 4096;
/// One pattern, compiled.
pub const PATTERN_COMPILED_BYTES_MAX: usize = 1024 * 1024;
/// All patterns of a schema, with what makes them fast.
pub const PATTERNS_COMPILED_BYTES_MAX: usize = 4 * 1024 * 1024;
/// Schemas that are entered within each other while one value is checked: the stack's bound.
pub const NESTING_MAX: usize = 200;
/// The work of one check; a step is a schema applied to a value, a member looked at, or some bytes
/// matched. Real calls take some dozens.
pub const STEPS_MAX: u64 = 1_000_000;

/// What becomes of members that a schema does not speak of.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum UnknownMembers {
    /// They are refused, wherever the schema describes an object by its members and does not say
    /// itself that there may be others.
    #[default]
    Refuse,
    /// They pass, as the standard has it.
    Allow,
}

/// Schemas that others refer to by their URIs; empty unless a test brings some.
pub type Documents = BTreeMap<String, Value>;

/// A compiled schema.
#[derive(Debug)]
pub struct Schema {
    nodes: Box<[Node]>,
    root: NodeId,
    /// The dynamic anchors of each resource.
    dynamic: Box<[BTreeMap<String, NodeId>]>,
    unknown_members: UnknownMembers,
}

impl Schema {
    /// Compiles the text of a schema, which may refer to nothing outside of itself.
    ///
    /// # Errors
    /// [`SchemaError`] when it is too large, no schema, of another draft than 2020-12 or draft-07,
    /// or holds something that cannot be checked in bounded time.
    pub fn compile(text: &str, unknown_members: UnknownMembers) -> Result<Self, SchemaError> {
        Self::compile_with(text, unknown_members, &Documents::new())
    }

    /// As [`Schema::compile`], with documents that it may refer to.
    ///
    /// # Errors
    /// As [`Schema::compile`].
    pub fn compile_with(
        text: &str,
        unknown_members: UnknownMembers,
        documents: &Documents,
    ) -> Result<Self, SchemaError> {
        let value = parse::parse(text)?;
        compile::compile(&value, unknown_members, documents)
    }

    /// Whether a value is as the schema says.
    ///
    /// # Errors
    /// [`Violation`]: the first place where it is not, or where the check took more than
    /// [`STEPS_MAX`] steps.
    pub fn check(&self, value: &Value) -> Result<(), Violation> {
        validate::check(self, value)
    }
}

#[cfg(test)]
mod tests;
