//! Budgets: exact, whoever uses them at once and whatever is killed.

use std::{sync::Arc, time::Duration};

use super::house::{House, Wish, entitlement};
use crate::{AccessError, EndReason, Entitlement, Filter, Grant, Kind, NotGranted, Page, Rate};

async fn only_grant(house: &House) -> Grant {
    let page = Page {
        after: None,
        rows_max: 2,
    };
    let mut grants = house
        .access
        .grants(&Filter::default(), &page)
        .await
        .unwrap();
    assert_eq!(grants.len(), 1);
    grants.remove(0)
}

fn with(kind: Kind, change: impl FnOnce(&mut Entitlement)) -> Vec<Entitlement> {
    let mut entitlement = entitlement("files", &[kind]);
    change(&mut entitlement);
    vec![entitlement]
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn of_a_thousand_uses_of_one_call_at_once_one_happens_also_after_a_crash() {
    let mut house = House::new().await;
    let wish = Arc::new(Wish::of(Kind::Once));
    house.grant(&wish).await;
    let mut happened = 0;
    for _ in 0..2 {
        let uses: Vec<_> = (0..1000)
            .map(|_| {
                let (access, wish) = (Arc::clone(&house.access), Arc::clone(&wish));
                tokio::spawn(async move {
                    let admission = access.admit(&wish.wanted()).ok()?;
                    access.consume(admission).await.ok()
                })
            })
            .collect();
        for used in uses {
            // The calls stay under way, and the process ends in the midst of them.
            happened += usize::from(used.await.unwrap().is_some_and(|granted| {
                std::mem::forget(granted);
                true
            }));
        }
        house.crash().await;
    }
    assert_eq!(happened, 1);
    assert_eq!(only_grant(&house).await.calls_used, 1);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_number_of_calls_is_that_number_whoever_comes_at_once() {
    let house = House::with(with(Kind::Calls, |e| e.calls_max = Some(50))).await;
    let wish = Arc::new(Wish::of(Kind::Calls));
    house.grant(&wish).await;
    let uses: Vec<_> = (0..200)
        .map(|_| {
            let (access, wish) = (Arc::clone(&house.access), Arc::clone(&wish));
            tokio::spawn(async move {
                let admission = access.admit(&wish.wanted()).ok()?;
                access.consume(admission).await.ok()
            })
        })
        .collect();
    let mut happened = 0;
    for used in uses {
        happened += usize::from(used.await.unwrap().is_some());
    }
    assert_eq!(happened, 50);
    house.access.sweep().await.unwrap();
    let grant = only_grant(&house).await;
    assert_eq!(grant.calls_used, 50);
    assert_eq!(grant.ended.map(|(_, why)| why), Some(EndReason::Exhausted));
}

#[tokio::test]
async fn what_was_admitted_and_not_begun_is_given_back() {
    let house = House::new().await;
    let wish = Wish::of(Kind::Once);
    house.grant(&wish).await;
    let admission = house.access.admit(&wish.wanted()).unwrap();
    let second = house.access.admit(&wish.wanted()).unwrap_err();
    assert_eq!(second, NotGranted::Exhausted);
    drop(admission);
    let admission = house.access.admit(&wish.wanted()).unwrap();
    drop(house.access.consume(admission).await.unwrap());
    assert!(house.access.admit(&wish.wanted()).is_err());
}

#[tokio::test]
async fn a_call_that_the_store_cannot_count_does_not_begin() {
    let house = House::new().await;
    let wish = Wish::of(Kind::Once);
    house.grant(&wish).await;
    let admission = house.access.admit(&wish.wanted()).unwrap();
    house.store.close().await;
    let refused = house.access.consume(admission).await.unwrap_err();
    assert!(matches!(refused, AccessError::Store(_)), "{refused}");
}

#[tokio::test]
async fn who_goes_away_while_a_call_is_counted_has_used_it() {
    let mut house = House::with(with(Kind::Calls, |_| {})).await;
    let wish = Wish::of(Kind::Calls);
    house.grant(&wish).await;
    let admission = house.access.admit(&wish.wanted()).unwrap();
    let consume = house.access.consume(admission);
    // One look at it: the store has been asked and has not answered.
    let mut consume = Box::pin(consume);
    let waker = std::task::Waker::noop();
    let mut context = std::task::Context::from_waker(waker);
    assert!(consume.as_mut().poll(&mut context).is_pending());
    drop(consume);
    let mut left = 0;
    while let Ok(admission) = house.access.admit(&wish.wanted()) {
        drop(house.access.consume(admission).await.unwrap());
        left += 1;
    }
    assert_eq!(left, 2, "of three, one is in doubt");
    house.crash().await;
    let counted = only_grant(&house).await.calls_used;
    assert!((2..=3).contains(&counted), "{counted}");
}

#[tokio::test]
async fn bytes_that_are_over_do_not_leave_and_cut_every_call() {
    let mut house = House::with(with(Kind::Time, |e| e.bytes_max = Some(100))).await;
    let wish = Wish::of(Kind::Time);
    house.grant(&wish).await;
    let access = Arc::clone(&house.access);
    let begin = || async {
        let admission = access.admit(&wish.wanted()).unwrap();
        access.consume(admission).await.unwrap()
    };
    let (first, second) = (begin().await, begin().await);
    first.spend_bytes(60).unwrap();
    second.spend_bytes(40).unwrap();
    assert_eq!(second.spend_bytes(1), Err(EndReason::Exhausted));
    assert_eq!(first.ended().await, EndReason::Exhausted);
    assert!(access.admit(&wish.wanted()).is_err());
    drop((first, second));
    access.sweep().await.unwrap();
    house.crash().await;
    assert!(house.access.admit(&wish.wanted()).is_err());
    let ended = only_grant(&house).await.ended;
    assert_eq!(ended.map(|(_, why)| why), Some(EndReason::Exhausted));
}

#[tokio::test]
async fn bytes_are_remembered_and_count_as_spent_where_they_are_not_known() {
    let mut house = House::with(with(Kind::Time, |e| e.bytes_max = Some(100))).await;
    let wish = Wish::of(Kind::Time);
    house.grant(&wish).await;
    let admission = house.access.admit(&wish.wanted()).unwrap();
    let granted = house.access.consume(admission).await.unwrap();
    granted.spend_bytes(60).unwrap();
    drop(granted);
    house.access.sweep().await.unwrap();
    house.crash().await;
    assert_eq!(only_grant(&house).await.bytes_used, 60);
    let admission = house.access.admit(&wish.wanted()).unwrap();
    let granted = house.access.consume(admission).await.unwrap();
    granted.spend_bytes(1).unwrap();
    std::mem::forget(granted);
    house.crash().await;
    assert!(house.access.admit(&wish.wanted()).is_err());
}

#[tokio::test]
async fn a_rate_is_exact_in_every_stretch_and_strict_after_a_restart() {
    let rate = Rate {
        calls: 2,
        per: Duration::from_secs(10),
    };
    let mut house = House::with(with(Kind::Time, |e| e.rate = Some(rate))).await;
    let wish = Wish::of(Kind::Time);
    house.grant(&wish).await;
    let call = async |house: &House| {
        let admission = house.access.admit(&wish.wanted())?;
        drop(house.access.consume(admission).await.unwrap());
        Ok(())
    };
    call(&house).await.unwrap();
    house.turn(9);
    call(&house).await.unwrap();
    let retry_after = Duration::from_secs(1);
    let too_fast = Err(NotGranted::TooFast { retry_after });
    assert_eq!(call(&house).await, too_fast);
    house.turn(1);
    call(&house).await.unwrap();
    house.crash().await;
    assert!(call(&house).await.is_err());
    house.turn(10);
    call(&house).await.unwrap();
}
