use std::{borrow::Cow, sync::Arc};

use cardea_domain::{
    Action, ActorId, Code, Denial, KeyBinding, Principal, RunId, RunSource, SubjectId, Target,
    TenantId, ToolName, UpstreamId,
};

use super::*;
use crate::{Permit, Question};

fn known() -> KnownNames {
    KnownNames {
        tenants: vec!["acme".into(), "globex".into()],
        upstreams: vec!["files".into(), "time".into()],
        tools: Tools::default(),
    }
}

fn compile(text: &str) -> Result<Policies, Vec<Finding>> {
    let file = PolicyFile {
        name: "p.cedar".into(),
        text: text.into(),
    };
    Policies::compile(&[file], &known(), 1)
}

fn principal(tenant: &str, subject: &str, actor: &str, groups: &[&str]) -> Principal {
    Principal {
        tenant: TenantId::parse(tenant).unwrap(),
        subject: SubjectId::parse(subject).unwrap(),
        actor: ActorId::parse(actor).unwrap(),
        run: RunId::parse("r").unwrap(),
        run_source: RunSource::Token,
        standing: Arc::default(),
        binding: KeyBinding::NONE,
        groups: groups.iter().map(|g| Arc::from(*g)).collect(),
        task: None,
        chain: Arc::from([]),
    }
}

fn call(
    policies: &Policies,
    who: &Principal,
    upstream: &str,
    tool: &str,
) -> Result<Permit, Denial> {
    let question = Question::new(
        who,
        Action::CallTool,
        &UpstreamId::parse(upstream).unwrap(),
        Target::Tool(ToolName::parse(tool).unwrap()),
        Cow::Borrowed("tools/call"),
    );
    policies.decide(question).map_err(Denial::from)
}

#[test]
fn nothing_is_allowed_by_default() {
    let policies = compile("").unwrap();
    let denial = call(
        &policies,
        &principal("acme", "ada", "bot", &[]),
        "files",
        "read",
    )
    .unwrap_err();
    assert_eq!(denial.code, Code::PolicyDenied);
}

#[test]
fn each_scope_admits_exactly_its_own() {
    let ada = principal("acme", "ada", "bot", &["ops"]);
    let other_tenant = principal("globex", "ada", "bot", &["ops"]);
    let other = principal("acme", "bob", "bot2", &["dev"]);
    for scope in [
        r#"principal in Cardea::Actor::"acme/bot""#,
        r#"principal in Cardea::Subject::"acme/ada""#,
        r#"principal in Cardea::Group::"acme/ops""#,
    ] {
        let policies = compile(&format!(
            r#"permit({scope}, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"files/read");"#
        ))
        .unwrap();
        assert!(call(&policies, &ada, "files", "read").is_ok(), "{scope}");
        assert!(call(&policies, &ada, "files", "write").is_err(), "{scope}");
        assert!(call(&policies, &ada, "time", "read").is_err(), "{scope}");
        assert!(call(&policies, &other, "files", "read").is_err(), "{scope}");
        assert!(
            call(&policies, &other_tenant, "files", "read").is_err(),
            "{scope}"
        );
    }
}

#[test]
fn forbid_wins_over_any_permit_and_is_named_in_the_detail() {
    let policies = compile(
        r#"permit(principal, action in Cardea::Action::"use", resource in Cardea::Upstream::"files");
           @id("no-writes") forbid(principal, action, resource == Cardea::Tool::"files/write");"#,
    )
    .unwrap();
    let ada = principal("acme", "ada", "bot", &[]);
    let permit = call(&policies, &ada, "files", "read").unwrap();
    assert_eq!(permit.policies(), [Arc::from("p.cedar#1")]);
    let denial = call(&policies, &ada, "files", "write").unwrap_err();
    assert_eq!(denial.detail.as_deref(), Some("forbidden by no-writes"));
}

#[test]
fn a_policy_that_errors_denies_even_beside_a_permit() {
    // Overflow passes validation and fails only when it is evaluated.
    let policies = compile(
        r#"permit(principal, action, resource);
           forbid(principal, action, resource) when { 9223372036854775807 + 1 == 0 };"#,
    )
    .unwrap();
    let ada = principal("acme", "ada", "bot", &[]);
    for _ in 0..2 {
        let denial = call(&policies, &ada, "files", "read").unwrap_err();
        assert_eq!(denial.code, Code::PolicyError);
    }
}

#[test]
fn every_mistake_is_found_at_once_with_its_place() {
    let text = r#"permit(principal in Cardea::Actor::"acmee/bot", action, resource);
permit(principal, action == Cardea::Action::"tools/cal", resource);
permit(principal, action, resource in Cardea::Upstream::"flies");
permit(principal, action == Cardea::Action::"tools/call", resource) when { resource.nam == "x" };
"#;
    let findings = compile(text).unwrap_err();
    let line = |f: &Finding| text[..f.span.clone().unwrap().start].lines().count().max(1);
    let all: Vec<_> = findings.iter().map(|f| f.message.clone()).collect();
    assert!(findings.len() >= 4, "{all:#?}");
    let tenant = findings
        .iter()
        .find(|f| f.message.contains("unknown tenant"))
        .unwrap();
    assert_eq!(tenant.help.as_deref(), Some("did you mean `acme`?"));
    assert_eq!(line(tenant), 1);
    let upstream = findings
        .iter()
        .find(|f| f.message.contains("unknown upstream"))
        .unwrap();
    assert_eq!(upstream.help.as_deref(), Some("did you mean `files`?"));
    assert!(all.iter().any(|m| m.contains("tools/cal")), "{all:#?}");
    assert!(all.iter().any(|m| m.contains("nam")), "{all:#?}");
}

#[test]
fn syntax_errors_have_a_place() {
    let findings = compile("permit(principal, action resource);").unwrap_err();
    assert!(findings[0].span.is_some());
}

#[test]
fn ids_used_twice_and_templates_are_refused() {
    let twice = r#"@id("a") permit(principal, action, resource); @id("a") forbid(principal, action, resource);"#;
    assert!(
        compile(twice).unwrap_err()[0]
            .message
            .contains("used twice")
    );
    let template = "permit(principal == ?principal, action, resource);";
    assert!(
        compile(template)
            .unwrap_err()
            .iter()
            .any(|f| f.message.contains("template"))
    );
}

#[test]
fn names_with_slashes_do_not_run_into_each_other() {
    let policies =
        compile(r#"permit(principal in Cardea::Subject::"acme/a", action, resource);"#).unwrap();
    assert!(call(&policies, &principal("acme", "a", "b/c", &[]), "files", "x").is_ok());
    assert!(call(&policies, &principal("acme", "a/b", "c", &[]), "files", "x").is_err());
}

#[test]
fn the_group_read_holds_no_call() {
    let policies =
        compile(r#"permit(principal, action in Cardea::Action::"read", resource);"#).unwrap();
    let ada = principal("acme", "ada", "bot", &[]);
    assert!(call(&policies, &ada, "files", "read").is_err());
    let connect = Question::new(
        &ada,
        Action::Connect,
        &UpstreamId::parse("files").unwrap(),
        Target::Upstream,
        Cow::Borrowed("tools/list"),
    );
    assert!(policies.decide(connect).is_ok());
}

#[test]
fn every_action_is_in_the_schema_with_the_groups_that_the_entities_say() {
    let schema = schema::of(&About::Calls(&Arguments::default())).unwrap();
    let entities = schema.action_entities().unwrap();
    let words = Vocabulary::new().unwrap();
    let ada = principal("acme", "ada", "bot", &[]);
    for action in Action::ALL {
        let question = Question::new(
            &ada,
            action,
            &UpstreamId::parse("files").unwrap(),
            Target::Upstream,
            Cow::Borrowed("m"),
        );
        let asked = words.ask(&question).unwrap().entities;
        let id: EntityUid = format!("Cardea::Action::\"{}\"", action.as_str())
            .parse()
            .unwrap();
        let mut in_schema: Vec<_> = entities
            .ancestors(&id)
            .unwrap()
            .map(ToString::to_string)
            .collect();
        let mut in_question: Vec<_> = asked
            .ancestors(&id)
            .unwrap()
            .map(ToString::to_string)
            .collect();
        in_schema.sort();
        in_question.sort();
        assert_eq!(in_schema, in_question, "{id}");
    }
}

fn file(name: &str, text: &str) -> PolicyFile {
    PolicyFile {
        name: name.into(),
        text: text.into(),
    }
}

/// The names that a policy of `acme` may use: the tenant, and what exists for it.
fn acme() -> (TenantId, KnownNames) {
    let known = KnownNames {
        tenants: vec!["acme".into()],
        upstreams: vec!["files".into()],
        tools: Tools::default(),
    };
    (TenantId::parse("acme").unwrap(), known)
}

#[test]
fn a_tenants_set_is_the_shared_policies_and_its_own_and_a_forbid_of_either_wins() {
    let shared = file(
        "shared.cedar",
        r#"@id("all") permit(principal, action, resource);
           @id("no-delete") forbid(principal, action, resource == Cardea::Tool::"files/delete");"#,
    );
    let own = file(
        "own.cedar",
        r#"@id("own-all") permit(principal in Cardea::Tenant::"acme", action, resource);
           @id("no-move") forbid(principal, action, resource == Cardea::Tool::"files/move");"#,
    );
    let shared = Shared::compile(&[shared], &known()).unwrap();
    let (tenant, known) = acme();
    let policies = shared.with_own(&tenant, &[own], &known, 1).unwrap();
    let without = shared.with_own(&tenant, &[], &known, 1).unwrap();
    let ada = principal("acme", "ada", "bot", &[]);
    let permit = call(&policies, &ada, "files", "read").unwrap();
    assert_eq!(permit.policies(), [Arc::from("all"), Arc::from("own-all")]);
    assert!(call(&policies, &ada, "files", "delete").is_err());
    assert!(call(&policies, &ada, "files", "move").is_err());
    assert!(call(&without, &ada, "files", "move").is_ok());
    assert_eq!((policies.len(), without.len(), shared.len()), (4, 2, 2));
}

#[test]
fn a_tenants_own_policies_speak_of_that_tenant_alone() {
    let shared = Shared::compile(&[], &known()).unwrap();
    let (tenant, known) = acme();
    for literal in [
        r#"principal in Cardea::Tenant::"globex""#,
        r#"principal == Cardea::Subject::"globex/eve""#,
        r#"principal in Cardea::Group::"globex/admins""#,
        r#"principal.actor == Cardea::Actor::"globex/bot""#,
        r#"principal in Cardea::Tenant::"nobody""#,
    ] {
        let text = format!("permit(principal, action, resource) when {{ {literal} }};");
        let found = shared
            .with_own(&tenant, &[file("own.cedar", &text)], &known, 1)
            .unwrap_err();
        assert_eq!(found.len(), 1, "{literal}: {found:?}");
        assert!(
            found[0].message.contains("is not of the tenant `acme`"),
            "{found:?}"
        );
        assert!(found[0].span.is_some());
    }
    let elsewhere = r#"permit(principal, action, resource in Cardea::Upstream::"time");"#;
    let found = shared
        .with_own(&tenant, &[file("own.cedar", elsewhere)], &known, 1)
        .unwrap_err();
    assert!(
        found[0].message.contains("unknown upstream `time`"),
        "{found:?}"
    );
}

#[test]
fn an_id_is_used_once_among_the_shared_policies_and_a_tenants_own() {
    let text = r#"@id("all") permit(principal, action, resource);"#;
    let shared = Shared::compile(&[file("shared.cedar", text)], &known()).unwrap();
    let (tenant, known) = acme();
    let found = shared
        .with_own(&tenant, &[file("own.cedar", text)], &known, 1)
        .unwrap_err();
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(
        found[0]
            .message
            .contains("`all` is used twice; the other is in shared.cedar")
    );
}
