//! Labels of tools, by which flow control knows them: a file of its own, since administrators review it by itself.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// Policies that come with the gateway.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum PolicyPack {
    /// A call that untrusted content may have steered needs somebody's approval.
    UntrustedValues,
    /// So does one with values from a document that the request points to.
    UntrustedValuesStrict,
    /// So does one that reaches others while private data and untrusted content are in the run.
    LethalTrifecta,
    /// Once untrusted content is in the run, nothing is changed.
    ReadOnlyAfterUntrusted,
}

impl PolicyPack {
    /// Its name.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::UntrustedValues => "untrusted-values",
            Self::UntrustedValuesStrict => "untrusted-values-strict",
            Self::LethalTrifecta => "lethal-trifecta",
            Self::ReadOnlyAfterUntrusted => "read-only-after-untrusted",
        }
    }
}

/// What is known of a tool: what its results are, and what its calls can do.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum FlowLabel {
    /// Others than the tenant's people can write what the results hold.
    Untrusted,
    /// The results hold what outsiders must not have.
    Private,
    /// The results are records that the server itself puts together.
    Records,
    /// A call changes nothing.
    ReadOnly,
    /// A call fetches an address that the caller chooses.
    Outward,
    /// What a call says reaches others.
    External,
    /// A call takes away or replaces what is there.
    Destructive,
}

impl FlowLabel {
    /// All of them.
    pub const ALL: [Self; 7] = [
        Self::Untrusted,
        Self::Private,
        Self::Records,
        Self::ReadOnly,
        Self::Outward,
        Self::External,
        Self::Destructive,
    ];

    /// The word for it in a file of labels.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Untrusted => "untrusted",
            Self::Private => "private",
            Self::Records => "records",
            Self::ReadOnly => "read-only",
            Self::Outward => "outward",
            Self::External => "external",
            Self::Destructive => "destructive",
        }
    }
}
