//! What a decision costs: asked before, never asked before, and for a whole list.
//!
//! `cargo bench -p cardea-policy`. Compare within one run only.

#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot run has nothing to say"
)]

use std::{borrow::Cow, fmt::Write as _, sync::Arc};

use cardea_domain::{
    Action, ActorId, KeyBinding, Principal, RunId, RunSource, SubjectId, Target, TenantId,
    ToolName, UpstreamId,
};
use cardea_policy::{KnownNames, Policies, PolicyFile, Question, Tools};
use divan::{Bencher, black_box, counter::ItemsCount};

/// Policies of a set: a small team, a company, a large one.
const POLICIES: [usize; 3] = [10, 50, 200];

/// Tools in one list.
const TOOLS: usize = 200;

/// Upstreams that the policies speak of.
const UPSTREAMS: usize = 10;

fn main() {
    divan::main();
}

/// `count` policies as people write them: by group, by person and agent, by tool, some forbid, some have conditions.
fn policies(count: usize) -> Policies {
    let mut text = String::new();
    for n in 0..count {
        let upstream = n % UPSTREAMS;
        let policy = match n % 5 {
            0 => format!(
                r#"permit(principal in Cardea::Group::"acme/team-{n}", action in Cardea::Action::"use", resource in Cardea::Upstream::"up-{upstream}");"#
            ),
            1 => format!(
                r#"permit(principal in Cardea::Subject::"acme/person-{n}@example.com", action == Cardea::Action::"tools/call", resource == Cardea::Tool::"up-{upstream}/tool_{n}");"#
            ),
            2 => format!(
                r#"permit(principal in Cardea::Tenant::"acme", action in Cardea::Action::"read", resource in Cardea::Upstream::"up-{upstream}") when {{ principal in Cardea::Actor::"acme/agent-{n}" }};"#
            ),
            3 => format!(
                r#"permit(principal in Cardea::Tenant::"acme", action == Cardea::Action::"tools/call", resource in Cardea::Upstream::"up-{upstream}") when {{ resource.name like "read_{n}_*" }};"#
            ),
            _ => format!(
                r#"forbid(principal, action == Cardea::Action::"tools/call", resource in Cardea::Upstream::"up-{upstream}") when {{ resource.name like "*_drop_{n}" }} unless {{ principal in Cardea::Group::"acme/admins" }};"#
            ),
        };
        writeln!(text, "@id(\"p{n}\")\n{policy}").unwrap();
    }
    let file = PolicyFile {
        name: "bench.cedar".into(),
        text,
    };
    let known = KnownNames {
        tenants: vec!["acme".into()],
        upstreams: (0..UPSTREAMS).map(|n| format!("up-{n}")).collect(),
        tools: Tools::default(),
    };
    let policies = Policies::compile(&[file], &known, 1).unwrap();
    assert_eq!(policies.len(), count);
    policies
}

/// Somebody of the first team, whom one of the policies permits the upstream `up-0`.
fn ada() -> Principal {
    Principal {
        tenant: TenantId::parse("acme").unwrap(),
        subject: SubjectId::parse("ada@example.com").unwrap(),
        actor: ActorId::parse("support-agent").unwrap(),
        run: RunId::parse("0199e0a5-3b0c-7cc1-9e4c-0d7c4ff5a4b1").unwrap(),
        run_source: RunSource::Token,
        standing: Arc::default(),
        binding: KeyBinding::NONE,
        groups: Arc::from(["all", "support", "team-0"].map(Arc::from)),
        task: None,
        chain: Arc::from([]),
    }
}

fn upstream() -> UpstreamId {
    UpstreamId::parse("up-0").unwrap()
}

fn may_call(who: &Principal, upstream: &UpstreamId, tool: &str) -> Question {
    Question::new(
        who,
        Action::CallTool,
        upstream,
        Target::Tool(ToolName::parse(tool).unwrap()),
        Cow::Borrowed("tools/call"),
    )
}

/// Making the question and getting the answer that was given before.
#[divan::bench(args = POLICIES)]
fn remembered(bencher: Bencher, count: usize) {
    let (policies, ada, upstream) = (policies(count), ada(), upstream());
    let decide = |who| {
        policies
            .decide(may_call(who, &upstream, "list_files"))
            .unwrap()
    };
    drop(decide(&ada));
    bencher.bench_local(|| decide(black_box(&ada)));
}

/// A question never asked before, which one policy permits.
#[divan::bench(args = POLICIES)]
fn afresh_permitted(bencher: Bencher, count: usize) {
    let policies = policies(count);
    let question = may_call(&ada(), &upstream(), "list_files");
    bencher.bench_local(|| policies.decide_afresh(black_box(&question)).unwrap());
}

/// A question never asked before, which nothing permits.
#[divan::bench(args = POLICIES)]
fn afresh_denied(bencher: Bencher, count: usize) {
    let policies = policies(count);
    let stranger = Principal {
        binding: KeyBinding::NONE,
        groups: Arc::from([]),
        ..ada()
    };
    let question = may_call(&stranger, &upstream(), "list_files");
    bencher.bench_local(|| policies.decide_afresh(black_box(&question)).unwrap_err());
}

fn names() -> Vec<String> {
    (0..TOOLS).map(|n| format!("tool_{n}")).collect()
}

fn visible(policies: &Policies, who: &Principal, upstream: &UpstreamId, names: &[String]) -> usize {
    let allowed = |name: &&String| policies.decide(may_call(who, upstream, name)).is_ok();
    names.iter().filter(allowed).count()
}

/// The decisions for a `tools/list` of 200 tools which the same caller has listed before.
#[divan::bench(args = POLICIES)]
fn list_200_remembered(bencher: Bencher, count: usize) {
    let (policies, ada, upstream, names) = (policies(count), ada(), upstream(), names());
    assert_eq!(visible(&policies, &ada, &upstream, &names), TOOLS);
    bencher
        .counter(ItemsCount::new(TOOLS))
        .bench_local(|| visible(&policies, &ada, &upstream, black_box(&names)));
}

/// The same for a caller's first list.
#[divan::bench(args = POLICIES)]
fn list_200_afresh(bencher: Bencher, count: usize) {
    let (policies, ada, upstream, names) = (policies(count), ada(), upstream(), names());
    let questions: Vec<_> = names
        .iter()
        .map(|name| may_call(&ada, &upstream, name))
        .collect();
    bencher.counter(ItemsCount::new(TOOLS)).bench_local(|| {
        let permitted = |q: &&Question| policies.decide_afresh(q).is_ok();
        assert_eq!(
            black_box(&questions).iter().filter(permitted).count(),
            TOOLS
        );
    });
}
