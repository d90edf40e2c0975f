//! Codes and what comes of them.

use ::http::StatusCode;

use super::{
    House, Jar,
    house::{ORIGIN, REDIRECT, claims, param, request},
};

#[tokio::test]
async fn a_person_logs_in_consents_and_the_client_gets_a_token_that_names_all_of_them() {
    let house = House::open().await;
    let mut jar = Jar::default();
    let resource = format!("{ORIGIN}/mcp/files");
    let request = request("app", &[("resource", &resource)]);
    let answer = house.answer(&mut jar, &request, "allow").await;
    assert!(answer.starts_with(REDIRECT));
    assert_eq!(param(&answer, "state").as_deref(), Some("st&te=1"));
    assert_eq!(param(&answer, "iss").as_deref(), Some(ORIGIN));
    let code = param(&answer, "code").unwrap();
    let (status, tokens) = house.redeem(&code, &[]).await;
    assert_eq!(status, StatusCode::OK);
    assert_eq!(tokens["token_type"], "Bearer");
    assert_eq!(tokens["expires_in"], 600);
    let claims = claims(&tokens["access_token"]);
    for (name, value) in [
        ("iss", ORIGIN),
        ("aud", &resource),
        ("sub", "ada"),
        ("tenant", "acme"),
        ("client_id", "app"),
        ("scope", "mcp offline_access"),
    ] {
        assert_eq!(claims[name], value, "{name}");
    }
    assert_eq!(claims["act"]["sub"], "app");
    assert_eq!(claims["groups"], serde_json::json!(["dev"]));
    assert_eq!(claims["amr"], serde_json::json!(["pwd"]));
    for event in ["login", "consent_given", "code_issued", "token_issued"] {
        assert_eq!(house.events(event), 1, "{event}");
    }
}

#[tokio::test]
async fn a_code_that_comes_twice_ends_what_came_of_it() {
    let house = House::open().await;
    let code = house.code(&mut Jar::default(), &request("app", &[])).await;
    let (_, tokens) = house.redeem(&code, &[]).await;
    let id = claims(&tokens["access_token"])["jti"]
        .as_str()
        .unwrap()
        .to_owned();
    assert!(!house.revocations.contains(&id));
    let (status, refusal) = house.redeem(&code, &[]).await;
    assert_eq!(
        (status, &refusal["error"]),
        (StatusCode::BAD_REQUEST, &"invalid_grant".into())
    );
    assert!(house.revocations.contains(&id), "the access token goes on");
    let refresh = tokens["refresh_token"].as_str().unwrap();
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "app"),
        ("refresh_token", refresh),
    ];
    assert_eq!(
        house.post("/token", &fields).await.1["error"],
        "invalid_grant"
    );
    assert_eq!(house.events("code_reused"), 1);
}

#[tokio::test]
async fn a_code_is_for_its_client_its_way_back_and_its_verifier_and_not_for_long() {
    let house = House::open().await;
    let mut jar = Jar::default();
    for change in [
        (
            "code_verifier",
            "wrong-wrong-wrong-wrong-wrong-wrong-wrong-wrong",
        ),
        ("client_id", "other"),
        ("redirect_uri", "http://127.0.0.1:5001/callback"),
        ("resource", "https://gw.example.com/other"),
    ] {
        let code = house.code(&mut jar, &request("app", &[])).await;
        let (status, refusal) = house.redeem(&code, &[change]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{change:?} {refusal}");
    }
    let code = house.code(&mut jar, &request("app", &[])).await;
    house.clock.advance(std::time::Duration::from_secs(60));
    assert_eq!(house.redeem(&code, &[]).await.1["error"], "invalid_grant");
}

#[tokio::test]
async fn what_is_wrong_with_a_request_is_told_to_the_client_only_when_it_is_the_client() {
    let house = House::open().await;
    let mut jar = Jar::default();
    for change in [
        ("client_id", "nobody"),
        ("redirect_uri", "https://evil.example/cb"),
        ("redirect_uri", "http://127.0.0.1:5000/callback/x"),
        ("redirect_uri", "http://127.0.0.2:5000/callback"),
    ] {
        let reply = jar.get(&house, &request("app", &[change])).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{change:?}");
        assert!(!reply.headers().contains_key("location"), "{change:?}");
    }
    for (change, code) in [
        (("response_type", "token"), "unsupported_response_type"),
        (("code_challenge", ""), "invalid_request"),
        (("code_challenge", "short"), "invalid_request"),
        (("code_challenge_method", "plain"), "invalid_request"),
        (("code_challenge_method", ""), "invalid_request"),
        (("resource", "https://evil.example/mcp"), "invalid_target"),
        (("response_mode", "fragment"), "invalid_request"),
        (
            ("request_uri", "https://evil.example/r"),
            "request_not_supported",
        ),
        (("max_age", "soon"), "invalid_request"),
        (("prompt", "none"), "login_required"),
    ] {
        let reply = jar.get(&house, &request("app", &[change])).await;
        let answer = super::house::location(&reply);
        assert!(answer.starts_with(REDIRECT), "{change:?} {answer}");
        assert_eq!(param(&answer, "error").as_deref(), Some(code), "{change:?}");
        assert_eq!(param(&answer, "state").as_deref(), Some("st&te=1"));
        assert_eq!(param(&answer, "iss").as_deref(), Some(ORIGIN));
    }
}

#[tokio::test]
async fn a_loopback_port_may_differ_and_denying_is_told() {
    let house = House::open().await;
    let mut jar = Jar::default();
    let other_port = "http://127.0.0.1:61000/callback";
    let request = request("app", &[("redirect_uri", other_port)]);
    let answer = house.answer(&mut jar, &request, "deny").await;
    assert!(answer.starts_with(other_port));
    assert_eq!(param(&answer, "error").as_deref(), Some("access_denied"));
    assert_eq!(house.events("consent_denied"), 1);
    assert_eq!(house.events("code_issued"), 0);
}

#[tokio::test]
async fn what_cannot_be_recorded_does_not_happen() {
    let house = House::open().await;
    let code = house.code(&mut Jar::default(), &request("app", &[])).await;
    let down = &house.journal.is_down;
    down.store(true, std::sync::atomic::Ordering::SeqCst);
    let (status, refusal) = house.redeem(&code, &[]).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{refusal}");
    assert!(refusal.get("access_token").is_none());
}
