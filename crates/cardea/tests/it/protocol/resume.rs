//! Legacy streams that break off go on where they were (2025-11-25, Resumability), and show no more than before.

use super::*;

const HIDE_ONE: &str = r#"
    permit(principal, action == Cardea::Action::"connect", resource);
    permit(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"echo/open");
"#;

const TOOLS: &str = r#"{"tools":[{"name":"open"},{"name":"hidden"}],"cacheScope":"public"}"#;
const TOOLS_LEFT: &str = r#"{"tools":[{"name":"open"}],"cacheScope":"private"}"#;

/// An upstream that breaks each answer off after its position `p1`, and gives it on a GET from there. Its later positions
/// say which request they are of.
fn breaks_off(received: &Received) -> Script {
    let position = received.header("last-event-id");
    let of = position.and_then(|position| position.strip_prefix("p2 of "));
    match (received.method.as_str(), of) {
        ("POST", _) => Script::stream()
            .send("id: p1\nretry: 10\ndata: \n\n")
            .event_at(
                &format!("p2 of {}", received.id()),
                r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"soon"}}"#,
            )
            .close(),
        ("GET", Some(id)) => Script::stream()
            .event_at(
                "p3",
                &format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{TOOLS}}}"#),
            )
            .close(),
        ("GET", _) => Script::stream()
            .event(
                r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"fresh"}}"#,
            )
            .event(&format!(
                r#"{{"jsonrpc":"2.0","id":"list","result":{TOOLS}}}"#
            ))
            .close(),
        _ => Script::response("405 Method Not Allowed", "", ""),
    }
}

async fn scene() -> Scene {
    let upstream = Hostile::start(breaks_off).await.unwrap();
    let gateway = setup()
        .http_upstream(UPSTREAM, &upstream.url())
        .http_upstream("other", &upstream.url())
        .policy(HIDE_ONE)
        .start()
        .await
        .unwrap();
    let token = token(&gateway, "ada", "bot").await;
    Scene {
        upstream,
        gateway,
        token,
    }
}

/// The positions on a stream, as the client sees them.
fn positions(answer: &Answer) -> Vec<String> {
    let text = answer.text();
    text.lines()
        .filter_map(|line| line.strip_prefix("id: "))
        .map(str::to_owned)
        .collect()
}

async fn break_off(scene: &Scene) -> Vec<String> {
    let answer = scene.call(&legacy("list", "tools/list", json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let found = positions(&answer);
    assert_eq!(found.len(), 2, "{}", answer.text());
    found
}

fn last_get(scene: &Scene) -> Received {
    scene
        .upstream
        .seen()
        .requests
        .into_iter()
        .rfind(|r| r.method == "GET")
        .unwrap()
}

#[tokio::test]
async fn a_stream_that_breaks_off_passes_on_its_positions_sealed() {
    let scene = scene().await;

    let answer = scene.call(&legacy("list", "tools/list", json!({}))).await;

    let text = answer.text();
    assert!(text.contains("retry: 10\n"), "{text}");
    assert!(text.contains("soon"), "{text}");
    assert!(
        !text.contains("id: p1") && !text.contains("id: p2"),
        "{text}"
    );
    assert!(
        !text.contains("error"),
        "a stream that can be resumed has not failed: {text}"
    );
    let record = scene.record_by_id("outcome", &json!("list")).await;
    assert_eq!(record["response"]["outcome"], "resumable", "{record:#}");
}

#[tokio::test]
async fn an_answer_that_comes_on_the_resumed_stream_is_filtered_like_on_the_first() {
    let scene = scene().await;
    let positions = break_off(&scene).await;

    let answer = scene
        .send(scene.bare("GET").set("last-event-id", &positions[1]))
        .await;

    let resumed = last_get(&scene);
    let position = resumed.header("last-event-id").unwrap();
    assert!(position.starts_with("p2 of \"g"), "{position}");
    let expected = format!(r#"data: {{"jsonrpc":"2.0","id":"list","result":{TOOLS_LEFT}}}"#);
    assert!(answer.text().contains(&expected), "{}", answer.text());
    assert!(!answer.text().contains("hidden"), "{}", answer.text());
}

#[tokio::test]
async fn positions_of_another_principal_or_upstream_are_ignored() {
    let scene = scene().await;
    let position = &break_off(&scene).await[1];
    let bob = token(&scene.gateway, "bob", "bot").await;
    let elsewhere = Ask::new("GET", "/mcp/other")
        .set("accept", "text/event-stream")
        .bearer(&scene.token);
    for ask in [
        scene
            .bare("GET")
            .bearer(&bob)
            .set("last-event-id", position),
        elsewhere.set("last-event-id", position),
        scene.bare("GET").set("last-event-id", "p2"),
        scene
            .bare("GET")
            .set("last-event-id", format!("{position}A")),
        scene.bare("GET").set("last-event-id", ""),
        scene
            .bare("GET")
            .add("last-event-id", "p2")
            .add("last-event-id", position),
    ] {
        let answer = scene.send(ask).await;

        assert_eq!(last_get(&scene).header("last-event-id"), None);
        assert!(!answer.text().contains("hidden"), "{}", answer.text());
    }
}

#[tokio::test]
async fn an_answer_on_a_stream_where_nobody_waits_for_one_is_not_passed_on() {
    let scene = scene().await;

    let answer = scene.send(scene.bare("GET")).await;

    assert!(answer.text().contains("fresh"), "{}", answer.text());
    assert!(!answer.text().contains("tools"), "{}", answer.text());
}

#[tokio::test]
async fn a_sealed_position_is_no_session_and_a_session_no_position() {
    let scene = scene().await;
    let position = &break_off(&scene).await[1];

    let answer = scene
        .send(scene.bare("GET").set("mcp-session-id", position))
        .await;

    assert_eq!(
        (answer.status, code_of(&answer).as_str()),
        (404, "E_SESSION_UNKNOWN")
    );
}

#[tokio::test]
async fn a_position_survives_a_restart_of_the_gateway() {
    let mut scene = scene().await;
    let position = break_off(&scene).await.remove(1);
    scene.gateway.kill().unwrap();
    scene.gateway.start_again().await.unwrap();

    let answer = scene
        .send(scene.bare("GET").set("last-event-id", &position))
        .await;

    assert!(answer.text().contains(TOOLS_LEFT), "{}", answer.text());
}
