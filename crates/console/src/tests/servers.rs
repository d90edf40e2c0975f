//! What servers say, as administrators see and decide it.

use super::house::{House, NOT_LISTED_YET, Visitor, text};

async fn page(house: &House, visitor: &Visitor, to: &str) -> String {
    let reply = house.get(visitor, to).await;
    assert_eq!(reply.status(), 200, "{to}");
    text(&reply).to_owned()
}

#[tokio::test]
async fn what_a_server_says_is_text_on_the_page_and_approved_by_its_digest() {
    let house = House::open().await;
    let evil = r#"{"name":"<script>alert(1)</script>","description":"\"><img src=x onerror=alert(2)>\u202e{{7*7}}"}"#;
    let name = "<script>alert(1)</script>";
    let digest = house.shows(name, evil).await;
    let cleo = house.log_in("acme", "cleo", &[]).await;
    let shown = page(&house, &cleo, "/console/servers/files").await;
    for markup in ["<script>alert", "<img src=x", "\u{202e}"] {
        assert!(!shown.contains(markup), "{markup} in {shown}");
    }
    assert!(
        shown.contains("&#60;script&#62;alert(1)") || shown.contains("&lt;script&gt;alert(1)"),
        "{shown}"
    );
    assert!(shown.contains(&digest));

    // What was shown is what is decided about.
    let other = format!("sha256:{}", "0".repeat(64));
    let fields = |digest: &str| {
        format!("kind=tool&name=%3Cscript%3Ealert(1)%3C%2Fscript%3E&digest={digest}&reason=fine")
    };
    let to = "/console/servers/files/approve";
    let refused = house.submit(&cleo, to, &fields(&other)).await;
    assert_eq!(refused.status(), 409);
    let approved = house.submit(&cleo, to, &fields(&digest)).await;
    assert_eq!(approved.status(), 303);
    let shown = page(
        &house,
        &cleo,
        "/console/servers/files?done=definition_approved",
    )
    .await;
    assert!(shown.contains("Approved: agents see it"), "{shown}");
    assert!(shown.contains("cleo") && shown.contains("fine"), "{shown}");
    let dora = house.log_in("acme", "dora", &[]).await;
    let shown = page(&house, &dora, "/console/servers/files").await;
    assert!(
        !shown.contains("<form method=\"post\" action=\"/console/servers"),
        "{shown}"
    );
}

#[tokio::test]
async fn a_decision_without_a_reason_is_refused() {
    let house = House::open().await;
    let digest = house.shows("rm", r#"{"name":"rm"}"#).await;
    let cleo = house.log_in("acme", "cleo", &[]).await;
    let fields = format!("kind=tool&name=rm&digest={digest}");
    let refused = house
        .submit(&cleo, "/console/servers/files/approve", &fields)
        .await;
    assert_eq!(refused.status(), 400);
}

#[tokio::test]
async fn a_tool_that_its_server_has_not_listed_again_is_described_as_it_was_approved() {
    let mut house = House::open().await;
    house.hand_reading_to_writers();
    let definition = format!(r#"{{"name":"{NOT_LISTED_YET}","description":"Takes a file away."}}"#);
    let digest = house.shows(NOT_LISTED_YET, &definition).await;
    let request = house.asks(|wish| wish.tool = NOT_LISTED_YET.into()).await;
    let ben = house.log_in("acme", "ben", &[]).await;
    let to = format!("/console/requests/{}", request.id);
    let shown = page(&house, &ben, &to).await;
    assert!(
        !shown.contains("Takes a file away."),
        "nobody has approved it"
    );

    let cleo = house.log_in("acme", "cleo", &[]).await;
    let fields = format!("kind=tool&name={NOT_LISTED_YET}&digest={digest}&reason=fine");
    let approved = house
        .submit(&cleo, "/console/servers/files/approve", &fields)
        .await;
    assert_eq!(approved.status(), 303);
    let shown = page(&house, &ben, &to).await;
    assert!(shown.contains("Takes a file away."), "{shown}");
}
