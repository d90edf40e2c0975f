//! `cardea policy`: types, reasons, expected decisions, what a new set would change.

use super::*;

const CONFIG: &str = "\
tenants: { acme: {} }
issuers: [{ embedded: true, tenants: [acme] }]
upstreams:
  files:
    tenants: [acme]
    http: { url: \"http://127.0.0.1:9/mcp\" }
    definitions: tools.json
policies: [policies]
authorization_server: {}
entitlements:
  write:
    resources: [{ upstream: files, tools: [write] }]
    kinds: [once]
    approval: [{ groups: [leads] }]
";

const TOOLS: &str = r#"{"result":{"tools":[{"name":"write","inputSchema":{"type":"object","properties":{
    "path":{"type":"string"},"size":{"type":"integer"},"meta":{"type":"object"}},"required":["path"]}}]}}"#;

const POLICY: &str = r#"
    @id("public") permit (principal in Cardea::Group::"acme/ops", action == Cardea::Action::"tools/call", resource == Cardea::Tool::"files/write")
    when { context.args.path like "/public/*" };
    @id("small") forbid (principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"files/write")
    when { context.args has size && context.args.size > 100 };
    @id("evening") @approval("once") forbid (principal, action == Cardea::Action::"tools/call", resource)
    when { context.time.hour_local >= 18 };
"#;

fn desk() -> Desk {
    let desk = Desk::with(CONFIG);
    fs::write(desk.folder().join("tools.json"), TOOLS).unwrap();
    desk.policy("all", POLICY);
    desk
}

const ADA: [&str; 12] = [
    "policy",
    "explain",
    "files",
    "write",
    "--subject",
    "ada",
    "--actor",
    "bot",
    "--group",
    "ops",
    "--at",
    "2026-11-26T10:00:00Z",
];

fn explain(desk: &Desk, more: &[&str]) -> Ended {
    desk.run(&[&ADA[..], more].concat())
}

#[test]
fn the_arguments_of_tools_are_shown_as_types_with_what_cannot_be_read() {
    let desk = desk();
    let ended = desk
        .run(&["policy", "schema", "--tools", "tools.json"])
        .succeeded();
    for told in [
        "// write\n",
        "path: __cedar::String",
        "size?: __cedar::Long",
        "policies cannot read meta: ",
    ] {
        assert!(
            ended.out.replace('"', "").contains(told),
            "{told}: {}",
            ended.out
        );
    }
    let whole = desk
        .run(&[
            "policy",
            "schema",
            "--tools",
            "tools.json",
            "--tool",
            "write",
        ])
        .succeeded();
    assert!(whole.out.contains("action \"tools/call\"") && whole.out.contains("type Args"));
    let json = desk
        .run(&["policy", "schema", "--tools", "tools.json", "--json"])
        .succeeded();
    let json: Value = serde_json::from_str(&json.out).unwrap();
    assert_eq!(
        (&json[0]["tool"], &json[0]["valid"]),
        (&json!("write"), &json!(true))
    );
    for (file, told) in [("none.json", "no such file"), ("cardea.yaml", "not JSON")] {
        let ended = desk.run(&["policy", "schema", "--tools", file]);
        assert_eq!(ended.status, 2, "{}", ended.err);
        ended.tells(&[told]);
    }
}

#[test]
fn a_decision_is_explained_with_what_is_missing_and_who_could_approve() {
    let desk = desk();
    let good = explain(&desk, &["--arguments", r#"{"path":"/public/a"}"#]).succeeded();
    assert!(
        good.out.starts_with("permitted by public\n"),
        "{}",
        good.out
    );
    let denied = explain(&desk, &["--arguments", r#"{"path":"/etc/a"}"#]);
    assert_eq!(denied.status, 1);
    for told in [
        "no policy permits it",
        "/public/*",
        "under `write` as once",
        "one of group leads",
    ] {
        assert!(denied.out.contains(told), "{told}: {}", denied.out);
    }
    let large = explain(
        &desk,
        &[
            "--arguments",
            r#"{"path":"/public/a","size":101}"#,
            "--json",
        ],
    );
    assert_eq!(large.status, 1);
    let said: Value = serde_json::from_str(&large.out).unwrap();
    assert_eq!(
        (&said["decision"], &said["by"]),
        (&json!("forbidden"), &json!(["small"]))
    );
    assert_eq!(
        said["can_be_asked_for"],
        Value::Null,
        "an approval would not help"
    );
    let evening = explain(
        &desk,
        &[
            "--arguments",
            r#"{"path":"/public/a"}"#,
            "--at",
            "2026-11-26T19:00:00Z",
        ],
    );
    assert_eq!(evening.status, 2, "a time is given once: {}", evening.err);
    let open = explain(&desk, &[]);
    assert!(
        open.out.starts_with("depends on arguments\n"),
        "{}",
        open.out
    );
    for (more, told) in [
        (&["--arguments", "[]"][..], "no object"),
        (&["--arguments", "{"], "no JSON"),
        (&["--tenant", "globex"], "there is no tenant `globex`"),
        (&["--flow", "untrusted"], "untrusted"),
    ] {
        let ended = explain(&desk, more);
        assert_eq!(ended.status, 2, "{more:?}: {}", ended.err);
        ended.tells(&[told]);
    }
}

#[test]
fn expected_decisions_are_held_against_the_set() {
    let desk = desk();
    let tests = r#"
tests:
  - name: below public
    subject: ada
    actor: bot
    groups: [ops]
    upstream: files
    tool: write
    arguments: { path: /public/a }
    at: "2026-11-26T10:00:00Z"
    expect: permitted
    by: [public]
  - { name: in the evening, subject: ada, actor: bot, groups: [ops], upstream: files, tool: write,
      arguments: { path: /public/a }, at: "2026-11-26T19:00:00Z", expect: needs-approval, by: [evening] }
  - { name: a stranger, subject: eve, actor: bot, upstream: files, tool: write,
      arguments: { path: /public/a }, at: "2026-11-26T10:00:00Z", expect: not-permitted }
  - { name: large, subject: ada, actor: bot, groups: [ops], upstream: files, tool: write,
      arguments: { path: /public/a, size: 101 }, at: "2026-11-26T10:00:00Z", expect: forbidden, by: [small] }
"#;
    let run = |text: &str| {
        fs::write(desk.folder().join("tests.yaml"), text).unwrap();
        desk.run(&["policy", "test", "tests.yaml"])
    };
    let good = run(tests).succeeded();
    assert_eq!(good.out.matches("ok ").count(), 4, "{}", good.out);
    let wrong = run(&tests.replace("expect: forbidden, by: [small]", "expect: permitted"));
    assert_eq!(wrong.status, 1);
    assert!(
        wrong.out.contains("forbidden by small; expected permitted"),
        "{}",
        wrong.out
    );
    wrong.tells(&["1 of 4 tests failed"]);
    let by = run(&tests.replace("by: [public]", "by: [other]"));
    assert!(
        by.out
            .contains("permitted by public; expected permitted by other"),
        "{}",
        by.out
    );
    for (text, told) in [
        ("tests: []\n", "no tests"),
        ("tests: [{ name: a, expect: maybe }]\n", "maybe"),
        ("test: []\n", "test"),
        ("- name: a\n", "no `tests:`"),
        (
            &tests.replace(
                "expect: not-permitted",
                "flow: [doubtful], expect: forbidden",
            ),
            "test `a stranger`: `flow` has facts with their values",
        ),
        (&tests.replace("subject: eve", "subjekt: eve"), "subjekt"),
        (
            &tests.replace("arguments: { path: /public/a, size: 101 }, ", ""),
            "give it some",
        ),
    ] {
        let ended = run(text);
        assert_eq!(ended.status, 2, "{text}: {}", ended.err);
        ended.tells(&[told]);
    }
}

#[tokio::test]
async fn recorded_calls_show_what_a_new_set_would_change() {
    let echo = Echo::start().await.unwrap();
    let tools = TOOLS.replace(",\"meta\":{\"type\":\"object\"}", "");
    let listed: Value = serde_json::from_str(&tools).unwrap();
    echo.on("tools/list", move |seen| {
        let mut result = listed["result"].clone();
        result["resultType"] = "complete".into();
        Reply::result(seen, &result)
    });
    let upstream =
        json!({"tenants": [TENANT], "http": {"url": echo.url()}, "definitions": "tools.json"});
    let set = |path: &str| {
        format!(
            r#"@id("looks") permit (principal, action == Cardea::Action::"connect", resource);
               @id("public") permit (principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"echo/write")
               when {{ context.args.path like "{path}" }};"#
        )
    };
    let setup = setup()
        .file("tools.json", &tools)
        .upstream(UPSTREAM, upstream);
    let gateway = setup.only_policy(&set("/public/*")).start().await.unwrap();
    let token = token(&gateway, "ada", "bot").await;
    let stage = Stage {
        echo,
        gateway,
        token,
    };
    stage.call(&modern(0, "tools/list", json!({}))).await;
    for (id, path) in [(1, "/public/a"), (2, "/public/b"), (3, "/other/c")] {
        let params = json!({"name": "write", "arguments": {"path": path}});
        stage.call(&modern(id, "tools/call", params)).await;
    }
    stage.record_by_id("denial", &json!(3)).await;
    let simulate = || {
        let config = stage.gateway.config().to_str().unwrap();
        run_in(
            stage.gateway.folder(),
            &["policy", "simulate", "--config", config, "--json"],
        )
    };
    let same = simulate().succeeded();
    let same: Value = serde_json::from_str(&same.out).unwrap();
    assert_eq!(
        (&same["changed"], &same["same"]),
        (&json!(0), &json!(4)),
        "{same:#}"
    );
    let file = stage.gateway.folder().join("policies");
    let file = fs::read_dir(file).unwrap().next().unwrap().unwrap().path();
    fs::write(file, set("/other/*")).unwrap();
    let changed = simulate();
    assert_eq!(changed.status, 1, "{}", changed.err);
    let said: Value = serde_json::from_str(&changed.out).unwrap();
    assert_eq!(said["changed"], 3, "{said:#}");
    let told: Vec<_> = said["changes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|change| {
            (
                change["calls"].clone(),
                change["was"].clone(),
                change["would_be"].clone(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (json!(2), json!("permitted"), json!("not-permitted")),
            (json!(1), json!("not-permitted"), json!("permitted")),
        ]
    );
}
