//! Rules that decide about requests for access by themselves: policies of a schema of their own.
//!
//! A `permit` approves, a `forbid` refuses and wins, and where neither applies people decide. Cedar skips
//! a policy that fails to evaluate, so any failure takes every approval away: what failed may have been
//! the `forbid`.

use std::sync::Arc;

use cardea_domain::{AskedBy, Recent, Rule, Ruling, TenantId};
use cedar_policy::{Authorizer, Decision, PolicyId, PolicySet, Response};

use crate::{
    Finding, KnownNames, PolicyFile, Question, compile,
    entities::{Fact, Vocabulary},
};

/// The rules of one file, compiled and strictly validated.
pub struct ApprovalPolicies {
    set: PolicySet,
    words: Arc<Vocabulary>,
    authorizer: Authorizer,
}

/// What is asked for, as far as rules may know: nothing that a model wrote, and no arguments.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Wish {
    /// `once`, `calls` or `time`.
    pub kind: &'static str,
    /// Who asks.
    pub asked_by: AskedBy,
    /// How long the grant would last, in seconds.
    pub duration_s: u64,
    /// How many calls it would be for.
    pub calls: Option<u64>,
    /// How many bytes.
    pub bytes: Option<u64>,
    /// Whether it puts off the end of a grant.
    pub extends: bool,
    /// Whether the grant would be bound to a key.
    pub is_key_bound: bool,
    /// Hour (0 to 23) and weekday (1 is Monday) in UTC.
    pub utc: (i8, i8),
    /// The same where the tenant is.
    pub local: (i8, i8),
    /// What the server asserts of its tool: `readOnlyHint`, `destructiveHint`, `idempotentHint`,
    /// `openWorldHint`.
    pub asserted: [Option<bool>; 4],
    /// Requests of this agent for this person and this thing, in the hour before.
    pub same: Recent,
    /// The same, for whatever thing.
    pub agent: Recent,
}

/// What is written by hand, read by people, and kept in every record.
const ID_CHARS_MAX: usize = 100;
/// As long as a person's own may be.
const REASON_CHARS_MAX: usize = 1000;
/// More rules that say the same are not named.
const NAMED_MAX: usize = 5;

const ASSERTED: [&str; 4] = [
    "asserted_read_only",
    "asserted_destructive",
    "asserted_idempotent",
    "asserted_open_world",
];

impl ApprovalPolicies {
    /// Compiles and validates a file of rules. Those of one tenant, its `owner`, speak of that tenant
    /// alone.
    ///
    /// # Errors
    /// Every [`Finding`], as for policies; also ids and reasons that are too long.
    pub fn compile(
        file: &PolicyFile,
        owner: Option<&TenantId>,
        known: &KnownNames,
    ) -> Result<Self, Vec<Finding>> {
        let (set, words) = compile::approvals(file, owner, known)?;
        let long: Vec<_> = set.policies().filter_map(too_long).collect();
        if !long.is_empty() {
            return Err(long);
        }
        Ok(Self {
            set,
            words,
            authorizer: Authorizer::new(),
        })
    }

    /// How many rules there are.
    #[must_use]
    pub fn len(&self) -> usize {
        self.set.policies().count()
    }

    /// Whether people decide everything.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.set.is_empty()
    }

    /// What the rules say to a request for what `question` is about.
    #[must_use]
    pub fn rule(&self, question: &Question, wish: &Wish) -> Ruling {
        let (request, entities) = match self.words.ask_approval(question, facts(wish)) {
            Ok(asked) => asked,
            Err(error) => return Ruling::Failed(error),
        };
        let response = self
            .authorizer
            .is_authorized(&request, &self.set, &entities);
        let failed = response.diagnostics().errors().next();
        match (response.decision(), self.named(&response), failed) {
            (Decision::Deny, Some(rule), _) => Ruling::Refuse(rule),
            (_, _, Some(error)) => Ruling::Failed(error.to_string()),
            (Decision::Allow, Some(rule), None) => Ruling::Approve(rule),
            (Decision::Allow | Decision::Deny, None, None) => Ruling::Silent,
        }
    }

    /// The rules that decided; `None` when none did.
    fn named(&self, response: &Response) -> Option<Rule> {
        let mut ids: Vec<&PolicyId> = response.diagnostics().reason().collect();
        ids.sort_by_key(ToString::to_string);
        let reason = ids
            .iter()
            .find_map(|id| self.set.policy(id)?.annotation("reason"));
        let names: Vec<_> = ids
            .iter()
            .take(NAMED_MAX)
            .map(ToString::to_string)
            .collect();
        (!names.is_empty()).then(|| Rule {
            name: names.join(", "),
            reason: reason.map(str::to_owned),
        })
    }
}

impl std::fmt::Debug for ApprovalPolicies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("ApprovalPolicies")
            .field("len", &self.len())
            .finish_non_exhaustive()
    }
}

fn facts(wish: &Wish) -> Vec<(&'static str, Fact)> {
    let long = |number: u64| Fact::Long(i64::try_from(number).unwrap_or(i64::MAX));
    let mut facts = vec![
        ("kind", Fact::One("Kind", wish.kind)),
        ("asker", Fact::One("Asker", wish.asked_by.as_str())),
        ("duration_s", long(wish.duration_s)),
        ("extends", Fact::Bool(wish.extends)),
        ("key_bound", Fact::Bool(wish.is_key_bound)),
        ("hour_utc", Fact::Long(wish.utc.0.into())),
        ("weekday_utc", Fact::Long(wish.utc.1.into())),
        ("hour_local", Fact::Long(wish.local.0.into())),
        ("weekday_local", Fact::Long(wish.local.1.into())),
        ("asked_1h", long(wish.same.asked)),
        ("approved_1h", long(wish.same.approved)),
        ("refused_1h", long(wish.same.refused)),
        ("agent_asked_1h", long(wish.agent.asked)),
        ("agent_approved_1h", long(wish.agent.approved)),
        ("agent_refused_1h", long(wish.agent.refused)),
    ];
    facts.extend(wish.calls.map(|calls| ("calls", long(calls))));
    facts.extend(wish.bytes.map(|bytes| ("bytes", long(bytes))));
    for (name, hint) in ASSERTED.into_iter().zip(wish.asserted) {
        facts.extend(hint.map(|is| (name, Fact::Bool(is))));
    }
    facts
}

fn too_long(policy: &cedar_policy::Policy) -> Option<Finding> {
    let id = policy.id().to_string();
    let reason = policy.annotation("reason").unwrap_or_default();
    let (what, max) = if id.chars().count() > ID_CHARS_MAX {
        ("id", ID_CHARS_MAX)
    } else if reason.chars().count() > REASON_CHARS_MAX {
        ("reason", REASON_CHARS_MAX)
    } else {
        return None;
    };
    let shown: String = id.chars().take(ID_CHARS_MAX).collect();
    Some(Finding {
        file: 0,
        span: None,
        message: format!("the `@{what}` of policy `{shown}` is longer than {max} characters"),
        help: Some("it is shown to whoever asks, and kept in records; shorten it".to_owned()),
    })
}

#[cfg(test)]
mod tests;
