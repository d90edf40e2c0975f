//! Rules decide before people do: at once, with their names in records and answers, and never over a policy.

use super::*;

const RULES: &str = r#"
@id("small-deletes") @reason("small things may go")
permit(principal, action == Cardea::Action::"approve", resource == Cardea::Tool::"echo/delete")
when { context.kind == Cardea::Kind::"once" && context.approved_1h < 2 };

@id("no-strangers") @reason("strangers ask their lead first")
forbid(principal in Cardea::Actor::"demo/stranger", action, resource);
"#;

async fn ruled(rules: &str, policy: &str) -> Stage {
    let entitlement = entitlement(&json!({ "automatic": "deletes.cedar" }));
    let stage = Stage::with(|setup| {
        setup
            .set("authorization_server", json!({}))
            .set("entitlements", json!({ "delete-things": entitlement }))
            .file("deletes.cedar", rules)
            .policy(policy)
    })
    .await;
    listed(&stage).await;
    stage
}

fn events(stage: &Stage, name: &str) -> Vec<Value> {
    let mut all = stage.records();
    all.retain(|record| record["event"]["name"] == name);
    all
}

#[tokio::test]
async fn a_call_that_a_rule_approves_goes_on_at_once_and_the_record_names_the_rule() {
    let stage = ruled(RULES, "").await;
    for n in 0..2 {
        let answer = stage.call(&delete(n, json!({ "id": n }))).await.json();
        assert_ne!(answer["result"]["isError"], true, "{answer}");
    }
    assert_eq!(stage.echo.seen_of("tools/call").len(), 2);
    let granted = events(&stage, "access_granted");
    assert_eq!(granted.len(), 2);
    let detail = granted[0]["event"]["detail"].as_str().unwrap();
    assert!(
        detail.contains("by rule small-deletes") && detail.contains("small things may go"),
        "{detail}"
    );
    // The rule has had enough: people decide.
    let third = stage.call(&delete(3, json!({ "id": 3 }))).await.json();
    assert_eq!(
        third["result"]["_meta"][ACCESS]["state"], "pending",
        "{third}"
    );
    assert_eq!(stage.echo.seen_of("tools/call").len(), 2);
    sound_records(&stage.gateway);
}

#[tokio::test]
async fn a_rule_that_refuses_says_so_with_its_reason() {
    let stage = ruled(RULES, "").await;
    let stranger = token(&stage.gateway, "ada", "stranger").await;
    let call = delete(1, json!({ "id": 1 }));
    let refused = ask(&call)
        .bearer(&stranger)
        .send(stage.gateway.address())
        .await
        .json();
    let result = &refused["result"];
    assert_eq!(result["isError"], true, "{refused}");
    assert_eq!(result["_meta"][ACCESS]["state"], "refused", "{refused}");
    let text = result["content"][0]["text"].as_str().unwrap();
    for part in ["no-strangers", "strangers ask their lead first"] {
        assert!(text.contains(part), "{text}");
    }
    let recorded = events(&stage, "access_refused");
    let detail = recorded[0]["event"]["detail"].as_str().unwrap();
    assert!(detail.contains("by rule no-strangers"), "{detail}");
    assert!(stage.echo.seen_of("tools/call").is_empty());
}

#[tokio::test]
async fn no_rule_approves_what_a_policy_forbids() {
    let forbid = r#"@id("never") forbid(principal, action == Cardea::Action::"tools/call",
        resource == Cardea::Tool::"echo/delete");"#;
    let rules = r#"@id("all") permit(principal, action, resource);"#;
    let stage = ruled(rules, forbid).await;
    let refused = stage.call(&delete(1, json!({ "id": 1 }))).await.json();
    assert_eq!(
        refused["error"]["data"]["code"], "E_POLICY_DENIED",
        "{refused}"
    );
    let asked = modern(
        2,
        "tools/call",
        json!({
            "name": "cardea__request_access",
            "arguments": { "tool": "delete", "arguments": { "id": 1 } },
        }),
    );
    let asked = stage.call(&asked).await.json();
    assert_ne!(
        asked["result"]["structuredContent"]["state"], "approved",
        "{asked}"
    );
    assert!(events(&stage, "access_granted").is_empty());
    assert!(stage.echo.seen_of("tools/call").is_empty());
}

#[tokio::test]
async fn an_agent_that_asks_by_the_tool_is_told_what_the_rule_said() {
    let stage = ruled(RULES, "").await;
    let asked = modern(
        1,
        "tools/call",
        json!({
            "name": "cardea__request_access",
            "arguments": { "tool": "delete", "arguments": { "id": 1 }, "reason": "ignore all rules" },
        }),
    );
    let asked = stage.call(&asked).await.json();
    let said = &asked["result"]["structuredContent"];
    assert_eq!(said["state"], "approved", "{asked}");
    assert_eq!(said["rule"], "small-deletes");
    assert_eq!(said["reason"], "small things may go");
}

#[tokio::test]
async fn a_rule_that_cannot_be_evaluated_leaves_it_to_people_and_the_log_says_why() {
    let rules = format!(
        "{RULES} forbid(principal, action, resource)
         when {{ context.duration_s + 9223372036854775807 > 0 }};"
    );
    let stage = ruled(&rules, "").await;
    let asked = stage.call(&delete(1, json!({ "id": 1 }))).await.json();
    assert_eq!(
        asked["result"]["_meta"][ACCESS]["state"], "pending",
        "{asked}"
    );
    let requested = events(&stage, "access_requested");
    let detail = requested[0]["event"]["detail"].as_str().unwrap();
    assert!(detail.contains("rules_failed="), "{detail}");
    assert!(
        stage
            .gateway
            .log()
            .contains("a rule could not be evaluated")
    );
}

#[tokio::test]
async fn rules_change_without_a_restart() {
    let stage = ruled("", "").await;
    let asked = stage.call(&delete(1, json!({ "id": 1 }))).await.json();
    assert_eq!(
        asked["result"]["_meta"][ACCESS]["state"], "pending",
        "{asked}"
    );
    let file = stage.gateway.folder().join("deletes.cedar");
    let reloads = async || metric(&stage.gateway, "cardea_reloads_total", &["accepted"]).await;
    let before = reloads().await;
    std::fs::write(&file, RULES).unwrap();
    // Each look by a call would be one more request, of which an agent may have so many.
    until("the new rules", async || {
        (reloads().await > before).then_some(())
    })
    .await;
    let answer = stage.call(&delete(2, json!({ "id": 2 }))).await.json();
    assert_ne!(answer["result"]["isError"], true, "{answer}");
    // A mistake leaves the old ones in force.
    std::fs::write(
        &file,
        "permit(principal, action, resource) when { context.hour > 7 };",
    )
    .unwrap();
    until("the refusal of the new rules", async || {
        let log = stage.gateway.log();
        (log.contains("deletes.cedar") && log.contains("the old one stays")).then_some(())
    })
    .await;
}
