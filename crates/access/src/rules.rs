//! Rules that people wrote and that decide at once, instead of people.
//!
//! Such a rule stands in the place of everybody who would have to say yes, a second person too: whoever
//! wrote it has said it beforehand. What it is told holds nothing that a model wrote.

use std::sync::Arc;

use cardea_domain::{
    Action, ActorId, AskedBy, KeyBinding, Recent, Ruling, SubjectId, Target, UpstreamId,
};

use crate::{
    request::{AccessRequest, NewRequest},
    terms::Terms,
};

/// Decides about requests at the moment in which they are made.
pub trait Rules: std::fmt::Debug + Send + Sync {
    /// What the rules say. Any doubt is no approval.
    fn rule(&self, asked: &Asked<'_>) -> Ruling;
}

/// What policies say of a thing, before anybody may ask for it.
pub trait Bounds: std::fmt::Debug + Send + Sync {
    /// The policies that forbid it whatever a call of it would say; none where that depends on the call, which is
    /// then decided by itself.
    fn forbidding(&self, ahead: &Ahead<'_>) -> Vec<Arc<str>>;
}

/// What is asked for ahead of a call, as far as policies look.
#[derive(Debug, Clone, Copy)]
pub struct Ahead<'a> {
    /// The person on whose behalf.
    pub subject: &'a SubjectId,
    /// The person's groups.
    pub groups: &'a Arc<[Arc<str>]>,
    /// The agent.
    pub actor: &'a ActorId,
    /// What is to be done.
    pub action: Action,
    /// Where.
    pub upstream: &'a UpstreamId,
    /// To what.
    pub target: &'a Target,
}

impl<'a> Ahead<'a> {
    pub(crate) fn of(request: &'a AccessRequest) -> Self {
        Self {
            subject: &request.subject,
            groups: &request.groups,
            actor: &request.actor,
            action: request.action,
            upstream: &request.upstream,
            target: &request.target,
        }
    }
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
    /// Who asks.
    pub asked_by: AskedBy,
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

/// A program with a person's login may be the agent itself: it is not taken for the person.
fn asked_by(new: &NewRequest<'_>) -> AskedBy {
    match new.asker.through {
        None => AskedBy::Agent,
        Some(by) if by.program.is_some() => AskedBy::Program,
        Some(_) => AskedBy::Person,
    }
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
            asked_by: asked_by(new),
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
