//! Whoever shows no good token cannot fill the log: some refusals are recorded, the rest is counted and told.

use super::*;

/// A gateway that records two refusals a second of each address and reason.
async fn stage() -> Stage {
    Stage::with(|setup| setup.set("limits", json!({"refusals_recorded_per_address_max": 2}))).await
}

/// Refusals with a record of their own, and those that events tell of.
fn told(records: &[Value]) -> (u64, u64) {
    let alone = records
        .iter()
        .filter(|r| r["kind"] == "denial" && r["subject"].is_null());
    let events = records
        .iter()
        .filter(|r| r["event"]["name"] == "refusals_counted");
    let counted = events.map(|r| {
        let detail = r["event"]["detail"].as_str().unwrap();
        detail.split(' ').next().unwrap().parse::<u64>().unwrap()
    });
    (alone.count() as u64, counted.sum())
}

#[tokio::test]
async fn a_flood_without_a_token_costs_a_few_records_and_every_refusal_is_told() {
    const FLOOD: u64 = 400;
    let stage = stage().await;
    let before = stage.records().len();
    let call = tool_call(1, json!({}));
    for _ in 0..FLOOD {
        let answer = ask(&call).send(stage.gateway.address()).await;
        assert_eq!(answer.status, 401);
        assert!(answer.header("www-authenticate").is_some());
    }
    let records = until("every refusal in the log", async || {
        let records = stage.records();
        let (alone, counted) = told(&records);
        (alone + counted == FLOOD).then_some(records)
    })
    .await;
    let (alone, counted) = told(&records);
    assert!(
        alone >= 2 && counted > alone,
        "{alone} alone, {counted} counted"
    );
    let events = records
        .iter()
        .filter(|r| r["event"]["name"] == "refusals_counted");
    for event in events {
        let detail = event["event"]["detail"].as_str().unwrap();
        assert!(
            detail.contains("E_TOKEN_MISSING") && detail.contains("127.0.0.1"),
            "{detail}"
        );
    }
    assert!(
        (records.len() - before) as u64 <= alone + counted / 2,
        "{}",
        records.len()
    );
    let refused = metric(
        &stage.gateway,
        "cardea_refusals_total",
        &["E_TOKEN_MISSING"],
    )
    .await;
    assert_eq!(refused, FLOOD as f64);
    sound_records(&stage.gateway);
}

#[tokio::test]
async fn refusals_of_those_who_are_known_are_recorded_one_by_one() {
    let stage = stage().await;
    // Nothing is permitted.
    for id in 0..30 {
        let answer = stage.call(&tool_call(id, json!({}))).await;
        let record = stage.record("denial", &call_id(&answer)).await;
        assert_eq!(record["subject"], "ada");
    }
}

#[tokio::test]
async fn what_was_counted_is_told_before_the_process_ends() {
    let mut stage = stage().await;
    let call = tool_call(1, json!({}));
    for _ in 0..20 {
        ask(&call).send(stage.gateway.address()).await;
    }
    stage.gateway.signal("TERM").unwrap();
    assert!(stage.gateway.ended(DEADLINE).await.unwrap().success());
    let (alone, counted) = told(&stage.records());
    assert_eq!(alone + counted, 20, "{alone} alone, {counted} counted");
}
