//! Access requests: what was asked for, by whom, and what became of it.

use std::sync::Arc;

use cardea_domain::{
    Action, ActorId, EntitlementId, GrantId, KeyBinding, Principal, RequestId, RunId, RunSource,
    SubjectId, Target, UpstreamId,
};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::{
    By, Grant,
    entitlement::Who,
    terms::{Kind, Narrowing, Terms},
};

/// Something that is asked for.
#[derive(Debug, Clone)]
pub struct NewRequest<'a> {
    /// Who asks.
    pub asker: Asker<'a>,
    /// When.
    pub moment: Moment,
    /// What is to be done.
    pub action: Action,
    /// Where.
    pub upstream: &'a UpstreamId,
    /// To what.
    pub target: &'a Target,
    /// What kind of grant; the entitlement's first when absent.
    pub kind: Option<Kind>,
    /// The arguments of the call, as exact JSON text. A grant for one call is for these; for other
    /// kinds they are an example.
    pub arguments: Option<&'a str>,
    /// A JSON Schema that the asker is content with, besides the entitlement's.
    pub constraint: Option<&'a Value>,
    /// For how long; as long as the entitlement allows when absent.
    pub duration: Option<std::time::Duration>,
    /// How many calls; as many as the entitlement allows when absent.
    pub calls_max: Option<u64>,
    /// The digest of the tool's definition as it is now.
    pub tool_digest: Option<[u8; 32]>,
    /// The digest of the tenant's policies as they are now.
    pub policies: [u8; 32],
    /// Why, and who says so.
    pub reason: Option<Reason>,
    /// A ticket, by its name elsewhere.
    pub ticket: Option<&'a str>,
    /// The model, as the host asserts it.
    pub model: Option<&'a str>,
    /// The client's software, as it calls itself.
    pub client: Option<&'a str>,
    /// The grant whose end is to be put off. Kind, target and bounds are those of the grant.
    pub extends: Option<&'a GrantId>,
}

/// When something is asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Moment {
    /// In a call, which policies did not permit and did not forbid either.
    Call,
    /// Ahead of a call: what policies forbid is not known yet.
    Ahead,
}

/// Who asks, and who stands behind them.
#[derive(Debug, Clone, Copy)]
pub struct Asker<'a> {
    /// The person on whose behalf.
    pub subject: &'a SubjectId,
    /// The person's groups.
    pub groups: &'a [Arc<str>],
    /// The agent that is to have the grant.
    pub actor: &'a ActorId,
    /// The run that is to have it; `None` when a person asks beforehand.
    pub run: Option<&'a RunId>,
    /// What names the run.
    pub run_source: Option<RunSource>,
    /// The keys that the run's token is bound to; `None` when a person asks beforehand.
    pub binding: Option<KeyBinding>,
    /// Everybody in the token's chain of `act` besides the agent.
    pub chain: &'a [ActorId],
    /// The person who asks for it; `None` where the agent itself does, in a call.
    pub through: Option<By<'a>>,
}

impl<'a> Asker<'a> {
    /// An agent that asks for itself in a call.
    #[must_use]
    pub fn agent(principal: &'a Principal) -> Self {
        Self {
            subject: &principal.subject,
            groups: &principal.groups,
            actor: &principal.actor,
            run: Some(&principal.run),
            run_source: Some(principal.run_source),
            binding: Some(principal.binding),
            chain: &principal.chain,
            through: None,
        }
    }

    /// A person who asks beforehand, for an agent that acts for them.
    #[must_use]
    pub fn person(by: By<'a>, groups: &'a [Arc<str>], actor: &'a ActorId) -> Self {
        Self {
            subject: by.person,
            groups,
            actor,
            run: None,
            run_source: None,
            binding: None,
            chain: &[],
            through: Some(by),
        }
    }

    /// A person who asks for a later end of a grant in their name.
    #[must_use]
    pub fn holder(by: By<'a>, groups: &'a [Arc<str>], grant: &'a Grant) -> Self {
        Self {
            run: grant.run.as_ref(),
            run_source: grant.run_source,
            binding: grant.binding,
            chain: &grant.chain,
            ..Self::person(by, groups, &grant.actor)
        }
    }

    pub(crate) fn who(&self) -> Who<'a> {
        Who {
            subject: self.subject,
            groups: self.groups,
            actor: self.actor,
        }
    }
}

/// Why something is asked for. Untrusted text: shown quoted and escaped, and never a reason for a
/// rule to approve.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reason {
    /// At most [`crate::REASON_CHARS_MAX`] characters.
    pub text: String,
    /// Who wrote it.
    pub author: Author,
    /// What a model says to that, where the gateway's own words come first; as long at most.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub beside: Option<String>,
}

/// Who wrote a text.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Author {
    /// A model, through the agent.
    Model,
    /// A person who is logged in, at a page.
    Person,
    /// A program with a person's login: that may be an agent, whose model wrote it.
    Program,
    /// The gateway itself.
    Gateway,
}

/// An access request, as pages and lists show it.
#[derive(Debug, Clone, PartialEq)]
pub struct AccessRequest {
    /// Its name, unique within the tenant; names sort by time.
    pub id: RequestId,
    /// Under which entitlement.
    pub entitlement: EntitlementId,
    /// The person on whose behalf.
    pub subject: SubjectId,
    /// The person's groups when it was asked.
    pub groups: Arc<[Arc<str>]>,
    /// The agent.
    pub actor: ActorId,
    /// The run; `None` when a person asked beforehand.
    pub run: Option<RunId>,
    /// What named the run: another source's word for it is not the same run.
    pub run_source: Option<RunSource>,
    /// The keys that the grant will be bound to.
    pub binding: Option<KeyBinding>,
    /// Everybody in the chain of `act` besides the agent.
    pub chain: Vec<ActorId>,
    /// Who owned the agent, or another of the chain, when it was asked.
    pub owners: Owned,
    /// What is to be done.
    pub action: Action,
    /// Where.
    pub upstream: UpstreamId,
    /// To what.
    pub target: Target,
    /// The arguments, as exact JSON text.
    pub arguments: Option<String>,
    /// The SHA-256 of their canonical form.
    pub arguments_digest: [u8; 32],
    /// A JSON Schema that the asker is content with.
    pub constraint: Option<Value>,
    /// The digest of the tool's definition.
    pub tool_digest: Option<[u8; 32]>,
    /// The digest of the tenant's policies.
    pub policies: [u8; 32],
    /// How wide and how long, as asked and cut to the entitlement.
    pub terms: Terms,
    /// Why, in untrusted words.
    pub reason: Option<Reason>,
    /// Why, as the person in whose name it was asked has added; untrusted words as well.
    pub justification: Option<Reason>,
    /// A ticket, by its name elsewhere.
    pub ticket: Option<String>,
    /// The model, as the host asserts it.
    pub model: Option<String>,
    /// The client's software, as it calls itself.
    pub client: Option<String>,
    /// The grant whose end is to be put off.
    pub extends: Option<GrantId>,
    /// When it was asked.
    pub created_ms: u64,
    /// When it ends unanswered.
    pub expires_ms: u64,
    /// What became of it.
    pub state: RequestState,
    /// Who has decided so far, in order.
    pub approvals: Vec<Approval>,
}

impl AccessRequest {
    /// Whether a justification can still be added: before anybody has decided, and where there is
    /// none. At a page a person says it in place of a program.
    #[must_use]
    pub fn takes_justification(&self, by: By<'_>) -> bool {
        let is_said = self
            .justification
            .as_ref()
            .is_some_and(|said| by.program.is_some() || said.author != Author::Program);
        self.state == RequestState::Pending && self.approvals.is_empty() && !is_said
    }
}

/// The owners of agents.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Owned {
    /// People.
    pub subjects: Vec<SubjectId>,
    /// Groups of people.
    pub groups: Vec<String>,
}

/// What became of a request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RequestState {
    /// It waits for people.
    Pending,
    /// A grant came of it, or was extended by it.
    Approved(GrantId),
    /// Somebody said no, or a rule.
    Refused,
    /// Nobody decided in time.
    Expired,
    /// The asker took it back.
    Cancelled,
    /// What was asked for is not what it was: the tool changed, or the grant to extend ended.
    Void,
}

impl RequestState {
    /// The name used in views and records.
    #[must_use]
    pub fn as_str(&self) -> &'static str {
        match self {
            Self::Pending => "pending",
            Self::Approved(_) => "approved",
            Self::Refused => "refused",
            Self::Expired => "expired",
            Self::Cancelled => "cancelled",
            Self::Void => "void",
        }
    }

    /// The grant that came of it.
    #[must_use]
    pub fn grant(&self) -> Option<&GrantId> {
        match self {
            Self::Approved(grant) => Some(grant),
            _ => None,
        }
    }
}

/// One yes or no.
#[derive(Debug, Clone, PartialEq)]
pub struct Approval {
    /// Who said it.
    pub by: DecidedBy,
    /// The program through which a person said it; `None` at a page.
    pub program: Option<ActorId>,
    /// The approver's groups when it was said.
    pub groups: Vec<String>,
    /// Yes or no.
    pub verdict: Verdict,
    /// Why.
    pub reason: Option<String>,
    /// What was taken away.
    pub narrowing: Narrowing,
    /// When.
    pub decided_ms: u64,
}

impl Approval {
    /// Who said it, and through which program, as records and views name it.
    #[must_use]
    pub fn by_whom(&self) -> String {
        match &self.program {
            Some(program) => format!("{} through {program}", self.by),
            None => self.by.to_string(),
        }
    }
}

/// Yes or no.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Verdict {
    /// Yes.
    Approve,
    /// No.
    Refuse,
}

impl Verdict {
    /// The name used in views and records.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Approve => "approve",
            Self::Refuse => "refuse",
        }
    }
}

/// Who decided.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum DecidedBy {
    /// A person.
    Person(SubjectId),
    /// A rule that a person wrote, by its name.
    Rule(String),
}

impl std::fmt::Display for DecidedBy {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Person(subject) => write!(f, "person {subject}"),
            Self::Rule(rule) => write!(f, "rule {rule}"),
        }
    }
}
