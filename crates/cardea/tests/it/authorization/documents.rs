//! Clients whose id is the address of a document, which the gateway fetches from a live host.

use cardea_testkit::{
    certificates::Authority,
    document_host::{DocumentHost, Page},
};

use super::*;

/// A gateway that may fetch from this machine, and the host there.
async fn stage_and_host() -> (Echo, Gateway, DocumentHost) {
    let authority = Authority::new("documents");
    let host = DocumentHost::start(&authority).await.unwrap();
    let server = json!({"private_document_hosts": {"localhost": {"ca_file": "documents.pem"}}});
    let trusting = |setup: Setup| setup.file("documents.pem", authority.pem());
    let (echo, gateway) = stage_with(server, trusting).await;
    (echo, gateway, host)
}

/// A document about the client at this address.
fn about(id: &str) -> Value {
    json!({"client_id": id, "client_name": "Desk", "redirect_uris": [REDIRECT]})
}

fn page(document: &Value) -> Page {
    Page::Document(document.to_string(), None)
}

/// The gateway refuses the client, and says this in its log.
async fn refuses(gateway: &Gateway, id: &str, why: &str) {
    let answer = Browser::default()
        .get(gateway, &request(id, &gateway.url(UPSTREAM)))
        .await;
    assert_eq!(answer.status, 400, "{id}: {}", answer.text());
    assert!(answer.header("location").is_none(), "{id}");
    assert!(
        !answer.text().contains(why),
        "the page tells it to everybody"
    );
    until(&format!("`{why}` about {id} in the log"), async || {
        let log = gateway.log();
        let mut lines = log.lines();
        lines
            .find(|line| line.contains(id) && line.contains(why))
            .map(drop)
    })
    .await;
}

#[tokio::test]
async fn a_person_can_let_a_client_in_that_is_known_by_its_document() {
    let (_echo, gateway, host) = stage_and_host().await;
    let id = host.url("/client.json");
    host.put("/client.json", page(&about(&id)));
    let mut browser = Browser::default();
    browser.set_up(&gateway).await;
    let code = browser.code(&gateway, &id).await;
    let answer = redeem(&code, &id, &[]).send(gateway.address()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let tokens = answer.json();
    let token = tokens["access_token"].as_str().unwrap();
    let call = ask(&tool_call(1, json!({}))).bearer(token);
    let answer = call.send(gateway.address()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let recorded = records_in(&gateway, Some(TENANT));
    let outcome = recorded.iter().find(|r| r["kind"] == "outcome").unwrap();
    assert_eq!(outcome["actor"], id.as_str());
    assert_eq!(host.fetches("/client.json"), 1, "it is kept for a while");
}

#[tokio::test]
async fn what_is_no_document_about_the_client_is_refused() {
    let (_echo, gateway, host) = stage_and_host().await;
    let good = host.url("/good.json");
    host.put("/good.json", page(&about(&good)));
    let elsewhere = |path: &str| Page::Status(302, Some(host.url(path)));
    let mut large = about(&host.url("/large"));
    large["client_name"] = "x".repeat(6 * 1024).into();
    let mut secret = about(&host.url("/secret"));
    secret["client_secret"] = "s".into();
    let mut elsewhere_sent = about(&host.url("/back"));
    elsewhere_sent["redirect_uris"] = json!(["http://10.0.0.1/cb"]);
    for (path, page, why) in [
        ("/moved", elsewhere("/good.json"), "status 302"),
        ("/gone", Page::Status(404, None), "status 404"),
        ("/partial", Page::Status(206, None), "status 206"),
        ("/large", page(&large), "length limit exceeded"),
        ("/other", page(&about(&good)), "its `client_id` is another"),
        (
            "/anonymous",
            page(&json!({"redirect_uris": [REDIRECT]})),
            "its `client_id` is another",
        ),
        ("/secret", page(&secret), "holds no secret"),
        ("/back", page(&elsewhere_sent), "redirect URI"),
        (
            "/text",
            Page::Document("hello".into(), None),
            "is not usable",
        ),
    ] {
        host.put(path, page);
        refuses(&gateway, &host.url(path), why).await;
        // Nobody makes the gateway knock again and again.
        refuses(&gateway, &host.url(path), why).await;
        assert_eq!(host.fetches(path), 1, "{path}");
    }
    assert_eq!(
        host.fetches("/good.json"),
        0,
        "nobody followed the redirect"
    );
}

#[tokio::test]
async fn a_host_that_says_nothing_costs_five_seconds_and_no_more() {
    let (_echo, gateway, host) = stage_and_host().await;
    host.put("/slow", Page::Silence);
    refuses(&gateway, &host.url("/slow"), "no answer in time").await;
}

#[tokio::test]
async fn an_inner_host_is_fetched_from_only_when_it_is_named_and_shows_who_it_is() {
    let authority = Authority::new("documents");
    let host = DocumentHost::start(&authority).await.unwrap();
    let id = host.url("/client.json");
    host.put("/client.json", page(&about(&id)));
    for (hosts, why, connections) in [
        (json!({}), "not public", 0),
        (json!({"intranet.example": {}}), "not public", 0),
        // Named, but by a certificate that nobody here trusts.
        (json!({"localhost": {}}), "cannot be fetched", 1),
        (
            json!({"localhost": {"ca_file": "others.pem"}}),
            "cannot be fetched",
            2,
        ),
    ] {
        let server = json!({"private_document_hosts": hosts});
        let others = Authority::new("others");
        let (_echo, gateway) =
            stage_with(server, |setup| setup.file("others.pem", others.pem())).await;
        refuses(&gateway, &id, why).await;
        assert_eq!(host.connections(), connections, "{hosts}");
        // An address is nobody's name.
        let by_address = id.replace("localhost", "127.0.0.1");
        refuses(
            &gateway,
            &by_address,
            "not the address of a client's document",
        )
        .await;
    }
    assert_eq!(host.fetches("/client.json"), 0);
}
