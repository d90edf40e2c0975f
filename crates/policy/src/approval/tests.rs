use cardea_domain::{Action, ActorId, SubjectId, Target, ToolName, UpstreamId};

use super::*;
use crate::{Caller, Tools};

fn compile(text: &str) -> Result<ApprovalPolicies, Vec<Finding>> {
    let known = KnownNames {
        tenants: vec!["acme".into(), "globex".into()],
        upstreams: vec!["files".into()],
        tools: Tools::default(),
    };
    let file = PolicyFile {
        name: "approvals.cedar".into(),
        text: text.into(),
    };
    ApprovalPolicies::compile(&file, None, &known)
}

fn read() -> Wish {
    Wish {
        kind: "once",
        duration_s: 600,
        calls: Some(1),
        utc: (10, 2),
        local: (12, 2),
        ..Wish::default()
    }
}

fn rule(text: &str, wish: &Wish) -> Ruling {
    let groups = Arc::from([Arc::from("ops")]);
    let caller = Caller {
        tenant: &TenantId::parse("acme").unwrap(),
        subject: &SubjectId::parse("ada").unwrap(),
        actor: &ActorId::parse("bot").unwrap(),
        groups: &groups,
        standing: Arc::default(),
        binding: cardea_domain::KeyBinding::NONE,
    };
    let question = Question::new(
        caller,
        Action::CallTool,
        &UpstreamId::parse("files").unwrap(),
        Target::Tool(ToolName::parse("read").unwrap()),
        "tools/call".into(),
    );
    compile(text).unwrap().rule(&question, wish)
}

fn said(name: &str, reason: Option<&str>) -> Rule {
    Rule {
        name: name.into(),
        reason: reason.map(str::to_owned),
    }
}

#[test]
fn a_permit_approves_a_forbid_refuses_and_silence_is_for_people() {
    let text = r#"
        @id("office") @reason("reading in office hours")
        permit(principal in Cardea::Group::"acme/ops", action, resource in Cardea::Upstream::"files")
        when { context.kind == Cardea::Kind::"once" && context.hour_local >= 8 && context.hour_local < 18 };
        @id("cool-down") @reason("too many refusals; wait")
        forbid(principal, action, resource) when { context.agent_refused_1h >= 3 };"#;
    assert_eq!(
        rule(text, &read()),
        Ruling::Approve(said("office", Some("reading in office hours")))
    );
    let night = Wish {
        local: (23, 2),
        ..read()
    };
    assert_eq!(rule(text, &night), Ruling::Silent);
    let stubborn = Wish {
        agent: Recent {
            refused: 3,
            ..Recent::default()
        },
        ..read()
    };
    let refused = said("cool-down", Some("too many refusals; wait"));
    assert_eq!(rule(text, &stubborn), Ruling::Refuse(refused));
    assert_eq!(rule("", &read()), Ruling::Silent);
}

#[test]
fn a_rule_that_fails_takes_every_approval_away_and_no_refusal() {
    // Additions of this size overflow, which strict validation cannot see.
    let fails = "context.duration_s + 9223372036854775807 > 0";
    let permit = r#"@id("yes") permit(principal, action, resource);"#;
    for kind in ["permit", "forbid"] {
        let text = format!("{permit} {kind}(principal, action, resource) when {{ {fails} }};");
        let ruling = rule(&text, &read());
        assert!(matches!(ruling, Ruling::Failed(_)), "{kind}: {ruling:?}");
    }
    let no = r#"@id("no") forbid(principal, action, resource);"#;
    let text = format!("{no} permit(principal, action, resource) when {{ {fails} }};");
    assert_eq!(rule(&text, &read()), Ruling::Refuse(said("no", None)));
}

#[test]
fn what_a_server_asserts_is_absent_unless_it_says_so() {
    let text = r#"@id("reads") permit(principal, action, resource)
        when { context has asserted_read_only && context.asserted_read_only };"#;
    let asserting = |is| Wish {
        asserted: [is, None, None, None],
        ..read()
    };
    assert_eq!(rule(text, &asserting(None)), Ruling::Silent);
    assert_eq!(rule(text, &asserting(Some(false))), Ruling::Silent);
    assert_eq!(
        rule(text, &asserting(Some(true))),
        Ruling::Approve(said("reads", None))
    );
}

#[test]
fn what_could_never_apply_is_a_mistake_with_its_place() {
    for wrong in [
        // No text of a model's, no arguments.
        r#"permit(principal, action, resource) when { context.reason == "please" };"#,
        "permit(principal, action, resource) when { context.arguments.path == \"/\" };",
        // A misspelt `forbid` would refuse nothing.
        r#"forbid(principal, action, resource) when { context.kind == Cardea::Kind::"tiem" };"#,
        r#"forbid(principal, action, resource) when { context.kind == "time" };"#,
        r#"forbid(principal in Cardea::Tenant::"acne", action, resource);"#,
        r#"forbid(principal, action == Cardea::Action::"tools/call", resource);"#,
        // What may be absent is asked for first.
        "permit(principal, action, resource) when { context.asserted_read_only };",
        "permit(principal, action, resource) when { context.calls < 3 };",
    ] {
        let found = compile(wrong).unwrap_err();
        assert!(
            !found.is_empty() && found[0].span.is_some(),
            "{wrong}: {found:?}"
        );
    }
    let long = format!(
        "@id(\"{}\") permit(principal, action, resource);",
        "x".repeat(101)
    );
    assert!(compile(&long).is_err());
}

#[test]
fn rules_over_requests_are_no_policies_over_calls() {
    let file = |text: &str| PolicyFile {
        name: "p.cedar".into(),
        text: text.into(),
    };
    let known = KnownNames::default();
    let rules = file(
        r#"permit(principal, action == Cardea::Action::"approve", resource)
           when { context.hour_utc > 7 };"#,
    );
    assert!(crate::Policies::compile(&[rules], &known, 1).is_err());
}
