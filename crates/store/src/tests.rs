use std::{os::unix::fs::PermissionsExt as _, time::Instant};

use tempfile::TempDir;

use super::*;

const NOW_S: u64 = 1_795_000_000;

async fn store() -> (Store, TempDir) {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("cardea.db")).await.unwrap();
    (store, folder)
}

fn hash(n: u8) -> SecretHash {
    SecretHash::new([n; 32])
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn ada() -> SubjectId {
    SubjectId::parse("ada").unwrap()
}

async fn begin(store: &Store, of: &TenantId, family: &str) {
    let new = NewFamily {
        tenant: of,
        family,
        subject: &ada(),
        client: "bot",
        approval: "{}",
        run: "run-1",
        now_s: NOW_S,
        expires_s: NOW_S + 1000,
    };
    assert!(store.begin_family(&new).await.unwrap());
}

#[tokio::test]
async fn only_the_owner_can_read_the_file_and_those_beside_it() {
    let (store, folder) = store().await;
    store.first(Once::Consent, "x", NOW_S).await.unwrap();
    for entry in fs::read_dir(folder.path()).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}

#[tokio::test]
async fn a_code_is_good_once_and_known_as_used_afterwards() {
    let (store, _folder) = store().await;
    store
        .add_code(&hash(1), &acme(), "f", "yes", NOW_S + 60, NOW_S + 900)
        .await
        .unwrap();
    let found = futures(&store, |s| async move {
        s.use_code(&hash(1), NOW_S).await.unwrap()
    })
    .await;
    let good = found.iter().filter(|c| matches!(c, Code::Good { .. }));
    assert_eq!(good.count(), 1, "{found:?}");
    let again = store.use_code(&hash(1), NOW_S + 500).await.unwrap();
    let family = "f".to_owned();
    assert_eq!(
        again,
        Code::Reused {
            tenant: acme(),
            family
        }
    );
    assert_eq!(
        store.use_code(&hash(2), NOW_S).await.unwrap(),
        Code::Unknown
    );
}

#[tokio::test]
async fn a_family_that_was_taken_back_before_it_began_does_not_begin() {
    let (store, _folder) = store().await;
    let ended = store.revoke_family(&acme(), "f", NOW_S).await.unwrap();
    assert!(ended.is_empty());
    let new = NewFamily {
        tenant: &acme(),
        family: "f",
        subject: &ada(),
        client: "bot",
        approval: "{}",
        run: "run-1",
        now_s: NOW_S,
        expires_s: NOW_S + 1000,
    };
    assert!(!store.begin_family(&new).await.unwrap());
    let is_issued = store.add_access(&acme(), "f", "t", NOW_S + 10).await;
    assert!(!is_issued.unwrap());
    let other = NewFamily { family: "g", ..new };
    assert!(store.begin_family(&other).await.unwrap());
}

#[tokio::test]
async fn a_code_that_waited_too_long_is_none() {
    let (store, _folder) = store().await;
    store
        .add_code(&hash(1), &acme(), "f", "yes", NOW_S + 60, NOW_S + 900)
        .await
        .unwrap();
    assert_eq!(
        store.use_code(&hash(1), NOW_S + 60).await.unwrap(),
        Code::Unknown
    );
}

#[tokio::test]
async fn of_many_that_use_a_refresh_token_at_once_one_finds_it_good() {
    let (store, _folder) = store().await;
    begin(&store, &acme(), "f").await;
    store
        .add_refresh(&hash(7), &acme(), "f", NOW_S + 100)
        .await
        .unwrap();
    let found = futures(&store, |s| async move {
        s.use_refresh(&hash(7), NOW_S).await.unwrap()
    })
    .await;
    let good = found.iter().filter(|r| matches!(r, Refresh::Good(_)));
    assert_eq!(good.count(), 1);
    let reused = found.iter().filter(|r| matches!(r, Refresh::Reused(_)));
    assert_eq!(reused.count(), found.len() - 1);
}

#[tokio::test]
async fn a_family_that_was_taken_back_takes_its_tokens_along_and_no_others() {
    let (store, _folder) = store().await;
    let globex = TenantId::parse("globex").unwrap();
    for of in [acme(), globex.clone()] {
        begin(&store, &of, "f").await;
        let id = format!("token-of-{of}");
        assert!(store.add_access(&of, "f", &id, NOW_S + 100).await.unwrap());
    }
    store
        .add_refresh(&hash(7), &acme(), "f", NOW_S + 100)
        .await
        .unwrap();
    let ended = store.revoke_family(&acme(), "f", NOW_S).await.unwrap();
    let expected = vec![RevokedToken {
        token_id: "token-of-acme".into(),
        expires_s: NOW_S + 100,
    }];
    assert_eq!(ended, expected);
    assert_eq!(store.revoked_tokens(NOW_S).await.unwrap(), expected);
    assert_eq!(
        store.use_refresh(&hash(7), NOW_S).await.unwrap(),
        Refresh::Unknown
    );
    let late = store
        .add_access(&acme(), "f", "late", NOW_S + 100)
        .await
        .unwrap();
    assert!(!late, "a token that was being made when the family ended");
    assert!(
        store
            .add_access(&globex, "f", "other", NOW_S + 100)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_client_takes_back_its_own_tokens_only() {
    let (store, _folder) = store().await;
    begin(&store, &acme(), "f").await;
    store
        .add_access(&acme(), "f", "t", NOW_S + 100)
        .await
        .unwrap();
    let foreign = store
        .revoke_access(&acme(), "other", "t", NOW_S)
        .await
        .unwrap();
    assert_eq!(foreign, None);
    let own = store
        .revoke_access(&acme(), "bot", "t", NOW_S)
        .await
        .unwrap();
    assert_eq!(own.map(|t| t.token_id), Some("t".into()));
}

#[tokio::test]
async fn a_device_is_slowed_down_and_told_once() {
    let (store, _folder) = store().await;
    let device = Device {
        client: "bot".into(),
        request: "{}".into(),
        expires_s: NOW_S + 600,
    };
    assert!(
        store
            .add_device(&hash(1), &hash(2), &device, 5, 10)
            .await
            .unwrap()
    );
    let poll = |at| store.poll_device(&HASH, "bot", at);
    const HASH: SecretHash = SecretHash([1; 32]);
    assert_eq!(
        poll(NOW_S).await.unwrap(),
        Poll::State(DeviceState::Pending)
    );
    assert_eq!(poll(NOW_S + 4).await.unwrap(), Poll::TooSoon);
    assert_eq!(
        poll(NOW_S + 10).await.unwrap(),
        Poll::TooSoon,
        "ten seconds now"
    );
    assert_eq!(
        store.poll_device(&HASH, "other", NOW_S + 50).await.unwrap(),
        Poll::Unknown
    );
    assert!(
        store
            .decide_device(&hash(2), Some("yes"), NOW_S + 20)
            .await
            .unwrap()
    );
    assert!(
        !store
            .decide_device(&hash(2), None, NOW_S + 21)
            .await
            .unwrap()
    );
    let approved = Poll::State(DeviceState::Approved("yes".into()));
    assert_eq!(poll(NOW_S + 30).await.unwrap(), approved);
    assert_eq!(poll(NOW_S + 60).await.unwrap(), Poll::Unknown);
}

#[tokio::test]
async fn waiting_devices_and_registrations_have_a_bound() {
    let (store, _folder) = store().await;
    let device = Device {
        client: "bot".into(),
        request: "{}".into(),
        expires_s: NOW_S + 600,
    };
    assert!(
        store
            .add_device(&hash(1), &hash(2), &device, 5, 1)
            .await
            .unwrap()
    );
    assert!(
        !store
            .add_device(&hash(3), &hash(4), &device, 5, 1)
            .await
            .unwrap()
    );
    assert!(
        store
            .register("a", "{}", NOW_S, NOW_S + 60, 1)
            .await
            .unwrap()
    );
    assert!(
        !store
            .register("b", "{}", NOW_S, NOW_S + 60, 1)
            .await
            .unwrap()
    );
    store.purge(NOW_S + 60).await.unwrap();
    assert!(
        store
            .register("b", "{}", NOW_S, NOW_S + 60, 1)
            .await
            .unwrap()
    );
}

#[tokio::test]
async fn a_link_is_used_once_and_an_account_is_found_in_its_tenant_only() {
    let (store, _folder) = store().await;
    let link = SetupLink {
        tenant: acme(),
        subject: Some(ada()),
        expires_s: NOW_S + 10,
    };
    store.add_link(&hash(1), &link).await.unwrap();
    assert_eq!(store.take_link(&hash(1), NOW_S).await.unwrap(), Some(link));
    assert_eq!(store.take_link(&hash(1), NOW_S).await.unwrap(), None);
    assert!(
        store
            .add_account(&acme(), &ada(), &["dev".into()], NOW_S)
            .await
            .unwrap()
    );
    assert!(
        !store
            .add_account(&acme(), &ada(), &[], NOW_S)
            .await
            .unwrap()
    );
    let globex = TenantId::parse("globex").unwrap();
    assert_eq!(store.account(&globex, &ada()).await.unwrap(), None);
    let found = store.account(&acme(), &ada()).await.unwrap().unwrap();
    assert_eq!(found.groups, ["dev"]);
}

#[tokio::test]
async fn what_may_happen_once_happens_once() {
    let (store, _folder) = store().await;
    let firsts = futures(&store, |s| async move {
        s.first(Once::Assertion, "client jti", NOW_S).await.unwrap()
    })
    .await;
    assert_eq!(firsts.into_iter().filter(|first| *first).count(), 1);
    assert!(
        store
            .first(Once::Consent, "client jti", NOW_S)
            .await
            .unwrap()
    );
}

/// Eight callers at the same time.
async fn futures<T: Send + 'static, F: Future<Output = T> + Send + 'static>(
    store: &Store,
    work: impl Fn(Store) -> F,
) -> Vec<T> {
    let tasks: Vec<_> = (0..8).map(|_| tokio::spawn(work(store.clone()))).collect();
    let mut results = Vec::new();
    for task in tasks {
        results.push(task.await.unwrap());
    }
    results
}

#[tokio::test]
async fn a_store_whose_file_was_taken_away_gives_no_sign_until_it_is_back() {
    let (store, folder) = store().await;
    let (path, aside) = (folder.path().join("cardea.db"), folder.path().join("aside"));
    store.beat().await.unwrap();
    fs::rename(&path, &aside).unwrap();
    let gone = store.beat().await.unwrap_err();
    assert!(matches!(gone, StoreError::Gone { .. }), "{gone}");
    assert!(matches!(
        store.change_access(&acme()).await,
        Err(StoreError::Gone { .. })
    ));
    fs::copy(&aside, &path).unwrap();
    let another = store.beat().await.unwrap_err();
    assert!(matches!(another, StoreError::Gone { .. }), "{another}");
    fs::rename(&aside, &path).unwrap();
    store.beat().await.unwrap();
}

#[tokio::test]
async fn what_is_read_or_taken_back_is_no_sign_of_the_store() {
    let (store, _folder) = store().await;
    let silent = Duration::from_millis(100);
    while store.silent_for() < silent {
        store.access_locks(&acme()).await.unwrap();
    }
    let mut change = store.change_access(&acme()).await.unwrap();
    let lock = cardea_domain::LockId::parse("l").unwrap();
    change.remove_lock(&lock).await.unwrap();
    drop(change);
    assert!(store.silent_for() >= silent);
    let begun = Instant::now();
    let change = store.change_access(&acme()).await.unwrap();
    change.commit().await.unwrap();
    assert!(store.silent_for() <= begun.elapsed());
}
