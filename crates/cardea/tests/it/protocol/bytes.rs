//! Messages pass byte for byte: members that nobody here knows, odd spacing, numbers as they are spelt.

use cardea_testkit::hostile::Script;

use super::*;

/// A modern call whose every part is spelt in a way that a parse and a print would change.
const ODD_CALL: &str = "{ \"x-first\" :[1.0 , 1e3,-0, 1E+2, 123456789012345678901234567890, 0.10],\r\n\
    \"params\"\t: {\"_meta\": {\"io.modelcontextprotocol/clientCapabilities\":{ \"extensions\":{\"com.example/x\":{\"on\":true}}},\
    \"x.example/\u{43a}\u{43b}\u{44e}\u{447}\":{\"b\":1,\"a\":2}, \"io.modelcontextprotocol/\\u0070rotocolVersion\":\"2026-07-28\",\
    \"traceparent\":\"00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01\"},\
    \"arguments\" : {\"z\":1.0,\"a\":1e3,\"\\u0061b\":\"\\u00e9\u{e9}\\ud83d\\ude00\u{1f600}\\/\", \"n\":null,\"\":{ }},\
    \"n\\u0061me\":\"echo\", \"futureMember\":{\"deep\":[ [ ] ]}},\n\n\
    \"m\\u0065thod\":\"tools\\/call\" , \"jsonrpc\":\"2.0\",\"id\" : \"\\u0061-1\" }\n ";

/// An answer spelt as oddly, for the id of [`ODD_CALL`].
const ODD_RESULT: &str = " {\"x-first\":{\"b\":1.0,\"a\":1e3}, \"result\" : { \"structuredContent\":{\"n\":1.50, \"big\":1e400,\
    \"\\u006e2\":-0.0},\t\"content\":[ {\"text\":\"\\u00e9\u{e9}\u{1f600}\\/\", \"type\":\"text\",\"x\":null} ],\"isError\":false,\
    \"resultType\":\"complete\",\"_meta\":{\"x.example/\u{43a}\":[ ]}},\"id\":\"\\u0061-1\" ,\"jsonrpc\":\"2.0\"}  ";

/// The id of [`ODD_CALL`], as it is spelt there.
const ODD_ID: &str = "\"\\u0061-1\"";

/// [`ODD_RESULT`] for the request that was received.
fn odd_result(received: &Received) -> String {
    ODD_RESULT.replace(ODD_ID, &received.id())
}

#[tokio::test]
async fn a_request_reaches_the_upstream_byte_for_byte() {
    let scene = Scene::start(|received| Script::json(odd_result(received))).await;

    let answer = scene.send(scene.modern_call_text("echo", ODD_CALL)).await;

    assert_eq!(answer.status, 200, "{}", answer.text());
    let seen = scene.upstream.seen().requests;
    assert_eq!(seen.len(), 1);
    assert_eq!(as_sent(seen[0].text().as_bytes(), ODD_ID), ODD_CALL);
}

#[tokio::test]
async fn a_whole_answer_reaches_the_client_byte_for_byte() {
    let scene = Scene::start(|received| Script::json(odd_result(received))).await;

    let answer = scene.send(scene.modern_call_text("echo", ODD_CALL)).await;

    assert_eq!(answer.text(), ODD_RESULT);
}

#[tokio::test]
async fn streamed_messages_reach_the_client_byte_for_byte() {
    let notification = "{\"method\" : \"notifications/vendor.x\", \"params\":{\"v\":1.0, \"\\u0061\":1e3 }, \"jsonrpc\":\"2.0\"}";
    let scene = Scene::start(move |received| {
        let result = odd_result(received);
        let (first, second) = result.split_at(60);
        // Events may be cut into lines anywhere that JSON allows white space, and into packets anywhere.
        Script::stream()
            .send(": a comment\r\nevent: message\r\nda")
            .send(format!("ta: {notification}\r\n\r\n"))
            .send(format!("data:{first}"))
            .send(format!("{second}\n\n"))
            .close()
    })
    .await;

    let answer = scene.send(scene.modern_call_text("echo", ODD_CALL)).await;

    assert_eq!(answer.status, 200);
    assert_eq!(
        answer.text(),
        format!(
            "event: message\ndata: {notification}\n\ndata: {}\n\n",
            &ODD_RESULT[1..]
        )
    );
}

#[tokio::test]
async fn a_message_in_several_lines_of_an_event_keeps_its_lines() {
    let scene = Scene::start(|received| {
        let lines = answer(
            received,
            "{\"content\":[],\n\n \"resultType\":\"complete\"}",
        );
        let data: String = lines
            .lines()
            .map(|line| format!("data: {line}\n"))
            .collect();
        Script::stream().send(format!("{data}\n")).close()
    })
    .await;

    let answer = scene.call(&tool_call(7, json!({}))).await;

    assert_eq!(
        answer.text(),
        "data: {\"jsonrpc\":\"2.0\",\"id\":7,\"result\":{\"content\":[],\ndata: \ndata:  \"resultType\":\"complete\"}}\n\n"
    );
}

#[tokio::test]
async fn errors_of_the_upstream_pass_with_all_their_members() {
    let error = r#"{"jsonrpc":"2.0","error":{"data":{"n":1.0,"x":[1e3]},"code":-32042,"message":"no\u00e9","x-more":1},"id":7}"#;
    let scene = Scene::start(move |received| {
        Script::json(error.replace(r#""id":7"#, &format!(r#""id":{}"#, received.id())))
    })
    .await;

    for message in [
        legacy(7, "tools/call", json!({"name": "echo"})),
        tool_call(7, json!({})),
    ] {
        let answer = scene.call(&message).await;

        assert_eq!((answer.status, answer.text().as_str()), (200, error));
    }
}

#[tokio::test]
async fn legacy_notifications_pass_byte_for_byte() {
    let scene = Scene::start(|_| Script::accepted()).await;
    let text = "{\"params\":{ \"progressToken\":1.0,\"progress\":1e3},\"method\":\"notifications/progress\",\"jsonrpc\":\"2.0\"}\n";

    let answer = scene.send(scene.legacy_text(text)).await;

    assert_eq!((answer.status, answer.text().as_str()), (202, ""));
    let seen = scene.upstream.seen().requests;
    assert_eq!(seen.last().unwrap().text(), text);
}

#[tokio::test]
async fn extension_methods_pass_byte_for_byte_where_they_are_permitted() {
    let scene =
        Scene::start(|received| result(received, r#"{"resultType":"x.example/odd", "v":1.0}"#))
            .await;
    let text = r#"{"jsonrpc":"2.0","id" : 7,"method":"x.example/do","params":{"v":1.0, "w":[]}}"#;

    let answer = scene.send(scene.legacy_text(text)).await;

    let seen = scene.upstream.seen().requests;
    assert_eq!(as_sent(seen[0].text().as_bytes(), "7"), text);
    let expected = r#"{"jsonrpc":"2.0","id":7,"result":{"resultType":"x.example/odd", "v":1.0}}"#;
    assert_eq!((answer.status, answer.text().as_str()), (200, expected));
}

#[tokio::test]
async fn every_length_up_to_the_limit_survives() {
    const MAX: usize = 64 << 10;
    let scene = Scene::with(
        |setup| {
            setup
                .policy(PERMIT_ALL)
                .set("limits", json!({"body_bytes_max": "64KiB"}))
        },
        |received| {
            result(
                received,
                &json!({"content": [], "echo": received.text()}).to_string(),
            )
        },
    )
    .await;
    for length in [300, 1000, 8 << 10, (16 << 10) - 1, 16 << 10, MAX - 1, MAX] {
        let empty = legacy(
            1,
            "tools/call",
            json!({"name": "echo", "arguments": {"a": ""}}),
        )
        .to_string();
        let filled = "x".repeat(length - empty.len());
        let text = empty.replace(r#""a":"""#, &format!(r#""a":"{filled}""#));

        let answer = scene.send(scene.legacy_text(&text)).await;

        assert_eq!(text.len(), length);
        let answer = answer.json();
        let arrived = answer["result"]["echo"].as_str().unwrap();
        assert_eq!(as_sent(arrived.as_bytes(), "1"), text, "{length}");
    }
}
