//! Rows of others go from results, and nothing comes by another way.

use cardea_testkit::hostile::{Hostile, Received, Script};

use super::*;

fn rules() -> Value {
    json!({"echo": {"results": {"at": ["/issues/*/org", "/**/org"]}}})
}

fn mixed() -> Value {
    json!({"issues": [{"id": 1, "org": "org-17"}, {"id": 2, "org": 42}, {"id": 3}]})
}

/// A shared upstream whose tool gives this result.
async fn giving(rules: Value, result: Value) -> Shared {
    let shared = Shared::with(rules).await;
    shared
        .echo
        .on("tools/call", move |seen| Reply::result(seen, &result));
    shared
}

#[tokio::test]
async fn each_tenant_sees_its_own_rows_and_the_record_says_how_many_went() {
    let shared = giving(
        rules(),
        json!({
            "resultType": "complete",
            "structuredContent": mixed(),
            "content": [{"type": "text", "text": mixed().to_string()}],
        }),
    )
    .await;
    for (token, id, expected) in [
        (&shared.acme, "acme", json!([{"id": 1, "org": "org-17"}])),
        (&shared.globex, "globex", json!([{"id": 2, "org": 42}])),
    ] {
        let answer = shared
            .send(ask(&tool_call(id, json!({}))).bearer(token))
            .await;
        let result = &answer.json()["result"];
        assert_eq!(result["structuredContent"]["issues"], expected);
        let text: Value =
            serde_json::from_str(result["content"][0]["text"].as_str().unwrap()).unwrap();
        assert_eq!(text["issues"], expected);
        let record = shared.record("outcome", id).await;
        assert_eq!(record["response"]["rows_foreign"], 2, "{record:#}");
        assert_eq!(record["response"]["rows_unlabelled"], 2);
        let event = shared.record("event", id).await;
        assert_eq!(event["event"]["name"], "tenant_mismatch", "{event:#}");
        assert_eq!(event["tenant"], id);
    }
}

#[tokio::test]
async fn a_result_without_foreign_rows_passes_byte_for_byte() {
    let shared = Shared::with(rules()).await;
    let result = r#"{ "isError":false,"structuredContent":{"issues":[ {"org":"org\u002d17","n":1.00}]},"content":[{"type":"text","text":"{\"issues\":[]}"}] }"#;
    shared.echo.on("tools/call", move |seen| {
        let id = &seen.message()["id"];
        Reply::bytes(
            200,
            "application/json",
            format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{result}}}"#),
        )
    });
    let answer = shared.call(&tool_call(1, json!({}))).await;
    assert_eq!(
        answer.text(),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#)
    );
}

#[tokio::test]
async fn what_cannot_be_shown_to_be_the_tenants_is_refused_without_a_word_why() {
    let refuse = json!({"echo": {"results": {"at": ["/issues/*/org"], "foreign": "refuse"}}});
    for (rules, result) in [
        (refuse, json!({"structuredContent": mixed()})),
        (
            rules(),
            json!({"content": [{"type": "text", "text": "Issue 2 of globex is open."}]}),
        ),
        (
            rules(),
            json!({"content": [{"type": "resource_link", "uri": "i://globex/2", "name": "2"}]}),
        ),
        (
            rules(),
            json!({"resultType": "task", "taskId": "t", "status": "working"}),
        ),
        (rules(), json!({"task": {"taskId": "t"}})),
        (
            rules(),
            json!({"resultType": "input_required", "requestState": "globex"}),
        ),
        (rules(), json!({"content": [], "rows": [{"org": "org-17"}]})),
    ] {
        let shared = giving(rules, result.clone()).await;
        let answer = shared.call(&tool_call("r", json!({}))).await;
        assert_eq!(code(&answer), "E_TENANT_RESULT", "{result}");
        assert!(!answer.text().contains("globex"), "{}", answer.text());
        let record = shared.record("outcome", "r").await;
        assert_eq!(record["response"]["outcome"], "failed", "{record:#}");
        assert!(record["denial"]["detail"].is_string());
        assert_eq!(
            shared.record("event", "r").await["event"]["name"],
            "tenant_mismatch"
        );
    }
}

#[tokio::test]
async fn an_error_keeps_its_number_and_loses_its_text() {
    let shared = Shared::with(rules()).await;
    for (code, id) in [(-32602, "a"), (-32042, "b"), (-1, "c")] {
        shared.echo.on("tools/call", move |seen| {
            let error =
                json!({"code": code, "message": "issue 2 of globex", "data": {"org": "globex"}});
            Reply::json(
                200,
                &json!({"jsonrpc": "2.0", "id": seen.message()["id"], "error": error}),
            )
        });
        let answer = shared.call(&tool_call(id, json!({}))).await;
        assert_eq!(answer.json()["error"]["code"], code);
        assert!(!answer.text().contains("globex"), "{}", answer.text());
        assert_eq!(
            shared.record("outcome", id).await["response"]["rpc_code"],
            code
        );
    }
}

#[tokio::test]
async fn on_a_stream_only_progress_without_text_comes_before_the_result() {
    let shared = Shared::with(rules()).await;
    shared.echo.on("tools/call", |seen| {
        let note = |method: &str, params: Value| json!({"jsonrpc": "2.0", "method": method, "params": params});
        Reply::stream(&[
            note("notifications/progress", json!({"progressToken": 1, "progress": 1, "message": "globex 1"})),
            note("notifications/message", json!({"level": "info", "data": "globex 2"})),
            note("notifications/resources/updated", json!({"uri": "i://globex/3"})),
            note("notifications/globex", json!({})),
            json!({"jsonrpc": "2.0", "id": seen.message()["id"], "result": {"structuredContent": mixed()}}),
        ])
    });
    let answer = shared.call(&tool_call("s", json!({}))).await;
    assert!(!answer.text().contains("globex"), "{}", answer.text());
    let events = answer.events();
    assert_eq!(events.len(), 2, "{events:?}");
    assert_eq!(events[0]["params"]["message"], "");
    assert_eq!(
        events[1]["result"]["structuredContent"]["issues"]
            .as_array()
            .unwrap()
            .len(),
        1
    );
    let record = shared.record("outcome", "s").await;
    assert_eq!(record["response"]["held_back"], 3, "{record:#}");
}

#[tokio::test]
async fn what_the_server_says_elsewhere_is_held_back_too() {
    let shared = Shared::with(rules()).await;
    let speaks = |_: &Seen| {
        Reply::stream(&[
            json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "globex"}}),
            json!({"jsonrpc": "2.0", "id": 9, "method": "elicitation/create", "params": {"message": "globex?"}}),
            json!({"jsonrpc": "2.0", "method": "notifications/tools/list_changed"}),
        ])
    };
    shared.echo.on("GET", speaks);
    let bare = Ask::get(PATH)
        .set("accept", "text/event-stream")
        .set("mcp-protocol-version", LEGACY);
    let answer = shared.send(bare.bearer(&shared.acme)).await;
    assert!(!answer.text().contains("globex"), "{}", answer.text());
    assert!(answer.text().contains("list_changed"), "{}", answer.text());
    let refused = shared.echo.wait_for("response", 1).await;
    assert_eq!(refused[0].message()["error"]["code"], -31403);

    // Another tool of the same server: its log lines may be about anything.
    shared.echo.on("tools/call", |seen| {
        Reply::stream(&[
            json!({"jsonrpc": "2.0", "method": "notifications/message", "params": {"data": "globex"}}),
            json!({"jsonrpc": "2.0", "id": seen.message()["id"], "result": {"content": []}}),
        ])
    });
    let other = shared
        .call(&modern(1, "tools/call", json!({"name": "delete"})))
        .await;
    assert!(!other.text().contains("globex"), "{}", other.text());
}

#[tokio::test]
async fn tasks_are_no_way_around() {
    let shared = Shared::with(rules()).await;
    let with_task = legacy(
        "t",
        "tools/call",
        json!({"name": "echo", "task": {"ttl": 1000}}),
    );
    assert_eq!(code(&shared.call(&with_task).await), "E_POLICY_DENIED");
    for message in [
        modern("t", "tasks/get", json!({"taskId": "1"})),
        legacy("t", "tasks/result", json!({"taskId": "1"})),
        legacy("t", "tasks/list", json!({})),
    ] {
        assert_eq!(
            code(&shared.call(&message).await),
            "E_POLICY_DENIED",
            "{message}"
        );
    }
    assert!(shared.echo.seen().is_empty());
}

/// The upstream breaks each answer off after a position, and gives the result on a GET from there.
fn breaks_off(received: &Received) -> Script {
    match received.method.as_str() {
        "POST" => Script::stream()
            .event_at(
                &received.id(),
                r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"globex"}}"#,
            )
            .close(),
        _ => Script::stream()
            .event_at(
                "p2",
                &format!(
                    r#"{{"jsonrpc":"2.0","id":{},"result":{{"structuredContent":{}}}}}"#,
                    received.header("last-event-id").unwrap_or_default(),
                    mixed()
                ),
            )
            .close(),
    }
}

#[tokio::test]
async fn a_result_on_a_resumed_stream_is_checked_like_on_the_first() {
    let upstream = Hostile::start(breaks_off).await.unwrap();
    let gateway = setup()
        .tenant("acme")
        .upstream(
            UPSTREAM,
            json!({"tenants": ["acme"], "http": {"url": upstream.url()}, "tenant_values": {"acme": "org-17"},
                "tools": rules()}),
        )
        .policy(PERMIT_ALL)
        .start()
        .await
        .unwrap();
    let token = token_of(&gateway, "acme", "ada", "bot").await;
    let call = legacy("r", "tools/call", json!({"name": "echo", "arguments": {}}));
    let first = ask(&call).bearer(&token).send(gateway.address()).await;
    assert!(!first.text().contains("globex"), "{}", first.text());
    let text = first.text();
    let position = text
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .expect(&text);

    let resumed = Ask::get(PATH)
        .set("accept", "text/event-stream")
        .set("mcp-protocol-version", LEGACY)
        .set("last-event-id", position)
        .bearer(&token)
        .send(gateway.address())
        .await;

    let events = resumed.events();
    let rows = &events.last().expect("an event")["result"]["structuredContent"]["issues"];
    assert_eq!(
        *rows,
        json!([{"id": 1, "org": "org-17"}]),
        "{}",
        resumed.text()
    );
}
