//! Tenants that take no plain bearer tokens.

use super::*;

async fn demanding(required: Value) -> Bound {
    Bound::with(|setup| {
        setup
            .set(
                "tenants",
                json!({ TENANT: { "require_binding": required } }),
            )
            .set("trusted_proxies", json!(["192.0.2.0/24"]))
    })
    .await
}

#[tokio::test]
async fn a_tenant_that_demands_bound_tokens_refuses_others_and_says_what_to_do() {
    for (required, help) in [
        (
            json!(true),
            "send a DPoP proof (RFC 9449) or use a client certificate",
        ),
        (json!("dpop"), "send a DPoP proof (RFC 9449)"),
        (json!("certificate"), "bound to your client certificate"),
    ] {
        let bound = demanding(required.clone()).await;
        let refused = ("Bearer ", "invalid_token", "E_BINDING_REQUIRED");
        let plain = bound.token(Value::Null);
        bound
            .refuses("a plain token", call().bearer(&plain), refused)
            .await;
        let told = bound.send(call().bearer(&plain)).await.text();
        assert!(told.contains(help), "{told}");

        let token = bound.bound_token();
        let nonce = match required == "certificate" {
            true => "unused".to_owned(),
            false => bound.nonce().await,
        };
        let proof = bound
            .prover
            .proof("POST", &bound.url(), &token, Some(&nonce));
        let with_proof = call_with(&token, &[&proof]);
        if required == "certificate" {
            let refused = ("DPoP ", "invalid_token", "E_BINDING_REQUIRED");
            bound.refuses("the wrong kind", with_proof, refused).await;
        } else {
            assert!(is_served(&bound.send(with_proof).await), "{required}");
        }
    }
}

#[tokio::test]
async fn metadata_says_when_every_tenant_demands_dpop() {
    let document = async |bound: &Bound| {
        let ask = Ask::get("/.well-known/oauth-protected-resource/mcp/echo");
        bound.send(ask).await.json()
    };
    let all = document(&demanding(json!("dpop")).await).await;
    assert_eq!(all["dpop_bound_access_tokens_required"], true);
    let either = document(&demanding(json!(true)).await).await;
    assert_eq!(either["dpop_bound_access_tokens_required"], false);
    assert_eq!(either["tls_client_certificate_bound_access_tokens"], true);
}
