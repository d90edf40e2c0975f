//! People decide, and what that changes: one call, across a kill; calls under way that are cut; lists that say so.

use cardea_testkit::identity_provider::IdentityProvider;

use super::*;
use crate::authorization::Browser;

/// A stage whose requests Ada decides herself, with her at the console.
pub(super) async fn decided_by_ada(more: Value) -> (Stage, Browser) {
    decided_by_ada_with(more, |setup| setup).await
}

/// The same, with a changed set-up.
pub(super) async fn decided_by_ada_with(
    more: Value,
    change: impl FnOnce(Setup) -> Setup,
) -> (Stage, Browser) {
    let mut all = json!({ "approval": [{ "subjects": ["ada"] }], "second_person": false });
    for (key, value) in more.as_object().unwrap() {
        all[key] = value.clone();
    }
    let entitlement = entitlement(&all);
    let stage = Stage::with(|setup| {
        let roles = json!({ "demo": { "roles": { "administrators": { "subjects": ["ada"] } } } });
        let setup = setup
            .set("authorization_server", json!({}))
            .set("tenants", roles)
            .set("limits", json!({ "streams_per_principal_max": 1000 }))
            .set("entitlements", json!({ "delete-things": entitlement }));
        change(setup)
    })
    .await;
    let mut browser = Browser::default();
    browser.set_up(&stage.gateway).await;
    let page = browser.enter(&stage.gateway, "/console").await;
    assert_eq!(page.status, 200, "{:?}", page.headers);
    (stage, browser)
}

/// Something that the console's API is asked to do, from its own pages.
pub(super) async fn act(
    browser: &mut Browser,
    gateway: &Gateway,
    path: &str,
    body: Value,
) -> Answer {
    let ask = Ask::message(path, &body).set("origin", origin(gateway));
    let answer = browser.exchange(gateway, ask).await;
    assert!(
        answer.status < 300,
        "{path}: {} {}",
        answer.status,
        answer.text()
    );
    answer
}

pub(super) fn origin(gateway: &Gateway) -> String {
    let url = url::Url::parse(&gateway.url(UPSTREAM)).unwrap();
    url.origin().ascii_serialization()
}

/// The server acknowledges the subscription `listens` and says nothing more until what is returned is dropped.
fn listening(echo: &Echo) -> impl Sized + use<> {
    let (events, reply) = Reply::channel();
    let reply = std::sync::Mutex::new(Some(reply));
    echo.on("subscriptions/listen", move |_| {
        reply.lock().unwrap().take().expect("one subscription")
    });
    let acknowledged = json!({
        "jsonrpc": "2.0",
        "method": "notifications/subscriptions/acknowledged",
        "params": { "_meta": { "io.modelcontextprotocol/subscriptionId": "listens" } },
    });
    events
        .send(Ok(format!("data: {acknowledged}\n\n").into()))
        .unwrap();
    events
}

pub(super) fn request_of(refused: &Value) -> String {
    let request = refused["result"]["_meta"][ACCESS]["request"].as_str();
    request
        .unwrap_or_else(|| panic!("no request in {refused}"))
        .to_owned()
}

pub(super) async fn approve(browser: &mut Browser, gateway: &Gateway, request: &str) {
    let path = format!("/api/v1/requests/{request}/approve");
    act(browser, gateway, &path, json!({})).await;
}

#[tokio::test]
async fn an_approved_call_is_made_once_also_across_a_kill_and_asked_for_again_after() {
    let (mut stage, mut browser) = decided_by_ada(json!({})).await;
    listed(&stage).await;
    let call = delete(1, json!({ "id": 7 }));
    let refused = stage.call(&call).await.json();
    approve(&mut browser, &stage.gateway, &request_of(&refused)).await;
    stage.gateway.kill().unwrap();
    stage.gateway.start_again().await.unwrap();
    listed(&stage).await;

    // Whatever differs is another call.
    for other in [
        json!({ "id": 8 }),
        json!({ "id": "7" }),
        json!({ "id": 7, "all": true }),
    ] {
        let refused = stage.call(&delete(2, other)).await.json();
        assert_eq!(refused["result"]["isError"], true, "{refused}");
    }
    let someone = token(&stage.gateway, "ada", "other-bot").await;
    let foreign = ask(&call)
        .bearer(&someone)
        .send(stage.gateway.address())
        .await
        .json();
    assert_eq!(foreign["result"]["isError"], true, "{foreign}");
    assert!(stage.echo.seen_of("tools/call").is_empty());

    // Of many at once one is made.
    let calls = (0..20).map(|n| {
        let (stage, call) = (&stage, delete(100 + n, json!({ "id": 7 })));
        async move { stage.call(&call).await.json()["result"]["isError"] != true }
    });
    let made = futures_util::future::join_all(calls).await;
    assert_eq!(made.iter().filter(|made| **made).count(), 1, "{made:?}");
    stage.gateway.kill().unwrap();
    stage.gateway.start_again().await.unwrap();
    listed(&stage).await;
    let again = stage.call(&delete(3, json!({ "id": 7 }))).await.json();
    assert_eq!(again["result"]["isError"], true, "{again}");
    assert_eq!(stage.echo.seen_of("tools/call").len(), 1);
    sound_records(&stage.gateway);
}

#[tokio::test]
async fn an_approved_call_carries_nothing_that_nobody_saw() {
    let (stage, mut browser) = decided_by_ada(json!({})).await;
    listed(&stage).await;
    let mut call = delete(1, json!({ "id": 7 }));
    call["params"]["_meta"]["vendor.example/really"] = json!({ "delete": "everything" });
    call["params"]["_meta"]["progressToken"] = json!("p");
    let refused = stage.call(&call).await.json();
    approve(&mut browser, &stage.gateway, &request_of(&refused)).await;
    call["id"] = json!(2);
    let made = stage.call(&call).await.json();
    assert_ne!(made["result"]["isError"], true, "{made}");
    let seen = stage.echo.seen_of("tools/call");
    let sent = &seen[0].message()["params"];
    assert_eq!(sent["arguments"], json!({ "id": 7 }), "{sent}");
    assert_eq!(sent["_meta"]["progressToken"], "p", "{sent}");
    assert_eq!(sent["_meta"]["vendor.example/really"], Value::Null);
}

#[tokio::test]
async fn a_person_tightens_arguments_on_the_page() {
    let (stage, mut browser) = decided_by_ada(json!({ "kinds": ["time"] })).await;
    listed(&stage).await;
    let first = delete(1, json!({ "path": "/srv/a", "mode": "x" }));
    let refused = stage.call(&first).await.json();
    let request = request_of(&refused);
    let to = format!("/console/requests/{request}");
    let page = browser.get(&stage.gateway, &to).await;
    for said in ["only an example", "Risk", "nobody has labelled this tool"] {
        assert!(page.text().contains(said), "{said}: {}", page.text());
    }
    let fields = [
        ("argument_1", "path"),
        ("rule_1", "under"),
        ("value_1", "/srv"),
    ];
    let approved = browser
        .submit(&stage.gateway, &format!("{to}/approve"), &page, &fields)
        .await;
    assert_eq!(approved.status, 303, "{}", approved.text());
    for (id, path, is_made) in [
        (2, "/srv/b", true),
        (3, "/etc/passwd", false),
        (4, "/srv/../etc/passwd", false),
    ] {
        let call = delete(id, json!({ "path": path }));
        let answer = stage.call(&call).await.json();
        assert_eq!(answer["result"]["isError"] != true, is_made, "{answer}");
    }
}

#[tokio::test]
async fn a_revoked_grant_cuts_the_call_under_way() {
    let (stage, mut browser) = decided_by_ada(json!({ "kinds": ["time"] })).await;
    listed(&stage).await;
    let refused = stage.call(&delete(1, json!({}))).await.json();
    approve(&mut browser, &stage.gateway, &request_of(&refused)).await;
    let gate = Gate::closed();
    let held = gate.clone();
    stage.echo.on("tools/call", move |seen| {
        Reply::result(seen, &json!({ "content": [] })).after(&held)
    });
    let waiting = delete("cut", json!({}));
    let (answer, ()) = tokio::join!(stage.call(&waiting), async {
        stage.echo.wait_for("tools/call", 1).await;
        let grants = browser.get(&stage.gateway, "/api/v1/grants").await.json();
        let grant = grants["items"][0]["id"]
            .as_str()
            .unwrap_or_else(|| panic!("{grants}"));
        let path = format!("/api/v1/grants/{grant}/revoke");
        act(
            &mut browser,
            &stage.gateway,
            &path,
            json!({ "reason": "enough" }),
        )
        .await;
    });
    let answer = answer.json();
    assert_eq!(
        answer["error"]["data"]["code"], "E_ACCESS_ENDED",
        "{answer}"
    );
    let outcome = stage.record_by_id("outcome", &json!("cut")).await;
    assert_eq!(outcome["denial"]["code"], "E_ACCESS_ENDED", "{outcome}");
    let after = stage.call(&delete(3, json!({}))).await.json();
    assert_eq!(after["result"]["isError"], true, "{after}");
    gate.open();
}

#[tokio::test]
async fn a_lock_on_the_tenant_stops_what_policies_permit_and_ends_streams() {
    let setup = |setup: Setup| {
        let roles = json!({ "demo": { "roles": { "administrators": { "subjects": ["ada"] } } } });
        setup
            .policy(PERMIT_ALL)
            .set("authorization_server", json!({}))
            .set("tenants", roles)
    };
    let stage = Stage::with(setup).await;
    let mut browser = Browser::default();
    browser.set_up(&stage.gateway).await;
    browser.enter(&stage.gateway, "/console").await;
    let _listening = listening(&stage.echo);
    let listen = modern(
        "listens",
        "subscriptions/listen",
        json!({ "notifications": {} }),
    );
    let mut open = stage.ask(&listen).open(stage.gateway.address()).await;
    assert!(open.message().await.unwrap().is_some());

    let lock = json!({ "kind": "tenant", "reason": "something is wrong" });
    let set = act(&mut browser, &stage.gateway, "/api/v1/locks", lock)
        .await
        .json();
    let last = bounded("the end of the stream", async {
        let mut last = Value::Null;
        while let Some(message) = open.message().await.unwrap() {
            last = message;
        }
        last
    })
    .await;
    assert_eq!(last["error"]["data"]["code"], "E_ACCESS_LOCKED", "{last}");
    let refused = stage.call(&tool_call(1, json!({}))).await.json();
    assert_eq!(
        refused["error"]["data"]["code"], "E_ACCESS_LOCKED",
        "{refused}"
    );
    assert!(stage.echo.seen_of("tools/call").is_empty());

    let id = set["id"].as_str().unwrap_or_else(|| panic!("{set}"));
    let lift =
        Ask::new("DELETE", &format!("/api/v1/locks/{id}")).set("origin", origin(&stage.gateway));
    let lifted = browser.exchange(&stage.gateway, lift).await;
    assert!(lifted.status < 300, "{} {}", lifted.status, lifted.text());
    let answer = stage.call(&tool_call(2, json!({}))).await.json();
    assert!(answer["result"].is_object(), "{answer}");
}

#[tokio::test]
async fn a_stream_says_that_the_lists_changed_when_something_is_granted() {
    let (stage, mut browser) = decided_by_ada(json!({})).await;
    listed(&stage).await;
    let wanted = json!({ "notifications": { "toolsListChanged": true } });
    let _listening = listening(&stage.echo);
    let listen = modern("listens", "subscriptions/listen", wanted);
    let mut open = stage.ask(&listen).open(stage.gateway.address()).await;
    assert!(open.message().await.unwrap().is_some(), "acknowledged");
    let refused = stage.call(&delete(1, json!({}))).await.json();
    approve(&mut browser, &stage.gateway, &request_of(&refused)).await;
    let told = bounded("the notification", open.message())
        .await
        .unwrap()
        .unwrap();
    assert_eq!(told["method"], "notifications/tools/list_changed", "{told}");
    let meta = &told["params"]["_meta"]["io.modelcontextprotocol/subscriptionId"];
    assert_eq!(*meta, json!("listens"), "{told}");
}

#[tokio::test]
async fn what_people_did_not_see_is_not_carried_by_their_yes() {
    let (stage, mut browser) = decided_by_ada(json!({})).await;
    listed(&stage).await;
    let call = delete(1, json!({ "id": 7 }));
    let refused = stage.call(&call).await.json();
    approve(&mut browser, &stage.gateway, &request_of(&refused)).await;
    for (member, value, code) in [
        ("task", json!({ "ttl": 60000 }), "E_ACCESS_REQUIRED"),
        ("requestState", json!("the server's"), "E_ACCESS_REQUIRED"),
        ("Arguments", json!({ "id": 8 }), "E_PARAMS_INVALID"),
        ("NAME", json!("echo"), "E_PARAMS_INVALID"),
    ] {
        let mut more = call.clone();
        more["params"][member] = value;
        let refused = stage.call(&more).await.json();
        assert_eq!(
            refused["error"]["data"]["code"], code,
            "{member}: {refused}"
        );
    }
    assert!(stage.echo.seen_of("tools/call").is_empty());
    let made = stage.call(&call).await.json();
    assert!(
        made["result"]["isError"] != true && made["error"].is_null(),
        "{made}"
    );
    assert_eq!(stage.echo.seen_of("tools/call").len(), 1);
}

#[tokio::test]
async fn whoever_owns_an_agent_of_the_chain_is_no_second_person() {
    let idp = IdentityProvider::start().await.unwrap();
    let entry = idp.entry();
    let entitlement = entitlement(&json!({ "approval": [{ "subjects": ["ada"] }] }));
    let stage = Stage::with(|setup| {
        let owned = json!({ "agents": { "ada-*": { "owners": { "subjects": ["ada"] } } } });
        setup
            .set("issuers", json!([{ "embedded": true }, entry]))
            .set("authorization_server", json!({}))
            .set("tenants", json!({ "demo": owned }))
            .set("entitlements", json!({ "delete-things": entitlement }))
    })
    .await;
    let mut browser = Browser::default();
    browser.set_up(&stage.gateway).await;
    browser.enter(&stage.gateway, "/console").await;
    listed(&stage).await;
    for (n, (act, counts)) in [
        (
            json!({ "sub": "bot", "act": { "sub": "ada-runner" } }),
            false,
        ),
        (json!({ "sub": "ada-runner" }), false),
        (
            json!({ "sub": "bot", "act": { "sub": "bobs-runner" } }),
            true,
        ),
    ]
    .into_iter()
    .enumerate()
    {
        let mut claims = idp.claims(TENANT, "bob", &stage.gateway.url(UPSTREAM));
        claims["act"] = act.clone();
        let call = ask(&delete(n as u64, json!({}))).bearer(&idp.token(&claims));
        let refused = call.send(stage.gateway.address()).await.json();
        let path = format!("/api/v1/requests/{}/approve", request_of(&refused));
        let approval = Ask::message(&path, &json!({})).set("origin", origin(&stage.gateway));
        let said = browser.exchange(&stage.gateway, approval).await;
        assert_eq!(said.status < 300, counts, "{act}: {}", said.text());
    }
}
