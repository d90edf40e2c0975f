use std::{borrow::Cow, sync::Arc};

use cardea_domain::{
    ActorId, KeyBinding, Principal, RunId, RunSource, Standing, SubjectId, Target, TenantId,
    Thumbprint, ToolName, UpstreamId,
};
use serde_json::{Value, json};

use super::*;
use crate::{Given, KnownNames, Moment, PolicyFile, Tools};

mod differential;

const WRITE: &str = r#"{"name":"write","inputSchema":{"type":"object","properties":{
    "path":{"type":"string"},"size":{"type":"integer"},"note":{"type":"string"}},"required":["path"]}}"#;
const READ: &str =
    r#"{"name":"read","inputSchema":{"type":"object","properties":{"uri":{"type":"string"}}}}"#;

fn known() -> KnownNames {
    let mut tools = Tools::default();
    tools.add("files", [("write", WRITE), ("read", READ)]);
    KnownNames {
        tenants: vec!["acme".into()],
        upstreams: vec!["files".into()],
        tools,
    }
}

fn policies(text: &str) -> Policies {
    let file = PolicyFile {
        name: "p.cedar".into(),
        text: text.into(),
    };
    Policies::compile(&[file], &known(), 1).unwrap()
}

fn ada() -> Principal {
    Principal {
        tenant: TenantId::parse("acme").unwrap(),
        subject: SubjectId::parse("ada").unwrap(),
        actor: ActorId::parse("bot").unwrap(),
        run: RunId::parse("r").unwrap(),
        run_source: RunSource::Token,
        standing: Arc::default(),
        binding: KeyBinding::NONE,
        chain: [].into(),
        groups: [Arc::from("ops")].into(),
        task: None,
    }
}

fn call(who: &Principal, tool: &str) -> Question {
    Question::new(
        who,
        Action::CallTool,
        &UpstreamId::parse("files").unwrap(),
        Target::Tool(ToolName::parse(tool).unwrap()),
        Cow::Borrowed("tools/call"),
    )
}

fn with(tool: &str, value: Value) -> Question {
    call(&ada(), tool).with_arguments(Given {
        value: Arc::new(value),
        definition: None,
    })
}

fn listed(tool: &str, value: Value, definition: &str) -> Question {
    call(&ada(), tool).with_arguments(Given {
        value: Arc::new(value),
        definition: Some(definition.into()),
    })
}

fn code(policies: &Policies, question: Question) -> Option<Code> {
    policies.decide(question).err().map(|no| no.denial().code)
}

const BELOW_PUBLIC: &str = r#"@id("public")
    permit (principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"files/write")
    when { context.args.path like "/public/*" };"#;

#[test]
fn a_policy_on_an_argument_permits_by_its_value() {
    let policies = policies(BELOW_PUBLIC);
    assert!(policies.reads_arguments() && !policies.reads_time() && !policies.reads_flow());
    for _ in 0..2 {
        assert_eq!(
            code(&policies, with("write", json!({"path": "/public/a"}))),
            None
        );
        let denied = code(&policies, with("write", json!({"path": "/etc/passwd"})));
        assert_eq!(denied, Some(Code::PolicyDenied));
    }
    // Arguments that nobody has shown are no arguments.
    assert_eq!(
        code(&policies, call(&ada(), "write")),
        Some(Code::PolicyError)
    );
}

#[test]
fn an_argument_that_is_not_there_is_asked_for_first() {
    let policies = policies(
        r#"permit (principal, action, resource in Cardea::Upstream::"files");
           @id("small") forbid (principal, action == Cardea::Action::"tools/call", resource in Cardea::Upstream::"files")
           when { context.args has size && context.args.size > 10 };"#,
    );
    for (value, denied) in [
        (json!({"path": "a"}), None),
        (json!({"path": "a", "size": null}), None),
        (json!({"path": "a", "size": 10}), None),
        (json!({"path": "a", "size": 11}), Some(Code::PolicyDenied)),
    ] {
        assert_eq!(
            code(&policies, with("write", value.clone())),
            denied,
            "{value}"
        );
    }
    // Another tool of the server has no such argument.
    assert_eq!(code(&policies, with("read", json!({"size": 11}))), None);
}

#[test]
fn arguments_of_another_type_are_never_shown_to_policies() {
    let open = policies(
        r#"permit (principal, action, resource);
           forbid (principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"files/write")
           when { context.args has size && context.args.size > 10 };"#,
    );
    for size in [json!("11"), json!(1e19), json!([11]), json!(11.5)] {
        let question = with("write", json!({"path": "a", "size": size}));
        let refusal = open.decide(question).unwrap_err();
        let denial = refusal.denial();
        assert_eq!(denial.code, Code::ArgumentInvalid, "{size}");
        assert!(denial.message.contains("`size`"), "{}", denial.message);
    }
    // What no policy looks at may be anything.
    assert_eq!(code(&open, with("write", json!({"path": 7}))), None);
    // Who may not call the tool in any way learns nothing of it.
    let closed = policies(
        r#"forbid (principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"files/write")
           unless { context.args has size && context.args.size > 10 };
           @id("nobody") forbid (principal, action, resource);"#,
    );
    let denied = code(&closed, with("write", json!({"path": "a", "size": "11"})));
    assert_eq!(denied, Some(Code::PolicyError));
}

#[test]
fn a_definition_that_policies_are_not_valid_for_denies_and_says_so() {
    let policies = policies(BELOW_PUBLIC);
    let good = json!({"path": "/public/a"});
    assert_eq!(code(&policies, listed("write", good.clone(), WRITE)), None);
    // The same as far as anybody looks.
    let more = r#"{"name":"write","description":"new","inputSchema":{"type":"object","properties":{
        "path":{"type":"string"},"mode":{"type":"integer"}},"required":["path"]}}"#;
    assert_eq!(code(&policies, listed("write", good.clone(), more)), None);
    for changed in [
        r#"{"name":"write","inputSchema":{"type":"object","properties":{"path":{"type":"integer"}},"required":["path"]}}"#,
        r#"{"name":"write","inputSchema":{"type":"object","properties":{"path":{"type":"string"}}}}"#,
        r#"{"name":"write","inputSchema":{"type":"object","properties":{"file":{"type":"string"}}}}"#,
        r#"{"name":"write","inputSchema":{"type":"object","properties":{"path":{}},"required":["path"]}}"#,
        r#"{"name":"write"}"#,
        "nonsense",
    ] {
        for _ in 0..2 {
            let refusal = policies
                .decide(listed("write", good.clone(), changed))
                .unwrap_err();
            let denial = refusal.denial();
            assert_eq!(denial.code, Code::PolicyError, "{changed}");
            let detail = denial.detail.unwrap_or_default();
            assert!(detail.contains("policy `public`"), "{detail}");
        }
    }
    assert_eq!(
        code(&policies, listed("write", good, WRITE)),
        None,
        "once it is as before"
    );
}

#[test]
fn arguments_of_a_tool_that_nobody_has_listed_are_not_decided_about() {
    let policies = policies(
        r#"permit (principal, action, resource);
           forbid (principal, action == Cardea::Action::"tools/call", resource)
           when { context.args has path && context.args.path like "/etc/*" };"#,
    );
    assert_eq!(
        code(&policies, with("new", json!({}))),
        Some(Code::PolicyError)
    );
    let new = r#"{"name":"new","inputSchema":{"properties":{"path":{"type":"string"}}}}"#;
    assert_eq!(code(&policies, listed("new", json!({}), new)), None);
    let etc = json!({"path": "/etc/passwd"});
    assert_eq!(
        code(&policies, listed("new", etc, new)),
        Some(Code::PolicyDenied)
    );
}

#[test]
fn before_there_is_a_call_only_what_arguments_can_change_is_left_open() {
    let outlook = |text: &str, tool: &str| policies(text).outlook(&call(&ada(), tool));
    assert_eq!(outlook(BELOW_PUBLIC, "write"), Outlook::Possible);
    assert_eq!(outlook(BELOW_PUBLIC, "read"), Outlook::LacksPermit);
    let forbidden = format!("{BELOW_PUBLIC} forbid (principal, action, resource);");
    assert_eq!(outlook(&forbidden, "write"), Outlook::Refused);
    let some = format!(
        r#"{BELOW_PUBLIC} permit (principal, action, resource);
           forbid (principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"files/read")
           when {{ context.args has uri }};"#
    );
    assert_eq!(outlook(&some, "read"), Outlook::Possible);
    let only_forbids = r#"forbid (principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"files/read")
           when { context.args has uri };"#;
    assert_eq!(outlook(only_forbids, "read"), Outlook::LacksPermit);
    let fails = "permit (principal, action, resource); forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };";
    assert_eq!(outlook(fails, "read"), Outlook::Refused);
    let at_a_time = "permit (principal, action, resource) when { context.time.hour_utc < 12 };";
    assert_eq!(
        outlook(at_a_time, "read"),
        Outlook::Refused,
        "nobody knows the time"
    );
}

#[test]
fn policies_read_the_time_the_login_the_roles_and_the_binding() {
    let policies = policies(
        r#"permit (principal, action, resource) when {
               context.time.weekday_local <= 5 && context.time.hour_local >= 8 && context.time.hour_utc < 20
               && principal.roles.contains("clerk") && principal.amr.containsAny(["otp", "hwk"])
               && principal has acr && principal.acr == "high"
               && principal has auth_time_s && context.time.unix_s - principal.auth_time_s < 300
               && (principal.bound_by_dpop || principal.bound_by_certificate) };"#,
    );
    let at = |unix_s, local| Moment {
        unix_s,
        utc: (10, 1),
        local,
    };
    let who = |roles: &str, amr: &str, acr: Option<&str>, is_bound: bool| {
        let key = is_bound.then(|| Thumbprint::new([7; 32]));
        Principal {
            standing: Arc::new(Standing {
                roles: [Arc::from(roles)].into(),
                acr: acr.map(Arc::from),
                amr: [Arc::from(amr)].into(),
                auth_time_s: Some(1_000),
            }),
            binding: KeyBinding {
                dpop: key,
                certificate: None,
            },
            ..ada()
        }
    };
    let good = who("clerk", "otp", Some("high"), true);
    let ask = |who: &Principal, moment| policies.decide(call(who, "read").at(moment)).is_ok();
    assert!(ask(&good, at(1_100, (12, 1))));
    assert!(!ask(&good, at(1_300, (12, 1))), "the login is too old");
    assert!(!ask(&good, at(1_100, (12, 6))), "on Saturday");
    assert!(!ask(&good, at(1_100, (7, 1))), "before eight");
    for other in [
        who("guest", "otp", Some("high"), true),
        who("clerk", "pwd", Some("high"), true),
        who("clerk", "otp", None, true),
        who("clerk", "otp", Some("high"), false),
    ] {
        assert!(!ask(&other, at(1_100, (12, 1))), "{:?}", other.standing);
    }
    assert_eq!(
        code(&policies, call(&good, "read")),
        Some(Code::PolicyError)
    );
}

#[test]
fn one_that_asks_for_approval_reads_arguments_too() {
    let policies = policies(
        r#"permit (principal, action, resource);
           @id("large") @approval("once")
           forbid (principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"files/write")
           when { context.args has size && context.args.size > 10 };"#,
    );
    let held = |size| policies.approval(&with("write", json!({"path": "a", "size": size})));
    assert_eq!(held(json!(1)).unwrap().len(), 0);
    assert_eq!(*held(json!(11)).unwrap(), [Arc::from("large")]);
    assert!(held(json!("eleven")).is_err());
}

#[test]
fn only_what_forbids_without_a_look_at_the_call_or_the_login_is_known_ahead() {
    let policies = policies(
        r#"@id("a") permit (principal, action, resource);
           @id("b") forbid (principal, action == Cardea::Action::"tools/call", resource) when { resource.name == "write" };
           @id("c") forbid (principal, action, resource) when { context.method == "tools/call" };
           @id("d") forbid (principal, action, resource) unless { context.flow.declared };
           @id("e") forbid (principal, action, resource) unless { principal.bound_by_dpop };
           @id("f") forbid (principal, action, resource) unless { principal.roles.contains("clerk") };"#,
    );
    let ahead = |tool| policies.forbidding_ahead(&call(&ada(), tool)).to_vec();
    assert_eq!(ahead("write"), [Arc::from("b")]);
    assert_eq!(ahead("read"), [] as [Arc<str>; 0]);
    let fails = "@id(\"a\") forbid (principal, action, resource); forbid (principal, action, resource) when { 9223372036854775807 + 1 == 0 };";
    assert_eq!(
        self::policies(fails)
            .forbidding_ahead(&call(&ada(), "read"))
            .len(),
        0
    );
}
