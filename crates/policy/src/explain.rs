//! Why a question is answered as it is: which policies there are about it, and what each came to.

use std::sync::Arc;

use cedar_policy::{
    Context, Decision, Effect, Entities, EntityUid, Policy, PolicySet, PrincipalConstraint,
};

use crate::{
    Outlook, Policies, Question,
    decide::{Answer, Look},
    held,
    reads::ARGS,
    residual::Asked,
    rules::{About, Condition, Rule},
};

/// A decision with its reasons.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Explanation {
    /// What came of it.
    pub said: Said,
    /// The policies that decided.
    pub by: Vec<String>,
    /// The policies by which what is permitted, or granted, needs somebody's approval of this one call.
    pub approval: Vec<String>,
    /// Every policy that is about this action and this thing, in the order of their ids.
    pub policies: Vec<Considered>,
}

/// What came of a question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Said {
    /// A policy permits it and none forbids it.
    Permitted,
    /// A policy forbids it, whatever else permits it.
    Forbidden,
    /// No policy permits it, and none forbids it: what a grant can change.
    NotPermitted,
    /// It depends on arguments that were not given.
    Depends,
    /// It could not be decided, which denies.
    Failed(String),
}

/// One policy that is about the question.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Considered {
    /// Its id.
    pub id: String,
    /// Whether it permits; else it forbids, or asks for an approval.
    pub permits: bool,
    /// Whether it asks for an approval.
    pub asks_for_approval: bool,
    /// What came of it.
    pub outcome: Outcome,
}

/// What came of one policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// It applies.
    Applies,
    /// It is about somebody else, or something else.
    Elsewhere,
    /// This condition, the first of those that do not hold, keeps it from applying.
    Unmet(String),
    /// This condition depends on arguments that were not given.
    Depends(String),
    /// It could not be evaluated.
    Fails(String),
}

/// A policy that permits calls of tools by itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StandingPermit {
    /// Its id.
    pub id: String,
    /// Whom it is about: `group acme/ops`, `anyone`.
    pub who: String,
    /// What it is about: `files/read`, `files`, `everything`.
    pub what: String,
    /// What else has to hold.
    pub conditions: Vec<String>,
}

impl Said {
    /// One word for it, the same in tables and in JSON.
    #[must_use]
    pub fn word(&self) -> &'static str {
        match self {
            Self::Permitted => "permitted",
            Self::Forbidden => "forbidden",
            Self::NotPermitted => "not permitted",
            Self::Depends => "depends on arguments",
            Self::Failed(_) => "failed",
        }
    }
}

impl Policies {
    /// Decides a question like [`Policies::decide`], and says why.
    #[must_use]
    pub fn explain(&self, question: &Question) -> Explanation {
        let (said, by) = self.said(question);
        let approval = self.approval(question).map(|ids| names(&ids));
        let approval = approval.unwrap_or_default();
        let mut policies = self.considered(question).unwrap_or_default();
        policies.sort_by(|one, other| one.id.cmp(&other.id));
        Explanation {
            said,
            by,
            approval,
            policies,
        }
    }

    /// The policies that permit calls of an upstream's tools, or of one of them, whoever calls.
    #[must_use]
    pub fn standing(&self, upstream: &str, tool: Option<&str>) -> Vec<StandingPermit> {
        let of_upstream = |name: &str| {
            let rest = name
                .strip_prefix(upstream)
                .and_then(|rest| rest.strip_prefix('/'));
            rest.is_some_and(|rest| tool.is_none_or(|tool| tool == rest))
        };
        let mut found = Vec::new();
        for rule in self
            .deciding
            .iter()
            .filter(|rule| rule.effect == Effect::Permit)
        {
            let what = match About::of(&rule.whole, &self.words) {
                About::Everything => "everything".to_owned(),
                About::Upstream(name) if name == upstream => name,
                About::Tool(name) if of_upstream(&name) => name,
                _ => continue,
            };
            found.push(StandingPermit {
                id: rule.id.to_string(),
                who: who(&rule.whole),
                what,
                conditions: rule.conditions.iter().map(Condition::text).collect(),
            });
        }
        found
    }

    fn said(&self, question: &Question) -> (Said, Vec<String>) {
        match self.answer(question, |known| &known.deciding) {
            Answer::Allow(by) => (Said::Permitted, names(&by)),
            Answer::Deny(by) if by.is_empty() => (Said::NotPermitted, Vec::new()),
            Answer::Deny(by) => (Said::Forbidden, names(&by)),
            Answer::Error(_)
                if question.given().is_none() && self.outlook(question) != Outlook::Refused =>
            {
                (Said::Depends, Vec::new())
            }
            Answer::Error(error) | Answer::Unfit(error) => {
                (Said::Failed(error.to_string()), Vec::new())
            }
        }
    }

    fn considered(&self, question: &Question) -> Result<Vec<Considered>, String> {
        let asked = self.words.ask(question)?;
        let within = self.words.within(question)?;
        let known = self.known(question)?;
        let mut all = Vec::new();
        let sets = [
            (&self.deciding, &known.deciding),
            (&self.approvals, &known.approvals),
        ];
        for (rules, residual) in sets {
            let look = match question.given() {
                Some(_) => Look::AtEverything,
                None => Look::WithoutArguments,
            };
            let context = self.context(question, residual, look);
            let rules = rules.about(question.action(), &within);
            for rule in rules.filter(|rule| !held::is_otherwise(&rule.id)) {
                let knows_arguments = question.given().is_some();
                let outcome = self.outcome(rule, &asked, &context, knows_arguments)?;
                all.push(Considered {
                    id: rule.id.to_string(),
                    permits: rule.effect == Effect::Permit,
                    asks_for_approval: held::asks(&rule.whole),
                    outcome,
                });
            }
        }
        Ok(all)
    }

    fn outcome(
        &self,
        rule: &Rule,
        asked: &Asked,
        context: &Result<Context, Answer>,
        knows_arguments: bool,
    ) -> Result<Outcome, String> {
        let nothing = Context::empty();
        match self.holds(&rule.scope()?, asked, &nothing) {
            Ok(false) => return Ok(Outcome::Elsewhere),
            Err(error) => return Ok(Outcome::Fails(error)),
            Ok(true) => {}
        }
        for condition in &rule.conditions {
            let reads = condition.reads();
            if reads.has(ARGS) && !knows_arguments {
                return Ok(Outcome::Depends(condition.text()));
            }
            let context = match (reads.is_nothing(), context) {
                (true, _) => &nothing,
                (false, Ok(context)) => context,
                (false, Err(Answer::Error(error) | Answer::Unfit(error))) => {
                    return Ok(Outcome::Fails(error.to_string()));
                }
                (false, Err(_)) => return Ok(Outcome::Fails("it is not known why".to_owned())),
            };
            match self.holds(&condition.alone()?, asked, context) {
                Ok(true) => {}
                Ok(false) => return Ok(Outcome::Unmet(condition.text())),
                Err(error) => return Ok(Outcome::Fails(error)),
            }
        }
        Ok(Outcome::Applies)
    }

    /// Whether a set of one permit applies.
    fn holds(&self, set: &PolicySet, asked: &Asked, context: &Context) -> Result<bool, String> {
        let request = asked.request(context.clone())?;
        let entities: &Entities = &asked.entities;
        let response = self.authorizer.is_authorized(&request, set, entities);
        match response.diagnostics().errors().next() {
            Some(error) => Err(error.to_string()),
            None => Ok(response.decision() == Decision::Allow),
        }
    }
}

/// Whom the head of a policy is about.
fn who(policy: &Policy) -> String {
    let named = |uid: &EntityUid| {
        let kind = uid.type_name().basename().to_ascii_lowercase();
        format!("{kind} {}", uid.id().unescaped())
    };
    match policy.principal_constraint() {
        PrincipalConstraint::Any | PrincipalConstraint::Is(_) => "anyone".to_owned(),
        PrincipalConstraint::In(uid)
        | PrincipalConstraint::Eq(uid)
        | PrincipalConstraint::IsIn(_, uid) => named(&uid),
    }
}

fn names(ids: &[Arc<str>]) -> Vec<String> {
    ids.iter().map(ToString::to_string).collect()
}

#[cfg(test)]
mod tests;
