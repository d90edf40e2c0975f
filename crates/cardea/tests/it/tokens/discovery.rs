//! Where keys are found, and where they are not.

use cardea_testkit::identity_provider::IdentityProvider;

use crate::support::*;

/// A gateway that trusts this provider alone, and what a token of it becomes there.
struct Finder {
    stage: Stage,
    idp: IdentityProvider,
}

impl Finder {
    async fn of(idp: IdentityProvider, entry: Value) -> Self {
        let entries = json!([{ "embedded": true }, entry]);
        let stage = Stage::with(|setup| setup.policy(PERMIT_ALL).set("issuers", entries)).await;
        Self { stage, idp }
    }

    async fn call(&self) -> Answer {
        let audience = self.stage.gateway.url(UPSTREAM);
        let token = self.idp.token(&self.idp.claims(TENANT, "ada", &audience));
        let ask = ask(&tool_call(1, json!({}))).bearer(&token);
        ask.send(self.stage.gateway.address()).await
    }

    async fn accepts(&self, what: &str) {
        let answer = self.call().await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
    }

    async fn finds_no_keys(&self, what: &str) {
        let answer = self.call().await;
        assert_eq!(answer.status, 503, "{what}: {}", answer.text());
        let record = self.stage.record("denial", &call_id(&answer)).await;
        assert_eq!(record["denial"]["code"], "E_ISSUER_UNREACHABLE", "{what}");
        let detail = record["denial"]["detail"].as_str().unwrap_or_default();
        assert!(detail.ends_with("cannot be had"), "{what}: {detail}");
    }
}

/// RFC 8414, section 3.1; OpenID Connect Discovery 1.0, section 4.
#[tokio::test]
async fn metadata_is_found_at_each_of_the_places_where_it_may_be() {
    for (path, metadata) in [
        ("", "/.well-known/oauth-authorization-server"),
        ("", "/.well-known/openid-configuration"),
        ("/a/b", "/.well-known/oauth-authorization-server/a/b"),
        ("/a/b", "/.well-known/openid-configuration/a/b"),
        ("/a/b", "/a/b/.well-known/openid-configuration"),
        ("/a/b/", "/a/b/.well-known/openid-configuration"),
    ] {
        let idp = IdentityProvider::start_at(path, &[metadata]).await.unwrap();
        let entry = idp.entry();
        Finder::of(idp, entry).await.accepts(metadata).await;
    }
}

#[tokio::test]
async fn keys_and_metadata_may_be_named_by_the_configuration() {
    let idp = IdentityProvider::start_at("/x", &[]).await.unwrap();
    let mut entry = idp.entry();
    entry["jwks_url"] = idp.jwks_url().into();
    let finder = Finder::of(idp, entry).await;
    finder.accepts("jwks_url").await;
    assert_eq!(finder.idp.requests(), ["/jwks"]);

    let idp = IdentityProvider::start_at("/x", &["/elsewhere"])
        .await
        .unwrap();
    let mut entry = idp.entry();
    entry["discovery_url"] = idp.jwks_url().replace("/jwks", "/elsewhere").into();
    let finder = Finder::of(idp, entry).await;
    finder.accepts("discovery_url").await;
    assert_eq!(finder.idp.requests(), ["/elsewhere", "/jwks"]);
}

/// RFC 8414, section 3.3.
#[tokio::test]
async fn metadata_of_another_issuer_is_not_used() {
    let idp = IdentityProvider::start().await.unwrap();
    for other in [
        format!("{}/", idp.issuer()),
        "https://elsewhere.example".to_owned(),
        String::new(),
    ] {
        let idp = IdentityProvider::start().await.unwrap();
        idp.claim_to_be(&other);
        let entry = idp.entry();
        let finder = Finder::of(idp, entry).await;
        finder.finds_no_keys(&other).await;
        assert_eq!(finder.idp.key_fetches(), 0, "{other}");
    }
}

#[tokio::test]
async fn keys_that_could_be_exchanged_on_the_way_are_not_fetched() {
    for url in ["http://192.0.2.1/jwks", "file:///etc/passwd", "/jwks"] {
        let idp = IdentityProvider::start().await.unwrap();
        idp.say_keys_are_at(url);
        let entry = idp.entry();
        let finder = Finder::of(idp, entry).await;
        finder.finds_no_keys(url).await;
        let told = format!("its `jwks_uri` is `{url}`, which is not `https`");
        let log = finder.stage.gateway.log();
        assert!(log.contains(&told), "{url}: {log}");
    }
}

#[tokio::test]
async fn keys_that_have_moved_are_not_followed() {
    let attacker = IdentityProvider::start().await.unwrap();
    let idp = IdentityProvider::start().await.unwrap();
    idp.move_keys_to(&attacker.jwks_url());
    let entry = idp.entry();
    let finder = Finder::of(idp, entry).await;
    finder.finds_no_keys("a redirect").await;
    assert_eq!(attacker.requests(), Vec::<String>::new());
}

#[tokio::test]
async fn a_key_set_without_end_is_not_read_to_its_end() {
    let idp = IdentityProvider::start().await.unwrap();
    let padding = json!({ "kty": "EC", "kid": "a".repeat(300 * 1024) });
    idp.publish_documents(vec![idp.key().jwk(), padding]);
    let entry = idp.entry();
    Finder::of(idp, entry).await.finds_no_keys("300 KiB").await;
}
