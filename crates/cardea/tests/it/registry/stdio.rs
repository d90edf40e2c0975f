use std::{fs, path::PathBuf};

use super::*;
use crate::{protocol::text_of, stdio::python};

/// A gateway that starts the server whose definitions a test can change.
struct Workshop {
    gateway: Gateway,
    token: String,
    definitions: PathBuf,
    _folder: tempfile::TempDir,
}

impl Workshop {
    async fn open(era: &str, rule: &str, definitions: &Value) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("definitions.json");
        fs::write(&file, definitions.to_string()).unwrap();
        let program =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testkit/servers/changing_stdio.py");
        let server = json!({
            "tenants": [TENANT],
            "stdio": {
                "command": python(),
                "args": [program, "--era", era, "--definitions", file],
            },
            "schemas": { "arguments": "ignore", "results": "ignore" },
            "pins": rule,
        });
        let setup = setup().upstream(UPSTREAM, server).policy(PERMIT_ALL);
        let gateway = setup.start().await.unwrap();
        let token = token(&gateway, "ada", "bot").await;
        Self {
            gateway,
            token,
            definitions: file,
            _folder: folder,
        }
    }

    fn shows(&self, definitions: &Value) {
        // Whole at once, as the server may read it at any time.
        let new = self.definitions.with_extension("new");
        fs::write(&new, definitions.to_string()).unwrap();
        fs::rename(new, &self.definitions).unwrap();
    }

    async fn send(&self, message: &Value) -> Answer {
        let ask = ask(message).bearer(&self.token);
        ask.send(self.gateway.address()).await
    }

    /// A call of another agent, for which there is another process.
    async fn call_of_agent(&self, actor: &str) -> Answer {
        let token = token(&self.gateway, "ada", actor).await;
        let ask = ask(&call_of("echo")).bearer(&token);
        ask.send(self.gateway.address()).await
    }

    async fn send_in(&self, session: &str, message: &Value) -> Answer {
        let ask = ask(message)
            .bearer(&self.token)
            .set("mcp-session-id", session);
        ask.send(self.gateway.address()).await
    }
}

fn shown(description: &str) -> Value {
    json!({ "tools": [tool("echo", description)], "instructions": "Be kind." })
}

#[tokio::test]
async fn a_modern_process_that_shows_another_definition_is_not_called() {
    let workshop = Workshop::open("modern", "approve", &shown("Says it.")).await;
    let refused = workshop.send(&call_of("echo")).await;
    assert_unapproved(&refused);
    approve_all(&workshop.gateway).await;
    until("a call that goes through", async || {
        let answer = workshop.send(&call_of("echo")).await;
        (refusal(&answer).is_none() && text_of(&answer) == "called echo").then_some(())
    })
    .await;

    // Another agent's process of the same server shows another definition.
    workshop.shows(&shown("Says it to somebody else."));
    let refused = workshop.call_of_agent("other-bot").await;
    assert_unapproved(&refused);
    assert_eq!(
        state_of(&workshop.gateway, "echo").await.as_deref(),
        Some("changed")
    );

    // And another one a definition that is none: what was approved does not stand for it.
    workshop.shows(&shown("Says it."));
    workshop.send(&modern(1, "tools/list", json!({}))).await;
    let answer = workshop.send(&call_of("echo")).await;
    assert_eq!(text_of(&answer), "called echo", "{}", answer.text());
    workshop.shows(&json!({ "tools": [invalid_tool("echo")] }));
    let refused = workshop.call_of_agent("third-bot").await;
    assert_unapproved(&refused);
}

#[tokio::test]
async fn a_legacy_session_sees_what_was_approved_and_no_more() {
    let workshop = Workshop::open("legacy", "approve", &shown("Says it.")).await;
    until("a look at the server", async || {
        let list = document(&workshop.gateway, &["list"]).await;
        (list["servers"][0]["surveyed"] == true).then_some(())
    })
    .await;
    // One session waits for the approval: a new one for each look would use up those that a principal may have.
    let opened = workshop.send(&initialize(0)).await;
    let result = &opened.json()["result"];
    assert_eq!(result["instructions"], "", "{}", opened.text());
    let session = opened.header("mcp-session-id").unwrap();
    approve_all(&workshop.gateway).await;
    until("the tool", async || {
        let list = legacy(1, "tools/list", json!({}));
        let list = workshop.send_in(&session, &list).await.json();
        (names(&list["result"]["tools"], "name") == ["echo"]).then_some(())
    })
    .await;
    let opened = workshop.send(&initialize(0)).await;
    let result = &opened.json()["result"];
    assert_eq!(result["instructions"], "Be kind.", "{}", opened.text());
    let call = legacy(2, "tools/call", json!({ "name": "echo", "arguments": {} }));
    let answer = workshop.send_in(&session, &call).await;
    assert_eq!(text_of(&answer), "called echo");

    workshop.shows(&shown("Says it to somebody else."));
    let list = workshop
        .send_in(&session, &legacy(3, "tools/list", json!({})))
        .await;
    assert_eq!(list.json()["result"]["tools"], json!([]), "{}", list.text());
    let refused = workshop.send_in(&session, &call).await;
    assert_eq!(
        refusal(&refused).as_deref(),
        Some("E_DEFINITION_UNAPPROVED")
    );
}

#[tokio::test]
async fn the_gateway_looks_at_a_server_by_itself_and_says_so() {
    for era in ["modern", "legacy"] {
        let definitions = json!({
            "instructions": "Be kind.",
            "tools": [tool("echo", "Says it.")],
            "prompts": [{ "name": "greet" }],
            "resourceTemplates": [{ "name": "file", "uriTemplate": "file:///{path}" }],
        });
        let workshop = Workshop::open(era, "approve", &definitions).await;
        until(&format!("a look at the {era} server"), async || {
            let list = document(&workshop.gateway, &["list"]).await;
            (list["servers"][0]["surveyed"] == true).then_some(())
        })
        .await;
        for what in [
            "echo",
            "prompt:greet",
            "template:file:///{path}",
            "instructions",
        ] {
            let state = state_of(&workshop.gateway, what).await;
            assert_eq!(state.as_deref(), Some("new"), "{what} in the {era} era");
        }
        assert!(!events(&workshop.gateway, "server_survey").is_empty());
    }
}
