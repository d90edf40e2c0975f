//! What a server asks of the client passes only where a policy permits it, in both eras.

use std::sync::{
    Arc,
    atomic::{AtomicUsize, Ordering},
};

use super::*;

const CALLS: &str = r#"
    permit(principal, action == Cardea::Action::"connect", resource);
    permit(principal, action == Cardea::Action::"tools/call", resource);
    permit(principal, action == Cardea::Action::"tasks", resource);
"#;

/// What a server may ask for, and what else it may try.
const ASKS: [&str; 5] = [
    "sampling/createMessage",
    "elicitation/create",
    "roots/list",
    "tools/call",
    "x.example/anything",
];

fn permit(method: &str) -> String {
    format!(r#"permit(principal, action == Cardea::Action::"{method}", resource);"#)
}

/// A request of the server, spelt so that its bytes can be compared.
fn request(method: &str) -> String {
    format!(r#"{{"params":{{ "maxTokens":1.0}},"method":"{method}","id":"ask-1","jsonrpc":"2.0"}}"#)
}

/// A legacy server that asks the client on the stream of a call, and answers the call when it was told something.
async fn legacy_scene(policies: String, method: &'static str) -> Scene {
    let told = Gate::closed();
    Scene::with(
        |setup| setup.policy(&policies),
        move |received| match received.rpc().as_str() {
            "tools/call" => Script::stream()
                .event(&request(method))
                .until(&told)
                .event(&answer(received, &tool_result_text("done")))
                .close(),
            "" => {
                told.open();
                Script::accepted()
            }
            _ => Script::accepted(),
        },
    )
    .await
}

/// What the client answered, as the upstream saw it.
fn told(scene: &Scene) -> Vec<Received> {
    scene
        .seen("")
        .into_iter()
        .filter(|r| r.method == "POST")
        .collect()
}

#[tokio::test]
async fn a_legacy_servers_request_is_refused_in_the_clients_place() {
    for method in ASKS {
        let scene = legacy_scene(CALLS.to_owned(), method).await;

        let answer = scene
            .call(&legacy("call", "tools/call", json!({"name": "echo"})))
            .await;

        let events = answer.events();
        assert_eq!(
            events.len(),
            1,
            "the client sees nothing of {method}: {}",
            answer.text()
        );
        assert_eq!(text_of(&answer), "done", "the call goes on");
        let told = told(&scene);
        assert_eq!(told.len(), 1);
        let told = told[0].json();
        assert_eq!(
            (&told["id"], &told["error"]["code"]),
            (&json!("ask-1"), &json!(-31403)),
            "{told}"
        );
        let record = until("the event's record", async || {
            records(&scene.gateway)
                .into_iter()
                .find(|r| r["kind"] == "event" && r["method"] == method)
        })
        .await;
        assert_eq!(record["denial"]["code"], "E_POLICY_DENIED", "{record:#}");
    }
}

#[tokio::test]
async fn a_legacy_servers_request_passes_under_an_id_of_the_gateways_where_it_is_permitted() {
    for method in &ASKS[..3] {
        let scene = legacy_scene(format!("{CALLS}{}", permit(method)), method).await;
        let message = legacy("call", "tools/call", json!({"name": "echo"}));
        let mut open = scene.open(scene.ask(&message)).await;

        let asked = open.event_text().await.unwrap().unwrap();
        let id = id_of(&asked);
        let ours = |text: &str| text.replace("ask-1", &id);
        assert_eq!(asked, format!("data: {}\n\n", ours(&request(method))));
        let reply = r#"{"jsonrpc":"2.0", "id":"ask-1","result":{"roots":[],"x":1.0}}"#;
        assert_eq!(
            scene.send(scene.legacy_text(&ours(reply))).await.status,
            202
        );

        let last = open.message().await.unwrap().unwrap();
        assert_eq!(last["result"]["content"][0]["text"], "done");
        assert_eq!(told(&scene)[0].text(), reply);
    }
}

/// The id of the message in an event.
fn id_of(event: &str) -> String {
    let data = event.trim_end().strip_prefix("data: ").unwrap();
    let message: Value = serde_json::from_str(data).unwrap();
    message["id"].as_str().unwrap().to_owned()
}

/// A client's response that the gateway must not take.
async fn untaken(scene: &Scene, ask: Ask) {
    let answer = scene.send(ask).await;
    assert_eq!(
        (answer.status, code_of(&answer).as_str()),
        (400, "E_ENVELOPE_INVALID"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn a_client_cannot_answer_what_it_was_not_asked() {
    let scene = legacy_scene(CALLS.to_owned(), "roots/list").await;
    let forged = r#"{"jsonrpc":"2.0","id":"ask-1","result":{"roots":[{"uri":"file:///"}]}}"#;
    // Before the server asks, at once and after it was refused: whichever comes first must not count.
    untaken(&scene, scene.legacy_text(forged)).await;
    let call = legacy("call", "tools/call", json!({"name": "echo"}));
    let (answer, ()) = tokio::join!(
        scene.call(&call),
        untaken(&scene, scene.legacy_text(forged))
    );
    untaken(&scene, scene.legacy_text(forged)).await;

    assert_eq!(text_of(&answer), "done");
    let told = told(&scene);
    assert_eq!(told.len(), 1, "{told:?}");
    assert_eq!(told[0].json()["error"]["code"], -31403);
}

#[tokio::test]
async fn a_servers_request_is_answered_by_whom_it_asked_alone() {
    let scene = legacy_scene(format!("{CALLS}{}", permit("roots/list")), "roots/list").await;
    let message = legacy("call", "tools/call", json!({"name": "echo"}));
    let mut open = scene.open(scene.ask(&message)).await;
    let id = id_of(&open.event_text().await.unwrap().unwrap());
    let spelt =
        |id: &str| format!(r#"{{"result":{{ "roots":[], "x":1.0}},"id":"{id}","jsonrpc":"2.0"}}"#);
    let reply = spelt(&id);

    let bob = token(&scene.gateway, "bob", "bot").await;
    untaken(&scene, scene.legacy_text(&reply).bearer(&bob)).await;
    let changed = reply.replace(&id, &id.replace('.', ".A"));
    untaken(&scene, scene.legacy_text(&changed)).await;
    assert!(told(&scene).is_empty(), "{:?}", told(&scene));

    assert_eq!(scene.send(scene.legacy_text(&reply)).await.status, 202);
    assert_eq!(told(&scene)[0].text(), spelt("ask-1"));
    let record = scene.record_by_id("outcome", &json!("ask-1")).await;
    assert_eq!(
        (&record["method"], &record["action"]),
        (&json!("response"), &json!("roots/list")),
        "{record:#}"
    );
}

#[tokio::test]
async fn a_server_takes_its_request_back_under_the_id_that_the_client_knows() {
    let cancelled = r#"{"jsonrpc":"2.0","method":"notifications/cancelled","params":{"requestId":"ask-1","reason":"late"}}"#;
    let policies = format!("{CALLS}{}", permit("roots/list"));
    let scene = Scene::with(
        |setup| setup.policy(&policies),
        move |received| {
            Script::stream()
                .event(&request("roots/list"))
                .event(cancelled)
                .event(&answer(received, &tool_result_text("done")))
                .close()
        },
    )
    .await;

    let answer = scene
        .call(&legacy("call", "tools/call", json!({"name": "echo"})))
        .await;

    let events = answer.events();
    assert_eq!(events.len(), 3, "{}", answer.text());
    assert_eq!(events[1]["params"]["requestId"], events[0]["id"]);
    assert_ne!(events[0]["id"], "ask-1");
}

#[tokio::test]
async fn a_permission_for_one_kind_of_request_is_none_for_another() {
    let scene = legacy_scene(
        format!("{CALLS}{}", permit("roots/list")),
        "elicitation/create",
    )
    .await;

    let answer = scene
        .call(&legacy("call", "tools/call", json!({"name": "echo"})))
        .await;

    assert_eq!(answer.events().len(), 1, "{}", answer.text());
    assert!(told(&scene)[0].json()["error"].is_object());
}

/// A modern result that asks for input, spelt so that its bytes can be compared.
fn input_required(methods: &[&str]) -> String {
    let requests: Vec<String> = methods
        .iter()
        .enumerate()
        .map(|(n, method)| format!(r#""k{n}": {{"params":{{"x":1.0}}, "m\u0065thod":"{method}"}}"#))
        .collect();
    format!(
        r#"{{"requestState":"s\u0061==","inputR\u0065quests":{{{}}},"resultType":"input_required"}}"#,
        requests.join(",")
    )
}

async fn modern_scene(policies: String, methods: &'static [&'static str], stream: bool) -> Scene {
    let required = input_required(methods);
    Scene::with(
        |setup| setup.policy(&policies),
        move |received| {
            let text = answer(received, &required);
            if stream {
                Script::stream().event(&text).close()
            } else {
                Script::json(text)
            }
        },
    )
    .await
}

#[tokio::test]
async fn a_modern_request_for_input_is_refused_unless_all_of_it_is_permitted() {
    let some = format!("{CALLS}{}", permit("roots/list"));
    for (policies, methods) in [
        (CALLS, &["sampling/createMessage"][..]),
        (CALLS, &["elicitation/create"]),
        (CALLS, &["roots/list"]),
        (CALLS, &["x.example/anything"]),
        (&some, &["roots/list", "elicitation/create"]),
    ] {
        for stream in [false, true] {
            let scene = modern_scene(policies.to_owned(), methods, stream).await;

            let answer = scene.call(&tool_call(7, json!({}))).await;

            assert_eq!(
                code_of(&answer),
                "E_POLICY_DENIED",
                "{methods:?}: {}",
                answer.text()
            );
            assert!(!answer.text().contains("requestState"));
            let record = scene.record("outcome", &call_id(&answer)).await;
            assert_eq!(record["denial"]["code"], "E_POLICY_DENIED", "{record:#}");
        }
    }
}

#[tokio::test]
async fn a_modern_request_for_input_passes_byte_for_byte_where_it_is_permitted() {
    let policies = format!(
        "{CALLS}{}{}",
        permit("roots/list"),
        permit("elicitation/create")
    );
    let methods = &["roots/list", "elicitation/create"][..];
    for stream in [false, true] {
        let scene = modern_scene(policies.clone(), methods, stream).await;

        let answer = scene.call(&tool_call(7, json!({}))).await;

        let expected = format!(
            r#"{{"jsonrpc":"2.0","id":7,"result":{}}}"#,
            input_required(methods)
        );
        assert!(answer.text().contains(&expected), "{}", answer.text());
    }
}

#[tokio::test]
async fn a_modern_client_answers_only_what_a_server_may_ask() {
    // A server that keeps no state takes an answer for one to a question of its own.
    const ROOTS: &str = r#"{"roots":[{"uri":"file:///"}]}"#;
    const PERSON: &str = r#"{"action":"accept","content":{}}"#;
    const MODEL: &str = r#"{"role":"assistant","model":"m","content":{"type":"text","text":"t"}}"#;
    let all = format!(
        "{CALLS}{}{}{}",
        permit("roots/list"),
        permit("elicitation/create"),
        permit("sampling/createMessage")
    );
    let only = |method: &str| format!("{CALLS}{}", permit(method));
    let both = r#"{"action":"accept","roots":[]}"#;
    for (policies, answers, passes) in [
        (CALLS.to_owned(), ROOTS, false),
        (CALLS.to_owned(), PERSON, false),
        (CALLS.to_owned(), MODEL, false),
        (only("roots/list"), ROOTS, true),
        (only("elicitation/create"), PERSON, true),
        (only("sampling/createMessage"), MODEL, true),
        (only("elicitation/create"), ROOTS, false),
        (only("elicitation/create"), both, false),
        (only("elicitation/create"), r#"{"x":1}"#, false),
        (all, r#"{"x":1}"#, true),
    ] {
        let scene = Scene::with(
            |setup| setup.policy(&policies),
            |received| tool_result(received, "done"),
        )
        .await;
        let message = tool_call(7, json!({})).to_string().replacen(
            r#""params":{"#,
            &format!(r#""params":{{"requestState":"s","inputR\u0065sponses":{{"k":{answers}}},"#),
            1,
        );

        let answer = scene.send(scene.modern_call_text("echo", &message)).await;

        let code = if passes { "" } else { "E_POLICY_DENIED" };
        assert_eq!(code_of(&answer), code, "{answers} with {policies}");
        assert_eq!(scene.seen("tools/call").len(), usize::from(passes));
    }
}

#[tokio::test]
async fn a_task_that_asks_for_input_is_checked_like_a_call_that_does() {
    // SEP-1686 and the tasks extension: the state of a task is a complete result whose status says what it waits for.
    let task = r#"{"resultType":"complete","taskId":"t","status":"input_required","inputRequests":{"k":{"method":"sampling/createMessage","params":{}}}}"#;
    let scene = Scene::with(|setup| setup.policy(CALLS), move |r| result(r, task)).await;
    let message = modern(7, "tasks/get", json!({"taskId": "t"}));

    let answer = scene.call(&message).await;

    assert_eq!(code_of(&answer), "E_POLICY_DENIED", "{}", answer.text());
}

#[tokio::test]
async fn a_note_on_a_task_that_asks_for_input_is_checked_too() {
    let note = r#"{"jsonrpc":"2.0","method":"notifications/tasks","params":{"taskId":"t","status":"input_required","inputRequests":{"k":{"method":"sampling/createMessage","params":{}}}}}"#;
    let policies = format!(
        r#"{CALLS} permit(principal, action == Cardea::Action::"resources/subscribe", resource);"#
    );
    let scene = Scene::with(
        |setup| setup.policy(&policies),
        move |_| Script::stream().event(note).close(),
    )
    .await;
    let message = modern(
        7,
        "subscriptions/listen",
        json!({"notifications": {"taskIds": ["t"]}}),
    );

    let answer = scene.call(&message).await;

    assert!(
        !answer.text().contains("inputRequests"),
        "{}",
        answer.text()
    );
}

#[tokio::test]
async fn an_error_that_sends_the_person_somewhere_is_checked_like_a_request() {
    // 2025-11-25, Elicitation, URL Elicitation Required Error: the server elicits by refusing the call. Spelt in any
    // way that a client reads as the same number.
    let codes = ["-32042", "-32042.0", "-3.2042e4", "-320420E-1"];
    let code = Arc::new(AtomicUsize::new(0));
    let permitted = format!("{CALLS}{}", permit("elicitation/create"));
    for (policies, passes) in [(CALLS, false), (&permitted, true)] {
        for stream in [false, true] {
            let spelt = Arc::clone(&code);
            let scene = Scene::with(
                |setup| setup.policy(policies),
                move |received| {
                    let error = format!(
                        r#"{{"jsonrpc":"2.0","id":{},"error":{{"code":{},"message":"log in first","data":{{"elicitations":[{{"mode":"url","elicitationId":"e","url":"https://evil.example/","message":"log in"}}]}}}}}}"#,
                        received.id(),
                        codes[spelt.load(Ordering::SeqCst)],
                    );
                    match stream {
                        true => Script::stream().event(&error).close(),
                        false => Script::json(error),
                    }
                },
            )
            .await;
            for (n, spelt) in codes.iter().enumerate() {
                code.store(n, Ordering::SeqCst);

                let answer = scene
                    .call(&legacy(7, "tools/call", json!({"name": "echo"})))
                    .await;

                assert_eq!(
                    answer.text().contains("evil.example"),
                    passes,
                    "{spelt}: {}",
                    answer.text()
                );
            }
        }
    }
}

#[tokio::test]
async fn a_request_on_a_stream_of_the_modern_era_ends_the_call() {
    let scene = Scene::start(|_| {
        Script::stream()
            .event(&request("sampling/createMessage"))
            .hang()
    })
    .await;

    let answer = scene.call(&tool_call(7, json!({}))).await;

    assert_eq!(
        code_of(&answer),
        "E_UPSTREAM_MALFORMED",
        "{}",
        answer.text()
    );
    assert!(!answer.text().contains("sampling"), "{}", answer.text());
}

#[tokio::test]
async fn a_request_on_a_sessions_own_stream_is_checked_too() {
    let scene = Scene::with(
        |setup| setup.policy(CALLS),
        |received| match received.method.as_str() {
            "GET" => Script::stream()
                .event(&request("sampling/createMessage"))
                .event(r#"{"jsonrpc":"2.0","method":"notifications/tools/list_changed"}"#)
                .close(),
            _ => Script::accepted(),
        },
    )
    .await;

    let answer = scene.send(scene.bare("GET")).await;

    assert!(!answer.text().contains("sampling"), "{}", answer.text());
    assert!(answer.text().contains("list_changed"), "{}", answer.text());
    assert!(told(&scene)[0].json()["error"].is_object());
}

#[tokio::test]
async fn a_server_that_does_not_take_a_refusal_does_not_keep_the_stream_of_a_client_that_left() {
    let scene = Scene::with(
        |setup| setup.policy(CALLS),
        |received| match received.method.as_str() {
            "GET" => Script::stream()
                .event(&request("sampling/createMessage"))
                .hang(),
            _ => Script::new().hang(),
        },
    )
    .await;
    let open = scene.open(scene.bare("GET")).await;
    until("the refusal at the upstream", async || {
        (told(&scene).len() == 1).then_some(())
    })
    .await;

    drop(open);

    scene.wait_until_gone().await;
}
