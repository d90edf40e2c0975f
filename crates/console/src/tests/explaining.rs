//! Why a call is permitted or not, and who permits it by a policy: for those who see everything.

use serde_json::json;

use super::house::{House, document, text};

const CALL: &str = "subject=ada&actor=agent&groups=ops,%20all&upstream=files&tool=write_file";

#[tokio::test]
async fn an_administrator_sees_what_keeps_a_call_from_being_made_and_who_could_approve_it() {
    let house = House::open().await;
    let cleo = house.log_in("acme", "cleo", &[]).await;
    let form = house.get(&cleo, "/console/explain").await;
    assert!(form.status().is_success() && !text(&form).contains("No policy"));
    let page = house
        .get(&cleo, &format!("/console/explain?{CALL}&arguments=%7B%7D"))
        .await;
    let page = text(&page);
    for told in [
        "not permitted",
        "a-policy",
        "/public/*",
        "can be asked for under",
        "value=\"ada\"",
    ] {
        assert!(page.contains(told), "{told}: {page}");
    }
    let said = document(&house.get(&cleo, &format!("/api/v1/explain?{CALL}")).await);
    assert_eq!(said["policies"][0]["outcome"], "depends on arguments");
    assert_eq!(said["decision"], "not permitted");
    assert!(
        said["entitlement"].is_string() && said["decided"].is_string(),
        "{said}"
    );
}

#[tokio::test]
async fn a_call_that_is_none_is_told_with_its_place() {
    let house = House::open().await;
    let cleo = house.log_in("acme", "cleo", &[]).await;
    for (query, field) in [
        ("subject=ada&actor=agent&upstream=files", "tool"),
        ("subject=ada&actor=agent&upstream=FILES&tool=a", "upstream"),
        (
            "subject=ada&actor=agent&upstream=files&tool=a&arguments=%5B%5D",
            "arguments",
        ),
        (
            "subject=ada&actor=agent&upstream=files&tool=a&arguments=%7B",
            "arguments",
        ),
        ("", "tool"),
    ] {
        let reply = house.get(&cleo, &format!("/api/v1/explain?{query}")).await;
        assert_eq!(reply.status(), 400, "{query}");
        assert_eq!(document(&reply)["field"], field, "{query}");
    }
}

#[tokio::test]
async fn standing_access_is_for_those_who_see_everything() {
    let house = House::open().await;
    let (cleo, ben) = (
        house.log_in("acme", "cleo", &[]).await,
        house.log_in("acme", "ben", &[]).await,
    );
    let path = "/api/v1/reach?why=policy&upstream=files&tool=write_file";
    let rows = document(&house.get(&cleo, path).await);
    let row = &rows["items"][0];
    assert_eq!(
        (&row["rule"], &row["until"]),
        (&json!("a-policy"), &json!(null))
    );
    assert_eq!(document(&house.get(&ben, path).await)["items"], json!([]));
    let nowhere = house.get(&cleo, "/api/v1/reach?why=policy").await;
    assert_eq!(document(&nowhere)["field"], "upstream");
}
