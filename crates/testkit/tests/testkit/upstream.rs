//! The conformance upstream answers over both of its transports. What it answers is the suite's to judge.

use std::{process::Stdio, time::Duration};

use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    process::Command,
};

const ANSWER_WITHIN: Duration = Duration::from_secs(10);

#[tokio::test]
async fn program_serves_a_client_over_stdio() {
    let mut server = Command::new(env!("CARGO_BIN_EXE_conformance-upstream"))
        .arg("--stdio")
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .unwrap();
    let mut input = server.stdin.take().unwrap();
    let mut output = BufReader::new(server.stdout.take().unwrap()).lines();
    let opening = [
        json!({ "jsonrpc": "2.0", "id": 1, "method": "initialize", "params": {
            "protocolVersion": "2025-11-25", "capabilities": {}, "clientInfo": { "name": "test", "version": "1" }
        } }),
        json!({ "jsonrpc": "2.0", "method": "notifications/initialized" }),
        json!({ "jsonrpc": "2.0", "id": 2, "method": "tools/call", "params": { "name": "test_simple_text" } }),
    ];
    for message in opening {
        input
            .write_all(format!("{message}\n").as_bytes())
            .await
            .unwrap();
    }

    let mut answers = Vec::new();
    for _ in 0..2 {
        let line = tokio::time::timeout(ANSWER_WITHIN, output.next_line())
            .await
            .unwrap()
            .unwrap()
            .unwrap();
        answers.push(serde_json::from_str::<Value>(&line).unwrap());
    }

    assert_eq!(answers[0]["result"]["protocolVersion"], "2025-11-25");
    assert_eq!(
        answers[1]["result"]["content"][0]["text"],
        "This is a simple text response for testing."
    );
}
