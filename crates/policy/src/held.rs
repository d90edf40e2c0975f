//! Policies that ask for a person: `@approval("once") forbid (…) when {…}`.
//!
//! Such a policy forbids nothing by itself. It says of a call that is permitted, or granted for a time, that somebody has to
//! approve this one call with exactly these arguments. They are asked apart from the others, so that a `forbid` without
//! the annotation stays what nobody can approve away.

use cedar_policy::{Effect, Policy, PolicyId, PolicySet};

use crate::rules::Rule;

const ANNOTATION: &str = "approval";
/// The one kind there is: for one call with exactly these arguments.
const ONCE: &str = "once";

/// The policy without which a set of nothing but `forbid` would deny everything. No policy of a file can have the id, since it
/// is no text that a file's name and a number make, and no `@id` begins with a space.
const OTHERWISE: &str = " otherwise";

/// The policies that decide, and those that ask for approval; the latter are empty when there are none.
pub(crate) fn split(all: &PolicySet) -> (PolicySet, PolicySet) {
    let (mut deciding, mut asking) = (PolicySet::new(), PolicySet::new());
    for policy in all.policies() {
        let set = match policy.annotation(ANNOTATION) {
            Some(_) => &mut asking,
            None => &mut deciding,
        };
        // INVARIANT: ids are unique in `all`.
        let _ = set.add(policy.clone());
    }
    if !asking.is_empty()
        && let Ok(otherwise) = Policy::parse(
            Some(PolicyId::new(OTHERWISE)),
            "permit (principal, action, resource);",
        )
    {
        let _ = asking.add(otherwise);
    }
    (deciding, asking)
}

/// How many policies ask for approval.
pub(crate) fn count<'a>(asking: impl Iterator<Item = &'a Rule>) -> usize {
    asking.count().saturating_sub(1)
}

/// Whether a policy asks for approval.
pub(crate) fn asks(policy: &Policy) -> bool {
    policy.annotation(ANNOTATION).is_some()
}

/// Whether this is the policy that no file has.
pub(crate) fn is_otherwise(id: &str) -> bool {
    id == OTHERWISE
}

/// What is wrong with a policy's annotation, and what to do.
pub(crate) fn mistake(policy: &Policy) -> Option<(String, String)> {
    let kind = policy.annotation(ANNOTATION)?;
    let id = policy.id();
    if kind != ONCE {
        let message = format!("policy `{id}` asks for an approval of the kind `{kind}`");
        return Some((message, "write `@approval(\"once\")`".to_owned()));
    }
    if policy.effect() == Effect::Permit {
        let message = format!("policy `{id}` permits, and asks for an approval");
        return Some((
            message,
            "only a `forbid` can say that an approval is needed".to_owned(),
        ));
    }
    None
}
