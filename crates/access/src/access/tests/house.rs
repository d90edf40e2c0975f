//! A tenant with people, an agent, and things to ask for.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use cardea_domain::{
    Action, ActorId, Clock, EntitlementId, KeyBinding, Principal, RequestId, RunId, RunSource,
    SubjectId, Target, TenantId, ToolName, UpstreamId,
};
use cardea_store::Store;
use parking_lot::Mutex;
use tempfile::TempDir;

use crate::{
    Access, AccessRequest, Approver, AskRefused, Asker, BoundTo, DecideRefused, Decision,
    Entitlement, Entitlements, Event, Journal, JournalDown, Justification, Kind, Moment, Narrowing,
    Need, NewRequest, Pattern, Requesters, Resource, ResourceKind, Stage, Verdict, Wanted,
};

pub(super) const START_MS: u64 = 1_795_000_000_000;
pub(super) const TOOL: [u8; 32] = [7; 32];
pub(super) const POLICIES: [u8; 32] = [9; 32];
pub(super) const ARGUMENTS: &str = r#"{"path":"/srv/a.txt"}"#;

/// One tenant's access over a store of its own.
pub(super) struct House {
    pub(super) access: Arc<Access>,
    pub(super) entitlements: Entitlements,
    pub(super) clock: Clock,
    pub(super) log: Arc<Log>,
    pub(super) store: Store,
    pub(super) folder: TempDir,
}

impl House {
    pub(super) async fn new() -> Self {
        Self::with(vec![entitlement(
            "files",
            &[Kind::Time, Kind::Calls, Kind::Once],
        )])
        .await
    }

    pub(super) async fn with(entitlements: Vec<Entitlement>) -> Self {
        Self::open(entitlements, Clock::manual(START_MS)).await
    }

    pub(super) async fn at(clock: Clock) -> Self {
        Self::open(vec![entitlement("files", &[Kind::Time])], clock).await
    }

    async fn open(entitlements: Vec<Entitlement>, clock: Clock) -> Self {
        let folder = TempDir::new().unwrap();
        let store = Store::open(&folder.path().join("cardea.db")).await.unwrap();
        let log = Arc::new(Log::default());
        let access = open(&store, &clock, &log).await;
        Self {
            access,
            entitlements: Entitlements::new(entitlements).unwrap(),
            clock,
            log,
            store,
            folder,
        }
    }

    /// The process ends without a word and another one begins.
    pub(super) async fn crash(&mut self) {
        self.store.close().await;
        self.store = Store::open(&self.folder.path().join("cardea.db"))
            .await
            .unwrap();
        self.access = open(&self.store, &self.clock, &self.log).await;
    }

    pub(super) fn turn(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
    }

    pub(super) async fn ask(&self, wish: &Wish) -> Result<Arc<AccessRequest>, AskRefused> {
        self.access.ask(&self.entitlements, &wish.request()).await
    }

    pub(super) async fn approve(&self, id: &RequestId) -> Result<AccessRequest, DecideRefused> {
        self.decide(id, "grace", yes()).await
    }

    pub(super) async fn decide(
        &self,
        id: &RequestId,
        approver: &str,
        decision: Decision,
    ) -> Result<AccessRequest, DecideRefused> {
        let subject = subject(approver);
        let approver = Approver {
            subject: &subject,
            groups: &[],
            is_person: true,
            program: None,
        };
        self.access
            .decide(&self.entitlements, id, approver, &decision)
            .await
    }

    /// Asked and approved.
    pub(super) async fn grant(&self, wish: &Wish) -> cardea_domain::GrantId {
        let request = self.ask(wish).await.unwrap();
        let after = self.approve(&request.id).await.unwrap();
        after.state.grant().unwrap().clone()
    }
}

async fn open(store: &Store, clock: &Clock, log: &Arc<Log>) -> Arc<Access> {
    let journal: Arc<dyn Journal> = Arc::<Log>::clone(log);
    Access::open(store.clone(), tenant(), clock.clone(), journal)
        .await
        .unwrap()
}

/// Remembers what was recorded, and can be told to fail.
#[derive(Debug)]
pub(super) struct Log {
    names: Mutex<Vec<String>>,
    is_down: AtomicBool,
    /// How many are written before it is down.
    left: AtomicUsize,
    is_stuck: AtomicBool,
}

impl Default for Log {
    fn default() -> Self {
        Self {
            names: Mutex::default(),
            is_down: AtomicBool::new(false),
            left: AtomicUsize::new(usize::MAX),
            is_stuck: AtomicBool::new(false),
        }
    }
}

impl Log {
    /// Fails once this many more are written.
    pub(super) fn fail_after(&self, left: usize) {
        self.left.store(left, Ordering::SeqCst);
    }

    pub(super) fn fail(&self, is_down: bool) {
        self.is_down.store(is_down, Ordering::SeqCst);
    }

    /// Never answers from now on.
    pub(super) fn stick(&self) {
        self.is_stuck.store(true, Ordering::SeqCst);
    }

    pub(super) fn names(&self) -> Vec<String> {
        self.names.lock().clone()
    }
}

impl Journal for Log {
    fn record<'a>(
        &'a self,
        event: &'a Event<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), JournalDown>> + Send + 'a>> {
        Box::pin(async move {
            tokio::task::yield_now().await;
            if self.is_stuck.load(Ordering::SeqCst) {
                std::future::pending::<()>().await;
            }
            if self.is_down.load(Ordering::SeqCst) || self.left.load(Ordering::SeqCst) == 0 {
                return Err(JournalDown);
            }
            self.left.fetch_sub(1, Ordering::SeqCst);
            self.names.lock().push(event.name.to_owned());
            Ok(())
        })
    }
}

/// What an agent wants, in every field that a grant may be bound to.
#[derive(Debug, Clone)]
pub(super) struct Wish {
    pub(super) principal: Principal,
    pub(super) action: Action,
    pub(super) upstream: UpstreamId,
    pub(super) target: Target,
    pub(super) kind: Kind,
    pub(super) arguments: Option<String>,
    pub(super) duration: Option<Duration>,
    pub(super) calls_max: Option<u64>,
    pub(super) tool_digest: Option<[u8; 32]>,
    pub(super) policies: [u8; 32],
    pub(super) extends: Option<cardea_domain::GrantId>,
}

impl Wish {
    pub(super) fn of(kind: Kind) -> Self {
        Self {
            principal: principal("ada", "bot", "run-1"),
            action: Action::CallTool,
            upstream: UpstreamId::parse("files").unwrap(),
            target: tool("read_file"),
            kind,
            arguments: Some(ARGUMENTS.to_owned()),
            duration: None,
            calls_max: None,
            tool_digest: Some(TOOL),
            policies: POLICIES,
            extends: None,
        }
    }

    pub(super) fn request(&self) -> NewRequest<'_> {
        NewRequest {
            asker: Asker::agent(&self.principal),
            moment: Moment::Call,
            action: self.action,
            upstream: &self.upstream,
            target: &self.target,
            kind: Some(self.kind),
            arguments: self.arguments.as_deref(),
            constraint: None,
            duration: self.duration,
            calls_max: self.calls_max,
            tool_digest: self.tool_digest,
            policies: self.policies,
            reason: None,
            ticket: None,
            model: None,
            client: None,
            extends: self.extends.as_ref(),
        }
    }

    pub(super) fn wanted(&self) -> Wanted<'_> {
        Wanted {
            principal: &self.principal,
            action: self.action,
            upstream: &self.upstream,
            target: &self.target,
            arguments: self.arguments.as_deref(),
            tool_digest: self.tool_digest,
            policies: self.policies,
        }
    }
}

/// Everything that ada and bot may ask for on `files`, decided by grace or linus.
pub(super) fn entitlement(id: &str, kinds: &[Kind]) -> Entitlement {
    Entitlement {
        id: EntitlementId::parse(id).unwrap(),
        description: None,
        requesters: Requesters {
            subjects: vec![Pattern::parse("*").unwrap()],
            ..Requesters::default()
        },
        resources: [
            ResourceKind::Tool,
            ResourceKind::Resource,
            ResourceKind::Prompt,
        ]
        .map(|kind| Resource {
            upstream: Pattern::parse("*").unwrap(),
            kind,
            name: Pattern::parse("*").unwrap(),
        })
        .into(),
        constraint: None,
        kinds: kinds.to_vec(),
        duration_max: Duration::from_secs(600),
        calls_max: Some(3),
        bytes_max: None,
        rate: None,
        stages: vec![Stage {
            need: Need::Any,
            users: vec![subject("grace"), subject("linus")],
            groups: Vec::new(),
        }],
        second_person: true,
        bound_to: BoundTo::Run,
        hidden: false,
        justification: Justification::default(),
        hold: None,
    }
}

pub(super) fn yes() -> Decision {
    Decision {
        verdict: Verdict::Approve,
        reason: None,
        narrowing: Narrowing::default(),
    }
}

pub(super) fn no() -> Decision {
    Decision {
        verdict: Verdict::Refuse,
        ..yes()
    }
}

pub(super) fn tenant() -> TenantId {
    TenantId::parse("acme").unwrap()
}

pub(super) fn subject(name: &str) -> SubjectId {
    SubjectId::parse(name).unwrap()
}

pub(super) fn tool(name: &str) -> Target {
    Target::Tool(ToolName::parse(name).unwrap())
}

pub(super) fn principal(who: &str, actor: &str, run: &str) -> Principal {
    Principal {
        tenant: tenant(),
        subject: subject(who),
        actor: ActorId::parse(actor).unwrap(),
        run: RunId::parse(run).unwrap(),
        run_source: RunSource::Token,
        standing: Arc::default(),
        binding: KeyBinding::NONE,
        groups: Arc::from([]),
        task: None,
        chain: Arc::from([]),
    }
}
