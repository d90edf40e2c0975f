//! One question, one decision.

use std::{borrow::Cow, sync::Arc};

use aws_lc_rs::digest;
use cardea_domain::{
    Action, ActorId, Code, Denial, Principal, SubjectId, Target, TenantId, UpstreamId,
};
use cedar_policy::{Authorizer, Decision, Entities, Policy, PolicySet, Request};
use moka::sync::Cache;

use crate::{Flow, entities::Vocabulary, held};

/// A compiled, strictly validated set of policies: those that one tenant's calls are decided by.
///
/// Deciding is a pure function of the set and the question: the question holds everything that a
/// policy can read (the context has no clock and no counters), so answers are remembered.
pub struct Policies {
    set: PolicySet,
    /// What says when somebody has to approve a call that is permitted.
    approvals: PolicySet,
    reads_flow: bool,
    words: Arc<Vocabulary>,
    authorizer: Authorizer,
    epoch: u64,
    digest: [u8; 32],
    remembered: Cache<Question, Answer>,
    remembered_approvals: Cache<Question, Answer>,
}

/// Remembered answers of one set; one is about 500 bytes.
const REMEMBERED_MAX: u64 = 20_000;

/// Everything that a decision depends on.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct Question {
    tenant: TenantId,
    subject: SubjectId,
    actor: ActorId,
    groups: Arc<[Arc<str>]>,
    action: Action,
    upstream: UpstreamId,
    target: Target,
    method: Cow<'static, str>,
    flow: Flow,
}

/// Who would do it, as far as policies look.
#[derive(Debug, Clone, Copy)]
pub struct Caller<'a> {
    /// The hard boundary.
    pub tenant: &'a TenantId,
    /// The person on whose behalf.
    pub subject: &'a SubjectId,
    /// The agent.
    pub actor: &'a ActorId,
    /// The person's groups.
    pub groups: &'a Arc<[Arc<str>]>,
}

impl<'a> From<&'a Principal> for Caller<'a> {
    fn from(principal: &'a Principal) -> Self {
        Self {
            tenant: &principal.tenant,
            subject: &principal.subject,
            actor: &principal.actor,
            groups: &principal.groups,
        }
    }
}

impl Question {
    /// May `caller` do `action` (on the wire: `method`) to `target` of `upstream`?
    #[must_use]
    pub fn new<'a>(
        caller: impl Into<Caller<'a>>,
        action: Action,
        upstream: &UpstreamId,
        target: Target,
        method: Cow<'static, str>,
    ) -> Self {
        let caller = caller.into();
        Self {
            tenant: caller.tenant.clone(),
            subject: caller.subject.clone(),
            actor: caller.actor.clone(),
            groups: Arc::clone(caller.groups),
            action,
            upstream: upstream.clone(),
            target,
            method,
            flow: Flow::default(),
        }
    }

    /// The same, with what is known of where its arguments come from.
    #[must_use]
    pub fn with_flow(self, flow: Flow) -> Self {
        Self { flow, ..self }
    }

    /// Whose policies are asked.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    pub(crate) fn subject(&self) -> &SubjectId {
        &self.subject
    }

    pub(crate) fn actor(&self) -> &ActorId {
        &self.actor
    }

    pub(crate) fn groups(&self) -> &[Arc<str>] {
        &self.groups
    }

    /// What is to be done.
    #[must_use]
    pub fn action(&self) -> Action {
        self.action
    }

    /// Where.
    #[must_use]
    pub fn upstream(&self) -> &UpstreamId {
        &self.upstream
    }

    /// To what of the upstream.
    #[must_use]
    pub fn target(&self) -> &Target {
        &self.target
    }

    pub(crate) fn method(&self) -> &str {
        &self.method
    }

    pub(crate) fn flow(&self) -> &Flow {
        &self.flow
    }
}

/// The proof that the policies allow one question; made by [`Policies::decide`] alone.
#[derive(Debug, Clone)]
#[must_use = "a permit is what an authorised call is built from"]
pub struct Permit {
    question: Question,
    policies: Arc<[Arc<str>]>,
    epoch: u64,
}

impl Permit {
    /// What was allowed.
    #[must_use]
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The ids of the policies that allowed it.
    #[must_use]
    pub fn policies(&self) -> &[Arc<str>] {
        &self.policies
    }

    /// The same, shared.
    #[must_use]
    pub fn policies_shared(&self) -> Arc<[Arc<str>]> {
        Arc::clone(&self.policies)
    }

    /// The generation of the set that decided.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }
}

/// Why the policies do not allow one question.
#[derive(Debug, Clone)]
pub struct Refusal {
    question: Box<Question>,
    why: Why,
    epoch: u64,
}

#[derive(Debug, Clone)]
enum Why {
    /// By the policies that forbid it; by none when no policy permits it.
    Denied(Arc<[Arc<str>]>),
    /// A policy could not be evaluated.
    Failed(Arc<str>),
}

impl Refusal {
    /// What was not allowed.
    #[must_use]
    pub fn question(&self) -> &Question {
        &self.question
    }

    /// The same, for whoever asks elsewhere.
    #[must_use]
    pub fn into_question(self) -> Box<Question> {
        self.question
    }

    /// The ids of the policies that forbid it; none when no policy permits it, or one could not be
    /// evaluated.
    #[must_use]
    pub fn policies_shared(&self) -> Arc<[Arc<str>]> {
        match &self.why {
            Why::Denied(policies) => Arc::clone(policies),
            Why::Failed(_) => Arc::from([]),
        }
    }

    /// Whether nothing stands against it but that no policy permits it: what a grant can change.
    #[must_use]
    pub fn lacks_a_permit_only(&self) -> bool {
        matches!(&self.why, Why::Denied(policies) if policies.is_empty())
    }

    /// The generation of the set that decided.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// What the client is told: the same for things that exist and things that do not. The detail
    /// says why, for the record.
    #[must_use]
    pub fn denial(&self) -> Denial {
        match &self.why {
            Why::Denied(policies) if policies.is_empty() => {
                Denial::not_permitted(Code::PolicyDenied).detail("no policy permits it")
            }
            Why::Denied(policies) => Denial::not_permitted(Code::PolicyDenied)
                .detail(format!("forbidden by {}", policies.join(", "))),
            Why::Failed(error) => Denial::not_permitted(Code::PolicyError).detail(error),
        }
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        refusal.denial()
    }
}

#[derive(Clone)]
enum Answer {
    Allow(Arc<[Arc<str>]>),
    Deny(Arc<[Arc<str>]>),
    Error(Arc<str>),
}

impl Policies {
    pub(crate) fn new(all: PolicySet, words: Arc<Vocabulary>, epoch: u64) -> Self {
        let (set, approvals) = held::split(&all);
        Self {
            digest: digest_of(&all),
            reads_flow: all.policies().any(reads_flow),
            set,
            approvals,
            words,
            authorizer: Authorizer::new(),
            epoch,
            remembered: Cache::new(REMEMBERED_MAX),
            remembered_approvals: Cache::new(REMEMBERED_MAX),
        }
    }

    /// Remembers at most so many answers: what several sets may hold together is for whoever has
    /// them.
    #[must_use]
    pub fn remembering(self, answers_max: u64) -> Self {
        Self {
            remembered: Cache::new(answers_max),
            remembered_approvals: Cache::new(answers_max),
            ..self
        }
    }

    /// How many policies the set has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.policies().count() + held::count(&self.approvals)
    }

    /// Whether any policy looks at where arguments come from.
    #[must_use]
    pub fn reads_flow(&self) -> bool {
        self.reads_flow
    }

    /// Whether the set allows nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// The generation of this set: every reload counts one up.
    #[must_use]
    pub fn epoch(&self) -> u64 {
        self.epoch
    }

    /// SHA-256 over the ids and texts of all policies, in the order of their ids: what a decision
    /// that outlives a process is bound to. Sets that say the same have the same.
    #[must_use]
    pub fn digest(&self) -> [u8; 32] {
        self.digest
    }

    /// Decides a question.
    ///
    /// # Errors
    /// A [`Refusal`] when no policy permits, one forbids, or one could not be evaluated.
    pub fn decide(&self, question: Question) -> Result<Permit, Refusal> {
        match self.answer(&self.remembered, &self.set, &question) {
            Answer::Allow(policies) => Ok(Permit {
                question,
                policies,
                epoch: self.epoch,
            }),
            Answer::Deny(policies) => Err(self.refusal(question, Why::Denied(policies))),
            Answer::Error(error) => Err(self.refusal(question, Why::Failed(error))),
        }
    }

    /// Decides without remembering; the cost of a question that was never asked before.
    ///
    /// # Errors
    /// As [`Policies::decide`].
    pub fn decide_afresh(&self, question: &Question) -> Result<(), Refusal> {
        match self.evaluate(&self.set, question) {
            Answer::Allow(_) => Ok(()),
            Answer::Deny(policies) => Err(self.refusal(question.clone(), Why::Denied(policies))),
            Answer::Error(error) => Err(self.refusal(question.clone(), Why::Failed(error))),
        }
    }

    /// The policies by which a call that is permitted or granted needs somebody's approval all the same; none when it
    /// needs none.
    ///
    /// # Errors
    /// A [`Refusal`] when one could not be evaluated.
    pub fn approval(&self, question: &Question) -> Result<Arc<[Arc<str>]>, Refusal> {
        if self.approvals.is_empty() {
            return Ok(Arc::from([]));
        }
        match self.answer(&self.remembered_approvals, &self.approvals, question) {
            Answer::Allow(_) => Ok(Arc::from([])),
            Answer::Deny(policies) => Ok(policies),
            Answer::Error(error) => Err(self.refusal(question.clone(), Why::Failed(error))),
        }
    }

    fn refusal(&self, question: Question, why: Why) -> Refusal {
        Refusal {
            question: Box::new(question),
            why,
            epoch: self.epoch,
        }
    }

    /// What a set says, by what is remembered of it where that is something.
    fn answer(
        &self,
        remembered: &Cache<Question, Answer>,
        set: &PolicySet,
        question: &Question,
    ) -> Answer {
        if let Some(answer) = remembered.get(question) {
            return answer;
        }
        let answer = self.evaluate(set, question);
        remembered.insert(question.clone(), answer.clone());
        answer
    }

    fn evaluate(&self, set: &PolicySet, question: &Question) -> Answer {
        let (request, entities) = match self.request(question) {
            Ok(asked) => asked,
            Err(error) => return Answer::Error(error.into()),
        };
        let response = self.authorizer.is_authorized(&request, set, &entities);
        if let Some(error) = response.diagnostics().errors().next() {
            return Answer::Error(error.to_string().into());
        }
        let mut reasons: Vec<Arc<str>> = response
            .diagnostics()
            .reason()
            .map(|id| Arc::from(id.to_string()))
            .collect();
        reasons.sort();
        match response.decision() {
            Decision::Allow => Answer::Allow(reasons.into()),
            Decision::Deny => Answer::Deny(reasons.into()),
        }
    }

    fn request(&self, question: &Question) -> Result<(Request, Entities), String> {
        self.words.ask(question)
    }
}

/// Whether a policy has an attribute of this name, wherever: also by way of escapes, which its JSON form has not.
fn reads_flow(policy: &Policy) -> bool {
    policy
        .to_json()
        .is_ok_and(|json| json.to_string().contains("\"flow\""))
}

fn digest_of(set: &PolicySet) -> [u8; 32] {
    let mut policies: Vec<_> = set
        .policies()
        .map(|policy| (policy.id().to_string(), policy.to_string()))
        .collect();
    policies.sort();
    let mut context = digest::Context::new(&digest::SHA256);
    for (id, text) in policies {
        for part in [id, text] {
            context.update(&(part.len() as u64).to_be_bytes());
            context.update(part.as_bytes());
        }
    }
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies")
            .field("len", &self.len())
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}
