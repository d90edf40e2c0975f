//! Events reach those who may see what they are about, and nobody else.

use std::time::Duration;

use futures_util::StreamExt as _;
use http::{Method, StatusCode};
use serde_json::{Value, json};

use super::house::{House, Visitor, document};
use crate::{Body, Reply};

async fn watch(house: &House, visitor: &Visitor) -> Reply {
    let reply = house.get(visitor, "/api/v1/events").await;
    assert_eq!(reply.headers()["content-type"], "text/event-stream");
    reply
}

/// The next piece of a stream; `None` at its end.
async fn next(reply: &mut Reply) -> Option<String> {
    let Body::Events(events) = reply.body_mut() else {
        panic!("{reply:?}")
    };
    let text = events.next().await?;
    Some(String::from_utf8(text.to_vec()).unwrap())
}

/// What the next event is about.
async fn told(reply: &mut Reply) -> Value {
    let event = next(reply).await.unwrap();
    let data = event.strip_prefix("event: change\ndata: ").unwrap();
    serde_json::from_str(data.strip_suffix("\n\n").unwrap()).unwrap()
}

#[tokio::test]
async fn a_change_is_told_to_those_alone_who_may_see_it() {
    let house = House::open().await;
    let mut streams = Vec::new();
    for (of, who) in [
        ("acme", "ada"),
        ("acme", "ben"),
        ("acme", "cleo"),
        ("acme", "bea"),
        ("acme", "eve"),
        ("globex", "zoe"),
    ] {
        let visitor = house.log_in(of, who, &[]).await;
        let mut stream = watch(&house, &visitor).await;
        assert_eq!(next(&mut stream).await.as_deref(), Some("retry: 2000\n\n"));
        streams.push((who, stream));
    }
    // Ada's, for Ben to decide; then Eve's, for Bea; then something of another tenant. What
    // somebody may not see they are not told before what they may.
    let written = house.asks(|_| {}).await;
    let read = house.asks(|wish| {
        wish.subject = "eve".into();
        wish.tool = "read_file".into();
    });
    let read = read.await;
    let zoe = house.log_in("globex", "zoe", &[]).await;
    let body = json!({"kind": "run", "name": "a", "reason": "test"});
    let lock = house.call(&zoe, Method::POST, "/api/v1/locks", &body).await;
    let lock = document(&lock)["id"].as_str().unwrap().to_owned();
    for (who, stream) in &mut streams {
        let first = match *who {
            "ada" | "ben" | "cleo" => ("request", written.id.as_str()),
            "bea" | "eve" => ("request", read.id.as_str()),
            _ => ("lock", lock.as_str()),
        };
        let first = json!({"kind": first.0, "id": first.1});
        assert_eq!(told(stream).await, first, "{who}");
    }
}

#[tokio::test]
async fn a_stream_ends_so_that_the_login_is_looked_at_again() {
    let mut house = House::open().await;
    house.console.stream_max = Duration::ZERO;
    let ada = house.log_in("acme", "ada", &[]).await;
    let mut stream = watch(&house, &ada).await;
    assert!(next(&mut stream).await.is_some());
    assert_eq!(next(&mut stream).await, None);
}

#[tokio::test]
async fn a_person_has_a_few_streams_and_no_more() {
    let house = House::open().await;
    let ada = house.log_in("acme", "ada", &[]).await;
    let mut held = Vec::new();
    for _ in 0..6 {
        held.push(watch(&house, &ada).await);
    }
    let refused = house.get(&ada, "/api/v1/events").await;
    assert_eq!(refused.status(), StatusCode::TOO_MANY_REQUESTS);
    held.pop();
    watch(&house, &ada).await;
}
