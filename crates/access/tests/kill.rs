//! A process that is killed in the midst of counting has doubled nothing and lost next to nothing.
//!
//! The process is this one again, as a child: it uses a grant as fast as it can, and says so after
//! each call that began.

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a failed test is a panic, and what the child has to say goes to its output"
)]

use std::{
    env,
    io::{BufRead, BufReader},
    path::Path,
    pin::Pin,
    process::{Command, Stdio},
    sync::Arc,
    time::Duration,
};

use cardea_access::{
    Access, Asker, BoundTo, Entitlement, Entitlements, Event, Filter, Journal, JournalDown,
    Justification, Kind, Moment, NewRequest, Page, Pattern, Requesters, Resource, ResourceKind,
    Wanted,
};
use cardea_domain::{
    Action, ActorId, Clock, EntitlementId, KeyBinding, Principal, RunId, RunSource, SubjectId,
    Target, TenantId, ToolName, UpstreamId,
};
use cardea_store::Store;
use tempfile::TempDir;

/// Where the child finds the store.
const FOLDER: &str = "CARDEA_TEST_FOLDER";

/// Calls that the child has under way at a time.
const AT_ONCE: u64 = 300;

/// What the tool is that every call names.
const TOOL: [u8; 32] = [1; 32];

/// How many kills; the whole run (`make eval-model`) makes more.
fn kills() -> u64 {
    let given = env::var("CARDEA_KILLS").ok();
    given.and_then(|kills| kills.parse().ok()).unwrap_or(5)
}

#[tokio::test]
async fn one_call_happens_once_though_the_process_is_killed_in_its_midst() {
    for _ in 0..kills() {
        let folder = TempDir::new().unwrap();
        grant(folder.path(), Kind::Once).await;
        let begun = use_and_kill(folder.path(), 1);
        let access = open(folder.path()).await;
        let after = use_up(&access).await;
        assert_eq!((begun, after), (1, 0));
    }
}

#[tokio::test]
async fn a_number_of_calls_stays_that_number_though_the_process_is_killed_again_and_again() {
    let folder = TempDir::new().unwrap();
    let calls = grant(folder.path(), Kind::Calls).await;
    let mut begun = 0;
    for round in 1..=5 {
        begun += use_and_kill(folder.path(), 20 * round);
        let access = open(folder.path()).await;
        let newest = Page {
            after: None,
            rows_max: 1,
        };
        let grants = access.grants(&Filter::default(), &newest).await.unwrap();
        let counted = grants.first().unwrap().calls_used;
        assert!(begun <= counted, "{begun} began and {counted} are counted");
        assert!(counted <= calls);
    }
    let access = open(folder.path()).await;
    let after = use_up(&access).await;
    assert!(begun + after <= calls, "{begun} and {after} of {calls}");
    assert!(after > 0, "the kills have used it all");
}

/// Not a test: what the parent kills.
#[tokio::test]
#[ignore = "run by the others as a process of its own"]
async fn child() {
    let Some(folder) = env::var_os(FOLDER) else {
        return;
    };
    let access = open(Path::new(&folder)).await;
    let calls: Vec<_> = (0..AT_ONCE)
        .map(|_| {
            let access = Arc::clone(&access);
            tokio::spawn(async move {
                let call = Call::new();
                let admission = access.admit(&call.wanted()).ok()?;
                let granted = access.consume(admission).await.ok()?;
                println!("begun");
                Some(granted)
            })
        })
        .collect();
    let mut under_way = Vec::new();
    for call in calls {
        under_way.extend(call.await.unwrap());
    }
    println!("all");
    std::future::pending::<()>().await;
}

/// Lets the child begin so many calls and kills it; returns how many began before it was dead.
fn use_and_kill(folder: &Path, calls: u64) -> u64 {
    let mut child = Command::new(env::current_exe().unwrap())
        .args(["--exact", "child", "--ignored", "--nocapture"])
        .env(FOLDER, folder)
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut begun = 0;
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    for line in lines {
        let line = line.unwrap();
        // What the test harness writes may stand before it in the line.
        begun += u64::from(line.ends_with("begun"));
        if begun == calls || line.ends_with("all") {
            child.kill().unwrap();
        }
    }
    child.wait().unwrap();
    begun
}

/// Uses what is left; returns how much that was.
async fn use_up(access: &Arc<Access>) -> u64 {
    let call = Call::new();
    let mut used = 0;
    while let Ok(admission) = access.admit(&call.wanted()) {
        match access.consume(admission).await {
            Ok(_) => used += 1,
            Err(error) => panic!("{error}"),
        }
    }
    used
}

/// Asked for and approved; returns how many calls it is for.
async fn grant(folder: &Path, kind: Kind) -> u64 {
    let access = open(folder).await;
    let entitlements = Entitlements::new(vec![entitlement(kind)]).unwrap();
    let call = Call::new();
    let new = NewRequest {
        asker: Asker::agent(&call.principal),
        moment: Moment::Call,
        action: Action::CallTool,
        upstream: &call.upstream,
        target: &call.target,
        kind: Some(kind),
        arguments: Some("{}"),
        constraint: None,
        duration: None,
        calls_max: None,
        tool_digest: Some(TOOL),
        policies: [0; 32],
        reason: None,
        ticket: None,
        model: None,
        client: None,
        extends: None,
    };
    let request = access.ask(&entitlements, &new).await.unwrap();
    access
        .approve_automatically(&entitlements, &request.id, "test")
        .await
        .unwrap();
    request.terms.calls_max.unwrap()
}

async fn open(folder: &Path) -> Arc<Access> {
    let store = Store::open(&folder.join("cardea.db")).await.unwrap();
    let tenant = TenantId::parse("acme").unwrap();
    let access = Access::open(store, tenant, Clock::system(), Arc::new(Nowhere))
        .await
        .unwrap();
    // Nobody gives a sign of the store here.
    access.set_staleness_max(Duration::MAX);
    access
}

fn entitlement(kind: Kind) -> Entitlement {
    let any = || Pattern::parse("*").unwrap();
    Entitlement {
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
        constraint: None,
        kinds: vec![kind],
        duration_max: Duration::from_secs(3600),
        calls_max: Some(6 * AT_ONCE),
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

struct Call {
    principal: Principal,
    upstream: UpstreamId,
    target: Target,
}

impl Call {
    fn new() -> Self {
        Self {
            principal: Principal {
                tenant: TenantId::parse("acme").unwrap(),
                subject: SubjectId::parse("ada").unwrap(),
                actor: ActorId::parse("bot").unwrap(),
                run: RunId::parse("run").unwrap(),
                run_source: RunSource::Token,
                standing: Arc::default(),
                binding: KeyBinding::NONE,
                groups: Arc::from([]),
                task: None,
                chain: Arc::from([]),
            },
            upstream: UpstreamId::parse("files").unwrap(),
            target: Target::Tool(ToolName::parse("send").unwrap()),
        }
    }

    fn wanted(&self) -> Wanted<'_> {
        Wanted {
            principal: &self.principal,
            action: Action::CallTool,
            upstream: &self.upstream,
            target: &self.target,
            arguments: Some("{}"),
            tool_digest: Some(TOOL),
            policies: [0; 32],
        }
    }
}

/// What this test does not look at.
struct Nowhere;

impl Journal for Nowhere {
    fn record<'a>(
        &'a self,
        _: &'a Event<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), JournalDown>> + Send + 'a>> {
        Box::pin(std::future::ready(Ok(())))
    }
}
