//! What one request may cost: depth, size, headers, time.

use std::time::{Duration, Instant};

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::{
    edge::{good, refused, scene},
    *,
};

#[tokio::test]
async fn a_body_that_is_too_deep_is_refused_and_the_deepest_allowed_is_not() {
    let scene = scene().await;
    // The message, its params and the arguments are three levels.
    for (levels, allowed) in [(13, true), (14, false), (1500, false)] {
        let nested = format!("{}{}", "[".repeat(levels), "]".repeat(levels));
        let text = tool_call(7, json!({"a": 1}))
            .to_string()
            .replace(r#""a":1"#, &format!(r#""a":{nested}"#));
        let ask = good(&scene).body(text);
        if allowed {
            assert_eq!(scene.send(ask).await.status, 200);
        } else {
            refused(&scene, ask, 400, "E_JSON_TOO_DEEP").await;
        }
    }
}

#[tokio::test]
async fn a_body_that_is_too_large_is_refused_whether_its_length_is_announced_or_not() {
    let scene = scene().await;
    let body = tool_call(7, json!({"a": "x".repeat(4096)})).to_string();
    refused(
        &scene,
        good(&scene).body(body.clone()),
        413,
        "E_BODY_TOO_LARGE",
    )
    .await;

    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\nTransfer-Encoding: chunked\r\n\r\n",
        scene.gateway.address(),
        scene.token
    );
    let chunked = format!("{head}{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
    let answer = exchange(scene.gateway.address(), chunked.as_bytes())
        .await
        .unwrap();
    let answer = String::from_utf8_lossy(&answer);
    assert!(answer.starts_with("HTTP/1.1 413 "), "{answer}");
    assert!(answer.contains("E_BODY_TOO_LARGE"), "{answer}");
    assert!(scene.upstream.seen().requests.is_empty());
}

/// The head of a call, up to its blank line.
fn head(scene: &Scene, more: &str) -> String {
    format!(
        "POST {PATH} HTTP/1.1\r\nHost: {}\r\nAuthorization: Bearer {}\r\nContent-Type: application/json\r\n\
         Accept: application/json, text/event-stream\r\n{more}\r\n",
        scene.gateway.address(),
        scene.token
    )
}

async fn sent(scene: &Scene, text: &str) -> String {
    let answer = exchange(scene.gateway.address(), text.as_bytes())
        .await
        .unwrap();
    String::from_utf8_lossy(&answer).into_owned()
}

#[tokio::test]
async fn a_head_that_does_not_end_is_cut_off() {
    let limits = json!({"header_timeout": "1s"});
    let scene = Scene::with(
        |setup| setup.policy(PERMIT_ALL).set("limits", limits),
        |r| tool_result(r, "done"),
    )
    .await;
    let whole = head(&scene, "");
    let began = lived();

    let answer = sent(&scene, &whole[..whole.len() - 2]).await;

    assert!(!answer.contains("200"), "{answer}");
    let took = lived() - began;
    assert!(took < Duration::from_secs(10), "it took {took:?}");
}

#[tokio::test]
async fn a_connection_stays_open_for_the_next_call_and_is_closed_when_none_comes() {
    let limits = json!({"header_timeout": "4s"});
    let scene = Scene::with(
        |setup| setup.policy(PERMIT_ALL).set("limits", limits),
        |r| tool_result(r, "done"),
    )
    .await;
    let message = legacy(1, "tools/call", json!({"name": "echo"})).to_string();
    let length = format!("Content-Length: {}\r\n", message.len());
    let call = format!("{}{message}", head(&scene, &length));
    let mut connection = TcpStream::connect(scene.gateway.address()).await.unwrap();
    let mut last_sent = Instant::now();
    for _ in 0..2 {
        last_sent = Instant::now();
        connection.write_all(call.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !String::from_utf8_lossy(&answer).contains("done") {
            let read = bounded("an answer", connection.read_buf(&mut answer)).await;
            assert_ne!(read.unwrap(), 0, "{}", String::from_utf8_lossy(&answer));
        }
    }

    let end = bounded("the end", connection.read_u8()).await;

    assert!(end.is_err(), "nothing more is said");
    let open = last_sent.elapsed();
    assert!(open >= Duration::from_secs(4), "closed after {open:?}");
}

#[tokio::test]
async fn a_body_that_does_not_arrive_is_refused() {
    let limits = json!({"body_timeout": "1s"});
    let scene = Scene::with(
        |setup| setup.policy(PERMIT_ALL).set("limits", limits),
        |r| tool_result(r, "done"),
    )
    .await;
    let head = head(&scene, "Content-Length: 100\r\n");

    let answer = sent(&scene, &format!("{head}{{\"jsonrpc\"")).await;

    assert!(answer.starts_with("HTTP/1.1 400 "), "{answer}");
    assert!(answer.contains("E_BODY_INCOMPLETE"), "{answer}");
    assert!(
        answer.to_lowercase().contains("connection: close"),
        "the rest is not read as a request: {answer}"
    );
    assert!(scene.upstream.seen().requests.is_empty());
}

/// Clients send head and body apart, and the next request as soon as they have the answer.
#[tokio::test]
async fn a_connection_outlives_a_refusal_that_is_ready_before_its_request_has_come() {
    let scene = scene().await;
    let message = legacy(1, "tools/call", json!({"name": "echo"})).to_string();
    let length = format!("Content-Length: {}\r\n", message.len());
    let call = head(&scene, &length);
    let without_token: String = call
        .split_inclusive("\r\n")
        .filter(|line| !line.starts_with("Authorization"))
        .collect();
    let unserved = call.replace(PATH, "/nothing/here");
    let unknown = call.replace(PATH, "/api/v1/nothing");
    let mut connection = TcpStream::connect(scene.gateway.address()).await.unwrap();
    for (head, status) in [
        (without_token, "401"),
        (unserved, "404"),
        (unknown, "404"),
        (call, "200"),
    ] {
        connection.write_all(head.as_bytes()).await.unwrap();
        // Time enough for an answer that does not wait for the body, and little of what the body has.
        let early = tokio::time::timeout(Duration::from_millis(200), connection.readable()).await;
        assert!(
            early.is_err(),
            "{status}: it is answered before it has come"
        );
        connection.write_all(message.as_bytes()).await.unwrap();
        let answer = bounded("an answer", whole_answer(&mut connection)).await;
        assert!(
            answer.starts_with(&format!("http/1.1 {status} ")),
            "{answer}"
        );
        assert!(!answer.contains("connection: close"), "{answer}");
    }
}

#[tokio::test]
async fn who_waits_to_be_asked_for_the_body_keeps_the_connection() {
    let scene = Scene::start(|r| tool_result(r, "done")).await;
    let message = legacy(1, "tools/call", json!({"name": "echo"})).to_string();
    let head = head(
        &scene,
        "Transfer-Encoding: chunked\r\nExpect: 100-continue\r\n",
    );
    let mut connection = TcpStream::connect(scene.gateway.address()).await.unwrap();
    for _ in 0..2 {
        connection.write_all(head.as_bytes()).await.unwrap();
        let mut asked = [0; 25];
        bounded("to be asked", connection.read_exact(&mut asked))
            .await
            .unwrap();
        assert_eq!(asked, *b"HTTP/1.1 100 Continue\r\n\r\n");
        let body = format!("{:x}\r\n{message}\r\n0\r\n\r\n", message.len());
        connection.write_all(body.as_bytes()).await.unwrap();
        let answer = bounded("an answer", whole_answer(&mut connection)).await;
        assert!(answer.starts_with("http/1.1 200 "), "{answer}");
        assert!(!answer.contains("connection: close"), "{answer}");
    }
}

/// One answer, whose length is announced.
async fn whole_answer(connection: &mut TcpStream) -> String {
    let mut answer = String::new();
    let mut bytes = Vec::new();
    loop {
        let read = connection.read_buf(&mut bytes).await.unwrap();
        assert_ne!(read, 0, "the connection ended: {answer}");
        answer = String::from_utf8(bytes.clone()).unwrap().to_lowercase();
        let Some((head, body)) = answer.split_once("\r\n\r\n") else {
            continue;
        };
        let (_, after) = head.split_once("content-length: ").unwrap();
        let length: usize = after.lines().next().unwrap().parse().unwrap();
        if body.len() == length {
            return answer;
        }
    }
}

#[tokio::test]
async fn a_refusal_says_that_the_connection_ends_where_the_rest_of_its_request_does_not_come() {
    let scene = scene().await;
    let length = "Content-Length: 100\r\n";
    for head in [
        head(&scene, length).replace("Bearer ", "Bearer x"),
        // Who waits to be asked for the body is told at once, and not asked.
        head(&scene, &format!("{length}Expect: 100-continue\r\n")).replace("Bearer ", "Bearer x"),
    ] {
        let answer = sent(&scene, &head).await;

        assert!(answer.starts_with("HTTP/1.1 401 "), "{answer}");
        assert!(
            answer.to_lowercase().contains("connection: close"),
            "{answer}"
        );
    }
}

#[tokio::test]
async fn more_headers_than_the_limit_are_refused() {
    let limits = json!({"header_count_max": 20, "header_bytes_max": "8KiB"});
    let scene = Scene::with(
        |setup| setup.policy(PERMIT_ALL).set("limits", limits),
        |r| tool_result(r, "done"),
    )
    .await;
    let message = legacy(1, "tools/call", json!({"name": "echo"})).to_string();
    let length = format!("Content-Length: {}\r\nConnection: close\r\n", message.len());
    let many: String = (0..20).map(|n| format!("X-{n}: {n}\r\n")).collect();
    let long = format!("X-Long: {}\r\n", "x".repeat(9000));
    for (more, status) in [(String::new(), "200"), (many, "431"), (long, "431")] {
        let head = head(&scene, &format!("{length}{more}"));

        let answer = sent(&scene, &format!("{head}{message}")).await;

        assert!(
            answer.starts_with(&format!("HTTP/1.1 {status} ")),
            "{answer}"
        );
    }
    assert_eq!(scene.seen("tools/call").len(), 1);
}

#[tokio::test]
async fn a_request_that_hides_another_in_its_body_is_one_request() {
    let scene = Scene::start(|r| tool_result(r, "done")).await;
    let inner = legacy("inner", "tools/call", json!({"name": "echo"})).to_string();
    let hidden = format!(
        "{}{inner}",
        head(&scene, &format!("Content-Length: {}\r\n", inner.len()))
    );
    for lengths in [
        format!("Content-Length: 0\r\nContent-Length: {}\r\n", hidden.len()),
        format!(
            "Content-Length: {}\r\nTransfer-Encoding: chunked\r\n",
            5 + hidden.len()
        ),
        "Transfer-Encoding: chunked, identity\r\n".to_owned(),
        "Transfer-Encoding: xchunked\r\nContent-Length: 5\r\n".to_owned(),
    ] {
        let text = format!("{}0\r\n\r\n{hidden}", head(&scene, &lengths));

        let answer = sent(
            &scene,
            &text.replace("Accept:", "Connection: close\r\nAccept:"),
        )
        .await;

        assert!(!answer.contains("inner"), "{lengths}: {answer}");
    }
    assert!(scene.seen("tools/call").is_empty());
}

#[tokio::test]
async fn an_answer_of_exactly_the_limit_passes_however_it_is_carried() {
    const MAX: usize = 64 << 10;
    for (over, carried) in [
        (0, "json"),
        (0, "stream"),
        (0, "id"),
        (1, "json"),
        (1, "stream"),
        (1, "id"),
    ] {
        let scene = Scene::with(
            |setup| {
                setup
                    .policy(PERMIT_ALL)
                    .set("limits", json!({"answer_bytes_max": "64KiB"}))
            },
            move |received| {
                let bare = answer(received, &tool_result_text("")).len();
                let text = answer(received, &tool_result_text(&"x".repeat(MAX + over - bare)));
                assert_eq!(text.len(), MAX + over);
                match carried {
                    "json" => Script::json(text),
                    "id" => Script::stream().send("id: 1\n").event(&text).close(),
                    _ => Script::stream().event(&text).close(),
                }
            },
        )
        .await;

        let answer = scene.call(&tool_call(7, json!({}))).await;

        let expected = ["", "E_UPSTREAM_TOO_LARGE"][over];
        assert_eq!(
            code_of(&answer),
            expected,
            "{carried}: {}",
            answer.text().len()
        );
    }
}

#[tokio::test]
async fn an_envelope_of_endless_members_is_refused() {
    let scene = Scene::start(|r| tool_result(r, "done")).await;
    let members: String = (0..300).map(|n| format!(r#""k{n}":0,"#)).collect();
    let wide = |times: usize| {
        let many: String = (0..times)
            .map(|t| members.replace(r#""k"#, &format!(r#""k{t}-"#)))
            .collect();
        tool_call(7, json!({"a": 1})).to_string().replacen(
            r#""params":{"#,
            &format!(r#""params":{{{many}"#),
            1,
        )
    };
    assert_eq!(scene.send(good(&scene).body(wide(0))).await.status, 200);
    refused(
        &scene,
        good(&scene).body(wide(14)),
        400,
        "E_ENVELOPE_INVALID",
    )
    .await;
}
