//! Only known tools: what a server says of itself is seen and used once somebody has approved exactly that.
//!
//! | module | what it shows |
//! |---|---|
//! | `added` | servers that were added at a terminal: approved, changed, removed |
//! | `identity` | servers over TLS that are somebody else |
//! | `pins` | nothing before approval, rug pulls, grants, what else than tools, over HTTP in both eras |
//! | `squatting` | look-alikes, texts about other servers' tools, names that two have |
//! | `stdio` | the same with servers that the gateway starts, in both eras |
//! | `terminal` | `cardea server`: looking, approving, rejecting, taking back, exit statuses |

mod added;
mod identity;
mod pins;
mod squatting;
mod stdio;
mod terminal;

use std::process::Output;

use tokio::process::Command;

use crate::support::*;

/// A tool as a server lists it.
fn tool(name: &str, description: &str) -> Value {
    json!({ "name": name, "description": description, "inputSchema": { "type": "object" } })
}

/// A tool of this name whose definition the protocol calls invalid.
fn invalid_tool(name: &str) -> Value {
    let mut invalid = tool(name, "Says it to somebody else.");
    invalid["inputSchema"]["properties"] = json!({"a": {"type": "string", "x-mcp-header": 7}});
    invalid
}

/// The server lists these tools from now on, and whatever it is asked for else is empty.
fn shows(echo: &Echo, tools: Value) {
    let lists = [
        ("tools/list", "tools", tools),
        ("prompts/list", "prompts", json!([])),
        ("resources/templates/list", "resourceTemplates", json!([])),
    ];
    for (method, member, items) in lists {
        list(echo, method, member, items);
    }
}

fn list(echo: &Echo, method: &str, member: &'static str, items: Value) {
    echo.on(method, move |seen| {
        let mut result = json!({ member: items });
        if seen.is_modern() {
            result["resultType"] = "complete".into();
        }
        Reply::result(seen, &result)
    });
}

/// A gateway with an upstream whose definitions need approval by this rule.
async fn stage(rule: &str, tools: Value) -> Stage {
    stage_with(rule, tools, |setup| setup.policy(PERMIT_ALL)).await
}

async fn stage_with(rule: &str, tools: Value, change: impl FnOnce(Setup) -> Setup) -> Stage {
    let echo = Echo::start().await.unwrap();
    shows(&echo, tools);
    let upstream = json!({
        "tenants": [TENANT],
        "http": { "url": echo.url() },
        "schemas": { "arguments": "ignore", "results": "ignore" },
        "pins": rule,
    });
    let gateway = change(setup().upstream(UPSTREAM, upstream))
        .start()
        .await
        .unwrap();
    let token = token(&gateway, "ada", "bot").await;
    Stage {
        echo,
        gateway,
        token,
    }
}

/// `cardea server …` beside the gateway.
///
/// It may wait for the gateway, which waits for the server, which runs within the test: so the test must go on.
async fn server(gateway: &Gateway, args: &[&str]) -> Output {
    let (verb, rest) = args.split_first().unwrap();
    let mut command = Command::new(binary());
    command
        .args(["server", verb, "--config"])
        .arg(gateway.config())
        .args(rest);
    bounded("`cardea server`", command.output()).await.unwrap()
}

/// The document that `cardea server … --json` prints.
async fn document(gateway: &Gateway, args: &[&str]) -> Value {
    let output = server(gateway, &[args, &["--json"]].concat()).await;
    let complaint = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{args:?}: {complaint}");
    serde_json::from_slice(&output.stdout).unwrap()
}

/// Approves everything that waits of the upstream.
async fn approve_all(gateway: &Gateway) {
    document(
        gateway,
        &["approve", UPSTREAM, "--all", "--reason", "looked at"],
    )
    .await;
}

/// How a definition stands, as `cardea server show` says: `approved`, `new`, `changed`, `rejected`.
async fn state_of(gateway: &Gateway, what: &str) -> Option<String> {
    let shown = document(gateway, &["show", UPSTREAM]).await;
    let rows = shown["definitions"].as_array().unwrap().clone();
    // What waits comes after what was approved under the name.
    let row = rows.into_iter().rfind(|row| row["what"] == what)?;
    Some(row["state"].as_str().unwrap().to_owned())
}

/// The names of the tools that the agent sees.
async fn listed(stage: &Stage) -> Vec<String> {
    let answer = stage.call(&modern(1, "tools/list", json!({}))).await;
    names(&answer.json()["result"]["tools"], "name")
}

fn names(items: &Value, key: &str) -> Vec<String> {
    let items = items.as_array().cloned().unwrap_or_default();
    items
        .iter()
        .map(|item| item[key].as_str().unwrap().to_owned())
        .collect()
}

/// Waits until the agent sees exactly these tools.
async fn until_listed(stage: &Stage, wanted: &[&str]) {
    until(&format!("a list of {wanted:?}"), async || {
        (listed(stage).await == wanted).then_some(())
    })
    .await;
}

fn call_of(tool: &str) -> Value {
    modern(2, "tools/call", json!({ "name": tool, "arguments": {} }))
}

/// The code of a refusal; `None` when the call went through.
fn refusal(answer: &Answer) -> Option<String> {
    let code = &answer.json()["error"]["data"]["code"];
    code.as_str().map(str::to_owned)
}

fn assert_unapproved(answer: &Answer) {
    assert_eq!(
        refusal(answer).as_deref(),
        Some("E_DEFINITION_UNAPPROVED"),
        "{}",
        answer.text()
    );
}

/// A call is refused as unapproved, and the server hears nothing of it.
async fn assert_not_sent(stage: &Stage, tool: &str) {
    let calls = stage.echo.seen_of("tools/call").len();
    assert_unapproved(&stage.call(&call_of(tool)).await);
    assert_eq!(stage.echo.seen_of("tools/call").len(), calls);
}

/// The events of this name so far.
fn events(gateway: &Gateway, name: &str) -> Vec<Value> {
    let events = records(gateway)
        .into_iter()
        .map(|mut record| record["event"].take());
    events.filter(|event| event["name"] == name).collect()
}
