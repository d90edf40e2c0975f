//! What an entry looks like in a line.

use std::sync::Arc;

use cardea_domain::{
    Action, ActorId, RunId, RunSource, Standing, SubjectId, Target, TenantId, Thumbprint, ToolName,
    UpstreamId,
};
use serde_json::{Value, json};

use super::*;
use cardea_domain::Code;

use crate::{Decision, Effect, Kind};

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

fn names(count: usize) -> Arc<[Arc<str>]> {
    (0..count).map(|n| Arc::from(format!("\"{n}"))).collect()
}

fn principal() -> Principal {
    Principal {
        tenant: TenantId::parse("acme").unwrap(),
        subject: SubjectId::parse("ada \"the\" first").unwrap(),
        actor: ActorId::parse("agent").unwrap(),
        run: RunId::parse("r1").unwrap(),
        run_source: RunSource::Host,
        standing: Arc::new(Standing {
            roles: names(1),
            acr: Some("high".into()),
            amr: names(2),
            auth_time_s: Some(7),
        }),
        binding: KeyBinding::NONE,
        groups: names(NAMES_MAX + 2),
        chain: Arc::from([]),
        task: Some("sort\nmail".into()),
    }
}

#[test]
fn the_keys_that_a_token_is_bound_to_stand_in_the_record_and_none_where_there_is_none() {
    let (jkt, x5t) = (Thumbprint::new([1; 32]), Thumbprint::new([2; 32]));
    for (dpop, certificate, wanted) in [
        (None, None, Value::Null),
        (Some(jkt), None, json!({"dpop": jkt.to_string()})),
        (None, Some(x5t), json!({"certificate": x5t.to_string()})),
        (
            Some(jkt),
            Some(x5t),
            json!({"dpop": jkt.to_string(), "certificate": x5t.to_string()}),
        ),
    ] {
        let principal = Principal {
            binding: KeyBinding { dpop, certificate },
            ..principal()
        };
        let record = written(&Entry {
            principal: Some(&principal),
            ..Entry::default()
        });
        assert_eq!(record["binding"], wanted);
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
        person: None,
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
        decision: Some(Decision {
            effect: Effect::Permit,
            policies: &policies,
            epoch: 3,
        }),
        access: Some(Access {
            entitlement: Some("write-files"),
            request: None,
            grant: Some("g-1"),
        }),
        denial: Some(&denial),
        response: Some(Response {
            word: "error",
            status: 504,
            bytes: 10,
            rpc_code: Some(-32000),
            is_error: true,
            events: 2,
            hidden: 1,
            rows_foreign: 2,
            rows_unlabelled: 3,
            blocks_untyped: 4,
            held_back: 5,
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
    let mut wanted = json!({
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
        "access": {"entitlement": "write-files", "grant": "g-1"},
        "denial": {"code": "E_UPSTREAM_TIMEOUT", "message": "too late", "detail": "after 3 s"},
        "response": {
            "outcome": "error", "status": 504, "bytes": 10, "rpc_code": -32000,
            "is_error": true, "events": 2, "hidden": 1, "rows_foreign": 2, "rows_unlabelled": 3,
            "blocks_untyped": 4, "held_back": 5,
        },
        "total_us": 30,
        "upstream_us": 20,
        "decision_us": 10,
        "trace": "ab".repeat(16),
        "event": {"name": "name", "detail": "more"},
    });
    wanted["groups"] = (0..32).map(|n| format!("\"{n}")).collect();
    wanted["groups_left_off"] = 2.into();
    wanted["roles"] = json!(["\"0"]);
    wanted["acr"] = "high".into();
    wanted["amr"] = json!(["\"0", "\"1"]);
    wanted["auth_time"] = 7.into();
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
fn a_decision_is_recorded_as_it_fell_whatever_the_refusal_says() {
    for (effect, word) in [(Effect::Permit, "permit"), (Effect::Deny, "deny")] {
        for code in [
            Code::PolicyDenied,
            Code::MethodUnknown,
            Code::UpstreamTimeout,
        ] {
            let record = written(&Entry {
                decision: Some(Decision {
                    effect,
                    policies: &[],
                    epoch: 1,
                }),
                denial: Some(&Denial::new(code, "no")),
                ..Entry::default()
            });
            assert_eq!(
                record["decision"],
                serde_json::json!({"effect": word, "policies": [], "epoch": 1}),
                "{code}"
            );
        }
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
        decision: Some(Decision {
            effect: Effect::Deny,
            policies: &policies,
            epoch: 0,
        }),
        event: Some(&long),
        detail: Some(&long),
        ..Entry::default()
    };
    push_body(&mut body, &entry, NOW_US, 64);
    assert!(body.len() < 256 << 10, "{}", body.len());
    assert_eq!(written(&entry)["decision"]["policies_left_off"], 68);
}

#[test]
fn an_event_outside_of_calls_says_whom_it_is_about() {
    let principal = principal();
    let record = written(&Entry {
        event: Some("login"),
        person: Some(Person {
            tenant: &principal.tenant,
            subject: &principal.subject,
            actor: None,
            run: Some("r2"),
        }),
        ..Entry::default()
    });
    assert_eq!(record["tenant"], "acme");
    assert_eq!(record["subject"], "ada \"the\" first");
    assert_eq!(record["run"], "r2");
    assert!(record.get("actor").is_none() && record.get("run_source").is_none());
}
