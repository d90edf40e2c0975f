//! A legacy session's id is worth something to its own principal at its own upstream, and to nobody else.

use super::*;

/// What the upstream calls its session; the client never learns it.
const THEIRS: &str = "up-session-1234567890";

/// An upstream of the legacy era that opens one session and answers whatever names it.
fn session_server(received: &Received) -> Script {
    match (received.method.as_str(), received.rpc().as_str()) {
        ("POST", "initialize") => {
            let headers = format!("Content-Type: application/json\r\nMcp-Session-Id: {THEIRS}\r\n");
            let opened = r#"{"protocolVersion":"2025-11-25","capabilities":{},"serverInfo":{"name":"s","version":"1"}}"#;
            Script::response("200 OK", &headers, answer(received, opened))
        }
        ("POST", _) => tool_result(received, "done"),
        ("DELETE", _) => Script::response("200 OK", "", ""),
        _ => Script::response("405 Method Not Allowed", "", ""),
    }
}

/// A gateway with that server for two tenants, and the server once more as another upstream.
async fn scene() -> Scene {
    let upstream = Hostile::start(session_server).await.unwrap();
    let both = json!({"tenants": [TENANT, "globex"], "http": {"url": upstream.url()}});
    let gateway = setup()
        .tenant("globex")
        .upstream(UPSTREAM, both.clone())
        .upstream("other", both)
        .policy(PERMIT_ALL)
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

async fn open_session(scene: &Scene) -> String {
    let answer = scene.call(&initialize(0)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    answer.header("mcp-session-id").expect("a session id")
}

fn call_in(session: &str) -> Ask {
    ask(&legacy(1, "tools/call", json!({"name": "echo"}))).set("mcp-session-id", session)
}

#[tokio::test]
async fn the_upstreams_session_id_is_sealed_for_the_client_and_opened_for_the_upstream() {
    let scene = scene().await;
    let sealed = open_session(&scene).await;
    assert!(!sealed.contains(THEIRS));
    assert!(sealed.bytes().all(|b| b.is_ascii_graphic()));

    let answer = scene.send(call_in(&sealed).bearer(&scene.token)).await;
    assert_eq!(text_of(&answer), "done");
    assert_eq!(
        scene.seen("tools/call")[0].header("mcp-session-id"),
        Some(THEIRS)
    );

    let ended = scene
        .send(scene.bare("DELETE").set("mcp-session-id", &sealed))
        .await;
    assert_eq!(ended.status, 200);
    let last = scene.upstream.seen().requests.pop().unwrap();
    assert_eq!(
        (last.method.as_str(), last.header("mcp-session-id")),
        ("DELETE", Some(THEIRS))
    );
}

#[tokio::test]
async fn one_session_is_sealed_differently_each_time() {
    let scene = scene().await;
    assert_ne!(open_session(&scene).await, open_session(&scene).await);
}

#[tokio::test]
async fn another_principal_cannot_use_a_session() {
    let scene = scene().await;
    let sealed = open_session(&scene).await;
    for (tenant, subject, actor) in [
        (TENANT, "bob", "bot"),
        (TENANT, "ada", "bot2"),
        ("globex", "ada", "bot"),
    ] {
        let stranger = token_of(&scene.gateway, tenant, subject, actor).await;
        unknown(&scene, call_in(&sealed).bearer(&stranger)).await;
        for method in ["GET", "DELETE"] {
            let ask = scene
                .bare(method)
                .bearer(&stranger)
                .set("mcp-session-id", &sealed);
            unknown(&scene, ask).await;
        }
    }
    let renewed = token(&scene.gateway, "ada", "bot").await;
    let answer = scene.send(call_in(&sealed).bearer(&renewed)).await;
    assert_eq!(
        text_of(&answer),
        "done",
        "a renewed token of the same principal goes on"
    );
}

#[tokio::test]
async fn a_session_of_another_upstream_is_unknown() {
    let scene = scene().await;
    let sealed = open_session(&scene).await;
    let ask = Ask::message(
        "/mcp/other",
        &legacy(1, "tools/call", json!({"name": "echo"})),
    )
    .set("mcp-protocol-version", LEGACY)
    .set("mcp-session-id", &sealed)
    .bearer(&scene.token);
    unknown(&scene, ask).await;
}

#[tokio::test]
async fn a_changed_or_invented_session_is_unknown() {
    let scene = scene().await;
    let sealed = open_session(&scene).await;
    let mut tries: Vec<String> = (0..sealed.len())
        .step_by(7)
        .map(|at| {
            let other = if &sealed[at..=at] == "A" { "B" } else { "A" };
            format!("{}{other}{}", &sealed[..at], &sealed[at + 1..])
        })
        .collect();
    tries.extend([
        THEIRS.to_owned(),
        sealed[..sealed.len() - 2].to_owned(),
        format!("{sealed}AAAA"),
        format!("{sealed}="),
        "x".to_owned(),
        String::new(),
        "A".repeat(9000),
    ]);
    for text in tries {
        unknown(&scene, call_in(&text).bearer(&scene.token)).await;
    }
}

#[tokio::test]
async fn unknown_sessions_all_look_alike() {
    let scene = scene().await;
    let sealed = open_session(&scene).await;
    let stranger = token(&scene.gateway, "bob", "bot").await;
    let mut seen = Vec::new();
    for ask in [
        call_in(&sealed).bearer(&stranger),
        call_in("never-was").bearer(&stranger),
        call_in(THEIRS).bearer(&scene.token),
    ] {
        let answer = scene.send(ask).await;
        seen.push(answer.text().replace(&call_id(&answer), "CALL"));
    }
    assert!(seen.iter().all(|text| *text == seen[0]), "{seen:#?}");
}

#[tokio::test]
async fn a_session_survives_a_restart_of_the_gateway() {
    let mut scene = scene().await;
    let sealed = open_session(&scene).await;

    scene.gateway.signal("TERM").unwrap();
    scene.gateway.ended(DEADLINE).await.unwrap();
    scene.gateway.start_again().await.unwrap();

    let answer = scene.send(call_in(&sealed).bearer(&scene.token)).await;
    assert_eq!(text_of(&answer), "done", "{}", answer.text());
    assert_eq!(
        scene.seen("tools/call")[0].header("mcp-session-id"),
        Some(THEIRS)
    );
}

#[tokio::test]
async fn modern_requests_have_no_session_whatever_their_headers_say() {
    let scene = scene().await;
    let sealed = open_session(&scene).await;
    for session in [sealed.as_str(), "nonsense"] {
        let ask = scene
            .ask(&tool_call(1, json!({})))
            .set("mcp-session-id", session);

        let answer = scene.send(ask).await;

        assert_eq!(text_of(&answer), "done");
    }
    for seen in scene.seen("tools/call") {
        assert_eq!(seen.header("mcp-session-id"), None);
    }
}

/// Checks that a session is refused as unknown, and that the upstream hears nothing of it.
async fn unknown(scene: &Scene, ask: Ask) {
    let before = scene.upstream.seen().requests.len();
    let answer = scene.send(ask).await;
    assert_eq!(
        (answer.status, code_of(&answer).as_str()),
        (404, "E_SESSION_UNKNOWN"),
        "{}",
        answer.text()
    );
    assert_eq!(scene.upstream.seen().requests.len(), before);
}
