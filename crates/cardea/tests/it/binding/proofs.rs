//! What a DPoP proof must be, claim by claim (RFC 9449, section 4.3).

use cardea_testkit::{
    dpop::Prover,
    identity_provider::{hmac_signed, unix_s, unsigned},
};

use super::*;

#[tokio::test]
async fn a_call_with_the_tokens_own_key_is_served_and_recorded_with_it() {
    let bound = Bound::start().await;
    let token = bound.bound_token();
    let proof = bound
        .prover
        .sign(&bound.prover.header(), &bound.claims(&token).await);
    let answer = bound.send(call_with(&token, &[&proof])).await;
    assert!(is_served(&answer), "{} {}", answer.status, answer.text());
    let recorded = records(&bound.gateway);
    let outcome = recorded.last().unwrap();
    assert_eq!(outcome["subject"], "ada");
    assert_eq!(
        outcome["binding"],
        json!({ "dpop": bound.prover.thumbprint() })
    );
    let seen = bound.echo.seen();
    for name in ["dpop", "authorization"] {
        assert_eq!(
            seen.last().unwrap().header(name),
            None,
            "{name} went upstream"
        );
    }
}

#[tokio::test]
async fn every_claim_of_a_proof_has_to_fit_the_request() {
    let bound = Bound::start().await;
    let token = bound.bound_token();
    let good = bound.claims(&token).await;
    let other_token = bound.claims(&bound.token(Value::Null)).await;
    let url = bound.url();
    let internal = url.replace("127.0.0.1", "localhost");
    let now = unix_s();
    let cases = [
        ("another token's `ath`", "ath", other_token["ath"].clone()),
        ("no `ath`", "ath", Value::Null),
        (
            "another upstream's `htu`",
            "htu",
            json!(bound.gateway.url("other")),
        ),
        ("an `htu` as seen from inside", "htu", json!(internal)),
        ("an `htu` with a query", "htu", json!(format!("{url}?a=b"))),
        ("an `htu` with a fragment", "htu", json!(format!("{url}#a"))),
        (
            "an `htu` of another scheme",
            "htu",
            json!(url.replace("http:", "https:")),
        ),
        ("an `htu` that is a path", "htu", json!(PATH)),
        ("another method", "htm", json!("GET")),
        ("a method in small letters", "htm", json!("post")),
        ("a stale `iat`", "iat", json!(now - 120)),
        ("a future `iat`", "iat", json!(now + 60)),
        ("no `iat`", "iat", Value::Null),
        ("an empty `jti`", "jti", json!("")),
        ("no `jti`", "jti", Value::Null),
    ];
    for (what, name, value) in cases {
        let mut claims = good.clone();
        claims[name] = value;
        let proof = bound.prover.sign(&bound.prover.header(), &claims);
        bound
            .refuses(what, call_with(&token, &[&proof]), PROOF)
            .await;
    }
    // The address may be spelt as RFC 3986 allows.
    let mut claims = good;
    claims["htu"] = url
        .replace("/mcp/echo", "/mcp/x/../%65cho")
        .replace("http", "HTTP")
        .into();
    let proof = bound.prover.sign(&bound.prover.header(), &claims);
    let answer = bound.send(call_with(&token, &[&proof])).await;
    assert!(is_served(&answer), "{}", answer.text());
}

#[tokio::test]
async fn a_proof_brings_a_public_key_and_is_signed_by_it() {
    let bound = Bound::start().await;
    let token = bound.bound_token();
    let good = bound.claims(&token).await;
    let (prover, thief) = (&bound.prover, Prover::new());
    let changed = |name: &str, value: Value| {
        let mut header = prover.header();
        header[name] = value;
        prover.sign(&header, &good)
    };
    let mut private = prover.jwk();
    private["d"] = private["x"].clone();
    let shared = json!({ "kty": "oct", "k": "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I" });
    let of_hs256 = json!({ "typ": "dpop+jwt", "alg": "HS256", "jwk": shared });
    let none = json!({ "typ": "dpop+jwt", "alg": "none", "jwk": prover.jwk() });
    for (what, proof) in [
        ("a private key in the header", changed("jwk", private)),
        ("no key", changed("jwk", Value::Null)),
        (
            "a key elsewhere",
            changed("jku", json!(bound.idp.jwks_url())).replace('.', ".."),
        ),
        ("another type", changed("typ", json!("at+jwt"))),
        ("no type", changed("typ", Value::Null)),
        ("a critical extension", changed("crit", json!(["exp"]))),
        (
            "an algorithm that is not allowed",
            changed("alg", json!("RS256")),
        ),
        (
            "a shared secret",
            hmac_signed(&of_hs256, &good, b"secret-secret-secret-secret-secr"),
        ),
        (
            "the public key as a shared secret",
            hmac_signed(&none, &good, b"x").replace("none", "HS256"),
        ),
        ("no signature", unsigned(&none, &good)),
        ("the token itself", token.clone()),
        (
            "another one's signature",
            thief.sign(&prover.header(), &good),
        ),
        ("nonsense", "nonsense".to_owned()),
        ("nothing", String::new()),
    ] {
        bound
            .refuses(what, call_with(&token, &[&proof]), PROOF)
            .await;
    }
    let proof = prover.sign(&prover.header(), &good);
    assert!(is_served(&bound.send(call_with(&token, &[&proof])).await));
}

#[tokio::test]
async fn a_request_has_one_proof_and_one_token() {
    let bound = Bound::start().await;
    let token = bound.bound_token();
    let nonce = bound.nonce().await;
    let proof = || {
        bound
            .prover
            .proof("POST", &bound.url(), &token, Some(&nonce))
    };
    let (one, two) = (proof(), proof());
    bound
        .refuses("two proofs", call_with(&token, &[&one, &two]), PROOF)
        .await;
    bound
        .refuses("one proof twice", call_with(&token, &[&one, &one]), PROOF)
        .await;
    let joined = format!("{one}, {two}");
    bound
        .refuses("two in a line", call_with(&token, &[&joined]), PROOF)
        .await;
    bound.refuses("none", call_with(&token, &[]), PROOF).await;
    let two_tokens = call_with(&token, &[&one]).add("authorization", format!("Bearer {token}"));
    let refused = ("Bearer ", "invalid_token", "E_TOKEN_INVALID");
    bound
        .refuses("two `Authorization` headers", two_tokens, refused)
        .await;
    // None of these used the proofs up.
    for proof in [&one, &two] {
        assert!(is_served(&bound.send(call_with(&token, &[proof])).await));
    }
}

#[tokio::test]
async fn a_stolen_token_is_worth_nothing_without_its_key() {
    let bound = Bound::start().await;
    let token = bound.bound_token();
    let nonce = bound.nonce().await;
    let thief = Prover::new();
    let with_own_key = thief.proof("POST", &bound.url(), &token, Some(&nonce));
    bound
        .refuses(
            "the thief's key",
            call_with(&token, &[&with_own_key]),
            BINDING,
        )
        .await;
    let record = bound
        .refuses("as a bearer token", call().bearer(&token), AS_BEARER)
        .await;
    assert_eq!(record["binding"], Value::Null);
    let with_proof = call().bearer(&token).add(
        "dpop",
        bound
            .prover
            .proof("POST", &bound.url(), &token, Some(&nonce)),
    );
    bound
        .refuses("as a bearer token with a proof", with_proof, AS_BEARER)
        .await;
    // A thief's own good token does not lend its key to another token.
    let thiefs = bound.token(json!({ "jkt": thief.thumbprint() }));
    let for_own = thief.proof("POST", &bound.url(), &thiefs, Some(&nonce));
    bound
        .refuses(
            "a proof for another token",
            call_with(&token, &[&for_own]),
            PROOF,
        )
        .await;
    assert!(is_served(
        &bound.send(call_with(&thiefs, &[&for_own])).await
    ));
}
