//! The next call is decided by the new text, and a bad text changes nothing.

use super::*;

const FORBID_DELETE: &str = r#"
    @id("no-delete") forbid(principal, action == Cardea::Action::"tools/call", resource)
        when { resource.name == "delete" };
"#;

fn call_of(tool: &str) -> Value {
    modern(1, "tools/call", json!({ "name": tool, "arguments": {} }))
}

#[tokio::test]
async fn a_new_policy_decides_the_next_call_and_a_removed_one_no_more() {
    let stage = Stage::with(|setup| setup).await;
    let call = call_of("echo");
    assert!(is_denied(&stage.call(&call).await));
    put_policy(&stage.gateway, "all.cedar", PERMIT_ALL);
    until_call(&stage, "the call is permitted", &call, is_permitted).await;
    remove_policy(&stage.gateway, "all.cedar");
    until_call(&stage, "the call is denied again", &call, is_denied).await;

    let decided = stage.records().into_iter().filter(|r| r["kind"] != "event");
    let decisions: Vec<(Value, Value)> = decided
        .map(|record| {
            (
                record["kind"].clone(),
                record["decision"]["policies"].clone(),
            )
        })
        .collect();
    assert_eq!(decisions.first().unwrap().0, "denial");
    assert!(decisions.contains(&(json!("outcome"), json!(["permit-all"]))));
    assert_eq!(decisions.last().unwrap().0, "denial");
}

#[tokio::test]
async fn a_new_forbid_holds_for_answers_that_were_remembered() {
    let stage = Stage::start().await;
    let (echo, delete) = (call_of("echo"), call_of("delete"));
    // Twice, so that the second is decided from memory.
    for call in [&echo, &delete, &echo, &delete] {
        assert!(is_permitted(&stage.call(call).await));
    }
    put_policy(&stage.gateway, "delete.cedar", FORBID_DELETE);
    until_call(&stage, "`delete` is denied", &delete, is_denied).await;
    assert!(is_permitted(&stage.call(&echo).await));
    let list = stage.call(&modern(2, "tools/list", json!({}))).await.json();
    let names: Vec<_> = list["result"]["tools"]
        .as_array()
        .unwrap()
        .iter()
        .map(|t| &t["name"])
        .collect();
    assert_eq!(names, ["echo"]);
}

#[tokio::test]
async fn each_record_names_the_generation_that_decided() {
    let stage = Stage::start().await;
    stage.call(&tool_call("before", json!({}))).await;
    let before = stage.record_by_id("outcome", &json!("before")).await;
    put_policy(&stage.gateway, "delete.cedar", FORBID_DELETE);
    until_call(&stage, "`delete` is denied", &call_of("delete"), is_denied).await;
    stage.call(&tool_call("after", json!({}))).await;
    let after = stage.record_by_id("outcome", &json!("after")).await;
    let epoch = |record: &Value| record["decision"]["epoch"].as_u64().unwrap();
    assert!(epoch(&after) > epoch(&before), "{before} {after}");
}

#[tokio::test]
async fn a_bad_policy_is_refused_with_its_place_and_the_old_ones_stay() {
    let stage = Stage::start().await;
    put_policy(&stage.gateway, "delete.cedar", FORBID_DELETE);
    until_call(&stage, "`delete` is denied", &call_of("delete"), is_denied).await;
    let deep = |open: &str, close: &str| {
        let condition = open.repeat(20_000) + "true" + &close.repeat(20_000);
        format!("permit(principal, action, resource) when {{ {condition} }};")
    };
    for (bad, told) in [
        ("permit(principal, action, resource", "delete.cedar:1:"),
        (&deep("(", ")"), "nested more than 100 deep"),
        (&deep("true || ", ""), "more than 1000 operators"),
        (
            r#"forbid(principal, action, resource in Cardea::Upstream::"ehco");"#,
            "did you mean `echo`?",
        ),
        (
            "permit(principal, action, resource) when { principal.age > 3 };",
            "age",
        ),
    ] {
        let before = reloads(&stage.gateway, "refused").await;
        put_policy(&stage.gateway, "delete.cedar", bad);
        until_refused(&stage.gateway, before).await;
        assert!(is_permitted(&stage.call(&call_of("echo")).await), "{bad}");
        assert!(is_denied(&stage.call(&call_of("delete")).await), "{bad}");
        let log = stage.gateway.log();
        assert!(
            log.contains("the new configuration is refused, the old one stays"),
            "{log}"
        );
        assert!(log.contains(told), "`{told}` is not in {log}");
    }
    put_policy(&stage.gateway, "delete.cedar", "");
    until_call(
        &stage,
        "the mended policy holds",
        &call_of("delete"),
        is_permitted,
    )
    .await;
}

#[tokio::test]
async fn the_largest_policy_that_may_be_written_decides() {
    let stage = Stage::start().await;
    let condition = "context.method == \"none\" || ".repeat(999) + "context.method != \"none\"";
    let policy = format!(
        "forbid(principal, action == Cardea::Action::\"tools/call\", resource) when {{ {}{condition}{} }};",
        "(".repeat(98),
        ")".repeat(98)
    );
    put_policy(&stage.gateway, "large.cedar", &policy);
    until_call(&stage, "it decides", &call_of("echo"), is_denied).await;
    put_policy(&stage.gateway, "large.cedar", "");
    until_call(&stage, "it is gone", &call_of("echo"), is_permitted).await;
}

#[tokio::test]
async fn without_any_policy_left_nothing_is_permitted() {
    let stage = Stage::start().await;
    let call = call_of("echo");
    assert!(is_permitted(&stage.call(&call).await));
    remove_policy(&stage.gateway, "0.cedar");
    until_call(&stage, "nothing is permitted", &call, is_denied).await;
    let connect = stage.call(&modern(2, "server/discover", json!({}))).await;
    assert!(is_denied(&connect), "{}", connect.text());
}
