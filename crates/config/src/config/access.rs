//! The checked settings of what may be asked for.

use std::{collections::BTreeSet, path::PathBuf, time::Duration};

use cardea_domain::{SubjectId, TenantId};
use serde_json::Value;

use crate::{AskBy, FlowLabel, GrantBinding, GrantKind, Justification};

/// Something that may be asked for. `*` in a pattern is any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitlement {
    /// What people are shown.
    pub title: String,
    /// Patterns of the people on whose behalf; none means everybody.
    pub subjects: Vec<String>,
    /// Patterns of groups that they are in; none means no matter.
    pub groups: Vec<String>,
    /// Patterns of agents; none means every agent.
    pub actors: Vec<String>,
    /// What may be asked for, at least one.
    pub resources: Vec<Entitled>,
    /// A JSON Schema for the arguments of every call.
    pub arguments: Option<Value>,
    /// Kinds of grants, at least one; the first is the default.
    pub kinds: Vec<GrantKind>,
    /// How long a grant lasts at most.
    pub duration_max: Duration,
    /// How many calls a grant is for at most.
    pub calls_max: u64,
    /// How many bytes.
    pub bytes_max: Option<u64>,
    /// How many calls a minute.
    pub calls_per_minute_max: Option<u64>,
    /// What a grant holds for besides its person and its agent.
    pub bound_to: GrantBinding,
    /// Who decides, at least one stage.
    pub approval: Vec<ApprovalStage>,
    /// The rules that decide before people do.
    pub automatic: Option<RuleFile>,
    /// Whether somebody else than the person must decide.
    pub second_person: bool,
    /// Whether lists leave it out.
    pub hidden: bool,
    /// Whether a request must say why.
    pub justification: Justification,
    /// How long a call waits for the decision.
    pub hold: Option<Duration>,
}

/// A file of rules about requests.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct RuleFile {
    /// The file; it is there.
    pub file: PathBuf,
    /// The tenant that the entitlement is of, where it is of one: the rules speak of it alone.
    pub owner: Option<TenantId>,
}

/// What may be asked for at the upstreams of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entitled {
    /// A pattern of upstreams.
    pub upstream: String,
    /// Patterns of names of tools.
    pub tools: Vec<String>,
    /// Labels that these tools have to have, all of them.
    pub labels: BTreeSet<FlowLabel>,
    /// Patterns of URIs of resources.
    pub resources: Vec<String>,
    /// Patterns of names of prompts.
    pub prompts: Vec<String>,
}

/// One stage of an approval.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApprovalStage {
    /// How many must say yes.
    pub need: Need,
    /// Who may decide.
    pub people: People,
}

/// How many people of a stage must say yes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Need {
    /// So many different people; at least one.
    Number(u64),
    /// Each person that is named, and one of each group.
    All,
}

/// Some people: by name, and by group.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct People {
    /// By name.
    pub subjects: BTreeSet<SubjectId>,
    /// Whoever is in one of these.
    pub groups: BTreeSet<String>,
}

/// What is known of some agents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Agent {
    /// Who owns them.
    pub owners: People,
    /// How their clients are told that something has to be granted.
    pub ask_by: AskBy,
}

/// Who may do what in a tenant's console.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Roles {
    /// They see everything, revoke and lock.
    pub administrators: People,
    /// They see everything.
    pub auditors: People,
}
