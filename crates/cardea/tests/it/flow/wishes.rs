//! What is asked for beforehand, by the gateway's own tools: whoever approves is told what the gateway knows.

use super::*;

async fn wish(stage: &Stage, id: u64, to: &str) -> String {
    let arguments = json!({
        "tool": "send", "kind": "once", "arguments": { "to": to, "body": "hi" },
        "reason": "the user asked me to send the weekly report",
    });
    let asked = stage
        .call(&call(id, "cardea__request_access", arguments))
        .await
        .json();
    let request = asked["result"]["structuredContent"]["request"].as_str();
    request.unwrap_or_else(|| panic!("{asked}")).to_owned()
}

async fn shown(browser: &mut Browser, stage: &Stage, request: &str) -> Value {
    let path = format!("/api/v1/requests/{request}");
    browser.get(&stage.gateway, &path).await.json()
}

#[tokio::test]
async fn a_model_that_asks_before_it_is_held_does_not_hide_why_it_would_be() {
    let stage = stage(watched).await;
    let mut browser = ada(&stage).await;
    assert_eq!(held(&stage, &call(1, "read", json!({}))).await, None);
    let request = wish(&stage, 2, EVIL).await;
    let said = shown(&mut browser, &stage, &request).await["reason"].clone();
    assert_eq!(said["author"], "gateway", "{said}");
    let text = said["text"].as_str().unwrap();
    assert!(
        text.contains("`to` (an email address) came only from untrusted content"),
        "{said}"
    );
    assert_eq!(
        said["beside"],
        "the user asked me to send the weekly report"
    );
    let path = format!("/console/requests/{request}");
    let page = browser.get(&stage.gateway, &path).await;
    let page = page.text();
    for (by, words) in [
        ("Noticed by the gateway", "came only from untrusted content"),
        ("Written by a model", "the user asked me to send"),
    ] {
        assert!(page.contains(by) && page.contains(words), "{by}: {page}");
    }
    approve(&mut browser, &stage, &request, json!({})).await;
    assert_eq!(held(&stage, &send(3, EVIL)).await, None, "they knew");
    sound_records(&stage.gateway);
}

#[tokio::test]
async fn an_approval_by_somebody_who_was_told_nothing_does_not_stand_for_a_held_call() {
    let stage = stage(watched).await;
    let mut browser = ada(&stage).await;
    // Before anything was read there is nothing to tell.
    let request = wish(&stage, 1, EVIL).await;
    let said = shown(&mut browser, &stage, &request).await["reason"].clone();
    assert_eq!(said["author"], "model", "{said}");
    approve(&mut browser, &stage, &request, json!({})).await;
    assert_eq!(held(&stage, &call(2, "read", json!({}))).await, None);
    stage.echo.forget();
    let again = held(&stage, &send(3, EVIL)).await.expect("it is held");
    assert_ne!(again, request);
    assert!(stage.echo.seen_of("tools/call").is_empty());
    let said = shown(&mut browser, &stage, &again).await["reason"].clone();
    assert_eq!(said["author"], "gateway", "{said}");
}
