//! Grants, as pages and lists show them.

use std::sync::Arc;

use cardea_domain::{
    Action, ActorId, EntitlementId, GrantId, KeyBinding, RequestId, RunId, RunSource, SubjectId,
    Target, UpstreamId,
};
use serde_json::Value;

use crate::{
    request::{DecidedBy, Reason},
    terms::Terms,
};

/// A grant: who may do what, how often, until when, and who said so.
#[derive(Debug, Clone, PartialEq)]
pub struct Grant {
    /// Its name, unique within the tenant; names sort by time.
    pub id: GrantId,
    /// The request that it came of.
    pub request: RequestId,
    /// Under which entitlement.
    pub entitlement: EntitlementId,
    /// The person.
    pub subject: SubjectId,
    /// The person's groups when it was asked for.
    pub groups: Arc<[Arc<str>]>,
    /// The agent.
    pub actor: ActorId,
    /// Everybody in the chain of `act` besides the agent when it was asked for: what an extension is asked for by too.
    pub chain: Vec<ActorId>,
    /// The run; `None` for every run of the agent.
    pub run: Option<RunId>,
    /// What names the run.
    pub run_source: Option<RunSource>,
    /// The keys that a token has to be bound to; `None` where it may be bound to any.
    pub binding: Option<KeyBinding>,
    /// What may be done.
    pub action: Action,
    /// Where.
    pub upstream: UpstreamId,
    /// To what.
    pub target: Target,
    /// How wide and how long, as approved.
    pub terms: Terms,
    /// JSON Schemas, all of which the arguments have to satisfy.
    pub constraints: Vec<Value>,
    /// The digest of the exact arguments, where it is for one call.
    pub arguments_digest: Option<[u8; 32]>,
    /// The digest of the tool's definition that it is for.
    pub tool_digest: Option<[u8; 32]>,
    /// The digest of the tenant's policies when it was asked for.
    pub policies: [u8; 32],
    /// Who said yes.
    pub approved_by: Vec<DecidedBy>,
    /// Why it was asked for, in untrusted words.
    pub reason: Option<Reason>,
    /// A ticket, by its name elsewhere.
    pub ticket: Option<String>,
    /// From when.
    pub starts_ms: u64,
    /// Until when.
    pub expires_ms: u64,
    /// Calls that were begun, where they are counted.
    pub calls_used: u64,
    /// Bytes that answers had, where they are counted.
    pub bytes_used: u64,
    /// When and why it ended; `None` while it is active.
    pub ended: Option<(u64, EndReason)>,
}

/// Why a grant, or a call under it, ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EndReason {
    /// Its time was over.
    Expired,
    /// Its calls or bytes were used up.
    Exhausted,
    /// Its holder gave it back.
    Released,
    /// Somebody took it back.
    Revoked,
    /// The tool is not the one that it was for.
    ToolChanged,
    /// What it was made under does not cover it any more.
    NotCovered,
    /// A lock was set; the grant itself goes on when that is lifted.
    Locked,
    /// The store has not been there for too long; the grant itself goes on when it is there again.
    Stale,
}

impl EndReason {
    const ALL: [Self; 8] = [
        Self::Expired,
        Self::Exhausted,
        Self::Released,
        Self::Revoked,
        Self::ToolChanged,
        Self::NotCovered,
        Self::Locked,
        Self::Stale,
    ];

    /// The name used in views and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Expired => "expired",
            Self::Exhausted => "exhausted",
            Self::Released => "released",
            Self::Revoked => "revoked",
            Self::ToolChanged => "tool_changed",
            Self::NotCovered => "not_covered",
            Self::Locked => "locked",
            Self::Stale => "stale",
        }
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}
