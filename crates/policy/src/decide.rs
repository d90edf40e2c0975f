//! One question, one decision.

use std::sync::Arc;

use cardea_domain::{Action, Code, Denial};
use cedar_policy::{Authorizer, Context, Entities, PolicySet};
use moka::sync::Cache;

use crate::{
    Outlook, Question,
    arguments::{self, Unfit},
    digest,
    entities::Vocabulary,
    held,
    question::Fixed,
    reads::{ARGS, FLOW, METHOD, Reads, TIME},
    residual::{Asked, Residual},
    rules::Rules,
    typed::Types,
};

/// A compiled, strictly validated set of policies: those that one tenant's calls are decided by.
///
/// Deciding is a pure function of the set, the question and what is known of the tool: the question holds everything
/// that a policy can read. What depends on who asks for what alone is worked out once and remembered; what is left of the
/// policies then is asked for each call.
pub struct Policies {
    pub(crate) deciding: Rules,
    /// What says when somebody has to approve a call that is permitted.
    pub(crate) approvals: Rules,
    reads: Reads,
    pub(crate) words: Arc<Vocabulary>,
    pub(crate) types: Types,
    pub(crate) authorizer: Authorizer,
    epoch: u64,
    digest: [u8; 32],
    remembered: Cache<Fixed, Arc<Known>>,
}

/// Remembered residuals of one set, by their weight: one of nothing but answers weighs 1, about 500 bytes.
const REMEMBERED_MAX: u64 = 20_000;

/// What is known of one asker and one thing.
pub(crate) struct Known {
    /// `None` where nothing is left to be evaluated.
    asked: Option<Asked>,
    pub(crate) deciding: Residual,
    pub(crate) approvals: Residual,
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
    /// The arguments are not what the tool's schema says, and the caller may know that there is the tool.
    Unfit(Arc<str>),
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
            Why::Failed(_) | Why::Unfit(_) => Arc::from([]),
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
            Why::Unfit(unfit) => Denial::new(
                Code::ArgumentInvalid,
                format!("policies look at the arguments of this call, and {unfit}"),
            )
            .help("mend the arguments and call again"),
        }
    }
}

impl From<Refusal> for Denial {
    fn from(refusal: Refusal) -> Self {
        refusal.denial()
    }
}

/// What a set says to a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    Allow(Arc<[Arc<str>]>),
    Deny(Arc<[Arc<str>]>),
    Error(Arc<str>),
    /// The arguments are not of the type that policies were promised.
    Unfit(Arc<str>),
}

impl Policies {
    /// # Errors
    /// A mistake of Cardea's own: what Cedar has accepted could not be cut.
    pub(crate) fn new(
        all: &PolicySet,
        words: Arc<Vocabulary>,
        types: Types,
        epoch: u64,
    ) -> Result<Self, String> {
        let (deciding, approvals) = held::split(all);
        let reads = all.policies().map(Reads::of);
        Ok(Self {
            digest: digest::of(all),
            reads: reads.fold(Reads::default(), |all, one| all.with(&one)),
            deciding: Rules::new(&deciding, &words)?,
            approvals: Rules::new(&approvals, &words)?,
            words,
            types,
            authorizer: Authorizer::new(),
            epoch,
            remembered: remembering(REMEMBERED_MAX),
        })
    }

    /// Remembers at most so much, by weight: what several sets may hold together is for whoever has
    /// them.
    #[must_use]
    pub fn remembering(self, weight_max: u64) -> Self {
        Self {
            remembered: remembering(weight_max),
            ..self
        }
    }

    /// How many policies the set has.
    #[must_use]
    pub fn len(&self) -> usize {
        self.deciding.iter().count() + held::count(self.approvals.iter())
    }

    /// Whether any policy looks at where arguments come from.
    #[must_use]
    pub fn reads_flow(&self) -> bool {
        self.reads.has(FLOW)
    }

    /// Whether any policy looks at the time.
    #[must_use]
    pub fn reads_time(&self) -> bool {
        self.reads.has(TIME)
    }

    /// Whether any policy looks at the arguments of calls.
    #[must_use]
    pub fn reads_arguments(&self) -> bool {
        self.reads.has(ARGS)
    }

    /// Whether any policy asks for somebody's approval of a call.
    #[must_use]
    pub fn asks_for_approvals(&self) -> bool {
        held::count(self.approvals.iter()) > 0
    }

    /// Whether the set allows nothing at all.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.deciding.iter().next().is_none()
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
        match self.answer(&question, |known| &known.deciding) {
            Answer::Allow(policies) => Ok(Permit {
                question,
                policies,
                epoch: self.epoch,
            }),
            Answer::Deny(policies) => Err(self.refusal(question, Why::Denied(policies))),
            Answer::Error(error) => Err(self.refusal(question, Why::Failed(error))),
            // Who sees the tool in lists learns nothing from what is wrong with the arguments.
            Answer::Unfit(unfit) if self.outlook(&question) != Outlook::Refused => {
                Err(self.refusal(question, Why::Unfit(unfit)))
            }
            Answer::Unfit(unfit) => Err(self.refusal(question, Why::Failed(unfit))),
        }
    }

    /// Decides without remembering; the cost of a question whose asker never asked for the like before.
    ///
    /// # Errors
    /// As [`Policies::decide`].
    pub fn decide_afresh(&self, question: &Question) -> Result<(), Refusal> {
        let refused = |why| Err(self.refusal(question.clone(), why));
        let answer = match self.work_out(question) {
            Ok(known) => self.answer_by(question, &known, &known.deciding),
            Err(error) => failed(error),
        };
        match answer {
            Answer::Allow(_) => Ok(()),
            Answer::Deny(policies) => refused(Why::Denied(policies)),
            Answer::Error(error) | Answer::Unfit(error) => refused(Why::Failed(error)),
        }
    }

    /// What can be said of a question without arguments: for lists, and before there is a call.
    #[must_use]
    pub fn outlook(&self, question: &Question) -> Outlook {
        let Ok(known) = self.known(question) else {
            return Outlook::Refused;
        };
        let residual = &known.deciding;
        let request = self
            .context(question, residual, Look::WithoutArguments)
            .and_then(|context| asked(&known)?.request(context).map_err(failed));
        match (residual.settled(), request) {
            (Some(Answer::Allow(_)), _) => Outlook::Possible,
            (Some(Answer::Deny(forbids)), _) if forbids.is_empty() => Outlook::LacksPermit,
            (Some(_), _) | (None, Err(_)) => Outlook::Refused,
            (None, Ok(request)) => {
                let entities = entities(&known, residual);
                residual.outlook(&request, &entities, &self.authorizer)
            }
        }
    }

    /// The policies by which a call that is permitted or granted needs somebody's approval all the same; none when it
    /// needs none.
    ///
    /// # Errors
    /// A [`Refusal`] when one could not be evaluated.
    pub fn approval(&self, question: &Question) -> Result<Arc<[Arc<str>]>, Refusal> {
        if !self.asks_for_approvals() {
            return Ok(Arc::from([]));
        }
        match self.answer(question, |known| &known.approvals) {
            Answer::Allow(_) => Ok(Arc::from([])),
            Answer::Deny(policies) => Ok(policies),
            Answer::Error(error) | Answer::Unfit(error) => {
                Err(self.refusal(question.clone(), Why::Failed(error)))
            }
        }
    }

    /// The policies that forbid it whatever a call of it would say; none where that depends on the call, or on how the
    /// caller has logged in.
    #[must_use]
    pub fn forbidding_ahead(&self, question: &Question) -> Arc<[Arc<str>]> {
        match self.known(question) {
            Ok(known) => known.deciding.forbidding_ahead(),
            // What fails denies the call itself.
            Err(_) => Arc::from([]),
        }
    }

    fn refusal(&self, question: Question, why: Why) -> Refusal {
        Refusal {
            question: Box::new(question),
            why,
            epoch: self.epoch,
        }
    }

    pub(crate) fn answer(&self, question: &Question, which: fn(&Known) -> &Residual) -> Answer {
        match self.known(question) {
            Ok(known) => self.answer_by(question, &known, which(&known)),
            Err(error) => Answer::Error(error.into()),
        }
    }

    fn answer_by(&self, question: &Question, known: &Known, residual: &Residual) -> Answer {
        if let Some(settled) = residual.settled() {
            return settled;
        }
        let request = self
            .context(question, residual, Look::AtEverything)
            .and_then(|context| asked(known)?.request(context).map_err(failed));
        match request {
            Ok(request) => {
                let entities = entities(known, residual);
                residual.decide(&request, &entities, &self.authorizer)
            }
            Err(answer) => answer,
        }
    }

    /// What is known of who asks for what, by what is remembered where that is something.
    pub(crate) fn known(&self, question: &Question) -> Result<Arc<Known>, String> {
        if let Some(known) = self.remembered.get(&question.fixed) {
            return Ok(known);
        }
        let known = Arc::new(self.work_out(question)?);
        self.remembered
            .insert(question.fixed.clone(), Arc::clone(&known));
        Ok(known)
    }

    fn work_out(&self, question: &Question) -> Result<Known, String> {
        let asked = self.words.ask(question)?;
        let within = self.words.within(question)?;
        let residual =
            |rules| Residual::new(rules, question.action(), &asked, &within, &self.authorizer);
        let (deciding, approvals) = (residual(&self.deciding)?, residual(&self.approvals)?);
        let is_settled = deciding.settled().is_some() && approvals.settled().is_some();
        Ok(Known {
            asked: (!is_settled).then_some(asked),
            deciding,
            approvals,
        })
    }

    /// As much of the context as what is left of the policies reads.
    pub(crate) fn context(
        &self,
        question: &Question,
        residual: &Residual,
        look: Look,
    ) -> Result<Context, Answer> {
        let reads = residual.reads();
        let mut pairs = Vec::with_capacity(4);
        if reads.has(METHOD) {
            let method = question.method().to_owned();
            let method = cedar_policy::RestrictedExpression::new_string(method);
            pairs.push((METHOD.to_owned(), method));
        }
        if let Some(wanted) = reads.member(FLOW) {
            let flow = question.flow().expression(wanted).map_err(failed)?;
            pairs.push((FLOW.to_owned(), flow));
        }
        if let Some(wanted) = reads.member(TIME) {
            let moment = question.moment();
            let moment =
                moment.ok_or_else(|| failed("policies look at the time, which is not known"))?;
            pairs.push((TIME.to_owned(), moment.expression(wanted).map_err(failed)?));
        }
        if reads.has(ARGS) && look == Look::AtEverything && question.action() == Action::CallTool {
            let given = question.given();
            let given =
                given.ok_or_else(|| failed("policies look at arguments, which are not known"))?;
            let arguments = self
                .types
                .read(question, given, residual)
                .map_err(Answer::Error)?;
            let unfit = |unfit: Unfit| Answer::Unfit(unfit.to_string().into());
            let record = arguments::record(&arguments, &given.value).map_err(unfit)?;
            pairs.push((ARGS.to_owned(), record));
        }
        Context::from_pairs(pairs).map_err(failed)
    }
}

/// How much of a call is looked at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Look {
    AtEverything,
    WithoutArguments,
}

fn asked(known: &Known) -> Result<&Asked, Answer> {
    // INVARIANT: kept for whatever is not settled.
    let asked = known.asked.as_ref();
    asked.ok_or_else(|| failed("nothing is known of the question"))
}

fn failed(error: impl std::fmt::Display) -> Answer {
    Answer::Error(error.to_string().into())
}

/// The entities, where anything left speaks of them.
fn entities<'a>(known: &'a Known, residual: &Residual) -> std::borrow::Cow<'a, Entities> {
    use std::borrow::Cow;
    match (&known.asked, residual.needs_entities()) {
        (Some(asked), true) => Cow::Borrowed(&asked.entities),
        _ => Cow::Owned(Entities::empty()),
    }
}

fn remembering(weight_max: u64) -> Cache<Fixed, Arc<Known>> {
    Cache::builder()
        .weigher(|_, known: &Arc<Known>| known.weight())
        .max_capacity(weight_max)
        .build()
}

impl Known {
    /// In units of about 500 bytes: a settled answer, three entities, a set, a policy of it.
    fn weight(&self) -> u32 {
        if self.asked.is_none() {
            return 1;
        }
        let rest = self.deciding.rest_len() + self.approvals.rest_len();
        u32::try_from(rest).unwrap_or(u32::MAX).saturating_add(8)
    }
}

impl std::fmt::Debug for Policies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Policies")
            .field("len", &self.len())
            .field("epoch", &self.epoch)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
