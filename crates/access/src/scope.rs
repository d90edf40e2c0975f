//! Whom or what a lock or a revocation is about.

use cardea_domain::{Action, ActorId, Principal, RunId, SubjectId, Target, ToolName, UpstreamId};
use serde::{Deserialize, Serialize};

/// A part of a tenant, from all of it down to one run.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase", deny_unknown_fields)]
pub enum Scope {
    /// Everybody and everything.
    Tenant,
    /// A person, with all agents.
    Subject(SubjectId),
    /// An agent, for all people.
    Actor(ActorId),
    /// An upstream.
    Upstream(UpstreamId),
    /// One tool of an upstream.
    Tool(UpstreamId, ToolName),
    /// One run.
    Run(RunId),
}

impl Scope {
    /// The kind, as views and records name it.
    #[must_use]
    pub fn kind(&self) -> &'static str {
        match self {
            Self::Tenant => "tenant",
            Self::Subject(_) => "subject",
            Self::Actor(_) => "actor",
            Self::Upstream(_) => "upstream",
            Self::Tool(..) => "tool",
            Self::Run(_) => "run",
        }
    }

    /// All scopes that a call is in.
    pub(crate) fn of(caller: &Caller<'_>) -> impl Iterator<Item = Self> {
        let tool = match caller.target {
            Target::Tool(name) => Some(Self::Tool(caller.upstream.clone(), name.clone())),
            _ => None,
        };
        [
            Self::Tenant,
            Self::Subject(caller.subject.clone()),
            Self::Actor(caller.actor.clone()),
            Self::Upstream(caller.upstream.clone()),
        ]
        .into_iter()
        .chain(tool)
        .chain(caller.run.cloned().map(Self::Run))
    }
}

impl std::fmt::Display for Scope {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self {
            Self::Tenant => f.write_str("tenant"),
            Self::Subject(subject) => write!(f, "subject {subject}"),
            Self::Actor(actor) => write!(f, "actor {actor}"),
            Self::Upstream(upstream) => write!(f, "upstream {upstream}"),
            Self::Tool(upstream, tool) => write!(f, "tool {upstream} {tool}"),
            Self::Run(run) => write!(f, "run {run}"),
        }
    }
}

/// Who calls what, as far as scopes look.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) subject: &'a SubjectId,
    pub(crate) actor: &'a ActorId,
    pub(crate) run: Option<&'a RunId>,
    pub(crate) action: Action,
    pub(crate) upstream: &'a UpstreamId,
    pub(crate) target: &'a Target,
}

impl<'a> Caller<'a> {
    pub(crate) fn of(
        principal: &'a Principal,
        action: Action,
        upstream: &'a UpstreamId,
        target: &'a Target,
    ) -> Self {
        Self {
            subject: &principal.subject,
            actor: &principal.actor,
            run: Some(&principal.run),
            action,
            upstream,
            target,
        }
    }

    /// Whether the scope includes this caller or call.
    pub(crate) fn is_in(&self, scope: &Scope) -> bool {
        match scope {
            Scope::Tenant => true,
            Scope::Subject(subject) => subject == self.subject,
            Scope::Actor(actor) => actor == self.actor,
            Scope::Upstream(upstream) => upstream == self.upstream,
            Scope::Tool(upstream, tool) => {
                upstream == self.upstream
                    && (self.may_be_of_any_tool()
                        || matches!(self.target, Target::Tool(t) if t == tool))
            }
            Scope::Run(run) => Some(run) == self.run,
        }
    }

    /// Which tool a task came of is the server's to know: it may be the locked one.
    pub(crate) fn may_be_of_any_tool(&self) -> bool {
        self.action == Action::UseTask
    }
}
