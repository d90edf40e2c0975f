//! Policies that read arguments: what a call says decides, a changed tool does not slip through.

use crate::support::*;

const WRITE: &str = r#"{"tools":[{"name":"write","inputSchema":{"type":"object","properties":{
    "path":{"type":"string"},"tenant":{"type":"string"},"size":{"type":"integer"}},"required":["path"]}}]}"#;

const POLICY: &str = r#"
    @id("looks") permit (principal, action == Cardea::Action::"connect", resource);
    @id("public") permit (principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"echo/write")
    when { context.args.path like "/public/*" };
    @id("small") forbid (principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"echo/write")
    when { context.args has size && context.args.size > 100 };
"#;

/// A gateway with this policy, whose server lists what the file has until it is told otherwise.
async fn stage(policy: &str, more: Value) -> Stage {
    let echo = Echo::start().await.unwrap();
    list(&echo, WRITE);
    let mut upstream = json!({
        "tenants": [TENANT], "http": { "url": echo.url() }, "definitions": "tools.json",
    });
    for (member, value) in more.as_object().unwrap() {
        upstream[member] = value.clone();
    }
    let setup = setup()
        .file("tools.json", WRITE)
        .upstream(UPSTREAM, upstream);
    let gateway = setup.policy(policy).start().await.unwrap();
    let token = token(&gateway, "ada", "bot").await;
    Stage {
        echo,
        gateway,
        token,
    }
}

fn list(echo: &Echo, definitions: &str) {
    let listed: Value = serde_json::from_str(definitions).unwrap();
    echo.on("tools/list", move |seen| {
        let mut result = listed.clone();
        if seen.is_modern() {
            result["resultType"] = "complete".into();
        }
        Reply::result(seen, &result)
    });
}

fn write(id: &str, arguments: Value) -> Value {
    let params = json!({"name": "write", "arguments": arguments});
    modern(id, "tools/call", params)
}

/// Makes a call, and the code with which it was refused and the detail of its record; `None` when it was not.
async fn refused(stage: &Stage, call: &Value) -> Option<(String, String)> {
    let before = stage.echo.seen_of("tools/call").len();
    stage.call(call).await;
    if stage.echo.seen_of("tools/call").len() > before {
        return None;
    }
    let record = stage.record_by_id("denial", &call["id"]).await;
    let text = |member: &str| {
        let text = record["denial"][member].as_str();
        text.unwrap_or_default().to_owned()
    };
    Some((text("code"), text("detail")))
}

async fn names(stage: &Stage) -> Vec<String> {
    let listed = stage
        .call(&modern("list", "tools/list", json!({})))
        .await
        .json();
    let tools = listed["result"]["tools"].as_array().unwrap().iter();
    tools
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn what_a_call_says_decides_and_the_list_shows_what_could_be_called() {
    let stage = stage(POLICY, json!({})).await;
    assert_eq!(names(&stage).await, ["write"]);
    assert_eq!(
        refused(&stage, &write("1", json!({"path": "/public/a"}))).await,
        None
    );
    let elsewhere = refused(&stage, &write("2", json!({"path": "/etc/passwd"}))).await;
    assert_eq!(
        elsewhere,
        Some(("E_POLICY_DENIED".into(), "no policy permits it".into()))
    );
    let large = refused(
        &stage,
        &write("3", json!({"path": "/public/a", "size": 101})),
    )
    .await;
    assert_eq!(
        large,
        Some(("E_POLICY_DENIED".into(), "forbidden by small".into()))
    );
    assert_eq!(
        refused(
            &stage,
            &write("4", json!({"path": "/public/a", "size": 100}))
        )
        .await,
        None
    );
    // Permitted once is not permitted for other arguments.
    assert!(
        refused(&stage, &write("5", json!({"path": "/etc/passwd"})))
            .await
            .is_some()
    );
    // Out of the type, and told, since the tool is there to be seen.
    for (id, size) in [("6", json!("101")), ("7", json!(1e30)), ("8", json!([101]))] {
        let call = write(id, json!({"path": "/public/a", "size": size}));
        let (code, _) = refused(&stage, &call).await.unwrap();
        assert_eq!(code, "E_ARGUMENT_INVALID", "{size}");
    }
}

#[tokio::test]
async fn a_tool_whose_definition_changed_under_its_policies_is_denied_and_the_record_says_why() {
    let stage = stage(
        POLICY,
        json!({"schemas": {"arguments": "ignore", "results": "ignore"}}),
    )
    .await;
    let good = json!({"path": "/public/a"});
    assert_eq!(refused(&stage, &write("1", good.clone())).await, None);
    list(
        &stage.echo,
        &WRITE.replace(
            r#""path":{"type":"string"}"#,
            r#""path":{"type":["string","integer"]}"#,
        ),
    );
    names(&stage).await;
    let (code, detail) = refused(&stage, &write("2", good.clone())).await.unwrap();
    assert_eq!(code, "E_POLICY_ERROR");
    assert!(
        detail.contains("definition") && detail.contains("`public`"),
        "{detail}"
    );
    list(&stage.echo, &WRITE.replace("\"tenant\"", "\"team\""));
    names(&stage).await;
    assert_eq!(
        refused(&stage, &write("3", good)).await,
        None,
        "nobody reads what changed"
    );
}

#[tokio::test]
async fn policies_read_what_goes_upstream_and_not_what_the_client_sent() {
    let policy = r#"
        @id("looks") permit (principal, action == Cardea::Action::"connect", resource);
        @id("own") permit (principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"echo/write")
        when { context.args has tenant && context.args.tenant == "TENANT" };
    "#;
    let policy = &policy.replace("TENANT", TENANT);
    let own = json!({"tools": {"write": {"arguments": [{"at": "/tenant", "tenant": "force"}]}}});
    let stage = stage(policy, own).await;
    names(&stage).await;
    for (id, arguments) in [
        ("1", json!({"path": "a"})),
        ("2", json!({"path": "a", "tenant": "another"})),
    ] {
        assert_eq!(refused(&stage, &write(id, arguments)).await, None);
    }
}

#[tokio::test]
async fn a_set_that_is_not_valid_for_the_tools_is_not_served() {
    for (definitions, told) in [
        (None, "whose definition is not known"),
        (Some(r#"{"tools":[]}"#), "have no such tool"),
        (
            Some(
                r#"{"tools":[{"name":"write","inputSchema":{"properties":{"path":{"type":"integer"}},"required":["path"]}}]}"#,
            ),
            "like",
        ),
        (
            Some(
                r#"{"tools":[{"name":"write","inputSchema":{"properties":{"path":{"type":"string"}}}}]}"#,
            ),
            "path",
        ),
    ] {
        let mut upstream = json!({ "tenants": [TENANT], "http": { "url": "http://127.0.0.1:9/" } });
        let mut with = setup();
        if let Some(definitions) = definitions {
            upstream["definitions"] = "tools.json".into();
            with = with.file("tools.json", definitions);
        }
        let started = with
            .upstream(UPSTREAM, upstream)
            .policy(POLICY)
            .start()
            .await;
        let Err(error) = started else {
            panic!("it starts: {told}");
        };
        let error = format!("{error:#}");
        assert!(error.contains(told), "{told}: {error}");
    }
}
