//! What tells a server something and is no call of a tool.

use super::*;

const SECRET: &str = "sesame-7731";

/// Both packs, and a run that has read what is private and untrusted once `reads` is called.
async fn trifecta(labels: &str) -> Stage {
    let stage = stage(|setup| {
        watched(setup)
            .file("labels.yaml", labels)
            .set("packs", json!(["untrusted-values", "lethal-trifecta"]))
    })
    .await;
    let empty = |seen: &Seen| {
        Reply::result(
            seen,
            &json!({ "completion": { "values": [] }, "resultType": "complete" }),
        )
    };
    stage.echo.on("completion/complete", empty);
    stage.echo.on("acme/note", empty);
    stage
}

fn complete(id: u64) -> Value {
    let params = json!({
        "ref": { "type": "ref/prompt", "name": "p" }, "argument": { "name": "q", "value": SECRET },
    });
    modern(id, "completion/complete", params)
}

fn note(id: u64) -> Value {
    modern(id, "acme/note", json!({ "text": SECRET }))
}

async fn is_refused(stage: &Stage, message: &Value) -> bool {
    stage.echo.forget();
    let answer = stage.call(message).await.json();
    let seen = stage
        .echo
        .seen_of(message["method"].as_str().unwrap())
        .len();
    let is_refused = !answer["error"].is_null() || answer["result"]["isError"] == true;
    assert_eq!(seen, usize::from(!is_refused), "{answer}");
    is_refused
}

#[tokio::test]
async fn private_data_leaves_by_no_completion_and_no_extension() {
    let stage = trifecta(LABELS).await;
    assert!(!is_refused(&stage, &complete(1)).await);
    // Its answer is content of the server's, and nobody has said that it is not private.
    assert!(is_refused(&stage, &note(2)).await);
    assert_eq!(held(&stage, &call(3, "read", json!({}))).await, None);
    assert!(is_refused(&stage, &complete(4)).await);
    assert!(is_refused(&stage, &note(5)).await);
}

#[tokio::test]
async fn a_server_that_is_ones_own_is_labelled_as_that() {
    let labels = format!("{LABELS}completion/complete: [read-only]\nacme/note: []\n");
    let stage = trifecta(&labels).await;
    assert_eq!(held(&stage, &call(1, "read", json!({}))).await, None);
    assert!(!is_refused(&stage, &complete(2)).await);
    assert!(!is_refused(&stage, &note(3)).await);
}

#[tokio::test]
async fn an_address_that_was_read_goes_out_beside_no_call() {
    let stage = stage(watched).await;
    assert_eq!(held(&stage, &call(1, "read", json!({}))).await, None);
    let params = json!({
        "ref": { "type": "ref/prompt", "name": "p" }, "argument": { "name": "q", "value": format!("{EVIL}?sum=4711") },
    });
    // The address as it stands would carry nothing away; with something at its end it does.
    assert!(is_refused(&stage, &modern(2, "completion/complete", params)).await);
    assert!(is_refused(&stage, &modern(3, "acme/note", json!({ "to": EVIL }))).await);
    let answers = json!({ "ask": { "action": "accept", "content": { "to": EVIL } } });
    let mut sent = call(4, "send", json!({ "to": "bob@example.com", "body": "hi" }));
    sent["params"]["inputResponses"] = answers;
    assert!(is_refused(&stage, &sent).await);
}
