//! Real clients of other people, in every mode that they have, against servers of both eras.
//!
//! Each client lists, calls what is permitted and calls what is not, through a gateway with three upstreams: rmcp's
//! conformance server over HTTP, and a server on the Python SDK over HTTP and over stdio. The drivers are those of
//! `tools/clients` (see its README); `rmcp` is driven in process.

mod drivers;
mod rmcp;

use std::{
    path::{Path, PathBuf},
    process::Command,
    sync::OnceLock,
};

use cardea_testkit::conformance_upstream::ConformanceUpstream;
use tokio::{
    io::{AsyncBufReadExt, BufReader},
    process::Child,
};

use crate::support::*;

/// rmcp's server, over HTTP.
const RMCP: &str = "conformance";
/// The Python SDK's server, over HTTP.
const PYTHON: &str = "python";
/// The same, started by the gateway.
const PYTHON_STDIO: &str = "python-stdio";

const POLICY: &str = r#"
    permit(principal, action == Cardea::Action::"connect", resource);
    permit(principal, action == Cardea::Action::"elicitation/create", resource);
    permit(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"conformance/test_tool_with_progress");
    permit(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"conformance/test_simple_text");
    permit(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"python/ask_name");
    permit(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"python/seen_headers");
    permit(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"python-stdio/region");
    permit(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"python-stdio/count_up");
"#;

/// A gateway with the three servers behind it.
struct Street {
    gateway: Gateway,
    token: String,
    _rmcp: ConformanceUpstream,
    _python: Child,
}

impl Street {
    async fn open() -> Self {
        let clients = installed();
        let rmcp = ConformanceUpstream::start().await.unwrap();
        let python = clients.join(".venv/bin/python3");
        let server = clients.join("dual_server.py");
        let mut running = tokio::process::Command::new(&python)
            .arg(&server)
            .stdout(std::process::Stdio::piped())
            .kill_on_drop(true)
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(running.stdout.take().unwrap()).lines();
        let url = bounded("the Python server's URL", lines.next_line())
            .await
            .unwrap()
            .expect("a URL");
        let stdio =
            json!({"tenants": [TENANT], "stdio": {"command": python, "args": [server, "--stdio"]}});
        let gateway = setup()
            .http_upstream(RMCP, &rmcp.url())
            .http_upstream(PYTHON, &url)
            .upstream(PYTHON_STDIO, stdio)
            .policy(POLICY)
            .start()
            .await
            .unwrap();
        let token = token(&gateway, "ada", "bot").await;
        Self {
            gateway,
            token,
            _rmcp: rmcp,
            _python: running,
        }
    }

    /// Checks that the permitted call and the denied one are on record, and how they ended.
    fn on_record(&self, upstream: &str, called: &str, denied: Option<&str>) {
        let records = records(&self.gateway);
        let about = |kind: &str, tool: &str| {
            let found = records.iter().filter(|r| {
                r["kind"] == kind && r["upstream"] == upstream && r["target"]["name"] == tool
            });
            found.count()
        };
        assert!(
            about("intent", called) > 0 && about("outcome", called) > 0,
            "{upstream} {called}"
        );
        if let Some(denied) = denied {
            assert!(about("denial", denied) > 0, "{upstream} {denied}");
            assert_eq!(about("intent", denied), 0);
        }
    }
}

/// The folder of the clients, installed; that does nothing when they are there.
pub(crate) fn installed() -> &'static Path {
    static CLIENTS: OnceLock<PathBuf> = OnceLock::new();
    CLIENTS.get_or_init(|| {
        let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR"))
            .join("../../tools/clients")
            .canonicalize()
            .unwrap();
        let output = Command::new(folder.join("install.sh")).output().unwrap();
        assert!(
            output.status.success(),
            "the clients are not there, run `make test`: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        folder
    })
}
