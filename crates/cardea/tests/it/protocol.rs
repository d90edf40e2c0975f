//! What the gateway does to messages, to the byte: nothing, but for what is written down.
//!
//! | module | what it shows |
//! |---|---|
//! | `bytes` | messages survive byte for byte, in both directions and eras |
//! | `lists` | lists show what is permitted, and a hidden thing looks like none |
//! | `edge` | what is refused before anybody reads it: headers, origin, versions |
//! | `form` | bodies that are not exactly one message |
//! | `limits` | what one request may cost |
//! | `headers` | which headers pass, in either direction |
//! | `sessions` | legacy sessions belong to their principal and upstream |
//! | `resume` | broken streams go on where they were, filtered as they were |
//! | `streams` | who may end a stream: the client, the token, the limit |
//! | `asks` | what servers may ask of clients |

mod asks;
mod bytes;
mod edge;
mod form;
mod headers;
mod limits;
mod lists;
mod resume;
mod sessions;
mod streams;

use cardea_testkit::{
    hostile::{Hostile, Received, Script},
    wait::DEADLINE,
};

use crate::support::*;

/// A gateway with one scripted upstream behind it, in place of the [`Echo`] of a [`Stage`].
pub(crate) struct Scene {
    pub(crate) upstream: Hostile,
    pub(crate) gateway: Gateway,
    pub(crate) token: String,
}

impl Scene {
    /// Everything is permitted.
    pub(crate) async fn start(act: impl Fn(&Received) -> Script + Send + Sync + 'static) -> Self {
        Self::with(|setup| setup.policy(PERMIT_ALL), act).await
    }

    /// With a changed set-up; without a policy in it nothing is permitted.
    pub(crate) async fn with(
        change: impl FnOnce(Setup) -> Setup,
        act: impl Fn(&Received) -> Script + Send + Sync + 'static,
    ) -> Self {
        let upstream = Hostile::start(act).await.unwrap();
        let setup = setup().http_upstream(UPSTREAM, &upstream.url());
        let gateway = change(setup).start().await.unwrap();
        let token = token(&gateway, "ada", "bot").await;
        Self {
            upstream,
            gateway,
            token,
        }
    }

    /// A message with the token, in the era that the message is of.
    pub(crate) fn ask(&self, message: &Value) -> Ask {
        ask(message).bearer(&self.token)
    }

    /// A text with the token, as a message of the legacy era.
    pub(crate) fn legacy_text(&self, text: &str) -> Ask {
        Ask::post(PATH, text.to_owned())
            .set("mcp-protocol-version", LEGACY)
            .bearer(&self.token)
    }

    /// A text with the token, as a modern `tools/call` of this tool.
    pub(crate) fn modern_call_text(&self, tool: &str, text: &str) -> Ask {
        Ask::post(PATH, text.to_owned())
            .set("mcp-protocol-version", MODERN)
            .set("mcp-method", "tools/call")
            .set("mcp-name", tool)
            .bearer(&self.token)
    }

    /// A GET or DELETE of the legacy era with the token.
    pub(crate) fn bare(&self, method: &str) -> Ask {
        Ask::new(method, PATH)
            .set("accept", "text/event-stream")
            .set("mcp-protocol-version", LEGACY)
            .bearer(&self.token)
    }

    /// Sends a message and waits for the whole answer.
    pub(crate) async fn call(&self, message: &Value) -> Answer {
        self.send(self.ask(message)).await
    }

    /// Sends a request and waits for the whole answer.
    pub(crate) async fn send(&self, ask: Ask) -> Answer {
        ask.send(self.gateway.address()).await
    }

    /// Sends a request and waits for the answer's head.
    pub(crate) async fn open(&self, ask: Ask) -> Open {
        ask.open(self.gateway.address()).await
    }

    /// The requests of this method that the upstream saw.
    pub(crate) fn seen(&self, rpc: &str) -> Vec<Received> {
        self.upstream.calls(rpc)
    }

    /// Waits until the upstream saw a client go away in the middle of its answer.
    pub(crate) async fn wait_until_gone(&self) {
        self.upstream
            .wait("a client that goes away", DEADLINE, |seen| seen.gone > 0)
            .await
            .unwrap();
    }

    /// The record of this kind of a call, once it is there.
    pub(crate) async fn record(&self, kind: &str, call: &str) -> Value {
        record(&self.gateway, kind, call).await
    }

    /// The last record of this kind of the request with this JSON-RPC id, once it is there.
    pub(crate) async fn record_by_id(&self, kind: &str, id: &Value) -> Value {
        until(&format!("a record `{kind}` of request {id}"), async || {
            records(&self.gateway)
                .into_iter()
                .rfind(|record| record["kind"] == kind && record["id"] == *id)
        })
        .await
    }
}

/// A whole JSON result for the request that was received.
pub(crate) fn result(received: &Received, result: &str) -> Script {
    Script::json(answer(received, result))
}

/// The text of a JSON-RPC result for the request that was received.
pub(crate) fn answer(received: &Received, result: &str) -> String {
    format!(
        r#"{{"jsonrpc":"2.0","id":{},"result":{result}}}"#,
        received.id()
    )
}

/// The result of a tool: one text.
pub(crate) fn tool_result(received: &Received, text: &str) -> Script {
    result(received, &tool_result_text(text))
}

/// A tool's result of one text, as JSON text that is good for both eras.
pub(crate) fn tool_result_text(text: &str) -> String {
    json!({"resultType": "complete", "content": [{"type": "text", "text": text}]}).to_string()
}

/// The gateway's own code in a refusal; empty when the answer is none.
pub(crate) fn code_of(answer: &Answer) -> String {
    let json = answer.json();
    let code = json["error"]["data"]["code"].as_str();
    code.unwrap_or_default().to_owned()
}

/// The text of a tool's result; empty when the answer is none.
pub(crate) fn text_of(answer: &Answer) -> String {
    let json = answer.json();
    let text = json["result"]["content"][0]["text"].as_str();
    text.unwrap_or_default().to_owned()
}
