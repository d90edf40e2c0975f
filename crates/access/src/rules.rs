//! Rules that people wrote and that decide at once, instead of people.
//!
//! Such a rule stands in the place of everybody who would have to say yes, a second person too: whoever
//! wrote it has said it beforehand. What it is told holds nothing that a model wrote.

use std::sync::Arc;

use cardea_domain::{Action, ActorId, KeyBinding, Recent, Ruling, SubjectId, Target, UpstreamId};

use crate::{
    request::{AccessRequest, NewRequest},
    terms::Terms,
};

/// Decides about requests at the moment in which they are made.
pub trait Rules: std::fmt::Debug + Send + Sync {
    /// What the rules say. Any doubt is no approval.
    fn rule(&self, asked: &Asked<'_>) -> Ruling;
}

/// A request, as far as rules may know: no reason, no ticket, no arguments, no name of a model.
#[derive(Debug, Clone, Copy)]
pub struct Asked<'a> {
    /// The person on whose behalf.
    pub subject: &'a SubjectId,
    /// The person's groups.
    pub groups: &'a Arc<[Arc<str>]>,
    /// The agent.
    pub actor: &'a ActorId,
    /// Whether the person asked beforehand, and not the agent in a call.
    pub is_by_person: bool,
    /// The keys that the grant will be bound to.
    pub binding: KeyBinding,
    /// What is to be done.
    pub action: Action,
    /// Where.
    pub upstream: &'a UpstreamId,
    /// To what.
    pub target: &'a Target,
    /// The digest of the tool's definition.
    pub tool_digest: Option<[u8; 32]>,
    /// How wide and how long, cut to the entitlement.
    pub terms: &'a Terms,
    /// Whether the end of a grant is to be put off.
    pub extends: bool,
    /// What this agent asked for this person of late.
    pub history: History,
    /// When it is asked, in milliseconds since the Unix epoch.
    pub now_ms: u64,
}

/// What one agent asked for one person in the hour before, without the request in question.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct History {
    /// For the same thing.
    pub same: Recent,
    /// For whatever thing.
    pub all: Recent,
}

impl<'a> Asked<'a> {
    pub(crate) fn of(new: &NewRequest<'_>, request: &'a AccessRequest, history: History) -> Self {
        Self {
            subject: &request.subject,
            groups: &request.groups,
            actor: &request.actor,
            is_by_person: new.asker.run.is_none(),
            binding: request.binding.unwrap_or_default(),
            action: request.action,
            upstream: &request.upstream,
            target: &request.target,
            tool_digest: request.tool_digest,
            terms: &request.terms,
            extends: request.extends.is_some(),
            history,
            now_ms: request.created_ms,
        }
    }
}
