//! Refresh, revocation, introspection.

use std::time::Duration;

use ::http::StatusCode;
use serde_json::{Value, json};

use super::{
    House,
    house::{Jar, ORIGIN, claims, param, request, tenant},
};

async fn refresh(house: &House, token: &Value, more: &[(&str, &str)]) -> (StatusCode, Value) {
    let mut fields = vec![
        ("grant_type", "refresh_token"),
        ("client_id", "app"),
        ("refresh_token", token.as_str().unwrap()),
    ];
    fields.extend_from_slice(more);
    house.post("/token", &fields).await
}

#[tokio::test]
async fn a_refresh_token_is_used_once_and_its_second_use_ends_the_family() {
    let house = House::open().await;
    let first = house.tokens().await;
    let (status, second) = refresh(&house, &first["refresh_token"], &[]).await;
    assert_eq!(status, StatusCode::OK, "{second}");
    assert_ne!(first["refresh_token"], second["refresh_token"]);
    let (before, after) = (
        claims(&first["access_token"]),
        claims(&second["access_token"]),
    );
    assert_eq!(before["sid"], after["sid"], "the run goes on");

    let (status, refusal) = refresh(&house, &first["refresh_token"], &[]).await;
    assert_eq!(
        (status, &refusal["error"]),
        (StatusCode::BAD_REQUEST, &json!("invalid_grant"))
    );
    for token in [before, after] {
        assert!(house.revocations.contains(token["jti"].as_str().unwrap()));
    }
    let (status, _) = refresh(&house, &second["refresh_token"], &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "the thief's goes on");
    assert_eq!(house.events("refresh_reused"), 1);
}

#[tokio::test]
async fn a_run_ends_when_it_is_asked_to_and_when_it_was_silent() {
    let house = House::open().await;
    let tokens = house.tokens().await;
    let run = claims(&tokens["access_token"])["sid"].clone();
    let (_, tokens) = refresh(&house, &tokens["refresh_token"], &[("cardea_run", "new")]).await;
    let second = claims(&tokens["access_token"])["sid"].clone();
    assert_ne!(run, second);
    house.clock.advance(Duration::from_secs(30 * 60));
    let (_, tokens) = refresh(&house, &tokens["refresh_token"], &[]).await;
    assert_ne!(claims(&tokens["access_token"])["sid"], second);
}

#[tokio::test]
async fn another_client_and_a_wider_wish_do_not_use_a_refresh_token_up() {
    let house = House::open().await;
    let token = house.tokens().await["refresh_token"].clone();
    for change in [
        ("resource", "https://gw.example.com/other"),
        ("scope", "mcp admin"),
        ("scope", "offline_access"),
    ] {
        let (status, _) = refresh(&house, &token, &[change]).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{change:?}");
    }
    let fields = [
        ("grant_type", "refresh_token"),
        ("client_id", "other"),
        ("refresh_token", token.as_str().unwrap()),
    ];
    assert_eq!(
        house.post("/token", &fields).await.0,
        StatusCode::BAD_REQUEST
    );
    let narrower = format!("{ORIGIN}/mcp/files");
    let (status, tokens) = refresh(&house, &token, &[("resource", &narrower)]).await;
    assert_eq!(status, StatusCode::OK, "{tokens}");
    assert_eq!(claims(&tokens["access_token"])["aud"], narrower);
}

#[tokio::test]
async fn a_removed_account_takes_its_grants_along() {
    let house = House::open().await;
    let tokens = house.tokens().await;
    let ada = cardea_domain::SubjectId::parse("ada").unwrap();
    house.accounts.remove(&tenant("acme"), &ada).await.unwrap();
    let (status, _) = refresh(&house, &tokens["refresh_token"], &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    house.state.tend(&house.journal).await.unwrap();
    let id = claims(&tokens["access_token"])["jti"].clone();
    assert!(house.revocations.contains(id.as_str().unwrap()));
    assert_eq!(house.events("account_changed"), 2, "added and removed");
}

#[tokio::test]
async fn a_new_password_ends_what_the_old_one_obtained() {
    let house = House::open().await;
    let tokens = house.tokens().await;
    let ada = cardea_domain::SubjectId::parse("ada").unwrap();
    let mut jar = Jar::default();
    let waiting = house.code(&mut jar, &request("app", &[])).await;
    house.clock.advance(Duration::from_secs(5));
    let link = house.accounts.reset(&tenant("acme"), &ada).await.unwrap();
    house.set_up(&link, "ada").await;

    let (status, refusal) = refresh(&house, &tokens["refresh_token"], &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{refusal}");
    let id = claims(&tokens["access_token"])["jti"].clone();
    assert!(house.revocations.contains(id.as_str().unwrap()));
    let (status, refusal) = house.redeem(&waiting, &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST, "{refusal}");
    let again = house.answer(&mut jar, &request("app", &[]), "allow").await;
    assert!(param(&again, "code").is_some(), "with the new password");
}

#[tokio::test]
async fn revoking_answers_the_same_for_every_token_and_ends_the_clients_own() {
    let house = House::open().await;
    let tokens = house.tokens().await;
    let access = tokens["access_token"].as_str().unwrap();
    let id = claims(&tokens["access_token"])["jti"].clone();
    for (client, token, ends) in [
        ("app", "nonsense", false),
        ("other", access, false),
        ("app", access, true),
    ] {
        let fields = [("client_id", client), ("token", token)];
        let (status, _) = house.post("/revoke", &fields).await;
        assert_eq!(status, StatusCode::OK, "{client}");
        assert_eq!(
            house.revocations.contains(id.as_str().unwrap()),
            ends,
            "{client}"
        );
    }
    let refresh_token = tokens["refresh_token"].as_str().unwrap();
    house
        .post("/revoke", &[("client_id", "app"), ("token", refresh_token)])
        .await;
    let (status, _) = refresh(&house, &tokens["refresh_token"], &[]).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_was_revoked_is_known_after_a_restart() {
    let house = House::open().await;
    let tokens = house.tokens().await;
    let access = tokens["access_token"].as_str().unwrap();
    house
        .post("/revoke", &[("client_id", "app"), ("token", access)])
        .await;
    let again = std::sync::Arc::<crate::Revocations>::default();
    let folder = house.folder();
    let keys = std::sync::Arc::clone(&house.state.keys);
    let state = super::super::State::open(folder, keys, again.clone(), house.clock.clone());
    state.await.unwrap();
    let id = claims(&tokens["access_token"])["jti"].clone();
    assert!(again.contains(id.as_str().unwrap()));
}
