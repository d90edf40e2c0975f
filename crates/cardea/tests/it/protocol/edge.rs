//! Requests that are refused before anybody acts on them; the upstream sees none.

use cardea_testkit::{hostile::Seen as Diary, http_client::exchange};

use super::*;

pub(super) async fn scene() -> Scene {
    Scene::with(
        |setup| {
            setup
                .policy(PERMIT_ALL)
                .set(
                    "limits",
                    json!({"body_bytes_max": "4KiB", "json_depth_max": 16}),
                )
                .set("allowed_origins", json!(["https://chat.example"]))
                .allowed_host("gateway.example")
        },
        |received| tool_result(received, "done"),
    )
    .await
}

/// A call that is right in every respect.
pub(super) fn good(scene: &Scene) -> Ask {
    scene.ask(&tool_call(7, json!({"a": 1})))
}

/// Sends what must be refused, and checks status, code, record and that the upstream knows nothing.
pub(super) async fn refused(scene: &Scene, ask: Ask, status: u16, code: &str) -> Answer {
    let before = scene.upstream.seen().requests.len();
    let shown = format!("{ask:?}");
    let answer = scene.send(ask).await;
    assert_eq!(
        (answer.status, code_of(&answer).as_str()),
        (status, code),
        "{shown}: {}",
        answer.text()
    );
    let Diary { requests, .. } = scene.upstream.seen();
    assert_eq!(requests.len(), before, "{shown} reached the upstream");
    let record = scene.record("denial", &call_id(&answer)).await;
    assert_eq!(record["denial"]["code"], code, "{record:#}");
    answer
}

#[tokio::test]
async fn the_call_that_the_others_are_compared_with_is_accepted() {
    let scene = scene().await;
    let answer = scene.send(good(&scene)).await;
    assert_eq!((answer.status, text_of(&answer).as_str()), (200, "done"));
}

#[tokio::test]
async fn a_header_that_disagrees_with_the_body_is_refused() {
    let scene = scene().await;
    for (name, value) in [
        ("mcp-protocol-version", "2025-11-25"),
        ("mcp-protocol-version", "2026-07-29"),
        ("mcp-method", "tools/list"),
        ("mcp-method", "TOOLS/CALL"),
        ("mcp-method", "tools/call "),
        ("mcp-name", "other"),
        ("mcp-name", "Echo"),
        ("mcp-name", ""),
        ("mcp-name", "=?base64?b3RoZXI=?="),
        ("mcp-name", "=?base64?!!?="),
        ("mcp-name", "echo\u{e9}"),
    ] {
        let ask = good(&scene).set(name, value);
        if value == "tools/call " {
            // Blanks around a value are no part of it (RFC 9110, section 5.5).
            assert_eq!(scene.send(ask).await.status, 200);
            continue;
        }
        let answer = refused(&scene, ask, 400, "E_HEADER_MISMATCH").await;
        assert_eq!(answer.json()["error"]["code"], -32020, "{name}: {value}");
        assert_eq!(answer.json()["id"], 7);
    }
}

#[tokio::test]
async fn a_missing_or_doubled_header_is_refused() {
    let scene = scene().await;
    for (name, value) in [
        ("mcp-protocol-version", MODERN),
        ("mcp-method", "tools/call"),
        ("mcp-name", "echo"),
    ] {
        refused(&scene, good(&scene).without(name), 400, "E_HEADER_MISMATCH").await;
        refused(
            &scene,
            good(&scene).add(name, value),
            400,
            "E_HEADER_MISMATCH",
        )
        .await;
    }
}

#[tokio::test]
async fn a_name_in_base64_that_says_the_same_is_accepted_and_forwarded_as_the_body_says_it() {
    let scene = scene().await;

    let answer = scene
        .send(good(&scene).set("mcp-name", "=?base64?ZWNobw==?="))
        .await;

    assert_eq!(answer.status, 200);
    assert_eq!(scene.seen("tools/call")[0].header("mcp-name"), Some("echo"));
}

#[tokio::test]
async fn a_host_or_origin_that_is_not_ours_is_refused() {
    let scene = scene().await;
    for host in [
        "evil.example",
        "localhost",
        "127.0.0.1",
        "127.0.0.1:1",
        "gateway.example.evil.example",
    ] {
        refused(
            &scene,
            good(&scene).set("host", host),
            403,
            "E_HOST_FORBIDDEN",
        )
        .await;
    }
    for origin in [
        "null",
        "https://evil.example",
        "http://chat.example",
        "https://chat.example:8443",
        "",
    ] {
        refused(
            &scene,
            good(&scene).set("origin", origin),
            403,
            "E_ORIGIN_FORBIDDEN",
        )
        .await;
    }
    let two = good(&scene)
        .set("origin", "https://chat.example")
        .add("origin", "https://evil.example");
    refused(&scene, two, 403, "E_ORIGIN_FORBIDDEN").await;
    for good in [
        good(&scene).set("host", "gateway.example"),
        good(&scene).set("host", "GATEWAY.example:8443"),
        good(&scene).set("origin", "https://chat.example"),
    ] {
        assert_eq!(scene.send(good).await.status, 200);
    }
}

#[tokio::test]
async fn a_request_of_the_wrong_kind_is_refused_by_its_status() {
    let scene = scene().await;
    let ask = || good(&scene);
    for (ask, status, code) in [
        (ask().without("accept"), 406, "E_NOT_ACCEPTABLE"),
        (
            ask().set("accept", "application/json"),
            406,
            "E_NOT_ACCEPTABLE",
        ),
        (
            ask().set("accept", "text/event-stream"),
            406,
            "E_NOT_ACCEPTABLE",
        ),
        (ask().without("content-type"), 415, "E_CONTENT_TYPE"),
        (
            ask().set("content-type", "text/plain"),
            415,
            "E_CONTENT_TYPE",
        ),
        (ask().set("content-encoding", "gzip"), 415, "E_CONTENT_TYPE"),
        (
            Ask::new("PUT", PATH).bearer(&scene.token),
            405,
            "E_HTTP_METHOD",
        ),
        (
            Ask::new("PATCH", PATH).bearer(&scene.token),
            405,
            "E_HTTP_METHOD",
        ),
        (
            scene.bare("GET").set("mcp-protocol-version", MODERN),
            405,
            "E_HTTP_METHOD",
        ),
        (
            scene.bare("DELETE").set("mcp-protocol-version", MODERN),
            405,
            "E_HTTP_METHOD",
        ),
        (
            scene.bare("GET").set("accept", "application/json"),
            406,
            "E_NOT_ACCEPTABLE",
        ),
    ] {
        let answer = refused(&scene, ask, status, code).await;
        assert_eq!(answer.header("allow").is_some(), status == 405);
    }
}

#[tokio::test]
async fn a_version_that_is_not_served_is_refused_with_those_that_are() {
    let scene = scene().await;
    let mut message = tool_call(7, json!({}));
    message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"] = "2099-01-01".into();

    let answer = refused(&scene, scene.ask(&message), 400, "E_VERSION_UNSUPPORTED").await;

    let error = &answer.json()["error"];
    assert_eq!(
        (&error["code"], &error["data"]["requested"]),
        (&json!(-32022), &json!("2099-01-01"))
    );
    let supported = error["data"]["supported"].as_array().unwrap();
    assert!(
        supported.contains(&json!(MODERN)) && supported.contains(&json!(LEGACY)),
        "{error}"
    );
    let legacy = scene
        .ask(&legacy(7, "ping", json!({})))
        .set("mcp-protocol-version", "1999-01-01");
    refused(&scene, legacy, 400, "E_VERSION_UNSUPPORTED").await;
}

#[tokio::test]
async fn a_modern_request_without_its_metadata_is_refused() {
    let scene = scene().await;
    for missing in ["protocolVersion", "clientCapabilities"] {
        let mut message = tool_call(7, json!({}));
        let meta = message["params"]["_meta"].as_object_mut().unwrap();
        meta.remove(&format!("io.modelcontextprotocol/{missing}"));
        let ask = good(&scene).body(message.to_string());

        let answer = refused(&scene, ask, 400, "E_PARAMS_INVALID").await;

        assert_eq!(answer.json()["error"]["code"], -32602);
    }
}

#[tokio::test]
async fn methods_of_the_other_era_do_not_exist() {
    let scene = scene().await;
    for method in [
        "initialize",
        "ping",
        "logging/setLevel",
        "resources/subscribe",
        "tasks/list",
    ] {
        let ask = scene.ask(&modern(7, method, json!({"uri": "file:///a"})));
        let answer = refused(&scene, ask, 404, "E_METHOD_UNKNOWN").await;
        assert_eq!(answer.json()["error"]["code"], -32601);
    }
    for method in ["server/discover", "subscriptions/listen", "tasks/update"] {
        let ask = scene.ask(&legacy(7, method, json!({})));
        refused(&scene, ask, 200, "E_METHOD_UNKNOWN").await;
    }
}

#[tokio::test]
async fn a_request_that_two_hops_could_read_differently_is_refused() {
    let scene = scene().await;
    let plain = tool_call(7, json!({"a": 1}));
    let address = scene.gateway.address();
    let head = format!(
        "Accept: application/json, text/event-stream\r\nAuthorization: Bearer {}\r\nMCP-Protocol-Version: {MODERN}\r\n\
         Mcp-Method: tools/call\r\nMcp-Name: echo\r\nConnection: close\r\n",
        scene.token
    );
    let body = plain.to_string();
    let chunked = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let sized = format!("Content-Length: {}\r\n\r\n{body}", body.len());
    let json = "Content-Type: application/json\r\n";
    for (target, fields, rest, refused) in [
        ("", json.to_owned(), sized.clone(), None),
        ("http://HOST", json.to_owned(), sized.clone(), None),
        (
            "http://evil.example",
            json.to_owned(),
            sized.clone(),
            Some("E_HOST_FORBIDDEN"),
        ),
        (
            "",
            format!("{json}Content-Type: text/plain\r\n"),
            sized,
            Some("E_CONTENT_TYPE"),
        ),
        (
            "",
            format!("{json}Transfer-Encoding: Chunked\r\n"),
            format!("\r\n{chunked}"),
            None,
        ),
        (
            "",
            format!("{json}Transfer-Encoding: gzip, chunked\r\n"),
            format!("\r\n{chunked}"),
            Some("E_CONTENT_TYPE"),
        ),
        (
            "",
            format!("{json}Transfer-Encoding: identity\r\nTransfer-Encoding: chunked\r\n"),
            format!("\r\n{chunked}"),
            Some("E_CONTENT_TYPE"),
        ),
    ] {
        let before = scene.upstream.seen().requests.len();
        let target = target.replace("HOST", &address.to_string());
        let text =
            format!("POST {target}{PATH} HTTP/1.1\r\nHost: {address}\r\n{head}{fields}{rest}");

        let answer = exchange(address, text.as_bytes()).await.unwrap();

        let answer = String::from_utf8_lossy(&answer);
        let came = scene.upstream.seen().requests.len() - before;
        match refused {
            None => assert_eq!(
                (came, answer.contains("done")),
                (1, true),
                "{target} {fields}: {answer}"
            ),
            Some(code) => assert_eq!(
                (came, answer.contains(code)),
                (0, true),
                "{target} {fields}: {answer}"
            ),
        }
    }
}

#[tokio::test]
async fn what_ends_careless_servers_does_not_reach_them() {
    let scene = scene().await;
    let with_meta = |meta: Value| {
        let mut call = tool_call(1, json!({}));
        call["params"]["_meta"]["progressToken"] = meta;
        call
    };
    for message in [
        legacy(1, "initialize", json!({})),
        legacy(1, "ping", json!({ "_meta": 5 })),
        legacy(1, "acme/do", json!({ "_meta": [] })),
        with_meta(json!({})),
        with_meta(json!([])),
        modern(1, "tools/call", json!({ "name": "echo", "arguments": [] })),
        modern(1, "resources/read", json!({ "uri": "a.txt" })),
        modern(
            1,
            "prompts/get",
            json!({ "name": "p", "arguments": { "x": 1 } }),
        ),
        modern(
            1,
            "completion/complete",
            json!({ "ref": { "type": "ref/prompt", "name": "p" } }),
        ),
    ] {
        refused(&scene, scene.ask(&message), 400, "E_PARAMS_INVALID").await;
    }
}

#[tokio::test]
async fn no_message_is_another_one_to_a_server_that_reads_names_without_case() {
    let scene = scene().await;
    let smuggled = json!({ "name": "delete_all", "arguments": {} });
    let mut extension = modern(1, "acme/ping", smuggled.clone());
    extension["Method"] = json!("tools/call");
    refused(&scene, scene.ask(&extension), 400, "E_PARAMS_INVALID").await;
    let mut note = modern(1, "notifications/cancelled", json!({ "requestId": 1 }));
    note.as_object_mut().unwrap().remove("id");
    note["PARAMS"] = smuggled.clone();
    refused(&scene, scene.ask(&note), 400, "E_PARAMS_INVALID").await;
    let mut call = tool_call(2, json!({}));
    call["params"]["Name"] = json!("delete_all");
    refused(&scene, scene.ask(&call), 400, "E_PARAMS_INVALID").await;
}

#[tokio::test]
async fn no_answer_is_another_one_to_a_client_that_reads_names_without_case() {
    let stage = Stage::with(|setup| setup.policy(PERMIT_ALL)).await;
    let hidden = json!([{ "name": "hidden", "inputSchema": { "type": "object" } }]);
    for member in ["Tools", "\u{17f}tructuredContent", "ISERROR"] {
        let hidden = hidden.clone();
        stage.echo.on("tools/list", move |seen| {
            let mut result = json!({ "resultType": "complete", "tools": [] });
            result[member] = hidden.clone();
            Reply::result(seen, &result)
        });
        let answer = stage.call(&modern(1, "tools/list", json!({}))).await.json();
        assert_eq!(
            answer["error"]["data"]["code"], "E_UPSTREAM_MALFORMED",
            "{answer}"
        );
    }
}

#[tokio::test]
async fn a_version_that_is_no_text_is_refused_and_not_taken_for_none() {
    let scene = scene().await;
    for version in [
        "20260728",
        "null",
        r#"["2026-07-28"]"#,
        r#""2026-07-28\ud800""#,
    ] {
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":7,"method":"tools/call","params":{{"name":"echo","_meta":{{"io.modelcontextprotocol/protocolVersion":{version}}}}}}}"#
        );
        let ask = Ask::post(PATH, text).bearer(&scene.token);
        refused(&scene, ask, 400, "E_PARAMS_INVALID").await;
    }
}
