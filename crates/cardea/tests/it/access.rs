//! Just-in-time access: an agent that may do nothing, is told what it may ask for, asks by trying, and is told where
//! people decide.
//!
//! What counts, narrows, ends and survives a crash is tried in the access room; the browser in `make eval-console`.

mod credentials;
mod cut;
mod deciding;
mod forbidden;
mod holding;
mod notifications;
mod once;
mod rules;
mod store;
mod terminal;

use crate::support::*;

const ACCESS: &str = "dev.cardea/access";

/// `delete` may be asked for, and `echo` may not.
fn entitlement(more: &Value) -> Value {
    let mut entitlement = json!({
        "title": "Delete things",
        "resources": [{"upstream": UPSTREAM, "tools": ["delete"]}],
        "approval": [{"groups": ["leads"]}],
    });
    for (key, value) in more.as_object().unwrap() {
        entitlement[key] = value.clone();
    }
    entitlement
}

/// No policy permits anything.
async fn stage(more: Value) -> Stage {
    let entitlement = entitlement(&more);
    Stage::with(|setup| {
        setup
            .set("authorization_server", json!({}))
            .set("entitlements", json!({ "delete-things": entitlement }))
    })
    .await
}

fn delete(id: impl Into<Value>, arguments: Value) -> Value {
    modern(
        id,
        "tools/call",
        json!({ "name": "delete", "arguments": arguments }),
    )
}

/// With the capability to open addresses.
fn opening_urls(mut message: Value) -> Value {
    message["params"]["_meta"]["io.modelcontextprotocol/clientCapabilities"] =
        json!({ "elicitation": { "url": {} } });
    message
}

async fn listed(stage: &Stage) -> Value {
    let list = stage.call(&modern(90, "tools/list", json!({}))).await;
    assert_eq!(list.status, 200, "{}", list.text());
    list.json()["result"]["tools"].clone()
}

#[tokio::test]
async fn an_agent_sees_what_it_may_ask_for_and_nothing_else() {
    let stage = stage(json!({})).await;
    let tools = listed(&stage).await;
    let names: Vec<_> = tools
        .as_array()
        .unwrap()
        .iter()
        .map(|t| t["name"].clone())
        .collect();
    assert_eq!(
        names,
        [
            "delete",
            "cardea__list_requestable",
            "cardea__request_access",
            "cardea__access_status",
            "cardea__release_access"
        ]
    );
    let marked = &tools[0];
    assert_eq!(marked["_meta"][ACCESS]["requestable"], true, "{marked}");
    assert_eq!(marked["_meta"][ACCESS]["entitlement"], "delete-things");
    assert_eq!(marked["_meta"][ACCESS]["kinds"], json!(["once"]));
    let description = marked["description"].as_str().unwrap();
    assert!(description.contains("Needs approval"), "{description}");
}

#[tokio::test]
async fn a_hidden_entitlement_is_not_listed_and_can_be_asked_for() {
    let stage = stage(json!({ "hidden": true })).await;
    let tools = listed(&stage).await;
    assert!(!tools.to_string().contains("\"delete\""), "{tools}");
    let refused = stage.call(&delete(1, json!({}))).await.json();
    assert_eq!(
        refused["result"]["_meta"][ACCESS]["state"], "pending",
        "{refused}"
    );
}

#[tokio::test]
async fn nobody_else_sees_or_asks() {
    let stage = stage(json!({ "requesters": { "subjects": ["carol"] } })).await;
    let refused = stage.call(&modern(1, "tools/list", json!({}))).await;
    assert_eq!(refused.json()["error"]["data"]["code"], "E_POLICY_DENIED");
    for call in [delete(2, json!({})), tool_call(3, json!({}))] {
        let refused = stage.call(&call).await.json();
        assert_eq!(
            refused["error"]["data"]["code"], "E_POLICY_DENIED",
            "{refused}"
        );
        assert!(!refused.to_string().contains("requests/"), "{refused}");
    }
    let native = modern(
        4,
        "tools/call",
        json!({ "name": "cardea__list_requestable" }),
    );
    let refused = stage.call(&native).await.json();
    assert_eq!(
        refused["error"]["data"]["code"], "E_POLICY_DENIED",
        "{refused}"
    );
}

#[tokio::test]
async fn what_a_policy_forbids_cannot_be_asked_for() {
    let forbid = r#"@id("never") forbid(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"echo/delete");"#;
    let stage = Stage::with(|setup| {
        setup
            .policy(forbid)
            .set("authorization_server", json!({}))
            .set(
                "entitlements",
                json!({ "all": {
                    "resources": [{"upstream": "*", "tools": ["*"]}],
                    "approval": [{"groups": ["leads"]}],
                } }),
            )
    })
    .await;
    let tools = listed(&stage).await.to_string();
    assert!(
        !tools.contains("\"delete\"") && tools.contains("\"echo\""),
        "{tools}"
    );
    let refused = stage.call(&delete(1, json!({}))).await.json();
    assert_eq!(
        refused["error"]["data"]["code"], "E_POLICY_DENIED",
        "{refused}"
    );
    // Nor ahead of a call.
    for (id, tool, is_forbidden) in [(2, "delete", true), (3, "echo", false)] {
        let wish = json!({ "tool": tool, "arguments": {} });
        let ask = json!({ "name": "cardea__request_access", "arguments": wish });
        let asked = stage.call(&modern(id, "tools/call", ask)).await.json();
        let said = asked["result"]["content"][0]["text"].as_str().unwrap();
        assert_eq!(
            said.contains("a policy forbids this"),
            is_forbidden,
            "{asked}"
        );
        assert_eq!(asked["result"]["isError"], is_forbidden, "{asked}");
    }
}

#[tokio::test]
async fn what_may_be_asked_for_is_chosen_by_labels_and_what_has_none_is_not() {
    let by_labels = |labels: Value| {
        entitlement(&json!({
            "resources": [{ "upstream": "*", "tools": ["*"], "labels": labels }],
        }))
    };
    let stage = Stage::with(|setup| {
        setup
            .set("authorization_server", json!({}))
            .set(
                "entitlements",
                json!({
                    "dangerous": by_labels(json!(["destructive"])),
                    "nothing": by_labels(json!(["read-only", "external"])),
                }),
            )
            .file(
                "labels.yaml",
                "delete: [destructive, external]\nread: [read-only]\n",
            )
            .change_upstream(UPSTREAM, "labels", "labels.yaml".into())
    })
    .await;
    let tools = listed(&stage).await;
    let marked: Vec<_> = (tools.as_array().unwrap().iter())
        .filter(|tool| tool["_meta"][ACCESS]["requestable"] == true)
        .map(|tool| (&tool["name"], &tool["_meta"][ACCESS]["entitlement"]))
        .collect();
    assert_eq!(marked, [(&json!("delete"), &json!("dangerous"))], "{tools}");
    let refused = stage.call(&tool_call(1, json!({}))).await.json();
    assert_eq!(
        refused["error"]["data"]["code"], "E_POLICY_DENIED",
        "{refused}"
    );
}

#[tokio::test]
async fn nobody_is_asked_to_allow_what_would_be_refused_all_the_same() {
    let entitlement = entitlement(&json!({}));
    let stage = Stage::with(|setup| {
        setup
            .set("authorization_server", json!({}))
            .set("entitlements", json!({ "delete-things": entitlement }))
            .change_upstream(
                UPSTREAM,
                "constraints",
                json!([{ "at": "/id", "maximum": 10 }]),
            )
    })
    .await;
    listed(&stage).await;
    let refused = stage.call(&delete(1, json!({ "id": 11 }))).await.json();
    let text = refused["result"]["content"][0]["text"].as_str().unwrap();
    assert!(text.contains("`/id`"), "{refused}");
    let denial = stage.record_by_id("denial", &json!(1)).await;
    assert_eq!(denial["denial"]["code"], "E_ARGUMENT_INVALID", "{denial}");
    assert_eq!(denial["access"]["request"], Value::Null, "{denial}");

    let asked = stage.call(&delete(2, json!({ "id": 10 }))).await.json();
    assert_eq!(
        asked["result"]["_meta"][ACCESS]["state"], "pending",
        "{asked}"
    );
    // Whoever may not ask for it learns nothing of what its arguments have to be.
    let stranger = stage.call(&tool_call(3, json!({ "id": 11 }))).await.json();
    assert_eq!(
        stranger["error"]["data"]["code"], "E_POLICY_DENIED",
        "{stranger}"
    );
}

#[tokio::test]
async fn a_modern_client_is_sent_to_a_page_and_tries_again_with_its_state() {
    let stage = stage(json!({ "hold": "1s" })).await;
    listed(&stage).await;
    let call = opening_urls(delete("a", json!({ "id": 7 })));
    let first = stage.call(&call).await;
    assert_eq!(first.status, 200);
    let result = first.json()["result"].clone();
    assert_eq!(result["resultType"], "input_required", "{result}");
    let page = result["inputRequests"]["access"]["params"]["url"]
        .as_str()
        .unwrap();
    let request = result["_meta"][ACCESS]["request"].as_str().unwrap();
    assert!(
        page.ends_with(&format!("/console/requests/{request}")),
        "{page}"
    );
    let denial = stage.record_by_id("denial", &json!("a")).await;
    assert_eq!(denial["denial"]["code"], "E_ACCESS_REQUIRED");
    assert_eq!(denial["access"]["request"], request);
    assert_eq!(denial["access"]["entitlement"], "delete-things");

    // Nobody decides while the call waits: the same request goes on waiting, and no page is to be opened again.
    let mut again = opening_urls(delete("b", json!({ "id": 7 })));
    again["params"]["requestState"] = result["requestState"].clone();
    again["params"]["inputResponses"] = json!({ "access": { "action": "accept" } });
    let second = stage.call(&again).await.json();
    assert_eq!(
        second["result"]["_meta"][ACCESS]["request"], request,
        "{second}"
    );
    assert_eq!(second["result"]["isError"], true, "{second}");
    assert_eq!(second["result"].get("requestState"), None);

    // A state is good once, and for its call only.
    again["id"] = json!("c");
    let used = stage.call(&again).await.json();
    assert_eq!(used["error"]["data"]["code"], "E_PARAMS_INVALID", "{used}");
    let fresh = stage
        .call(&opening_urls(delete("d", json!({ "id": 7 }))))
        .await
        .json();
    assert_eq!(
        fresh["result"]["_meta"][ACCESS]["request"], request,
        "{fresh}"
    );
    let mut other = opening_urls(delete("e", json!({ "id": 8 })));
    other["params"]["requestState"] = fresh["result"]["requestState"].clone();
    let other = stage.call(&other).await.json();
    assert_eq!(
        other["error"]["data"]["code"], "E_PARAMS_INVALID",
        "{other}"
    );
    assert!(
        stage.echo.seen_of("tools/call").is_empty(),
        "nothing reached the server"
    );
}

#[tokio::test]
async fn a_client_without_pages_is_told_by_a_failed_tool() {
    let stage = stage(json!({})).await;
    listed(&stage).await;
    let answer = stage.call(&delete(1, json!({}))).await.json();
    let result = &answer["result"];
    assert_eq!(result["isError"], true, "{answer}");
    let text = result["content"][0]["text"].as_str().unwrap();
    for word in ["has to be approved", "/console/requests/", "same arguments"] {
        assert!(text.contains(word), "{text}");
    }
    // An answer that the agent's own client gives is never an approval.
    let mut yes = delete(2, json!({}));
    yes["params"]["inputResponses"] =
        json!({ "access": { "action": "accept", "content": { "approve": true } } });
    let refused = stage.call(&yes).await.json();
    assert!(
        refused["error"].is_object() || refused["result"]["isError"] == true,
        "{refused}"
    );
    assert!(stage.echo.seen_of("tools/call").is_empty());
}

#[tokio::test]
async fn a_tool_that_was_never_listed_is_not_asked_for_unseen() {
    let stage = stage(json!({})).await;
    let refused = stage.call(&delete(1, json!({}))).await.json();
    assert_eq!(
        refused["error"]["data"]["code"], "E_ACCESS_REQUIRED",
        "{refused}"
    );
    let help = refused["error"]["data"]["help"].as_str().unwrap();
    assert!(help.contains("tools/list"), "{help}");
}

#[tokio::test]
async fn a_legacy_client_that_opens_pages_gets_the_error_of_its_version() {
    let stage = stage(json!({})).await;
    for (capabilities, opens) in [
        (json!({ "elicitation": { "url": {} } }), true),
        (json!({ "elicitation": {} }), false),
    ] {
        let hello = json!({
            "protocolVersion": LEGACY,
            "capabilities": capabilities,
            "clientInfo": { "name": "t", "version": "1" },
        });
        let opened = stage.call(&legacy(1, "initialize", hello)).await;
        let session = opened.header("mcp-session-id").unwrap().to_owned();
        let send = async |message: Value| {
            let ask = stage.ask(&message).set("mcp-session-id", &session);
            ask.send(stage.gateway.address()).await.json()
        };
        let tools = send(legacy(2, "tools/list", json!({}))).await;
        assert!(tools.to_string().contains("Needs approval"), "{tools}");
        let call = json!({ "name": "delete", "arguments": { "opens": opens } });
        let answer = send(legacy(3, "tools/call", call)).await;
        if opens {
            assert_eq!(answer["error"]["code"], -32042, "{answer}");
            let asked = &answer["error"]["data"]["elicitations"][0];
            assert_eq!(asked["mode"], "url");
            assert!(
                asked["url"]
                    .as_str()
                    .unwrap()
                    .contains("/console/requests/")
            );
        } else {
            assert_eq!(answer["result"]["isError"], true, "{answer}");
        }
    }
}

#[tokio::test]
async fn the_gateways_own_tools_say_what_may_be_asked_and_what_became_of_it() {
    let stage = stage(json!({ "kinds": ["once", "calls"], "calls_max": 5 })).await;
    listed(&stage).await;
    let own = async |id: u64, name: &str, arguments: Value| {
        let call = json!({ "name": name, "arguments": arguments });
        let answer = stage.call(&modern(id, "tools/call", call)).await.json();
        answer["result"].clone()
    };
    let all = own(1, "cardea__list_requestable", json!({})).await;
    let entitlement = &all["structuredContent"]["requestable"][0];
    assert_eq!(entitlement["entitlement"], "delete-things", "{all}");
    assert_eq!(
        entitlement["resources"][0],
        json!({ "kind": "tool", "name": "delete" })
    );

    let wish = json!({ "tool": "delete", "kind": "calls", "calls": 3, "reason": "<b>spring</b> cleaning" });
    let made = own(2, "cardea__request_access", wish).await;
    let request = made["structuredContent"]["request"]
        .as_str()
        .unwrap()
        .to_owned();
    assert_eq!(made["structuredContent"]["state"], "pending", "{made}");

    let status = own(3, "cardea__access_status", json!({ "request": request })).await;
    assert_eq!(status["structuredContent"]["state"], "pending");
    let mine = own(4, "cardea__access_status", json!({})).await;
    assert_eq!(
        mine["structuredContent"]["requests"][0]["request"],
        json!(request)
    );

    for (id, arguments) in [
        (5, json!({ "tool": "delete", "kind": "calls", "calls": 6 })),
        (6, json!({ "tool": "delete", "kind": "time" })),
        (7, json!({ "tool": "delete", "resource": "file:///x" })),
        (8, json!({ "tool": "echo" })),
        (9, json!({ "tool": "delete", "approve": true })),
    ] {
        let refused = own(id, "cardea__request_access", arguments).await;
        assert_eq!(refused["isError"], true, "{refused}");
    }
    let other = token(&stage.gateway, "bob", "bot").await;
    let call = json!({ "name": "cardea__access_status", "arguments": { "request": request } });
    let foreign = ask(&modern(10, "tools/call", call))
        .bearer(&other)
        .send(stage.gateway.address())
        .await
        .json();
    assert_eq!(foreign["result"]["isError"], true, "{foreign}");
    assert!(stage.echo.seen_of("tools/call").is_empty());
    sound_records(&stage.gateway);
}

#[tokio::test]
async fn a_server_cannot_take_the_names_of_the_gateways_own_tools() {
    let stage = Stage::start().await;
    let call = json!({ "name": "cardea__approve", "arguments": {} });
    let refused = stage.call(&modern(1, "tools/call", call)).await.json();
    assert_eq!(
        refused["error"]["data"]["code"], "E_POLICY_DENIED",
        "{refused}"
    );
    assert!(stage.echo.seen_of("tools/call").is_empty());
}
