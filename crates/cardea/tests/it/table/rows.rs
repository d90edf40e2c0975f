//! The table itself: every method, and what becomes of it when it is permitted.

use crate::support::{Value, json};

/// One method of the protocol, or one other thing that a client can send.
pub(crate) struct Row {
    /// The method, or a word in its place for what has none.
    pub(crate) name: &'static str,
    pub(crate) shape: Shape,
    /// `params` of the message; in the modern era its metadata is added.
    pub(crate) params: &'static str,
    /// What it becomes in the legacy era when it is permitted.
    pub(crate) legacy: Fate,
    /// What it becomes in the modern era when it is permitted.
    pub(crate) modern: Fate,
    /// Whether an intent is recorded before it goes upstream.
    pub(crate) intent: bool,
}

/// What is sent.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    Request,
    Notification,
    /// A response to a request of the server.
    Response,
    /// No message, but this HTTP method.
    Bare(&'static str),
}

/// What becomes of something that the policies permit.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Fate {
    /// 200, a result, recorded as `result`.
    Result,
    /// 202 without a body, recorded as `accepted`.
    Accepted,
    /// 200 without a body, recorded as `accepted`.
    Ended,
    /// 200, a stream without an answer, recorded as `closed`.
    Stream,
    /// The era does not have it, whoever asks: status, JSON-RPC code, denial code.
    Refused(u16, i64, &'static str),
}

const UNKNOWN_LEGACY: Fate = Fate::Refused(200, -32601, "E_METHOD_UNKNOWN");
const UNKNOWN_MODERN: Fate = Fate::Refused(404, -32601, "E_METHOD_UNKNOWN");
const NO_BARE_REQUESTS: Fate = Fate::Refused(405, -32600, "E_HTTP_METHOD");
const NO_RESPONSES: Fate = Fate::Refused(400, -32600, "E_ENVELOPE_INVALID");

const fn request(name: &'static str, params: &'static str) -> Row {
    Row {
        name,
        shape: Shape::Request,
        params,
        legacy: Fate::Result,
        modern: Fate::Result,
        intent: true,
    }
}

const fn tells(name: &'static str, params: &'static str) -> Row {
    Row {
        intent: false,
        ..request(name, params)
    }
}

const fn notification(name: &'static str, params: &'static str) -> Row {
    Row {
        shape: Shape::Notification,
        legacy: Fate::Accepted,
        modern: UNKNOWN_MODERN,
        ..tells(name, params)
    }
}

const fn legacy(row: Row) -> Row {
    Row {
        modern: UNKNOWN_MODERN,
        ..row
    }
}

const fn modern(row: Row) -> Row {
    Row {
        legacy: UNKNOWN_LEGACY,
        ..row
    }
}

/// Rows that are no method of the protocol's core.
pub(super) const OTHERS: [&str; 5] = ["GET", "DELETE", "response", "acme/do", "notifications/acme"];

/// Every row runs in both eras with every token.
pub(crate) const ROWS: &[Row] = &[
    legacy(tells(
        "initialize",
        r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"t","version":"1"}}"#,
    )),
    legacy(tells("ping", "{}")),
    modern(tells("server/discover", "{}")),
    tells("tools/list", "{}"),
    request("tools/call", r#"{"name":"echo","arguments":{"a":1}}"#),
    tells("resources/list", "{}"),
    tells("resources/templates/list", "{}"),
    request("resources/read", r#"{"uri":"file:///a.txt"}"#),
    legacy(request("resources/subscribe", r#"{"uri":"file:///a.txt"}"#)),
    legacy(request(
        "resources/unsubscribe",
        r#"{"uri":"file:///a.txt"}"#,
    )),
    modern(request(
        "subscriptions/listen",
        r#"{"notifications":{"toolsListChanged":true,"resourceSubscriptions":["file:///a.txt"]}}"#,
    )),
    tells("prompts/list", "{}"),
    request("prompts/get", r#"{"name":"greet"}"#),
    request(
        "completion/complete",
        r#"{"ref":{"type":"ref/prompt","name":"greet"},"argument":{"name":"who","value":"a"}}"#,
    ),
    legacy(tells("logging/setLevel", r#"{"level":"info"}"#)),
    request("tasks/get", r#"{"taskId":"t1"}"#),
    legacy(request("tasks/result", r#"{"taskId":"t1"}"#)),
    legacy(request("tasks/list", "{}")),
    modern(request(
        "tasks/update",
        r#"{"taskId":"t1","inputResponses":{}}"#,
    )),
    request("tasks/cancel", r#"{"taskId":"t1"}"#),
    notification("notifications/initialized", "{}"),
    Row {
        modern: Fate::Accepted,
        ..notification("notifications/cancelled", r#"{"requestId":7}"#)
    },
    notification(
        "notifications/progress",
        r#"{"progressToken":"p","progress":1}"#,
    ),
    notification("notifications/roots/list_changed", "{}"),
    notification("notifications/tasks/status", r#"{"taskId":"t1"}"#),
    Row {
        shape: Shape::Bare("GET"),
        legacy: Fate::Stream,
        modern: NO_BARE_REQUESTS,
        ..request("GET", "{}")
    },
    Row {
        shape: Shape::Bare("DELETE"),
        legacy: Fate::Ended,
        modern: NO_BARE_REQUESTS,
        ..request("DELETE", "{}")
    },
    Row {
        // Nothing was asked: what was is in `protocol/asks.rs`.
        shape: Shape::Response,
        legacy: NO_RESPONSES,
        modern: NO_RESPONSES,
        ..request("response", "{}")
    },
    request("acme/do", r#"{"what":"it"}"#),
    Row {
        modern: Fate::Accepted,
        intent: true,
        ..notification("notifications/acme", "{}")
    },
];

impl Row {
    /// The body of the row's message.
    pub(crate) fn message(&self, id: &str, is_modern: bool) -> Value {
        if self.shape == Shape::Response {
            return json!({ "jsonrpc": "2.0", "id": id, "result": {} });
        }
        let params: Value = serde_json::from_str(self.params).unwrap();
        let mut message = match is_modern {
            true => crate::support::modern(id, self.name, params),
            false => crate::support::legacy(id, self.name, params),
        };
        if self.shape == Shape::Notification {
            message.as_object_mut().unwrap().remove("id");
        }
        message
    }

    pub(super) fn fate(&self, is_modern: bool) -> Fate {
        if is_modern { self.modern } else { self.legacy }
    }
}
