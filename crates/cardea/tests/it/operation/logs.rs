//! One JSON object per line.

use super::*;

#[tokio::test]
async fn every_line_of_a_json_log_is_an_object_with_time_level_and_message() {
    let json_log = json!({ "log_format": "json", "log_level": "debug" });
    let mut stage = Stage::with(|setup| setup.policy(PERMIT_ALL).set("telemetry", json_log)).await;
    stage.call(&tool_call(1, json!({}))).await;
    // A message of several lines: the report of a bad policy.
    let bad = stage.gateway.folder().join("policies/bad.cedar");
    std::fs::write(bad, "permit(principal,\naction,\nresource").unwrap();
    stage.gateway.signal("HUP").unwrap();
    until("the refusal is logged", async || {
        stage.gateway.log().contains("is refused").then_some(())
    })
    .await;
    stage.gateway.signal("TERM").unwrap();
    stage.gateway.ended(DEADLINE).await.unwrap();
    let log = stage.gateway.log();
    let mut levels = Vec::new();
    for line in log.lines() {
        let entry: Value = serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
        assert!(entry["timestamp"].is_string(), "{line}");
        assert!(entry["fields"]["message"].is_string(), "{line}");
        levels.push(entry["level"].as_str().unwrap().to_owned());
    }
    assert!(
        levels.contains(&"INFO".to_owned()) && levels.contains(&"ERROR".to_owned()),
        "{log}"
    );
    assert!(log.contains("bad.cedar:3:9"), "{log}");
}

#[tokio::test]
async fn a_text_log_has_no_colours_and_tells_what_is_served_where() {
    let stage = Stage::start().await;
    let url = format!("http://{}/mcp/{{upstream}}", stage.gateway.address());
    let log = until("what is served", async || {
        let log = stage.gateway.log();
        log.contains(&url).then_some(log)
    })
    .await;
    assert!(!log.contains('\u{1b}'), "{log}");
}

#[tokio::test]
async fn a_log_that_is_off_is_empty() {
    let off = json!({ "log_level": "off" });
    let mut stage = Stage::with(|setup| setup.policy(PERMIT_ALL).set("telemetry", off)).await;
    stage.call(&tool_call(1, json!({}))).await;
    stage.gateway.signal("TERM").unwrap();
    stage.gateway.ended(DEADLINE).await.unwrap();
    assert_eq!(stage.gateway.log(), "");
}
