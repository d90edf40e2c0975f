//! Mistakes in entitlements, all at once.

use std::{collections::BTreeSet, sync::Arc, time::Duration};

use cardea_domain::EntitlementId;
use thiserror::Error;

use super::{Compiled, Entitlement, Need, Stage};
use crate::{
    constraint::{Constraint, ConstraintError},
    terms::{Kind, RATE_CALLS_MAX},
};

/// What is wrong with an entitlement.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("entitlement `{id}`: {problem}")]
pub struct EntitlementError {
    /// Which one.
    pub id: EntitlementId,
    /// Of which part it is, as a configuration spells it: `stages`, `constraint`.
    pub part: &'static str,
    /// What is wrong and what would be right.
    pub problem: String,
}

/// A standing permission by another name; whoever needs more writes a policy.
const DURATION_MAX: Duration = Duration::from_secs(30 * 24 * 3600);

/// More than people look at.
const STAGES_MAX: usize = 8;

pub(super) fn compile(
    entitlements: Vec<Entitlement>,
) -> Result<Vec<Compiled>, Vec<EntitlementError>> {
    let mut errors = Vec::new();
    let mut names = BTreeSet::new();
    let mut compiled = Vec::with_capacity(entitlements.len());
    for entitlement in entitlements {
        let mut report = Report {
            id: &entitlement.id,
            errors: &mut errors,
        };
        if !names.insert(entitlement.id.clone()) {
            report.add("id", "there is another one of this name; rename one");
        }
        check(&entitlement, &mut report);
        let constraint = constraint(&entitlement, &mut report);
        compiled.push(Compiled {
            entitlement,
            constraint,
        });
    }
    if errors.is_empty() {
        Ok(compiled)
    } else {
        Err(errors)
    }
}

struct Report<'a> {
    id: &'a EntitlementId,
    errors: &'a mut Vec<EntitlementError>,
}

impl Report<'_> {
    fn add(&mut self, part: &'static str, problem: impl Into<String>) {
        self.errors.push(EntitlementError {
            id: self.id.clone(),
            part,
            problem: problem.into(),
        });
    }
}

fn constraint(entitlement: &Entitlement, report: &mut Report<'_>) -> Option<Arc<Constraint>> {
    let schema = entitlement.constraint.as_ref()?;
    match Constraint::compile(schema) {
        Ok(constraint) => Some(Arc::new(constraint)),
        Err(error @ (ConstraintError::Large | ConstraintError::Schema(_))) => {
            report.add("constraint", error.to_string());
            None
        }
    }
}

fn check(entitlement: &Entitlement, report: &mut Report<'_>) {
    let who = &entitlement.requesters;
    if who.subjects.is_empty() && who.groups.is_empty() && who.actors.is_empty() {
        report.add(
            "requesters",
            "nobody may ask; name subjects, groups or actors",
        );
    }
    if entitlement.resources.is_empty() {
        report.add("resources", "there is nothing to ask for; name a resource");
    }
    limits(entitlement, report);
    if entitlement.stages.len() > STAGES_MAX {
        report.add("stages", format!("there are more than {STAGES_MAX}"));
    }
    for stage in &entitlement.stages {
        if let Some(problem) = stage_problem(stage) {
            report.add("stages", problem);
        }
    }
}

fn limits(entitlement: &Entitlement, report: &mut Report<'_>) {
    let kinds: BTreeSet<_> = entitlement.kinds.iter().collect();
    if kinds.is_empty() || kinds.len() < entitlement.kinds.len() {
        report.add("kinds", "name `time`, `calls`, `once`, each at most once");
    }
    if entitlement.duration_max.as_millis() == 0 || entitlement.duration_max > DURATION_MAX {
        report.add(
            "duration_max",
            "a grant lasts more than nothing and at most 30 days",
        );
    }
    if kinds.contains(&Kind::Calls) && entitlement.calls_max.is_none() {
        report.add("calls_max", "the kind `calls` needs a number of calls");
    }
    if entitlement.calls_max == Some(0) || entitlement.bytes_max == Some(0) {
        report.add("calls_max", "a grant of nothing grants nothing");
    }
    if let Some(rate) = entitlement.rate
        && (rate.calls == 0 || rate.calls > RATE_CALLS_MAX || rate.per.as_millis() == 0)
    {
        report.add(
            "rate",
            format!("a rate is 1 to {RATE_CALLS_MAX} calls in more than nothing"),
        );
    }
}

fn stage_problem(stage: &Stage) -> Option<String> {
    let named = stage.users.len();
    if named == 0 && stage.groups.is_empty() {
        return Some("a stage names nobody who could approve; name users or groups".to_owned());
    }
    let users: BTreeSet<_> = stage.users.iter().collect();
    let groups: BTreeSet<_> = stage.groups.iter().collect();
    if users.len() < named || groups.len() < stage.groups.len() {
        return Some("a stage names somebody twice".to_owned());
    }
    match stage.need {
        Need::N(0) => Some("a stage that needs nobody is none; leave it out".to_owned()),
        Need::N(n) if stage.groups.is_empty() && usize::try_from(n).is_ok_and(|n| n > named) => {
            Some(format!("a stage needs {n} people and names {named}"))
        }
        Need::Any | Need::All | Need::N(_) => None,
    }
}
