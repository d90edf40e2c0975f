//! Boxes as the running gateway puts them up: refusals that say why, reports of what was blocked, ends.

use std::{fs, process::Command};

use super::*;
use crate::{
    protocol::code_of,
    stdio::{call, program, told},
};

/// A gateway with the scripted server in a box of this profile.
async fn boxed(args: &[&str], sandbox: Value) -> (Gateway, String) {
    let mut all = vec![program().canonicalize().unwrap().display().to_string()];
    all.extend(args.iter().map(ToString::to_string));
    let stdio = json!({"command": python(), "args": all});
    stage(setup(), stdio, sandbox).await
}

/// A gateway whose server is this command in a box of these settings, and a token for it.
async fn stage(setup: Setup, stdio: Value, sandbox: Value) -> (Gateway, String) {
    let server = json!({ "tenants": [TENANT], "stdio": stdio, "sandbox": sandbox });
    let gateway = setup
        .upstream(UPSTREAM, server)
        .policy(PERMIT_ALL)
        .start()
        .await
        .unwrap();
    let token = token(&gateway, "ada", "bot").await;
    (gateway, token)
}

#[tokio::test]
async fn a_server_runs_in_a_strict_box_unless_it_is_said_otherwise() {
    let (gateway, token) = boxed(&["--era", "modern"], json!({})).await;
    let ask = ask(&call(1, "environment", json!({}))).bearer(&token);
    let told = told(&ask.send(gateway.address()).await);
    assert_eq!(told["environment"]["HOME"], "/tmp", "{told}");
    assert!(
        !gateway.log().contains("lacks a layer"),
        "{}",
        gateway.log()
    );
}

#[tokio::test]
async fn a_server_that_cannot_be_boxed_is_not_started_and_the_log_says_why() {
    let stdio = json!({"command": "sh", "args": ["-c", "cat"]});
    let (gateway, token) = stage(setup(), stdio, json!({})).await;
    let answer = ask(&call(1, "any", json!({})))
        .bearer(&token)
        .send(gateway.address())
        .await;
    assert_eq!(code_of(&answer), "E_UPSTREAM_UNREACHABLE");
    assert!(!answer.text().contains("shell"), "{}", answer.text());
    let outcome = records(&gateway)
        .into_iter()
        .find(|r| r["kind"] == "outcome")
        .unwrap();
    assert!(
        outcome.to_string().contains("no shell is in the sandbox"),
        "{outcome}"
    );
    assert!(
        gateway.log().contains("no shell is in the sandbox"),
        "{}",
        gateway.log()
    );
}

/// Commands after which the gateway is on a machine, as far as it can see, that allows no network namespaces.
const NO_NETWORK_NAMESPACES: &str = r#"exec unshare -Ur sh -c 'echo 0 >/proc/sys/user/max_net_namespaces; exec "$0" "$@"' "$0" "$@""#;

/// A gateway on a machine that lacks a layer, with the scripted server in this mode.
async fn lacking(mode: &str) -> (Gateway, Answer) {
    let args = [program().canonicalize().unwrap()];
    let stdio = json!({"command": python(), "args": args});
    let (gateway, token) = stage(
        setup().shell(NO_NETWORK_NAMESPACES),
        stdio,
        json!({"mode": mode}),
    )
    .await;
    let ask = ask(&call(1, "environment", json!({}))).bearer(&token);
    let answer = ask.send(gateway.address()).await;
    (gateway, answer)
}

#[tokio::test]
async fn strict_starts_nothing_where_a_layer_is_missing_and_says_what_to_do() {
    let (gateway, answer) = lacking("strict").await;
    assert_eq!(code_of(&answer), "E_UPSTREAM_UNREACHABLE");
    let outcome = records(&gateway)
        .into_iter()
        .find(|record| record["kind"] == "outcome")
        .unwrap();
    let detail = outcome["denial"]["detail"].as_str().unwrap();
    for part in [
        "network namespace",
        "max_{pid,ipc,uts,net}_namespaces",
        "sandbox doctor",
    ] {
        assert!(detail.contains(part), "{part}: {detail}");
    }
    let log = gateway.log();
    assert!(log.contains("this machine lacks a layer"), "{log}");
}

#[tokio::test]
async fn best_effort_starts_with_the_layers_that_there_are_and_names_the_others() {
    let (gateway, answer) = lacking("best-effort").await;
    let told = told(&answer);
    assert_eq!(told["environment"]["HOME"], "/tmp", "{told}");
    let log = gateway.log();
    assert!(log.contains("lacks a layer"), "{log}");
    assert!(log.contains("network namespace"), "{log}");
}

#[tokio::test]
async fn a_server_without_a_box_is_warned_of() {
    let (gateway, _) = boxed(&[], json!({"mode": "off"})).await;
    assert!(
        gateway.log().contains("runs without a sandbox"),
        "{}",
        gateway.log()
    );
}

#[tokio::test]
async fn what_a_box_refuses_is_counted_logged_and_recorded() {
    let folder = tempfile::tempdir().unwrap();
    let script = folder.path().join("caller.py");
    fs::write(&script, CALLER).unwrap();
    let stdio = json!({"command": python(), "args": [script]});
    let (gateway, token) = stage(
        setup(),
        stdio,
        json!({"network": {"allow": ["api.example.com:443"]}}),
    )
    .await;
    let _ = ask(&call(1, "any", json!({})))
        .bearer(&token)
        .send(gateway.address())
        .await;
    let record = until("the record of the refusal", async || {
        let mut records = records(&gateway).into_iter();
        records.find(|record| record["event"]["name"] == "sandbox_blocked")
    })
    .await;
    assert_eq!(record["upstream"], UPSTREAM, "{record}");
    assert!(
        record["event"]["detail"]
            .as_str()
            .unwrap()
            .contains("169.254.169.254:80"),
        "{record}"
    );
    let record = until("the record of the end", async || {
        let mut records = records(&gateway).into_iter();
        records.find(|record| record.to_string().contains("system-call"))
    })
    .await;
    assert_eq!(record["event"]["name"], "sandbox_blocked");
    let metrics = Ask::get("/metrics").send(gateway.admin_address()).await;
    for kind in ["connection", "system-call"] {
        let line = format!(
            "cardea_sandbox_blocked_total{{tenant=\"{TENANT}\",upstream=\"{UPSTREAM}\",kind=\"{kind}\"}} 1"
        );
        assert!(metrics.text().contains(&line), "{}", metrics.text());
    }
}

/// A server that tries the metadata service by its proxy, and then the debugger's call.
const CALLER: &str = r#"
import ctypes, os, socket, sys
sys.stdin.readline()
with socket.create_connection(("127.0.0.1", 3128)) as proxy:
    proxy.sendall(b"CONNECT 169.254.169.254:80 HTTP/1.1\r\nHost: x\r\n\r\n")
    proxy.recv(1024)
ctypes.CDLL(None).ptrace(0, 0, 0, 0)
"#;

#[tokio::test]
async fn a_box_ends_with_a_gateway_that_is_killed() {
    let own = tempfile::tempdir().unwrap();
    let lock = own.path().join("lock");
    fs::write(&lock, "").unwrap();
    let script = own.path().join("holder.py");
    let holder = format!(
        "import fcntl, sys, time\nlock = open({:?}, 'r+')\nfcntl.flock(lock, fcntl.LOCK_EX)\nprint('held', file=sys.stderr, flush=True)\ntime.sleep(600)\n",
        lock.display().to_string()
    );
    fs::write(&script, holder).unwrap();
    let stdio = json!({"command": python(), "args": [script]});
    let (mut gateway, token) = stage(setup(), stdio, json!({"write": [own.path()]})).await;
    let ask = ask(&call(1, "any", json!({}))).bearer(&token);
    let calling = tokio::spawn(ask.send(gateway.address()));
    let file = fs::File::open(&lock).unwrap();
    until("the server's lock", async || match file.try_lock() {
        Err(_) => Some(()),
        Ok(()) => {
            file.unlock().unwrap();
            None
        }
    })
    .await;
    gateway.kill().unwrap();
    until("the end of the box", async || file.try_lock().ok()).await;
    calling.abort();
}

#[tokio::test]
async fn the_doctor_says_that_every_layer_is_there_or_fails() {
    let output = Command::new(binary())
        .args(["sandbox", "doctor", "--json"])
        .output()
        .unwrap();
    let told: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(told["strict"], output.status.success(), "{told}");
    assert_eq!(told["layers"].as_array().unwrap().len(), Layer::ALL.len());
    assert_eq!(
        told["strict"], true,
        "this machine cannot run these tests: {told}"
    );
}

#[tokio::test]
async fn the_hidden_command_is_nothing_for_people() {
    for stage in ["outer", "inner"] {
        let output = Command::new(binary())
            .args(["sandbox-init", stage])
            .stdin(std::process::Stdio::null())
            .output()
            .unwrap();
        assert!(!output.status.success());
    }
}
