//! Signatures, algorithms, and headers that try to bring their own key.

use cardea_testkit::identity_provider::{IdentityProvider, Key, hmac_signed, unsigned};

use super::{INVALID, Trust};
use crate::support::*;

#[tokio::test]
async fn a_token_without_a_signature_is_refused_however_none_is_spelt() {
    let trust = Trust::start().await;
    let claims = trust.claims();
    trust
        .accepts("the same claims, signed", &trust.idp.token(&claims))
        .await;
    for alg in ["none", "None", "NONE", "nOnE", ""] {
        let header = json!({ "alg": alg, "typ": "at+jwt", "kid": "first" });
        let reason = "is not allowed";
        trust
            .refuses(alg, &unsigned(&header, &claims), INVALID, reason)
            .await;
        let signed = trust.idp.key().sign(&header, &claims);
        trust
            .refuses("signed all the same", &signed, INVALID, reason)
            .await;
    }
    let stripped = trust.idp.token(&claims);
    let stripped = &stripped[..=stripped.rfind('.').unwrap()];
    trust
        .refuses("signature cut off", stripped, INVALID, "signature")
        .await;
}

#[tokio::test]
async fn a_public_key_is_no_shared_secret() {
    let trust = Trust::start().await;
    let rsa = Key::rs256("rsa");
    trust.idp.publish(&[trust.idp.key(), &rsa]);
    let claims = trust.claims();
    trust
        .accepts("the RSA key's own token", &rsa.token(&claims))
        .await;
    for key in [trust.idp.key(), &rsa] {
        let jwk = key.jwk();
        let secrets = [
            key.public_bytes(),
            pem(&key.public_bytes()).into_bytes(),
            jwk.to_string().into_bytes(),
            jwk["n"]
                .as_str()
                .or(jwk["x"].as_str())
                .unwrap()
                .as_bytes()
                .to_vec(),
        ];
        for secret in secrets {
            let header = json!({ "alg": "HS256", "typ": "at+jwt", "kid": key.kid() });
            let token = hmac_signed(&header, &claims, &secret);
            trust
                .refuses(key.kid(), &token, INVALID, "`HS256` is not allowed")
                .await;
        }
    }
}

#[tokio::test]
async fn a_shared_secret_in_a_key_set_signs_nothing() {
    let trust = Trust::start().await;
    let secret = "c2VjcmV0LXNlY3JldC1zZWNyZXQtc2VjcmV0LXNlY3I";
    let shared =
        json!({ "kty": "oct", "k": secret, "kid": "shared", "alg": "HS256", "use": "sig" });
    trust
        .idp
        .publish_documents(vec![trust.idp.key().jwk(), shared]);
    let claims = trust.claims();
    trust
        .accepts("the other key of the set", &trust.idp.token(&claims))
        .await;
    let header = json!({ "alg": "HS256", "typ": "at+jwt", "kid": "shared" });
    let token = hmac_signed(&header, &claims, b"secret-secret-secret-secret-secr");
    trust
        .refuses("HS256", &token, INVALID, "is not allowed")
        .await;
    let header = json!({ "alg": "ES256", "typ": "at+jwt", "kid": "shared" });
    let token = hmac_signed(&header, &claims, b"secret-secret-secret-secret-secr");
    trust
        .refuses("called ES256", &token, INVALID, "unknown `kid`")
        .await;
}

#[tokio::test]
async fn a_token_does_not_say_where_its_key_is() {
    let trust = Trust::start().await;
    let attacker = IdentityProvider::start().await.unwrap();
    let claims = trust.claims();
    trust
        .accepts("a good token", &trust.idp.token(&claims))
        .await;
    let key = attacker.key();
    for kid in [trust.idp.key().kid(), "attackers"] {
        let key = key.named(kid);
        for (name, value) in [
            ("jku", json!(attacker.jwks_url())),
            ("jwk", key.jwk()),
            (
                "x5u",
                json!(format!("{}/certificate.pem", attacker.issuer())),
            ),
            ("x5c", json!(["MIIB"])),
            ("iss", json!(attacker.issuer())),
        ] {
            let mut header = key.header();
            header[name] = value;
            trust
                .refuses(name, &key.sign(&header, &claims), INVALID, "")
                .await;
        }
    }
    let mut own = claims.clone();
    own["iss"] = attacker.issuer().into();
    trust
        .refuses("iss", &key.token(&own), INVALID, "unknown issuer")
        .await;
    assert_eq!(
        attacker.requests(),
        Vec::<String>::new(),
        "the attacker was asked"
    );
    assert_eq!(trust.echo.seen().len(), 1, "only the good call arrived");
}

#[tokio::test]
async fn a_key_signs_for_its_own_issuer_only() {
    let trust = Trust::start().await;
    let claims = trust.claims();
    trust
        .accepts("the first provider's", &trust.idp.token(&claims))
        .await;
    let audience = trust.gateway.url(UPSTREAM);
    let seconds = trust.second.claims("globex", "eve", &audience);
    trust
        .accepts("the second provider's", &trust.second.token(&seconds))
        .await;
    // Both keys are called `first`.
    let crossed = trust.second.token(&claims);
    trust
        .refuses(
            "signed by the other provider",
            &crossed,
            INVALID,
            "signature",
        )
        .await;
    let crossed = trust.idp.token(&seconds);
    trust
        .refuses("and the other way round", &crossed, INVALID, "signature")
        .await;
    for issuer in [
        "https://unknown.example".to_owned(),
        format!("{}/", trust.idp.issuer()),
        trust.idp.issuer().to_uppercase(),
        String::new(),
    ] {
        let token = trust.idp.token(&trust.claims_with("iss", json!(issuer)));
        trust
            .refuses(&issuer, &token, INVALID, "unknown issuer")
            .await;
    }
    let nobodys = trust.idp.token(&trust.claims_with("iss", Value::Null));
    trust
        .refuses("no issuer", &nobodys, INVALID, "unknown issuer")
        .await;
}

#[tokio::test]
async fn a_provider_of_one_tenant_speaks_for_no_other() {
    let trust = Trust::start().await;
    // The claim says `demo`, the configuration `globex`.
    let claims = trust
        .second
        .claims(TENANT, "ada", &trust.gateway.url(UPSTREAM));
    trust
        .accepts("a token of globex", &trust.second.token(&claims))
        .await;
    let recorded = records(&trust.gateway);
    assert_eq!(recorded.last().unwrap()["tenant"], "globex");
}

#[tokio::test]
async fn an_algorithm_must_be_allowed_and_be_the_keys_own() {
    let trust = Trust::start().await;
    let rsa = Key::rs256("rsa");
    trust.idp.publish(&[trust.idp.key(), &rsa]);
    let claims = trust.claims();
    trust.accepts("ES256", &trust.idp.token(&claims)).await;
    trust.accepts("RS256", &rsa.token(&claims)).await;
    for (key, alg, reason) in [
        (&rsa, "PS256", "is not for"),
        (&rsa, "ES256", "is not for"),
        (trust.idp.key(), "RS256", "is not for"),
        (trust.idp.key(), "ES384", "is not allowed"),
        (trust.idp.key(), "HS256", "is not allowed"),
        (trust.idp.key(), "es256", "is not allowed"),
    ] {
        let mut header = key.header();
        header["alg"] = alg.into();
        trust
            .refuses(alg, &key.sign(&header, &claims), INVALID, reason)
            .await;
    }
}

#[tokio::test]
async fn a_token_that_was_changed_after_signing_is_refused() {
    let trust = Trust::start().await;
    let good = trust.idp.token(&trust.claims());
    trust.accepts("unchanged", &good).await;
    let parts: Vec<&str> = good.split('.').collect();
    let evil = trust.idp.token(&trust.claims_with("sub", json!("root")));
    let evil: Vec<&str> = evil.split('.').collect();
    let exchanged = format!("{}.{}.{}", parts[0], evil[1], parts[2]);
    trust
        .refuses("other claims", &exchanged, INVALID, "signature")
        .await;
    let exchanged = format!("{}.{}.{}", parts[0], parts[1], evil[2]);
    trust
        .refuses("another signature", &exchanged, INVALID, "signature")
        .await;
    let cut = &good[..good.len() - 4];
    trust
        .refuses("a shorter signature", cut, INVALID, "signature")
        .await;
    trust.accepts("unchanged again", &good).await;
}

#[tokio::test]
async fn a_header_must_name_a_known_key_and_nothing_critical() {
    let trust = Trust::start().await;
    let (key, claims) = (trust.idp.key(), trust.claims());
    trust.accepts("a good token", &key.token(&claims)).await;
    let with = |name: &str, value: Value| {
        let mut header = key.header();
        header[name] = value;
        key.sign(&header, &claims)
    };
    let unknown = key.named("unknown").token(&claims);
    trust
        .refuses("an unknown kid", &unknown, INVALID, "unknown `kid`")
        .await;
    trust
        .refuses(
            "a kid of null",
            &with("kid", Value::Null),
            INVALID,
            "no `kid`",
        )
        .await;
    trust
        .refuses("a kid of 7", &with("kid", json!(7)), INVALID, "header")
        .await;
    let path = "../../../../dev/null";
    trust
        .refuses(
            "a kid that is a path",
            &with("kid", json!(path)),
            INVALID,
            "unknown",
        )
        .await;
    for critical in [json!(["exp"]), json!(["b64"]), json!([]), json!("x")] {
        let token = with("crit", critical.clone());
        trust
            .refuses(&critical.to_string(), &token, INVALID, "`crit`")
            .await;
    }
}

#[tokio::test]
async fn an_id_token_is_no_access_token() {
    let trust = Trust::start().await;
    let (key, claims) = (trust.idp.key(), trust.claims());
    for typ in ["at+jwt", "AT+JWT", "application/at+jwt"] {
        let mut header = key.header();
        header["typ"] = typ.into();
        trust.accepts(typ, &key.sign(&header, &claims)).await;
    }
    for typ in [
        "JWT",
        "jwt",
        "",
        "id+jwt",
        "at+jwt2",
        "text/at+jwt",
        "logout+jwt",
        "dpop+jwt",
    ] {
        let mut header = key.header();
        header["typ"] = typ.into();
        trust
            .refuses(typ, &key.sign(&header, &claims), INVALID, "`typ`")
            .await;
    }
    let mut header = key.header();
    header.as_object_mut().unwrap().remove("typ");
    trust
        .refuses("no typ", &key.sign(&header, &claims), INVALID, "`typ`")
        .await;
}

/// DER in the armour of a public key.
fn pem(der: &[u8]) -> String {
    use base64::{Engine as _, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(der);
    format!("-----BEGIN PUBLIC KEY-----\n{text}\n-----END PUBLIC KEY-----\n")
}
