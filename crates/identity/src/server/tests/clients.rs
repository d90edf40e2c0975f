//! Clients that show who they are, and those that cannot.

use ::http::StatusCode;
use serde_json::{Value, json};

use super::{
    House,
    house::{ORIGIN, claims},
};

pub(super) const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

pub(super) fn assertion(house: &House, changes: &[(&str, Value)]) -> String {
    let now_s = house.clock.unix_s();
    let mut claims = json!({
        "iss": "robot", "sub": "robot", "aud": ORIGIN,
        "jti": uuid::Uuid::new_v4().to_string(), "iat": now_s, "exp": now_s + 60,
    });
    for (name, value) in changes {
        claims[*name] = value.clone();
    }
    house.state.keys.sign("JWT", &claims).unwrap()
}

async fn ask(
    house: &House,
    path: &str,
    assertion: &str,
    more: &[(&str, &str)],
) -> (StatusCode, Value) {
    let mut fields = vec![
        ("client_assertion_type", TYPE),
        ("client_assertion", assertion),
    ];
    fields.extend_from_slice(more);
    house.post(path, &fields).await
}

const GRANT: [(&str, &str); 1] = [("grant_type", "client_credentials")];

#[tokio::test]
async fn an_unattended_client_gets_a_token_of_the_person_who_answers_for_it() {
    let house = House::open().await;
    let (status, tokens) = ask(&house, "/token", &assertion(&house, &[]), &GRANT).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    let claims = claims(&tokens["access_token"]);
    assert_eq!(
        (&claims["sub"], &claims["act"]["sub"]),
        (&json!("ada"), &json!("robot"))
    );
    assert!(claims.get("auth_time").is_none());
    assert!(tokens.get("refresh_token").is_none());
    let fields = [("grant_type", "client_credentials"), ("client_id", "app")];
    assert_eq!(
        house.post("/token", &fields).await.1["error"],
        "unauthorized_client"
    );
}

#[tokio::test]
async fn an_assertion_is_for_this_server_now_and_once() {
    let house = House::open().await;
    let now_s = house.clock.unix_s();
    for change in [
        ("aud", json!("https://evil.example")),
        ("aud", json!([ORIGIN, "https://evil.example"])),
        ("iss", json!("app")),
        ("sub", json!("app")),
        ("exp", json!(now_s)),
        ("exp", json!(now_s + 3600)),
        ("exp", Value::Null),
        ("iat", json!(now_s + 120)),
        ("jti", Value::Null),
    ] {
        let assertion = assertion(&house, std::slice::from_ref(&change));
        let more = [("grant_type", "client_credentials"), ("client_id", "robot")];
        let (status, refusal) = ask(&house, "/token", &assertion, &more).await;
        assert_eq!(status, StatusCode::UNAUTHORIZED, "{change:?} {refusal}");
        assert_eq!(refusal["error"], "invalid_client");
    }
    let once = assertion(&house, &[("aud", json!(format!("{ORIGIN}/token")))]);
    assert_eq!(ask(&house, "/token", &once, &GRANT).await.0, StatusCode::OK);
    assert_eq!(
        ask(&house, "/token", &once, &GRANT).await.0,
        StatusCode::UNAUTHORIZED
    );
    let fields = [("grant_type", "client_credentials"), ("client_id", "robot")];
    assert_eq!(
        house.post("/token", &fields).await.0,
        StatusCode::UNAUTHORIZED
    );
}

#[tokio::test]
async fn only_those_who_may_know_a_token_learn_anything_about_it() {
    let house = House::open().await;
    let (_, own) = ask(&house, "/token", &assertion(&house, &[]), &GRANT).await;
    let own = own["access_token"].as_str().unwrap().to_owned();
    let foreign = house.tokens().await["access_token"]
        .as_str()
        .unwrap()
        .to_owned();
    for (token, active) in [(&own, true), (&foreign, false), (&"x".to_owned(), false)] {
        let more = [("token", token.as_str())];
        let (status, answer) = ask(&house, "/introspect", &assertion(&house, &[]), &more).await;
        assert_eq!(
            (status, &answer["active"]),
            (StatusCode::OK, &json!(active))
        );
        assert_eq!(answer.as_object().unwrap().len() > 1, active);
    }
    let (status, _) = house
        .post("/introspect", &[("client_id", "app"), ("token", &own)])
        .await;
    assert_eq!(status, StatusCode::UNAUTHORIZED);
    house.clock.advance(std::time::Duration::from_secs(600));
    let more = [("token", own.as_str())];
    let (_, answer) = ask(&house, "/introspect", &assertion(&house, &[]), &more).await;
    assert_eq!(answer, json!({"active": false}));
}

#[tokio::test]
async fn registration_is_off_unless_it_is_on() {
    let metadata = json!({"client_name": "New", "redirect_uris": ["http://127.0.0.1/cb"]});
    let body = bytes::Bytes::from(metadata.to_string());
    let request = || {
        let request = ::http::Request::post("/register").header("content-type", "application/json");
        request.body(body.clone()).unwrap()
    };
    let closed = House::open().await;
    assert_eq!(closed.send(request()).await.status(), StatusCode::FORBIDDEN);
    let open = House::with(|settings| settings.registration = true).await;
    let reply = open.send(request()).await;
    assert_eq!(reply.status(), StatusCode::CREATED);
    let document: Value = serde_json::from_slice(reply.body()).unwrap();
    assert_eq!(document["token_endpoint_auth_method"], "none");
    assert!(document.get("client_secret").is_none());
    let client = document["client_id"].as_str().unwrap();
    let back = super::house::request(client, &[("redirect_uri", "http://127.0.0.1:7/cb")]);
    let reply = super::Jar::default().get(&open, &back).await;
    assert_eq!(reply.status(), StatusCode::SEE_OTHER);
    for _ in 0..20 {
        open.send(request()).await;
    }
    assert_eq!(
        open.send(request()).await.status(),
        StatusCode::TOO_MANY_REQUESTS
    );
}

#[tokio::test]
async fn no_address_of_the_server_leads_on_to_a_site_of_whoever_likes() {
    let house = House::with(|settings| settings.registration = true).await;
    for (redirect, leads_on) in [
        ("https://evil.example/phish?x=1", false),
        ("com.evil.app:/cb", false),
        ("http://127.0.0.1/cb", true),
    ] {
        let metadata = json!({"redirect_uris": [redirect]});
        let request = ::http::Request::post("/register").header("content-type", "application/json");
        let body = bytes::Bytes::from(metadata.to_string());
        let reply = house.send(request.body(body).unwrap()).await;
        let document: Value = serde_json::from_slice(reply.body()).unwrap();
        let client = document["client_id"].as_str().unwrap();
        for wrong in [
            ("response_type", "nope"),
            ("prompt", "none"),
            ("code_challenge", "x"),
        ] {
            let to = super::house::request(client, &[("redirect_uri", redirect), wrong]);
            let reply = super::Jar::default().get(&house, &to).await;
            let is_led = reply.headers().contains_key("location");
            assert_eq!(is_led, leads_on, "{redirect} {wrong:?}: {reply:?}");
        }
    }
}

/// The TypeScript SDK's examples ask for a secret, and so do clients that were made from them.
#[tokio::test]
async fn who_asks_for_a_secret_is_registered_as_a_public_client() {
    let house = House::with(|settings| settings.registration = true).await;
    let register = async |method: &str| {
        let metadata =
            json!({"redirect_uris": ["http://127.0.0.1/cb"], "token_endpoint_auth_method": method});
        let request = ::http::Request::post("/register").header("content-type", "application/json");
        let body = bytes::Bytes::from(metadata.to_string());
        let reply = house.send(request.body(body).unwrap()).await;
        let document: Value = serde_json::from_slice(reply.body()).unwrap();
        (reply.status(), document)
    };
    for method in ["client_secret_post", "client_secret_basic"] {
        let (status, document) = register(method).await;
        assert_eq!(status, StatusCode::CREATED, "{document}");
        assert_eq!(document["token_endpoint_auth_method"], "none");
        assert!(document.get("client_secret").is_none(), "{document}");
    }
    for method in ["client_secret_jwt", "tls_client_auth", "private_key_jwt"] {
        let (status, document) = register(method).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{document}");
    }
}

/// RFC 8628 needs no redirect, so it shows by itself that the client is known.
#[tokio::test]
async fn cardeas_own_command_line_is_known_without_being_configured() {
    let house = House::open().await;
    let begin = async |client| {
        let fields = [("client_id", client)];
        house.post("/device_authorization", &fields).await
    };
    let (status, begun) = begin("cardea-cli").await;
    assert_eq!(status, StatusCode::OK, "{begun}");
    assert!(begun["user_code"].is_string(), "{begun}");
    let (_, refused) = begin("cardea-gui").await;
    assert_eq!(refused["error"], "invalid_client", "{refused}");
}
