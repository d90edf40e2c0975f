//! One tenant at its limits costs the others nothing.

use super::house::{ACME, GLOBEX};
use crate::{protocol::code_of, support::*};

/// Two tenants that share the settings of one upstream; the first may have little.
struct Shop {
    echo: Echo,
    gateway: Gateway,
    tokens: [String; 2],
}

impl Shop {
    async fn with(limits: Value) -> Self {
        let echo = Echo::start().await.unwrap();
        let gateway = setup()
            .set("tenants", json!({ACME: {"limits": limits}, GLOBEX: {}}))
            .upstream(
                UPSTREAM,
                json!({"tenants": [ACME, GLOBEX], "http": {"url": echo.url()}}),
            )
            .policy(PERMIT_ALL)
            .start()
            .await
            .unwrap();
        let acme = token_of(&gateway, ACME, "ada", "bot").await;
        let globex = token_of(&gateway, GLOBEX, "ada", "bot").await;
        Self {
            echo,
            gateway,
            tokens: [acme, globex],
        }
    }

    async fn call(&self, who: usize) -> Answer {
        let ask = ask(&tool_call(9, json!({}))).bearer(&self.tokens[who]);
        ask.send(self.gateway.address()).await
    }

    fn is_refused(answer: &Answer, told: &str) {
        assert_eq!(
            (answer.status, code_of(answer).as_str()),
            (503, "E_OVERLOADED"),
            "{}",
            answer.text()
        );
        let message = answer.json()["error"]["message"].to_string();
        assert!(message.contains(told), "{message}");
        assert_eq!(answer.json()["error"]["data"]["retryable"], true);
    }
}

#[tokio::test]
async fn calls_of_one_tenant_are_bounded_and_those_of_another_are_not_by_it() {
    let shop = Shop::with(json!({"calls_max": 3})).await;
    let gate = Gate::closed();
    let held = gate.clone();
    shop.echo.on("prompts/get", move |seen| {
        Reply::result(seen, &json!({"messages": [], "resultType": "complete"})).after(&held)
    });
    let calls: Vec<_> = (0..3)
        .map(|id| {
            let get = modern(id, "prompts/get", json!({"name": "p"}));
            let ask = ask(&get).bearer(&shop.tokens[0]);
            tokio::spawn(ask.try_send(shop.gateway.address()))
        })
        .collect();
    shop.echo.wait_for("prompts/get", 3).await;

    for _ in 0..3 {
        Shop::is_refused(&shop.call(0).await, "3 calls of the tenant are under way");
        assert_eq!(shop.call(1).await.status, 200);
    }
    // Before its body is read: what is refused costs no memory.
    let large = ask(&tool_call(1, json!({}))).body("x".repeat(100_000));
    let large = large
        .bearer(&shop.tokens[0])
        .send(shop.gateway.address())
        .await;
    Shop::is_refused(&large, "3 calls of the tenant");
    let effects = shop.echo.seen_of("tools/call").len();
    assert_eq!(effects, 3, "a refused call had an effect");

    gate.open();
    for call in calls {
        let answer = bounded("a held call", call).await.unwrap().unwrap();
        assert_eq!(answer.status, 200, "{}", answer.text());
    }
    assert_eq!(shop.call(0).await.status, 200);
    let open = metric(&shop.gateway, "cardea_open_calls", &[r#"tenant="acme""#]).await;
    assert_eq!(open, 0.0);
}

#[tokio::test]
async fn streams_of_one_tenant_are_bounded_over_all_its_people() {
    let shop = Shop::with(json!({"streams_max": 2})).await;
    let (senders, keep) = std::sync::mpsc::sync_channel(8);
    shop.echo.on("GET", move |_| {
        let (sender, reply) = Reply::channel();
        // The stream stays open as long as this is kept.
        senders.send(sender).unwrap();
        reply
    });
    let stream = |token: &str| {
        Ask::get(PATH)
            .set("accept", "text/event-stream")
            .set("mcp-protocol-version", LEGACY)
            .bearer(token)
    };
    let address = shop.gateway.address();
    let eve = token_of(&shop.gateway, ACME, "eve", "bot").await;
    let mut open = Vec::new();
    for token in [&shop.tokens[0], &eve] {
        let one = stream(token).open(address).await;
        assert_eq!(one.status, 200);
        open.push(one);
    }
    for token in [&shop.tokens[0], &eve] {
        let refused = stream(token).send(address).await;
        assert_eq!(refused.status, 503, "{}", refused.text());
    }
    // A call may be answered by a stream, for which there is no room.
    Shop::is_refused(&shop.call(0).await, "2 streams of the tenant are open");
    assert_eq!(shop.call(1).await.status, 200);
    let other = stream(&shop.tokens[1]).open(address).await;
    assert_eq!(other.status, 200);

    drop(open);
    until("room for a call", async || {
        (shop.call(0).await.status == 200).then_some(())
    })
    .await;
    drop(keep);
}
