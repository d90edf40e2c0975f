//! Lists: a page at a time, filtered, as files; to each person what is theirs.

use http::header;
use serde_json::Value;

use super::house::{House, Visitor, document, text};
use crate::Reply;

async fn items(house: &House, visitor: &Visitor, path: &str) -> Vec<String> {
    let page = document(&house.get(visitor, path).await);
    let ids = page["items"].as_array().unwrap().iter();
    ids.map(|item| item["id"].as_str().unwrap().to_owned())
        .collect()
}

#[tokio::test]
async fn a_list_is_read_page_by_page_without_loss_or_repetition() {
    let house = House::open().await;
    let cleo = house.log_in("acme", "cleo", &[]).await;
    for n in 0..120 {
        let asks = house.asks(|wish| {
            wish.actor = format!("agent-{n}");
            // Nobody may have all of them wait.
            wish.subject = format!("person-{}", n % 2);
        });
        asks.await;
    }
    let mut seen = std::collections::BTreeSet::new();
    let mut next = "/api/v1/requests?state=pending".to_owned();
    let mut sizes = Vec::new();
    loop {
        let page = document(&house.get(&cleo, &next).await);
        let items = page["items"].as_array().unwrap();
        sizes.push(items.len());
        seen.extend(
            items
                .iter()
                .map(|item| item["id"].as_str().unwrap().to_owned()),
        );
        match &page["next"] {
            Value::String(to) => next.clone_from(to),
            _ => break,
        }
    }
    assert_eq!((sizes, seen.len()), (vec![50, 50, 20], 120));
    let page = house.get(&cleo, "/console/requests").await;
    assert!(text(&page).contains("rel=\"next\"") && text(&page).contains("50 on this page"));
    // Agents are counted over all of them, and have pages too.
    let agents = document(&house.get(&cleo, "/api/v1/agents").await);
    assert_eq!(agents["items"].as_array().unwrap().len(), 50);
    let rest = document(&house.get(&cleo, agents["next"].as_str().unwrap()).await);
    assert_eq!(rest["items"][0]["asked"], 1);
}

#[tokio::test]
async fn a_file_has_all_rows_and_no_formula() {
    let house = House::open().await;
    let cleo = house.log_in("acme", "cleo", &[]).await;
    for n in 0..60 {
        house.asks(|wish| wish.actor = format!("=agent({n})")).await;
    }
    let file: Reply = house.get(&cleo, "/api/v1/requests?format=csv").await;
    assert_eq!(
        file.headers()[header::CONTENT_DISPOSITION],
        "attachment; filename=\"requests.csv\""
    );
    let lines: Vec<_> = text(&file).lines().collect();
    assert_eq!(lines.len(), 61);
    assert!(
        lines[0].starts_with("id,state,entitlement,subject,actor,"),
        "{}",
        lines[0]
    );
    assert!(lines[1].contains(",'=agent(59),"), "{}", lines[1]);
}

#[tokio::test]
async fn each_person_sees_what_is_theirs() {
    let house = House::open().await;
    let written = house.asks(|_| {}).await.id.to_string();
    let read = house
        .asks(|wish| wish.tool = "read_file".into())
        .await
        .id
        .to_string();
    let of_ben = house
        .asks(|wish| wish.subject = "ben".into())
        .await
        .id
        .to_string();
    let all = vec![of_ben.clone(), read.clone(), written.clone()];
    for (who, view, seen) in [
        ("ada", "all", vec![read.clone(), written.clone()]),
        ("ada", "decide", vec![]),
        ("ben", "all", vec![of_ben.clone(), written.clone()]),
        // His own waits for somebody else.
        ("ben", "decide", vec![written.clone()]),
        ("ben", "mine", vec![of_ben.clone()]),
        ("bea", "all", vec![read.clone()]),
        ("cleo", "all", all.clone()),
        ("cleo", "decide", vec![]),
        ("dora", "all", all),
        ("eve", "all", vec![]),
    ] {
        let visitor = house.log_in("acme", who, &[]).await;
        let path = format!("/api/v1/requests?view={view}");
        assert_eq!(items(&house, &visitor, &path).await, seen, "{who} {view}");
    }
    let zoe = house.log_in("globex", "zoe", &[]).await;
    assert!(items(&house, &zoe, "/api/v1/requests").await.is_empty());
}

#[tokio::test]
async fn filters_find_exactly_what_they_name() {
    let house = House::open().await;
    let cleo = house.log_in("acme", "cleo", &[]).await;
    let one = house
        .asks(|wish| wish.actor = "one".into())
        .await
        .id
        .to_string();
    let two = house
        .asks(|wish| wish.tool = "write_two".into())
        .await
        .id
        .to_string();
    house.grants().await;
    for (filter, seen) in [
        ("actor=one", vec![one.clone()]),
        ("tool=write_two", vec![two.clone()]),
        (
            "subject=ada&state=pending&upstream=files",
            vec![two.clone(), one.clone()],
        ),
        ("subject=nobody", vec![]),
        ("upstream=NOT%20AN%20ID", vec![]),
        ("state=refused", vec![]),
    ] {
        assert_eq!(
            items(&house, &cleo, &format!("/api/v1/requests?{filter}")).await,
            seen,
            "{filter}"
        );
    }
    let unknown = document(&house.get(&cleo, "/api/v1/requests?colour=red").await);
    assert_eq!(unknown["field"], "colour");
}

#[tokio::test]
async fn a_grant_that_is_over_is_not_active_whether_or_not_anybody_noticed() {
    let house = House::open().await;
    let cleo = house.log_in("acme", "cleo", &[]).await;
    let grant = house.grants().await.to_string();
    assert_eq!(
        items(&house, &cleo, "/api/v1/grants").await,
        std::slice::from_ref(&grant)
    );
    house.clock.advance(std::time::Duration::from_secs(600));
    assert!(items(&house, &cleo, "/api/v1/grants").await.is_empty());
    let ended = document(&house.get(&cleo, "/api/v1/grants?state=any").await);
    assert_eq!(ended["items"][0]["state"], "expired");
    let reach = house.get(&cleo, "/console/reach").await;
    assert!(text(&reach).contains("expired"), "{}", text(&reach));
}
