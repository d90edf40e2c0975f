//! Arguments and headers that name the caller's tenant, whatever the caller wrote.

use super::*;

fn rules(binding: &str) -> Value {
    json!({"echo": {
        "arguments": [{"at": "/filter/org", "tenant": binding}],
        "headers": {"X-Org": "tenant-value"},
    }})
}

#[tokio::test]
async fn a_forced_argument_names_the_callers_tenant_to_the_server_and_in_the_record() {
    let shared = Shared::with(rules("force")).await;
    for (token, value) in [(&shared.acme, json!("org-17")), (&shared.globex, json!(42))] {
        for (n, arguments) in [
            json!({"q": 1.50, "filter": {"org": "globex"}}),
            json!({"filter": {"org": ["org-17", 42]}, "q": 1}),
            json!({}),
        ]
        .into_iter()
        .enumerate()
        {
            let id = format!("{value}-{n}");
            let message = tool_call(id.clone(), arguments.clone());
            let answer = shared.send(ask(&message).bearer(token)).await;
            assert_eq!(answer.status, 200, "{}", answer.text());
            let mut expected = arguments;
            expected["filter"]["org"] = value.clone();
            assert_eq!(shared.upstream_params()["arguments"], expected);
            let record = shared.record("intent", id).await;
            assert_eq!(record["arguments"]["json"], expected, "{record:#}");
        }
    }
}

#[tokio::test]
async fn every_other_byte_of_a_forced_call_stays_as_it_was() {
    let shared = Shared::with(rules("force")).await;
    let body = r#"{ "jsonrpc":"2.0", "id" : 7,"params":{"arguments":{"a":1.000,"filter":{ "org" : "x" },"z":"\u00e9"} ,"name":"echo"}, "method":"tools/call"}"#;
    let ask = Ask::post(PATH, body)
        .set("mcp-protocol-version", LEGACY)
        .bearer(&shared.acme);
    assert_eq!(shared.send(ask).await.status, 200);
    let seen = shared.echo.seen_of("tools/call");
    assert_eq!(
        as_sent(&seen[0].body, "7"),
        body.replace(r#""org" : "x""#, r#""org" : "org-17""#)
    );
}

#[tokio::test]
async fn a_checked_argument_that_is_not_the_callers_tenants_never_reaches_the_server() {
    for (binding, absent) in [("check", false), ("default", true)] {
        let shared = Shared::with(rules(binding)).await;
        let own = json!({"filter": {"org": "org-17"}});
        let answer = shared.call(&tool_call("own", own)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        let none = shared.call(&tool_call("none", json!({"filter": {}}))).await;
        assert_eq!(none.json()["error"].is_null(), absent, "{}", none.text());
        let sent = shared.echo.seen_of("tools/call").len();
        for (n, foreign) in [
            json!("42"),
            json!(42),
            json!("ORG-17"),
            json!("org-17 "),
            json!("org-17\u{0}"),
            json!("org\u{2011}17"),
            json!(["org-17"]),
            json!({"$ne": ""}),
        ]
        .into_iter()
        .enumerate()
        {
            let id = format!("foreign-{n}");
            let message = tool_call(id.clone(), json!({"filter": {"org": foreign}}));
            let answer = shared.call(&message).await;
            assert_eq!(code(&answer), "E_TENANT_ARGUMENT", "{message}");
            let record = shared.record("denial", id).await;
            assert_eq!(record["denial"]["code"], "E_TENANT_ARGUMENT");
        }
        assert_eq!(shared.echo.seen_of("tools/call").len(), sent);
    }
}

#[tokio::test]
async fn an_argument_that_a_server_could_take_for_the_forced_one_is_refused() {
    let shared = Shared::with(rules("force")).await;
    for key in ["ORG", "Org", "org\u{0}", "o\u{200b}rg", "ｏｒｇ"] {
        let message = tool_call(1, json!({"filter": {"org": "org-17", key: "globex"}}));
        assert_eq!(
            code(&shared.call(&message).await),
            "E_TENANT_ARGUMENT",
            "{key:?}"
        );
    }
    let twice = tool_call(1, json!({"filter": {"org": "org-17", "ORG": 1}}));
    let twice = twice.to_string().replace("\"ORG\"", "\"o\\u0072g\"");
    let answer = shared
        .send(
            ask(&tool_call(1, json!({})))
                .body(twice)
                .bearer(&shared.acme),
        )
        .await;
    assert_eq!(code(&answer), "E_JSON_DUPLICATE_KEY");
    assert!(shared.echo.seen_of("tools/call").is_empty());
}

#[tokio::test]
async fn a_header_carries_the_tenants_value_and_no_client_sets_it() {
    let shared = Shared::with(rules("force")).await;
    let message = tool_call(1, json!({}));
    shared
        .send(ask(&message).bearer(&shared.acme).set("x-org", "globex"))
        .await;
    shared.send(ask(&message).bearer(&shared.globex)).await;
    shared
        .send(
            ask(&modern(1, "tools/list", json!({})))
                .bearer(&shared.acme)
                .set("x-org", "globex"),
        )
        .await;
    let seen = shared.echo.seen_of("tools/call");
    let values: Vec<_> = seen
        .iter()
        .map(|s| s.headers.get_all("x-org").iter().collect::<Vec<_>>())
        .collect();
    assert_eq!(values, [["org-17"], ["42"]]);
    assert_eq!(shared.echo.seen_of("tools/list")[0].header("x-org"), None);
}

#[tokio::test]
async fn mirrored_headers_are_compared_with_what_came_and_made_anew_from_what_goes() {
    let shared =
        Shared::with(json!({"echo": {"arguments": [{"at": "/org", "tenant": "force"}]}})).await;
    shared.echo.on("tools/list", |seen| {
        Reply::result(
            seen,
            &json!({"resultType": "complete", "tools": [{"name": "echo", "inputSchema": {
            "type": "object", "properties": {
                "org": {"type": "string", "x-mcp-header": "Org"},
                "region": {"type": "string", "x-mcp-header": "Region"}}}}]}),
        )
    });
    let call = tool_call(1, json!({"org": "globex", "region": "eu"}));
    let with = |org: &str| {
        ask(&call)
            .set("mcp-param-org", org)
            .set("mcp-param-region", "eu")
            .bearer(&shared.acme)
    };

    // Nobody knows yet what the headers repeat.
    assert_eq!(
        code(&shared.send(with("globex")).await),
        "E_HEADER_MISMATCH"
    );
    shared.call(&modern(2, "tools/list", json!({}))).await;
    assert_eq!(
        code(&shared.send(with("org-17")).await),
        "E_HEADER_MISMATCH"
    );
    let answer = shared.send(with("globex")).await;
    assert_eq!(answer.status, 200, "{}", answer.text());

    let seen = shared.echo.seen_of("tools/call");
    assert_eq!(seen.len(), 1);
    assert_eq!(seen[0].header("mcp-param-org").as_deref(), Some("org-17"));
    assert_eq!(seen[0].header("mcp-param-region").as_deref(), Some("eu"));
    assert_eq!(shared.upstream_params()["arguments"]["org"], "org-17");
}

#[tokio::test]
async fn rules_for_any_tool_hold_for_those_without_rules_of_their_own() {
    let shared = Shared::with(json!({
        "*": {"arguments": [{"at": "/org", "tenant": "force"}]},
        "echo": {"arguments": [{"at": "/tenant", "tenant": "force"}]},
    }))
    .await;
    for (tool, expected) in [
        ("echo", json!({"tenant": "org-17"})),
        ("Echo", json!({"org": "org-17"})),
        ("delete", json!({"org": "org-17"})),
    ] {
        shared
            .call(&modern(1, "tools/call", json!({"name": tool})))
            .await;
        assert_eq!(shared.upstream_params()["arguments"], expected);
    }
}
