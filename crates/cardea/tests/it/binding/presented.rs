//! How a bound token is presented, and what a client is told.

use cardea_testkit::{
    dpop::Prover,
    hostile::{Hostile, Script},
};

use super::*;

#[tokio::test]
async fn a_token_without_a_key_is_a_bearer_token_and_no_other() {
    let bound = Bound::start().await;
    let token = bound.token(Value::Null);
    assert!(is_served(&bound.send(call().bearer(&token)).await));
    let nonce = bound.nonce().await;
    let proof = bound
        .prover
        .proof("POST", &bound.url(), &token, Some(&nonce));
    bound
        .refuses("with a proof", call_with(&token, &[&proof]), BINDING)
        .await;
    bound
        .refuses("without a proof", call_with(&token, &[]), BINDING)
        .await;
}

#[tokio::test]
async fn a_claim_that_names_a_key_in_an_unknown_way_makes_a_token_useless() {
    let bound = Bound::start().await;
    let refused = ("Bearer ", "invalid_token", "E_TOKEN_INVALID");
    let jkt = bound.prover.thumbprint();
    for cnf in [
        json!({}),
        json!([]),
        json!("x"),
        json!({ "jwk": bound.prover.jwk() }),
        json!({ "kid": "first" }),
        json!({ "jkt": jkt, "kid": "first" }),
        json!({ "jkt": "short" }),
        json!({ "jkt": null }),
    ] {
        let token = bound.token(cnf.clone());
        bound
            .refuses(&cnf.to_string(), call().bearer(&token), refused)
            .await;
    }
}

#[tokio::test]
async fn challenges_offer_both_ways_and_lead_to_metadata_that_says_so() {
    let bound = Bound::start().await;
    let answer = bound.send(call()).await;
    let offered = challenges(&answer);
    let metadata = format!(
        "resource_metadata=\"http://{}/.well-known/oauth-protected-resource{PATH}\"",
        bound.gateway.address()
    );
    assert_eq!(
        offered,
        [
            format!("Bearer {metadata}"),
            format!("DPoP algs=\"ES256 ES384 EdDSA PS256\", {metadata}"),
        ]
    );
    let document = Ask::get("/.well-known/oauth-protected-resource/mcp/echo");
    let document = bound.send(document).await.json();
    let algorithms = json!(["ES256", "ES384", "EdDSA", "PS256"]);
    assert_eq!(document["dpop_signing_alg_values_supported"], algorithms);
    assert_eq!(document["dpop_bound_access_tokens_required"], false);
    assert_eq!(
        document["tls_client_certificate_bound_access_tokens"],
        false
    );
}

#[tokio::test]
async fn where_nonces_are_required_the_gateway_gives_one_and_takes_no_other() {
    let required = json!({ "require_nonce": true });
    let bound = Bound::with(|setup| setup.set("dpop", required)).await;
    let token = bound.bound_token();
    let proof = |nonce: Option<&str>| bound.prover.proof("POST", &bound.url(), &token, nonce);
    bound
        .refuses("no nonce", call_with(&token, &[&proof(None)]), NONCE)
        .await;
    for wrong in ["", "guess", "AAAAAGsCzYCLyKyLF8Z3xk9nqzM2rmBSi8isixfGd8Y"] {
        bound
            .refuses(wrong, call_with(&token, &[&proof(Some(wrong))]), NONCE)
            .await;
    }
    let nonce = bound.nonce().await;
    for _ in 0..3 {
        // One nonce serves many proofs, and while it is fresh no other is offered.
        let answer = bound.send(call_with(&token, &[&proof(Some(&nonce))])).await;
        assert!(is_served(&answer), "{}", answer.text());
        assert_eq!(answer.header("dpop-nonce"), None);
    }
}

/// The session of a bound principal is sealed to the key.
#[tokio::test]
async fn a_session_is_worth_nothing_to_the_same_person_with_another_key() {
    let upstream = Hostile::start(|received| {
        let headers = "Content-Type: application/json\r\nMcp-Session-Id: theirs\r\n";
        let result = json!({
            "jsonrpc": "2.0",
            "id": received.json()["id"],
            "result": { "protocolVersion": LEGACY, "capabilities": {}, "serverInfo": { "name": "s", "version": "1" }, "content": [] },
        });
        Script::response("200 OK", headers, result.to_string())
    })
    .await
    .unwrap();
    let bound = Bound::with(|setup| setup.http_upstream(UPSTREAM, &upstream.url())).await;
    let nonce = bound.nonce().await;
    let send = async |prover: &Prover, message: &Value, session: Option<&str>| {
        let token = bound.token(json!({ "jkt": prover.thumbprint() }));
        let proof = prover.proof("POST", &bound.url(), &token, Some(&nonce));
        let mut ask = ask(message)
            .set("authorization", format!("DPoP {token}"))
            .set("dpop", proof);
        if let Some(session) = session {
            ask = ask.set("mcp-session-id", session);
        }
        bound.send(ask).await
    };
    let opening = initialize(0);
    let opened = send(&bound.prover, &opening, None).await;
    let session = opened.header("mcp-session-id").expect("a session");
    let message = legacy(1, "tools/call", json!({ "name": "echo" }));
    let own = send(&bound.prover, &message, Some(&session)).await;
    assert!(is_served(&own), "{}", own.text());
    let stolen = send(&Prover::new(), &message, Some(&session)).await;
    assert_eq!(stolen.json()["error"]["data"]["code"], "E_SESSION_UNKNOWN");
    let bearer = bound.token(Value::Null);
    let bearer = ask(&message)
        .bearer(&bearer)
        .set("mcp-session-id", &session);
    let stolen = bound.send(bearer).await;
    assert_eq!(stolen.json()["error"]["data"]["code"], "E_SESSION_UNKNOWN");
}
