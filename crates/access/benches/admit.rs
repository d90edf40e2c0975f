//! What it costs to find a grant for a call, among few grants and among many; what many take to
//! load and to hold.
//!
//! `cargo bench -p cardea-access`. Compare within one run only.

#![allow(
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a bench that cannot run has nothing to say, and what it says is its output"
)]

use std::{
    fs,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::{Duration, Instant},
};

use cardea_access::{
    Access, Asker, BoundTo, Entitlement, Entitlements, Event, Journal, JournalDown, Justification,
    Kind, Moment, NewRequest, Pattern, Requesters, Resource, ResourceKind, Wanted,
};
use cardea_domain::{
    Action, ActorId, Clock, EntitlementId, GrantId, KeyBinding, Principal, RunId, RunSource,
    SubjectId, Target, TenantId, ToolName, UpstreamId,
};
use cardea_store::{Filter, GrantRow, Page, Store};
use divan::{Bencher, black_box};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const FEW: usize = 100;
const MANY: usize = 100_000;
const SIZES: [usize; 2] = [FEW, MANY];
const ARGUMENTS: &str = r#"{"path":"/srv/reports/2026/november.txt","encoding":"utf-8"}"#;

fn main() {
    for size in SIZES {
        house(size);
    }
    divan::main();
}

/// Any call of a person who has a grant for it, and of one who has none.
#[divan::bench(args = SIZES)]
fn admit_for_a_time(bencher: Bencher<'_, '_>, grants: usize) {
    let (house, call) = (house(grants), Call::of(grants / 2, "read_file"));
    bencher.bench_local(|| house.access.admit(black_box(&call.wanted())).unwrap());
}

#[divan::bench(args = SIZES)]
fn admit_one_exact_call(bencher: Bencher<'_, '_>, grants: usize) {
    let (house, call) = (house(grants), Call::of(grants / 2 + 1, "read_file"));
    bencher.bench_local(|| house.access.admit(black_box(&call.wanted())).unwrap());
}

#[divan::bench(args = SIZES)]
fn find_none(bencher: Bencher<'_, '_>, grants: usize) {
    let (house, call) = (house(grants), Call::of(grants / 2, "write_file"));
    bencher.bench_local(|| house.access.admit(black_box(&call.wanted())).unwrap_err());
}

/// Access with so many active grants, of as many people: for a time and for one call in turn.
struct House {
    access: Arc<Access>,
    _folder: TempDir,
    _runtime: Runtime,
}

fn house(grants: usize) -> &'static House {
    static HOUSES: [OnceLock<House>; 2] = [const { OnceLock::new() }; 2];
    let [few, many] = &HOUSES;
    let house = if grants == FEW { few } else { many };
    house.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let folder = TempDir::new().unwrap();
        let access = runtime.block_on(filled(&folder, grants));
        House {
            access,
            _folder: folder,
            _runtime: runtime,
        }
    })
}

async fn filled(folder: &TempDir, grants: usize) -> Arc<Access> {
    let store = Store::open(&folder.path().join("cardea.db")).await.unwrap();
    let first = open(&store).await;
    let mut patterns = Vec::new();
    for kind in [Kind::Time, Kind::Once] {
        patterns.push(granted(&first, &store, kind).await);
    }
    let mut change = store.change_access(&tenant()).await.unwrap();
    for (n, pattern) in (0..grants).zip(patterns.iter().cycle()) {
        let row = GrantRow {
            grant: GrantId::parse(&format!("g-{n:09}")).unwrap(),
            subject: subject(n),
            ..pattern.clone()
        };
        change.add_grant(&row).await.unwrap();
    }
    change.commit().await.unwrap();
    drop(first);
    let (begun, before) = (Instant::now(), resident_kib());
    let access = open(&store).await;
    eprintln!(
        "{grants} grants: loaded in {:?}, {} KiB more",
        begun.elapsed(),
        resident_kib().saturating_sub(before)
    );
    access
}

async fn open(store: &Store) -> Arc<Access> {
    let access = Access::open(store.clone(), tenant(), Clock::system(), Arc::new(Nowhere))
        .await
        .unwrap();
    // Nobody gives a sign of the store here.
    access.set_staleness_max(Duration::MAX);
    access
}

/// The row of a grant that was asked for and approved.
async fn granted(access: &Arc<Access>, store: &Store, kind: Kind) -> GrantRow {
    let entitlements = Entitlements::new(vec![entitlement()]).unwrap();
    let call = Call::of(usize::MAX, "read_file");
    let new = NewRequest {
        asker: Asker::agent(&call.principal),
        moment: Moment::Call,
        action: Action::CallTool,
        upstream: &call.upstream,
        target: &call.target,
        kind: Some(kind),
        arguments: Some(ARGUMENTS),
        constraint: None,
        duration: None,
        calls_max: None,
        tool_digest: Some([1; 32]),
        policies: [2; 32],
        reason: None,
        ticket: None,
        model: None,
        client: None,
        extends: None,
    };
    let request = access.ask(&entitlements, &new).await.unwrap();
    let after = access
        .approve_automatically(&entitlements, &request.id, "bench")
        .await
        .unwrap();
    let newest = Page {
        after: None,
        rows_max: 10,
    };
    let rows = store
        .access_grants(&tenant(), &Filter::default(), &newest)
        .await
        .unwrap();
    let mut rows = rows.into_iter();
    rows.find(|row| Some(&row.grant) == after.state.grant())
        .unwrap()
}

fn entitlement() -> Entitlement {
    let any = || Pattern::parse("*").unwrap();
    Entitlement {
        id: EntitlementId::parse("files").unwrap(),
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
        constraint: None,
        kinds: vec![Kind::Time, Kind::Once],
        duration_max: Duration::from_secs(24 * 3600),
        calls_max: None,
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

/// A call, as the gateway has it in hand.
struct Call {
    principal: Principal,
    upstream: UpstreamId,
    target: Target,
}

impl Call {
    fn of(n: usize, tool: &str) -> Self {
        Self {
            principal: Principal {
                tenant: tenant(),
                subject: subject(n),
                actor: ActorId::parse("bot").unwrap(),
                run: RunId::parse("run-1").unwrap(),
                run_source: RunSource::Token,
                standing: Arc::default(),
                binding: KeyBinding::NONE,
                groups: Arc::from([]),
                task: None,
                chain: Arc::from([]),
            },
            upstream: UpstreamId::parse("files").unwrap(),
            target: Target::Tool(ToolName::parse(tool).unwrap()),
        }
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            principal: &self.principal,
            action: Action::CallTool,
            upstream: &self.upstream,
            target: &self.target,
            arguments: Some(ARGUMENTS),
            tool_digest: Some([1; 32]),
            policies: [2; 32],
        }
    }
}

fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

fn subject(n: usize) -> SubjectId {
    SubjectId::parse(&format!("person-{n}")).unwrap()
}

/// What a bench has to record.
struct Nowhere;

impl Journal for Nowhere {
    fn record<'a>(
        &'a self,
        _: &'a Event<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), JournalDown>> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(())))
    }
}

fn resident_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find(|line| line.starts_with("VmRSS:"));
    let number = line.and_then(|line| line.split_whitespace().nth(1));
    number.and_then(|n| n.parse().ok()).unwrap_or(0)
}
