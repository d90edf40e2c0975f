//! SIGTERM: calls in flight finish, nothing new begins.

use std::time::Duration;

use cardea_testkit::wait::lived;

use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};

use super::*;

#[tokio::test]
async fn a_call_in_flight_finishes_and_no_new_connection_is_taken() {
    for name in ["TERM", "INT"] {
        let mut stage = Stage::start().await;
        let gate = Gate::closed();
        let call = held_call(&stage, &gate).await;
        stage.gateway.signal(name).unwrap();
        until("new connections are refused", async || {
            TcpStream::connect(stage.gateway.address()).await.err()
        })
        .await;
        gate.open();
        let answer = bounded("the held call", call).await.unwrap().unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert!(answer.json()["result"].is_object(), "{}", answer.text());
        let status = stage.gateway.ended(DEADLINE).await.unwrap();
        assert!(status.success(), "{name}: {status}");
        let outcome = stage.record_by_id("outcome", &json!("held")).await;
        assert_eq!(outcome["response"]["outcome"], "result");
    }
}

/// Whoever balances load looks at readiness, whoever restarts the dead at health; both also while it drains.
#[tokio::test]
async fn health_is_told_until_the_last_call_has_ended() {
    // The one call is at one of eight workers.
    let mut stage = Stage::with(|setup| setup.policy(PERMIT_ALL).set("workers", 8.into())).await;
    let gate = Gate::closed();
    let call = held_call(&stage, &gate).await;
    stage.gateway.signal("TERM").unwrap();
    until("new connections are refused", async || {
        TcpStream::connect(stage.gateway.address()).await.err()
    })
    .await;
    assert_eq!(admin_status(&stage.gateway, "/readyz").await, 503);
    assert_eq!(admin_status(&stage.gateway, "/healthz").await, 200);
    assert_eq!(metric(&stage.gateway, "cardea_open_calls", &[]).await, 1.0);
    gate.open();
    assert_eq!(
        bounded("the held call", call)
            .await
            .unwrap()
            .unwrap()
            .status,
        200
    );
    assert!(stage.gateway.ended(DEADLINE).await.unwrap().success());
}

#[tokio::test]
async fn a_gateway_without_calls_ends_at_once() {
    let mut stage = Stage::start().await;
    stage.call(&tool_call(1, json!({}))).await;
    let started = lived();
    stage.gateway.signal("TERM").unwrap();
    assert!(stage.gateway.ended(DEADLINE).await.unwrap().success());
    // The default for draining is 20 s.
    let took = lived() - started;
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(stage.gateway.log().contains("stopped"));
}

#[tokio::test]
async fn an_idle_connection_does_not_hold_the_gateway_up() {
    let mut stage = Stage::start().await;
    let mut idle = TcpStream::connect(stage.gateway.address()).await.unwrap();
    idle.write_all(b"GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n")
        .await
        .unwrap();
    let mut answer = [0; 15];
    bounded("an answer", idle.read_exact(&mut answer))
        .await
        .unwrap();
    assert_eq!(&answer, b"HTTP/1.1 200 OK");
    let started = lived();
    stage.gateway.signal("TERM").unwrap();
    assert!(stage.gateway.ended(DEADLINE).await.unwrap().success());
    let took = lived() - started;
    assert!(took < Duration::from_secs(10), "{took:?}");
}

#[tokio::test]
async fn a_request_that_was_begun_before_is_told_to_come_again_or_cut_off() {
    let mut stage = Stage::start().await;
    let gate = Gate::closed();
    let held = held_call(&stage, &gate).await;
    let mut begun = TcpStream::connect(stage.gateway.address()).await.unwrap();
    let body = tool_call("late", json!({})).to_string();
    let (address, token, length) = (stage.gateway.address(), &stage.token, body.len());
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nHost: {address}\r\nAuthorization: Bearer {token}\r\n\
         Content-Type: application/json\r\nAccept: application/json, text/event-stream\r\n\
         MCP-Protocol-Version: {MODERN}\r\nMcp-Method: tools/call\r\nMcp-Name: echo\r\n\
         Content-Length: {length}\r\n"
    );
    begun.write_all(head.as_bytes()).await.unwrap();
    stage.gateway.signal("TERM").unwrap();
    until("new connections are refused", async || {
        TcpStream::connect(stage.gateway.address()).await.err()
    })
    .await;
    // It may be gone already.
    let _ = begun.write_all(format!("\r\n{body}").as_bytes()).await;
    let mut answer = Vec::new();
    let _ = bounded("an end", begun.read_to_end(&mut answer)).await;
    let answer = String::from_utf8(answer).unwrap();
    assert!(
        answer.is_empty() || answer.starts_with("HTTP/1.1 503"),
        "{answer}"
    );
    if !answer.is_empty() {
        assert!(answer.contains("E_DRAINING"), "{answer}");
        assert!(answer.to_lowercase().contains("retry-after: 1"), "{answer}");
    }
    gate.open();
    assert_eq!(
        bounded("the held call", held)
            .await
            .unwrap()
            .unwrap()
            .status,
        200
    );
    assert!(stage.gateway.ended(DEADLINE).await.unwrap().success());
    assert_eq!(
        stage.echo.seen_of("tools/call").len(),
        0,
        "the late call went upstream"
    );
}

#[tokio::test]
async fn a_call_that_does_not_end_is_cut_off_and_recorded_when_the_time_is_over() {
    let limits = json!({ "drain_timeout": "300ms" });
    let mut stage = Stage::with(|setup| setup.policy(PERMIT_ALL).set("limits", limits)).await;
    let gate = Gate::closed();
    let held = held_call(&stage, &gate).await;
    let started = lived();
    stage.gateway.signal("TERM").unwrap();
    assert!(stage.gateway.ended(DEADLINE).await.unwrap().success());
    let took = lived() - started;
    assert!(took < Duration::from_secs(10), "{took:?}");
    assert!(
        bounded("the held call", held).await.unwrap().is_err(),
        "it was answered"
    );
    let outcome = stage.record_by_id("outcome", &json!("held")).await;
    assert_eq!(outcome["response"]["outcome"], "abandoned");
}

#[tokio::test]
async fn a_long_stream_ends_when_draining_begins() {
    let mut stage = Stage::start().await;
    let (events, reply) = Reply::channel();
    let reply = std::sync::Mutex::new(Some(reply));
    stage
        .echo
        .on("GET", move |_| reply.lock().unwrap().take().unwrap());
    let ask = Ask::get(PATH)
        .set("accept", "text/event-stream")
        .set("mcp-protocol-version", LEGACY)
        .bearer(&stage.token);
    let mut stream = ask.open(stage.gateway.address()).await;
    assert_eq!(stream.status, 200);
    events
        .send(Ok(
            "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/x\"}\n\n".into(),
        ))
        .unwrap();
    assert!(stream.message().await.unwrap().is_some());
    let started = lived();
    stage.gateway.signal("TERM").unwrap();
    assert_eq!(stream.message().await.unwrap(), None);
    assert!(stage.gateway.ended(DEADLINE).await.unwrap().success());
    let took = lived() - started;
    assert!(took < Duration::from_secs(10), "{took:?}");
    let outcomes = stage
        .records()
        .into_iter()
        .filter(|r| r["kind"] == "outcome");
    let words: Vec<Value> = outcomes.map(|r| r["response"]["outcome"].clone()).collect();
    assert_eq!(words, ["drained"]);
}

#[tokio::test]
async fn a_gateway_can_be_started_again_on_the_same_folder() {
    let mut stage = Stage::start().await;
    stage.call(&tool_call("first", json!({}))).await;
    stage.gateway.signal("TERM").unwrap();
    stage.gateway.ended(DEADLINE).await.unwrap();
    stage.gateway.start_again().await.unwrap();
    // The embedded key is the same, so the token is still good.
    let answer = stage.call(&tool_call("second", json!({}))).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    for log in [None, Some(TENANT)] {
        let records = records_in(&stage.gateway, log);
        let sequence: Vec<u64> = records.iter().map(|r| r["seq"].as_u64().unwrap()).collect();
        assert!(
            sequence.windows(2).all(|pair| pair[1] == pair[0] + 1),
            "{log:?} {sequence:?}"
        );
    }
}
