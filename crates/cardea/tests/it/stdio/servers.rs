//! Real servers of other people, over stdio: one of the modern era, one of the legacy era, and rmcp's.

use std::path::Path;

use super::*;

fn tools() -> PathBuf {
    PathBuf::from(env!("CARGO_MANIFEST_DIR"))
        .join("../../tools/servers")
        .canonicalize()
        .unwrap()
}

/// Installs the servers, once; it does nothing when they are there.
fn installed() -> &'static Path {
    static TOOLS: OnceLock<PathBuf> = OnceLock::new();
    TOOLS.get_or_init(|| {
        let output = Command::new(tools().join("install.sh")).output().unwrap();
        assert!(
            output.status.success(),
            "the servers are not there, run `make test`: {}",
            String::from_utf8_lossy(&output.stderr)
        );
        tools()
    })
}

/// A gateway with the server behind it, in a strict sandbox of this profile.
async fn gateway(server: Value, sandbox: Value, policy: &str) -> (Gateway, String) {
    let server = json!({"tenants": [TENANT], "stdio": server, "sandbox": sandbox});
    let gateway = setup()
        .upstream(UPSTREAM, server)
        .policy(policy)
        .start()
        .await
        .unwrap();
    let token = token(&gateway, "ada", "bot").await;
    (gateway, token)
}

const SOME: &str = r#"
    permit(principal, action == Cardea::Action::"connect", resource);
    permit(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"echo/convert_time");
    permit(principal, action == Cardea::Action::"tools/call", resource == Cardea::Tool::"echo/read_text_file");
"#;

#[tokio::test]
async fn mcp_server_time_answers_modern_clients() {
    let python = installed().join(".venv/bin/python3");
    let server =
        json!({"command": python, "args": ["-m", "mcp_server_time", "--local-timezone", "UTC"]});
    let (gateway, token) = gateway(server, json!({}), SOME).await;
    let send = |message: Value| ask(&message).bearer(&token).send(gateway.address());

    let discovered = send(modern(1, "server/discover", json!({}))).await;
    assert!(
        discovered.json()["result"]["supportedVersions"]
            .to_string()
            .contains(MODERN),
        "{}",
        discovered.text()
    );

    let listed = send(modern(2, "tools/list", json!({}))).await.json();
    let tools = listed["result"]["tools"].as_array().unwrap();
    assert_eq!(
        (tools.len(), &tools[0]["name"]),
        (1, &json!("convert_time")),
        "{listed}"
    );
    assert_ne!(listed["result"]["cacheScope"], "public");

    let arguments =
        json!({"source_timezone": "UTC", "time": "12:00", "target_timezone": "Asia/Tokyo"});
    let answer = send(call(3, "convert_time", arguments)).await;
    assert!(
        text_of(&answer).contains("T21:00:00+09:00"),
        "{}",
        answer.text()
    );

    let denied = send(call(4, "get_current_time", json!({"timezone": "UTC"}))).await;
    assert_eq!(code_of(&denied), "E_POLICY_DENIED");
}

#[tokio::test]
async fn server_filesystem_answers_legacy_clients_and_sends_modern_ones_there() {
    let program =
        installed().join("node_modules/@modelcontextprotocol/server-filesystem/dist/index.js");
    let folder = tempfile::tempdir().unwrap();
    let folder = folder.path().canonicalize().unwrap();
    fs::write(folder.join("note.txt"), "kept").unwrap();
    let (gateway, token) = gateway(
        json!({"command": "node", "args": [program, folder]}),
        json!({"write": [folder]}),
        SOME,
    )
    .await;
    let send = |ask: Ask| ask.bearer(&token).send(gateway.address());

    // A dual-era client falls back on a 400 that is no modern error (versioning, Backward Compatibility).
    let modern = send(ask(&modern(1, "server/discover", json!({})))).await;
    assert_eq!(modern.status, 400, "{}", modern.text());
    assert!(
        !(-32099..=-32020).contains(&modern.json()["error"]["code"].as_i64().unwrap()),
        "{}",
        modern.text()
    );

    let opened = send(ask(&initialize(0))).await;
    let session = opened
        .header("mcp-session-id")
        .unwrap_or_else(|| panic!("{}", opened.text()));
    let within = |message: &Value| send(ask(message).set("mcp-session-id", &session));
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(within(&initialized).await.status, 202);

    let listed = within(&legacy(1, "tools/list", json!({}))).await.json();
    let tools = listed["result"]["tools"].as_array().unwrap();
    assert_eq!(
        (tools.len(), &tools[0]["name"]),
        (1, &json!("read_text_file")),
        "{listed}"
    );

    let read =
        |file: &str| json!({"name": "read_text_file", "arguments": {"path": folder.join(file)}});
    let answer = within(&legacy(2, "tools/call", read("note.txt"))).await;
    assert_eq!(text_of(&answer), "kept", "{}", answer.text());
    let write = json!({"name": "write_file", "arguments": {"path": folder.join("new.txt"), "content": "x"}});
    let denied = within(&legacy(3, "tools/call", write)).await;
    assert_eq!(code_of(&denied), "E_POLICY_DENIED");
    assert!(!folder.join("new.txt").exists());
}

#[tokio::test]
async fn the_conformance_upstream_answers_both_eras_over_stdio() {
    let program = binary().with_file_name("conformance-upstream");
    assert!(
        program.exists(),
        "build it by `cargo build -p cardea-testkit`, or run `make test`"
    );
    let (gateway, token) = gateway(
        json!({"command": program, "args": ["--stdio"]}),
        json!({}),
        PERMIT_ALL,
    )
    .await;
    let send = |ask: Ask| ask.bearer(&token).send(gateway.address());

    let answer = send(ask(&call(1, "test_simple_text", json!({})))).await;
    assert!(
        text_of(&answer).contains("simple text response"),
        "{}",
        answer.text()
    );

    let mut with_progress = call(2, "test_tool_with_progress", json!({}));
    with_progress["params"]["_meta"]["progressToken"] = "mine".into();
    let answer = send(ask(&with_progress)).await;
    let progress: Vec<Value> = answer
        .events()
        .into_iter()
        .filter(|e| e["method"] == "notifications/progress")
        .collect();
    assert_eq!(progress.len(), 3, "{}", answer.text());
    assert!(
        progress
            .iter()
            .all(|event| event["params"]["progressToken"] == "mine")
    );

    let opened = send(ask(&initialize(0))).await;
    let session = opened
        .header("mcp-session-id")
        .unwrap_or_else(|| panic!("{}", opened.text()));
    let initialized = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
    assert_eq!(
        send(ask(&initialized).set("mcp-session-id", &session))
            .await
            .status,
        202
    );
    let message = legacy(3, "tools/call", json!({"name": "test_simple_text"}));
    let answer = send(ask(&message).set("mcp-session-id", &session)).await;
    assert!(
        text_of(&answer).contains("simple text response"),
        "{}",
        answer.text()
    );
}
