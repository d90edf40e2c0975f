//! What is believed of whom: `Client-Cert` (RFC 9440) and the client's address.

use cardea_testkit::certificates::{Authority, Wanted};

use super::*;

async fn behind_a_proxy() -> Bound {
    Bound::with(|setup| setup.set("trusted_proxies", json!(["127.0.0.1"]))).await
}

#[tokio::test]
async fn a_trusted_proxy_passes_a_certificate_on() {
    let bound = behind_a_proxy().await;
    let authority = Authority::new("clients");
    let (own, other) = (
        authority.client(Wanted::default()),
        authority.client(Wanted::default()),
    );
    let token = bound.token(json!({ "x5t#S256": own.thumbprint() }));
    let with = |field: &str| call().bearer(&token).set("client-cert", field);
    let answer = bound.send(with(&own.field())).await;
    assert!(is_served(&answer), "{}", answer.text());
    let recorded = records(&bound.gateway);
    assert_eq!(
        recorded.last().unwrap()["binding"],
        json!({ "certificate": own.thumbprint() })
    );
    assert_eq!(
        bound.echo.seen().last().unwrap().header("client-cert"),
        None
    );
    bound
        .refuses("another certificate", with(&other.field()), AS_BEARER)
        .await;
    bound
        .refuses("no certificate", call().bearer(&token), AS_BEARER)
        .await;
    let expired = authority.client(Wanted {
        is_expired: true,
        ..Wanted::default()
    });
    let for_expired = bound.token(json!({ "x5t#S256": expired.thumbprint() }));
    let with_expired = call()
        .bearer(&for_expired)
        .set("client-cert", expired.field());
    bound
        .refuses("an expired one", with_expired, AS_BEARER)
        .await;
}

#[tokio::test]
async fn nobody_else_passes_a_certificate_on() {
    let bound = Bound::with(|setup| setup.set("trusted_proxies", json!(["192.0.2.0/24"]))).await;
    let own = Authority::new("clients").client(Wanted::default());
    let token = bound.token(json!({ "x5t#S256": own.thumbprint() }));
    let plain = bound.token(Value::Null);
    for (what, ask) in [
        (
            "with the right token",
            call().bearer(&token).set("client-cert", own.field()),
        ),
        (
            "with a plain token",
            call().bearer(&plain).set("client-cert", own.field()),
        ),
        (
            "a chain",
            call().bearer(&plain).set("client-cert-chain", own.field()),
        ),
        ("an empty one", call().bearer(&plain).set("client-cert", "")),
        ("without a token", call().set("client-cert", own.field())),
    ] {
        let answer = bound.send(ask).await;
        assert_eq!(answer.status, 403, "{what}: {}", answer.text());
        assert_eq!(
            answer.json()["error"]["data"]["code"],
            "E_PEER_UNTRUSTED",
            "{what}"
        );
        record(&bound.gateway, "denial", &call_id(&answer)).await;
    }
    assert!(bound.echo.seen().is_empty());
    assert!(is_served(&bound.send(call().bearer(&plain)).await));
}

#[tokio::test]
async fn what_a_proxy_passes_on_must_be_one_certificate() {
    let bound = behind_a_proxy().await;
    let own = Authority::new("clients").client(Wanted::default());
    let plain = bound.token(Value::Null);
    let field = own.field();
    let two = call()
        .bearer(&plain)
        .add("client-cert", &field)
        .add("client-cert", &field);
    let mut asks = vec![("two".to_owned(), two)];
    for wrong in [
        "",
        "::",
        ":AAAA:",
        field.trim_matches(':'),
        &format!("{field}, {field}"),
        "%2D%2D",
    ] {
        asks.push((
            wrong.to_owned(),
            call().bearer(&plain).set("client-cert", wrong),
        ));
    }
    for (what, ask) in asks {
        let answer = bound.send(ask).await;
        assert_eq!(answer.status, 400, "{what}: {}", answer.text());
        assert_eq!(
            answer.json()["error"]["data"]["code"],
            "E_CERTIFICATE_INVALID",
            "{what}"
        );
    }
}

#[tokio::test]
async fn records_name_the_client_that_the_proxy_names_and_no_other() {
    for (proxies, recorded) in [
        (json!(["127.0.0.1", "10.0.0.0/8"]), "198.51.100.7"),
        (json!([]), "127.0.0.1"),
    ] {
        let bound = Bound::with(|setup| setup.set("trusted_proxies", proxies)).await;
        let plain = bound.token(Value::Null);
        let ask = call()
            .bearer(&plain)
            .set("x-forwarded-for", "6.6.6.6, 198.51.100.7, 10.1.2.3");
        assert!(is_served(&bound.send(ask).await));
        assert_eq!(records(&bound.gateway).last().unwrap()["peer"], recorded);
    }
}
