//! The field's ticket case: an agent of one tenant asks a shared ticket server for "all recent issues".
//!
//! The server is `tools/clients/ticket_server.py`, on the Python SDK, over HTTP and over stdio. It has issues of many
//! tenants, look-alikes among them, and gives all of them when it is told not to obey its argument.

use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

use super::*;
use crate::clients::installed;

/// The ids of the issues of `org-17`; see `ORGS` in the server.
const OWN: [u64; 3] = [8, 16, 24];

struct Desk {
    gateway: Gateway,
    acme: String,
    _server: Child,
}

impl Desk {
    async fn open() -> Self {
        let clients = installed();
        let python = clients.join(".venv/bin/python3");
        let program = clients.join("ticket_server.py");
        let mut server = tokio::process::Command::new(&python)
            .arg(&program)
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(server.stdout.take().unwrap()).lines();
        let url = bounded("the ticket server's URL", lines.next_line())
            .await
            .unwrap()
            .expect("a URL");
        let upstream = |way: Value| {
            let mut upstream = json!({
                "tenants": ["acme", "globex"],
                "tenant_values": {"acme": "org-17", "globex": "globex"},
                "tools": {"*": {
                    "arguments": [{"at": "/org", "tenant": "force"}],
                    "results": {"at": ["/issues/*/org", "/**/org"]},
                }},
            });
            upstream
                .as_object_mut()
                .unwrap()
                .extend(way.as_object().unwrap().clone());
            upstream
        };
        let gateway = setup()
            .tenant("acme")
            .tenant("globex")
            .upstream("http", upstream(json!({"http": {"url": url}})))
            .upstream(
                "stdio",
                upstream(json!({"stdio": {"command": python, "args": [program, "--stdio"]}})),
            )
            .policy(PERMIT_ALL)
            .start()
            .await
            .unwrap();
        let acme = token_of(&gateway, "acme", "ada", "bot").await;
        Self {
            gateway,
            acme,
            _server: server,
        }
    }

    /// Calls a tool of the server by HTTP or stdio, as Acme; gives the last message.
    async fn call(&self, way: &str, tool: &str, arguments: Value) -> Value {
        let message = modern(
            1,
            "tools/call",
            json!({"name": tool, "arguments": arguments,
            "_meta": {"progressToken": "p"}}),
        );
        let ask = Ask::modern(&format!("/mcp/{way}"), &message).bearer(&self.acme);
        let answer = ask.send(self.gateway.address()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        for other in [
            "globex",
            "ORG-17",
            "org-17.0",
            "org\u{2011}17",
            "org-170",
            "None",
        ] {
            assert!(
                !answer.text().contains(other),
                "{way} {tool}: {}",
                answer.text()
            );
        }
        match answer.header("content-type").as_deref() {
            Some("text/event-stream") => answer.events().pop().unwrap(),
            _ => answer.json(),
        }
    }
}

#[tokio::test]
async fn all_recent_issues_are_those_of_the_callers_tenant() {
    let desk = Desk::open().await;
    for way in ["http", "stdio"] {
        for (obey, org) in [
            (true, json!("globex")),
            (false, json!("globex")),
            (false, json!(17)),
            (false, Value::Null),
        ] {
            let arguments = json!({"query": "all recent issues", "obey": obey, "org": org});
            let answer = desk.call(way, "list_issues", arguments).await;
            let result = &answer["result"];
            let structured = &result["structuredContent"]["issues"];
            let text = result["content"][0]["text"].as_str().expect("a text");
            let text: Value = serde_json::from_str(text).unwrap();
            for rows in [structured, &text["issues"]] {
                let ids: Vec<_> = rows
                    .as_array()
                    .expect("rows")
                    .iter()
                    .map(|row| row["id"].as_u64().unwrap())
                    .collect();
                assert_eq!(ids, OWN, "{way}: {answer:#}");
            }
        }
    }
}

#[tokio::test]
async fn in_whatever_form_a_misbehaving_server_answers() {
    let desk = Desk::open().await;
    for way in ["http", "stdio"] {
        for form in ["csv", "tsv", "markdown", "aligned", "lines", "nested"] {
            let answer = desk
                .call(way, "export_issues", json!({"form": form, "obey": false}))
                .await;
            let result = &answer["result"];
            let text = result["content"][0]["text"]
                .as_str()
                .unwrap_or_else(|| panic!("{way} {form}: {answer:#}"));
            assert_eq!(result["structuredContent"]["result"], text, "{way} {form}");
            for own in OWN {
                assert!(
                    text.contains(&format!("issue {own} of")),
                    "{way} {form}: {text}"
                );
            }
            assert_eq!(
                text.matches("issue ").count(),
                OWN.len(),
                "{way} {form}: {text}"
            );
        }
        let prose = desk
            .call(
                way,
                "export_issues",
                json!({"form": "prose", "obey": false}),
            )
            .await;
        assert_eq!(
            prose["error"]["data"]["code"], "E_TENANT_RESULT",
            "{prose:#}"
        );
    }
}
