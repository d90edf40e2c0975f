//! What policies still depend on once it is known who asks for what.

use std::sync::Arc;

use cedar_policy::{
    Authorizer, Context, Decision, Effect, Entities, EntityUid, PolicySet, Request,
};
use parking_lot::RwLock;

use crate::{
    arguments::Arguments,
    decide::Answer,
    reads::{ARGS, Reads},
    rules::{Rule, Rules, sorted},
};

/// Who asks for what, as Cedar sees it.
pub(crate) struct Asked {
    pub(crate) principal: EntityUid,
    pub(crate) action: EntityUid,
    pub(crate) resource: EntityUid,
    pub(crate) entities: Entities,
}

/// What is left of a set for one asker and one thing.
pub(crate) struct Residual {
    /// Policies of which nothing is left to look at.
    permits: Arc<[Arc<str>]>,
    forbids: Arc<[Arc<str>]>,
    /// Those that forbid whoever asks, however they have logged in.
    forbids_ahead: Arc<[Arc<str>]>,
    /// One could not be evaluated, whatever the context.
    failed: Option<Arc<str>>,
    /// The tails of the others.
    rest: PolicySet,
    rest_len: usize,
    /// Of these, the ones that do not look at arguments.
    rest_without_args: PolicySet,
    /// Whether one that permits looks at arguments.
    may_permit: bool,
    reads: Reads,
    /// The policies that look at arguments.
    readers: Vec<Arc<str>>,
    needs_entities: bool,
    /// The arguments' type that was checked last, and what came of it.
    pub(crate) typed: RwLock<Option<Typed>>,
}

/// What of a tool's arguments is read, or why it must not be.
#[derive(Clone)]
pub(crate) struct Typed {
    pub(crate) of: Arc<Arguments>,
    pub(crate) read: Result<Arc<Arguments>, Arc<str>>,
}

/// What a set says while the arguments are not known.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Outlook {
    /// It is permitted, or would be with some arguments.
    Possible,
    /// No policy permits it with any arguments, and none forbids it: what a grant can change.
    LacksPermit,
    /// It is forbidden, or could not be decided.
    Refused,
}

impl Residual {
    pub(crate) fn new(
        rules: &Rules,
        action: cardea_domain::Action,
        asked: &Asked,
        within: &[EntityUid],
        authorizer: &Authorizer,
    ) -> Result<Self, String> {
        let request = asked.request(Context::empty())?;
        let (mut permits, mut forbids) = (Vec::new(), Vec::new());
        let mut forbids_ahead = Vec::new();
        let mut failed = None;
        let mut tails = Vec::new();
        for rule in rules.about(action, within) {
            let response = authorizer.is_authorized(&request, &rule.head, &asked.entities);
            if let Some(error) = response.diagnostics().errors().next() {
                failed.get_or_insert_with(|| Arc::from(error.to_string()));
                continue;
            }
            match (response.decision(), &rule.tail, rule.effect) {
                (Decision::Deny, ..) => {}
                (Decision::Allow, Some(tail), _) => tails.push((rule, tail)),
                (Decision::Allow, None, Effect::Permit) => permits.push(Arc::clone(&rule.id)),
                (Decision::Allow, None, Effect::Forbid) => {
                    forbids.push(Arc::clone(&rule.id));
                    forbids_ahead.extend((!rule.reads_login).then(|| Arc::clone(&rule.id)));
                }
            }
        }
        let reads = tails
            .iter()
            .fold(Reads::default(), |reads, (_, tail)| reads.with(&tail.reads));
        let readers: Vec<&Rule> = tails
            .iter()
            .filter(|(_, tail)| tail.reads.has(ARGS))
            .map(|(rule, _)| *rule)
            .collect();
        let without = tails.iter().filter(|(_, tail)| !tail.reads.has(ARGS));
        let policies = |tail: &crate::rules::Tail| tail.policy.clone();
        let without = PolicySet::from_policies(without.map(|(_, tail)| policies(tail)));
        let rest = PolicySet::from_policies(tails.iter().map(|(_, tail)| policies(tail)));
        Ok(Self {
            permits: sorted(permits),
            forbids: sorted(forbids),
            forbids_ahead: sorted(forbids_ahead),
            failed,
            rest: rest.map_err(|e| e.to_string())?,
            rest_len: tails.len(),
            rest_without_args: without.map_err(|e| e.to_string())?,
            may_permit: readers.iter().any(|rule| rule.effect == Effect::Permit),
            reads,
            readers: readers.iter().map(|rule| Arc::clone(&rule.id)).collect(),
            needs_entities: tails.iter().any(|(_, tail)| tail.needs_entities),
            typed: RwLock::new(None),
        })
    }

    /// The policies that forbid whatever a call would say; none where one could not be evaluated.
    pub(crate) fn forbidding_ahead(&self) -> Arc<[Arc<str>]> {
        match self.failed {
            Some(_) => Arc::from([]),
            None => Arc::clone(&self.forbids_ahead),
        }
    }

    pub(crate) fn reads(&self) -> &Reads {
        &self.reads
    }

    /// The policies left that look at arguments.
    pub(crate) fn readers(&self) -> &[Arc<str>] {
        &self.readers
    }

    pub(crate) fn needs_entities(&self) -> bool {
        self.needs_entities
    }

    /// How many policies still look at the context.
    pub(crate) fn rest_len(&self) -> usize {
        self.rest_len
    }

    /// The answer, where nothing is left to look at.
    pub(crate) fn settled(&self) -> Option<Answer> {
        if let Some(error) = &self.failed {
            return Some(Answer::Error(Arc::clone(error)));
        }
        (self.rest_len == 0).then(|| self.answer(&[], &[]))
    }

    /// The answer to a context.
    pub(crate) fn decide(
        &self,
        request: &Request,
        entities: &Entities,
        authorizer: &Authorizer,
    ) -> Answer {
        self.evaluate(&self.rest, request, entities, authorizer)
    }

    /// What can be said without the arguments.
    pub(crate) fn outlook(
        &self,
        request: &Request,
        entities: &Entities,
        authorizer: &Authorizer,
    ) -> Outlook {
        if self.failed.is_some() {
            return Outlook::Refused;
        }
        match self.evaluate(&self.rest_without_args, request, entities, authorizer) {
            Answer::Allow(_) => Outlook::Possible,
            Answer::Deny(forbids) if forbids.is_empty() => match self.may_permit {
                true => Outlook::Possible,
                false => Outlook::LacksPermit,
            },
            Answer::Deny(_) | Answer::Error(_) | Answer::Unfit(_) => Outlook::Refused,
        }
    }

    fn evaluate(
        &self,
        rest: &PolicySet,
        request: &Request,
        entities: &Entities,
        authorizer: &Authorizer,
    ) -> Answer {
        let response = authorizer.is_authorized(request, rest, entities);
        if let Some(error) = response.diagnostics().errors().next() {
            return Answer::Error(error.to_string().into());
        }
        let reasons = response.diagnostics().reason();
        let reasons: Vec<Arc<str>> = reasons.map(|id| Arc::from(id.to_string())).collect();
        match response.decision() {
            Decision::Allow => self.answer(&reasons, &[]),
            Decision::Deny => self.answer(&[], &reasons),
        }
    }

    /// The answer of the whole set, with what is left of it permitting and forbidding by these.
    fn answer(&self, permits: &[Arc<str>], forbids: &[Arc<str>]) -> Answer {
        let together = |known: &Arc<[Arc<str>]>, more: &[Arc<str>]| match more {
            [] => Arc::clone(known),
            more => sorted(known.iter().chain(more).cloned()),
        };
        let forbids = together(&self.forbids, forbids);
        if !forbids.is_empty() {
            return Answer::Deny(forbids);
        }
        let permits = together(&self.permits, permits);
        match permits.is_empty() {
            true => Answer::Deny(permits),
            false => Answer::Allow(permits),
        }
    }
}

impl Asked {
    pub(crate) fn request(&self, context: Context) -> Result<Request, String> {
        let (principal, action) = (self.principal.clone(), self.action.clone());
        Request::new(principal, action, self.resource.clone(), context, None)
            .map_err(|e| e.to_string())
    }
}
