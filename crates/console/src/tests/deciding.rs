//! Deciding: by whom, from where, with what in sight, and never by looking.

use std::time::Duration;

use cardea_access::{Kind, RequestState};
use http::{Method, StatusCode};
use serde_json::json;

use super::house::{House, ORIGIN, Visitor, document, text};

#[tokio::test]
async fn a_person_sees_what_will_happen_narrows_it_and_says_yes() {
    let house = House::open().await;
    let ben = house.log_in("acme", "ben", &[]).await;
    let request = house.asks(|wish| wish.kind = Kind::Calls).await;
    let page = format!("/console/requests/{}", request.id);
    let shown = house.get(&ben, &page).await;
    for said in [
        "write_file",
        "ada",
        "agent",
        "model-1",
        "I need it.",
        "Writes a file.",
        "Write what was asked for",
        "\u{201c}write_file\u{201d} on files",
        "&#34;mode&#34;: 1.0e2",
        "say nothing to it",
        "20 calls within 10 min",
        "group approvers",
        "An example of arguments",
        "only an example",
        "high: what it says reaches others",
        "changes nothing",
        "Value or folder",
    ] {
        assert!(text(&shown).contains(said), "{said}: {}", text(&shown));
    }
    let reply = house
        .submit(
            &ben,
            &format!("{page}/approve"),
            "minutes=5&calls=3&reason=once",
        )
        .await;
    assert_eq!(
        reply.headers()["location"].to_str().unwrap(),
        format!("{page}?done=approved")
    );
    let decided = house.access().request(&request.id).await.unwrap().unwrap();
    let grant = decided.state.grant().unwrap().clone();
    let grant = house.access().grant_view(&grant).await.unwrap().unwrap();
    assert_eq!(
        (grant.terms.duration, grant.terms.calls_max),
        (Duration::from_secs(300), Some(3))
    );
    let after = house.get(&ben, &format!("{page}?done=approved")).await;
    assert!(
        text(&after).contains("narrowed to 5 min, 3 calls")
            && text(&after).contains("the grant is active")
    );
    assert!(
        !text(&after).contains("/approve"),
        "there is nothing left to decide"
    );
}

#[tokio::test]
async fn what_differs_from_what_was_approved_last_is_marked() {
    let house = House::open().await;
    let ben = house.log_in("acme", "ben", &[]).await;
    let first = house
        .asks(|wish| {
            wish.actor = "agent".into();
            wish.arguments = r#"{"path":"/tmp/a","keep":1}"#.into();
        })
        .await;
    house
        .submit(
            &ben,
            &format!("/console/requests/{}/approve", first.id),
            "minutes=10",
        )
        .await;
    let second = house
        .asks(|wish| {
            wish.actor = "agent".into();
            wish.arguments = r#"{"path":"/etc/a","keep":1}"#.into();
        })
        .await;
    let page = house
        .get(&ben, &format!("/console/requests/{}", second.id))
        .await;
    let page = text(&page);
    for marked in [
        "<del class=\"line\">  &#34;path&#34;: &#34;/tmp/a&#34;,",
        "<ins class=\"line\">  &#34;path&#34;: &#34;/etc/a&#34;,",
        "<span class=\"line\">  &#34;keep&#34;: 1",
        &format!("/console/requests/{}\"", first.id),
    ] {
        assert!(page.contains(marked), "{marked}: {page}");
    }
}

#[tokio::test]
async fn looking_decides_nothing_and_neither_does_a_page_of_somebody_else() {
    let house = House::open().await;
    let (ben, bob) = (
        house.log_in("acme", "ben", &[]).await,
        house.log_in("acme", "bob", &["approvers"]).await,
    );
    let request = house.asks(|_| {}).await;
    let path = format!("/console/requests/{}/approve", request.id);
    let api = format!("/api/v1/requests/{}/approve", request.id);
    for to in [&path, &api] {
        assert_eq!(
            house.get(&ben, to).await.status(),
            StatusCode::METHOD_NOT_ALLOWED
        );
    }
    // A token of Bob's page, of no page, and a good one from elsewhere.
    let foreign = [
        ("content-type", "application/x-www-form-urlencoded"),
        ("origin", ORIGIN),
    ];
    for body in [
        format!("form={}", house.token(&bob)),
        "form=".into(),
        String::new(),
    ] {
        let reply = house
            .send(ben.request(Method::POST, &path, &foreign, &body))
            .await;
        assert_eq!(reply.status(), StatusCode::FORBIDDEN, "{body}");
    }
    let own = format!("form={}", house.token(&ben));
    let kind = ("content-type", "application/x-www-form-urlencoded");
    for from in [
        &[kind][..],
        &[kind, ("origin", "https://evil.example")],
        &[kind, ("sec-fetch-site", "same-site")],
    ] {
        let reply = house
            .send(ben.request(Method::POST, &path, from, &own))
            .await;
        assert_eq!(reply.status(), StatusCode::FORBIDDEN, "{from:?}");
    }
    let json = ("content-type", "application/json");
    for from in [
        &[json][..],
        &[json, ("origin", "null")],
        &[json, ("sec-fetch-site", "cross-site"), ("origin", ORIGIN)],
    ] {
        let reply = house
            .send(ben.request(Method::POST, &api, from, "{}"))
            .await;
        assert_eq!(document(&reply)["code"], "E_FORM_FOREIGN", "{from:?}");
    }
    let state = house
        .access()
        .request(&request.id)
        .await
        .unwrap()
        .unwrap()
        .state;
    assert_eq!(state, RequestState::Pending);
}

#[tokio::test]
async fn nobody_approves_what_is_asked_in_their_own_name_and_no_role_does() {
    let house = House::open().await;
    let request = house.asks(|wish| wish.subject = "ben".into()).await;
    let path = format!("/console/requests/{}", request.id);
    let api = format!("/api/v1/requests/{}/approve", request.id);
    let ben = house.log_in("acme", "ben", &[]).await;
    let page = house.get(&ben, &path).await;
    assert!(
        text(&page).contains("A second person has to decide") && !text(&page).contains("/approve")
    );
    let reply = house.call(&ben, Method::POST, &api, &json!({})).await;
    assert_eq!(document(&reply)["code"], "E_SECOND_PERSON");
    for who in ["cleo", "dora"] {
        let visitor = house.log_in("acme", who, &[]).await;
        let reply = house.call(&visitor, Method::POST, &api, &json!({})).await;
        assert_eq!(document(&reply)["code"], "E_NOT_APPROVER", "{who}");
    }
}

#[tokio::test]
async fn what_is_not_there_and_what_is_not_for_them_look_the_same() {
    let house = House::open().await;
    let request = house.asks(|_| {}).await;
    let here = format!("/api/v1/requests/{}", request.id);
    let nowhere = "/api/v1/requests/00000000-0000-7000-8000-000000000000";
    // Bea decides about reading only; Zoe is of another tenant.
    for visitor in [
        house.log_in("acme", "bea", &[]).await,
        house.log_in("acme", "eve", &[]).await,
        house.log_in("globex", "zoe", &[]).await,
    ] {
        let there = house.get(&visitor, &here).await;
        let not = house.get(&visitor, nowhere).await;
        assert_eq!(there.status(), StatusCode::NOT_FOUND);
        assert_eq!(
            text(&there).replace(&here, ""),
            text(&not).replace(nowhere, "")
        );
        for act in ["approve", "refuse", "cancel"] {
            let reply = house
                .call(&visitor, Method::POST, &format!("{here}/{act}"), &json!({}))
                .await;
            assert_eq!(document(&reply)["code"], "E_NOT_FOUND");
        }
    }
}

#[tokio::test]
async fn an_old_login_looks_and_does_not_decide() {
    let house = House::open().await;
    let ben = house.log_in("acme", "ben", &[]).await;
    house
        .clock
        .advance(Duration::from_secs(crate::LOGIN_AGE_MAX_S + 1));
    let request = house.asks(|_| {}).await;
    let path = format!("/console/requests/{}", request.id);
    let page = house.get(&ben, &path).await;
    let again = format!("/console/login?next={path}");
    assert!(
        text(&page).contains(&again) && !text(&page).contains("/approve"),
        "{}",
        text(&page)
    );
    let to = house.get(&ben, &again).await;
    assert!(
        to.headers()["location"]
            .to_str()
            .unwrap()
            .starts_with(&format!("{ORIGIN}/login?next="))
    );
    let reply = house
        .submit(&ben, &format!("{path}/approve"), "minutes=10")
        .await;
    assert!(
        reply.headers()["location"]
            .to_str()
            .unwrap()
            .contains("/login?next=")
    );
    let api = format!("/api/v1/requests/{}/approve", request.id);
    let reply = house.call(&ben, Method::POST, &api, &json!({})).await;
    assert_eq!(document(&reply)["code"], "E_LOGIN_OLD");
    let young = house.log_in("acme", "ben", &[]).await;
    let reply = house.call(&young, Method::POST, &api, &json!({})).await;
    assert_eq!(reply.status(), StatusCode::OK);
}

#[tokio::test]
async fn more_than_was_asked_for_is_refused_and_nothing_happens() {
    let house = House::open().await;
    let ben = house.log_in("acme", "ben", &[]).await;
    let request = house.asks(|wish| wish.kind = Kind::Calls).await;
    let api = format!("/api/v1/requests/{}/approve", request.id);
    for wider in [
        json!({"minutes": 11}),
        json!({"calls": 21}),
        json!({"constraint": "{"}),
        json!({"constraint": "{\"type\": 7}"}),
    ] {
        let reply = house.call(&ben, Method::POST, &api, &wider).await;
        assert_eq!(reply.status(), StatusCode::BAD_REQUEST, "{wider}");
    }
    let state = house
        .access()
        .request(&request.id)
        .await
        .unwrap()
        .unwrap()
        .state;
    assert_eq!(state, RequestState::Pending);
}

#[tokio::test]
async fn nobody_gets_to_a_page_before_they_have_logged_in_and_then_they_get_there() {
    let house = House::open().await;
    let nobody = Visitor::nobody();
    let to = house.get(&nobody, "/console/requests/7?done=asked").await;
    assert_eq!(to.status(), StatusCode::SEE_OTHER);
    assert!(
        to.headers()["location"]
            .to_str()
            .unwrap()
            .starts_with(&format!("{ORIGIN}/login?next="))
    );
    let document = document(&house.get(&nobody, "/api/v1/requests/7").await);
    assert_eq!(document["code"], "E_LOGIN_MISSING");
}

#[tokio::test]
async fn what_was_approved_under_an_entitlement_of_others_is_not_shown() {
    let mut house = House::open().await;
    let same = |wish: &mut super::house::Wish| {
        wish.actor = "agent".into();
        wish.tool = "read_file".into();
    };
    let first = house.asks(|wish| {
        same(wish);
        wish.arguments = r#"{"path":"of-bea"}"#.into();
    });
    let first = first.await;
    let bea = house.log_in("acme", "bea", &[]).await;
    let approve = format!("/api/v1/requests/{}/approve", first.id);
    let reply = house.call(&bea, Method::POST, &approve, &json!({})).await;
    assert_eq!(reply.status(), StatusCode::OK);
    // From now on Ben decides about the same tool, under another entitlement.
    house.hand_reading_to_writers();
    let second = house.asks(same).await;
    let path = format!("/console/requests/{}", second.id);
    let ben = house.log_in("acme", "ben", &[]).await;
    let page = house.get(&ben, &path).await;
    assert!(text(&page).contains("/approve") && !text(&page).contains("of-bea"));
    let cleo = house.log_in("acme", "cleo", &[]).await;
    assert!(text(&house.get(&cleo, &path).await).contains("of-bea"));
}
