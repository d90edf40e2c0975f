//! Upstreams that answer what nobody asked, or what is no answer.

use super::*;
use crate::protocol::{answer, tool_result_text};

const MALFORMED: &[&str] = &["E_UPSTREAM_MALFORMED"];

/// Lays siege with this text as the answer, whole and on a stream; `ID` in it stands for the request's id.
async fn malformed(text: impl Into<Vec<u8>>) {
    let text: Vec<u8> = text.into();
    for stream in [false, true] {
        let text = text.clone();
        let siege = Siege::lay(move |received| {
            let text = with_id(&text, &received.id());
            if stream {
                let mut event = b"data: ".to_vec();
                event.extend_from_slice(&text);
                event.extend_from_slice(b"\n\n");
                Script::stream().send(event).hang()
            } else {
                Script::json(text)
            }
        })
        .await;
        let answers = siege.costs_its_own_call(MALFORMED).await;
        for answer in answers {
            assert!(!answer.text().contains("secret"), "{}", answer.text());
        }
    }
}

fn with_id(text: &[u8], id: &str) -> Vec<u8> {
    match text.windows(2).position(|w| w == b"ID") {
        Some(at) => [&text[..at], id.as_bytes(), &text[at + 2..]].concat(),
        None => text.to_vec(),
    }
}

#[tokio::test]
async fn an_answer_with_another_id_is_refused() {
    malformed(r#"{"jsonrpc":"2.0","id":"another","result":{"secret":1}}"#).await;
}

#[tokio::test]
async fn an_answer_with_the_id_in_another_type_is_refused() {
    let siege = Siege::lay(|received| {
        // The client's own, and what is not even a text.
        let id = match received.json()["params"]["arguments"]["of"].as_str() {
            Some(of) => of.to_owned(),
            None => format!("[{}]", received.id()),
        };
        Script::json(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"result":{{"secret":1}}}}"#
        ))
    })
    .await;
    for (id, of) in [
        (json!(7), json!("7")),
        (json!("7"), json!("7")),
        (json!("7"), json!("\"7\"")),
        (json!(7), json!("null")),
        (json!(7), json!(null)),
    ] {
        let answer = siege.scene.call(&tool_call(id, json!({ "of": of }))).await;
        assert_eq!(
            code_of(&answer),
            "E_UPSTREAM_MALFORMED",
            "{}",
            answer.text()
        );
    }
}

#[tokio::test]
async fn an_answer_without_an_id_is_refused() {
    malformed(r#"{"jsonrpc":"2.0","result":{"secret":1}}"#).await;
    malformed(r#"{"jsonrpc":"2.0","id":null,"result":{"secret":1}}"#).await;
}

#[tokio::test]
async fn a_request_in_place_of_an_answer_is_refused() {
    let siege = Siege::lay(|received| {
        let id = received.id();
        Script::json(format!(
            r#"{{"jsonrpc":"2.0","id":{id},"method":"sampling/createMessage","params":{{}}}}"#
        ))
    })
    .await;
    siege.costs_its_own_call(MALFORMED).await;
}

#[tokio::test]
async fn a_notification_in_place_of_an_answer_is_refused() {
    Siege::lay(|_| {
        Script::json(r#"{"jsonrpc":"2.0","method":"notifications/message","params":{}}"#)
    })
    .await
    .costs_its_own_call(MALFORMED)
    .await;
}

#[tokio::test]
async fn an_answer_that_is_not_json_is_refused() {
    malformed("secret").await;
    malformed(r#"{"jsonrpc":"2.0","id":ID,"result":{"secret":}}"#).await;
    malformed(r#"{"jsonrpc":"2.0","id":ID,"result":{"secret":NaN}}"#).await;
    malformed(r#"{"jsonrpc":"2.0","id":ID,"result":{"secret":1}}{"#).await;
}

#[tokio::test]
async fn an_answer_that_is_not_text_is_refused() {
    malformed(&b"{\"jsonrpc\":\"2.0\",\"id\":ID,\"result\":{\"secret\":\"\xff\xfe\"}}"[..]).await;
}

#[tokio::test]
async fn two_answers_in_one_are_refused() {
    let one = r#"{"jsonrpc":"2.0","id":ID,"result":{"secret":1}}"#;
    malformed(format!("{one} {one}")).await;
    malformed(format!("[{one}]")).await;
}

#[tokio::test]
async fn an_answer_with_a_key_twice_is_refused() {
    malformed(r#"{"jsonrpc":"2.0","id":ID,"result":{"secret":1,"s\u0065cret":2}}"#).await;
    malformed(r#"{"jsonrpc":"2.0","id":ID,"result":{},"result":{"secret":1}}"#).await;
}

#[tokio::test]
async fn an_answer_that_is_a_result_and_an_error_is_refused() {
    malformed(r#"{"jsonrpc":"2.0","id":ID,"result":{"secret":1},"error":{"code":1,"message":""}}"#)
        .await;
}

#[tokio::test]
async fn an_answer_that_is_nested_too_deeply_is_refused() {
    let nested = format!("{}{}", "[".repeat(50_000), "]".repeat(50_000));
    malformed(format!(
        r#"{{"jsonrpc":"2.0","id":ID,"result":{{"secret":{nested}}}}}"#
    ))
    .await;
}

#[tokio::test]
async fn of_two_answers_on_a_stream_only_the_first_counts() {
    let siege = Siege::lay(|received| {
        Script::stream()
            .event(&answer(received, &tool_result_text("first")))
            .event(&answer(received, &tool_result_text("second")))
            .hang()
    })
    .await;
    for answer in siege.call().await {
        assert_eq!(text_of(&answer), "first");
        assert_eq!(answer.events().len(), 1, "{}", answer.text());
    }
    siege.works_when_calm().await;
}

#[tokio::test]
async fn garbage_after_an_answer_on_a_stream_is_not_passed_on() {
    let siege = Siege::lay(|received| {
        Script::stream()
            .event(&answer(received, &tool_result_text("first")))
            .endless("data: garbage\n\n\x00\x01")
    })
    .await;
    for answer in siege.call().await {
        assert_eq!(text_of(&answer), "first");
        assert!(!answer.text().contains("garbage"));
    }
    siege.works_when_calm().await;
}

#[tokio::test]
async fn an_answer_sent_ahead_on_a_kept_connection_is_nobodys() {
    // A connection goes from one principal's call to another's; what stands in it already must not.
    let siege = Siege::lay(|received| {
        tool_result(received, "asked").send(
            "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 44\r\n\r\n\
             {\"jsonrpc\":\"2.0\",\"id\":2,\"result\":{\"secret\":1}}",
        )
    })
    .await;
    let bob = token(&siege.scene.gateway, "bob", "bot").await;
    for _ in 0..5 {
        let first = siege.scene.call(&tool_call(1, json!({}))).await;
        assert_eq!(text_of(&first), "asked", "{}", first.text());
        let second = siege
            .scene
            .send(ask(&tool_call(2, json!({}))).bearer(&bob))
            .await;
        assert!(!second.text().contains("secret"), "{}", second.text());
    }
    siege.works_when_calm().await;
}

#[tokio::test]
async fn a_message_that_does_not_belong_on_a_stream_ends_the_call() {
    for event in ["garbage", "[]", "{}", r#"{"jsonrpc":"2.0","method":7}"#] {
        let siege = Siege::lay(move |_| Script::stream().event(event).hang()).await;
        siege.costs_its_own_call(MALFORMED).await;
    }
}

#[tokio::test]
async fn a_stream_whose_fields_are_not_text_ends_the_call() {
    Siege::lay(|_| {
        Script::stream()
            .send(&b"id: \xff\xff\ndata: {}\n\n"[..])
            .hang()
    })
    .await
    .costs_its_own_call(MALFORMED)
    .await;
}

#[tokio::test]
async fn an_error_whose_code_is_no_number_is_refused() {
    // A client that is kinder with types would read -32042, which sends its person to a page.
    for code in [r#""-32042""#, "[-32042]", "null"] {
        malformed(format!(
            r#"{{"jsonrpc":"2.0","id":ID,"error":{{"code":{code},"message":"secret"}}}}"#
        ))
        .await;
    }
    malformed(r#"{"jsonrpc":"2.0","id":ID,"error":{"message":"secret"}}"#).await;
    malformed(r#"{"jsonrpc":"2.0","id":ID,"error":"secret"}"#).await;
}
