//! Clients that show who they are: by keys that they publish and exchange, by TLS certificates.

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cardea_testkit::{
    certificates::{Authority, Leaf, Wanted},
    document_host::{DocumentHost, Page},
    identity_provider::{Key, unix_s},
    tls_client::TlsClient,
};

use super::*;

const ASSERTION: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An assertion of this client, by this key, for the first time.
fn assertion(gateway: &Gateway, client: &str, key: &Key, serial: usize) -> String {
    let origin = format!("http://{}", gateway.address());
    let now = unix_s();
    let claims = json!({
        "iss": client, "sub": client, "aud": origin, "iat": now, "exp": now + 60,
        "jti": format!("{}-{serial}", key.kid()),
    });
    key.sign(&json!({"alg": "ES256", "kid": key.kid()}), &claims)
}

/// A request for a token of `client_credentials`.
fn unattended(client: &str, assertion: Option<&str>) -> Ask {
    let mut fields = vec![("grant_type", "client_credentials"), ("client_id", client)];
    if let Some(assertion) = assertion {
        fields.push(("client_assertion_type", ASSERTION));
        fields.push(("client_assertion", assertion));
    }
    form("/token", &fields)
}

fn keys(keys: &[&Key]) -> Page {
    let keys: Vec<Value> = keys.iter().map(|key| key.jwk()).collect();
    Page::Document(json!({ "keys": keys }).to_string(), None)
}

fn refuses(answer: &Answer, what: &str) {
    assert_eq!(answer.status, 401, "{what}: {}", answer.text());
    assert_eq!(answer.json()["error"], "invalid_client", "{what}");
}

async fn methods(gateway: &Gateway) -> Value {
    let path = "/.well-known/oauth-authorization-server";
    let metadata = Ask::get(path).send(gateway.address()).await.json();
    metadata["token_endpoint_auth_methods_supported"].clone()
}

#[tokio::test]
async fn published_keys_are_followed_when_they_are_exchanged_and_made_up_ones_cost_one_fetch() {
    let authority = Authority::new("documents");
    let host = DocumentHost::start(&authority).await.unwrap();
    let server = json!({
        "client_documents": false,
        "private_document_hosts": {"localhost": {"ca_file": "documents.pem"}},
        "clients": [{"id": "robot", "jwks_url": host.url("/keys"), "tenants": [TENANT], "subject": "ada"}],
    });
    let trusting = |setup: Setup| setup.file("documents.pem", authority.pem());
    let (_echo, gateway) = stage_with(server, trusting).await;
    let ask = async |key: &Key, serial| {
        let assertion = assertion(&gateway, "robot", key, serial);
        unattended("robot", Some(&assertion))
            .send(gateway.address())
            .await
    };
    let [first, second, stranger] = ["first", "second", "stranger"].map(Key::es256);
    host.put("/keys", keys(&[&first]));
    for serial in 0..5 {
        let answer = ask(&first, serial).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(host.fetches("/keys"), 1);

    host.put("/keys", keys(&[&second]));
    assert_eq!(ask(&second, 0).await.status, 200, "a new key is followed");
    refuses(&ask(&first, 9).await, "a key that was taken back");
    assert_eq!(host.fetches("/keys"), 3);
    for serial in 0..50 {
        refuses(&ask(&stranger, serial).await, "a made-up key");
    }
    assert_eq!(
        host.fetches("/keys"),
        3,
        "they were asked for again and again"
    );
    refuses(
        &ask(&stranger.named("second"), 99).await,
        "another key under a known name",
    );
    assert_eq!(ask(&second, 1).await.status, 200);
}

#[tokio::test]
async fn a_document_may_say_where_its_keys_are_and_they_are_fetched_as_carefully() {
    let authority = Authority::new("documents");
    let host = DocumentHost::start(&authority).await.unwrap();
    let server = json!({"private_document_hosts": {"localhost": {"ca_file": "documents.pem"}}});
    let trusting = |setup: Setup| setup.file("documents.pem", authority.pem());
    let (_echo, gateway) = stage_with(server, trusting).await;
    let mut browser = Browser::default();
    browser.set_up(&gateway).await;
    let key = Key::es256("own");
    host.put("/keys", keys(&[&key]));
    host.put("/moved", Page::Status(302, Some(host.url("/keys"))));
    let padded = json!({"keys": [key.jwk()], "padding": "x".repeat(70_000)}).to_string();
    host.put("/large", Page::Document(padded, None));
    host.put("/text", Page::Document("hello".into(), None));
    for (serial, (at, is_good)) in [
        ("/keys", true),
        ("/moved", false),
        ("/large", false),
        ("/text", false),
        ("/gone", false),
    ]
    .into_iter()
    .enumerate()
    {
        let path = format!("/client-{serial}.json");
        let id = host.url(&path);
        let document = json!({
            "client_id": id, "redirect_uris": [REDIRECT], "jwks_uri": host.url(at),
            "token_endpoint_auth_method": "private_key_jwt",
        });
        host.put(&path, Page::Document(document.to_string(), None));
        let code = browser.code(&gateway, &id).await;
        refuses(
            &redeem(&code, &id, &[]).send(gateway.address()).await,
            "without an assertion",
        );
        let assertion = assertion(&gateway, &id, &key, serial);
        let shown = [
            ("client_assertion_type", ASSERTION),
            ("client_assertion", assertion.as_str()),
        ];
        let answer = redeem(&code, &id, &shown).send(gateway.address()).await;
        match is_good {
            true => assert_eq!(answer.status, 200, "{at}: {}", answer.text()),
            false => refuses(&answer, at),
        }
        assert_eq!(
            host.fetches(at),
            if at == "/keys" {
                1
            } else {
                host.fetches(at).min(1)
            }
        );
    }
    assert_eq!(host.fetches("/keys"), 1, "nobody followed the redirect");
}

/// Who shows the certificate by which a client is known, and how it arrives.
struct Shown {
    certificate: Option<Leaf>,
    what: &'static str,
    is_good: bool,
}

fn shown(what: &'static str, certificate: Option<Leaf>, is_good: bool) -> Shown {
    Shown {
        certificate,
        what,
        is_good,
    }
}

const NAME: &str = "spiffe://example.org/robot";

fn robot(certificate: &Value) -> Value {
    json!({"clients": [{
        "id": "robot", "tenants": [TENANT], "subject": "ada", "certificate": certificate,
    }]})
}

/// Certificates, right ones and wrong ones, for a client whose authority is `own`.
fn certificates(own: &Authority, other: &Authority) -> Vec<Shown> {
    let named = |authority: &Authority, uri: &str| {
        authority.client(Wanted {
            uris: &[uri],
            ..Wanted::default()
        })
    };
    let expired = own.client(Wanted {
        uris: &[NAME],
        is_expired: true,
        ..Wanted::default()
    });
    vec![
        shown("its own", Some(named(own, NAME)), true),
        shown("another of its own", Some(named(own, NAME)), true),
        shown(
            "another name",
            Some(named(own, "spiffe://example.org/robot2")),
            false,
        ),
        shown("no name", Some(own.client(Wanted::default())), false),
        shown(
            "its name by another authority",
            Some(named(other, NAME)),
            false,
        ),
        shown("an expired one", Some(expired), false),
        shown("none", None, false),
    ]
}

#[tokio::test]
async fn a_client_shows_who_it_is_by_a_certificate_of_its_authority_in_the_handshake() {
    let [server, own, other] = ["server", "own", "other"].map(Authority::new);
    let leaf = server.server();
    let certificate = json!({"ca_file": "own.pem", "uri": NAME});
    // The listener trusts both authorities, the client's entry one of them.
    let both = format!("{}{}", own.pem(), other.pem());
    let with_tls = |setup: Setup| {
        setup
            .set(
                "tls",
                json!({
                    "certificate": "server.pem", "key": "server.key",
                    "client_certificates": {"spiffe": {"example.org": "both.pem"}, "ca_file": "both.pem"},
                }),
            )
            .file("server.pem", &leaf.certificate)
            .file("server.key", &leaf.key)
            .file("own.pem", own.pem())
            .file("both.pem", &both)
    };
    let (_echo, gateway) = stage_with(robot(&certificate), with_tls).await;
    for Shown {
        certificate,
        what,
        is_good,
    } in certificates(&own, &other)
    {
        let client = TlsClient::new(&server, certificate.as_ref());
        let sent = client
            .send(gateway.address(), unattended("robot", None))
            .await;
        let Ok(answer) = sent else {
            assert!(!is_good, "{what}: {sent:?}");
            continue;
        };
        match is_good {
            true => {
                assert_eq!(answer.status, 200, "{what}: {}", answer.text());
                let bound_to = certificate.unwrap().thumbprint();
                assert_eq!(
                    keys::claims(&answer.json())["cnf"],
                    json!({"x5t#S256": bound_to})
                );
            }
            false => refuses(&answer, what),
        }
    }
    let client = TlsClient::new(&server, None);
    let path = "/.well-known/oauth-authorization-server";
    let metadata = client
        .send(gateway.address(), Ask::get(path))
        .await
        .unwrap()
        .json();
    let methods = json!(["none", "private_key_jwt", "tls_client_auth"]);
    assert_eq!(metadata["token_endpoint_auth_methods_supported"], methods);
}

#[tokio::test]
async fn a_proxy_may_let_any_certificate_in_and_only_the_clients_own_count() {
    let [own, other] = ["own", "other"].map(Authority::new);
    let certificate = json!({"ca_file": "own.pem", "uri": NAME});
    let proxied = |setup: Setup| {
        setup
            .set("trusted_proxies", json!(["127.0.0.1"]))
            .file("own.pem", own.pem())
    };
    let (_echo, gateway) = stage_with(robot(&certificate), proxied).await;
    for Shown {
        certificate,
        what,
        is_good,
    } in certificates(&own, &other)
    {
        let ask = unattended("robot", None);
        let ask = match &certificate {
            Some(leaf) => ask.set("client-cert", leaf.field()),
            None => ask,
        };
        let answer = ask.send(gateway.address()).await;
        match is_good {
            true => assert_eq!(answer.status, 200, "{what}: {}", answer.text()),
            false => refuses(&answer, what),
        }
    }
    // One way to show who it is for each request (RFC 6749, section 2.3).
    let good = certificates(&own, &other).remove(0).certificate.unwrap();
    let two = unattended("robot", Some("e30.e30.AAAA")).set("client-cert", good.field());
    refuses(&two.send(gateway.address()).await, "an assertion too");
}

#[tokio::test]
async fn a_self_signed_certificate_counts_when_it_is_in_the_clients_keys() {
    let [mine, others] = ["mine", "others"].map(Authority::new);
    let (known, unknown) = (
        mine.client(Wanted::default()),
        others.client(Wanted::default()),
    );
    let expired = mine.client(Wanted {
        is_expired: true,
        ..Wanted::default()
    });
    let member = |leaf: &Leaf| json!({"kty": "EC", "x5c": [STANDARD.encode(&leaf.der)]});
    let jwks = json!({"keys": [member(&known), member(&expired)]}).to_string();
    let server = json!({"clients": [{
        "id": "robot", "tenants": [TENANT], "subject": "ada",
        "jwks_file": "robot.json", "self_signed_certificate": true,
    }]});
    let proxied = |setup: Setup| {
        setup
            .set("trusted_proxies", json!(["127.0.0.1"]))
            .file("robot.json", &jwks)
    };
    let (_echo, gateway) = stage_with(server, proxied).await;
    let ask = async |leaf: Option<&Leaf>| {
        let ask = unattended("robot", None);
        let ask = match leaf {
            Some(leaf) => ask.set("client-cert", leaf.field()),
            None => ask,
        };
        ask.send(gateway.address()).await
    };
    let answer = ask(Some(&known)).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    refuses(&ask(Some(&unknown)).await, "another one");
    refuses(&ask(Some(&expired)).await, "an expired one");
    refuses(&ask(None).await, "none");
    let expected = json!([
        "none",
        "private_key_jwt",
        "tls_client_auth",
        "self_signed_tls_client_auth"
    ]);
    assert_eq!(methods(&gateway).await, expected);
}

#[tokio::test]
async fn what_cannot_arrive_is_not_announced() {
    let (_echo, gateway) = stage().await;
    assert_eq!(methods(&gateway).await, json!(["none", "private_key_jwt"]));
    let path = "/.well-known/oauth-authorization-server";
    let metadata = Ask::get(path).send(gateway.address()).await.json();
    assert_eq!(
        metadata["tls_client_certificate_bound_access_tokens"],
        false
    );
}
