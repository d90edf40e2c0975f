use cardea_domain::{
    Action, ActorId, KeyBinding, Principal, RunId, RunSource, SubjectId, Target, TenantId,
    ToolName, UpstreamId,
};
use serde_json::{Value, json};

use super::*;
use crate::{Given, KnownNames, PolicyFile, Tools};

const WRITE: &str = r#"{"name":"write","inputSchema":{"type":"object","properties":{
    "path":{"type":"string"},"size":{"type":"integer"}},"required":["path"]}}"#;

const SET: &str = r#"
    @id("public") permit (principal in Cardea::Group::"acme/ops", action == Cardea::Action::"tools/call", resource == Cardea::Tool::"files/write")
    when { principal.bound_by_dpop || context.args.path like "/public/*" };
    @id("others") permit (principal in Cardea::Group::"acme/dev", action, resource);
    @id("elsewhere") permit (principal, action, resource in Cardea::Upstream::"mail");
    @id("small") forbid (principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"files/write")
    when { context.args has size && context.args.size + 9223372036854775000 > 9223372036854775005 };
    @id("large") @approval("once") forbid (principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"files/write")
    when { context.args.path like "*.exe" };
"#;

fn explained(value: Option<Value>) -> Explanation {
    let mut tools = Tools::default();
    tools.add("files", [("write", WRITE)]);
    tools.add("mail", []);
    let known = KnownNames {
        tenants: vec!["acme".into()],
        upstreams: vec!["files".into(), "mail".into()],
        tools,
    };
    let file = PolicyFile {
        name: "p.cedar".into(),
        text: SET.into(),
    };
    let policies = Policies::compile(&[file], &known, 1).unwrap();
    let ada = Principal {
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
    };
    let question = Question::new(
        &ada,
        Action::CallTool,
        &UpstreamId::parse("files").unwrap(),
        Target::Tool(ToolName::parse("write").unwrap()),
        "tools/call".into(),
    );
    let question = match value {
        Some(value) => question.with_arguments(Given {
            value: Arc::new(value),
            definition: None,
        }),
        None => question,
    };
    policies.explain(&question)
}

fn outcome<'a>(explanation: &'a Explanation, id: &str) -> &'a Outcome {
    let found = explanation.policies.iter().find(|policy| policy.id == id);
    &found.unwrap().outcome
}

#[test]
fn each_policy_about_a_call_is_told_with_what_keeps_it_from_applying() {
    let good = explained(Some(json!({"path": "/public/a"})));
    assert_eq!(
        (&good.said, &good.by[..]),
        (&Said::Permitted, &["public".to_owned()][..])
    );
    assert_eq!(good.approval, [""; 0]);
    let ids: Vec<_> = good
        .policies
        .iter()
        .map(|policy| policy.id.as_str())
        .collect();
    assert_eq!(
        ids,
        ["large", "others", "public", "small"],
        "and none about mail"
    );
    assert_eq!(outcome(&good, "others"), &Outcome::Elsewhere);
    assert_eq!(
        outcome(&good, "small"),
        &Outcome::Unmet("when { context.args has size }".to_owned())
    );

    let denied = explained(Some(json!({"path": "/etc/a.exe"})));
    assert_eq!(denied.said, Said::NotPermitted);
    let Outcome::Unmet(condition) = outcome(&denied, "public") else {
        panic!("{denied:?}")
    };
    assert!(
        condition.starts_with("when { ") && condition.contains("/public/*"),
        "{condition}"
    );
    assert_eq!(denied.approval, ["large"]);

    let forbidden = explained(Some(json!({"path": "/public/a", "size": 6})));
    assert_eq!(
        (&forbidden.said, &forbidden.by[..]),
        (&Said::Forbidden, &["small".to_owned()][..])
    );

    let failed = explained(Some(json!({"path": "/public/a", "size": i64::MAX})));
    assert!(
        matches!(&failed.said, Said::Failed(error) if error.contains("overflow")),
        "{failed:?}"
    );
    assert!(matches!(outcome(&failed, "small"), Outcome::Fails(_)));
}

#[test]
fn without_arguments_it_says_what_depends_on_them() {
    let open = explained(None);
    assert_eq!(open.said, Said::Depends);
    assert!(
        matches!(outcome(&open, "public"), Outcome::Depends(_)),
        "{open:?}"
    );
    assert_eq!(outcome(&open, "others"), &Outcome::Elsewhere);
}
