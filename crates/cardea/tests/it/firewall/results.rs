//! Results, held to their tool's schema and to the configuration on whatever way they come.

use super::*;

fn counter() -> Value {
    json!([
        { "name": "echo", "inputSchema": { "type": "object" }, "outputSchema": {
            "type": "object", "properties": { "n": { "type": "integer" } }, "required": ["n"],
        }},
        { "name": "plain", "inputSchema": { "type": "object" } },
    ])
}

fn wrong() -> Value {
    json!({ "anything": "at all" })
}

/// A call of a tool in the era.
fn call_of(is_modern: bool, tool: &str, more: Value) -> Value {
    let mut params = json!({ "name": tool, "arguments": {} });
    for (key, value) in more.as_object().into_iter().flatten() {
        params[key] = value.clone();
    }
    match is_modern {
        true => modern(1, "tools/call", params),
        false => legacy(1, "tools/call", params),
    }
}

fn answer_with(stage: &Stage, method: &str, result: Value) {
    stage
        .echo
        .on(method, move |seen| Reply::result(seen, &result));
}

/// The code of the refusal that takes the answer's place, if there is one.
async fn code(stage: &Stage, message: &Value) -> Option<String> {
    let answer = stage.call(message).await.json();
    answer["error"]["data"]["code"].as_str().map(str::to_owned)
}

#[tokio::test]
async fn no_word_of_a_result_gets_it_past_the_schema() {
    let stage = held(checked(), counter()).await;
    let text = json!([{ "type": "text", "text": "x" }]);
    for (is_modern, result) in [
        (
            false,
            json!({ "task": null, "content": text, "structuredContent": wrong() }),
        ),
        (
            false,
            json!({ "task": { "taskId": "1" }, "content": text, "structuredContent": wrong() }),
        ),
        (false, json!({ "task": { "taskId": "1" }, "content": text })),
        (false, json!({ "task": { "taskId": "1" } })),
        (
            false,
            json!({ "resultType": "x", "content": text, "structuredContent": wrong() }),
        ),
        (false, json!({ "resultType": "task", "content": text })),
        (
            false,
            json!({ "isError": true, "content": text, "structuredContent": wrong() }),
        ),
        (
            true,
            json!({ "resultType": "x", "content": text, "structuredContent": wrong() }),
        ),
        (true, json!({ "resultType": "x", "content": text })),
        (
            true,
            json!({ "resultType": "task", "taskId": "1", "content": text }),
        ),
        (
            true,
            json!({ "resultType": "input_required", "structuredContent": wrong() }),
        ),
        (
            true,
            json!({ "resultType": "input_required", "content": text }),
        ),
        (
            true,
            json!({ "resultType": "complete", "task": {}, "content": text }),
        ),
        (
            true,
            json!({ "resultType": "complete", "isError": true, "content": text, "structuredContent": wrong() }),
        ),
        (
            true,
            json!({ "resultType": "complete", "structuredcontent": {}, "content": text, "structuredContent": { "n": 1 } }),
        ),
    ] {
        answer_with(&stage, "tools/call", result.clone());
        let refused = code(&stage, &call_of(is_modern, "echo", json!({}))).await;
        assert!(refused.is_some(), "{is_modern}: {result}");
    }
    for (is_modern, more, result) in [
        (
            false,
            json!({}),
            json!({ "content": text, "structuredContent": { "n": 1 } }),
        ),
        (
            false,
            json!({}),
            json!({ "isError": true, "content": text }),
        ),
        (
            false,
            json!({ "task": { "ttl": 1000 } }),
            json!({ "task": { "taskId": "1", "status": "working" } }),
        ),
        (
            true,
            json!({}),
            json!({ "resultType": "task", "taskId": "2", "status": "working" }),
        ),
        (
            true,
            json!({}),
            json!({ "resultType": "complete", "isError": true, "content": text }),
        ),
    ] {
        answer_with(&stage, "tools/call", result.clone());
        let passed = code(&stage, &call_of(is_modern, "echo", more)).await;
        assert_eq!(passed, None, "{result}");
    }
}

#[tokio::test]
async fn the_result_of_a_task_is_held_to_what_holds_for_its_tool() {
    let stage = held(checked(), counter()).await;
    let ask = |id: &str| legacy(2, "tasks/result", json!({ "taskId": id }));
    for (tool, id) in [("echo", "counted"), ("plain", "free")] {
        answer_with(
            &stage,
            "tools/call",
            json!({ "task": { "taskId": id, "status": "working" } }),
        );
        let made = call_of(false, tool, json!({ "task": {} }));
        assert_eq!(code(&stage, &made).await, None, "{tool}");
    }
    let good = json!({ "content": [], "structuredContent": { "n": 1 } });
    let bad = json!({ "content": [], "structuredContent": wrong() });
    for (id, result, passes) in [
        ("counted", &good, true),
        ("counted", &bad, false),
        ("counted", &json!({ "content": [] }), false),
        (
            "counted",
            &json!({ "status": "working", "structuredContent": wrong() }),
            false,
        ),
        ("free", &bad, true),
        ("never made", &good, false),
    ] {
        answer_with(&stage, "tasks/result", result.clone());
        let refused = code(&stage, &ask(id)).await;
        assert_eq!(refused.is_none(), passes, "{id}: {result}");
    }
    // Another's task of the same name is not known.
    let bob = token(&stage.gateway, "bob", "bot").await;
    answer_with(&stage, "tasks/result", good);
    let foreign = super::ask(&ask("counted"))
        .bearer(&bob)
        .send(stage.gateway.address())
        .await;
    assert_eq!(foreign.json()["error"]["data"]["code"], "E_RESULT_INVALID");
}

#[tokio::test]
async fn a_task_of_the_modern_era_tells_its_result_with_its_state() {
    let stage = held(checked(), counter()).await;
    answer_with(
        &stage,
        "tools/call",
        json!({ "resultType": "task", "taskId": "1", "status": "working" }),
    );
    assert_eq!(code(&stage, &call_of(true, "echo", json!({}))).await, None);
    let state = |more: Value| {
        let mut state = json!({ "resultType": "complete", "taskId": "1", "status": "completed" });
        for (key, value) in more.as_object().unwrap() {
            state[key] = value.clone();
        }
        state
    };
    for (more, passes) in [
        (json!({ "status": "working" }), true),
        (
            json!({ "result": { "content": [], "structuredContent": { "n": 1 } } }),
            true,
        ),
        (
            json!({ "result": { "content": [], "structuredContent": wrong() } }),
            false,
        ),
        (
            json!({ "result": { "content": [{ "type": "video" }], "structuredContent": { "n": 1 } } }),
            false,
        ),
    ] {
        answer_with(&stage, "tasks/get", state(more.clone()));
        let refused = code(&stage, &modern(3, "tasks/get", json!({ "taskId": "1" }))).await;
        assert_eq!(refused.is_none(), passes, "{more}");
    }
}

#[tokio::test]
async fn results_hold_what_the_configuration_admits() {
    let mut config = checked();
    config["outputs"] = json!([
        { "tools": ["echo"], "content": ["text", "image"], "media_types": ["image/png"] },
        { "bytes_max": "1KiB" },
    ]);
    let tools = json!([
        { "name": "echo", "inputSchema": { "type": "object" } },
        { "name": "plain", "inputSchema": { "type": "object" } },
    ]);
    let stage = held(config, tools).await;
    let image = |said: &str| json!({ "type": "image", "mimeType": said, "data": "AA==" });
    let text = |length: usize| json!({ "type": "text", "text": "x".repeat(length) });
    for (tool, block, passes) in [
        ("echo", text(1), true),
        ("echo", image("image/png"), true),
        ("echo", image("image/svg+xml"), false),
        (
            "echo",
            json!({ "type": "audio", "mimeType": "image/png", "data": "AA==" }),
            false,
        ),
        (
            "echo",
            json!({ "type": "resource", "resource": { "uri": "file:///a", "text": "a" } }),
            false,
        ),
        ("echo", text(1024), false),
        (
            "plain",
            json!({ "type": "audio", "mimeType": "audio/wav", "data": "AA==" }),
            true,
        ),
        (
            "plain",
            json!({ "type": "video", "mimeType": "video/mp4", "data": "AA==" }),
            false,
        ),
        ("plain", text(1024), false),
    ] {
        answer_with(
            &stage,
            "tools/call",
            json!({ "resultType": "complete", "content": [block] }),
        );
        let refused = code(&stage, &call_of(true, tool, json!({}))).await;
        let expected = (!passes).then_some("E_RESULT_INVALID");
        assert_eq!(refused.as_deref(), expected, "{tool}: {block}");
    }
    sound_records(&stage.gateway);
}
