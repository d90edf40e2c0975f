//! The counters, and that nobody can make up labels.

use super::*;

async fn text(gateway: &Gateway) -> String {
    Ask::get("/metrics")
        .send(gateway.admin_address())
        .await
        .text()
}

#[tokio::test]
async fn calls_are_counted_by_tenant_upstream_method_and_outcome() {
    let stage = Stage::start().await;
    stage.echo.on("prompts/get", |seen| {
        Reply::json(
            200,
            &json!({ "jsonrpc": "2.0", "id": seen.message()["id"],
            "error": { "code": -32602, "message": "no" } }),
        )
    });
    for n in 0..3 {
        stage.call(&tool_call(n, json!({}))).await;
    }
    stage
        .call(&legacy(4, "tools/call", json!({ "name": "echo" })))
        .await;
    stage.call(&modern(5, "tools/list", json!({}))).await;
    stage
        .call(&modern(6, "prompts/get", json!({ "name": "greet" })))
        .await;
    let count = async |method: &str, outcome: &str| {
        let method = format!("method=\"{method}\"");
        let outcome = format!("outcome=\"{outcome}\"");
        let labels = ["tenant=\"demo\"", "upstream=\"echo\"", &method, &outcome];
        metric(&stage.gateway, "cardea_calls_total", &labels).await
    };
    assert_eq!(count("tools/call", "result").await, 4.0);
    assert_eq!(count("tools/list", "result").await, 1.0);
    assert_eq!(count("prompts/get", "error").await, 1.0);
    let of_echo = ["upstream=\"echo\""];
    for name in [
        "cardea_call_duration_seconds_count",
        "cardea_upstream_duration_seconds_count",
    ] {
        assert_eq!(metric(&stage.gateway, name, &of_echo).await, 6.0, "{name}");
    }
}

#[tokio::test]
async fn refusals_are_counted_by_code() {
    let stage = Stage::with(|setup| setup).await;
    for _ in 0..2 {
        stage.call(&tool_call(1, json!({}))).await;
    }
    ask(&tool_call(1, json!({})))
        .send(stage.gateway.address())
        .await;
    stage
        .ask(&tool_call(1, json!({})))
        .body("{")
        .send(stage.gateway.address())
        .await;
    for (code, count) in [
        ("E_POLICY_DENIED", 2.0),
        ("E_TOKEN_MISSING", 1.0),
        ("E_JSON_MALFORMED", 1.0),
    ] {
        let label = format!("code=\"{code}\"");
        let counted = metric(&stage.gateway, "cardea_refusals_total", &[&label]).await;
        assert_eq!(counted, count, "{code}");
    }
}

#[tokio::test]
async fn what_is_under_way_is_shown_while_it_is() {
    let stage = Stage::start().await;
    let open = async || metric(&stage.gateway, "cardea_open_calls", &[]).await;
    assert_eq!(open().await, 0.0);
    let gate = Gate::closed();
    let call = held_call(&stage, &gate).await;
    assert_eq!(open().await, 1.0);
    assert!(metric(&stage.gateway, "cardea_connections", &[]).await >= 1.0);
    gate.open();
    assert_eq!(
        bounded("the held call", call)
            .await
            .unwrap()
            .unwrap()
            .status,
        200
    );
    assert_eq!(open().await, 0.0);
    until("no connection is left", async || {
        (metric(&stage.gateway, "cardea_connections", &[]).await == 0.0).then_some(())
    })
    .await;
}

#[tokio::test]
async fn records_are_counted_and_the_log_is_said_to_be_writable() {
    let stage = Stage::start().await;
    stage.call(&tool_call(1, json!({}))).await;
    let written = stage.records().len() as f64;
    assert_eq!(
        metric(&stage.gateway, "cardea_audit_records_total", &[]).await,
        written
    );
    for log in [r#"tenant="""#, r#"tenant="demo""#] {
        let ok = metric(&stage.gateway, "cardea_audit_ok", &[log]).await;
        assert_eq!(ok, 1.0, "{log}");
    }
}

#[tokio::test]
async fn the_text_is_open_metrics() {
    let stage = Stage::start().await;
    stage.call(&tool_call(1, json!({}))).await;
    let answer = Ask::get("/metrics")
        .send(stage.gateway.admin_address())
        .await;
    let kind = answer.header("content-type").unwrap();
    assert!(
        kind.starts_with("application/openmetrics-text; version=1.0.0"),
        "{kind}"
    );
    let text = answer.text();
    assert!(text.ends_with("# EOF\n"), "{text}");
    for line in text.lines().filter(|line| !line.starts_with('#')) {
        let value = line.rsplit(' ').next().unwrap();
        assert!(value.parse::<f64>().is_ok(), "{line}");
        assert!(line.starts_with("cardea_"), "{line}");
    }
}

#[tokio::test]
async fn callers_cannot_make_up_labels() {
    let stage = Stage::start().await;
    let before = text(&stage.gateway).await.lines().count();
    for n in 0..50 {
        stage
            .call(&modern(n, &format!("acme/made-up-{n}"), json!({})))
            .await;
        stage
            .call(&legacy(n, &format!("acme/legacy-\"{n}\n"), json!({})))
            .await;
        let path = format!("/mcp/made-up-{n}");
        let nowhere = Ask::modern(&path, &tool_call(n, json!({}))).bearer(&stage.token);
        nowhere.send(stage.gateway.address()).await;
    }
    let text = text(&stage.gateway).await;
    assert!(
        !text.contains("made-up") && !text.contains("legacy-"),
        "{text}"
    );
    let extension = metric(
        &stage.gateway,
        "cardea_calls_total",
        &["method=\"extension\""],
    )
    .await;
    assert_eq!(extension, 100.0);
    // One histogram of calls, one of the upstream, one counter, one code.
    let after = text.lines().count();
    assert!(after < before + 70, "{before} lines became {after}");
}
