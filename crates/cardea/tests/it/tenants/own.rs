//! What a tenant has of its own: upstreams of another's id, issuers, policies.

use cardea_testkit::identity_provider::IdentityProvider;

use super::house::{ACME, GLOBEX};
use crate::{
    protocol::{code_of, text_of},
    support::*,
};

/// An upstream that says who it is.
async fn named(name: &'static str) -> Echo {
    let echo = Echo::start().await.unwrap();
    echo.on("tools/call", move |seen| {
        let result = json!({"content": [{"type": "text", "text": name}], "resultType": "complete"});
        Reply::result(seen, &result)
    });
    echo
}

/// Calls a tool of this upstream.
async fn call(gateway: &Gateway, token: &str, upstream: &str) -> Answer {
    let ask = Ask::modern(&format!("/mcp/{upstream}"), &tool_call(1, json!({})));
    ask.bearer(token).send(gateway.address()).await
}

fn claims(idp: &IdentityProvider, gateway: &Gateway, more: Value) -> Value {
    let audience = format!("http://{}/mcp", gateway.address());
    let mut claims = idp.claims(ACME, "ada", &audience);
    let map = claims.as_object_mut().unwrap();
    map.remove("tenant");
    map.extend(more.as_object().unwrap().clone());
    claims
}

#[tokio::test]
async fn one_id_is_another_server_for_another_tenant_and_none_for_a_third() {
    let (acme, globex) = (named("acme").await, named("globex").await);
    let own = |url: String| json!({"upstreams": {"tickets": {"http": {"url": url}}}});
    let gateway = setup()
        .set(
            "tenants",
            json!({ACME: own(acme.url()), GLOBEX: own(globex.url()), "initech": {}}),
        )
        .policy(PERMIT_ALL)
        .start()
        .await
        .unwrap();
    for tenant in [ACME, GLOBEX] {
        let token = token_of(&gateway, tenant, "ada", "bot").await;
        assert_eq!(text_of(&call(&gateway, &token, "tickets").await), tenant);
    }
    let token = token_of(&gateway, "initech", "ada", "bot").await;
    let foreign = call(&gateway, &token, "tickets").await;
    let nowhere = call(&gateway, &token, "nowhere").await;
    assert_eq!(code_of(&foreign), "E_POLICY_DENIED");
    let without_call = |answer: &Answer| answer.text().replace(&call_id(answer), "");
    assert_eq!(without_call(&foreign), without_call(&nowhere));
    assert_eq!((acme.seen().len(), globex.seen().len()), (1, 1));
}

#[tokio::test]
async fn a_tenants_own_issuer_speaks_for_it_alone_and_is_not_named_to_others() {
    let (own, shared) = (
        IdentityProvider::start().await.unwrap(),
        IdentityProvider::start().await.unwrap(),
    );
    let echo = named("echo").await;
    let gateway = setup()
        .set(
            "tenants",
            json!({ACME: {"issuers": [{"issuer": own.issuer()}]}, GLOBEX: {}}),
        )
        .set("issuers", json!([shared.entry()]))
        .upstream(
            UPSTREAM,
            json!({"tenants": [ACME, GLOBEX], "http": {"url": echo.url()}}),
        )
        .policy(r#"permit(principal in Cardea::Tenant::"globex", action, resource);"#)
        .start()
        .await
        .unwrap();
    // Whatever its tokens claim, the tenant is the one that the issuer stands below: which may nothing here.
    for claimed in [json!({}), json!({"tenant": GLOBEX})] {
        let token = own.token(&claims(&own, &gateway, claimed));
        assert_eq!(
            code_of(&call(&gateway, &token, UPSTREAM).await),
            "E_POLICY_DENIED"
        );
    }
    let token = shared.token(&claims(&shared, &gateway, json!({"tenant": GLOBEX})));
    assert_eq!(call(&gateway, &token, UPSTREAM).await.status, 200);

    let metadata = Ask::get("/.well-known/oauth-protected-resource");
    let metadata = metadata.send(gateway.address()).await.json();
    assert_eq!(metadata["authorization_servers"], json!([shared.issuer()]));
}

#[tokio::test]
async fn one_issuer_speaks_for_several_tenants_that_its_tokens_tell_apart() {
    let idp = IdentityProvider::start().await.unwrap();
    let echo = named("echo").await;
    let entry = |org: &str| json!({"issuer": idp.issuer(), "required_claims": {"/org": org}});
    let partner =
        json!({"issuer": idp.issuer(), "tenant_claim": "/org", "tenant_values": {"i": "initech"}});
    let gateway = setup()
        .set(
            "tenants",
            json!({ACME: {"issuers": [entry("a")]}, GLOBEX: {"issuers": [entry("g")]}, "initech": {}}),
        )
        .set("issuers", json!([partner]))
        .upstream(
            UPSTREAM,
            json!({"tenants": [ACME, GLOBEX, "initech"], "http": {"url": echo.url()}}),
        )
        .policy(PERMIT_ALL)
        .start()
        .await
        .unwrap();
    for (org, tenant) in [("a", ACME), ("g", GLOBEX), ("i", "initech")] {
        let token = idp.token(&claims(&idp, &gateway, json!({"org": org})));
        assert_eq!(call(&gateway, &token, UPSTREAM).await.status, 200, "{org}");
        let last = records_in(&gateway, Some(tenant)).pop().unwrap();
        assert_eq!(last["response"]["outcome"], "result", "{org}");
    }
    let before = records_in(&gateway, None).len();
    for (org, why) in [
        (json!("x"), "none of 3 entries"),
        (json!(["a", "i"]), "none of 3 entries"),
    ] {
        let token = idp.token(&claims(&idp, &gateway, json!({"org": org})));
        let answer = call(&gateway, &token, UPSTREAM).await;
        let told = (answer.status, code_of(&answer));
        if org == json!("x") {
            assert_eq!(told, (401, "E_TOKEN_INVALID".to_owned()), "{org}");
            let last = records_in(&gateway, None).pop().unwrap();
            let detail = last["denial"]["detail"].as_str().unwrap().to_owned();
            assert!(detail.contains(why), "{detail}");
        } else {
            // A list that holds one tenant of an entry that reads lists is that tenant.
            assert_eq!(told.0, 200, "{org}");
        }
    }
    assert_eq!(records_in(&gateway, None).len(), before + 1);
}

#[tokio::test]
async fn a_token_that_names_two_tenants_is_refused_like_any_other_that_is_no_good() {
    let idp = IdentityProvider::start().await.unwrap();
    let gateway = setup()
        .set("tenants", json!({ACME: {}, GLOBEX: {}}))
        .set(
            "issuers",
            json!([{"issuer": idp.issuer(), "tenant_claim": "/orgs"}]),
        )
        .policy(PERMIT_ALL)
        .start()
        .await
        .unwrap();
    let token = idp.token(&claims(&idp, &gateway, json!({"orgs": [ACME, GLOBEX]})));
    let answer = call(&gateway, &token, UPSTREAM).await;
    assert_eq!(
        (answer.status, code_of(&answer)),
        (401, "E_TOKEN_INVALID".to_owned())
    );
    for tenant in [ACME, GLOBEX] {
        assert!(!answer.text().contains(tenant), "{}", answer.text());
    }
    let last = records_in(&gateway, None).pop().unwrap();
    let detail = last["denial"]["detail"].as_str().unwrap();
    assert!(detail.contains("more than one tenant"), "{detail}");
}

/// The same person, agent and run, the same upstream id, the same session of the server.
#[tokio::test]
async fn a_session_and_a_position_of_another_tenant_are_worth_nothing() {
    let echo = Echo::start().await.unwrap();
    echo.on("GET", |_| {
        Reply::bytes(200, "text/event-stream", "id: e1\ndata: {\"jsonrpc\":\"2.0\",\"method\":\"notifications/tools/list_changed\"}\n\n")
    });
    let gateway = setup()
        .set("tenants", json!({ACME: {}, GLOBEX: {}}))
        .upstream(
            UPSTREAM,
            json!({"tenants": [ACME, GLOBEX], "http": {"url": echo.url()}}),
        )
        .policy(PERMIT_ALL)
        .start()
        .await
        .unwrap();
    let address = gateway.address();
    let acme = token_of(&gateway, ACME, "ada", "bot").await;
    let globex = token_of(&gateway, GLOBEX, "ada", "bot").await;
    let open = Ask::message(PATH, &initialize(1)).bearer(&globex);
    let session = open.send(address).await.header("mcp-session-id").unwrap();
    let list = |token: &str| {
        ask(&legacy(2, "tools/list", json!({})))
            .set("mcp-session-id", &session)
            .bearer(token)
    };
    assert_eq!(list(&globex).send(address).await.status, 200);
    let refused = list(&acme).send(address).await;
    assert_eq!(
        (refused.status, code_of(&refused).as_str()),
        (404, "E_SESSION_UNKNOWN")
    );
    let stream = |token: &str| {
        Ask::get(PATH)
            .set("accept", "text/event-stream")
            .set("mcp-protocol-version", LEGACY)
            .bearer(token)
    };
    let text = stream(&globex).send(address).await.text();
    let position = text
        .lines()
        .find_map(|line| line.strip_prefix("id: "))
        .unwrap();
    for (token, resumed) in [(&globex, Some("e1".to_owned())), (&acme, None)] {
        echo.forget();
        stream(token)
            .set("last-event-id", position)
            .send(address)
            .await;
        assert_eq!(echo.seen_of("GET")[0].header("last-event-id"), resumed);
    }
}
