//! Budgets, as agents meet them: by person, agent and tool, for whole answers and streams, in both eras.

use crate::support::*;

async fn stage(budgets: Value) -> Stage {
    Stage::with(|setup| setup.policy(PERMIT_ALL).set("budgets", budgets)).await
}

async fn outcome(stage: &Stage, token: &str, message: &Value) -> Result<(), Value> {
    let answer = ask(message).bearer(token).send(stage.gateway.address());
    let answer = answer.await.json();
    match answer.get("error") {
        None => Ok(()),
        Some(error) => Err(error.clone()),
    }
}

fn is_spent(outcome: &Result<(), Value>) -> bool {
    matches!(outcome, Err(error) if error["data"]["code"] == "E_BUDGET_SPENT")
}

#[tokio::test]
async fn calls_are_counted_for_each_person_and_not_for_requests_that_are_no_calls() {
    let stage = stage(json!({ "each": { "per": ["subject"], "calls": 2, "within": "1h" } })).await;
    let eve = token(&stage.gateway, "eve", "bot").await;
    for id in 1..4 {
        let list = modern(id, "tools/list", json!({}));
        assert_eq!(outcome(&stage, &stage.token, &list).await, Ok(()));
    }
    for id in 4..6 {
        let made = outcome(&stage, &stage.token, &tool_call(id, json!({}))).await;
        assert_eq!(made, Ok(()));
    }
    let third = outcome(&stage, &stage.token, &tool_call(6, json!({}))).await;
    assert!(is_spent(&third), "{third:?}");
    let error = third.unwrap_err();
    assert_eq!(error["code"], -31403, "{error}");
    assert_eq!(error["data"]["retryable"], true, "{error}");
    let text = error["message"].as_str().unwrap();
    assert!(
        text.starts_with("2 calls within 3600 s are used up; try again in"),
        "{text}"
    );
    let denial = stage.record_by_id("denial", &json!(6)).await;
    assert_eq!(denial["denial"]["detail"], "budget each: calls", "{denial}");
    assert_eq!(
        outcome(&stage, &eve, &tool_call(7, json!({}))).await,
        Ok(())
    );
    assert_eq!(stage.echo.seen_of("tools/call").len(), 3);
}

#[tokio::test]
async fn what_is_refused_for_another_reason_is_not_counted() {
    let stage = Stage::with(|setup| {
        setup
            .policy(r#"permit(principal, action, resource) unless { resource has name && resource.name == "delete" };"#)
            .set("budgets", json!({ "all": { "calls": 1, "within": "1h" } }))
    })
    .await;
    for id in 1..4 {
        let delete = modern(id, "tools/call", json!({ "name": "delete" }));
        let refused = outcome(&stage, &stage.token, &delete).await.unwrap_err();
        assert_eq!(refused["data"]["code"], "E_POLICY_DENIED", "{refused}");
    }
    assert_eq!(
        outcome(&stage, &stage.token, &tool_call(4, json!({}))).await,
        Ok(())
    );
    assert!(is_spent(
        &outcome(&stage, &stage.token, &tool_call(5, json!({}))).await
    ));
}

#[tokio::test]
async fn an_answer_that_is_over_a_budget_of_bytes_is_withheld() {
    let stage = stage(json!({ "bytes": { "bytes": "1KiB", "within": "1h" } })).await;
    let big = "x".repeat(2000);
    let withheld = ask(&tool_call(1, json!({ "text": big })))
        .bearer(&stage.token)
        .send(stage.gateway.address())
        .await;
    assert!(
        withheld.text().contains("E_BUDGET_SPENT"),
        "{}",
        withheld.text()
    );
    assert!(!withheld.text().contains("xxx"), "{}", withheld.text());
    let small = outcome(&stage, &stage.token, &tool_call(2, json!({ "text": "y" }))).await;
    assert_eq!(small, Ok(()));
    let record = stage.record_by_id("outcome", &json!(1)).await;
    assert_eq!(record["denial"]["code"], "E_BUDGET_SPENT", "{record}");
}

#[tokio::test]
async fn calls_at_once_are_bounded_and_their_places_come_back() {
    let stage = stage(json!({ "at-once": { "per": ["actor", "tool"], "concurrent": 1 } })).await;
    let gate = Gate::closed();
    let shut = gate.clone();
    stage.echo.on("tools/call", move |seen| {
        let result = json!({ "resultType": "complete", "content": [] });
        Reply::result(seen, &result).after(&shut)
    });
    let first = {
        let (address, token) = (stage.gateway.address(), stage.token.clone());
        tokio::spawn(async move {
            let call = tool_call(1, json!({}));
            ask(&call).bearer(&token).send(address).await.json()
        })
    };
    stage.echo.wait_for("tools/call", 1).await;
    let second = outcome(&stage, &stage.token, &tool_call(2, json!({}))).await;
    assert!(is_spent(&second), "{second:?}");
    gate.open();
    assert!(first.await.unwrap()["error"].is_null());
    assert_eq!(
        outcome(&stage, &stage.token, &tool_call(3, json!({}))).await,
        Ok(())
    );
}

#[tokio::test]
async fn mistakes_in_budgets_are_told_with_their_place() {
    let setup = setup().policy(PERMIT_ALL).set(
        "budgets",
        json!({
            "nothing": {},
            "when": { "concurrent": 2, "within": "1m" },
            "where": { "calls": 1, "upstreams": ["nowhere"] },
        }),
    );
    let refused = setup.start().await.unwrap_err().to_string();
    for text in [
        "the budget bounds nothing",
        "nothing is counted within a time here",
        "there is no upstream `nowhere` here",
    ] {
        assert!(refused.contains(text), "{text}: {refused}");
    }
}
