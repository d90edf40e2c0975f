//! Real hosts of other people: each launches `cardea connect` over stdio, lists, calls what is permitted and what is not.

use std::{path::PathBuf, process::Command, sync::OnceLock, time::Duration};

use cardea_testkit::{
    conformance_upstream::ConformanceUpstream,
    rmcp_client::{Mode, drive_child},
};

use super::*;

const UPSTREAM_ID: &str = "conformance";

const POLICY: &str = r#"
    permit(principal, action == Cardea::Action::"connect", resource);
    permit(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"conformance/test_tool_with_progress");
    permit(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"conformance/test_simple_text");
"#;

/// One run of a driver, several processes of an interpreter, on a busy machine.
const RUN_WITHIN: Duration = Duration::from_secs(240);

/// A gateway with rmcp's server behind it, and a login for it.
struct Street {
    gateway: Gateway,
    url: String,
    home: Home,
    _upstream: ConformanceUpstream,
}

impl Street {
    async fn open() -> Self {
        let upstream = ConformanceUpstream::start().await.unwrap();
        let gateway = setup()
            .http_upstream(UPSTREAM_ID, &upstream.url())
            .policy(POLICY)
            .start()
            .await
            .unwrap();
        let url = gateway.url(UPSTREAM_ID);
        let home = Home::new();
        home.keep(&url, &token(&gateway, "ada", "bot").await);
        Self {
            gateway,
            url,
            home,
            _upstream: upstream,
        }
    }

    async fn drive(&self, interpreter: PathBuf, driver: &str, mode: &str) {
        let mut run = tokio::process::Command::new(interpreter);
        run.arg(installed().join(driver))
            .args([
                "--command",
                &json!([binary(), "connect"]).to_string(),
                "--mode",
                mode,
                "--timeout-s",
                "200",
            ])
            .args([
                "--call",
                "test_tool_with_progress",
                "--expect-denied",
                "test_image_content",
            ])
            .env("CARDEA_URL", &self.url)
            .env("CARDEA_STORE", self.home.store())
            .kill_on_drop(true);
        let named = format!("{driver} --mode {mode}");
        let output = tokio::time::timeout(RUN_WITHIN, run.output()).await;
        let output = output.unwrap_or_else(|_| panic!("{named} hangs")).unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{named}: {error}: {complaint}"));
        assert!(
            output.status.success(),
            "{named}: {report:#}\n{complaint}\n{}",
            self.gateway.log()
        );
        let protocol = if mode == "legacy" { LEGACY } else { MODERN };
        assert_eq!(report["protocol"], protocol, "{named}: {report:#}");
        let mut tools: Vec<&str> = report["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool.as_str().unwrap())
            .collect();
        tools.sort_unstable();
        assert_eq!(
            tools,
            ["test_simple_text", "test_tool_with_progress"],
            "{named}"
        );
        assert_eq!(report["is_error"], false, "{named}: {report:#}");
        let denied = &report["denied"];
        assert!(
            denied["code"] == -31403 || denied["as"] == "client",
            "{named}: {report:#}"
        );
        if driver != "inspector.mjs" {
            assert_eq!(
                report["progress"].as_array().unwrap().len(),
                3,
                "{named}: {report:#}"
            );
        }
    }
}

/// The folder of the drivers, installed; that does nothing when they are there.
fn installed() -> &'static Path {
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

#[tokio::test]
async fn the_python_sdks_client_launches_it_in_all_its_modes() {
    let street = Street::open().await;
    for mode in ["auto", "legacy", "2026-07-28"] {
        let python = installed().join(".venv/bin/python3");
        street.drive(python, "python_mcp.py", mode).await;
    }
}

#[tokio::test]
async fn the_typescript_sdks_clients_launch_it_in_all_their_modes() {
    let street = Street::open().await;
    street.drive("node".into(), "ts1.mjs", "legacy").await;
    for mode in ["legacy", "auto", "2026-07-28"] {
        street.drive("node".into(), "ts2.mjs", mode).await;
    }
}

#[tokio::test]
async fn the_inspector_launches_it_in_both_eras() {
    let street = Street::open().await;
    for mode in ["legacy", "2026-07-28"] {
        street.drive("node".into(), "inspector.mjs", mode).await;
    }
}

#[tokio::test]
async fn rmcps_client_launches_it_in_all_its_modes() {
    let street = Street::open().await;
    for mode in [Mode::Legacy, Mode::Auto, Mode::Modern] {
        let connect = street.home.cardea("connect", &street.url);
        let call = ("test_simple_text", serde_json::Map::new());
        let report = drive_child(connect, mode, call, "test_image_content").await;
        let report =
            report.unwrap_or_else(|error| panic!("{mode:?}: {error:#}\n{}", street.gateway.log()));
        assert_eq!(
            report.protocol,
            if mode == Mode::Legacy { LEGACY } else { MODERN }
        );
        assert_eq!(report.tools.len(), 2, "{mode:?}: {:?}", report.tools);
        assert!(
            report.text.contains("simple text"),
            "{mode:?}: {}",
            report.text
        );
        assert_eq!(report.denied, Some(-31403), "{mode:?}");
    }
}
