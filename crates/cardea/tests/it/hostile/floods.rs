//! Upstreams that answer more than anybody can hold.

use super::*;

const TOO_LARGE: &[&str] = &["E_UPSTREAM_TOO_LARGE"];
const TIMEOUT: &[&str] = &["E_UPSTREAM_TIMEOUT"];
const BROKEN: &[&str] = &[
    "E_UPSTREAM_CLOSED",
    "E_UPSTREAM_MALFORMED",
    "E_UPSTREAM_TOO_LARGE",
];

const NOTIFICATION: &str = "data: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/message\",\"params\":{\"data\":\"again\"}}\n\n";

fn head(more: &str) -> Script {
    Script::new().send(format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\n{more}\r\n"
    ))
}

#[tokio::test]
async fn an_answer_that_announces_too_much_is_refused() {
    let siege =
        Siege::lay(|_| head("Content-Length: 10000000000\r\n").endless("x".repeat(1 << 16))).await;
    siege.costs_its_own_call(TOO_LARGE).await;
    let sent = siege.scene.upstream.seen().bytes;
    assert!(sent < 64 << 20, "{sent} bytes were taken");
}

#[tokio::test]
async fn an_answer_without_end_is_refused() {
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(1 << 16));
    let siege =
        Siege::lay(move |_| head("Transfer-Encoding: chunked\r\n").endless(chunk.clone())).await;
    siege.costs_its_own_call(TOO_LARGE).await;
}

#[tokio::test]
async fn the_largest_allowed_answer_passes_and_one_byte_more_does_not() {
    let sized = |received: &Received, length: usize| {
        let empty = format!(
            r#"{{"jsonrpc":"2.0","id":{},"result":{{"content":[],"x":""}}}}"#,
            received.id()
        );
        let filled = format!(r#""x":"{}""#, "x".repeat(length - empty.len()));
        empty.replace(r#""x":"""#, &filled)
    };
    for stream in [false, true] {
        for (length, passes) in [(ANSWER_BYTES_MAX, true), (ANSWER_BYTES_MAX + 1, false)] {
            let siege = Siege::lay(move |received| {
                let text = sized(received, length);
                if stream {
                    Script::stream().event(&text).close()
                } else {
                    Script::json(text)
                }
            })
            .await;
            let answer = siege.scene.call(&tool_call(1, json!({}))).await;
            if passes && !stream {
                // What leaves has the client's id.
                let alias = siege.scene.upstream.seen().requests[0].id();
                assert_eq!(answer.body.len(), length - alias.len() + 1);
            } else if !passes {
                assert_eq!(code_of(&answer), "E_UPSTREAM_TOO_LARGE");
            }
        }
    }
}

#[tokio::test]
async fn an_event_without_a_line_end_is_refused() {
    Siege::lay(|_| Script::stream().send("data: ").endless("x".repeat(1 << 16)))
        .await
        .costs_its_own_call(TOO_LARGE)
        .await;
}

#[tokio::test]
async fn an_event_without_an_end_is_refused() {
    Siege::lay(|_| {
        Script::stream().endless("data: xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx\n".repeat(100))
    })
    .await
    .costs_its_own_call(TOO_LARGE)
    .await;
}

#[tokio::test]
async fn an_event_of_empty_lines_of_data_is_refused() {
    // Each one adds a line end, and nothing else.
    Siege::lay(|_| Script::stream().endless("data:\n".repeat(1000)))
        .await
        .costs_its_own_call(TOO_LARGE)
        .await;
}

#[tokio::test]
async fn comments_without_end_time_out() {
    Siege::lay(|_| Script::stream().endless(": still here\n".repeat(100)))
        .await
        .costs_its_own_call(TIMEOUT)
        .await;
}

#[tokio::test]
async fn fields_without_end_are_cut_off() {
    Siege::lay(|_| Script::stream().endless("id: 1\nretry: 1\nevent: x\nother: x\n".repeat(100)))
        .await
        .costs_its_own_call(&["E_UPSTREAM_TOO_LARGE", "E_UPSTREAM_TIMEOUT"])
        .await;
}

#[tokio::test]
async fn positions_without_end_time_out() {
    Siege::lay(|_| Script::stream().endless("id: 1\n\n".repeat(100)))
        .await
        .costs_its_own_call(TIMEOUT)
        .await;
}

#[tokio::test]
async fn notifications_without_end_time_out() {
    let siege = Siege::lay(|_| Script::stream().endless(NOTIFICATION.repeat(100))).await;
    let message = tool_call("modern", json!({}));
    let started = Instant::now();
    let last = siege
        .meanwhile(async {
            let mut open = siege.scene.open(siege.scene.ask(&message)).await;
            let mut last = Value::Null;
            while let Some(message) = open.message().await.unwrap() {
                last = message;
                // The flood itself is the test; nobody needs to hold it.
                assert!(
                    started.elapsed() < 3 * CALL_TIMEOUT,
                    "the call timeout does not hold"
                );
            }
            last
        })
        .await;
    assert_eq!(
        last["error"]["data"]["code"], "E_UPSTREAM_TIMEOUT",
        "{last}"
    );
    siege.scene.wait_until_gone().await;
}

#[tokio::test]
async fn a_client_that_does_not_read_a_flood_is_cut_off_with_its_call() {
    let siege = Siege::lay(|_| Script::stream().endless(NOTIFICATION.repeat(100))).await;
    let message = tool_call("modern", json!({}));
    let open = siege.scene.open(siege.scene.ask(&message)).await;

    // Nothing is read from `open`; the call is over all the same, and the upstream is told.
    siege.meanwhile(siege.scene.wait_until_gone()).await;

    let record = siege.scene.record_by_id("outcome", &json!("modern")).await;
    assert_eq!(record["denial"]["code"], "E_UPSTREAM_TIMEOUT", "{record:#}");
    drop(open);
}

#[tokio::test]
async fn too_many_headers_are_refused() {
    let headers: String = (0..5000).map(|n| format!("X-{n}: {n}\r\n")).collect();
    Siege::lay(move |_| Script::response("200 OK", &headers, "{}"))
        .await
        .costs_its_own_call(BROKEN)
        .await;
}

#[tokio::test]
async fn a_header_without_end_is_refused() {
    Siege::lay(|_| {
        Script::new()
            .send("HTTP/1.1 200 OK\r\nX-Long: ")
            .endless("x".repeat(1 << 16))
    })
    .await
    .costs_its_own_call(BROKEN)
    .await;
}

#[tokio::test]
async fn headers_without_end_are_refused() {
    Siege::lay(|_| {
        Script::new()
            .send("HTTP/1.1 200 OK\r\n")
            .endless("X: x\r\n".repeat(1000))
    })
    .await
    .costs_its_own_call(BROKEN)
    .await;
}

#[tokio::test]
async fn interim_responses_without_end_are_cut_off() {
    Siege::lay(|_| Script::new().endless("HTTP/1.1 102 Processing\r\n\r\n".repeat(100)))
        .await
        .costs_its_own_call(&[
            "E_UPSTREAM_TIMEOUT",
            "E_UPSTREAM_CLOSED",
            "E_UPSTREAM_MALFORMED",
        ])
        .await;
}

/// 64 MiB of blanks, compressed by gzip to 64 KiB: `head -c 67108864 /dev/zero | tr '\0' ' ' | gzip -9`.
fn bomb() -> Vec<u8> {
    let script = "head -c 67108864 /dev/zero | tr '\\0' ' ' | gzip -9";
    let output = std::process::Command::new("sh")
        .args(["-c", script])
        .output()
        .unwrap();
    assert!(output.status.success() && output.stdout.len() > 1000);
    output.stdout
}

#[tokio::test]
async fn a_compressed_answer_is_not_unpacked() {
    let bomb = bomb();
    let siege = Siege::lay(move |_| {
        Script::response(
            "200 OK",
            "Content-Type: application/json\r\nContent-Encoding: gzip\r\n",
            &bomb,
        )
    })
    .await;
    let before = resident_bytes(&siege.scene.gateway);
    siege.costs_its_own_call(&["E_UPSTREAM_MALFORMED"]).await;
    let grown = resident_bytes(&siege.scene.gateway).saturating_sub(before);
    assert!(grown < 48 << 20, "{grown} bytes more");
}

#[tokio::test]
async fn the_gateway_does_not_ask_for_compressed_answers() {
    let scene = Scene::start(|received| tool_result(received, "done")).await;
    let ask = scene
        .ask(&tool_call(1, json!({})))
        .set("accept-encoding", "gzip, br");
    assert_eq!(text_of(&scene.send(ask).await), "done");
    assert_eq!(scene.seen("tools/call")[0].header("accept-encoding"), None);
}

#[tokio::test]
async fn many_floods_at_once_do_not_use_up_the_memory() {
    let siege = Siege::lay(
        |received| match received.json()["id"].as_u64().unwrap_or(0) % 4 {
            0 => head("Content-Length: 10000000000\r\n").endless("x".repeat(1 << 16)),
            1 => Script::stream().send("data: ").endless("x".repeat(1 << 16)),
            2 => Script::stream().endless("data: xxxxxxxxxxxxxxxx\n".repeat(1000)),
            _ => Script::new()
                .send("HTTP/1.1 200 OK\r\nX-Long: ")
                .endless("x".repeat(1 << 16)),
        },
    )
    .await;
    for round in 0..4 {
        let messages: Vec<Value> = (0..40)
            .map(|n| tool_call(round * 40 + n, json!({})))
            .collect();
        let calls = messages.iter().map(|message| siege.scene.call(message));
        let answers = siege.meanwhile(futures_util::future::join_all(calls)).await;
        assert!(
            answers
                .iter()
                .all(|answer| answer.json()["error"]["code"] == -31502)
        );
    }
    siege.works_when_calm().await;
}
