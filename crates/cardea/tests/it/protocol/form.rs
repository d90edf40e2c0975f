//! Bodies that are not exactly one message; the upstream sees none.

use super::{
    edge::{good, refused, scene},
    *,
};

#[tokio::test]
async fn a_body_that_two_parsers_could_read_differently_is_refused() {
    let scene = scene().await;
    let body = tool_call(7, json!({"a": 1})).to_string();
    let twice = |what: &str, with: &str| {
        assert!(body.contains(what));
        body.replacen(what, with, 1)
    };
    for text in [
        twice(r#""name":"echo""#, r#""name":"other","name":"echo""#),
        twice(r#""name":"echo""#, r#""n\u0061me":"other","name":"echo""#),
        twice(r#""a":1"#, r#""a":1,"a":2"#),
        twice(r#""a":1"#, r#""x":{"y":[{"z":1,"\u007a":2}]}"#),
        twice(r#""id":7"#, r#""id":7,"id":8"#),
        twice(r#""jsonrpc":"2.0""#, r#""jsonrpc":"2.0","jsonrpc":"2.0""#),
        twice(
            r#""method":"tools/call""#,
            r#""method":"ping","method":"tools/call""#,
        ),
        twice(r#""params":{"#, r#""params":{},"params":{"#),
        twice(r#""_meta":{"#, r#""_meta":{"m":1,"m":2,"#),
    ] {
        let ask = good(&scene).body(text);
        let answer = refused(&scene, ask, 400, "E_JSON_DUPLICATE_KEY").await;
        assert_eq!(answer.json()["error"]["code"], -32700);
    }
}

#[tokio::test]
async fn a_body_that_is_not_one_message_is_refused() {
    let scene = scene().await;
    let one = tool_call(7, json!({})).to_string();
    for (text, code) in [
        (format!("[{one}]"), "E_BATCH_UNSUPPORTED"),
        (format!("[{one},{one}]"), "E_BATCH_UNSUPPORTED"),
        ("[]".into(), "E_BATCH_UNSUPPORTED"),
        (format!("{one}{one}"), "E_JSON_MALFORMED"),
        (format!("{one} x"), "E_JSON_MALFORMED"),
        (format!("\u{feff}{one}"), "E_JSON_MALFORMED"),
        (one.replace(":7", ":07"), "E_JSON_MALFORMED"),
        (one.replace(":7", ":NaN"), "E_JSON_MALFORMED"),
        (one[..one.len() - 1].into(), "E_JSON_MALFORMED"),
        (String::new(), "E_JSON_MALFORMED"),
        (one.replace("\"echo\"", "\"ec\tho\""), "E_JSON_MALFORMED"),
        ("7".into(), "E_ENVELOPE_INVALID"),
        ("null".into(), "E_ENVELOPE_INVALID"),
        (one.replace(":7", ":null"), "E_ENVELOPE_INVALID"),
        (one.replace(":7", ":[7]"), "E_ENVELOPE_INVALID"),
        (one.replace("2.0", "1.0"), "E_ENVELOPE_INVALID"),
        (
            one.replacen('{', r#"{"result":{},"#, 1),
            "E_ENVELOPE_INVALID",
        ),
    ] {
        refused(&scene, good(&scene).body(text), 400, code).await;
    }
    let mut bytes = one.into_bytes();
    bytes.insert(20, 0xff);
    refused(&scene, good(&scene).body(bytes), 400, "E_JSON_MALFORMED").await;
}
