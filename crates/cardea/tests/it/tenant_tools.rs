//! Tools that serve several tenants from one server: each gets its own, whatever caller and server do.
//!
//! | module | what it shows |
//! |---|---|
//! | `arguments` | arguments and headers name the caller's tenant, whatever it wrote |
//! | `results` | rows of others go; nothing comes by another way |
//! | `tickets` | a real shared ticket server, over HTTP and stdio, that misbehaves |

mod arguments;
mod results;
mod tickets;

use crate::support::*;

/// A gateway with one upstream that two tenants share, called `org-17` and `42` there.
struct Shared {
    echo: Echo,
    gateway: Gateway,
    acme: String,
    globex: String,
}

impl Shared {
    /// With these rules for the upstream's tools.
    async fn with(tools: Value) -> Self {
        let echo = Echo::start().await.unwrap();
        let gateway = setup()
            .tenant("acme")
            .tenant("globex")
            .upstream(
                UPSTREAM,
                json!({
                    "tenants": ["acme", "globex"],
                    "http": {"url": echo.url()},
                    "tenant_values": {"acme": "org-17", "globex": 42},
                    "tools": tools,
                }),
            )
            .policy(PERMIT_ALL)
            .start()
            .await
            .unwrap();
        Self {
            acme: token_of(&gateway, "acme", "ada", "bot").await,
            globex: token_of(&gateway, "globex", "grace", "bot").await,
            gateway,
            echo,
        }
    }

    /// Sends a message as Acme.
    async fn call(&self, message: &Value) -> Answer {
        self.send(ask(message).bearer(&self.acme)).await
    }

    async fn send(&self, ask: Ask) -> Answer {
        ask.send(self.gateway.address()).await
    }

    /// The params of the last `tools/call` that reached the upstream.
    fn upstream_params(&self) -> Value {
        let seen = self.echo.seen_of("tools/call");
        seen.last().expect("a call").message()["params"].clone()
    }

    /// The last record of this kind.
    async fn record(&self, kind: &str, id: impl Into<Value>) -> Value {
        let id = id.into();
        until(&format!("a record `{kind}` of {id}"), async || {
            records(&self.gateway)
                .into_iter()
                .rfind(|record| record["kind"] == kind && record["id"] == id)
        })
        .await
    }
}

/// The code of a refusal.
fn code(answer: &Answer) -> String {
    let json = match answer.events().pop() {
        Some(last) if answer.header("content-type").as_deref() == Some("text/event-stream") => last,
        _ => answer.json(),
    };
    json["error"]["data"]["code"]
        .as_str()
        .unwrap_or_else(|| panic!("no refusal: {}", answer.text()))
        .to_owned()
}
