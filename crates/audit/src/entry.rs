//! What a record says: borrowed from the call, written at once.

use std::{net::IpAddr, sync::Arc};

use cardea_domain::{Action, Denial, Principal, SubjectId, Target, TenantId, UpstreamId};

/// What a record is about.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Kind {
    /// A call is about to reach its upstream; durable before it does.
    Intent,
    /// A call ended; durable before its answer leaves.
    Outcome,
    /// A call was refused before it reached its upstream; durable before the refusal leaves.
    Denial,
    /// Something that is no call's beginning or end.
    #[default]
    Event,
}

/// One record to be. Members that are not known stay `None` and are left out of the line.
#[derive(Debug, Clone, Default)]
pub struct Entry<'a> {
    /// What the record is about.
    pub kind: Kind,
    /// The call; ties an outcome to its intent. Empty for an event outside of calls.
    pub call: &'a str,
    /// Who calls; `None` when a call was refused before that was known.
    pub principal: Option<&'a Principal>,
    /// Whom an event is about, where there is no call and so no principal.
    pub person: Option<Person<'a>>,
    /// The model, as the host asserts it.
    pub model: Option<&'a str>,
    /// What the client says it is, as JSON text.
    pub client: Option<&'a str>,
    /// The upstream.
    pub upstream: Option<&'a UpstreamId>,
    /// The protocol version.
    pub version: Option<&'a str>,
    /// The protocol era, where the version does not say it.
    pub era: Option<&'a str>,
    /// The MCP method, or the HTTP method of a request that names none.
    pub method: &'a str,
    /// What the policy was asked about.
    pub action: Option<Action>,
    /// What the call is about.
    pub target: Option<&'a Target>,
    /// The JSON-RPC id, as JSON text.
    pub id: Option<&'a str>,
    /// The arguments, as JSON text. Their SHA-256 is always recorded, they themselves up to
    /// [`LedgerOptions::arguments_bytes_max`](crate::LedgerOptions::arguments_bytes_max).
    pub arguments: Option<&'a str>,
    /// What the policies said; `None` when they were not asked.
    pub decision: Option<Decision<'a>>,
    /// By which grant the call is made, or what was asked for where it was refused.
    pub access: Option<Access<'a>>,
    /// The refusal, of a denial or of an outcome that is one.
    pub denial: Option<&'a Denial>,
    /// How the call was answered.
    pub response: Option<Response<'a>>,
    /// Where the call came from.
    pub peer: Option<IpAddr>,
    /// From the request's first byte to the record.
    pub total_us: Option<u64>,
    /// From the request's way upstream to the answer's first byte.
    pub upstream_us: Option<u64>,
    /// What the decision took.
    pub decision_us: Option<u64>,
    /// The W3C trace id.
    pub trace_id: Option<[u8; 16]>,
    /// The name of an event (`log_opened`).
    pub event: Option<&'a str>,
    /// What else there is to say of an event.
    pub detail: Option<&'a str>,
}

/// What the policies said.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Decision<'a> {
    /// Yes or no.
    pub effect: Effect,
    /// The ids of the policies that determined it; none when no policy permitted, or one could
    /// not be evaluated.
    pub policies: &'a [Arc<str>],
    /// The epoch of the policies that were asked.
    pub epoch: u64,
}

/// What stands between a call and the policies that do not permit it.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Access<'a> {
    /// The entitlement that covers it.
    pub entitlement: Option<&'a str>,
    /// The request for it.
    pub request: Option<&'a str>,
    /// The grant that the call is made by.
    pub grant: Option<&'a str>,
}

/// Whether the policies allowed what they were asked about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Effect {
    /// They did.
    Permit,
    /// They did not, or could not say.
    Deny,
}

/// Whom an event is about: a person, and the agent and run where there are such.
#[derive(Debug, Clone, Copy)]
pub struct Person<'a> {
    /// Their tenant.
    pub tenant: &'a TenantId,
    /// The person.
    pub subject: &'a SubjectId,
    /// The agent.
    pub actor: Option<&'a str>,
    /// The run.
    pub run: Option<&'a str>,
}

/// How a call was answered.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Response<'a> {
    /// `result`, `error`, `input_required`, `task`, `stream`, `accepted`, `abandoned`.
    pub word: &'a str,
    /// The HTTP status; 0 when none was sent.
    pub status: u16,
    /// Bytes of the answer as it is sent on.
    pub bytes: usize,
    /// The code of a JSON-RPC error.
    pub rpc_code: Option<i64>,
    /// A tool's own word that it failed.
    pub is_error: bool,
    /// Messages on the call's stream.
    pub events: usize,
    /// Entries of a list that the caller may not see.
    pub hidden: usize,
    /// Rows of a result that were left out: another tenant's.
    pub rows_foreign: usize,
    /// Rows of a result that were left out: they did not say whose they are.
    pub rows_unlabelled: usize,
    /// Blocks of content that were left out: they could not be read as rows.
    pub blocks_untyped: usize,
    /// Messages beside the result that were held back.
    pub held_back: usize,
}

impl Effect {
    /// The name used in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Permit => "permit",
            Self::Deny => "deny",
        }
    }
}

impl Kind {
    /// The name used in records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Intent => "intent",
            Self::Outcome => "outcome",
            Self::Denial => "denial",
            Self::Event => "event",
        }
    }
}
