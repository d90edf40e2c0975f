//! How far what servers say of themselves needs somebody's approval.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// How far what a server says of its tools, prompts, resource templates and itself needs somebody's approval.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum PinRule {
    /// Each definition, before any agent sees it, and again whenever it changes.
    #[default]
    Approve,
    /// What the server shows when the gateway first looks at it is approved by that; what is new or changed after it
    /// needs approval.
    First,
    /// None: what the server lists is taken as it is.
    Off,
}
