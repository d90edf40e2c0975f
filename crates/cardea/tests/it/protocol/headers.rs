//! Which headers pass: those that the protocol defines, in either direction, and no others.

use super::*;

/// Headers that a request to an upstream may have, besides those of its configuration.
const TO_UPSTREAM: [&str; 13] = [
    "accept",
    "content-length",
    "content-type",
    "host",
    "last-event-id",
    "mcp-method",
    "mcp-name",
    "mcp-param-region",
    "mcp-protocol-version",
    "mcp-session-id",
    "traceparent",
    "tracestate",
    "user-agent",
];

/// Headers that must stay with the gateway, whatever the upstream would like.
const PRIVATE: [(&str, &str); 12] = [
    ("authorization", "Basic c2VjcmV0OnNlY3JldA=="),
    ("cookie", "session=secret"),
    ("proxy-authorization", "Basic secret"),
    ("x-api-key", "secret"),
    ("x-forwarded-for", "secret"),
    ("forwarded", "for=secret"),
    ("origin", "https://chat.example"),
    ("referer", "https://chat.example/secret"),
    ("dpop", "secret"),
    ("x-real-ip", "secret"),
    ("from", "secret@example"),
    ("baggage", "who=secret"),
];

fn with_private(mut ask: Ask) -> Ask {
    for (name, value) in PRIVATE {
        // The token of the request itself is the secret that matters most.
        if name != "authorization" {
            ask = ask.set(name, value);
        }
    }
    ask
}

#[tokio::test]
async fn the_clients_credentials_and_cookies_never_reach_the_upstream() {
    let scene = Scene::with(
        |setup| {
            setup
                .policy(PERMIT_ALL)
                .set("allowed_origins", json!(["https://chat.example"]))
        },
        |received| tool_result(received, "done"),
    )
    .await;
    let modern = scene
        .ask(&tool_call(1, json!({"region": "eu"})))
        .set("mcp-param-region", "eu")
        .set(
            "traceparent",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        )
        .set("tracestate", "vendor=1");
    let asks = [
        modern,
        scene.ask(&legacy(1, "tools/call", json!({"name": "echo"}))),
        scene.bare("GET"),
        scene.bare("DELETE"),
    ];
    for ask in asks {
        let answer = scene.send(with_private(ask)).await;
        assert!(answer.status < 500, "{}", answer.text());
    }
    let seen = scene.upstream.seen().requests;
    assert_eq!(seen.len(), 4);
    for request in seen {
        for (name, value) in &request.headers {
            let known = TO_UPSTREAM.contains(&name.to_lowercase().as_str());
            assert!(known, "{name}: {value} reached the upstream");
            assert!(
                !value.contains("secret") && !value.contains(&scene.token),
                "{name}: {value}"
            );
        }
        assert!(!request.text().contains(&scene.token));
        assert_eq!(
            request.header("host"),
            Some(scene.upstream.address().to_string().as_str())
        );
    }
}

#[tokio::test]
async fn headers_of_the_configuration_are_sent_and_a_client_cannot_replace_them() {
    let upstream = Hostile::start(|received| tool_result(received, "done"))
        .await
        .unwrap();
    let config = json!({
        "tenants": [TENANT],
        "http": {"url": upstream.url(), "headers": {"Authorization": {"env": "BEARER"}, "X-Api-Key": {"env": "KEY"}}},
    });
    let gateway = setup()
        .env("BEARER", "Bearer of-the-gateway")
        .env("KEY", "ours")
        .upstream(UPSTREAM, config)
        .policy(PERMIT_ALL)
        .start()
        .await
        .unwrap();
    let token = token(&gateway, "ada", "bot").await;

    let ask = ask(&tool_call(1, json!({})))
        .bearer(&token)
        .set("x-api-key", "theirs");
    assert_eq!(ask.send(gateway.address()).await.status, 200);

    let seen = &upstream.calls("tools/call")[0];
    let values = |name: &str| -> Vec<&str> {
        let same = seen
            .headers
            .iter()
            .filter(|(n, _)| n.eq_ignore_ascii_case(name));
        same.map(|(_, value)| value.as_str()).collect()
    };
    assert_eq!(values("authorization"), ["Bearer of-the-gateway"]);
    assert_eq!(values("x-api-key"), ["ours"]);
}

#[tokio::test]
async fn headers_of_the_upstreams_answer_stay_with_the_gateway() {
    const THEIRS: &str = "Content-Type: application/json\r\nSet-Cookie: a=secret\r\nServer: secret/1\r\nX-Powered-By: secret\r\n\
        WWW-Authenticate: Bearer secret\r\nLocation: http://secret.example/\r\nAccess-Control-Allow-Origin: *\r\n\
        Cache-Control: public, max-age=999\r\nETag: secret\r\nMcp-Session-Id: secret\r\nClear-Site-Data: secret\r\n";
    let scene = Scene::start(|received| {
        Script::response(
            "200 OK",
            THEIRS,
            answer(received, &tool_result_text("done")),
        )
    })
    .await;
    for message in [
        tool_call(1, json!({})),
        legacy(1, "tools/call", json!({"name": "echo"})),
    ] {
        let answer = scene.call(&message).await;

        assert_eq!(text_of(&answer), "done");
        let mut names: Vec<&str> = answer.headers.keys().map(|name| name.as_str()).collect();
        names.sort_unstable();
        assert_eq!(names, ["content-length", "content-type", "date"]);
    }
}

#[tokio::test]
async fn a_stream_is_marked_so_that_nobody_on_the_way_holds_or_changes_it() {
    let scene = Scene::start(|received| {
        Script::stream()
            .event(&answer(received, &tool_result_text("done")))
            .close()
    })
    .await;

    let answer = scene.call(&tool_call(1, json!({}))).await;

    let value = |name: &str| answer.header(name).unwrap_or_default();
    assert_eq!(value("content-type"), "text/event-stream");
    assert_eq!(value("cache-control"), "no-cache, no-transform");
    assert_eq!(value("x-accel-buffering"), "no");
}

#[tokio::test]
async fn a_name_that_no_header_can_hold_goes_upstream_in_base64() {
    let scene =
        Scene::start(|received| result(received, r#"{"resultType":"complete","contents":[]}"#))
            .await;
    let message = modern(1, "resources/read", json!({"uri": "file:///caf\u{e9}"}));
    let ask = scene
        .ask(&message)
        .set("mcp-name", "=?base64?ZmlsZTovLy9jYWbDqQ==?=");

    let answer = scene.send(ask).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = &scene.seen("resources/read")[0];
    assert_eq!(
        seen.header("mcp-name"),
        Some("=?base64?ZmlsZTovLy9jYWbDqQ==?=")
    );
}

/// A tool whose argument `region` is mirrored in a header.
const REGION_TOOL: &str = r#"{"resultType":"complete","ttlMs":0,"cacheScope":"private","tools":[{"name":"echo",
    "inputSchema":{"type":"object","properties":{"region":{"type":"string","x-mcp-header":"Region"}}}}]}"#;

async fn with_mirrored_argument() -> Scene {
    let scene = Scene::start(|received| match received.rpc().as_str() {
        "tools/list" => result(received, REGION_TOOL),
        _ => tool_result(received, "done"),
    })
    .await;
    let listed = scene.call(&modern(1, "tools/list", json!({}))).await;
    assert!(listed.text().contains("x-mcp-header"), "{}", listed.text());
    scene
}

#[tokio::test]
async fn a_mirrored_argument_must_be_repeated_in_its_header() {
    let scene = with_mirrored_argument().await;
    let call = |region: Value| scene.ask(&tool_call(2, json!({"region": region})));
    for (ask, good) in [
        (call(json!("eu")).set("mcp-param-region", "eu"), true),
        (
            call(json!("eu")).set("Mcp-Param-REGION", "=?base64?ZXU=?="),
            true,
        ),
        (scene.ask(&tool_call(2, json!({}))), true),
        (call(json!("eu")), false),
        (call(json!("eu")).set("mcp-param-region", "us"), false),
        (call(json!("eu")).set("mcp-param-region", "EU"), false),
        (
            scene
                .ask(&tool_call(2, json!({})))
                .set("mcp-param-region", "eu"),
            false,
        ),
    ] {
        let shown = format!("{ask:?}");
        let answer = scene.send(ask).await;
        if good {
            assert_eq!(answer.status, 200, "{shown}: {}", answer.text());
        } else {
            assert_eq!(
                (answer.status, code_of(&answer).as_str()),
                (400, "E_HEADER_MISMATCH"),
                "{shown}"
            );
            assert_eq!(answer.json()["error"]["code"], -32020);
        }
    }
    assert_eq!(scene.seen("tools/call").len(), 3);
}

#[tokio::test]
async fn a_mirrored_argument_that_is_repeated_twice_is_refused() {
    let scene = with_mirrored_argument().await;
    for second in ["us", "eu"] {
        let ask = scene
            .ask(&tool_call(2, json!({"region": "eu"})))
            .set("mcp-param-region", "eu")
            .add("mcp-param-region", second);

        let answer = scene.send(ask).await;

        // The upstream may read the other one.
        assert_eq!(
            (answer.status, code_of(&answer).as_str()),
            (400, "E_HEADER_MISMATCH"),
            "{second}"
        );
    }
    assert!(scene.seen("tools/call").is_empty());
}
