//! What the console is shown of the gateway, one tenant at a time.

use std::{collections::BTreeMap, sync::Arc};

use cardea_access::{Access, AccessRequest, Entitlements};
use cardea_domain::{ActorId, SubjectId, Target, TenantId, UpstreamId};
use cardea_registry::Registrar;
use serde_json::Value;

/// The rooms of tenants, as the world of one request has them.
pub trait Rooms: Send + Sync {
    /// Requests, grants and locks; `None` where the tenant has no such thing.
    fn access(&self, tenant: &TenantId) -> Option<Arc<Access>>;

    /// Who may ask for what.
    fn entitlements(&self, tenant: &TenantId) -> Option<Entitlements>;

    /// Calls of the last hour, the oldest minute first.
    fn minutes(&self, tenant: &TenantId) -> Vec<Minute>;

    /// The digest of the policies as they are now.
    fn policies(&self, tenant: &TenantId) -> [u8; 32];

    /// What policies say to what is asked for, grants aside.
    fn ruling(&self, tenant: &TenantId, request: &AccessRequest) -> Ruling;

    /// What was approved of what the tenant's servers say; `None` where nothing needs approval.
    fn registrar(&self, tenant: &TenantId) -> Option<Arc<Registrar>>;

    /// The tenant's servers, by name.
    fn servers(&self, tenant: &TenantId) -> Vec<ServerFacts>;

    /// What policies make of a call, by which of them, and what keeps the others from applying; `None` where the
    /// tenant is not there.
    fn explain(&self, tenant: &TenantId, call: &SupposedCall<'_>) -> Option<Explained>;

    /// The policies that permit something of an upstream by themselves, for one tool or for whatever there is.
    fn standing(
        &self,
        tenant: &TenantId,
        upstream: &UpstreamId,
        tool: Option<&str>,
    ) -> Vec<Standing>;

    /// What was learnt of a tool, resource or prompt since the gateway began.
    fn subject(&self, tenant: &TenantId, upstream: &UpstreamId, target: &Target) -> Subject;
}

/// A server, as it is configured.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ServerFacts {
    /// Its name.
    pub id: UpstreamId,
    /// `stdio` or `http`.
    pub transport: &'static str,
    /// How far its definitions need approval: `approve`, `first` or `off`.
    pub pins: &'static str,
    /// Who it is: what is told, and the text of it; no secret.
    pub identity: Vec<(&'static str, String)>,
    /// The labels of its tools, as administrators have given them.
    pub labels: BTreeMap<String, Vec<&'static str>>,
}

/// A call that somebody thinks of.
#[derive(Debug, Clone)]
pub struct SupposedCall<'a> {
    /// The person on whose behalf.
    pub subject: &'a SubjectId,
    /// The agent.
    pub actor: &'a ActorId,
    /// The person's groups, sorted.
    pub groups: &'a Arc<[Arc<str>]>,
    /// Where.
    pub upstream: &'a UpstreamId,
    /// The tool.
    pub target: &'a Target,
    /// The arguments; `None` tells what depends on them.
    pub arguments: Option<Arc<Value>>,
}

/// A decision with its reasons.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Explained {
    /// `permitted`, `forbidden`, `not permitted`, `depends on arguments` or `failed`.
    pub decision: &'static str,
    /// The policies that decided.
    pub by: Vec<String>,
    /// Why it could not be decided.
    pub error: Option<String>,
    /// The policies by which the call needs an approval all the same.
    pub approval: Vec<String>,
    /// Whether somebody's approval would help.
    pub is_grantable: bool,
    /// Each policy that is about the call.
    pub policies: Vec<ExplainedPolicy>,
}

/// What came of one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExplainedPolicy {
    /// Its id.
    pub id: String,
    /// `permit`, `forbid` or `ask`.
    pub effect: &'static str,
    /// In words.
    pub outcome: &'static str,
    /// The condition that does not hold, or what went wrong.
    pub detail: Option<String>,
}

/// A policy that permits by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Standing {
    /// Its id.
    pub id: String,
    /// Whom it is about, as the policy says it.
    pub who: String,
    /// What it is about.
    pub what: String,
    /// What else has to hold.
    pub conditions: Vec<String>,
}

/// One minute of a tenant's calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Minute {
    /// Calls that reached their upstream.
    pub calls: u64,
    /// Calls that were refused.
    pub denials: u64,
}

/// What policies say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// They permit it by themselves, named here.
    Permits(Vec<String>),
    /// None permits it and none forbids it: a grant decides.
    Silent,
    /// They forbid it, named here: a grant would not help.
    Forbids(Vec<String>),
    /// It cannot be said beforehand, for this reason.
    Unknown(String),
}

/// What a server says of one of its things; nobody has checked it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// Whether its server has shown it since the gateway began.
    pub is_shown: bool,
    /// Its description.
    pub description: Option<String>,
    /// The digest of its definition as it is now.
    pub digest: Option<[u8; 32]>,
    /// The names of the arguments that it takes, as its schema has them.
    pub arguments: Vec<String>,
    /// What its server asserts of it (MCP `annotations`), in words.
    pub asserted: Vec<&'static str>,
    /// What administrators have said of it; `None` where it is no tool.
    pub labels: Option<Labelled>,
}

impl Subject {
    /// What a tool's definition (raw JSON) says, with the SHA-256 of its canonical form; no labels, and not shown.
    #[must_use]
    pub fn of(definition: &str, digest: Option<[u8; 32]>) -> Self {
        let raw: Value = serde_json::from_str(definition).unwrap_or_default();
        let description = raw.get("description").and_then(Value::as_str);
        let arguments = raw.pointer("/inputSchema/properties");
        let arguments = arguments.and_then(Value::as_object);
        Self {
            is_shown: false,
            description: description.map(str::to_owned),
            digest,
            arguments: arguments.map_or_else(Vec::new, |all| {
                all.keys().take(ARGUMENTS_SHOWN_MAX).cloned().collect()
            }),
            asserted: asserted(&raw),
            labels: None,
        }
    }
}

/// More than a page offers to tighten.
const ARGUMENTS_SHOWN_MAX: usize = 16;

/// What a server says of its tool (MCP `annotations`), where it says something.
fn asserted(definition: &Value) -> Vec<&'static str> {
    let words = [
        ("readOnlyHint", "changes nothing", "changes something"),
        ("destructiveHint", "takes away or replaces", "only adds"),
        ("idempotentHint", "twice is as once", "twice is twice"),
        ("openWorldHint", "reaches others", "stays inside"),
    ];
    let said = words.iter().filter_map(|(name, yes, no)| {
        let hint = definition.get("annotations")?.get(name)?.as_bool()?;
        Some(if hint { *yes } else { *no })
    });
    said.collect()
}

/// What administrators have said of a tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Labelled {
    /// Nothing: it is taken for everything dangerous.
    Nothing,
    /// These labels, by their names.
    As(Vec<&'static str>),
}
