//! What people decide, as a pure function: request, entitlement and approver in, outcome out.

mod stages;
#[cfg(test)]
mod tests;

use std::sync::Arc;

use cardea_domain::{ActorId, Rule, SubjectId};
use thiserror::Error;

use crate::{
    JournalDown,
    constraint::{self, ArgumentsError, Constraint, ConstraintError},
    entitlement::{Compiled, Entitlement, Entitlements, Who},
    request::{AccessRequest, Approval, DecidedBy, RequestState, Verdict},
    terms::{Kind, Narrowing, Terms, WouldWiden},
};
use cardea_store::StoreError;

/// A person who decides, as their login shows.
#[derive(Debug, Clone, Copy)]
pub struct Approver<'a> {
    /// Who they are.
    pub subject: &'a SubjectId,
    /// Their groups now.
    pub groups: &'a [String],
    /// Whether a person decides: by a login of theirs, never by a token of an agent.
    pub is_person: bool,
    /// The program that speaks with their login; `None` where they are at a page. It may be an
    /// agent's, so it can say no and never yes.
    pub program: Option<&'a ActorId>,
}

/// Yes or no, and under which conditions.
#[derive(Debug, Clone, PartialEq)]
pub struct Decision {
    /// Yes or no.
    pub verdict: Verdict,
    /// Why; at most [`crate::REASON_CHARS_MAX`] characters.
    pub reason: Option<String>,
    /// What is taken away.
    pub narrowing: Narrowing,
}

/// Why a decision does not count.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum DecideRefused {
    /// There is no such request.
    #[error("there is no such request")]
    Unknown,
    /// It was decided, or ended otherwise.
    #[error("the request is {}; ask again to have it decided again", .0.as_str())]
    NotPending(RequestState),
    /// Agents do not approve.
    #[error("only a person who is logged in can decide; open the request in a browser")]
    NotAPerson,
    /// No stage names this person now.
    #[error("you are not among those who decide about this request at this stage")]
    NotAnApprover,
    /// The entitlement asks for somebody else.
    #[error("somebody else than the requester has to decide; ask another approver")]
    OwnRequest,
    /// One approver counts once.
    #[error("you have decided about this request already; another approver has to")]
    Twice,
    /// A lock is on whoever says yes, or has said it before.
    #[error("`{0}` is locked, and approves nothing meanwhile; refuse, or lift the lock first")]
    Locked(SubjectId),
    /// The entitlement is gone, or does not cover the request any more.
    #[error("the request is not covered by an entitlement any more; it can only be refused")]
    NotCovered,
    /// The entitlement asks for a justification by a person.
    #[error(
        "the person in whose name it is asked has to say why first; have them open the request's page"
    )]
    JustificationMissing,
    /// An approval that would give more.
    #[error(transparent)]
    Widens(#[from] WouldWiden),
    /// A narrowing's schema is no good.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// The one call that was asked for would not be allowed.
    #[error("{0}; loosen the constraint, or refuse")]
    Arguments(#[from] ArgumentsError),
    /// A reason that is too long.
    #[error("a reason is at most {0} characters")]
    ReasonLong(usize),
    /// The grant that was to be extended has ended.
    #[error("the grant that was to be extended has ended; ask for a new one")]
    GrantEnded,
    /// The gateway was shut down meanwhile.
    #[error("the gateway shuts down; look again whether the request was decided")]
    Interrupted,
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record could not be written.
    #[error(transparent)]
    Journal(#[from] JournalDown),
}

/// What follows from a decision.
#[derive(Debug)]
pub(crate) enum Outcome {
    /// More people have to say yes.
    Waits,
    /// It is over.
    Refused,
    /// A grant is made, or extended, as wide as this.
    Approved(Approved),
}

/// What everybody who had to said yes to.
#[derive(Debug)]
pub(crate) struct Approved {
    pub(crate) terms: Terms,
    pub(crate) constraints: Vec<Arc<Constraint>>,
}

/// What a person's decision leads to.
pub(crate) fn by_person(
    entitlements: &Entitlements,
    request: &AccessRequest,
    approver: Approver<'_>,
    decision: &Decision,
    now_ms: u64,
) -> Result<(Approval, Outcome), DecideRefused> {
    let is_program = approver.program.is_some();
    if !approver.is_person || (is_program && decision.verdict == Verdict::Approve) {
        return Err(DecideRefused::NotAPerson);
    }
    check_reason(decision.reason.as_deref())?;
    let by = DecidedBy::Person(approver.subject.clone());
    // Whoever sees later that it was a mistake can still stop it.
    let is_yes = decision.verdict == Verdict::Approve;
    if is_yes && request.approvals.iter().any(|before| before.by == by) {
        return Err(DecideRefused::Twice);
    }
    let approval = Approval {
        by,
        program: approver.program.cloned(),
        groups: approver.groups.to_vec(),
        verdict: decision.verdict,
        reason: decision.reason.clone(),
        narrowing: decision.narrowing.clone(),
        decided_ms: now_ms,
    };
    let compiled = entitlements.compiled(&request.entitlement);
    let stages = compiled.map_or(&[][..], |c| &c.entitlement.stages);
    let outcome = match decision.verdict {
        Verdict::Refuse if stages::is_named(stages, approver) => Outcome::Refused,
        Verdict::Refuse => return Err(DecideRefused::NotAnApprover),
        Verdict::Approve => {
            let compiled = compiled
                .filter(|c| covers(&c.entitlement, request))
                .ok_or(DecideRefused::NotCovered)?;
            if compiled.entitlement.second_person
                && entitlements.stands_behind(request, approver.subject, approver.groups)
            {
                return Err(DecideRefused::OwnRequest);
            }
            // Said while nobody else was asked for, it does not count when somebody is.
            let before = request.approvals.iter().filter(|a| match &a.by {
                DecidedBy::Person(subject) if compiled.entitlement.second_person => {
                    !entitlements.stands_behind(request, subject, &a.groups)
                }
                DecidedBy::Person(_) | DecidedBy::Rule(_) => true,
            });
            match stages::progress(stages, before, approver) {
                None => return Err(DecideRefused::NotAnApprover),
                // Also while more people are to come: a narrowing that cannot be is refused to
                // whoever makes it.
                Some(progress) => {
                    let approved = approve(compiled, request, Some(&approval))?;
                    match progress {
                        stages::Progress::Waits => Outcome::Waits,
                        stages::Progress::Done => Outcome::Approved(approved),
                    }
                }
            }
        }
    };
    Ok((approval, outcome))
}

/// What the decision of a rule leads to, which counts for all stages.
pub(crate) fn by_rule(
    entitlements: &Entitlements,
    request: &AccessRequest,
    rule: &Rule,
    verdict: Verdict,
    now_ms: u64,
) -> Result<(Approval, Outcome), DecideRefused> {
    let approval = Approval {
        by: DecidedBy::Rule(rule.name.clone()),
        program: None,
        groups: Vec::new(),
        verdict,
        reason: rule.reason.clone(),
        narrowing: Narrowing::default(),
        decided_ms: now_ms,
    };
    let outcome = match verdict {
        Verdict::Refuse => Outcome::Refused,
        Verdict::Approve => {
            let compiled = entitlements
                .compiled(&request.entitlement)
                .filter(|c| covers(&c.entitlement, request))
                .ok_or(DecideRefused::NotCovered)?;
            Outcome::Approved(approve(compiled, request, None)?)
        }
    };
    Ok((approval, outcome))
}

/// Whether the entitlement, as it is now, still covers what was asked for.
fn covers(entitlement: &Entitlement, request: &AccessRequest) -> bool {
    let who = Who {
        subject: &request.subject,
        groups: &request.groups,
        actor: &request.actor,
    };
    entitlement.kinds.contains(&request.terms.kind)
        && entitlement.covers(who, request.action, &request.upstream, &request.target)
}

/// The terms and constraints after all approvals, by the entitlement as it is now.
fn approve(
    compiled: &Compiled,
    request: &AccessRequest,
    last: Option<&Approval>,
) -> Result<Approved, DecideRefused> {
    if compiled.entitlement.lacks_justification(request) {
        return Err(DecideRefused::JustificationMissing);
    }
    let mut terms = cut(&request.terms, &compiled.entitlement);
    let mut schemas: Vec<_> = request.constraint.iter().collect();
    let yes = request.approvals.iter().chain(last);
    for approval in yes.filter(|a| a.verdict == Verdict::Approve) {
        // Terms that were cut since an earlier approval may be less than it left.
        let is_last = last.is_some_and(|last| std::ptr::eq(last, approval));
        terms = match terms.narrowed(&approval.narrowing) {
            Ok(terms) => terms,
            Err(widens) if is_last => return Err(widens.into()),
            Err(_) => least(&terms, &approval.narrowing),
        };
        schemas.extend(approval.narrowing.constraint.as_ref());
    }
    let mut constraints: Vec<_> = compiled.constraint.iter().cloned().collect();
    for schema in schemas {
        constraints.push(Arc::new(Constraint::compile(schema)?));
    }
    if terms.kind == Kind::Once {
        check_all(&constraints, request.arguments.as_deref())?;
    }
    Ok(Approved { terms, constraints })
}

/// Terms, cut to what an entitlement allows.
pub(crate) fn cut(terms: &Terms, by: &Entitlement) -> Terms {
    let least = |a: Option<u64>, b: Option<u64>| match (a, b) {
        (Some(a), Some(b)) => Some(a.min(b)),
        (a, b) => a.or(b),
    };
    let calls_max = match terms.kind {
        Kind::Time => terms.calls_max,
        Kind::Calls => least(terms.calls_max, by.calls_max),
        Kind::Once => Some(1),
    };
    Terms {
        kind: terms.kind,
        duration: terms.duration.min(by.duration_max),
        calls_max,
        bytes_max: least(terms.bytes_max, by.bytes_max),
        rate: by.rate,
    }
}

/// The lesser of each.
fn least(terms: &Terms, narrowing: &Narrowing) -> Terms {
    let lesser = |have: Option<u64>, want: Option<u64>| match (have, want) {
        (Some(have), Some(want)) => Some(have.min(want)),
        (have, want) => have.or(want),
    };
    Terms {
        duration: narrowing
            .duration
            .map_or(terms.duration, |d| d.min(terms.duration)),
        calls_max: lesser(terms.calls_max, narrowing.calls_max),
        bytes_max: lesser(terms.bytes_max, narrowing.bytes_max),
        ..terms.clone()
    }
}

/// Whether the arguments satisfy all constraints.
pub(crate) fn check_all(
    constraints: &[Arc<Constraint>],
    arguments: Option<&str>,
) -> Result<(), ArgumentsError> {
    if constraints.is_empty() {
        return Ok(());
    }
    let value = constraint::value(arguments)?;
    constraints.iter().try_for_each(|c| c.check(&value))
}

fn check_reason(reason: Option<&str>) -> Result<(), DecideRefused> {
    match reason {
        Some(text) if text.chars().count() > crate::REASON_CHARS_MAX => {
            Err(DecideRefused::ReasonLong(crate::REASON_CHARS_MAX))
        }
        _ => Ok(()),
    }
}
