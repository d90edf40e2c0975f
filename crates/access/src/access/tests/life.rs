//! From asking to having, and what is in the way.

use std::{sync::Arc, time::Duration};

use cardea_domain::{ActorId, Principal, RequestId};

use super::house::{House, Wish, entitlement, no, principal, subject, yes};
use crate::{
    Approver, AskRefused, Asker, BoundTo, Change, DecideRefused, Decision, EndReason, Entitlements,
    Filter, Holder, Kind, Narrowing, Need, NotGranted, Owners, PENDING_PER_AGENT_MAX, Page,
    Pattern, RequestState, Stage, Verdict,
};

const ALL: Page = Page {
    after: None,
    rows_max: 100,
};

#[tokio::test]
async fn what_was_asked_and_approved_can_be_called_and_nothing_before() {
    let house = House::new().await;
    let wish = Wish::of(Kind::Time);
    assert_eq!(
        house.access.admit(&wish.wanted()).unwrap_err(),
        NotGranted::None
    );
    let request = house.ask(&wish).await.unwrap();
    assert_eq!(
        house.access.admit(&wish.wanted()).unwrap_err(),
        NotGranted::None
    );
    let after = house.approve(&request.id).await.unwrap();
    let admission = house.access.admit(&wish.wanted()).unwrap();
    assert_eq!(after.state.grant(), Some(admission.grant()));
    drop(house.access.consume(admission).await.unwrap());
    assert_eq!(house.log.names(), ["access_requested", "access_granted"]);
}

#[tokio::test]
async fn a_request_for_the_same_is_the_same_request() {
    let house = House::new().await;
    let wish = Wish::of(Kind::Once);
    let first = house.ask(&wish).await.unwrap();
    let spelt_otherwise = Wish {
        arguments: Some(r#"{ "path": "/srv/a.txt" }"#.to_owned()),
        ..wish.clone()
    };
    assert_eq!(house.ask(&spelt_otherwise).await.unwrap().id, first.id);
    let other_run = Wish {
        principal: principal("ada", "bot", "run-2"),
        ..wish.clone()
    };
    assert_ne!(house.ask(&other_run).await.unwrap().id, first.id);
    house.decide(&first.id, "grace", no()).await.unwrap();
    assert_ne!(house.ask(&wish).await.unwrap().id, first.id);
}

#[tokio::test]
async fn an_agent_can_have_so_many_requests_wait_in_all_its_runs() {
    let house = House::new().await;
    for n in 0..PENDING_PER_AGENT_MAX {
        let wish = Wish {
            principal: principal("ada", "bot", &format!("run-{n}")),
            ..Wish::of(Kind::Once)
        };
        house.ask(&wish).await.unwrap();
    }
    let wish = |actor| Wish {
        principal: principal("ada", actor, "another"),
        ..Wish::of(Kind::Once)
    };
    let refused = house.ask(&wish("bot")).await;
    assert!(matches!(refused, Err(AskRefused::Waiting { .. })));
    house.ask(&wish("other-bot")).await.unwrap();
}

#[tokio::test]
async fn a_person_of_many_agents_fills_no_inbox() {
    let house = House::new().await;
    let mut asked = 0;
    let refused = 'all: loop {
        for n in 0.. {
            let wish = Wish {
                principal: principal("ada", &format!("bot-{asked}"), "run-1"),
                ..Wish::of(Kind::Once)
            };
            match house.ask(&wish).await {
                Ok(_) => asked += 1,
                Err(AskRefused::TooFast { .. }) => {
                    assert!(n <= 60, "{n} in one minute");
                    break;
                }
                Err(refused) => break 'all refused,
            }
        }
        house.turn(61);
    };
    assert!(
        matches!(refused, AskRefused::Waiting { max: 100 }),
        "{refused}"
    );
    assert_eq!(asked, 100);
    let other = Wish {
        principal: principal("eve", "bot", "run-1"),
        ..Wish::of(Kind::Once)
    };
    house.ask(&other).await.unwrap();
}

#[tokio::test]
async fn an_agent_that_asks_and_takes_back_all_the_time_is_slowed_down() {
    let house = House::new().await;
    let wish = Wish::of(Kind::Once);
    let mut asked = 0;
    let refused = loop {
        match house.ask(&wish).await {
            Ok(request) => {
                let holder = Holder::Agent(&wish.principal);
                house.access.cancel(&request.id, holder).await.unwrap();
                asked += 1;
            }
            Err(refused) => break refused,
        }
        assert!(asked < 100, "nobody slowed it down");
    };
    assert!(matches!(refused, AskRefused::TooFast { .. }), "{refused}");
    house.turn(61);
    house.ask(&wish).await.unwrap();
}

/// Grace owns `grace-bot`, the group `platform` owns `runner`; Grace and Linus are named as approvers.
#[tokio::test]
async fn nobody_approves_for_themselves_by_any_name_chain_or_ownership() {
    let owners = |agents: &str, subjects: &[&str], groups: &[&str]| Owners {
        agents: Pattern::parse(agents).unwrap(),
        subjects: subjects.iter().map(|name| subject(name)).collect(),
        groups: groups.iter().map(|&group| group.to_owned()).collect(),
    };
    // On whose behalf, the agent, the rest of its chain; who decides, in which groups; whether that counts.
    type Row = (
        &'static str,
        &'static str,
        &'static [&'static str],
        &'static str,
        &'static [&'static str],
        bool,
    );
    let rows: [Row; 12] = [
        ("ada", "bot", &[], "grace", &[], true),
        ("ada", "bot", &["runner"], "linus", &["leads"], true),
        ("grace", "bot", &[], "grace", &[], false),
        ("ada", "grace", &[], "grace", &[], false),
        ("ada", "bot", &["grace"], "grace", &[], false),
        ("ada", "bot", &["runner", "grace"], "grace", &[], false),
        ("ada", "grace-bot", &[], "grace", &[], false),
        ("ada", "bot", &["grace-bot"], "grace", &[], false),
        ("ada", "bot", &["x", "y", "grace-bot"], "grace", &[], false),
        ("ada", "runner", &[], "grace", &["platform"], false),
        (
            "ada",
            "bot",
            &["runner"],
            "grace",
            &["platform", "leads"],
            false,
        ),
        ("ada", "runner", &[], "grace", &["platforms"], true),
    ];
    for (n, (who, actor, chain, decides, groups, counts)) in rows.into_iter().enumerate() {
        let mut house = House::new().await;
        let known = vec![
            owners("grace-*", &["grace", "mary"], &[]),
            owners("runner", &["mary"], &["platform"]),
        ];
        // Known when it is asked, when it is decided, or both: once is enough.
        let bare = house.entitlements.clone();
        let owned = bare.clone().with_owners(known);
        for (asked, decided) in [(&owned, &bare), (&bare, &owned), (&owned, &owned)] {
            let wish = Wish {
                principal: Principal {
                    chain: chain.iter().map(|a| ActorId::parse(a).unwrap()).collect(),
                    ..principal(who, actor, "run-1")
                },
                ..Wish::of(Kind::Once)
            };
            let request = house.access.ask(asked, &wish.request()).await.unwrap();
            house.entitlements = decided.clone();
            let groups: Vec<_> = groups.iter().map(|&group| group.to_owned()).collect();
            let said = async |is_person| {
                let (access, entitlements) = (&house.access, &house.entitlements);
                let approver = subject(decides);
                let approver = Approver {
                    subject: &approver,
                    groups: &groups,
                    is_person,
                    program: None,
                };
                access
                    .decide(entitlements, &request.id, approver, &yes())
                    .await
            };
            let by_agent = said(false).await;
            assert!(matches!(by_agent, Err(DecideRefused::NotAPerson)), "{n}");
            match said(true).await {
                Ok(_) => assert!(counts, "row {n} counted"),
                Err(DecideRefused::OwnRequest) => {
                    assert!(!counts, "row {n} did not count");
                    house.decide(&request.id, "linus", yes()).await.unwrap();
                }
                Err(other) => panic!("row {n}: {other}"),
            }
            house.turn(61);
        }
    }
}

#[tokio::test]
async fn an_own_yes_that_was_enough_before_does_not_count_once_a_second_person_is_asked_for() {
    let stage = |name: &str| Stage {
        need: Need::Any,
        users: vec![subject(name)],
        groups: Vec::new(),
    };
    let mut two = entitlement("two", &[Kind::Once]);
    two.stages = vec![stage("grace"), stage("linus")];
    two.second_person = false;
    let mut house = House::with(vec![two.clone()]).await;
    let wish = Wish {
        principal: principal("grace", "bot", "run-1"),
        ..Wish::of(Kind::Once)
    };
    let request = house.ask(&wish).await.unwrap();
    house.approve(&request.id).await.unwrap();
    two.second_person = true;
    house.entitlements = Entitlements::new(vec![two]).unwrap();
    let refused = house.decide(&request.id, "linus", yes()).await;
    assert!(
        matches!(refused, Err(DecideRefused::NotAnApprover)),
        "{refused:?}"
    );
}

#[tokio::test]
async fn where_no_second_person_is_asked_for_the_requester_may_approve() {
    let mut own = entitlement("own", &[Kind::Once]);
    own.second_person = false;
    let house = House::with(vec![own]).await;
    let wish = Wish {
        principal: principal("grace", "bot", "run-1"),
        ..Wish::of(Kind::Once)
    };
    let request = house.ask(&wish).await.unwrap();
    house.approve(&request.id).await.unwrap();
}

#[tokio::test]
async fn an_agent_never_approves_and_strangers_neither() {
    let house = House::new().await;
    let request = house.ask(&Wish::of(Kind::Once)).await.unwrap();
    let grace = subject("grace");
    let agent = Approver {
        subject: &grace,
        groups: &[],
        is_person: false,
        program: None,
    };
    let refused = house
        .access
        .decide(&house.entitlements, &request.id, agent, &yes())
        .await;
    assert!(matches!(refused, Err(DecideRefused::NotAPerson)));
    for decision in [yes(), no()] {
        let refused = house.decide(&request.id, "mallory", decision).await;
        assert!(matches!(refused, Err(DecideRefused::NotAnApprover)));
    }
    let unknown = RequestId::parse("none").unwrap();
    let refused = house.approve(&unknown).await;
    assert!(matches!(refused, Err(DecideRefused::Unknown)));
}

#[tokio::test]
async fn the_first_no_ends_it_and_nothing_revives_it() {
    let house = House::new().await;
    let wish = Wish::of(Kind::Once);
    let request = house.ask(&wish).await.unwrap();
    let after = house.decide(&request.id, "linus", no()).await.unwrap();
    assert_eq!(after.state, RequestState::Refused);
    let late = house.approve(&request.id).await;
    assert!(matches!(
        late,
        Err(DecideRefused::NotPending(RequestState::Refused))
    ));
    assert!(house.access.admit(&wish.wanted()).is_err());
}

#[tokio::test]
async fn whoever_said_yes_can_still_say_no_and_no_second_yes() {
    let stage = |name: &str| Stage {
        need: Need::Any,
        users: vec![subject(name)],
        groups: Vec::new(),
    };
    let mut two = entitlement("two", &[Kind::Once]);
    two.stages = vec![stage("grace"), stage("linus")];
    let mut house = House::with(vec![two]).await;
    let request = house.ask(&Wish::of(Kind::Once)).await.unwrap();
    house.approve(&request.id).await.unwrap();
    let again = house.approve(&request.id).await;
    assert!(matches!(again, Err(DecideRefused::Twice)), "{again:?}");
    let after = house.decide(&request.id, "grace", no()).await.unwrap();
    assert_eq!(after.state, RequestState::Refused);
    let late = house.decide(&request.id, "linus", yes()).await;
    assert!(matches!(late, Err(DecideRefused::NotPending(_))));
    house.crash().await;
    let stored = house.access.request(&request.id).await.unwrap().unwrap();
    assert_eq!(stored.state, RequestState::Refused);
}

#[tokio::test]
async fn a_request_that_nobody_answers_ends() {
    let house = House::new().await;
    let request = house.ask(&Wish::of(Kind::Once)).await.unwrap();
    house.turn(3600);
    let late = house.approve(&request.id).await;
    assert!(matches!(
        late,
        Err(DecideRefused::NotPending(RequestState::Expired))
    ));
    house.access.sweep().await.unwrap();
    let settled = house.access.settled(&request.id).await.unwrap();
    assert_eq!(settled, Some(RequestState::Expired));
    assert_eq!(house.access.counts().pending, 0);
}

#[tokio::test]
async fn an_entitlement_that_is_gone_or_other_approves_nothing() {
    let house = House::new().await;
    let request = house.ask(&Wish::of(Kind::Calls)).await.unwrap();
    for now in [
        vec![],
        vec![entitlement("files", &[Kind::Once])],
        vec![entitlement("another", &[Kind::Calls])],
    ] {
        let entitlements = Entitlements::new(now).unwrap();
        let grace = subject("grace");
        let approver = Approver {
            subject: &grace,
            groups: &[],
            is_person: true,
            program: None,
        };
        let refused = house
            .access
            .decide(&entitlements, &request.id, approver, &yes())
            .await;
        assert!(matches!(
            refused,
            Err(DecideRefused::NotCovered | DecideRefused::NotAnApprover)
        ));
    }
    let mut shorter = entitlement("files", &[Kind::Calls]);
    shorter.duration_max = Duration::from_secs(5);
    shorter.calls_max = Some(1);
    let house = House {
        entitlements: Entitlements::new(vec![shorter]).unwrap(),
        ..house
    };
    let after = house.approve(&request.id).await.unwrap();
    let grant = house.access.grant_view(after.state.grant().unwrap()).await;
    let terms = grant.unwrap().unwrap().terms;
    assert_eq!((terms.duration.as_secs(), terms.calls_max), (5, Some(1)));
}

#[tokio::test]
async fn an_approver_can_narrow_and_not_widen() {
    let house = House::new().await;
    let wish = Wish::of(Kind::Time);
    let request = house.ask(&wish).await.unwrap();
    let with = |narrowing| Decision {
        verdict: Verdict::Approve,
        reason: None,
        narrowing,
    };
    let longer = with(Narrowing {
        duration: Some(Duration::from_secs(601)),
        ..Narrowing::default()
    });
    let refused = house.decide(&request.id, "grace", longer).await;
    assert!(matches!(refused, Err(DecideRefused::Widens(_))));
    let narrower = with(Narrowing {
        duration: Some(Duration::from_secs(10)),
        constraint: Some(serde_json::json!({"properties": {"path": {"pattern": "^/srv/"}}})),
        ..Narrowing::default()
    });
    house.decide(&request.id, "grace", narrower).await.unwrap();
    let outside = Wish {
        arguments: Some(r#"{"path":"/etc/passwd"}"#.to_owned()),
        ..wish.clone()
    };
    let refused = house.access.admit(&outside.wanted()).unwrap_err();
    assert!(matches!(refused, NotGranted::Arguments(_)));
    drop(house.access.admit(&wish.wanted()).unwrap());
    house.turn(10);
    let refused = house.access.admit(&wish.wanted()).unwrap_err();
    assert_eq!(refused, NotGranted::Ended(EndReason::Expired));
}

#[tokio::test]
async fn a_narrowing_that_the_one_call_breaks_is_told_to_whoever_makes_it() {
    let house = House::new().await;
    let request = house.ask(&Wish::of(Kind::Once)).await.unwrap();
    let impossible = Decision {
        narrowing: Narrowing {
            constraint: Some(serde_json::json!({"properties": {"path": {"const": "/other"}}})),
            ..Narrowing::default()
        },
        ..yes()
    };
    let refused = house.decide(&request.id, "grace", impossible).await;
    assert!(matches!(refused, Err(DecideRefused::Arguments(_))));
    house.approve(&request.id).await.unwrap();
}

#[tokio::test]
async fn a_person_can_ask_beforehand_where_the_agent_is_enough() {
    let mut wide = entitlement("wide", &[Kind::Time, Kind::Once]);
    wide.bound_to = BoundTo::Agent;
    let house = House::with(vec![wide]).await;
    let wish = Wish::of(Kind::Time);
    let (ada, bot) = (subject("ada"), ActorId::parse("bot").unwrap());
    let mut new = wish.request();
    new.asker = Asker::person((&ada).into(), &[], &bot);
    let request = house.access.ask(&house.entitlements, &new).await.unwrap();
    house.approve(&request.id).await.unwrap();
    for run in ["run-1", "run-2"] {
        let call = Wish {
            principal: principal("ada", "bot", run),
            ..wish.clone()
        };
        drop(house.access.admit(&call.wanted()).unwrap());
    }
    new.kind = Some(Kind::Once);
    let refused = house.access.ask(&house.entitlements, &new).await;
    assert!(matches!(refused, Err(AskRefused::RunNeeded)));
}

#[tokio::test]
async fn a_rule_decides_for_all_stages() {
    let mut ruled = entitlement("ruled", &[Kind::Once]);
    ruled.stages = Vec::new();
    let house = House::with(vec![ruled]).await;
    let wish = Wish::of(Kind::Once);
    let request = house.ask(&wish).await.unwrap();
    let refused = house.approve(&request.id).await;
    assert!(matches!(refused, Err(DecideRefused::NotAnApprover)));
    let rule = house
        .access
        .approve_automatically(&house.entitlements, &request.id, "office-hours");
    rule.await.unwrap();
    drop(house.access.admit(&wish.wanted()).unwrap());
}

#[tokio::test]
async fn who_waits_for_a_decision_hears_of_it_and_so_do_listeners() {
    let house = House::new().await;
    let mut changes = house.access.subscribe();
    let request = house.ask(&Wish::of(Kind::Once)).await.unwrap();
    let (access, id) = (Arc::clone(&house.access), request.id.clone());
    let waiting = tokio::spawn(async move { access.settled(&id).await.unwrap() });
    tokio::task::yield_now().await;
    let after = house.approve(&request.id).await.unwrap();
    assert_eq!(waiting.await.unwrap(), Some(after.state));
    let mut heard = Vec::new();
    while let Ok(change) = changes.try_recv() {
        heard.push(match change {
            Change::Request { state, .. } => state.as_str(),
            Change::Grant { ended: None, .. } => "grant",
            _ => "other",
        });
    }
    assert_eq!(heard, ["pending", "grant", "approved"]);
}

#[tokio::test]
async fn lists_show_what_was_and_what_is_newest_first() {
    let house = House::new().await;
    for n in 0..3 {
        let wish = Wish {
            principal: principal("ada", "bot", &format!("run-{n}")),
            ..Wish::of(Kind::Time)
        };
        house.grant(&wish).await;
        house.turn(1);
    }
    let active = Filter {
        state: Some("active".to_owned()),
        subject: Some(subject("ada")),
        ..Filter::default()
    };
    let first = Page {
        rows_max: 2,
        ..ALL.clone()
    };
    let two = house.access.grants(&active, &first).await.unwrap();
    let runs = |grants: &[crate::Grant]| -> Vec<String> {
        let runs = grants.iter().filter_map(|g| g.run.as_ref());
        runs.map(ToString::to_string).collect()
    };
    assert_eq!(runs(&two), ["run-2", "run-1"]);
    let rest = Page {
        after: two.last().map(|g| g.id.to_string()),
        rows_max: 2,
    };
    let one = house.access.grants(&active, &rest).await.unwrap();
    assert_eq!(runs(&one), ["run-0"]);
    let nobody = Filter {
        subject: Some(subject("nobody")),
        ..Filter::default()
    };
    assert!(
        house
            .access
            .requests(&nobody, &ALL)
            .await
            .unwrap()
            .is_empty()
    );
    let all = house
        .access
        .requests(&Filter::default(), &ALL)
        .await
        .unwrap();
    assert!(all.iter().all(|r| r.approvals.len() == 1), "{all:?}");
}

#[tokio::test]
async fn an_extension_is_a_new_approval_and_ends_with_the_longest() {
    let house = House::new().await;
    let wish = Wish {
        duration: Some(Duration::from_secs(300)),
        ..Wish::of(Kind::Time)
    };
    let grant = house.grant(&wish).await;
    house.turn(200);
    let longer = Wish {
        extends: Some(grant.clone()),
        duration: Some(Duration::from_secs(600)),
        ..wish.clone()
    };
    let request = house.ask(&longer).await.unwrap();
    house.approve(&request.id).await.unwrap();
    house.turn(399);
    drop(house.access.admit(&wish.wanted()).unwrap());
    let again = house.ask(&longer).await;
    assert!(matches!(again, Err(AskRefused::Over { .. })));
    house.turn(1);
    assert!(house.access.admit(&wish.wanted()).is_err());
    let late = house.ask(&longer).await;
    assert!(matches!(
        late,
        Err(AskRefused::GrantUnknown | AskRefused::Over { .. })
    ));
}

#[tokio::test]
async fn whoever_was_behind_a_grant_is_behind_its_extension() {
    let mut house = House::new().await;
    let behind = ActorId::parse("planner").unwrap();
    let mut wish = Wish::of(Kind::Time);
    wish.principal.chain = vec![behind.clone()].into();
    let grant = house.grant(&wish).await;
    house.crash().await;
    let grants = house.access.grants(&Filter::default(), &ALL).await.unwrap();
    let held = grants.iter().find(|held| held.id == grant).unwrap();
    let ada = subject("ada");
    let by = crate::By::from(&ada);
    let asked = Asker::holder(by, &[], held);
    assert_eq!(asked.chain, [behind]);
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_happen() {
    let mut house = House::new().await;
    let wish = Wish::of(Kind::Once);
    house.log.fail(true);
    assert!(matches!(
        house.ask(&wish).await,
        Err(AskRefused::Journal(_))
    ));
    house.log.fail(false);
    let request = house.ask(&wish).await.unwrap();
    house.log.fail(true);
    let refused = house.approve(&request.id).await;
    assert!(matches!(refused, Err(DecideRefused::Journal(_))));
    assert!(house.access.admit(&wish.wanted()).is_err());
    house.log.fail(false);
    house.crash().await;
    assert!(house.access.admit(&wish.wanted()).is_err());
    house.approve(&request.id).await.unwrap();
    drop(house.access.admit(&wish.wanted()).unwrap());
}

#[tokio::test]
async fn a_log_that_does_not_answer_gives_nothing_and_blocks_nobody_for_long() {
    let house = House::new().await;
    let wish = Wish::of(Kind::Once);
    let request = house.ask(&wish).await.unwrap();
    house.log.stick();
    let refused = house.approve(&request.id).await;
    assert!(matches!(refused, Err(DecideRefused::Journal(_))));
    assert!(house.access.admit(&wish.wanted()).is_err());
    let other_tenant = cardea_domain::TenantId::parse("globex").unwrap();
    let mut change = house.store.change_access(&other_tenant).await.unwrap();
    let lock = cardea_domain::LockId::parse("none").unwrap();
    assert!(!change.remove_lock(&lock).await.unwrap());
    change.commit().await.unwrap();
}
