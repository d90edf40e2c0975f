//! Upstreams that answer late, never, or break off.

use cardea_testkit::ports::Port;

use tokio::io::{AsyncBufReadExt, BufReader};

use super::*;

const CLOSED: &[&str] = &["E_UPSTREAM_CLOSED"];
const TIMEOUT: &[&str] = &["E_UPSTREAM_TIMEOUT"];

#[tokio::test]
async fn an_upstream_that_never_answers_times_out() {
    let siege = Siege::lay(|_| Script::new().hang()).await;
    let started = Instant::now();
    siege.costs_its_own_call(TIMEOUT).await;
    assert!(started.elapsed() >= CALL_TIMEOUT);
    siege.scene.wait_until_gone().await;
}

#[tokio::test]
async fn an_upstream_that_begins_an_answer_and_stops_times_out() {
    let siege = Siege::lay(|_| {
        Script::new()
            .send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{\"jsonrpc\"")
            .hang()
    })
    .await;
    siege.costs_its_own_call(TIMEOUT).await;
    siege.scene.wait_until_gone().await;
}

#[tokio::test]
async fn a_stream_that_begins_and_stops_times_out() {
    let siege = Siege::lay(|_| {
        Script::stream()
            .send(": hello\n\ndata: {\"jsonrpc\"")
            .hang()
    })
    .await;
    siege.costs_its_own_call(TIMEOUT).await;
    siege.scene.wait_until_gone().await;
}

#[tokio::test]
async fn an_answer_that_trickles_times_out() {
    let siege = Siege::lay(|received| {
        let body = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{"x":"{}"}}}}"#,
            received.id(),
            "x".repeat(5000)
        );
        let head = format!(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {}\r\n\r\n",
            body.len()
        );
        Script::new()
            .send(head)
            .drip(body, Duration::from_millis(5))
    })
    .await;
    siege.costs_its_own_call(TIMEOUT).await;
}

#[tokio::test]
async fn a_head_that_trickles_times_out() {
    let siege = Siege::lay(|_| {
        let head = format!("HTTP/1.1 200 OK\r\nX-Long: {}\r\n\r\n", "x".repeat(5000));
        Script::new().drip(head, Duration::from_millis(5))
    })
    .await;
    siege.costs_its_own_call(TIMEOUT).await;
}

#[tokio::test]
async fn a_stream_that_trickles_times_out() {
    let siege =
        Siege::lay(|_| Script::stream().drip(": x\n\n".repeat(2000), Duration::from_millis(5)))
            .await;
    siege.costs_its_own_call(TIMEOUT).await;
}

#[tokio::test]
async fn an_upstream_that_closes_at_once_fails_its_call() {
    Siege::lay(|_| Script::new().close())
        .await
        .costs_its_own_call(CLOSED)
        .await;
}

#[tokio::test]
async fn an_upstream_that_breaks_off_in_the_head_fails_its_call() {
    let siege = Siege::lay(|_| Script::new().send("HTTP/1.1 200 OK\r\nContent-Ty").close()).await;
    siege.costs_its_own_call(CLOSED).await;
}

#[tokio::test]
async fn an_upstream_that_breaks_off_in_the_body_fails_its_call() {
    let siege = Siege::lay(|received| {
        // What came so far is a whole answer; that more was announced makes it none.
        let body = format!(r#"{{"jsonrpc":"2.0","id":{},"result":{{}}}}"#, received.id());
        let length = body.len() + 1;
        Script::new()
            .send(format!("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{body}"))
            .close()
    })
    .await;
    siege.costs_its_own_call(CLOSED).await;
}

#[tokio::test]
async fn an_upstream_that_breaks_off_in_a_chunk_fails_its_call() {
    let siege = Siege::lay(|_| {
        Script::new()
            .send("HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n40\r\n{\"jsonrpc\"")
            .close()
    })
    .await;
    siege.costs_its_own_call(CLOSED).await;
}

#[tokio::test]
async fn a_stream_that_ends_without_an_answer_fails_its_call() {
    let siege = Siege::lay(|_| {
        let notification =
            r#"{"jsonrpc":"2.0","method":"notifications/message","params":{"data":"so far"}}"#;
        Script::stream().event(notification).close()
    })
    .await;
    let answers = siege.costs_its_own_call(CLOSED).await;
    for answer in answers {
        assert!(answer.text().contains("so far"));
    }
}

#[tokio::test]
async fn a_stream_that_ends_in_the_middle_of_its_answer_fails_its_call() {
    let siege = Siege::lay(|received| {
        // Without its blank line an event has not happened.
        Script::stream()
            .send(format!(
                "data: {{\"jsonrpc\":\"2.0\",\"id\":{},\"result\":{{}}}}\n",
                received.id()
            ))
            .close()
    })
    .await;
    siege.costs_its_own_call(CLOSED).await;
}

#[tokio::test]
async fn an_upstream_that_is_not_there_fails_its_call_and_is_found_when_it_comes() {
    let reserved = Port::reserve().unwrap();
    let address = reserved.address();
    let elsewhere = Hostile::start(|_| Script::new().close()).await.unwrap();
    let calm = Arc::new(AtomicBool::new(true));
    let siege = Siege::against(elsewhere, &format!("http://{address}/mcp"), calm, |setup| {
        setup
    })
    .await;

    for answer in siege.call().await {
        siege
            .failed_with(&answer, &["E_UPSTREAM_UNREACHABLE"])
            .await;
        assert_eq!(answer.json()["error"]["data"]["retryable"], true);
        assert!(
            !answer.text().contains(&address.port().to_string()),
            "the client learns no address"
        );
    }

    let listener = tokio::net::TcpListener::bind(address).await.unwrap();
    let _there = Hostile::on(listener, address, |received| tool_result(received, "calm"));
    siege.works_when_calm().await;
}

#[tokio::test]
async fn an_upstream_that_accepts_no_connection_fails_its_call() {
    // Its queue of connections is full, so that the next one waits.
    let script = "import socket, time\n\
        s = socket.socket(); s.bind(('127.0.0.1', 0)); s.listen(0)\n\
        held = []\n\
        for _ in range(4):\n\
        \x20   c = socket.socket(); c.setblocking(False); c.connect_ex(s.getsockname()); held.append(c)\n\
        print(s.getsockname()[1], flush=True); time.sleep(600)";
    let mut child = tokio::process::Command::new("python3")
        .args(["-c", script])
        .stdout(std::process::Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let port = bounded("the port", lines.next_line())
        .await
        .unwrap()
        .unwrap();
    unreachable(&format!("http://127.0.0.1:{port}/mcp")).await;
}

#[tokio::test]
async fn an_upstream_that_is_silent_in_the_tls_handshake_fails_its_call() {
    let silent = Hostile::start(|_| Script::new().hang()).await.unwrap();
    unreachable(&silent.url().replace("http:", "https:")).await;
}

/// Lays siege to an upstream to which no connection can be made.
async fn unreachable(url: &str) {
    let nobody = Hostile::start(|_| Script::new().close()).await.unwrap();
    let limits = json!({"connect_timeout": "1s"});
    let change = |setup: Setup| setup.set("limits", limits);
    let siege = Siege::against(nobody, url, Arc::default(), change).await;
    for answer in siege.call().await {
        siege
            .failed_with(&answer, &["E_UPSTREAM_UNREACHABLE"])
            .await;
    }
}

#[tokio::test]
async fn connections_that_the_upstream_closes_between_calls_are_no_failure() {
    let siege = Siege::lay(|received| tool_result(received, "once").close()).await;
    for _ in 0..10 {
        let answer = siege.scene.call(&tool_call(1, json!({}))).await;
        assert_eq!(
            text_of(&answer),
            "once",
            "{} {}",
            answer.status,
            answer.text()
        );
    }
}

#[tokio::test]
async fn many_callers_of_a_dead_upstream_do_not_hold_up_the_good_one() {
    let siege = Siege::lay(|_| Script::new().hang()).await;
    let message = tool_call("modern", json!({}));
    let calls = (0..50).map(|_| siege.scene.call(&message));

    let answers = siege.meanwhile(futures_util::future::join_all(calls)).await;

    assert!(
        answers
            .iter()
            .all(|answer| code_of(answer) == "E_UPSTREAM_TIMEOUT")
    );
}
