//! Ending: at once, by itself, for everybody whom it concerns and nobody else.

use std::{sync::Arc, time::Duration};

use cardea_domain::{Action, ActorId, Clock, RunId, Target, ToolName, UpstreamId};

use super::house::{House, START_MS, Wish, entitlement, principal, subject, tool, yes};
use crate::{
    AccessError, AskRefused, ChangeError, DecideRefused, EndReason, Granted, Holder, Kind, Need,
    NewLock, NotGranted, RequestState, Scope, Stage,
};

async fn begin(house: &House, wish: &Wish) -> Granted {
    let admission = house.access.admit(&wish.wanted()).unwrap();
    house.access.consume(admission).await.unwrap()
}

fn lock(scope: Scope, by: &cardea_domain::SubjectId) -> NewLock<'_> {
    NewLock {
        scope,
        reason: "an incident",
        by: by.into(),
        expires_ms: None,
    }
}

fn scopes() -> Vec<Scope> {
    let files = UpstreamId::parse("files").unwrap();
    vec![
        Scope::Tenant,
        Scope::Subject(subject("ada")),
        Scope::Actor(ActorId::parse("bot").unwrap()),
        Scope::Upstream(files.clone()),
        Scope::Tool(files, ToolName::parse("read_file").unwrap()),
        Scope::Run(RunId::parse("run-1").unwrap()),
    ]
}

#[tokio::test]
async fn a_lock_on_a_tool_stops_the_tasks_of_its_server_and_of_no_other() {
    let by = subject("grace");
    let house = House::new().await;
    let caller = principal("ada", "bot", "run-1");
    let (files, tickets) = (
        UpstreamId::parse("files").unwrap(),
        UpstreamId::parse("tickets").unwrap(),
    );
    let meets = |upstream: &UpstreamId, action| {
        let lock = house
            .access
            .locked(&caller, action, upstream, &Target::Upstream);
        lock.map(|lock| lock.id)
    };
    assert_eq!(meets(&files, Action::UseTask), None);
    let watched = house
        .access
        .watch(&caller, Action::UseTask, &files, &Target::Upstream);
    let watched = tokio::spawn(watched);
    let scope = Scope::Tool(files.clone(), ToolName::parse("read_file").unwrap());
    let set = house.access.lock(lock(scope, &by)).await.unwrap();

    assert_eq!(watched.await.unwrap().id, set.id);
    assert_eq!(meets(&files, Action::UseTask), Some(set.id));
    assert_eq!(meets(&tickets, Action::UseTask), None);
    assert_eq!(meets(&files, Action::Connect), None);
}

/// A call that only the scope of the tenant has in common with the others.
fn stranger() -> Wish {
    Wish {
        principal: principal("eve", "other", "run-9"),
        upstream: UpstreamId::parse("tickets").unwrap(),
        target: tool("list"),
        ..Wish::of(Kind::Time)
    }
}

#[tokio::test]
async fn a_lock_cuts_what_is_under_way_and_stops_what_comes_and_nothing_else() {
    let by = subject("grace");
    for scope in scopes() {
        let mut house = House::new().await;
        let wish = Wish::of(Kind::Time);
        house.grant(&wish).await;
        house.grant(&stranger()).await;
        let granted = begin(&house, &wish).await;
        let other = begin(&house, &stranger()).await;
        let waiting = tokio::spawn(granted.ended());
        let watched =
            house
                .access
                .watch(&wish.principal, wish.action, &wish.upstream, &wish.target);
        let watched = tokio::spawn(watched);
        let admitted = house.access.admit(&wish.wanted()).unwrap();
        let set = house.access.lock(lock(scope.clone(), &by)).await.unwrap();
        assert_eq!(waiting.await.unwrap(), EndReason::Locked, "{scope}");
        assert_eq!(watched.await.unwrap().id, set.id);
        let refused = house.access.consume(admitted).await;
        assert!(matches!(refused, Err(AccessError::Locked(_))));
        house.crash().await;
        let refused = house.access.admit(&wish.wanted()).unwrap_err();
        assert!(matches!(refused, NotGranted::Locked(_)), "{scope}");
        let asked = house.ask(&wish).await;
        assert!(matches!(asked, Err(AskRefused::Locked(_))));
        let is_all = scope == Scope::Tenant;
        assert_eq!(house.access.admit(&stranger().wanted()).is_err(), is_all);
        drop(other);
        house.access.unlock(&set.id, &by).await.unwrap();
        drop(house.access.admit(&wish.wanted()).unwrap());
    }
}

#[tokio::test]
async fn nobody_who_is_locked_approves_and_what_they_ask_for_ends() {
    let by = subject("grace");
    let mut two = entitlement("two", &[Kind::Once]);
    two.stages = ["grace", "linus"]
        .map(|name| Stage {
            need: Need::Any,
            users: vec![subject(name)],
            groups: Vec::new(),
        })
        .into();
    let house = House::with(vec![two]).await;
    let request = house.ask(&Wish::of(Kind::Once)).await.unwrap();
    house.approve(&request.id).await.unwrap();
    // A yes of somebody who is locked does not count, whether it comes now or was said before.
    for locked in ["linus", "grace"] {
        let scope = Scope::Subject(subject(locked));
        let set = house.access.lock(lock(scope, &by)).await.unwrap();
        let refused = house.decide(&request.id, "linus", yes()).await;
        assert!(
            matches!(&refused, Err(DecideRefused::Locked(name)) if *name == subject(locked)),
            "{refused:?}"
        );
        house.access.sweep().await.unwrap();
        house.access.unlock(&set.id, &by).await.unwrap();
    }
    let scope = Scope::Subject(subject("ada"));
    let set = house.access.lock(lock(scope, &by)).await.unwrap();
    house.access.sweep().await.unwrap();
    house.access.unlock(&set.id, &by).await.unwrap();
    let late = house.decide(&request.id, "linus", yes()).await;
    assert!(
        matches!(late, Err(DecideRefused::NotPending(RequestState::Void))),
        "{late:?}"
    );
}

#[tokio::test]
async fn a_lock_ends_by_itself_where_it_has_an_end() {
    let house = House::new().await;
    let by = subject("grace");
    let wish = Wish::of(Kind::Time);
    house.grant(&wish).await;
    let with_end = NewLock {
        expires_ms: Some(START_MS + 5000),
        ..lock(Scope::Tenant, &by)
    };
    house.access.lock(with_end).await.unwrap();
    house.turn(4);
    assert!(house.access.admit(&wish.wanted()).is_err());
    house.turn(1);
    drop(house.access.admit(&wish.wanted()).unwrap());
    house.access.sweep().await.unwrap();
    assert!(house.access.locks().is_empty());
    assert_eq!(house.log.names().last().unwrap(), "access_unlocked");
}

#[tokio::test]
async fn a_revocation_cuts_its_scope_for_good() {
    let by = subject("grace");
    for scope in scopes() {
        let mut house = House::new().await;
        let wish = Wish::of(Kind::Time);
        house.grant(&wish).await;
        house.grant(&stranger()).await;
        let granted = begin(&house, &wish).await;
        let waiting = tokio::spawn(granted.ended());
        let count = house
            .access
            .revoke(&scope, &by, "an incident")
            .await
            .unwrap();
        let is_all = scope == Scope::Tenant;
        assert_eq!(count, 1 + usize::from(is_all), "{scope}");
        assert_eq!(waiting.await.unwrap(), EndReason::Revoked);
        assert_eq!(granted.spend_bytes(1), Err(EndReason::Revoked));
        house.crash().await;
        assert!(house.access.admit(&wish.wanted()).is_err());
        assert_eq!(house.access.admit(&stranger().wanted()).is_err(), is_all);
    }
}

#[tokio::test]
async fn a_revocation_holds_though_store_and_record_fail_and_can_be_repeated() {
    let mut house = House::new().await;
    let by = subject("grace");
    let wish = Wish::of(Kind::Time);
    let grant = house.grant(&wish).await;
    house.log.fail(true);
    let failed = house.access.revoke_grant(&grant, &by, "an incident").await;
    assert!(matches!(failed, Err(ChangeError::Journal(_))));
    assert!(house.access.admit(&wish.wanted()).is_err());
    house.log.fail(false);
    house
        .access
        .revoke_grant(&grant, &by, "an incident")
        .await
        .unwrap();
    let ended = house
        .log
        .names()
        .iter()
        .filter(|n| *n == "access_ended")
        .count();
    assert_eq!(ended, 1);
    house.crash().await;
    assert!(house.access.admit(&wish.wanted()).is_err());
}

#[tokio::test]
async fn a_grant_is_released_by_its_holder_only() {
    let house = House::new().await;
    let wish = Wish::of(Kind::Time);
    let grant = house.grant(&wish).await;
    for other in [
        principal("eve", "bot", "run-1"),
        principal("ada", "other", "run-1"),
        principal("ada", "bot", "run-2"),
    ] {
        let refused = house.access.release(&grant, Holder::Agent(&other)).await;
        assert!(matches!(refused, Err(ChangeError::Unknown(_))));
    }
    let eve = subject("eve");
    let refused = house
        .access
        .release(&grant, Holder::Person((&eve).into()))
        .await;
    assert!(matches!(refused, Err(ChangeError::Unknown(_))));
    let own = Holder::Agent(&wish.principal);
    house.access.release(&grant, own).await.unwrap();
    assert!(house.access.admit(&wish.wanted()).is_err());
}

#[tokio::test]
async fn a_tool_that_changes_voids_its_grants_and_requests_and_no_others() {
    let house = House::new().await;
    let wish = Wish::of(Kind::Time);
    house.grant(&wish).await;
    let granted = begin(&house, &wish).await;
    let waiting = house.ask(&Wish::of(Kind::Once)).await.unwrap();
    let other = Wish {
        target: tool("write_file"),
        ..wish.clone()
    };
    house.grant(&other).await;
    let name = ToolName::parse("read_file").unwrap();
    house
        .access
        .void_tool(&wish.upstream, &name, [8; 32])
        .await
        .unwrap();
    assert_eq!(granted.ended().await, EndReason::ToolChanged);
    let state = house.access.settled(&waiting.id).await.unwrap();
    assert_eq!(state, Some(RequestState::Void));
    drop(house.access.admit(&other.wanted()).unwrap());
    assert!(house.access.admit(&wish.wanted()).is_err());
}

#[tokio::test]
async fn time_cuts_a_call_that_is_under_way() {
    let house = House::at(Clock::system()).await;
    let wish = Wish {
        duration: Some(Duration::from_millis(50)),
        ..Wish::of(Kind::Time)
    };
    let request = house.ask(&wish).await.unwrap();
    house.approve(&request.id).await.unwrap();
    // On a slow machine it may be over before it begins.
    if let Ok(admission) = house.access.admit(&wish.wanted())
        && let Ok(granted) = house.access.consume(admission).await
    {
        assert_eq!(granted.ended().await, EndReason::Expired);
    }
    assert!(house.access.admit(&wish.wanted()).is_err());
}

#[tokio::test]
async fn a_sweep_cuts_what_the_clock_has_ended() {
    let house = House::new().await;
    let wish = Wish::of(Kind::Time);
    house.grant(&wish).await;
    let granted = begin(&house, &wish).await;
    let waiting = tokio::spawn(granted.ended());
    house.turn(600);
    house.access.sweep().await.unwrap();
    assert_eq!(waiting.await.unwrap(), EndReason::Expired);
    assert_eq!(house.access.counts().active, 0);
    assert_eq!(house.log.names().last().unwrap(), "access_ended");
}

#[tokio::test]
async fn a_grant_that_expired_stays_so_when_the_clock_is_set_back() {
    let house = House::new().await;
    let wish = Wish::of(Kind::Time);
    house.grant(&wish).await;
    house.turn(600);
    assert!(house.access.admit(&wish.wanted()).is_err());
    // Back to just after it was made.
    let back = Duration::from_millis(u64::MAX - 600_000 + 2);
    house.clock.advance(back);
    let refused = house.access.admit(&wish.wanted()).unwrap_err();
    assert_eq!(refused, NotGranted::Ended(EndReason::Expired));
}

#[tokio::test]
async fn thousands_of_calls_are_cut_together() {
    let house = House::new().await;
    let wish = Wish::of(Kind::Time);
    house.grant(&wish).await;
    let mut calls = Vec::new();
    for _ in 0..2000 {
        let granted = begin(&house, &wish).await;
        calls.push(tokio::spawn(async move { granted.ended().await }));
    }
    let by = subject("grace");
    house
        .access
        .revoke(&Scope::Tenant, &by, "stop")
        .await
        .unwrap();
    for call in calls {
        assert_eq!(call.await.unwrap(), EndReason::Revoked);
    }
    assert_eq!(
        Arc::strong_count(&house.access),
        1,
        "nothing is left behind"
    );
}
