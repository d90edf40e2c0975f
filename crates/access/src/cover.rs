//! Whether an entitlement, as it is now, still allows a grant that was made under it.

use std::sync::Arc;

use crate::{
    constraint::Constraint,
    entitlement::{BoundTo, Compiled, Who},
    live::Live,
    terms::{Kind, Rate, millis},
};

/// Whether it would allow as much to the same person and agent for the same thing. What is not sure to be allowed is not.
pub(crate) fn allows(compiled: &Compiled, live: &Live) -> bool {
    let entitlement = &compiled.entitlement;
    let (place, origin) = (&live.place, &live.origin);
    let who = Who {
        subject: &place.subject,
        groups: &origin.groups,
        actor: &place.actor,
    };
    let lasts_ms = live.expires_ms().saturating_sub(live.starts_ms);
    entitlement.kinds.contains(&origin.kind)
        && entitlement.covers(who, place.action, &place.upstream, &place.target)
        && (place.run.is_some() || entitlement.bound_to == BoundTo::Agent)
        && lasts_ms <= millis(entitlement.duration_max)
        && has_no_more_calls(entitlement.calls_max, live)
        && is_within(live.budget.bytes_max, entitlement.bytes_max)
        && is_no_faster(live.budget.rate, entitlement.rate)
        && is_constrained(live, compiled.constraint.as_ref())
}

fn has_no_more_calls(max: Option<u64>, live: &Live) -> bool {
    match live.origin.kind {
        Kind::Calls => is_within(live.budget.calls_max, max),
        Kind::Once | Kind::Time => true,
    }
}

/// Whether a bound is no wider than another; none is the widest.
fn is_within(have: Option<u64>, max: Option<u64>) -> bool {
    match (have, max) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(have), Some(max)) => have <= max,
    }
}

fn is_no_faster(have: Option<Rate>, max: Option<Rate>) -> bool {
    match (have, max) {
        (_, None) => true,
        (None, Some(_)) => false,
        (Some(have), Some(max)) => have.per == max.per && have.calls <= max.calls,
    }
}

/// Whether the arguments have to satisfy what the entitlement asks of them, in the same words.
fn is_constrained(live: &Live, constraint: Option<&Arc<Constraint>>) -> bool {
    let Some(constraint) = constraint else {
        return true;
    };
    let mut all = live.bound.constraints.iter();
    all.any(|own| own.schema() == constraint.schema())
}
