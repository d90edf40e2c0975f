//! Upstreams that poison their lists.

use super::*;
use crate::protocol::{answer, result};

const MALFORMED: &[&str] = &["E_UPSTREAM_MALFORMED"];

async fn siege(list: impl Into<String>) -> Siege {
    let list = list.into();
    Siege::lay(move |received| result(received, &list)).await
}

async fn list(siege: &Siege) -> [Answer; 2] {
    let (modern, legacy) = (
        modern("modern", "tools/list", json!({})),
        legacy("legacy", "tools/list", json!({})),
    );
    let both = async { tokio::join!(siege.scene.call(&modern), siege.scene.call(&legacy)) };
    let (modern, legacy) = siege.meanwhile(both).await;
    [modern, legacy]
}

fn names(answer: &Answer) -> Vec<String> {
    let json = answer.json();
    let tools = json["result"]["tools"]
        .as_array()
        .unwrap_or_else(|| panic!("{}", answer.text()));
    tools
        .iter()
        .map(|tool| tool["name"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_list_on_which_nobody_can_decide_is_not_shown() {
    for poisoned in [
        r#"{"tools":[{"name":"good"},{"description":"no name"}]}"#,
        r#"{"tools":[{"name":null}]}"#,
        r#"{"tools":[{"name":7}]}"#,
        r#"{"tools":[{"name":["good"]}]}"#,
        r#"{"tools":[null]}"#,
        r#"{"tools":["good"]}"#,
        r#"{"tools":{"good":{"name":"good"}}}"#,
        r#"{"tools":null}"#,
        r#"{"Tools":[{"name":"good"}]}"#,
        "{}",
        "[]",
        "null",
        "7",
    ] {
        let siege = siege(poisoned).await;
        for answer in list(&siege).await {
            siege.failed_with(&answer, MALFORMED).await;
            assert!(!answer.text().contains("good"), "{}", answer.text());
        }
    }
}

#[tokio::test]
async fn tools_with_names_that_cannot_be_called_are_left_out() {
    let odd = json!({"tools": [
        {"name": "good"},
        {"name": ""},
        {"name": "x".repeat(256)},
        {"name": "line\nend"},
        {"name": "nul\u{0}"},
        {"name": "escape\u{1b}[2J"},
        {"name": "x".repeat(255)},
    ]});
    let siege = siege(odd.to_string()).await;
    for answer in list(&siege).await {
        assert_eq!(names(&answer), ["good".to_owned(), "x".repeat(255)]);
    }
}

#[tokio::test]
async fn tools_whose_mirrored_arguments_are_invalid_are_left_out_of_the_modern_list() {
    let property = |annotation: Value| json!({"name": "bad", "inputSchema": {"properties": {"a": annotation}}});
    let bad = [
        property(json!({"type": "string", "x-mcp-header": ""})),
        property(json!({"type": "string", "x-mcp-header": "a b"})),
        property(json!({"type": "string", "x-mcp-header": "a\r\nSet-Cookie: x"})),
        property(json!({"type": "string", "x-mcp-header": 7})),
        property(json!({"type": "object", "x-mcp-header": "A"})),
        property(json!({"items": {"type": "string", "x-mcp-header": "A"}})),
    ];
    for tool in bad {
        let siege = siege(json!({"tools": [{"name": "good"}, tool]}).to_string()).await;
        let [modern, legacy] = list(&siege).await;
        assert_eq!(names(&modern), ["good"], "{tool}");
        // Earlier versions do not know the annotation.
        assert_eq!(names(&legacy), ["good", "bad"]);
    }
}

#[tokio::test]
async fn an_annotation_whose_key_is_spelt_with_escapes_is_one() {
    for key in ["x-mcp-h\\u0065ader", "\\u0078-mcp-header"] {
        let list = format!(
            r#"{{"tools":[{{"name":"good"}},{{"name":"bad","inputSchema":{{"properties":{{"a":{{"type":"string","{key}":"a b"}}}}}}}}]}}"#
        );
        let siege = siege(list).await;
        let [modern, _] = self::list(&siege).await;
        assert_eq!(names(&modern), ["good"], "{key}");
    }
}

#[tokio::test]
async fn a_schema_that_is_nested_without_end_is_left_out() {
    let mut schema = json!({"type": "string", "x-mcp-header": "A"});
    for _ in 0..60 {
        schema = json!({"properties": {"a": schema}});
    }
    let siege = siege(
        json!({"tools": [{"name": "good"}, {"name": "bad", "inputSchema": schema}]}).to_string(),
    )
    .await;
    let [modern, _] = list(&siege).await;
    assert_eq!(names(&modern), ["good"]);
}

#[tokio::test]
async fn a_long_list_does_not_hold_up_the_others() {
    let tools: Vec<String> = (0..4_000)
        .map(|n| format!(r#"{{"name":"t{n}"}}"#))
        .collect();
    let text = format!(r#"{{"tools":[{}]}}"#, tools.join(","));
    assert!(text.len() < ANSWER_BYTES_MAX);
    let siege = siege(text).await;

    for answer in list(&siege).await {
        assert_eq!(names(&answer).len(), 4_000);
    }
}

#[tokio::test]
async fn a_list_of_the_default_size_does_not_hold_up_the_others() {
    // As many tools as fit into the default of `answer_bytes_max`, each of which is decided on.
    let tools: Vec<String> = (0..400_000)
        .map(|n| format!(r#"{{"name":"a tool {n:020}"}}"#))
        .collect();
    let text = Arc::new(format!(r#"{{"tools":[{}]}}"#, tools.join(",")));
    assert!(text.len() < 16 << 20);
    let upstream = Hostile::start(move |received| Script::json(answer(received, &text)))
        .await
        .unwrap();
    let url = upstream.url();
    let siege = Siege::against(
        upstream,
        "http://127.0.0.1:9/mcp",
        Arc::default(),
        |setup| setup.http_upstream("large", &url),
    )
    .await;
    let ask = Ask::modern("/mcp/large", &modern("modern", "tools/list", json!({})))
        .bearer(&siege.scene.token);

    // Whether it is shown or refused: meanwhile the others are served.
    let answer = siege.meanwhile(siege.scene.send(ask)).await;

    assert_eq!(answer.status, 200);
}

#[tokio::test]
async fn other_calls_of_the_same_worker_go_on_while_a_long_list_is_decided() {
    let tools: Vec<String> = (0..2_000)
        .map(|n| format!(r#"{{"name":"t{n}"}}"#))
        .collect();
    let text = format!(r#"{{"tools":[{}]}}"#, tools.join(","));
    // Each one is asked for each tool.
    let policies: String = (0..60)
        .map(|n| format!("permit(principal in Cardea::Group::\"demo/g{n}\", action, resource);\n"))
        .collect();
    let scene = Scene::with(
        |setup| {
            setup
                .set("workers", json!(1))
                .policy(&policies)
                .policy(PERMIT_ALL)
        },
        move |received| result(received, &text),
    )
    .await;
    let list = scene.ask(&modern("list", "tools/list", json!({})));
    let listing = tokio::spawn(list.try_send(scene.gateway.address()));
    until("the list at the gateway", async || {
        (!scene.seen("tools/list").is_empty()).then_some(())
    })
    .await;

    let mut meanwhile = 0;
    while !listing.is_finished() {
        let health = Ask::get("/healthz").send(scene.gateway.address()).await;
        assert_eq!(health.status, 200);
        meanwhile += 1;
    }

    let answer = listing.await.unwrap().unwrap();
    assert_eq!(names(&answer).len(), 2_000);
    // One or two may come before the answer of the upstream, and one after the last decision.
    assert!(meanwhile > 3, "{meanwhile} calls were served meanwhile");
}
