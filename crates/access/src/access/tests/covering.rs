//! A configuration that allows less ends what was granted by more.

use std::time::Duration;

use serde_json::json;

use super::house::{House, Wish, entitlement, subject};
use crate::{
    BoundTo, EndReason, Entitlement, Entitlements, Kind, Pattern, Rate, Requesters, ResourceKind,
};

/// One change of an entitlement, and whether the grant goes on under it.
type Change = (&'static str, fn(&mut Entitlement), bool);

fn pattern(text: &str) -> Pattern {
    Pattern::parse(text).unwrap()
}

fn rate(calls: u32, per_s: u64) -> Option<Rate> {
    let per = Duration::from_secs(per_s);
    Some(Rate { calls, per })
}

/// Under a rate of 10 a minute and 1,000 bytes, for 10 minutes and 3 calls.
fn bounded(kinds: &[Kind]) -> Entitlement {
    Entitlement {
        bytes_max: Some(1000),
        rate: rate(10, 60),
        constraint: Some(json!({ "required": ["path"] })),
        bound_to: BoundTo::Agent,
        ..entitlement("files", kinds)
    }
}

const CHANGES: [Change; 21] = [
    ("nothing", |_| {}, true),
    (
        "other approvers",
        |e| e.stages[0].users = vec![subject("mary")],
        true,
    ),
    ("longer", |e| e.duration_max *= 2, true),
    (
        "shorter",
        |e| e.duration_max -= Duration::from_secs(1),
        false,
    ),
    ("more calls", |e| e.calls_max = Some(4), true),
    ("fewer calls", |e| e.calls_max = Some(2), false),
    ("no bound on bytes", |e| e.bytes_max = None, true),
    ("fewer bytes", |e| e.bytes_max = Some(999), false),
    ("no rate", |e| e.rate = None, true),
    ("faster", |e| e.rate = rate(11, 60), true),
    ("slower", |e| e.rate = rate(9, 60), false),
    ("another stretch", |e| e.rate = rate(10, 61), false),
    ("another kind", |e| e.kinds = vec![Kind::Once], false),
    ("no constraint", |e| e.constraint = None, true),
    (
        "another constraint",
        |e| e.constraint = Some(json!({ "required": ["mode"] })),
        false,
    ),
    ("for the run alone", |e| e.bound_to = BoundTo::Run, false),
    (
        "another tool",
        |e| {
            e.resources
                .iter_mut()
                .for_each(|r| r.name = pattern("write_file"))
        },
        false,
    ),
    (
        "prompts alone",
        |e| e.resources.retain(|r| r.kind == ResourceKind::Prompt),
        false,
    ),
    (
        "another upstream",
        |e| {
            e.resources
                .iter_mut()
                .for_each(|r| r.upstream = pattern("x"))
        },
        false,
    ),
    (
        "another person",
        |e| {
            e.requesters = Requesters {
                subjects: vec![pattern("bob")],
                ..Requesters::default()
            }
        },
        false,
    ),
    (
        "a group that ada is not in",
        |e| e.requesters.groups = vec![pattern("ops")],
        false,
    ),
];

#[tokio::test]
async fn a_grant_ends_when_its_entitlement_allows_less_than_it_gives() {
    for (what, change, goes_on) in CHANGES {
        let before = bounded(&[Kind::Calls]);
        let mut house = House::with(vec![before.clone()]).await;
        let mut wish = Wish::of(Kind::Calls);
        wish.principal.groups = ["staff".into()].into();
        let id = house.grant(&wish).await;
        let mut after = before;
        change(&mut after);
        house.entitlements = Entitlements::new(vec![after]).unwrap();
        // Also of what was granted before a restart.
        for crashes in [false, true] {
            if crashes {
                house.crash().await;
            }
            house
                .access
                .end_uncovered(&house.entitlements)
                .await
                .unwrap();
            let (who, to) = (&wish.principal, &wish.target);
            let is_held = house.access.has_grant(who, wish.action, &wish.upstream, to);
            assert_eq!(is_held, goes_on, "{what}");
            let seen = house.access.grant_view(&id).await.unwrap().unwrap();
            let ended = seen.ended.map(|(_, reason)| reason);
            assert_eq!(ended, (!goes_on).then_some(EndReason::NotCovered), "{what}");
        }
    }
}

#[tokio::test]
async fn the_groups_that_were_enough_when_it_was_asked_go_on_to_be() {
    let mut of_ops = bounded(&[Kind::Time]);
    of_ops.requesters.groups = vec![pattern("ops")];
    let mut house = House::with(vec![of_ops]).await;
    let mut wish = Wish::of(Kind::Time);
    wish.principal.groups = ["ops".into()].into();
    house.grant(&wish).await;
    house.crash().await;
    house
        .access
        .end_uncovered(&house.entitlements)
        .await
        .unwrap();
    let is_held = |house: &House| {
        house
            .access
            .has_grant(&wish.principal, wish.action, &wish.upstream, &wish.target)
    };
    assert!(is_held(&house));
    house.entitlements = Entitlements::default();
    house
        .access
        .end_uncovered(&house.entitlements)
        .await
        .unwrap();
    assert!(!is_held(&house));
}
