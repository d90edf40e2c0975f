//! Rules that decide instead of people.

use std::{collections::BTreeMap, sync::Arc};

use cardea_domain::{EntitlementId, Rule, Ruling};
use parking_lot::Mutex;

use super::house::{House, Wish, entitlement, principal, tool};
use crate::{
    Asked, Author, Change, DecideRefused, DecidedBy, History, Kind, Reason, RequestState, Rules,
    Verdict,
};

/// Says what it is told to, and remembers what it was told.
#[derive(Debug)]
struct Told {
    ruling: Mutex<Ruling>,
    histories: Mutex<Vec<History>>,
    all: Mutex<String>,
}

impl Rules for Told {
    fn rule(&self, asked: &Asked<'_>) -> Ruling {
        self.histories.lock().push(asked.history);
        self.all.lock().push_str(&format!("{asked:?}"));
        self.ruling.lock().clone()
    }
}

fn office() -> Rule {
    Rule {
        name: "office-hours".into(),
        reason: Some("people are here".into()),
    }
}

async fn house(ruling: Ruling) -> (House, Arc<Told>) {
    let mut house = House::new().await;
    let told = Arc::new(Told {
        ruling: Mutex::new(ruling),
        histories: Mutex::default(),
        all: Mutex::default(),
    });
    let rules: Arc<dyn Rules> = Arc::<Told>::clone(&told);
    let id = EntitlementId::parse("files").unwrap();
    house.entitlements = house.entitlements.ruled_by(BTreeMap::from([(id, rules)]));
    (house, told)
}

fn heard(changes: &mut tokio::sync::broadcast::Receiver<Change>) -> Vec<&'static str> {
    let mut heard = Vec::new();
    while let Ok(change) = changes.try_recv() {
        heard.push(match change {
            Change::Request { state, .. } => state.as_str(),
            Change::Grant { ended: None, .. } => "grant",
            _ => "other",
        });
    }
    heard
}

#[tokio::test]
async fn an_approval_by_rule_makes_the_grant_at_once_and_says_which_rule_it_was() {
    let (house, _) = house(Ruling::Approve(office())).await;
    let mut changes = house.access.subscribe();
    let wish = Wish::of(Kind::Once);
    let request = house.ask(&wish).await.unwrap();
    let grant = request.state.grant().unwrap();
    drop(house.access.admit(&wish.wanted()).unwrap());
    let view = house.access.grant_view(grant).await.unwrap().unwrap();
    assert_eq!(
        view.approved_by,
        [DecidedBy::Rule("office-hours".to_owned())]
    );
    let kept = house.access.request(&request.id).await.unwrap().unwrap();
    assert_eq!(kept.approvals[0].reason.as_deref(), Some("people are here"));
    assert_eq!(
        house.log.names(),
        ["access_requested", "access_granted"],
        "both are recorded"
    );
    // Nobody is asked to look at what is decided already.
    assert_eq!(heard(&mut changes), ["grant", "approved"]);
}

#[tokio::test]
async fn a_refusal_by_rule_ends_it_and_gives_the_reason() {
    let (house, _) = house(Ruling::Refuse(office())).await;
    let wish = Wish::of(Kind::Once);
    let request = house.ask(&wish).await.unwrap();
    assert_eq!(request.state, RequestState::Refused);
    let said = request.approvals.last().unwrap();
    assert_eq!(
        (said.verdict, said.reason.as_deref()),
        (Verdict::Refuse, Some("people are here"))
    );
    assert!(house.access.admit(&wish.wanted()).is_err());
    let late = house.approve(&request.id).await;
    assert!(
        matches!(late, Err(DecideRefused::NotPending(_))),
        "{late:?}"
    );
}

#[tokio::test]
async fn where_rules_say_nothing_or_fail_people_decide() {
    for ruling in [Ruling::Silent, Ruling::Failed("it overflowed".into())] {
        let (house, _) = house(ruling).await;
        let mut changes = house.access.subscribe();
        let wish = Wish::of(Kind::Once);
        let request = house.ask(&wish).await.unwrap();
        assert_eq!(request.state, RequestState::Pending);
        assert!(house.access.admit(&wish.wanted()).is_err());
        assert_eq!(heard(&mut changes), ["pending"]);
        house.approve(&request.id).await.unwrap();
    }
}

#[tokio::test]
async fn a_decision_that_cannot_be_recorded_is_left_to_people() {
    let (house, told) = house(Ruling::Silent).await;
    // The rules are asked before anything is written.
    *told.ruling.lock() = Ruling::Approve(office());
    let wish = Wish::of(Kind::Once);
    house.log.fail_after(1);
    let request = house.ask(&wish).await.unwrap();
    assert_eq!(request.state, RequestState::Pending);
    assert!(house.access.admit(&wish.wanted()).is_err());
}

#[tokio::test]
async fn rules_know_what_was_decided_of_late_also_after_a_restart() {
    let (mut house, told) = house(Ruling::Refuse(office())).await;
    house.ask(&Wish::of(Kind::Once)).await.unwrap();
    house.turn(60);
    house.crash().await;
    let other = Wish {
        target: tool("write_file"),
        ..Wish::of(Kind::Once)
    };
    house.ask(&other).await.unwrap();
    let stranger = Wish {
        principal: principal("bob", "bot", "run-1"),
        ..Wish::of(Kind::Once)
    };
    house.ask(&stranger).await.unwrap();
    house.ask(&Wish::of(Kind::Once)).await.unwrap();
    house.turn(3601);
    house.ask(&Wish::of(Kind::Once)).await.unwrap();
    let seen = told.histories.lock().clone();
    let refused: Vec<_> = seen
        .iter()
        .map(|h| (h.same.refused, h.all.refused))
        .collect();
    assert_eq!(refused, [(0, 0), (0, 1), (0, 0), (1, 2), (0, 0)]);
    assert!(seen.iter().all(|h| h.all.asked == h.all.refused));
}

#[tokio::test]
async fn nothing_that_a_model_wrote_reaches_a_rule() {
    let (house, told) = house(Ruling::Silent).await;
    let wish = Wish {
        arguments: Some(r#"{"path":"MARK-arguments"}"#.into()),
        ..Wish::of(Kind::Once)
    };
    let mut new = wish.request();
    new.reason = Some(Reason {
        text: "MARK-reason".into(),
        author: Author::Model,
        beside: None,
    });
    (new.ticket, new.model, new.client) =
        (Some("MARK-ticket"), Some("MARK-model"), Some("MARK-client"));
    house.access.ask(&house.entitlements, &new).await.unwrap();
    let all = told.all.lock().clone();
    assert!(all.contains("read_file") && !all.contains("MARK"), "{all}");
}

#[tokio::test]
async fn a_rule_gives_no_more_than_the_entitlement() {
    let mut house = House::with(vec![entitlement("files", &[Kind::Time])]).await;
    let told = Arc::new(Told {
        ruling: Mutex::new(Ruling::Approve(office())),
        histories: Mutex::default(),
        all: Mutex::default(),
    });
    let rules: Arc<dyn Rules> = told;
    let id = EntitlementId::parse("files").unwrap();
    house.entitlements = house.entitlements.ruled_by(BTreeMap::from([(id, rules)]));
    let greedy = Wish {
        duration: Some(std::time::Duration::from_secs(601)),
        ..Wish::of(Kind::Time)
    };
    assert!(house.ask(&greedy).await.is_err());
    let wish = Wish::of(Kind::Time);
    let request = house.ask(&wish).await.unwrap();
    assert!(request.state.grant().is_some());
    house.turn(600);
    assert!(house.access.admit(&wish.wanted()).is_err(), "it has ended");
}
