//! What a decision costs with its context: 200 policies and 10,000 active grants, a call with arguments.
//!
//! `cargo bench -p cardea-gateway`. Compare within one run only.

#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot run has nothing to say"
)]

use std::{
    fmt::Write as _,
    pin::Pin,
    sync::{Arc, OnceLock},
    time::Duration,
};

use cardea_access::{
    Access, Asker, BoundTo, Entitlement, Entitlements, Event, Journal, JournalDown, Justification,
    Kind, NewRequest, Pattern, Requesters, Resource, ResourceKind, Wanted,
};
use cardea_domain::{
    Action, ActorId, Clock, EntitlementId, GrantId, KeyBinding, Principal, RunId, RunSource,
    SubjectId, Target, TenantId, ToolName, UpstreamId,
};
use cardea_policy::{Flow, Given, KnownNames, Moment, Policies, PolicyFile, Question, Tools};
use cardea_store::{Filter, Page, Store};
use divan::{Bencher, black_box};
use tempfile::TempDir;
use tokio::runtime::Runtime;

const POLICIES: usize = 200;
const GRANTS: usize = 10_000;
const UPSTREAMS: usize = 10;

const ARGUMENTS: &str =
    r#"{"path":"/srv/reports/2026/november.txt","encoding":"utf-8","lines":20,"follow":false}"#;
const DEFINITION: &str = r#"{"name":"read_file","inputSchema":{"type":"object","properties":{
    "path":{"type":"string"},"encoding":{"type":"string"},"lines":{"type":"integer"},"follow":{"type":"boolean"}},
    "required":["path"]}}"#;

fn main() {
    house();
    divan::main();
}

/// The arguments are read, the question and its context are made, one of the policies permits it.
#[divan::bench]
fn permitted_by_a_policy_on_arguments(bencher: Bencher<'_, '_>) {
    let house = house();
    let (who, definition) = (person(0, &["team-0"]), Arc::from(DEFINITION));
    assert!(house.policies.decide(question(&who, &definition)).is_ok());
    bencher.bench_local(|| {
        let question = question(black_box(&who), &definition);
        house.policies.decide(question).unwrap()
    });
}

/// No policy permits it, after all have been asked about the arguments; a grant does.
#[divan::bench]
fn permitted_by_a_grant(bencher: Bencher<'_, '_>) {
    let house = house();
    let (who, definition) = (person(GRANTS / 2, &[]), Arc::from(DEFINITION));
    bencher.bench_local(|| {
        let question = question(black_box(&who), &definition);
        let refusal = house.policies.decide(question).unwrap_err();
        assert!(refusal.lacks_a_permit_only());
        let question = refusal.question();
        let wanted = Wanted {
            principal: &who,
            action: question.action(),
            upstream: question.upstream(),
            target: question.target(),
            arguments: Some(ARGUMENTS),
            tool_digest: Some([1; 32]),
            policies: [2; 32],
        };
        house.access.admit(&wanted).unwrap()
    });
}

/// A policy forbids it by the argument.
#[divan::bench]
fn forbidden_by_a_policy_on_arguments(bencher: Bencher<'_, '_>) {
    let house = house();
    let (who, definition) = (person(0, &["team-0"]), Arc::from(DEFINITION));
    let given = Given {
        value: Arc::new(serde_json::json!({"path": "/etc/shadow"})),
        definition: Some(Arc::clone(&definition)),
    };
    bencher.bench_local(|| {
        let question = question(black_box(&who), &definition).with_arguments(given.clone());
        house.policies.decide(question).unwrap_err()
    });
}

fn question(who: &Principal, definition: &Arc<str>) -> Question {
    let target = Target::Tool(ToolName::parse("read_file").unwrap());
    let upstream = UpstreamId::parse("up-0").unwrap();
    Question::new(
        who,
        Action::CallTool,
        &upstream,
        target,
        "tools/call".into(),
    )
    .with_flow(Flow {
        untrusted_in_run: true,
        ..Flow::default()
    })
    .at(Moment {
        unix_s: 1_795_000_000,
        utc: (10, 4),
        local: (11, 4),
    })
    .with_arguments(Given {
        value: Arc::new(serde_json::from_str(ARGUMENTS).unwrap()),
        definition: Some(Arc::clone(definition)),
    })
}

struct House {
    policies: Policies,
    access: Arc<Access>,
    _folder: TempDir,
    _runtime: Runtime,
}

fn house() -> &'static House {
    static HOUSE: OnceLock<House> = OnceLock::new();
    HOUSE.get_or_init(|| {
        let runtime = Runtime::new().unwrap();
        let folder = TempDir::new().unwrap();
        let access = runtime.block_on(filled(&folder));
        House {
            policies: policies(),
            access,
            _folder: folder,
            _runtime: runtime,
        }
    })
}

/// Policies as people write them: by group, person, tool and name, and such that look at arguments, the time and the run.
fn policies() -> Policies {
    let mut text = String::new();
    for n in 0..POLICIES {
        let up = n % UPSTREAMS;
        let policy = match n % 8 {
            0 => format!(
                r#"permit(principal in Cardea::Group::"acme/team-{n}", action == Cardea::Action::"tools/call", resource in Cardea::Upstream::"up-{up}") when {{ context.args has path && context.args.path like "/srv/*" }};"#
            ),
            1 => format!(
                r#"permit(principal in Cardea::Subject::"acme/boss-{n}", action == Cardea::Action::"tools/call", resource == Cardea::Tool::"up-{up}/read_file");"#
            ),
            2 => format!(
                r#"permit(principal in Cardea::Tenant::"acme", action in Cardea::Action::"read", resource in Cardea::Upstream::"up-{up}");"#
            ),
            3 => format!(
                r#"permit(principal in Cardea::Tenant::"acme", action == Cardea::Action::"tools/call", resource in Cardea::Upstream::"up-{up}") when {{ resource.name like "list_{n}_*" }};"#
            ),
            4 => format!(
                r#"forbid(principal, action == Cardea::Action::"tools/call", resource in Cardea::Upstream::"up-{up}") when {{ context.args has path && context.args.path like "/etc/*" }};"#
            ),
            5 => format!(
                r#"forbid(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"up-{up}/tool_{n}") when {{ context.time.hour_local < 8 }};"#
            ),
            6 => format!(
                r#"forbid(principal in Cardea::Group::"acme/interns", action == Cardea::Action::"tools/call", resource in Cardea::Upstream::"up-{up}") when {{ context.flow.untrusted_in_run }};"#
            ),
            _ => format!(
                r#"forbid(principal, action == Cardea::Action::"tools/call", resource in Cardea::Upstream::"up-{up}") when {{ resource.name like "*_drop_{n}" }};"#
            ),
        };
        writeln!(text, "@id(\"p{n}\")\n{policy}").unwrap();
    }
    let mut tools = Tools::default();
    for up in 0..UPSTREAMS {
        tools.add(&format!("up-{up}"), [("read_file", DEFINITION)]);
    }
    let known = KnownNames {
        tenants: vec!["acme".into()],
        upstreams: (0..UPSTREAMS).map(|n| format!("up-{n}")).collect(),
        tools,
    };
    let file = PolicyFile {
        name: "bench.cedar".into(),
        text,
    };
    let policies = Policies::compile(&[file], &known, 1).unwrap();
    assert_eq!(policies.len(), POLICIES);
    policies
}

async fn filled(folder: &TempDir) -> Arc<Access> {
    let store = Store::open(&folder.path().join("cardea.db")).await.unwrap();
    let first = open(&store).await;
    let entitlements = Entitlements::new(vec![entitlement()]).unwrap();
    let who = person(usize::MAX, &[]);
    let new = NewRequest {
        asker: Asker::agent(&who),
        action: Action::CallTool,
        upstream: &UpstreamId::parse("up-0").unwrap(),
        target: &Target::Tool(ToolName::parse("read_file").unwrap()),
        kind: Some(Kind::Time),
        moment: cardea_access::Moment::Call,
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
    let request = first.ask(&entitlements, &new).await.unwrap();
    let approved = first.approve_automatically(&entitlements, &request.id, "bench");
    approved.await.unwrap();
    let (filter, page) = (
        Filter::default(),
        Page {
            after: None,
            rows_max: 10,
        },
    );
    let tenant_id = tenant();
    let rows = store.access_grants(&tenant_id, &filter, &page);
    let pattern = rows.await.unwrap().into_iter().next().unwrap();
    let mut change = store.change_access(&tenant()).await.unwrap();
    for n in 0..GRANTS {
        let mut row = pattern.clone();
        row.grant = GrantId::parse(&format!("g-{n:09}")).unwrap();
        row.subject = subject(n);
        change.add_grant(&row).await.unwrap();
    }
    change.commit().await.unwrap();
    drop(first);
    open(&store).await
}

async fn open(store: &Store) -> Arc<Access> {
    let access = Access::open(store.clone(), tenant(), Clock::system(), Arc::new(Nowhere))
        .await
        .unwrap();
    // Nobody gives a sign of the store here.
    access.set_staleness_max(Duration::MAX);
    access
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
        kinds: vec![Kind::Time],
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

fn person(n: usize, groups: &[&str]) -> Principal {
    Principal {
        tenant: tenant(),
        subject: subject(n),
        actor: ActorId::parse("bot").unwrap(),
        run: RunId::parse("run-1").unwrap(),
        run_source: RunSource::Token,
        standing: Arc::default(),
        binding: KeyBinding::NONE,
        groups: groups.iter().map(|group| Arc::from(*group)).collect(),
        task: None,
        chain: Arc::from([]),
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
