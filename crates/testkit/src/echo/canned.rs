//! What the upstream says when nobody scripted anything else.

use serde_json::{Value, json};

use super::{
    Seen,
    reply::{Reply, answer},
};

/// The session that `initialize` opens.
const SESSION: &str = "echo-session";

/// Gives every method of both eras a plausible answer; what it does not know, the request's `params`.
pub(super) fn reply(seen: &Seen) -> Reply {
    let message = seen.message();
    match seen.method().as_str() {
        "GET" => Reply::stream(&[
            json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" }),
        ]),
        "DELETE" => Reply::empty(200),
        "initialize" => Reply::result(seen, &result(seen)).header("mcp-session-id", SESSION),
        "subscriptions/listen" => listen(seen),
        _ if message["id"].is_null() || message["method"].is_null() => Reply::empty(202),
        _ => Reply::result(seen, &result(seen)),
    }
}

fn result(seen: &Seen) -> Value {
    let params = &seen.message()["params"];
    let mut result = match seen.method().as_str() {
        "initialize" => json!({
            "protocolVersion": params["protocolVersion"],
            "capabilities": capabilities(),
            "serverInfo": { "name": "echo", "version": "1" },
        }),
        "server/discover" => json!({
            "supportedVersions": ["2026-07-28"],
            "capabilities": capabilities(),
            "ttlMs": 0,
            "cacheScope": "public",
        }),
        "tools/list" => json!({ "tools": [tool("echo"), tool("delete")] }),
        "tools/call" => json!({
            "content": [{ "type": "text", "text": params["arguments"].to_string() }],
        }),
        "resources/list" => json!({
            "resources": [{ "uri": "file:///a.txt", "name": "a" }],
        }),
        "resources/templates/list" => json!({
            "resourceTemplates": [{ "uriTemplate": "file:///{name}", "name": "any" }],
        }),
        "resources/read" => json!({
            "contents": [{ "uri": params["uri"], "text": "a" }],
        }),
        "prompts/list" => json!({ "prompts": [{ "name": "greet" }] }),
        "prompts/get" => json!({
            "messages": [{ "role": "user", "content": { "type": "text", "text": "hello" } }],
        }),
        "completion/complete" => json!({ "completion": { "values": ["a"] } }),
        "tasks/list" => json!({ "tasks": [] }),
        "ping" | "logging/setLevel" | "resources/subscribe" | "resources/unsubscribe" => json!({}),
        _ => json!({ "echo": params }),
    };
    if seen.is_modern() {
        result["resultType"] = "complete".into();
    }
    result
}

fn capabilities() -> Value {
    json!({
        "tools": { "listChanged": true },
        "resources": { "subscribe": true },
        "prompts": {},
        "completions": {},
        "logging": {},
    })
}

fn tool(name: &str) -> Value {
    json!({ "name": name, "description": "Gives its arguments back", "inputSchema": { "type": "object" } })
}

/// Acknowledges nothing and ends well.
fn listen(seen: &Seen) -> Reply {
    let id = &seen.message()["id"];
    let meta = json!({ "io.modelcontextprotocol/subscriptionId": id });
    Reply::stream(&[
        json!({
            "jsonrpc": "2.0",
            "method": "notifications/subscriptions/acknowledged",
            "params": { "notifications": {}, "_meta": meta },
        }),
        answer(seen, &json!({ "resultType": "complete", "_meta": meta })),
    ])
}
