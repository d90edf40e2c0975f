//! Programs with a person's token: they look, ask and take away, and nothing is given through them.

use cardea_access::{DecideRefused, Kind, RequestState};
use cardea_domain::{Code, Denial};
use http::{Method, StatusCode, header};
use serde_json::{Value, json};

use super::house::{House, ORIGIN, Visitor, document, subject, text};
use crate::routes::{ROUTES, Token};

#[tokio::test]
async fn a_program_is_sent_to_the_page_where_a_person_approves() {
    let house = House::open().await;
    let ben = house.holder("acme", "ben", &[]);
    let request = house.asks(|_| {}).await;
    let path = format!("/api/v1/requests/{}/approve", request.id);
    let refused = house.program(&ben, Method::POST, &path, &json!({})).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let problem = document(&refused);
    let page = format!("{ORIGIN}/console/requests/{}", request.id);
    assert_eq!(problem["code"], "E_PERSON_NEEDED", "{problem}");
    assert_eq!(problem["page"], *page);
    assert_eq!(problem["next"], format!("open {page}"));
    assert_eq!(state(&house, &request.id).await, RequestState::Pending);
}

#[tokio::test]
async fn the_access_room_refuses_a_program_as_well() {
    let house = House::open().await;
    let request = house.asks(|_| {}).await;
    let (ben, program) = (subject("ben"), house.holder("acme", "ben", &[]).program);
    let approver = cardea_access::Approver {
        subject: &ben,
        groups: &[],
        is_person: true,
        program: Some(&program),
    };
    let yes = cardea_access::Decision {
        verdict: cardea_access::Verdict::Approve,
        reason: None,
        narrowing: cardea_access::Narrowing::default(),
    };
    let access = house.access();
    let decided = access.decide(&house.rooms.entitlements, &request.id, approver, &yes);
    assert!(matches!(decided.await, Err(DecideRefused::NotAPerson)));
}

#[tokio::test]
async fn a_program_says_no_by_a_login_of_any_age_and_is_named() {
    let house = House::open().await;
    let ben = house.holder("acme", "ben", &[]);
    let request = house.asks(|_| {}).await;
    let path = format!("/api/v1/requests/{}/refuse", request.id);
    let body = json!({"reason": "not today"});
    let refused = document(&house.program(&ben, Method::POST, &path, &body).await);
    assert_eq!(refused["state"], "refused", "{refused}");
    assert_eq!(
        refused["decisions"][0]["by"],
        "person ben through cardea-cli"
    );
}

#[tokio::test]
async fn cookies_and_a_token_together_are_refused_whatever_they_are() {
    let house = House::open().await;
    let ada = house.log_in("acme", "ada", &[]).await;
    let holder = house.holder("acme", "ada", &[]);
    for path in ["/api/v1/overview", "/console"] {
        let request = ada.request(Method::GET, path, &[], "");
        let token = Some(Ok(holder.clone()));
        let reply = house.console.serve(request, token, &*house.rooms).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{path}");
    }
    let any = [("cookie", "balancer=7")];
    let request = Visitor::nobody().request(Method::GET, "/api/v1/overview", &any, "");
    let reply = house
        .console
        .serve(request, Some(Ok(holder)), &*house.rooms)
        .await;
    assert_eq!(document(&reply)["code"], "E_LOGIN_TWICE");
}

#[tokio::test]
async fn a_refused_token_is_no_anonymous_visit_and_no_cookie_helps_it() {
    let house = House::open().await;
    let denial = Denial::new(Code::TokenInvalid, "the access token is not valid");
    for cookie in [Visitor::nobody(), house.log_in("acme", "ada", &[]).await] {
        let request = cookie.request(Method::GET, "/api/v1/overview", &[], "");
        let token = Some(Err(denial.clone()));
        let reply = house.console.serve(request, token, &*house.rooms).await;
        assert!(reply.status().is_client_error(), "{reply:?}");
    }
    let request = Visitor::nobody().request(Method::GET, "/api/v1/overview", &[], "");
    let reply = house
        .console
        .serve(request, Some(Err(denial)), &*house.rooms)
        .await;
    assert_eq!(reply.status(), StatusCode::UNAUTHORIZED);
    assert!(reply.headers().contains_key(header::WWW_AUTHENTICATE));
    assert_eq!(document(&reply)["code"], "E_TOKEN_INVALID");
}

/// Nothing that gives access is a program's to do: whoever adds a route says so here.
#[test]
fn programs_change_only_what_asks_or_takes_away() {
    let changes = ROUTES
        .iter()
        .filter(|route| route.token == Token::Good && route.method != Method::GET);
    let paths: Vec<_> = changes.map(|route| route.path).collect();
    assert_eq!(
        paths,
        [
            "/api/v1/requests",
            "/api/v1/requests/{id}/refuse",
            "/api/v1/requests/{id}/justify",
            "/api/v1/requests/{id}/cancel",
            "/api/v1/grants/{id}/revoke",
            "/api/v1/grants/{id}/release",
            "/api/v1/grants/{id}/extend",
            "/api/v1/revocations",
            "/api/v1/locks",
        ]
    );
}

#[tokio::test]
async fn what_a_program_says_is_not_taken_for_a_persons_word() {
    let mut house = House::open().await;
    house.want_words_of_a_person();
    let (ada, ben) = (
        house.log_in("acme", "ada", &[]).await,
        house.log_in("acme", "ben", &[]).await,
    );
    let by_program = house.asks(|_| {}).await;
    let by_person = house.asks(|_| {}).await;
    let page = |id: &cardea_domain::RequestId| format!("/console/requests/{id}");
    let why = |id: &cardea_domain::RequestId| format!("/api/v1/requests/{id}/justify");
    let words = json!({"reason": "The spring release needs it."});
    let holder = house.holder("acme", "ada", &[]);
    let said = house
        .program(&holder, Method::POST, &why(&by_program.id), &words)
        .await;
    assert_eq!(document(&said)["justification"]["author"], "program");
    let said = house
        .call(&ada, Method::POST, &why(&by_person.id), &words)
        .await;
    assert_eq!(document(&said)["justification"]["author"], "person");
    // Said once, so that all who decide see the same.
    let again = house
        .call(&ada, Method::POST, &why(&by_person.id), &words)
        .await;
    assert_eq!(again.status(), StatusCode::CONFLICT);
    for (request, label, may_approve) in [
        (&by_program, "a model may have written it", false),
        (&by_person, "Written by the person", true),
    ] {
        let shown = house.get(&ben, &page(&request.id)).await;
        let shown = text(&shown);
        assert!(shown.contains("Written by a model"), "{shown}");
        assert!(shown.contains(label), "{label}: {shown}");
        assert_eq!(shown.contains("/approve\""), may_approve, "{shown}");
        assert!(shown.contains("/refuse\""), "{shown}");
        let approve = format!("/api/v1/requests/{}/approve", request.id);
        let reply = house.call(&ben, Method::POST, &approve, &json!({})).await;
        match may_approve {
            true => assert_eq!(reply.status(), StatusCode::OK),
            false => assert_eq!(document(&reply)["code"], "E_JUSTIFICATION_MISSING"),
        }
    }
    // The person says it in place of a program.
    let said = house
        .call(&ada, Method::POST, &why(&by_program.id), &words)
        .await;
    assert_eq!(document(&said)["justification"]["author"], "person");
    let approve = format!("/api/v1/requests/{}/approve", by_program.id);
    let reply = house.call(&ben, Method::POST, &approve, &json!({})).await;
    assert_eq!(reply.status(), StatusCode::OK);
}

#[tokio::test]
async fn a_grant_is_extended_by_a_new_approval_alone() {
    let house = House::open().await;
    let grant = house.grants().await;
    let (ada, ben) = (
        house.log_in("acme", "ada", &[]).await,
        house.log_in("acme", "ben", &[]).await,
    );
    let list = house.get(&ada, "/console/grants").await;
    let form = format!("/console/grants/{grant}/extend");
    assert!(text(&list).contains(&form), "{}", text(&list));
    let before = house.access().grant_view(&grant).await.unwrap().unwrap();
    let holder = house.holder("acme", "ada", &[]);
    let path = format!("/api/v1/grants/{grant}/extend");
    let body = json!({"minutes": 8, "reason": "not done yet"});
    let asked = document(&house.program(&holder, Method::POST, &path, &body).await);
    assert_eq!(asked["extends"], *grant.as_str(), "{asked}");
    assert_eq!(
        (&asked["state"], &asked["terms"]["kind"]),
        (&json!("pending"), &json!("time"))
    );
    let still = house.access().grant_view(&grant).await.unwrap().unwrap();
    assert_eq!(still.expires_ms, before.expires_ms, "asking gives nothing");
    let id = asked["id"].as_str().unwrap();
    let approve = format!("/console/requests/{id}/approve");
    house.submit(&ben, &approve, "minutes=8").await;
    let after = house.access().grant_view(&grant).await.unwrap().unwrap();
    assert!(after.expires_ms > before.expires_ms, "{after:?}");
}

#[tokio::test]
async fn all_grants_of_a_scope_end_at_once_and_other_people_end_only_their_own() {
    let house = House::open().await;
    let first = house.grants().await;
    let ada = house.holder("acme", "ada", &[]);
    let scope = |kind: &str, name: &str| json!({"kind": kind, "name": name, "reason": "test"});
    let all = "/api/v1/revocations";
    for (kind, name) in [
        ("subject", "ben"),
        ("upstream", "files"),
        ("tool", "files/write_file"),
    ] {
        let refused = house
            .program(&ada, Method::POST, all, &scope(kind, name))
            .await;
        assert_eq!(refused.status(), StatusCode::FORBIDDEN, "{kind}");
    }
    let done = house
        .program(&ada, Method::POST, all, &scope("subject", "ada"))
        .await;
    assert_eq!(document(&done), json!({"revoked": 1}));
    let ended = house.access().grant_view(&first).await.unwrap().unwrap();
    assert_eq!(
        ended.ended.map(|(_, reason)| reason.as_str()),
        Some("revoked")
    );

    house.grants().await;
    house.grants().await;
    let cleo = house.log_in("acme", "cleo", &[]).await;
    let form = "kind=tool&name=files/write_file&reason=incident";
    let done = house.submit(&cleo, "/console/revocations", form).await;
    assert_eq!(done.headers()["location"], "/console/grants?done=revoked");
    let left: Value = document(&house.get(&cleo, "/api/v1/grants").await);
    assert_eq!(left["items"], json!([]));
}

#[tokio::test]
async fn what_a_program_asks_for_beforehand_is_marked_as_its_own_words() {
    let house = House::open().await;
    let ada = house.holder("acme", "ada", &[]);
    let wish = json!({"actor": "agent", "upstream": "files", "name": "write_file", "grant": "calls",
        "calls": 2, "arguments": "{\"path\":\"/tmp/a\"}", "constraint": "{\"required\":[\"path\"]}",
        "reason": "for the release"});
    let asked = house
        .program(&ada, Method::POST, "/api/v1/requests", &wish)
        .await;
    let asked = document(&asked);
    assert_eq!(asked["reason"]["author"], "program", "{asked}");
    assert_eq!(asked["arguments"], "{\"path\":\"/tmp/a\"}");
    assert_eq!(asked["constraint"], "{\"required\":[\"path\"]}");
    assert_eq!(asked["terms"]["kind"], Kind::Calls.as_str());
    let wrong = json!({"actor": "agent", "upstream": "files", "name": "write_file", "grant": "calls",
        "arguments": "{}", "constraint": "{\"required\":[\"path\"]}"});
    let refused = house
        .program(&ada, Method::POST, "/api/v1/requests", &wrong)
        .await;
    assert_eq!(refused.status(), StatusCode::BAD_REQUEST);
}

async fn state(house: &House, id: &cardea_domain::RequestId) -> RequestState {
    house.access().request(id).await.unwrap().unwrap().state
}
