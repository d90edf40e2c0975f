//! What may be asked for, as a pure function: entitlements and wish in, request out.

#[cfg(test)]
mod tests;

use std::{sync::Arc, time::Duration};

use cardea_domain::{
    Action, ActorId, GrantId, KeyBinding, RequestId, RunId, RunSource, SubjectId, Target,
    UpstreamId,
};
use cardea_store::StoreError;
use serde_json::Value;
use thiserror::Error;

use crate::{
    By, JournalDown, Lock,
    constraint::{self, ArgumentsError, Constraint, ConstraintError},
    decision::{check_all, cut},
    entitlement::{BoundTo, Compiled, Entitlement, Entitlements},
    request::{AccessRequest, Author, NewRequest, Reason, RequestState},
    terms::{Kind, Terms},
};

/// A sentence or three; what is longer was written to be persuasive.
pub const REASON_CHARS_MAX: usize = 1000;

/// Names of tickets, models and clients.
pub const LABEL_CHARS_MAX: usize = 200;

/// What a person can look through before they approve.
pub const ARGUMENTS_BYTES_MAX: usize = 64 * 1024;

/// An agent whose request waits longer has gone on to something else.
pub const REQUEST_LIFE: Duration = Duration::from_secs(3600);

/// Why a request was not made.
#[derive(Debug, Error)]
#[non_exhaustive]
pub enum AskRefused {
    /// No entitlement covers it. The text is that of things that do not exist.
    #[error("not permitted, or it does not exist")]
    NotCovered,
    /// Policies forbid it, so that no grant could ever be used.
    #[error("a policy forbids this, and nobody can grant it; ask whoever writes the policies")]
    Forbidden(Vec<Arc<str>>),
    /// A lock is set.
    #[error("access is locked for now; wait until the lock is lifted")]
    Locked(Box<Lock>),
    /// The entitlement does not give grants of this kind.
    #[error("a grant of kind `{}` cannot be asked for here; ask for {}", .asked.as_str(), kinds(.allowed))]
    Kind {
        /// What was asked for.
        asked: Kind,
        /// What can be.
        allowed: Vec<Kind>,
    },
    /// More than the entitlement allows, or nothing.
    #[error("`{what}` has to be 1 to {max}{unit}; ask for less, or leave it out")]
    Over {
        /// Which part.
        what: &'static str,
        /// The most that may be asked for.
        max: u64,
        /// In what; empty for a number.
        unit: &'static str,
    },
    /// A reason has to be given.
    #[error("say why, in at least {chars_min} characters")]
    ReasonMissing {
        /// How long it has to be.
        chars_min: usize,
    },
    /// A text is too long.
    #[error("`{what}` is longer than {max}; shorten it")]
    Long {
        /// Which.
        what: &'static str,
        /// The most, in characters, for arguments in bytes.
        max: usize,
    },
    /// The call that was asked for would not be allowed.
    #[error(transparent)]
    Arguments(#[from] ArgumentsError),
    /// The schema that was asked for is no good.
    #[error(transparent)]
    Constraint(#[from] ConstraintError),
    /// What can only be asked for in a call was asked for beforehand.
    #[error("this can only be asked for by the agent, in a call; let it try")]
    RunNeeded,
    /// There is no such grant to extend, of this holder and for this.
    #[error("there is no such grant to extend; ask for a new one")]
    GrantUnknown,
    /// Nobody could say what the tool is that is asked for.
    #[error(
        "the tool's definition is not known, or can be read in two ways; have the agent list the tools first"
    )]
    ToolUnknown,
    /// As many requests wait as may.
    #[error("{max} requests wait already; cancel one, or wait for a decision")]
    Waiting {
        /// The most that may wait.
        max: usize,
    },
    /// As many grants for this are active as may.
    #[error("{max} grants for this are active already; use or release one")]
    Held {
        /// The most that may be.
        max: usize,
    },
    /// Too many requests in a short time.
    #[error("too many requests; ask again in {} s", .retry_after.as_secs().max(1))]
    TooFast {
        /// How long to wait.
        retry_after: Duration,
    },
    /// The store failed.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The record could not be written.
    #[error(transparent)]
    Journal(#[from] JournalDown),
}

/// The request that is to be made, and the entitlement that covers it.
pub(crate) fn draft(
    entitlements: &Entitlements,
    new: &NewRequest<'_>,
    id: RequestId,
    now_ms: u64,
) -> Result<AccessRequest, AskRefused> {
    let asker = &new.asker;
    let compiled = entitlements
        .find(asker.who(), new.action, new.upstream, new.target)
        .ok_or(AskRefused::NotCovered)?;
    if matches!(new.target, Target::Tool(_)) && new.tool_digest.is_none() {
        return Err(AskRefused::ToolUnknown);
    }
    let entitlement = &compiled.entitlement;
    let terms = terms(entitlement, new)?;
    let is_bound = terms.kind == Kind::Once || entitlement.bound_to == BoundTo::Run;
    if is_bound && asker.run.is_none() {
        return Err(AskRefused::RunNeeded);
    }
    check_texts(entitlement, new)?;
    check_arguments(compiled, new, &terms)?;
    Ok(AccessRequest {
        id,
        entitlement: entitlement.id.clone(),
        subject: asker.subject.clone(),
        groups: asker.groups.into(),
        actor: asker.actor.clone(),
        run: asker.run.filter(|_| is_bound).cloned(),
        run_source: asker.run_source.filter(|_| is_bound),
        binding: asker.binding,
        chain: asker.chain.to_vec(),
        owners: entitlements.owned(asker.actor, asker.chain),
        action: new.action,
        upstream: new.upstream.clone(),
        target: new.target.clone(),
        arguments: new.arguments.map(str::to_owned),
        arguments_digest: constraint::arguments_digest(new.arguments)?,
        constraint: new.constraint.cloned(),
        tool_digest: new.tool_digest,
        policies: new.policies,
        terms,
        reason: new.reason.clone(),
        justification: None,
        ticket: new.ticket.map(str::to_owned),
        model: new.model.map(str::to_owned),
        client: new.client.map(str::to_owned),
        extends: new.extends.cloned(),
        created_ms: now_ms,
        expires_ms: now_ms.saturating_add(crate::terms::millis(REQUEST_LIFE)),
        state: RequestState::Pending,
        approvals: Vec::new(),
    })
}

fn terms(entitlement: &Entitlement, new: &NewRequest<'_>) -> Result<Terms, AskRefused> {
    let kind = new.kind.unwrap_or_else(|| entitlement.kind_default());
    if !entitlement.kinds.contains(&kind) {
        return Err(AskRefused::Kind {
            asked: kind,
            allowed: entitlement.kinds.clone(),
        });
    }
    let duration = match new.duration {
        Some(d) if d.as_millis() == 0 || d > entitlement.duration_max => {
            return Err(AskRefused::Over {
                what: "duration",
                max: entitlement.duration_max.as_secs(),
                unit: " s",
            });
        }
        Some(duration) => duration,
        None => entitlement.duration_max,
    };
    let calls_max = match (kind, new.calls_max) {
        (Kind::Once, _) => Some(1),
        (Kind::Time, wanted) => wanted.filter(|n| *n > 0),
        (Kind::Calls, wanted) => {
            let max = entitlement.calls_max.unwrap_or(1);
            let calls = wanted.unwrap_or(max);
            if calls == 0 || calls > max {
                return Err(AskRefused::Over {
                    what: "calls",
                    max,
                    unit: "",
                });
            }
            Some(calls)
        }
    };
    let terms = Terms {
        kind,
        duration,
        calls_max,
        bytes_max: entitlement.bytes_max,
        rate: entitlement.rate,
    };
    Ok(cut(&terms, entitlement))
}

fn check_texts(entitlement: &Entitlement, new: &NewRequest<'_>) -> Result<(), AskRefused> {
    let long = |what, max| Err(AskRefused::Long { what, max });
    let chars = |text: Option<&str>| text.map_or(0, |text| text.chars().count());
    for (what, text) in [
        ("ticket", new.ticket),
        ("model", new.model),
        ("client", new.client),
    ] {
        if chars(text) > LABEL_CHARS_MAX {
            return long(what, LABEL_CHARS_MAX);
        }
    }
    let reason = new.reason.as_ref().map(|reason| reason.text.trim());
    let beside = new.reason.as_ref().and_then(|r| r.beside.as_deref());
    if chars(reason) > REASON_CHARS_MAX || chars(beside) > REASON_CHARS_MAX {
        return long("reason", REASON_CHARS_MAX);
    }
    let needs = entitlement.justification;
    let chars_min = needs.chars_min.max(usize::from(needs.required));
    if needs.required && chars(reason) < chars_min {
        return Err(AskRefused::ReasonMissing { chars_min });
    }
    Ok(())
}

fn check_arguments(
    compiled: &Compiled,
    new: &NewRequest<'_>,
    terms: &Terms,
) -> Result<(), AskRefused> {
    if new.arguments.is_some_and(|a| a.len() > ARGUMENTS_BYTES_MAX) {
        return Err(AskRefused::Long {
            what: "arguments",
            max: ARGUMENTS_BYTES_MAX,
        });
    }
    let own = new.constraint.map(Constraint::compile).transpose()?;
    // What is only an example may be missing; where it is there, the grant would not be for it.
    if terms.kind == Kind::Once || new.arguments.is_some() {
        let constraints: Vec<_> = compiled.constraint.iter().cloned().collect();
        check_all(&constraints, new.arguments)?;
        if let Some(own) = &own {
            own.check(&constraint::value(new.arguments)?)?;
        }
    }
    Ok(())
}

fn kinds(allowed: &[Kind]) -> String {
    let names: Vec<_> = allowed
        .iter()
        .map(|k| format!("`{}`", k.as_str()))
        .collect();
    names.join(" or ")
}

/// What makes two pending requests the same.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(crate) struct Sameness {
    subject: SubjectId,
    actor: ActorId,
    run: Option<RunId>,
    run_source: Option<RunSource>,
    binding: Option<KeyBinding>,
    action: Action,
    upstream: UpstreamId,
    target: Target,
    kind: Kind,
    constraint: Option<String>,
    arguments_digest: [u8; 32],
    tool_digest: Option<[u8; 32]>,
    policies: [u8; 32],
    extends: Option<GrantId>,
    /// Whether people are shown what the gateway has noticed: one that does not show it is another request.
    is_noticed: bool,
}

impl Sameness {
    pub(crate) fn of(request: &AccessRequest) -> Self {
        Self {
            subject: request.subject.clone(),
            actor: request.actor.clone(),
            run: request.run.clone(),
            run_source: request.run_source,
            binding: request.binding,
            action: request.action,
            upstream: request.upstream.clone(),
            target: request.target.clone(),
            kind: request.terms.kind,
            constraint: request.constraint.as_ref().map(Value::to_string),
            arguments_digest: request.arguments_digest,
            tool_digest: request.tool_digest,
            policies: request.policies,
            extends: request.extends.clone(),
            is_noticed: request.reason.as_ref().is_some_and(Reason::is_noticed),
        }
    }
}

impl Reason {
    /// A reason that a model wrote, through the agent.
    #[must_use]
    pub fn by_model(text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            author: Author::Model,
            beside: None,
        }
    }

    /// A reason that a person gave, at a page or through a program.
    #[must_use]
    pub fn by(by: By<'_>, text: impl Into<String>) -> Self {
        Self {
            text: text.into(),
            author: match by.program {
                None => Author::Person,
                Some(_) => Author::Program,
            },
            beside: None,
        }
    }

    /// What the gateway itself has noticed of a call that its policies hold, and what a model says to it.
    #[must_use]
    pub fn by_gateway(text: impl Into<String>, beside: Option<String>) -> Self {
        Self {
            text: text.into(),
            author: Author::Gateway,
            beside,
        }
    }

    /// Whether people are shown what the gateway has noticed.
    #[must_use]
    pub fn is_noticed(&self) -> bool {
        self.author == Author::Gateway
    }
}
