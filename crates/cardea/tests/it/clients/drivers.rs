//! The drivers of `tools/clients`, one process each.

use std::time::Duration;

use super::*;

/// A client and how it is started.
struct Client {
    driver: &'static str,
    modes: &'static [&'static str],
    /// Answers forms.
    elicits: bool,
    /// Reports progress.
    reports_progress: bool,
}

const PYTHON_SDK: Client = Client {
    driver: "python_mcp.py",
    modes: &["auto", "legacy", "2026-07-28"],
    elicits: true,
    reports_progress: true,
};

const FASTMCP: Client = Client {
    driver: "fastmcp_client.py",
    ..PYTHON_SDK
};

const TYPESCRIPT_1: Client = Client {
    driver: "ts1.mjs",
    modes: &["legacy"],
    ..PYTHON_SDK
};

const TYPESCRIPT_2: Client = Client {
    driver: "ts2.mjs",
    modes: &["legacy", "auto", "2026-07-28"],
    ..PYTHON_SDK
};

const INSPECTOR: Client = Client {
    driver: "inspector.mjs",
    modes: &["legacy", "auto", "2026-07-28"],
    elicits: false,
    reports_progress: false,
};

/// One run of a driver, several processes of an interpreter, on a busy machine.
const RUN_WITHIN: Duration = Duration::from_secs(240);

struct Run<'a> {
    client: &'a Client,
    mode: &'a str,
    upstream: &'a str,
    call: &'a str,
    arguments: Value,
    denied: &'a str,
}

impl Run<'_> {
    async fn report(&self, street: &Street) -> Value {
        let folder = installed();
        let interpreter = if self.client.driver.ends_with(".py") {
            folder.join(".venv/bin/python3")
        } else {
            PathBuf::from("node")
        };
        let mut command = tokio::process::Command::new(interpreter);
        command
            .arg(folder.join(self.client.driver))
            .args([
                "--url",
                &street.gateway.url(self.upstream),
                "--token",
                &street.token,
                "--mode",
                self.mode,
                "--timeout-s",
                "200",
            ])
            .args([
                "--call",
                self.call,
                "--args",
                &self.arguments.to_string(),
                "--expect-denied",
                self.denied,
            ])
            .kill_on_drop(true);
        if self.client.elicits {
            command.args(["--elicit", r#"{"name":"Ada"}"#]);
        }
        let output = tokio::time::timeout(RUN_WITHIN, command.output()).await;
        let output = output
            .unwrap_or_else(|_| panic!("{} hangs", self.named()))
            .unwrap();
        let complaint = String::from_utf8_lossy(&output.stderr);
        let report: Value = serde_json::from_slice(&output.stdout)
            .unwrap_or_else(|error| panic!("{}: {error}: {complaint}", self.named()));
        assert!(
            output.status.success(),
            "{}: {}: {report:#}\n{complaint}\n{}",
            self.named(),
            output.status,
            street.gateway.log()
        );
        report
    }

    fn named(&self) -> String {
        format!(
            "{} --mode {} against {}",
            self.client.driver, self.mode, self.upstream
        )
    }

    /// What every client must see of every server.
    fn check(&self, report: &Value, shown: &[&str]) {
        let named = self.named();
        let modern = self.mode != "legacy";
        assert_eq!(
            report["protocol"],
            if modern { MODERN } else { LEGACY },
            "{named}: {report:#}"
        );
        let mut tools: Vec<&str> = report["tools"]
            .as_array()
            .unwrap()
            .iter()
            .map(|tool| tool.as_str().unwrap())
            .collect();
        tools.sort_unstable();
        assert_eq!(tools, shown, "{named}: {report:#}");
        assert_eq!(report["is_error"], false, "{named}: {report:#}");
        let denied = &report["denied"];
        assert!(
            denied["code"] == -31403 || denied["as"] == "client",
            "{named}: {report:#}"
        );
    }
}

async fn against_rmcp(street: &Street, client: &Client, mode: &str) {
    let run = Run {
        client,
        mode,
        upstream: RMCP,
        call: "test_tool_with_progress",
        arguments: json!({}),
        denied: "test_image_content",
    };
    let report = run.report(street).await;
    run.check(&report, &["test_simple_text", "test_tool_with_progress"]);
    if client.reports_progress {
        assert_eq!(
            report["progress"].as_array().unwrap().len(),
            3,
            "{}: {report:#}",
            run.named()
        );
    }
    street.on_record(RMCP, run.call, None);
}

async fn against_python(street: &Street, client: &Client, mode: &str) {
    let (call, text) = if client.elicits {
        ("ask_name", "hello Ada")
    } else {
        ("seen_headers", "user-agent")
    };
    let run = Run {
        client,
        mode,
        upstream: PYTHON,
        call,
        arguments: json!({}),
        denied: "fail",
    };
    let report = run.report(street).await;
    run.check(&report, &["ask_name", "seen_headers"]);
    let told = report["result_text"].as_str().unwrap();
    assert!(told.contains(text), "{}: {report:#}", run.named());
    assert!(
        !told.contains(&street.token) && !told.contains("authorization"),
        "{told}"
    );
    if client.elicits {
        assert_eq!(
            report["elicited"],
            json!(["Who shall be greeted?"]),
            "{}",
            run.named()
        );
    }
    street.on_record(PYTHON, run.call, None);
}

async fn against_python_over_stdio(street: &Street, client: &Client, mode: &str) {
    let run = Run {
        client,
        mode,
        upstream: PYTHON_STDIO,
        call: "region",
        arguments: json!({"name": "eu"}),
        denied: "add",
    };
    let report = run.report(street).await;
    run.check(&report, &["count_up", "region"]);
    assert_eq!(
        report["result_text"],
        "region eu",
        "{}: {report:#}",
        run.named()
    );
    street.on_record(PYTHON_STDIO, run.call, None);
}

async fn drive(client: &Client) {
    let street = Street::open().await;
    for mode in client.modes {
        against_rmcp(&street, client, mode).await;
        against_python(&street, client, mode).await;
        against_python_over_stdio(&street, client, mode).await;
    }
    wrong_token(&street, client).await;
}

/// A client with a token of nobody's gets nothing, and says so rather than to hang.
async fn wrong_token(street: &Street, client: &Client) {
    let folder = installed();
    let interpreter = if client.driver.ends_with(".py") {
        folder.join(".venv/bin/python3")
    } else {
        "node".into()
    };
    let run = tokio::process::Command::new(interpreter)
        .arg(folder.join(client.driver))
        .args([
            "--url",
            &street.gateway.url(RMCP),
            "--token",
            "nobody",
            "--mode",
            client.modes[0],
            "--call",
            "test_simple_text",
        ])
        .kill_on_drop(true)
        .output();
    let output = tokio::time::timeout(RUN_WITHIN, run)
        .await
        .expect("an end")
        .unwrap();
    let report: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert!(report["error"].is_object(), "{report:#}");
    assert_eq!(report["tools"], json!([]));
}

#[tokio::test]
async fn the_python_sdks_client_works_in_all_its_modes() {
    drive(&PYTHON_SDK).await;
}

#[tokio::test]
async fn fastmcps_client_works_in_all_its_modes() {
    drive(&FASTMCP).await;
}

#[tokio::test]
async fn the_typescript_sdks_first_client_works() {
    drive(&TYPESCRIPT_1).await;
}

#[tokio::test]
async fn the_typescript_sdks_second_client_works_in_all_its_modes() {
    drive(&TYPESCRIPT_2).await;
}

#[tokio::test]
async fn the_inspector_works_in_all_its_modes() {
    drive(&INSPECTOR).await;
}
