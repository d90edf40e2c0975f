use std::sync::Arc;

use cardea_domain::{
    Action, ActorId, EntitlementId, RequestId, RunId, RunSource, SubjectId, Target, ToolName,
    UpstreamId,
};
use proptest::prelude::*;

use super::*;
use crate::{
    entitlement::{BoundTo, Justification, Need, Requesters, Resource, ResourceKind, Stage},
    pattern::Pattern,
    request::Owned,
};

const NOW_MS: u64 = 1_795_000_000_000;

fn subject(name: &str) -> SubjectId {
    SubjectId::parse(name).unwrap()
}

fn stage(need: Need, users: &[&str], groups: &[&str]) -> Stage {
    Stage {
        need,
        users: users.iter().map(|name| subject(name)).collect(),
        groups: groups.iter().map(|&name| name.to_owned()).collect(),
    }
}

fn entitlements(stages: Vec<Stage>, constraint: Option<serde_json::Value>) -> Entitlements {
    let any = || Pattern::parse("*").unwrap();
    let one = Entitlement {
        id: EntitlementId::parse("e").unwrap(),
        description: None,
        requesters: Requesters {
            subjects: vec![any()],
            ..Requesters::default()
        },
        resources: vec![Resource {
            upstream: any(),
            kind: ResourceKind::Tool,
            name: any(),
        }],
        constraint,
        kinds: vec![Kind::Time, Kind::Once],
        duration_max: std::time::Duration::from_secs(600),
        calls_max: None,
        bytes_max: None,
        rate: None,
        stages,
        second_person: true,
        bound_to: BoundTo::Run,
        hidden: false,
        justification: Justification::default(),
        hold: None,
    };
    Entitlements::new(vec![one]).unwrap()
}

fn request(kind: Kind, arguments: &str) -> AccessRequest {
    AccessRequest {
        id: RequestId::parse("r").unwrap(),
        entitlement: EntitlementId::parse("e").unwrap(),
        subject: subject("ada"),
        groups: Arc::from([]),
        actor: ActorId::parse("bot").unwrap(),
        run: Some(RunId::parse("run").unwrap()),
        run_source: Some(RunSource::Token),
        binding: None,
        chain: Vec::new(),
        owners: Owned::default(),
        action: Action::CallTool,
        upstream: UpstreamId::parse("files").unwrap(),
        target: Target::Tool(ToolName::parse("read").unwrap()),
        arguments: Some(arguments.to_owned()),
        arguments_digest: [0; 32],
        constraint: None,
        tool_digest: None,
        policies: [0; 32],
        terms: Terms {
            kind,
            duration: std::time::Duration::from_secs(300),
            calls_max: (kind == Kind::Once).then_some(1),
            bytes_max: None,
            rate: None,
        },
        reason: None,
        justification: None,
        ticket: None,
        model: None,
        client: None,
        extends: None,
        created_ms: NOW_MS,
        expires_ms: NOW_MS + 3_600_000,
        state: RequestState::Pending,
        approvals: Vec::new(),
    }
}

fn yes(narrowing: Narrowing) -> Decision {
    Decision {
        verdict: Verdict::Approve,
        reason: None,
        narrowing,
    }
}

/// Says yes; `None` when it did not count, else whether it was the last that was needed.
fn say(
    entitlements: &Entitlements,
    request: &mut AccessRequest,
    who: &str,
    groups: &[&str],
) -> Option<bool> {
    let (who, groups): (_, Vec<_>) = (subject(who), groups.iter().map(|g| (*g).into()).collect());
    let approver = Approver {
        subject: &who,
        groups: &groups,
        is_person: true,
        program: None,
    };
    let decision = yes(Narrowing::default());
    let (approval, outcome) = by_person(entitlements, request, approver, &decision, NOW_MS).ok()?;
    request.approvals.push(approval);
    Some(matches!(outcome, Outcome::Approved(_)))
}

#[test]
fn stages_follow_each_other_and_one_person_counts_once_over_all() {
    let entitlements = entitlements(
        vec![
            stage(Need::Any, &["grace"], &["leads"]),
            stage(Need::Any, &["grace", "linus"], &[]),
        ],
        None,
    );
    let mut request = request(Kind::Time, "{}");
    let mut say = |who, groups: &[_]| say(&entitlements, &mut request, who, groups);
    assert_eq!(say("linus", &[]), None, "the first stage comes first");
    assert_eq!(say("grace", &["leads"]), Some(false));
    assert_eq!(say("grace", &["leads"]), None, "once over all stages");
    assert_eq!(say("linus", &[]), Some(true));
}

#[test]
fn all_means_each_user_and_somebody_of_each_group() {
    let stages = vec![stage(Need::All, &["grace"], &["leads", "security"])];
    let entitlements = entitlements(stages, None);
    let mut request = request(Kind::Time, "{}");
    let mut say = |who, groups: &[_]| say(&entitlements, &mut request, who, groups);
    assert_eq!(say("linus", &["leads", "security"]), Some(false));
    assert_eq!(say("ken", &["leads"]), None, "that seat is taken");
    assert_eq!(say("grace", &[]), Some(false));
    assert_eq!(say("ken", &["security"]), Some(true));
}

#[test]
fn so_many_are_so_many_different_people() {
    let entitlements = entitlements(vec![stage(Need::N(2), &[], &["leads"])], None);
    let mut request = request(Kind::Time, "{}");
    let mut say = |who, groups: &[_]| say(&entitlements, &mut request, who, groups);
    assert_eq!(say("grace", &["leads"]), Some(false));
    assert_eq!(say("grace", &["leads"]), None);
    assert_eq!(say("mallory", &["others"]), None);
    assert_eq!(say("linus", &["leads"]), Some(true));
}

#[test]
fn who_is_not_named_any_more_does_not_count_any_more() {
    let before = entitlements(vec![stage(Need::N(2), &["grace", "linus"], &[])], None);
    let mut request = request(Kind::Time, "{}");
    assert_eq!(say(&before, &mut request, "grace", &[]), Some(false));
    let now = entitlements(vec![stage(Need::N(2), &["ken", "linus"], &[])], None);
    assert_eq!(say(&now, &mut request, "linus", &[]), Some(false));
    assert_eq!(say(&now, &mut request, "ken", &[]), Some(true));
}

/// Schemas over one number, so that wider and narrower can be seen.
fn bounds() -> impl Strategy<Value = serde_json::Value> {
    (0..50_u8, 0..50_u8).prop_map(|(from, length)| {
        let to = from.saturating_add(length);
        serde_json::json!({"properties": {"n": {"minimum": from, "maximum": to}}})
    })
}

proptest! {
    /// What an approval lets through, the entitlement and each narrowing let through.
    #[test]
    fn arguments_have_to_satisfy_every_constraint(
        all in prop::collection::vec(bounds(), 1..4), n in 0..100_u8
    ) {
        let stages = (1..all.len()).map(|n| stage(Need::Any, &[&format!("p{n}")], &[]));
        let stages = stages.chain([stage(Need::Any, &["last"], &[])]).collect();
        let entitlements = entitlements(stages, all.first().cloned());
        let arguments = format!(r#"{{"n":{n}}}"#);
        let mut request = request(Kind::Time, &arguments);
        for (n, constraint) in all.iter().enumerate().skip(1) {
            let who = subject(&format!("p{n}"));
            let approver = Approver { subject: &who, groups: &[], is_person: true, program: None };
            let narrowing = Narrowing { constraint: Some(constraint.clone()), ..Narrowing::default() };
            let (approval, _) =
                by_person(&entitlements, &request, approver, &yes(narrowing), NOW_MS).unwrap();
            request.approvals.push(approval);
        }
        let last = subject("last");
        let approver = Approver { subject: &last, groups: &[], is_person: true, program: None };
        let decision = yes(Narrowing::default());
        let (_, outcome) = by_person(&entitlements, &request, approver, &decision, NOW_MS).unwrap();
        let Outcome::Approved(approved) = outcome else { panic!("the last stage") };
        let is_through = check_all(&approved.constraints, Some(&arguments)).is_ok();
        let satisfies = |schema| Constraint::compile(schema).unwrap()
            .check(&serde_json::json!({"n": n})).is_ok();
        prop_assert_eq!(is_through, all.iter().all(satisfies));
    }
}
