//! Tokens that are bound when they are issued: to a DPoP key, to a client certificate.

use cardea_testkit::{
    certificates::{Authority, Wanted},
    dpop::Prover,
};

use super::*;

/// The claims of an access token.
pub(super) fn claims(tokens: &Value) -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let token = tokens["access_token"].as_str().unwrap();
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

fn renew(tokens: &Value) -> Ask {
    let token = tokens["refresh_token"].as_str().unwrap();
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "app"),
        ("refresh_token", token),
    ];
    form("/token", &fields)
}

#[tokio::test]
async fn a_token_that_was_asked_for_with_a_key_is_good_with_that_key_alone() {
    let (_echo, gateway) = stage().await;
    let mut browser = Browser::default();
    browser.set_up(&gateway).await;
    let (own, thief) = (Prover::new(), Prover::new());
    let token_url = format!("http://{}/token", gateway.address());
    let code = browser.code(&gateway, "app").await;
    let asked = redeem(&code, "app", &[]).set("dpop", own.proof("POST", &token_url, "", None));
    let answer = asked.send(gateway.address()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let tokens = answer.json();
    assert_eq!(tokens["token_type"], "DPoP");
    let bound_to = json!({ "jkt": own.thumbprint() });
    assert_eq!(claims(&tokens)["cnf"], bound_to);

    let token = tokens["access_token"].as_str().unwrap();
    let call = |prover: Option<&Prover>, nonce: &str| {
        let ask = ask(&tool_call(1, json!({})));
        match prover {
            None => ask.bearer(token),
            Some(prover) => ask.set("authorization", format!("DPoP {token}")).set(
                "dpop",
                prover.proof("POST", &gateway.url(UPSTREAM), token, Some(nonce)),
            ),
        }
    };
    let challenge = call(Some(&own), "none").send(gateway.address()).await;
    let nonce = challenge.header("dpop-nonce").expect("a nonce");
    let served = call(Some(&own), &nonce).send(gateway.address()).await;
    assert_eq!(served.status, 200, "{}", served.text());
    for prover in [None, Some(&thief)] {
        let refused = call(prover, &nonce).send(gateway.address()).await;
        assert_eq!(refused.status, 401, "{}", refused.text());
        assert_eq!(refused.json()["error"]["data"]["code"], "E_TOKEN_BINDING");
    }

    let stolen = renew(&tokens).set("dpop", thief.proof("POST", &token_url, "", None));
    for ask in [renew(&tokens), stolen] {
        let refused = ask.send(gateway.address()).await;
        assert_eq!(
            refused.json()["error"],
            "invalid_grant",
            "{}",
            refused.text()
        );
    }
    let own_again = renew(&tokens).set("dpop", own.proof("POST", &token_url, "", None));
    let next = own_again.send(gateway.address()).await;
    assert_eq!(next.status, 200, "{}", next.text());
    assert_eq!(claims(&next.json())["cnf"], bound_to);
    sound_records(&gateway);
}

#[tokio::test]
async fn a_certificate_that_a_proxy_passes_on_binds_tokens_unless_its_time_is_over() {
    let server = json!({"clients": [{"id": "app", "redirect_uris": [REDIRECT]}]});
    let proxied = |setup: Setup| setup.set("trusted_proxies", json!(["127.0.0.1"]));
    let (_echo, gateway) = stage_with(server, proxied).await;
    let mut browser = Browser::default();
    browser.set_up(&gateway).await;
    let authority = Authority::new("clients");
    let own = authority.client(Wanted::default());
    let expired = authority.client(Wanted {
        is_expired: true,
        ..Wanted::default()
    });
    let code = browser.code(&gateway, "app").await;
    let late = redeem(&code, "app", &[]).set("client-cert", expired.field());
    let refused = late.send(gateway.address()).await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    assert_eq!(refused.json()["error"], "invalid_client");
    let recorded = records(&gateway);
    let told = recorded
        .iter()
        .find(|r| r["event"]["name"] == "token_refused");
    let told = told.unwrap_or_else(|| panic!("{recorded:#?}"));
    assert!(
        told.to_string().contains("not valid at this time"),
        "{told:#}"
    );

    // The code was not used up by that.
    let good = redeem(&code, "app", &[]).set("client-cert", own.field());
    let tokens = good.send(gateway.address()).await;
    assert_eq!(tokens.status, 200, "{}", tokens.text());
    let tokens = tokens.json();
    assert_eq!(
        claims(&tokens)["cnf"],
        json!({ "x5t#S256": own.thumbprint() })
    );
    let other = authority.client(Wanted::default());
    for certificate in [None, Some(&expired), Some(&other)] {
        let ask = match certificate {
            None => renew(&tokens),
            Some(leaf) => renew(&tokens).set("client-cert", leaf.field()),
        };
        let refused = ask.send(gateway.address()).await;
        assert!([400, 401].contains(&refused.status), "{}", refused.text());
    }
    let token = tokens["access_token"].as_str().unwrap();
    let call = || ask(&tool_call(1, json!({}))).bearer(token);
    let with = call().set("client-cert", own.field());
    assert_eq!(with.send(gateway.address()).await.status, 200);
    assert_eq!(call().send(gateway.address()).await.status, 401);
}
