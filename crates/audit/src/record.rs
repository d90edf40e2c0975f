//! An entry as the body of a line.

use aws_lc_rs::digest;
use cardea_domain::{Code, Denial, Principal};

use crate::{
    entry::{Entry, Response},
    json::{is_json, len_u64, push_hex, push_i64, push_raw, push_str, push_time, push_u64},
};

/// The longest text member; the longest that the domain allows is a resource's URI.
const TEXT_BYTES_MAX: usize = 4096;
/// The longest client description that is kept: name, version, title, icons by reference.
const CLIENT_BYTES_MAX: usize = 1024;
/// The longest JSON-RPC id that is kept.
const ID_BYTES_MAX: usize = 256;
/// The most policies that are named as determining one decision.
const POLICIES_MAX: usize = 32;

/// Appends the body of the entry's line: everything between `prev` and `hash`.
pub(crate) fn push_body(
    out: &mut Vec<u8>,
    entry: &Entry<'_>,
    unix_us: u64,
    arguments_bytes_max: usize,
) {
    out.extend_from_slice(b",\"time\":\"");
    push_time(out, unix_us);
    out.push(b'"');
    word(out, ",\"kind\":", entry.kind.as_str());
    if !entry.call.is_empty() {
        text(out, ",\"call\":", Some(entry.call));
    }
    if let Some(principal) = entry.principal {
        push_principal(out, principal);
    }
    text(out, ",\"model\":", entry.model);
    if let Some(client) = entry.client {
        out.extend_from_slice(b",\"client\":");
        push_bounded_json(out, client, CLIENT_BYTES_MAX);
    }
    if let Some(peer) = entry.peer {
        push_display(out, ",\"peer\":", &peer);
    }
    if let Some(upstream) = entry.upstream {
        word(out, ",\"upstream\":", upstream.as_str());
    }
    text(out, ",\"version\":", entry.version);
    text(out, ",\"era\":", entry.era);
    if !entry.method.is_empty() {
        text(out, ",\"method\":", Some(entry.method));
    }
    if let Some(action) = entry.action {
        word(out, ",\"action\":", action.as_str());
    }
    if let Some(target) = entry.target {
        word(out, ",\"target\":{\"kind\":", target.kind());
        text(out, ",\"name\":", target.name());
        out.push(b'}');
    }
    if let Some(id) = entry.id {
        out.extend_from_slice(b",\"id\":");
        push_bounded_json(out, id, ID_BYTES_MAX);
    }
    if let Some(arguments) = entry.arguments {
        push_arguments(out, arguments, arguments_bytes_max);
    }
    push_decision(out, entry);
    if let Some(denial) = entry.denial {
        push_denial(out, denial);
    }
    if let Some(response) = &entry.response {
        push_response(out, response);
    }
    push_timings(out, entry);
    if let Some(trace_id) = entry.trace_id {
        out.extend_from_slice(b",\"trace\":\"");
        push_hex(out, &trace_id);
        out.push(b'"');
    }
    if let Some(event) = entry.event {
        text(out, ",\"event\":{\"name\":", Some(event));
        text(out, ",\"detail\":", entry.detail);
        out.push(b'}');
    }
}

fn push_principal(out: &mut Vec<u8>, principal: &Principal) {
    word(out, ",\"tenant\":", principal.tenant.as_str());
    text(out, ",\"subject\":", Some(principal.subject.as_str()));
    text(out, ",\"actor\":", Some(principal.actor.as_str()));
    text(out, ",\"run\":", Some(principal.run.as_str()));
    word(out, ",\"run_source\":", principal.run_source.as_str());
    text(out, ",\"task\":", principal.task.as_deref());
}

/// `{"bytes":N,"sha256":"…"}`, and the arguments as `json` when they are not too long, or as
/// `text` when they are not JSON.
fn push_arguments(out: &mut Vec<u8>, arguments: &str, bytes_max: usize) {
    out.extend_from_slice(b",\"arguments\":{\"bytes\":");
    push_u64(out, len_u64(arguments.len()));
    out.extend_from_slice(b",\"sha256\":\"");
    let digest = digest::digest(&digest::SHA256, arguments.as_bytes());
    push_hex(out, digest.as_ref());
    out.push(b'"');
    if arguments.len() <= bytes_max {
        if is_json(arguments) {
            out.extend_from_slice(b",\"json\":");
            push_raw(out, arguments);
        } else {
            text(out, ",\"text\":", Some(arguments));
        }
    }
    out.push(b'}');
}

/// Policies were asked when there is an epoch; they said no when that is what the denial says.
fn push_decision(out: &mut Vec<u8>, entry: &Entry<'_>) {
    let Some(epoch) = entry.epoch else { return };
    let denied = entry
        .denial
        .is_some_and(|d| matches!(d.code, Code::PolicyDenied | Code::PolicyError));
    let effect = if denied { "deny" } else { "permit" };
    word(out, ",\"decision\":{\"effect\":", effect);
    out.extend_from_slice(b",\"policies\":[");
    for (at, policy) in entry.decided_by.iter().take(POLICIES_MAX).enumerate() {
        if at > 0 {
            out.push(b',');
        }
        push_str(out, policy, TEXT_BYTES_MAX);
    }
    out.push(b']');
    let left_off = entry.decided_by.len().saturating_sub(POLICIES_MAX);
    if left_off > 0 {
        number(out, ",\"policies_left_off\":", Some(len_u64(left_off)));
    }
    number(out, ",\"epoch\":", Some(epoch));
    out.push(b'}');
}

fn push_denial(out: &mut Vec<u8>, denial: &Denial) {
    word(out, ",\"denial\":{\"code\":", denial.code.as_str());
    text(out, ",\"message\":", Some(&denial.message));
    text(out, ",\"detail\":", denial.detail.as_deref());
    out.push(b'}');
}

fn push_response(out: &mut Vec<u8>, response: &Response<'_>) {
    text(out, ",\"response\":{\"outcome\":", Some(response.word));
    if response.status != 0 {
        number(out, ",\"status\":", Some(u64::from(response.status)));
    }
    number(out, ",\"bytes\":", Some(len_u64(response.bytes)));
    if let Some(code) = response.rpc_code {
        out.extend_from_slice(b",\"rpc_code\":");
        push_i64(out, code);
    }
    if response.is_error {
        out.extend_from_slice(b",\"is_error\":true");
    }
    if response.events > 0 {
        number(out, ",\"events\":", Some(len_u64(response.events)));
    }
    if response.hidden > 0 {
        number(out, ",\"hidden\":", Some(len_u64(response.hidden)));
    }
    out.push(b'}');
}

fn push_timings(out: &mut Vec<u8>, entry: &Entry<'_>) {
    number(out, ",\"total_us\":", entry.total_us);
    number(out, ",\"upstream_us\":", entry.upstream_us);
    number(out, ",\"decision_us\":", entry.decision_us);
}

/// JSON text within bounds; text that is not JSON becomes a string.
fn push_bounded_json(out: &mut Vec<u8>, json: &str, bytes_max: usize) {
    if json.len() <= bytes_max && is_json(json) {
        push_raw(out, json);
    } else {
        push_str(out, json, bytes_max);
    }
}

fn text(out: &mut Vec<u8>, member: &str, value: Option<&str>) {
    if let Some(value) = value {
        out.extend_from_slice(member.as_bytes());
        push_str(out, value, TEXT_BYTES_MAX);
    }
}

/// A text of the gateway's own, which needs no escapes.
fn word(out: &mut Vec<u8>, member: &str, value: &str) {
    out.extend_from_slice(member.as_bytes());
    out.push(b'"');
    out.extend_from_slice(value.as_bytes());
    out.push(b'"');
}

fn number(out: &mut Vec<u8>, member: &str, value: Option<u64>) {
    if let Some(value) = value {
        out.extend_from_slice(member.as_bytes());
        push_u64(out, value);
    }
}

/// A value whose display text needs no escapes.
fn push_display(out: &mut Vec<u8>, member: &str, value: &impl std::fmt::Display) {
    use std::io::Write;
    out.extend_from_slice(member.as_bytes());
    out.push(b'"');
    // Writing to a `Vec` does not fail.
    let _ = write!(out, "{value}");
    out.push(b'"');
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use cardea_domain::{
        Action, ActorId, RunId, RunSource, SubjectId, Target, TenantId, ToolName, UpstreamId,
    };
    use serde_json::{Value, json};

    use super::*;
    use crate::Kind;

    /// 2026-11-23T10:00:00.123456Z
    const NOW_US: u64 = 1_795_428_000_123_456;

    fn written(entry: &Entry<'_>) -> Value {
        let mut body = b"{\"x\":0".to_vec();
        push_body(&mut body, entry, NOW_US, 64);
        body.push(b'}');
        let text = String::from_utf8(body).unwrap();
        assert!(!text.chars().any(char::is_control), "{text:?}");
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    fn principal() -> Principal {
        Principal {
            tenant: TenantId::parse("acme").unwrap(),
            subject: SubjectId::parse("ada \"the\" first").unwrap(),
            actor: ActorId::parse("agent").unwrap(),
            run: RunId::parse("r1").unwrap(),
            run_source: RunSource::Host,
            groups: Arc::from([]),
            task: Some("sort\nmail".into()),
        }
    }

    #[test]
    fn everything_that_is_known_stands_in_the_record() {
        let principal = principal();
        let upstream = UpstreamId::parse("files").unwrap();
        let target = Target::Tool(ToolName::parse("read").unwrap());
        let denial = Denial::new(Code::UpstreamTimeout, "too late").detail("after 3 s");
        let policies = ["p1".into(), "p2".into()];
        let record = written(&Entry {
            kind: Kind::Outcome,
            call: "c1",
            principal: Some(&principal),
            model: Some("m"),
            client: Some("{\"name\":\"host\"}"),
            upstream: Some(&upstream),
            version: Some("2026-07-28"),
            era: Some("modern"),
            method: "tools/call",
            action: Some(Action::CallTool),
            target: Some(&target),
            id: Some("\"7\""),
            arguments: Some("{\n}"),
            decided_by: &policies,
            epoch: Some(3),
            denial: Some(&denial),
            response: Some(Response {
                word: "error",
                status: 504,
                bytes: 10,
                rpc_code: Some(-32000),
                is_error: true,
                events: 2,
                hidden: 1,
            }),
            peer: Some("::1".parse().unwrap()),
            total_us: Some(30),
            upstream_us: Some(20),
            decision_us: Some(10),
            trace_id: Some([0xab; 16]),
            event: Some("name"),
            detail: Some("more"),
        });
        let sha256 = "8eb95bcbc154530931e15fc418c8b1fe991095671409552099ea1aa596999ede";
        let wanted = json!({
            "x": 0,
            "time": "2026-11-23T10:00:00.123456Z",
            "kind": "outcome",
            "call": "c1",
            "tenant": "acme",
            "subject": "ada \"the\" first",
            "actor": "agent",
            "run": "r1",
            "run_source": "host",
            "task": "sort\nmail",
            "model": "m",
            "client": {"name": "host"},
            "peer": "::1",
            "upstream": "files",
            "version": "2026-07-28",
            "era": "modern",
            "method": "tools/call",
            "action": "tools/call",
            "target": {"kind": "Tool", "name": "read"},
            "id": "7",
            "arguments": {"bytes": 3, "sha256": sha256, "json": {}},
            "decision": {"effect": "permit", "policies": ["p1", "p2"], "epoch": 3},
            "denial": {"code": "E_UPSTREAM_TIMEOUT", "message": "too late", "detail": "after 3 s"},
            "response": {
                "outcome": "error", "status": 504, "bytes": 10, "rpc_code": -32000,
                "is_error": true, "events": 2, "hidden": 1,
            },
            "total_us": 30,
            "upstream_us": 20,
            "decision_us": 10,
            "trace": "ab".repeat(16),
            "event": {"name": "name", "detail": "more"},
        });
        assert_eq!(record, wanted);
    }

    #[test]
    fn what_is_not_known_is_left_out() {
        let record = written(&Entry::default());
        let wanted = json!({"x": 0, "time": "2026-11-23T10:00:00.123456Z", "kind": "event"});
        assert_eq!(record, wanted);
    }

    #[test]
    fn long_arguments_leave_their_length_and_digest() {
        let arguments = format!("\"{}\"", "x".repeat(100));
        let record = written(&Entry {
            arguments: Some(&arguments),
            ..Entry::default()
        });
        let members: Vec<_> = record["arguments"].as_object().unwrap().keys().collect();
        assert_eq!(members, ["bytes", "sha256"]);
        assert_eq!(record["arguments"]["bytes"], 102);
    }

    #[test]
    fn text_that_is_not_json_cannot_add_members() {
        let forged = "1},\"tenant\":\"other\",\"y\":{\"z\":1";
        let record = written(&Entry {
            id: Some(forged),
            client: Some(forged),
            arguments: Some(forged),
            ..Entry::default()
        });
        assert_eq!(record.get("tenant"), None);
        assert_eq!(record["id"], forged);
        assert_eq!(record["client"], forged);
        assert_eq!(record["arguments"]["text"], forged);
        assert_eq!(record["arguments"].get("json"), None);
    }

    #[test]
    fn a_policy_that_said_no_is_a_deny_and_a_later_refusal_is_not() {
        for (code, effect) in [
            (Code::PolicyDenied, "deny"),
            (Code::PolicyError, "deny"),
            (Code::UpstreamTimeout, "permit"),
        ] {
            let record = written(&Entry {
                epoch: Some(1),
                denial: Some(&Denial::new(code, "no")),
                ..Entry::default()
            });
            assert_eq!(record["decision"]["effect"], effect, "{code}");
        }
    }

    #[test]
    fn texts_and_lists_are_bounded() {
        let long = "\u{1}".repeat(1 << 20);
        let policies = vec![Arc::from("p"); 100];
        let mut body = Vec::new();
        let entry = Entry {
            call: &long,
            model: Some(&long),
            client: Some(&long),
            method: &long,
            id: Some(&long),
            epoch: Some(0),
            decided_by: &policies,
            event: Some(&long),
            detail: Some(&long),
            ..Entry::default()
        };
        push_body(&mut body, &entry, NOW_US, 64);
        assert!(body.len() < 256 << 10, "{}", body.len());
        assert_eq!(written(&entry)["decision"]["policies_left_off"], 68);
    }
}
