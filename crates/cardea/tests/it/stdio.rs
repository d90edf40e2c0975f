//! Servers that the gateway starts: they crash, hang and babble, and leave nothing behind.
//!
//! | module | what it shows |
//! |---|---|
//! | `failures` | crashes, crash loops, junk, silence |
//! | `limits` | processes, memory, long lines, callers that do not read |
//! | `ends` | what is left of a process and its children when it is no longer wanted |
//! | `isolation` | environment and principals kept apart |
//! | `messages` | ids, progress, cancellation: many calls on one channel |
//! | `servers` | real servers of both eras |
//!
//! The server is `crates/testkit/servers/hostile_stdio.py`, which notes what happens to it in a file.

mod ends;
mod failures;
mod isolation;
mod limits;
mod messages;
mod servers;

use std::{fs, path::PathBuf, process::Command, sync::OnceLock};

use cardea_testkit::wait::DEADLINE;
use tempfile::TempDir;

use crate::{
    protocol::{code_of, text_of},
    support::*,
};

/// A gateway with the scripted stdio server as [`UPSTREAM`] and an HTTP upstream as `good`.
struct Workshop {
    gateway: Gateway,
    good: Echo,
    token: String,
    folder: TempDir,
}

/// The server's program.
pub(crate) fn program() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testkit/servers/hostile_stdio.py")
}

/// The interpreter itself: what stands in `PATH` may be a script that adds to the environment.
pub(crate) fn python() -> &'static str {
    static PYTHON: OnceLock<String> = OnceLock::new();
    PYTHON.get_or_init(|| {
        let output = Command::new("python3")
            .args(["-c", "import sys; print(sys.executable)"])
            .output()
            .unwrap();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    })
}

impl Workshop {
    /// A server of this era (`modern`, `legacy`).
    async fn open(era: &str) -> Self {
        Self::with(&["--era", era], json!({}), |setup| setup).await
    }

    /// A server with these arguments and limits, behind a changed set-up.
    async fn with(args: &[&str], limits: Value, change: impl FnOnce(Setup) -> Setup) -> Self {
        let folder = tempfile::tempdir().unwrap();
        let good = Echo::start().await.unwrap();
        let log = folder.path().join("server.log");
        let mut all = vec![
            program().display().to_string(),
            "--log".to_owned(),
            log.display().to_string(),
        ];
        all.extend(args.iter().map(ToString::to_string));
        let server = json!({
            "tenants": [TENANT],
            "stdio": {"command": python(), "args": all},
            "limits": limits,
        });
        let setup = setup()
            .upstream(UPSTREAM, server)
            .http_upstream("good", &good.url())
            .policy(PERMIT_ALL);
        let gateway = change(setup).start().await.unwrap();
        let token = token(&gateway, "ada", "bot").await;
        Self {
            gateway,
            good,
            token,
            folder,
        }
    }

    async fn send(&self, ask: Ask) -> Answer {
        ask.send(self.gateway.address()).await
    }

    /// Calls a tool in the modern era.
    async fn call(&self, tool: &str, arguments: Value) -> Answer {
        self.send(self.ask(tool, arguments)).await
    }

    fn ask(&self, tool: &str, arguments: Value) -> Ask {
        ask(&call(1, tool, arguments)).bearer(&self.token)
    }

    /// Opens a legacy session; gives its id.
    async fn initialize(&self) -> String {
        let answer = self.send(ask(&initialize(0)).bearer(&self.token)).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.header("mcp-session-id").expect("a session id")
    }

    /// Calls a tool in a legacy session.
    async fn call_in(&self, session: &str, tool: &str, arguments: Value) -> Answer {
        self.send(self.ask_in(session, tool, arguments)).await
    }

    fn ask_in(&self, session: &str, tool: &str, arguments: Value) -> Ask {
        let message = legacy(
            1,
            "tools/call",
            json!({"name": tool, "arguments": arguments}),
        );
        ask(&message)
            .set("mcp-session-id", session)
            .bearer(&self.token)
    }

    /// What the servers noted, line by line.
    fn notes(&self) -> Vec<String> {
        let text = fs::read_to_string(self.folder.path().join("server.log")).unwrap_or_default();
        text.lines().map(str::to_owned).collect()
    }

    /// The process ids of all servers that were started.
    fn started(&self) -> Vec<u32> {
        let notes = self.notes();
        notes
            .iter()
            .filter_map(|note| note.strip_prefix("start ")?.parse().ok())
            .collect()
    }

    /// Waits until a note begins like this; gives it.
    async fn note(&self, begins: &str) -> String {
        until(
            &format!("a note `{begins}` among {:?}", self.notes()),
            async || {
                self.notes()
                    .into_iter()
                    .find(|note| note.starts_with(begins))
            },
        )
        .await
    }

    /// How many cancellations the servers were sent.
    fn cancellations(&self) -> usize {
        let notes = self.notes();
        notes
            .iter()
            .filter(|note| note.starts_with("line") && note.contains("notifications/cancelled"))
            .count()
    }

    async fn good_answers(&self) {
        let ask = Ask::modern("/mcp/good", &tool_call(1, json!({"a": 1}))).bearer(&self.token);
        assert_eq!(text_of(&self.send(ask).await), r#"{"a":1}"#);
        assert_eq!(self.good.seen_of("tools/call").len(), 1);
        self.good.forget();
    }

    async fn record(&self, kind: &str, call: &str) -> Value {
        record(&self.gateway, kind, call).await
    }
}

/// A modern call of any tool.
pub(crate) fn call(id: impl Into<Value>, tool: &str, arguments: Value) -> Value {
    modern(
        id,
        "tools/call",
        json!({"name": tool, "arguments": arguments}),
    )
}

/// The JSON in the text of a tool's result.
pub(crate) fn told(answer: &Answer) -> Value {
    let text = text_of(answer);
    serde_json::from_str(&text).unwrap_or_else(|_| panic!("{} {}", answer.status, answer.text()))
}

/// Whether there is a process with this id that has not ended.
fn is_running(pid: u64) -> bool {
    let Ok(stat) = fs::read_to_string(format!("/proc/{pid}/stat")) else {
        return false;
    };
    // The state follows the name, which is in brackets and may hold anything.
    let state = stat
        .rsplit_once(") ")
        .map(|(_, rest)| rest.starts_with(['Z', 'X']));
    state == Some(false)
}

async fn wait_until_ended(pid: u64) {
    until_within(DEADLINE, &format!("the end of process {pid}"), async || {
        (!is_running(pid)).then_some(())
    })
    .await;
}
