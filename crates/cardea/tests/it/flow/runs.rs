//! Which calls are of one run, and that nobody who steers an agent begins another.

use cardea_testkit::identity_provider::IdentityProvider;

use super::*;
use crate::authorization::{REDIRECT, form};

const MAIL: &str = "/mcp/mail";

/// Two servers, and an issuer whose tokens name no run.
async fn two_servers(change: impl FnOnce(Setup) -> Setup) -> (Stage, IdentityProvider) {
    let idp = IdentityProvider::start().await.unwrap();
    let entry = idp.entry();
    let stage = Stage::with(|setup| {
        let setup = change(labelled(watched(setup)));
        setup.set("issuers", json!([{ "embedded": true }, entry]))
    });
    let stage = stage.await;
    serve(&stage.echo);
    stage.echo.on("initialize", |seen| {
        let result = json!({
            "protocolVersion": LEGACY, "capabilities": { "tools": {} }, "serverInfo": { "name": "s", "version": "1" },
        });
        Reply::result(seen, &result).header("mcp-session-id", "theirs")
    });
    (stage, idp)
}

/// One caller: a token, and how its messages are sent.
struct Caller<'a> {
    stage: &'a Stage,
    token: String,
}

impl Caller<'_> {
    async fn session(&self, path: &str) -> String {
        let answer = self.send(path, None, &initialize(0)).await;
        answer.header("mcp-session-id").expect("a session")
    }

    /// Makes the tools of a server known to the gateway.
    async fn lists(&self, path: &str) {
        let answer = self
            .send(path, None, &legacy(0, "tools/list", json!({})))
            .await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }

    async fn send(&self, path: &str, session: Option<&str>, message: &Value) -> Answer {
        let mut ask = Ask::message(path, message)
            .set("mcp-protocol-version", LEGACY)
            .bearer(&self.token);
        if let Some(session) = session {
            ask = ask.set("mcp-session-id", session);
        }
        ask.send(self.stage.gateway.address()).await
    }

    async fn call(&self, path: &str, session: Option<&str>, tool: &str, arguments: Value) -> bool {
        let params = json!({ "name": tool, "arguments": arguments });
        let answer = self
            .send(path, session, &legacy(1, "tools/call", params))
            .await;
        let answer = answer.json();
        let request = &answer["result"]["_meta"][ACCESS]["request"];
        assert!(
            request.is_string() || answer["result"]["content"][0]["type"] == "text",
            "{answer}"
        );
        request.is_string()
    }

    async fn reads(&self, path: &str, session: Option<&str>) {
        assert!(!self.call(path, session, "read", json!({})).await);
    }

    /// Whether it is held to send there.
    async fn is_held(&self, path: &str, session: Option<&str>) -> bool {
        let arguments = json!({ "to": EVIL, "body": "hi" });
        self.call(path, session, "send", arguments).await
    }
}

fn token_of(stage: &Stage, idp: &IdentityProvider, serial: &str, more: Value) -> String {
    let audience = stage.gateway.url(UPSTREAM).replace("/echo", "");
    let mut claims = idp.claims(TENANT, "ada", &audience);
    claims["jti"] = serial.into();
    for (name, value) in more.as_object().into_iter().flatten() {
        claims[name] = value.clone();
    }
    idp.token(&claims)
}

#[tokio::test]
async fn without_a_run_in_the_token_all_that_an_agent_does_for_one_person_is_one() {
    let other = Echo::start().await.unwrap();
    serve(&other);
    let url = other.url();
    other.on("initialize", |seen| {
        let result = json!({
            "protocolVersion": LEGACY, "capabilities": { "tools": {} }, "serverInfo": { "name": "m", "version": "1" },
        });
        Reply::result(seen, &result).header("mcp-session-id", "theirs too")
    });
    let (stage, idp) = two_servers(|setup| {
        let mail = json!({ "tenants": [TENANT], "http": { "url": url }, "labels": "labels.yaml" });
        setup.upstream("mail", mail)
    })
    .await;
    let caller = |serial: &str, more: Value| Caller {
        stage: &stage,
        token: token_of(&stage, &idp, serial, more),
    };
    let ada = caller("first", json!({}));
    ada.lists(PATH).await;
    ada.lists(MAIL).await;
    let (here, there) = (ada.session(PATH).await, ada.session(MAIL).await);
    assert!(
        !ada.is_held(MAIL, Some(&there)).await,
        "nothing was read yet"
    );
    ada.reads(PATH, Some(&here)).await;

    assert!(ada.is_held(MAIL, Some(&there)).await, "at the other server");
    let anew = ada.session(PATH).await;
    assert!(ada.is_held(PATH, Some(&anew)).await, "in a new session");
    assert!(ada.is_held(PATH, None).await, "without a session");
    let renewed = caller("second", json!({}));
    assert!(renewed.is_held(MAIL, None).await, "with a renewed token");
    let anew = renewed.session(MAIL).await;
    assert!(renewed.is_held(MAIL, Some(&anew)).await);

    // Others have read nothing, and neither has the agent once its person has logged in again.
    for more in [
        json!({ "sub": "bob" }),
        json!({ "client_id": "other" }),
        json!({ "auth_time": 1_700_000_000 }),
        json!({ "sid": "their own" }),
    ] {
        let fresh = caller("third", more.clone());
        assert!(!fresh.is_held(MAIL, None).await, "{more}");
    }
    sound_records(&stage.gateway);
}

#[tokio::test]
async fn a_client_that_asks_for_a_new_run_gets_none_that_has_seen_nothing() {
    let server = json!({ "clients": [{ "id": "app", "redirect_uris": [REDIRECT] }] });
    let stage = Stage::with(|setup| labelled(watched(setup)).set("authorization_server", server));
    let mut stage = stage.await;
    serve(&stage.echo);
    let mut browser = Browser::default();
    browser.set_up(&stage.gateway).await;
    let tokens = browser.tokens(&stage.gateway).await;
    stage.token = tokens["access_token"].as_str().unwrap().to_owned();
    stage.call(&modern(0, "tools/list", json!({}))).await;
    assert_eq!(held(&stage, &call(1, "read", json!({}))).await, None);
    assert!(held(&stage, &send(2, EVIL)).await.is_some());

    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "app"),
        ("refresh_token", tokens["refresh_token"].as_str().unwrap()),
        ("cardea_run", "new"),
    ];
    let renewed = form("/token", &fields).send(stage.gateway.address()).await;
    assert_eq!(renewed.status, 200, "{}", renewed.text());
    stage.token = renewed.json()["access_token"].as_str().unwrap().to_owned();
    assert!(
        held(&stage, &send(3, EVIL)).await.is_some(),
        "a new run of the same login"
    );
    let runs: std::collections::BTreeSet<_> = stage
        .records()
        .iter()
        .filter(|record| record["method"] == "tools/call")
        .map(|record| record["run"].to_string())
        .collect();
    assert_eq!(runs.len(), 2, "{runs:?}");

    // Another authorization of the same login is no other; one of a new login is.
    let tokens = browser.tokens(&stage.gateway).await;
    stage.token = tokens["access_token"].as_str().unwrap().to_owned();
    assert!(held(&stage, &send(4, EVIL)).await.is_some());
    until("a login of another second", async || {
        let tokens = Browser::default().tokens(&stage.gateway).await;
        let token = tokens["access_token"].as_str().unwrap().to_owned();
        let answer = ask(&send(5, EVIL))
            .bearer(&token)
            .send(stage.gateway.address())
            .await;
        let request = answer.json()["result"]["_meta"][ACCESS]["request"].clone();
        request.is_null().then_some(())
    })
    .await;
}

#[tokio::test]
async fn a_trusted_host_says_which_task_is_which() {
    let (stage, idp) =
        two_servers(|setup| setup.set("tenants", json!({ TENANT: { "trusted_hosts": ["bot"] } })))
            .await;
    let caller = Caller {
        stage: &stage,
        token: token_of(&stage, &idp, "first", json!({})),
    };
    caller.lists(PATH).await;
    let call = async |run: Option<&str>, tool: &str| {
        let mut params = json!({ "name": tool, "arguments": { "to": EVIL, "body": "hi" } });
        if let Some(run) = run {
            params["_meta"]["dev.cardea/run"] = run.into();
        }
        let answer = caller
            .send(PATH, None, &legacy(1, "tools/call", params))
            .await;
        answer.json()["result"]["_meta"][ACCESS]["request"].is_string()
    };
    assert!(!call(Some("r1"), "read").await);
    assert!(call(Some("r1"), "send").await);
    assert!(!call(Some("r2"), "send").await, "another task");
    // What it names no task for is the agent's own run.
    assert!(!call(None, "send").await);
}
