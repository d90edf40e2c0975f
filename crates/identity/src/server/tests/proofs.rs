//! Tokens that are bound to a client's key when they are issued (RFC 9449 sections 5, 8 and 10).

use std::{cell::Cell, time::Duration};

use ::http::{HeaderValue, Response, StatusCode};
use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use serde_json::{Value, json};

use super::{
    House, Jar, clients,
    house::{ORIGIN, REDIRECT, VERIFIER, claims, form, location, param, request},
};
use crate::{Algorithm, Dpop, DpopSettings};

#[tokio::test]
async fn tokens_are_bound_to_the_key_of_the_proof_and_so_is_all_that_comes_of_them() {
    let house = House::open().await;
    let (own, other) = (Key::new(), Key::new());
    let code = code(&house, &[]).await;
    let (status, tokens) = redeem(&house, &code, &[&own.proof(&house)]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_eq!(tokens["token_type"], "DPoP");
    let bound_to = json!({"jkt": own.thumbprint()});
    assert_eq!(claims(&tokens["access_token"])["cnf"], bound_to);

    let refresh = tokens["refresh_token"].clone();
    for proofs in [vec![], vec![other.proof(&house)]] {
        let (status, refusal) = renew(&house, &refresh, &as_texts(&proofs)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{proofs:?}");
        assert_eq!(refusal["error"], "invalid_grant", "{refusal}");
    }
    // Nobody else's attempt used it up.
    let (status, next) = renew(&house, &refresh, &[&own.proof(&house)]).await;
    assert_eq!(status, StatusCode::OK, "{next}");
    assert_eq!(next["token_type"], "DPoP");
    assert_eq!(claims(&next["access_token"])["cnf"], bound_to);
    let (status, _) = renew(&house, &next["refresh_token"], &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "the next one is bound too");
}

#[tokio::test]
async fn a_token_that_was_plain_may_become_bound_but_not_its_refresh_token_somebody_elses() {
    let house = House::open().await;
    let tokens = house.tokens().await;
    let key = Key::new();
    let (status, next) = renew(&house, &tokens["refresh_token"], &[&key.proof(&house)]).await;
    assert_eq!(status, StatusCode::OK, "{next}");
    let cnf = &claims(&next["access_token"])["cnf"];
    assert_eq!(*cnf, json!({"jkt": key.thumbprint()}));
}

/// It shows who it is at each refresh, so that its refresh tokens are of no use to others anyway.
#[tokio::test]
async fn a_confidential_client_may_exchange_its_key_but_not_do_without() {
    let house = House::with(|settings| {
        let robot = settings.clients[2].clone();
        settings.clients.push(crate::server::ConfiguredClient {
            id: cardea_domain::ActorId::parse("vault").unwrap(),
            redirect_uris: vec![REDIRECT.into()],
            unattended: None,
            ..robot
        });
    })
    .await;
    house.add_ada().await;
    let [first, second] = [Key::new(), Key::new()];
    let code = house
        .code(&mut Jar::default(), &request("vault", &[]))
        .await;
    let named = [("iss", json!("vault")), ("sub", json!("vault"))];
    let send = async |fields: &[(&str, &str)], proofs: &[&str]| {
        let assertion = clients::assertion(&house, &named);
        let mut all = vec![
            ("client_assertion_type", clients::TYPE),
            ("client_assertion", assertion.as_str()),
        ];
        all.extend(fields.iter().filter(|(name, _)| *name != "client_id"));
        let reply = ask(&house, &all, proofs).await;
        (reply.status(), document(&reply))
    };
    let (status, tokens) = send(&code_fields(&code), &[&first.proof(&house)]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    let refresh = tokens["refresh_token"].clone();
    let (status, refusal) = send(&refresh_fields(&refresh), &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{refusal}");
    let (status, next) = send(&refresh_fields(&refresh), &[&second.proof(&house)]).await;
    assert_eq!(status, StatusCode::OK, "{next}");
    let cnf = &claims(&next["access_token"])["cnf"];
    assert_eq!(*cnf, json!({"jkt": second.thumbprint()}));
}

#[tokio::test]
async fn a_code_that_was_asked_for_with_a_key_is_for_that_key() {
    let house = House::open().await;
    let (own, other) = (Key::new(), Key::new());
    let jkt = own.thumbprint();
    for proofs in [vec![], vec![other.proof(&house)]] {
        let code = code(&house, &[("dpop_jkt", &jkt)]).await;
        let (status, refusal) = redeem(&house, &code, &as_texts(&proofs)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{proofs:?}");
        assert_eq!(refusal["error"], "invalid_grant", "{refusal}");
    }
    let code = code(&house, &[("dpop_jkt", &jkt)]).await;
    let (status, tokens) = redeem(&house, &code, &[&own.proof(&house)]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    for wrong in ["x", &jkt[1..], &format!("{jkt}="), &jkt.replace('a', "+")] {
        if wrong == jkt {
            continue;
        }
        let reply = Jar::default()
            .get(&house, &request("app", &[("dpop_jkt", wrong)]))
            .await;
        let error = param(&location(&reply), "error");
        assert_eq!(error.as_deref(), Some("invalid_request"), "{wrong}");
    }
}

#[tokio::test]
async fn a_client_is_given_a_nonce_and_its_code_stays_good_meanwhile() {
    let house = House::open_with_proofs(|proofs| proofs.require_nonce = true).await;
    let key = Key::new();
    let code = code(&house, &[]).await;
    let fields = code_fields(&code);
    let first = ask(&house, &fields, &[&key.proof(&house)]).await;
    assert_eq!(first.status(), StatusCode::BAD_REQUEST);
    assert_eq!(document(&first)["error"], "use_dpop_nonce");
    assert_eq!(
        first.headers()["access-control-expose-headers"],
        "DPoP-Nonce"
    );
    let nonce = first.headers()["dpop-nonce"].to_str().unwrap().to_owned();
    assert_eq!(
        house.events("token_refused"),
        0,
        "a challenge is no refusal"
    );

    for (what, nonce) in [
        ("made up", "AAAA".to_owned()),
        (
            "changed",
            nonce.replace(|c: char| c.is_ascii_lowercase(), "a"),
        ),
        ("of a protected resource", resource_nonce(&house)),
    ] {
        let proof = key.proof_with(&house, &[("nonce", json!(nonce))]);
        let again = ask(&house, &fields, &[&proof]).await;
        assert_eq!(document(&again)["error"], "use_dpop_nonce", "{what}");
        assert!(again.headers().contains_key("dpop-nonce"), "{what}");
    }
    let proof = key.proof_with(&house, &[("nonce", json!(nonce))]);
    let good = ask(&house, &fields, &[&proof]).await;
    assert_eq!(good.status(), StatusCode::OK, "{good:?}");

    house.clock.advance(Duration::from_secs(301));
    let refresh = document(&good)["refresh_token"].clone();
    let fields = refresh_fields(&refresh);
    let stale = key.proof_with(&house, &[("nonce", json!(nonce))]);
    let stale = ask(&house, &fields, &[&stale]).await;
    assert_eq!(
        document(&stale)["error"],
        "use_dpop_nonce",
        "after five minutes"
    );
    let fresh = stale.headers()["dpop-nonce"].to_str().unwrap();
    let proof = key.proof_with(&house, &[("nonce", json!(fresh))]);
    assert_eq!(
        ask(&house, &fields, &[&proof]).await.status(),
        StatusCode::OK
    );
}

#[tokio::test]
async fn what_is_no_proof_for_this_request_is_refused_and_uses_nothing_up() {
    let house = House::open().await;
    let key = Key::new();
    let code = code(&house, &[]).await;
    let now_s = house.clock.unix_s();
    let used = key.proof_with(&house, &[("jti", json!("once"))]);
    assert_eq!(
        redeem(&house, "no-such-code", &[&used]).await.1["error"],
        "invalid_grant"
    );
    let with = |name: &str, value: Value| key.proof_with(&house, &[(name, value)]);
    let with_header = |name: &str, value: Value| {
        let mut header = key.header();
        header[name] = value;
        key.sign(&header, &key.claims(&house))
    };
    let mut private = key.jwk();
    private["d"] = json!("AAAA");
    let (whole, again) = (key.proof(&house), key.proof(&house));
    let cut = whole[..whole.len() - 4].to_owned();
    for (what, proofs) in [
        (
            "for another endpoint",
            vec![with("htu", json!(format!("{ORIGIN}/mcp")))],
        ),
        (
            "for another host",
            vec![with("htu", json!("https://evil.example/token"))],
        ),
        ("for a GET", vec![with("htm", json!("GET"))]),
        ("old", vec![with("iat", json!(now_s - 61))]),
        ("of tomorrow", vec![with("iat", json!(now_s + 60))]),
        ("without an id", vec![with("jti", Value::Null)]),
        ("used before", vec![used.clone()]),
        ("of another type", vec![with_header("typ", json!("JWT"))]),
        ("unsigned", vec![with_header("alg", json!("none"))]),
        (
            "by an algorithm that is off",
            vec![with_header("alg", json!("ES384"))],
        ),
        ("with a private key", vec![with_header("jwk", private)]),
        ("by another key", vec![with_header("jwk", Key::new().jwk())]),
        ("cut off", vec![cut]),
        ("two", vec![whole, again]),
        ("none at all", vec!["x".to_owned()]),
    ] {
        let (status, refusal) = redeem(&house, &code, &as_texts(&proofs)).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{what}: {refusal}");
        assert_eq!(refusal["error"], "invalid_dpop_proof", "{what}: {refusal}");
    }
    let (status, tokens) = redeem(&house, &code, &[&key.proof(&house)]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
}

/// A client's key.
struct Key {
    pair: EcdsaKeyPair,
    made: Cell<u32>,
}

impl Key {
    fn new() -> Self {
        Self {
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            made: Cell::new(0),
        }
    }

    fn jwk(&self) -> Value {
        let point = self.pair.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])})
    }

    /// RFC 7638.
    fn thumbprint(&self) -> String {
        let jwk = self.jwk();
        let canonical = format!(
            r#"{{"crv":"P-256","kty":"EC","x":{},"y":{}}}"#,
            jwk["x"], jwk["y"]
        );
        encode(digest(&SHA256, canonical.as_bytes()))
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()})
    }

    fn claims(&self, house: &House) -> Value {
        self.made.set(self.made.get() + 1);
        json!({
            "jti": format!("{}-{}", self.thumbprint(), self.made.get()),
            "htm": "POST", "htu": format!("{ORIGIN}/token"), "iat": house.clock.unix_s(),
        })
    }

    fn proof(&self, house: &House) -> String {
        self.proof_with(house, &[])
    }

    fn proof_with(&self, house: &House, changes: &[(&str, Value)]) -> String {
        let mut claims = self.claims(house);
        for (name, value) in changes {
            claims[*name] = value.clone();
        }
        self.sign(&self.header(), &claims)
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = format!(
            "{}.{}",
            encode(header.to_string()),
            encode(claims.to_string())
        );
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        format!("{signed}.{}", encode(signature.unwrap()))
    }
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

fn as_texts(proofs: &[String]) -> Vec<&str> {
    proofs.iter().map(String::as_str).collect()
}

/// A nonce that the same secret made for requests with tokens.
fn resource_nonce(house: &House) -> String {
    let settings = DpopSettings {
        require_nonce: true,
        iat_window: Duration::from_secs(60),
        algorithms: vec![Algorithm::ES256],
    };
    Dpop::new(settings, &[7; 32], "resource", house.clock.clone()).nonce()
}

async fn code(house: &House, changes: &[(&str, &str)]) -> String {
    house
        .code(&mut Jar::default(), &request("app", changes))
        .await
}

fn code_fields(code: &str) -> [(&str, &str); 5] {
    [
        ("grant_type", "authorization_code"),
        ("client_id", "app"),
        ("code", code),
        ("redirect_uri", REDIRECT),
        ("code_verifier", VERIFIER),
    ]
}

fn refresh_fields(token: &Value) -> [(&str, &str); 3] {
    [
        ("grant_type", "refresh_token"),
        ("client_id", "app"),
        ("refresh_token", token.as_str().unwrap()),
    ]
}

async fn redeem(house: &House, code: &str, proofs: &[&str]) -> (StatusCode, Value) {
    let reply = ask(house, &code_fields(code), proofs).await;
    (reply.status(), document(&reply))
}

async fn renew(house: &House, token: &Value, proofs: &[&str]) -> (StatusCode, Value) {
    let reply = ask(house, &refresh_fields(token), proofs).await;
    (reply.status(), document(&reply))
}

async fn ask(house: &House, fields: &[(&str, &str)], proofs: &[&str]) -> Response<Bytes> {
    let mut request = form("/token", fields, None);
    for proof in proofs {
        let proof = HeaderValue::from_str(proof).unwrap();
        request.headers_mut().append("dpop", proof);
    }
    house.send(request).await
}

fn document(reply: &Response<Bytes>) -> Value {
    serde_json::from_slice(reply.body()).unwrap()
}
