//! Lists show what their caller may use, and nothing tells a hidden thing from one that does not exist.

use super::*;

/// Of each kind one thing, whose name is on either side of the border.
const SOME: &str = r#"
    permit(principal, action == Cardea::Action::"connect", resource);
    permit(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"echo/open");
    permit(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"echo/odd\u{e9}");
    permit(principal, action == Cardea::Action::"resources/read", resource == Cardea::Resource::"echo/file:///open");
    permit(principal, action == Cardea::Action::"resources/read", resource == Cardea::ResourceTemplate::"echo/file:///open/{x}");
    permit(principal, action == Cardea::Action::"prompts/get", resource == Cardea::Prompt::"echo/open");
"#;

/// A list with odd spacing, so that what is left can be compared to the byte.
const TOOLS: &str = r#"{ "x-before":1.0,"tools": [ {"name":"open","description":"\u00e9","n":1e3} , {"name":"hidden"},{"name":"secr\u0065t"},
  {"x":[1.0 ],"n\u0061me":"odd\u00e9","inputSchema":{"type":"object"}},{"name":"Open"},{"name":"open "} ], "nextCursor":"c\u0031", "resultType":"complete","ttlMs":5e3,"c\u0061cheScope": "public","_meta":{"a":1.0}}"#;

const TOOLS_LEFT: &str = r#"{ "x-before":1.0,"tools": [{"name":"open","description":"\u00e9","n":1e3},{"x":[1.0 ],"n\u0061me":"odd\u00e9","inputSchema":{"type":"object"}}], "nextCursor":"c\u0031", "resultType":"complete","ttlMs":5e3,"c\u0061cheScope": "private","_meta":{"a":1.0}}"#;

const RESOURCES: &str = r#"{"resources":[{"uri":"file:///hidden","name":"open"},{"uri":"file:///open","name":"hidden"}],"cacheScope":"public","resultType":"complete"}"#;
const RESOURCES_LEFT: &str = r#"{"resources":[{"uri":"file:///open","name":"hidden"}],"cacheScope":"private","resultType":"complete"}"#;

const TEMPLATES: &str = r#"{"resourceTemplates":[{"uriTemplate":"file:///open/{x}","name":"a"},{"uriTemplate":"file:///{x}","name":"b"}],"cacheScope":"public","resultType":"complete"}"#;
const TEMPLATES_LEFT: &str = r#"{"resourceTemplates":[{"uriTemplate":"file:///open/{x}","name":"a"}],"cacheScope":"private","resultType":"complete"}"#;

const PROMPTS: &str = r#"{"prompts":[{"name":"hidden"},{"name":"open"}],"cacheScope":"public","resultType":"complete"}"#;
const PROMPTS_LEFT: &str =
    r#"{"prompts":[{"name":"open"}],"cacheScope":"private","resultType":"complete"}"#;

const LISTS: [(&str, &str, &str, u64); 4] = [
    ("tools/list", TOOLS, TOOLS_LEFT, 4),
    ("resources/list", RESOURCES, RESOURCES_LEFT, 1),
    ("resources/templates/list", TEMPLATES, TEMPLATES_LEFT, 1),
    ("prompts/list", PROMPTS, PROMPTS_LEFT, 1),
];

fn list_of(received: &Received) -> &'static str {
    let rpc = received.rpc();
    LISTS
        .iter()
        .find(|(method, ..)| *method == rpc)
        .map_or("{}", |(_, list, ..)| list)
}

#[tokio::test]
async fn lists_show_what_is_permitted_and_change_no_other_byte() {
    let whole = |received: &Received| result(received, list_of(received));
    let scene = Scene::with(|setup| setup.policy(SOME), whole).await;
    for (method, _, left, hidden) in LISTS {
        for message in [
            legacy(method, method, json!({})),
            modern(method, method, json!({})),
        ] {
            let answer = scene.call(&message).await;

            let expected = format!(r#"{{"jsonrpc":"2.0","id":"{method}","result":{left}}}"#);
            assert_eq!(answer.text(), expected, "{method}");
            let record = scene.record_by_id("outcome", &json!(method)).await;
            assert_eq!(record["response"]["hidden"], hidden, "{record:#}");
        }
    }
}

#[tokio::test]
async fn lists_on_streams_are_filtered_too() {
    let streamed = |received: &Received| {
        let data = answer(received, list_of(received)).replace('\n', "\ndata:");
        Script::stream().event_at("1", &data).close()
    };
    let scene = Scene::with(|setup| setup.policy(SOME), streamed).await;
    for (method, _, left, _) in LISTS {
        for message in [legacy(1, method, json!({})), modern(1, method, json!({}))] {
            let answer = scene.call(&message).await;

            let expected = format!(r#"data: {{"jsonrpc":"2.0","id":1,"result":{left}}}"#);
            assert!(
                answer.text().ends_with(&format!("{expected}\n\n")),
                "{method}: {}",
                answer.text()
            );
        }
    }
}

#[tokio::test]
async fn other_cacheable_answers_become_private_too() {
    let public = r#"{"contents":[],"supportedVersions":[],"resultType":"complete","cacheScope":"public","ttlMs":1}"#;
    let private = public.replace("public", "private");
    let scene = Scene::start(move |received| result(received, public)).await;
    for message in [
        modern(1, "server/discover", json!({})),
        modern(1, "resources/read", json!({"uri": "file:///a"})),
    ] {
        let answer = scene.call(&message).await;

        assert_eq!(
            answer.text(),
            format!(r#"{{"jsonrpc":"2.0","id":1,"result":{private}}}"#)
        );
    }
}

#[tokio::test]
async fn a_member_that_only_looks_like_a_list_is_left_alone() {
    let decoy = r#"{"_meta":{"tools":[{"name":"hidden"}],"cacheScope":"public"},"tools":[],"resultType":"complete"}"#;
    let scene = Scene::with(|setup| setup.policy(SOME), move |r| result(r, decoy)).await;

    let answer = scene.call(&modern(1, "tools/list", json!({}))).await;

    assert_eq!(
        answer.text(),
        format!(r#"{{"jsonrpc":"2.0","id":1,"result":{decoy}}}"#)
    );
}

/// What two refusals have in common with each other: everything but the call's own id.
fn appearance(answer: &Answer) -> (u16, Vec<String>, String) {
    let call = call_id(answer);
    let mut names: Vec<String> = answer.headers.keys().map(ToString::to_string).collect();
    names.sort();
    (answer.status, names, answer.text().replace(&call, "CALL"))
}

#[tokio::test]
async fn a_hidden_thing_looks_exactly_like_one_that_does_not_exist() {
    let scene = Scene::with(|setup| setup.policy(SOME), |r| result(r, list_of(r))).await;
    let things = [
        ("tools/call", "name", "hidden", "absent"),
        ("prompts/get", "name", "hidden", "absent"),
        ("resources/read", "uri", "file:///hidden", "file:///absent"),
        (
            "resources/subscribe",
            "uri",
            "file:///hidden",
            "file:///absent",
        ),
    ];
    // The gateway has seen a list that holds the hidden ones.
    scene.call(&modern(1, "tools/list", json!({}))).await;
    for (method, key, hidden, absent) in things {
        for make in [legacy::<i32>, modern::<i32>] {
            let there = scene.call(&make(1, method, json!({key: hidden}))).await;
            let nowhere = scene.call(&make(1, method, json!({key: absent}))).await;

            if code_of(&there) != "E_METHOD_UNKNOWN" {
                assert_eq!(code_of(&there), "E_POLICY_DENIED");
            }
            assert_eq!(appearance(&there), appearance(&nowhere), "{method}");
        }
        assert!(
            scene.seen(method).is_empty(),
            "{method} reached the upstream"
        );
    }
}

#[tokio::test]
async fn an_upstream_of_another_tenant_looks_exactly_like_none() {
    let scene = Scene::with(
        |setup| {
            let other = json!({"tenants": ["globex"], "http": {"url": "http://127.0.0.1:9/mcp"}});
            setup
                .tenant("globex")
                .upstream("theirs", other)
                .policy(PERMIT_ALL)
        },
        |received| result(received, "{}"),
    )
    .await;
    let message = legacy(1, "tools/list", json!({}));
    let mut seen = Vec::new();
    for path in [
        "/mcp/theirs",
        "/mcp/absent",
        "/mcp/Theirs",
        "/mcp/..%2ftheirs",
    ] {
        let ask = Ask::message(path, &message).bearer(&scene.token);
        seen.push(appearance(&scene.send(ask).await));
    }
    assert!(seen.iter().all(|one| *one == seen[0]), "{seen:#?}");
}

#[tokio::test]
async fn an_extension_that_is_not_permitted_looks_like_an_unknown_method() {
    let scene = Scene::with(|setup| setup.policy(SOME), |r| result(r, "{}")).await;

    for (make, status) in [
        (legacy::<i32> as fn(i32, &str, Value) -> Value, 200),
        (modern::<i32>, 404),
    ] {
        let answer = scene.call(&make(1, "x.example/do", json!({}))).await;

        assert_eq!(answer.status, status);
        assert_eq!(answer.json()["error"]["code"], -32601, "{}", answer.text());
    }
    assert!(scene.upstream.seen().requests.is_empty());
}

#[tokio::test]
async fn a_subscription_that_names_one_hidden_resource_is_refused_as_a_whole() {
    let scene = Scene::with(
        |setup| {
            setup.policy(
                r#"
                permit(principal, action == Cardea::Action::"connect", resource);
                permit(principal, action == Cardea::Action::"resources/subscribe", resource == Cardea::Resource::"echo/file:///open");
                "#,
            )
        },
        |_| Script::stream().event(r#"{"jsonrpc":"2.0","method":"notifications/subscriptions/acknowledged","params":{}}"#).hang(),
    )
    .await;
    let listen = |uris: Value| {
        modern(
            7,
            "subscriptions/listen",
            json!({"notifications": {"resourceSubscriptions": uris}}),
        )
    };

    let answer = scene
        .call(&listen(json!(["file:///open", "file:///hidden"])))
        .await;
    assert_eq!(code_of(&answer), "E_POLICY_DENIED", "{}", answer.text());
    assert!(scene.upstream.seen().requests.is_empty());

    let mut open = scene
        .open(scene.ask(&listen(json!(["file:///open"]))))
        .await;
    let first = open.message().await.unwrap().unwrap();
    assert_eq!(
        first["method"], "notifications/subscriptions/acknowledged",
        "{first}"
    );
}

#[tokio::test]
async fn a_change_of_a_resource_is_told_to_whom_may_subscribe_to_it() {
    let policies = r#"
        permit(principal, action == Cardea::Action::"connect", resource);
        permit(principal, action == Cardea::Action::"resources/subscribe", resource == Cardea::Resource::"echo/file:///open");
    "#;
    let update = |uri: &str| {
        format!(
            r#"{{"jsonrpc":"2.0","method":"notifications/resources/updated","params":{{"uri":"{uri}"}}}}"#
        )
    };
    let (open, hidden) = (update("file:///open"), update("file:///hidden"));
    let scene = Scene::with(
        |setup| setup.policy(policies),
        move |_| Script::stream().event(&hidden).event(&open).close(),
    )
    .await;

    let answer = scene.send(scene.bare("GET")).await;

    assert_eq!(answer.events().len(), 1, "{}", answer.text());
    assert_eq!(answer.events()[0]["params"]["uri"], "file:///open");
}
