//! One call, and the run that it belongs to.

use std::sync::Arc;

use aws_lc_rs::digest;
use cardea_domain::{Code, Denial, Principal, RunSource};
use cardea_flow::{Call, Facts, Labels, Origin, Request, Run};
use cardea_mcp::{Kind, Limits as JsonLimits, Message, canonical::canonical, meta};
use cardea_policy::Flow;
use cardea_registry::Known;
use parking_lot::Mutex;
use serde_json::{Value, json};

use super::{Runs, TenantFlow, runs::RunKey};
use crate::way::Ask;

/// A call as far as its flow goes, until its last answer.
#[derive(Debug)]
pub(crate) struct FlowCall {
    runs: Arc<Runs>,
    key: RunKey,
    run: Arc<Mutex<Run>>,
    tool: String,
    labels: Labels,
    arguments: String,
    request: Option<Request>,
    digest: [u8; 32],
    /// Whether its result only says what there is: tools, prompts, capabilities.
    only_describes: bool,
}

/// What holds for everything but tools: the content is others', and the call changes nothing.
const READING: Labels = Labels {
    untrusted: true,
    private: true,
    read_only: true,
    ..Labels::NONE
};

/// Methods whose results describe the server.
const DESCRIBING: [&str; 7] = [
    "initialize",
    "server/discover",
    "ping",
    "tools/list",
    "prompts/list",
    "resources/list",
    "resources/templates/list",
];

impl FlowCall {
    /// Finds the run of a call and what it says.
    pub(crate) fn of(
        flow: &TenantFlow,
        principal: &Principal,
        known: &Known,
        ask: &Ask,
        now_ms: u64,
    ) -> Self {
        let key = key(flow, principal);
        let message = match ask {
            Ask::Message(message) => Some(message),
            Ask::Stream | Ask::End => None,
        };
        let method = message.map_or("", Message::method);
        let (tool, labels, arguments) = match (method, message) {
            ("tools/call", Some(message)) => {
                let tool = message.body_str("name").unwrap_or_default().into_owned();
                let labels = flow.labels(known.id(), &tool);
                let arguments = message.body("arguments").unwrap_or("{}").to_owned();
                (tool, labels, arguments)
            }
            ("resources/read", Some(message)) => {
                let uri = message.body_str("uri").unwrap_or_default();
                let outward = ["http:", "https:"]
                    .iter()
                    .any(|scheme| uri.starts_with(scheme));
                let labels = Labels { outward, ..READING };
                (method.to_owned(), labels, json!({ "uri": uri }).to_string())
            }
            ("prompts/get", Some(message)) => {
                let arguments = message.body("arguments").unwrap_or("{}");
                (method.to_owned(), READING, arguments.to_owned())
            }
            _ => (method.to_owned(), READING, "{}".to_owned()),
        };
        Self {
            run: flow.runs.open(key, now_ms),
            runs: Arc::clone(&flow.runs),
            key,
            digest: digest_of(&tool, &arguments),
            request: request(flow, principal, message),
            only_describes: DESCRIBING.contains(&method),
            tool,
            labels,
            arguments,
        }
    }

    /// Notes that a run goes on while nobody reads what it sees.
    pub(crate) fn unwatched(flow: &TenantFlow, principal: &Principal, now_ms: u64) {
        flow.runs.unwatched(key(flow, principal), now_ms);
    }

    /// What is known of it before it is made.
    pub(crate) fn facts(&self) -> Facts {
        self.run.lock().facts(&self.call(), self.request.as_ref())
    }

    /// Notes that somebody was asked to approve it.
    pub(crate) fn contest(&self) {
        self.run.lock().contest(self.digest);
    }

    /// Notes that somebody has approved it, with these arguments.
    pub(crate) fn approve(&self) {
        self.run.lock().approve(&self.digest, &self.arguments);
    }

    /// Learns a message of the upstream, before it is released.
    ///
    /// # Errors
    /// [`Code::Internal`] when it cannot be kept that the run has seen untrusted content.
    pub(crate) async fn learn(&self, message: &Message) -> Result<(), Denial> {
        let part = match message.kind() {
            Kind::Result => message.top("result"),
            Kind::Error => message.top("error"),
            Kind::Request | Kind::Notification => message.top("params"),
        };
        // It was read before: what cannot be read twice is learnt as the text that it is.
        let value = part
            .map(|raw| serde_json::from_str(raw).unwrap_or_else(|_| Value::String(raw.to_owned())));
        let Some(value) = value else {
            return Ok(());
        };
        let describes = self.only_describes && message.kind() == Kind::Result;
        if !describes && self.labels.untrusted {
            self.runs.keep(self.key).await.map_err(|error| {
                Denial::new(Code::Internal, "what the run has seen could not be kept")
                    .help("tell whoever runs the gateway")
                    .detail(error)
            })?;
        }
        let mut run = self.run.lock();
        let before = run.entries();
        match describes {
            true => descriptions(&value, &mut |text| run.learn_description(text)),
            false => run.learn(&self.call(), self.request.as_ref(), &value),
        }
        self.runs.account(&mut run, before);
        Ok(())
    }

    fn call(&self) -> Call<'_> {
        Call {
            tool: &self.tool,
            labels: self.labels,
            arguments: &self.arguments,
        }
    }
}

/// Facts as policies read them.
pub(crate) fn context(facts: &Facts) -> Flow {
    let count = |origin| u32::try_from(facts.count(origin)).unwrap_or(u32::MAX);
    Flow {
        untrusted_source: facts.labels.untrusted,
        private_source: facts.labels.private,
        read_only: facts.labels.read_only,
        outward: facts.labels.outward,
        external_sink: facts.labels.external,
        destructive: facts.labels.destructive,
        untrusted_in_run: facts.untrusted_in_run,
        private_in_run: facts.private_in_run,
        declared: facts.declared,
        requested: facts.requested,
        asked_by_content: facts.asked_by_content,
        contested: facts.contested,
        doubtful: facts.doubtful,
        untrusted_values: count(Origin::Untrusted),
        delegated_values: count(Origin::Delegated),
        unexplained_values: count(Origin::Unexplained),
    }
}

/// The run, within its tenant. A host that nobody trusts could name a new run for each call, so all that it names are one.
fn key(flow: &TenantFlow, principal: &Principal) -> RunKey {
    let is_named_freely =
        principal.run_source == RunSource::Host && !flow.trusted_hosts.contains(&principal.actor);
    let run = match (is_named_freely, principal.run_source) {
        (true, _) => "",
        // A token that was silent, or that a restart has met, begins a new run by name; what it has seen it has seen.
        (false, RunSource::Idle) => principal.run.as_str().split('-').next().unwrap_or_default(),
        (false, _) => principal.run.as_str(),
    };
    RunKey::of([
        principal.subject.as_str(),
        principal.actor.as_str(),
        principal.run_source.as_str(),
        run,
    ])
}

/// What the person asked for: as the token says, and as a trusted host does.
fn request(flow: &TenantFlow, principal: &Principal, message: Option<&Message>) -> Option<Request> {
    let by_host = message
        .filter(|_| flow.trusted_hosts.contains(&principal.actor))
        .and_then(|message| message.meta_str(meta::REQUEST));
    match (principal.task.as_deref(), by_host) {
        (None, None) => None,
        (Some(task), None) => Some(Request::of(task)),
        (None, Some(request)) => Some(Request::of(&request)),
        (Some(task), Some(request)) => Some(Request::of(&format!("{task}\n{request}"))),
    }
}

fn descriptions(value: &Value, learn: &mut dyn FnMut(&str)) {
    match value {
        Value::String(text) => learn(text),
        Value::Array(items) => items.iter().for_each(|item| descriptions(item, learn)),
        Value::Object(members) => members
            .values()
            .for_each(|member| descriptions(member, learn)),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}

/// SHA-256 over a tool and its arguments, however those are spelt.
fn digest_of(tool: &str, arguments: &str) -> [u8; 32] {
    let limits = JsonLimits {
        depth_max: usize::MAX,
    };
    let spelt = canonical(arguments, &limits);
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(tool.as_bytes());
    context.update(b"\0");
    context.update(spelt.as_deref().unwrap_or(arguments).as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

#[cfg(test)]
mod tests {
    use cardea_domain::{ActorId, Clock, KeyBinding, RunId, SubjectId, TenantId};

    use super::*;

    fn flow(folder: &std::path::Path, hosts: &[&str]) -> TenantFlow {
        let runs = Runs::open_file(&folder.join("a.runs"), Clock::manual(0)).unwrap();
        TenantFlow {
            labels: std::collections::HashMap::new(),
            trusted_hosts: hosts
                .iter()
                .map(|host| ActorId::parse(host).unwrap())
                .collect(),
            runs: Arc::new(runs),
        }
    }

    fn principal(run: &str, run_source: RunSource) -> Principal {
        Principal {
            tenant: TenantId::parse("acme").unwrap(),
            subject: SubjectId::parse("ada").unwrap(),
            actor: ActorId::parse("bot").unwrap(),
            run: RunId::parse(run).unwrap(),
            run_source,
            binding: KeyBinding::NONE,
            chain: Arc::from([]),
            groups: Arc::from([]),
            task: None,
        }
    }

    #[test]
    fn a_host_that_nobody_trusts_cannot_begin_runs() {
        let folder = tempfile::tempdir().unwrap();
        let (nobody, bot) = (flow(folder.path(), &[]), flow(folder.path(), &["bot"]));
        let of = |flow, run, source| key(flow, &principal(run, source));
        assert_eq!(
            of(&nobody, "r1", RunSource::Host),
            of(&nobody, "r2", RunSource::Host)
        );
        assert_ne!(
            of(&bot, "r1", RunSource::Host),
            of(&bot, "r2", RunSource::Host)
        );
        assert_ne!(
            of(&nobody, "r1", RunSource::Token),
            of(&nobody, "r2", RunSource::Token)
        );
    }

    #[test]
    fn a_silent_token_does_not_begin_a_clean_run() {
        let folder = tempfile::tempdir().unwrap();
        let flow = flow(folder.path(), &[]);
        let of = |run| key(&flow, &principal(run, RunSource::Idle));
        assert_eq!(of("0a1b-1000"), of("0a1b-2000"));
        assert_ne!(of("0a1b-1000"), of("0a1c-1000"));
    }

    #[test]
    fn a_tool_that_nobody_labelled_is_the_worst() {
        let folder = tempfile::tempdir().unwrap();
        let upstream = cardea_domain::UpstreamId::parse("mail").unwrap();
        assert_eq!(
            flow(folder.path(), &[]).labels(&upstream, "x"),
            Labels::WORST
        );
    }

    #[test]
    fn a_call_is_the_same_however_its_arguments_are_spelt() {
        assert_eq!(
            digest_of("send", r#"{"a":1,"b":2}"#),
            digest_of("send", r#"{ "b": 2, "a": 1 }"#)
        );
        assert_ne!(
            digest_of("send", r#"{"a":1}"#),
            digest_of("send", r#"{"a":2}"#)
        );
    }
}
