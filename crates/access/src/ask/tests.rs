use std::sync::Arc;

use cardea_domain::{
    Action, ActorId, EntitlementId, KeyBinding, Principal, RequestId, RunId, RunSource, SubjectId,
    Target, TenantId, ToolName, UpstreamId,
};
use serde_json::json;

use super::*;
use crate::{
    entitlement::{Justification, Requesters, Resource, ResourceKind},
    pattern::Pattern,
    request::{Asker, Moment},
};

fn entitlement(id: &str, name: &str) -> Entitlement {
    let pattern = |text| Pattern::parse(text).unwrap();
    Entitlement {
        id: EntitlementId::parse(id).unwrap(),
        description: None,
        requesters: Requesters {
            groups: vec![pattern("dev-*")],
            actors: vec![pattern("bot")],
            ..Requesters::default()
        },
        resources: vec![Resource {
            upstream: pattern("files"),
            kind: ResourceKind::Tool,
            name: pattern(name),
        }],
        constraint: None,
        kinds: vec![Kind::Calls, Kind::Once],
        duration_max: Duration::from_secs(60),
        calls_max: Some(3),
        bytes_max: None,
        rate: None,
        stages: Vec::new(),
        second_person: true,
        bound_to: BoundTo::Run,
        hidden: false,
        justification: Justification::default(),
        hold: None,
    }
}

fn principal(groups: &[&str]) -> Principal {
    let groups: Vec<Arc<str>> = groups.iter().map(|g| Arc::from(*g)).collect();
    Principal {
        tenant: TenantId::parse("acme").unwrap(),
        subject: SubjectId::parse("ada").unwrap(),
        actor: ActorId::parse("bot").unwrap(),
        run: RunId::parse("run").unwrap(),
        run_source: RunSource::Token,
        standing: Arc::default(),
        binding: KeyBinding::NONE,
        groups: groups.into(),
        task: None,
        chain: Arc::from([]),
    }
}

/// Asks `e` for `read_file` after a change of the wish.
fn ask(
    entitlement: Entitlement,
    change: impl FnOnce(&mut NewRequest<'_>),
) -> Result<AccessRequest, AskRefused> {
    let entitlements = Entitlements::new(vec![entitlement]).unwrap();
    let principal = principal(&["dev-a"]);
    let upstream = UpstreamId::parse("files").unwrap();
    let target = Target::Tool(ToolName::parse("read_file").unwrap());
    let mut new = NewRequest {
        asker: Asker::agent(&principal),
        moment: Moment::Call,
        action: Action::CallTool,
        upstream: &upstream,
        target: &target,
        kind: None,
        arguments: Some(r#"{"path":"/srv/a"}"#),
        constraint: None,
        duration: None,
        calls_max: None,
        tool_digest: Some([1; 32]),
        policies: [0; 32],
        reason: None,
        ticket: None,
        model: None,
        client: None,
        extends: None,
    };
    change(&mut new);
    draft(&entitlements, &new, RequestId::parse("r").unwrap(), 1000)
}

fn refusal(entitlement: Entitlement, change: impl FnOnce(&mut NewRequest<'_>)) -> String {
    ask(entitlement, change).unwrap_err().to_string()
}

#[test]
fn what_is_left_out_is_what_the_entitlement_allows() {
    let request = ask(entitlement("e", "*"), |_| {}).unwrap();
    assert_eq!(request.terms.kind, Kind::Calls);
    assert_eq!(request.terms.calls_max, Some(3));
    assert_eq!(request.terms.duration, Duration::from_secs(60));
    assert_eq!(request.expires_ms, 1000 + 3_600_000);
    let once = ask(entitlement("e", "*"), |new| {
        new.kind = Some(Kind::Once);
        new.calls_max = Some(9);
    });
    assert_eq!(once.unwrap().terms.calls_max, Some(1));
}

#[test]
fn more_than_an_entitlement_allows_is_refused_with_what_it_does() {
    let texts = [
        refusal(entitlement("e", "*"), |new| new.kind = Some(Kind::Time)),
        refusal(entitlement("e", "*"), |new| new.calls_max = Some(4)),
        refusal(entitlement("e", "*"), |new| new.calls_max = Some(0)),
        refusal(entitlement("e", "*"), |new| {
            new.duration = Some(Duration::from_secs(61));
        }),
        refusal(entitlement("e", "write_*"), |_| {}),
        refusal(entitlement("e", "*"), |new| new.action = Action::UseTask),
    ];
    assert_eq!(
        texts,
        [
            "a grant of kind `time` cannot be asked for here; ask for `calls` or `once`",
            "`calls` has to be 1 to 3; ask for less, or leave it out",
            "`calls` has to be 1 to 3; ask for less, or leave it out",
            "`duration` has to be 1 to 60 s; ask for less, or leave it out",
            "not permitted, or it does not exist",
            "not permitted, or it does not exist",
        ]
    );
}

#[test]
fn a_reason_has_to_be_given_where_it_is_asked_for_and_is_bounded() {
    let mut strict = entitlement("e", "*");
    strict.justification = Justification {
        required: true,
        chars_min: 10,
        by_person: false,
    };
    let blank = refusal(strict.clone(), |new| {
        new.reason = Some(Reason::by_model("            \n"));
    });
    assert_eq!(blank, "say why, in at least 10 characters");
    ask(strict, |new| {
        new.reason = Some(Reason::by_model("ticket 17 says so"));
    })
    .unwrap();
    let long = refusal(entitlement("e", "*"), |new| {
        new.reason = Some(Reason::by_model("x".repeat(REASON_CHARS_MAX + 1)));
    });
    assert_eq!(long, "`reason` is longer than 1000; shorten it");
}

#[test]
fn arguments_have_to_be_what_could_be_granted() {
    let mut srv = entitlement("e", "*");
    srv.constraint = Some(json!({"properties": {"path": {"pattern": "^/srv/"}}}));
    ask(srv.clone(), |_| {}).unwrap();
    for kind in [Kind::Calls, Kind::Once] {
        let refused = ask(srv.clone(), |new| {
            new.kind = Some(kind);
            new.arguments = Some(r#"{"path":"/etc/passwd"}"#);
        });
        assert!(matches!(refused, Err(AskRefused::Arguments(_))));
    }
    let twice = ask(srv, |new| {
        new.arguments = Some(r#"{"path":"/srv/a","path":"/etc/passwd"}"#);
    });
    assert!(matches!(twice, Err(AskRefused::Arguments(_))));
}

#[test]
fn the_narrowest_entitlement_covers_whatever_the_order() {
    let all = ["*", "read_*", "read_file", "r*"];
    let ids = ["a", "b", "c", "d"];
    let mut entitlements: Vec<_> = ids
        .iter()
        .zip(all)
        .map(|(i, p)| entitlement(i, p))
        .collect();
    let principal = principal(&["dev-a"]);
    let files = UpstreamId::parse("files").unwrap();
    let covering = |entitlements: &Vec<Entitlement>, tool: &str| {
        let entitlements = Entitlements::new(entitlements.clone()).unwrap();
        let target = Target::Tool(ToolName::parse(tool).unwrap());
        let found = entitlements.covering(&principal, Action::CallTool, &files, &target);
        found.map(|e| e.id.to_string())
    };
    for _ in 0..entitlements.len() {
        entitlements.rotate_left(1);
        for (tool, id) in [
            ("read_file", "c"),
            ("read_dir", "b"),
            ("rm", "d"),
            ("write", "a"),
        ] {
            assert_eq!(covering(&entitlements, tool).as_deref(), Some(id));
        }
    }
}

#[test]
fn who_matches_one_of_each_list_may_ask_and_connect_and_nobody_else() {
    let entitlements = Entitlements::new(vec![entitlement("e", "*")]).unwrap();
    let files = UpstreamId::parse("files").unwrap();
    let other = UpstreamId::parse("tickets").unwrap();
    assert!(entitlements.reaches(&principal(&["dev-a"]), &files));
    assert!(!entitlements.reaches(&principal(&["dev-a"]), &other));
    assert!(!entitlements.reaches(&principal(&["ops"]), &files));
    let stranger = Principal {
        actor: ActorId::parse("other").unwrap(),
        ..principal(&["dev-a"])
    };
    assert_eq!(entitlements.requestable(&stranger).count(), 0);
}

#[test]
fn every_mistake_in_entitlements_is_told() {
    let mut wrong = entitlement("e", "*");
    wrong.requesters = Requesters::default();
    wrong.resources = Vec::new();
    wrong.kinds = Vec::new();
    wrong.duration_max = Duration::ZERO;
    wrong.constraint = Some(json!({"type": "strnig"}));
    wrong.stages = vec![crate::Stage {
        need: crate::Need::N(2),
        users: vec![SubjectId::parse("grace").unwrap()],
        groups: Vec::new(),
    }];
    let errors = Entitlements::new(vec![wrong, entitlement("e", "*")]).unwrap_err();
    let parts: Vec<_> = errors.iter().map(|e| e.part).collect();
    assert_eq!(
        parts,
        [
            "requesters",
            "resources",
            "kinds",
            "duration_max",
            "stages",
            "constraint",
            "id"
        ]
    );
}
