//! Arguments and results against the schemas that servers list, and against the constraints of the configuration.
//!
//! | module | what it shows |
//! |---|---|
//! | `results` | results that try to get past their schema, those of tasks, and what they may hold |
//! | `asks` | forms for secrets, and the folders of clients |

mod asks;
mod results;

use crate::support::*;

/// A gateway whose upstream is held to what it lists.
async fn held(mut upstream: Value, tools: Value) -> Stage {
    let echo = Echo::start().await.unwrap();
    list(&echo, tools);
    upstream["tenants"] = json!([TENANT]);
    upstream["http"] = json!({ "url": echo.url() });
    let setup = setup().upstream(UPSTREAM, upstream).policy(PERMIT_ALL);
    let gateway = setup.start().await.unwrap();
    let token = token(&gateway, "ada", "bot").await;
    Stage {
        echo,
        gateway,
        token,
    }
}

fn list(echo: &Echo, tools: Value) {
    echo.on("tools/list", move |seen| {
        let mut result = json!({ "tools": tools });
        if seen.is_modern() {
            result["resultType"] = "complete".into();
        }
        Reply::result(seen, &result)
    });
}

fn checked() -> Value {
    json!({"schemas": {"arguments": "check", "results": "check"}})
}

fn reader() -> Value {
    json!([{"name": "echo", "inputSchema": {
        "type": "object",
        "properties": {"path": {"type": "string"}, "lines": {"type": "integer", "minimum": 1}},
        "required": ["path"],
    }}])
}

fn told(answer: &Answer) -> String {
    let answer = answer.json();
    assert_eq!(answer["result"]["isError"], true, "{answer}");
    answer["result"]["content"][0]["text"]
        .as_str()
        .unwrap()
        .to_owned()
}

#[tokio::test]
async fn arguments_that_are_not_as_the_schema_says_never_reach_the_server() {
    let stage = held(checked(), reader()).await;
    let good = stage
        .call(&tool_call(1, json!({"path": "a", "lines": 2})))
        .await;
    assert_eq!(
        good.json()["result"]["isError"],
        Value::Null,
        "{}",
        good.text()
    );
    for (arguments, place) in [
        (json!({}), "a member `path` (`required`)"),
        (json!({"path": ["a"]}), "`/path`: string (`type`)"),
        (
            json!({"path": "a", "lines": 0}),
            "`/lines`: at least 1 (`minimum`)",
        ),
        (
            json!({"path": "a", "sudo": true}),
            "`/sudo`: no member that the schema does not name",
        ),
        (json!({"path": "a", "Path": "b"}), "`/Path`"),
    ] {
        let id = arguments.to_string();
        let answer = stage.call(&tool_call(id.clone(), arguments)).await;
        assert_eq!(answer.status, 200);
        let text = told(&answer);
        assert!(text.contains(place), "{text}");
        let refusal = &answer.json()["result"]["_meta"]["dev.cardea/refusal"];
        assert_eq!(refusal["code"], "E_ARGUMENT_INVALID");
        let record = stage.record_by_id("denial", &id.into()).await;
        assert_eq!(record["denial"]["code"], "E_ARGUMENT_INVALID", "{record:#}");
    }
    assert_eq!(stage.echo.seen_of("tools/call").len(), 1);
}

#[tokio::test]
async fn a_client_that_calls_before_it_lists_is_held_to_the_schema_too() {
    for modern_era in [true, false] {
        let stage = held(checked(), reader()).await;
        let call = |id: i32, arguments: Value| {
            let params = json!({"name": "echo", "arguments": arguments});
            match modern_era {
                true => modern(id, "tools/call", params),
                false => legacy(id, "tools/call", params),
            }
        };
        assert!(told(&stage.call(&call(1, json!({}))).await).contains("`path`"));
        let good = stage.call(&call(2, json!({"path": "a"}))).await;
        assert_eq!(
            good.json()["result"]["isError"],
            Value::Null,
            "{}",
            good.text()
        );
        // The gateway asked once, and the client's own list is not needed.
        assert_eq!(stage.echo.seen_of("tools/list").len(), 1);
        assert_eq!(stage.echo.seen_of("tools/call").len(), 1);
    }
}

#[tokio::test]
async fn a_tool_that_is_not_listed_or_has_no_usable_schema_cannot_be_called() {
    let nested =
        json!({"type": "object", "properties": {"x": {"$ref": "https://example.com/x.json"}}});
    let stage = held(
        checked(),
        json!([
            {"name": "odd", "inputSchema": nested},
            {"name": "slow", "inputSchema": {"type": "object", "properties": {"x": {"pattern": "(?=a)a"}}}},
            {"name": "bare"},
        ]),
    )
    .await;
    for tool in ["echo", "odd", "slow", "bare"] {
        let call = modern(
            tool,
            "tools/call",
            json!({"name": tool, "arguments": {"x": "a"}}),
        );
        let answer = stage.call(&call).await;
        let code = &answer.json()["error"]["data"]["code"];
        assert_eq!(code, "E_SCHEMA_UNUSABLE", "{tool}: {}", answer.text());
    }
    assert_eq!(stage.echo.seen_of("tools/call").len(), 0);
}

#[tokio::test]
async fn a_schema_that_changes_counts_from_the_list_on_that_the_client_sees() {
    let stage = held(checked(), reader()).await;
    let call = tool_call(1, json!({"file": "a"}));
    assert!(told(&stage.call(&call).await).contains("`path`"));
    list(
        &stage.echo,
        json!([{"name": "echo", "inputSchema": {
            "type": "object", "properties": {"file": {"type": "string"}}, "required": ["file"],
        }}]),
    );
    assert!(told(&stage.call(&call).await).contains("`path`"));
    stage.call(&modern(2, "tools/list", json!({}))).await;
    assert_eq!(
        stage.call(&call).await.json()["result"]["isError"],
        Value::Null
    );
}

#[tokio::test]
async fn unknown_members_pass_where_the_configuration_says_so() {
    let mut config = checked();
    config["schemas"]["unknown_members"] = "allow".into();
    let stage = held(config, reader()).await;
    let answer = stage
        .call(&tool_call(1, json!({"path": "a", "more": 1})))
        .await;
    assert_eq!(
        answer.json()["result"]["isError"],
        Value::Null,
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn results_are_held_to_the_schema_of_their_tool() {
    let stage = held(
        checked(),
        json!([{"name": "echo", "inputSchema": {"type": "object"}, "outputSchema": {
            "type": "object", "properties": {"n": {"type": "integer"}}, "required": ["n"],
        }}]),
    )
    .await;
    for (id, structured, is_error, passes) in [
        ("good", json!({"n": 1}), false, true),
        ("more", json!({"n": 1, "m": 2}), false, true),
        ("wrong", json!({"n": "sesame"}), false, false),
        ("none", Value::Null, false, false),
        ("failed", Value::Null, true, true),
    ] {
        stage.echo.on("tools/call", move |seen| {
            let mut result = json!({"content": [], "isError": is_error, "resultType": "complete"});
            if !structured.is_null() {
                result["structuredContent"] = structured.clone();
            }
            Reply::result(seen, &result)
        });
        let answer = stage.call(&tool_call(id, json!({}))).await;
        let code = &answer.json()["error"]["data"]["code"];
        assert_eq!(code.is_null(), passes, "{id}: {}", answer.text());
        if !passes {
            assert_eq!(code, "E_RESULT_INVALID");
            assert!(!answer.text().contains("sesame"));
            let record = stage.record_by_id("outcome", &id.into()).await;
            assert_eq!(record["denial"]["code"], "E_RESULT_INVALID", "{record:#}");
        }
    }
}

#[tokio::test]
async fn constraints_hold_beside_the_schema_and_for_whom_they_are() {
    let mut config = checked();
    config["constraints"] = json!([
        {"at": "/path", "path": {"roots": ["/srv/files"]}},
        {"tools": ["echo"], "at": "/path", "groups": ["interns"], "path": {"roots": ["/srv/files/drafts"]}},
        {"tools": ["other"], "at": "/path", "required": true, "enum": ["nothing"]},
    ]);
    let stage = held(config, reader()).await;
    let intern = TokenFor {
        tenant: TENANT,
        subject: "ida",
        actor: "bot",
        groups: &["interns"],
        ..TokenFor::default()
    };
    let intern = stage.gateway.token(intern).await.unwrap();
    for (token, path, passes) in [
        (&stage.token, "/srv/files/a", true),
        (&stage.token, "/srv/files/../a", false),
        (&stage.token, "/etc/passwd", false),
        (&intern, "/srv/files/a", false),
        (&intern, "/srv/files/drafts/a", true),
    ] {
        let message = tool_call(1, json!({ "path": path }));
        let answer = ask(&message)
            .bearer(token)
            .send(stage.gateway.address())
            .await;
        let failed = answer.json()["result"]["isError"] == true;
        assert_eq!(!failed, passes, "{path}: {}", answer.text());
        if failed {
            assert!(told(&answer).contains("`/path`") && !answer.text().contains("passwd"));
        }
    }
}

#[tokio::test]
async fn urls_are_looked_up_before_the_call() {
    let mut config = checked();
    config["constraints"] = json!([{"at": "/path", "url": {"schemes": ["http"]}}]);
    let stage = held(config, reader()).await;
    // `localhost` is a name like any other, until it is looked up.
    let answer = stage
        .call(&tool_call(1, json!({"path": "http://localhost/"})))
        .await;
    assert!(told(&answer).contains("public"), "{}", answer.text());
    assert_eq!(stage.echo.seen_of("tools/call").len(), 0);
}

#[tokio::test]
async fn no_form_asks_for_a_secret_whatever_policies_permit() {
    let stage = Stage::start().await;
    for (name, passes) in [("branch", true), ("api_key", false)] {
        stage.echo.on("tools/call", move |seen| {
            let field = json!({"type": "string"});
            Reply::result(seen, &json!({
                "resultType": "input_required",
                "inputRequests": {"ask": {"method": "elicitation/create", "params": {
                    "message": "Go on?", "requestedSchema": {"type": "object", "properties": {name: field}},
                }}},
            }))
        });
        let answer = stage.call(&tool_call(name, json!({}))).await;
        assert_eq!(
            answer.json()["error"].is_null(),
            passes,
            "{}",
            answer.text()
        );
    }
}
