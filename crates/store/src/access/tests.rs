use cardea_domain::{
    ActorId, EntitlementId, GrantId, LockId, RequestId, RunId, SubjectId, TenantId, UpstreamId,
};
use tempfile::TempDir;

use super::*;

const NOW_MS: u64 = 1_795_000_000_000;

async fn store() -> (Store, TempDir) {
    let folder = TempDir::new().unwrap();
    let store = Store::open(&folder.path().join("cardea.db")).await.unwrap();
    (store, folder)
}

fn acme() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn request(id: &str) -> RequestRow {
    RequestRow {
        request: RequestId::parse(id).unwrap(),
        state: "pending".into(),
        entitlement: EntitlementId::parse("e").unwrap(),
        subject: SubjectId::parse("ada").unwrap(),
        actor: ActorId::parse("bot").unwrap(),
        upstream: UpstreamId::parse("files").unwrap(),
        target: "Tool read".into(),
        record: "{}".into(),
        grant: None,
        created_ms: NOW_MS,
        expires_ms: NOW_MS + 1000,
    }
}

fn grant(id: &str, calls_max: Option<u64>) -> GrantRow {
    GrantRow {
        grant: GrantId::parse(id).unwrap(),
        request: RequestId::parse("r").unwrap(),
        entitlement: EntitlementId::parse("e").unwrap(),
        subject: SubjectId::parse("ada").unwrap(),
        actor: ActorId::parse("bot").unwrap(),
        run: Some(RunId::parse("run").unwrap()),
        upstream: UpstreamId::parse("files").unwrap(),
        target: "Tool read".into(),
        record: "{}".into(),
        calls_max,
        calls_used: 0,
        bytes_max: None,
        bytes_used: 0,
        open_calls: 0,
        starts_ms: NOW_MS,
        expires_ms: NOW_MS + 1000,
        ended_ms: None,
        end_reason: None,
    }
}

async fn give(store: &Store, of: &TenantId, row: &GrantRow) {
    let mut change = store.change_access(of).await.unwrap();
    change.add_grant(row).await.unwrap();
    change.commit().await.unwrap();
}

#[tokio::test]
async fn a_change_that_is_not_committed_never_was() {
    let (store, _folder) = store().await;
    let mut change = store.change_access(&acme()).await.unwrap();
    change.add_request(&request("r")).await.unwrap();
    change.add_grant(&grant("g", None)).await.unwrap();
    drop(change);
    let id = RequestId::parse("r").unwrap();
    assert_eq!(store.access_request(&acme(), &id).await.unwrap(), None);
    let id = GrantId::parse("g").unwrap();
    assert_eq!(store.access_grant(&acme(), &id).await.unwrap(), None);
}

#[tokio::test]
async fn what_is_written_is_what_is_read_by_its_tenant_alone() {
    let (store, _folder) = store().await;
    let globex = TenantId::parse("globex").unwrap();
    give(&store, &acme(), &grant("g", Some(2))).await;
    let id = GrantId::parse("g").unwrap();
    let read = store.access_grant(&acme(), &id).await.unwrap();
    assert_eq!(read, Some(grant("g", Some(2))));
    assert_eq!(store.access_grant(&globex, &id).await.unwrap(), None);
    assert!(!store.use_grant(&globex, &id, NOW_MS).await.unwrap());
    let mut change = store.change_access(&globex).await.unwrap();
    change.end_grant(&id, "revoked", NOW_MS).await.unwrap();
    change.commit().await.unwrap();
    assert!(store.use_grant(&acme(), &id, NOW_MS).await.unwrap());
}

#[tokio::test]
async fn uses_of_a_grant_are_counted_exactly_until_it_ends() {
    let (store, _folder) = store().await;
    give(&store, &acme(), &grant("g", Some(3))).await;
    let tasks: Vec<_> = (0..20)
        .map(|_| {
            let store = store.clone();
            let id = GrantId::parse("g").unwrap();
            tokio::spawn(async move { store.use_grant(&acme(), &id, NOW_MS).await.unwrap() })
        })
        .collect();
    let mut used = 0;
    for task in tasks {
        used += usize::from(task.await.unwrap());
    }
    assert_eq!(used, 3);
    for row in ["late", "ended"] {
        give(&store, &acme(), &grant(row, None)).await;
    }
    let late = GrantId::parse("late").unwrap();
    assert!(
        !store
            .use_grant(&acme(), &late, NOW_MS + 1000)
            .await
            .unwrap()
    );
    let ended = GrantId::parse("ended").unwrap();
    let mut change = store.change_access(&acme()).await.unwrap();
    change.end_grant(&ended, "revoked", NOW_MS).await.unwrap();
    change.commit().await.unwrap();
    assert!(!store.use_grant(&acme(), &ended, NOW_MS).await.unwrap());
}

#[tokio::test]
async fn an_approver_counts_once_and_a_request_ends_once() {
    let (store, _folder) = store().await;
    let row = |position| ApprovalRow {
        request: RequestId::parse("r").unwrap(),
        approver: "person grace".into(),
        position,
        record: "{}".into(),
        decided_ms: NOW_MS,
    };
    let mut change = store.change_access(&acme()).await.unwrap();
    change.add_request(&request("r")).await.unwrap();
    change.add_approval(&row(0)).await.unwrap();
    // What somebody says later stands in the place of what they said before.
    change.add_approval(&row(1)).await.unwrap();
    let id = RequestId::parse("r").unwrap();
    assert!(
        change
            .end_request(&id, "refused", None, NOW_MS)
            .await
            .unwrap()
    );
    assert!(
        !change
            .end_request(&id, "approved", None, NOW_MS)
            .await
            .unwrap()
    );
    change.commit().await.unwrap();
    let approvals = store.access_approvals(&acme(), &id).await.unwrap();
    assert_eq!(approvals, [row(1)]);
    store.purge_access(&acme(), NOW_MS + 1).await.unwrap();
    assert_eq!(store.access_request(&acme(), &id).await.unwrap(), None);
}

#[tokio::test]
async fn a_lock_is_there_until_it_is_lifted() {
    let (store, _folder) = store().await;
    let row = LockRow {
        lock: LockId::parse("l").unwrap(),
        scope: "\"tenant\"".into(),
        reason: "an incident".into(),
        set_by: "grace".into(),
        set_ms: NOW_MS,
        expires_ms: Some(NOW_MS + 5),
    };
    let mut change = store.change_access(&acme()).await.unwrap();
    change.add_lock(&row).await.unwrap();
    change.commit().await.unwrap();
    let read = store.access_locks(&acme()).await.unwrap();
    assert_eq!(read, std::slice::from_ref(&row));
    let mut change = store.change_access(&acme()).await.unwrap();
    assert!(change.remove_lock(&row.lock).await.unwrap());
    assert!(!change.remove_lock(&row.lock).await.unwrap());
    change.commit().await.unwrap();
    assert!(store.access_locks(&acme()).await.unwrap().is_empty());
}

#[tokio::test]
async fn requests_of_late_are_counted_for_one_agent_of_one_person_in_one_tenant() {
    let (store, _folder) = store().await;
    let other = TenantId::parse("globex").unwrap();
    let row = |id: &str, state: &str, target: &str| RequestRow {
        state: state.into(),
        target: target.into(),
        ..request(id)
    };
    let of_bob = RequestRow {
        subject: SubjectId::parse("bob").unwrap(),
        ..row("r-5", "refused", "Tool read")
    };
    let mut change = store.change_access(&acme()).await.unwrap();
    for one in [
        row("r-1", "refused", "Tool read"),
        row("r-2", "refused", "Tool read"),
        row("r-3", "approved", "Tool read"),
        row("r-4", "refused", "Tool write"),
        of_bob,
    ] {
        change.add_request(&one).await.unwrap();
    }
    change.commit().await.unwrap();
    let (ada, bot) = (request("r").subject, request("r").actor);
    let count = async |of: &TenantId, from: &str| {
        let counted = store.count_access_requests(of, &ada, &bot, from).await;
        let mut counted: Vec<_> = counted
            .unwrap()
            .into_iter()
            .map(|c| (c.target, c.state, c.count))
            .collect();
        counted.sort();
        counted
    };
    let line = |target: &str, state: &str, n| (target.to_owned(), state.to_owned(), n);
    assert_eq!(
        count(&acme(), "r-2").await,
        [
            line("Tool read", "approved", 1),
            line("Tool read", "refused", 1),
            line("Tool write", "refused", 1),
        ]
    );
    assert_eq!(count(&other, "r-0").await, []);
}

#[tokio::test]
async fn a_notice_is_known_to_the_receiver_that_took_it_until_it_is_old() {
    let (store, _folder) = store().await;
    let of = acme();
    store.add_notice(&of, "ops", "n", NOW_MS).await.unwrap();
    store.add_notice(&of, "ops", "n", NOW_MS).await.unwrap();
    assert!(store.has_notice(&of, "ops", "n").await.unwrap());
    assert!(!store.has_notice(&of, "siem", "n").await.unwrap());
    let other = TenantId::parse("globex").unwrap();
    assert!(!store.has_notice(&other, "ops", "n").await.unwrap());
    store.purge_access(&of, NOW_MS + 1).await.unwrap();
    assert!(!store.has_notice(&of, "ops", "n").await.unwrap());
}

#[tokio::test]
async fn a_list_has_what_its_onlooker_may_see_and_nothing_else() {
    let (store, _folder) = store().await;
    let entitlement = |id: &str| EntitlementId::parse(id).unwrap();
    let subject = |name: &str| SubjectId::parse(name).unwrap();
    let mut change = store.change_access(&acme()).await.unwrap();
    for (id, who, under) in [("r1", "ada", "e"), ("r2", "bob", "f"), ("r3", "carol", "g")] {
        let row = RequestRow {
            subject: subject(who),
            entitlement: entitlement(under),
            ..request(id)
        };
        change.add_request(&row).await.unwrap();
        let row = GrantRow {
            request: row.request,
            subject: row.subject,
            entitlement: row.entitlement,
            ..grant(&format!("g{id}"), None)
        };
        change.add_grant(&row).await.unwrap();
    }
    let said = ApprovalRow {
        request: RequestId::parse("r3").unwrap(),
        approver: "person linus".into(),
        position: 0,
        record: "{}".into(),
        decided_ms: NOW_MS,
    };
    change.add_approval(&said).await.unwrap();
    change.commit().await.unwrap();
    for (who, under, seen) in [
        ("ada", &[][..], &["r1"][..]),
        ("linus", &[], &["r3"]),
        ("linus", &["f"], &["r3", "r2"]),
        ("bob", &["e", "g"], &["r3", "r2", "r1"]),
        ("eve", &[], &[]),
        ("eve", &["h"], &[]),
    ] {
        let filter = Filter {
            onlooker: Some(Onlooker {
                subject: subject(who),
                approver: format!("person {who}"),
                entitlements: under.iter().map(|id| entitlement(id)).collect(),
            }),
            ..Filter::default()
        };
        let all = Page {
            after: None,
            rows_max: 10,
        };
        let rows = store.access_requests(&acme(), &filter, &all).await.unwrap();
        let names: Vec<_> = rows.iter().map(|row| row.request.as_str()).collect();
        assert_eq!(names, seen, "{who} {under:?}");
        let rows = store.access_grants(&acme(), &filter, &all).await.unwrap();
        let names: Vec<_> = rows.iter().map(|row| row.request.as_str()).collect();
        assert_eq!(names, seen, "{who} {under:?}");
        let next = Page {
            after: seen.first().map(ToString::to_string),
            rows_max: 1,
        };
        let rows = store
            .access_requests(&acme(), &filter, &next)
            .await
            .unwrap();
        let names: Vec<_> = rows.iter().map(|row| row.request.as_str()).collect();
        assert_eq!(
            names,
            seen.get(1..)
                .unwrap_or_default()
                .iter()
                .copied()
                .take(1)
                .collect::<Vec<_>>()
        );
    }
}
