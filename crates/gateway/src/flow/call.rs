//! One call, and the run that it belongs to.

use std::sync::Arc;

use aws_lc_rs::digest;
use cardea_domain::{Action, Code, Denial, Principal, Target, UpstreamId};
use cardea_flow::{Call, Facts, Origin, Request, Run};
use cardea_mcp::{Kind, Limits as JsonLimits, Message, canonical::canonical, meta};
use cardea_policy::Flow;
use cardea_registry::Known;
use parking_lot::Mutex;
use serde_json::Value;

use super::{
    Runs, TenantFlow,
    name::{Begun, RunName},
    said::Said,
};
use crate::way::Ask;

/// A call as far as its flow goes, until its last answer.
#[derive(Debug)]
pub(crate) struct FlowCall {
    runs: Arc<Runs>,
    name: RunName,
    run: Arc<Mutex<Run>>,
    said: Said,
    request: Option<Request>,
    digest: [u8; 32],
}

impl FlowCall {
    /// Finds the run of a call and what it says; `action` is what it is decided as.
    pub(crate) fn of(
        flow: &TenantFlow,
        principal: &Principal,
        begun: Begun,
        known: &Known,
        ask: &Ask,
        action: Option<Action>,
        now_ms: u64,
    ) -> Self {
        let message = match ask {
            Ask::Message(message) => Some(message),
            Ask::Stream | Ask::End => None,
        };
        Self {
            request: request(flow, principal, message),
            ..Self::new(
                flow,
                principal,
                begun,
                known,
                Said::of(flow, known.id(), ask, action),
                now_ms,
            )
        }
    }

    /// The same of a call that is only wished for, by another message.
    pub(crate) fn wished(
        flow: &TenantFlow,
        principal: &Principal,
        begun: Begun,
        known: &Known,
        (target, arguments): (&Target, Option<&str>),
        message: &Message,
        now_ms: u64,
    ) -> Self {
        Self {
            request: request(flow, principal, Some(message)),
            ..Self::new(
                flow,
                principal,
                begun,
                known,
                Said::wished(flow, known.id(), target, arguments),
                now_ms,
            )
        }
    }

    fn new(
        flow: &TenantFlow,
        principal: &Principal,
        begun: Begun,
        known: &Known,
        said: Said,
        now_ms: u64,
    ) -> Self {
        let name = RunName::of(flow, principal, begun);
        Self {
            run: flow.runs.open(name, now_ms),
            runs: Arc::clone(&flow.runs),
            name,
            digest: digest_of(known.id(), &said.name, &said.arguments),
            request: None,
            said,
        }
    }

    /// Notes that a run goes on while nobody reads what it sees.
    pub(crate) fn unwatched(flow: &TenantFlow, principal: &Principal, begun: Begun, now_ms: u64) {
        let name = RunName::of(flow, principal, begun);
        flow.runs.unwatched(name, now_ms);
    }

    /// What is known of it before it is made.
    pub(crate) fn facts(&self) -> Facts {
        let said = self.said.beside.as_deref();
        let call = Call {
            arguments: said.unwrap_or(&self.said.arguments),
            ..self.call()
        };
        self.run.lock().facts(&call, self.request.as_ref())
    }

    /// Notes that somebody was asked to approve it.
    pub(crate) fn contest(&self) {
        self.run.lock().contest(self.digest);
    }

    /// Notes that somebody has approved it, with these arguments.
    pub(crate) fn approve(&self) {
        self.run.lock().approve(&self.digest, &self.said.arguments);
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
        let describes = match message.kind() {
            Kind::Result => self.said.only_describes || holds_nothing(message),
            // A server that does not know the method has said nothing of anybody else's.
            Kind::Error => {
                message.body("code").and_then(|code| code.parse().ok()) == Some(UNKNOWN_METHOD)
            }
            Kind::Request | Kind::Notification => false,
        };
        if !describes && self.said.labels.untrusted {
            self.runs.keep(self.name).await.map_err(|error| {
                Denial::new(Code::Internal, "what the run has seen could not be kept")
                    .help("tell whoever runs the gateway")
                    .detail(error)
            })?;
        }
        let mut run = self.run.lock();
        let before = run.entries();
        if self.name.ages() {
            run.turn(self.runs.now_ms());
        }
        match describes {
            true => descriptions(&value, &mut |text| run.learn_description(text)),
            false => run.learn(&self.call(), self.request.as_ref(), &value),
        }
        self.runs.account(&mut run, before);
        Ok(())
    }

    fn call(&self) -> Call<'_> {
        Call {
            tool: &self.said.name,
            labels: self.said.labels,
            arguments: &self.said.arguments,
        }
    }
}

/// JSON-RPC 2.0, section 5.1.
const UNKNOWN_METHOD: f64 = -32601.0;

/// Whether a result is a list of resources with nothing in it.
fn holds_nothing(result: &Message) -> bool {
    let lists = ["resources", "resourceTemplates"].map(|key| result.body(key));
    let mut lists = lists.into_iter().flatten().peekable();
    let is_empty = |raw: &str| raw.trim_start_matches('[').trim_start() == "]";
    lists.peek().is_some() && lists.all(is_empty) && result.body("contents").is_none()
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

/// SHA-256 over a server, its tool and the arguments, however those are spelt.
fn digest_of(upstream: &UpstreamId, tool: &str, arguments: &str) -> [u8; 32] {
    let limits = JsonLimits {
        depth_max: usize::MAX,
    };
    let spelt = canonical(arguments, &limits);
    let mut context = digest::Context::new(&digest::SHA256);
    context.update(upstream.as_str().as_bytes());
    context.update(b"\0");
    context.update(tool.as_bytes());
    context.update(b"\0");
    context.update(spelt.as_deref().unwrap_or(arguments).as_bytes());
    let mut bytes = [0; 32];
    bytes.copy_from_slice(context.finish().as_ref());
    bytes
}

#[cfg(test)]
pub(super) mod tests {
    use cardea_domain::{ActorId, Clock, KeyBinding, RunId, RunSource, SubjectId, TenantId};

    use super::*;

    pub(in crate::flow) fn flow(folder: &std::path::Path, hosts: &[&str]) -> TenantFlow {
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

    pub(in crate::flow) fn principal(run: &str, run_source: RunSource) -> Principal {
        Principal {
            tenant: TenantId::parse("acme").unwrap(),
            subject: SubjectId::parse("ada").unwrap(),
            actor: ActorId::parse("bot").unwrap(),
            run: RunId::parse(run).unwrap(),
            run_source,
            standing: Arc::default(),
            binding: KeyBinding::NONE,
            chain: Arc::from([]),
            groups: Arc::from([]),
            task: None,
        }
    }

    fn message(text: &str) -> Message {
        let limits = JsonLimits { depth_max: 64 };
        Message::parse(text.to_owned().into(), &limits).unwrap()
    }

    fn said(text: &str, action: Option<Action>) -> Said {
        let folder = tempfile::tempdir().unwrap();
        let upstream = UpstreamId::parse("mail").unwrap();
        let ask = Ask::Message(message(text));
        Said::of(&flow(folder.path(), &[]), &upstream, &ask, action)
    }

    #[test]
    fn a_tool_that_nobody_labelled_is_the_worst() {
        let call = said(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x"}}"#,
            Some(Action::CallTool),
        );
        assert_eq!(call.labels, cardea_flow::Labels::WORST);
    }

    #[test]
    fn every_way_out_is_one() {
        for (text, action, told) in [
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"completion/complete","params":{"ref":{"type":"ref/prompt","name":"p"},"argument":{"name":"q","value":"sesame"}}}"#,
                Action::Complete,
                "sesame",
            ),
            (
                r#"{"jsonrpc":"2.0","id":"a.b","result":{"action":"accept","content":{"name":"sesame"}}}"#,
                Action::Elicit,
                "sesame",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"tasks/update","params":{"taskId":"1","inputResponses":{"a":"sesame"}}}"#,
                Action::UseTask,
                "sesame",
            ),
            (
                r#"{"jsonrpc":"2.0","id":1,"method":"acme/ping","params":{"text":"sesame"}}"#,
                Action::Extension,
                "sesame",
            ),
        ] {
            let said = said(text, Some(action));
            assert!(said.labels.external && said.labels.outward, "{text}");
            assert!(said.labels.is_watched(), "{text}");
            assert!(said.arguments.contains(told), "{text}");
        }
        let call = said(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"x","arguments":{},"inputResponses":{"a":"sesame"}}}"#,
            Some(Action::CallTool),
        );
        assert!(call.beside.unwrap().contains("sesame"));
    }

    #[test]
    fn a_list_of_resources_is_content_and_an_empty_one_is_not() {
        let list = said(
            r#"{"jsonrpc":"2.0","id":1,"method":"resources/list"}"#,
            Some(Action::Connect),
        );
        assert!(!list.only_describes && list.labels.untrusted);
        let result = |raw: &str| message(&format!(r#"{{"jsonrpc":"2.0","id":1,"result":{raw}}}"#));
        assert!(holds_nothing(&result(r#"{"resources": [ ]}"#)));
        for other in [
            r#"{"resources":[{}]}"#,
            r#"{"resources":[[]]}"#,
            r#"{"resources":[],"resourceTemplates":[1]}"#,
            r#"{"content":[]}"#,
            "{}",
        ] {
            assert!(!holds_nothing(&result(other)), "{other}");
        }
    }

    #[test]
    fn a_call_is_the_same_however_its_arguments_are_spelt() {
        let [mail, chat] = ["mail", "chat"].map(|id| UpstreamId::parse(id).unwrap());
        let spelt = digest_of(&mail, "send", r#"{"a":1,"b":2}"#);
        assert_eq!(spelt, digest_of(&mail, "send", r#"{ "b": 2, "a": 1 }"#));
        assert_ne!(spelt, digest_of(&mail, "send", r#"{"a":1}"#));
        assert_ne!(spelt, digest_of(&chat, "send", r#"{"a":1,"b":2}"#));
    }
}
