//! `cardea audit verify` and `cardea audit tail`.

use std::{
    io::{BufRead as _, BufReader},
    path::PathBuf,
    process::Child,
};

use super::*;

/// A gateway with some calls behind it: permitted ones, a denied one, one without a token.
async fn with_records() -> Stage {
    let stage = Stage::start().await;
    for n in 0..3 {
        let call = tool_call(
            n,
            json!({ "n": n, "text": "\u{1b}[31mred\u{1b}[0m\u{202e}" }),
        );
        assert_eq!(stage.call(&call).await.status, 200);
    }
    let unknown = legacy(9, "server/discover", json!({}));
    stage.call(&unknown).await;
    let nobody = ask(&unknown).send(stage.gateway.address()).await;
    assert_eq!(nobody.status, 401);
    stage
}

fn run(stage: &Stage, args: &[&str]) -> Ended {
    let mut args = args.to_vec();
    args.extend(["--config", "cardea.yaml"]);
    run_in(stage.gateway.folder(), &args)
}

/// The one file of the tenant's log.
fn file(stage: &Stage) -> PathBuf {
    let folder = audit_folder(&stage.gateway, Some(TENANT));
    let mut files = audit_files(&stage.gateway);
    files.retain(|file| file.starts_with(&folder));
    assert_eq!(files.len(), 1);
    files.remove(0)
}

#[tokio::test]
async fn a_whole_log_is_ok_and_counted() {
    let stage = with_records().await;
    let all = run(&stage, &["audit", "verify"]).succeeded();
    let of_tenant = run(&stage, &["audit", "verify", "--tenant", TENANT]).succeeded();
    let told = |tenant: Option<&str>| {
        let records = records_in(&stage.gateway, tenant);
        let owner = tenant.map_or("gateway".to_owned(), |t| format!("tenant {t}"));
        let (count, last) = (records.len(), records.last().unwrap());
        let (seq, hash) = (&last["seq"], last["hash"].as_str().unwrap());
        let times = format!(
            "{} to {}",
            records[0]["time"].as_str().unwrap(),
            last["time"].as_str().unwrap()
        );
        format!(
            "{owner}:\nok: {count} records in 1 files, {times}\nlast: record {seq} with hash {hash}\n\
             intents without an outcome: 0\n"
        )
    };
    assert_eq!(all.out, told(None) + &told(Some(TENANT)));
    assert_eq!(of_tenant.out, told(Some(TENANT)));
    assert_eq!((all.err.as_str(), of_tenant.err.as_str()), ("", ""));
}

#[tokio::test]
async fn an_auditor_needs_the_folder_and_no_configuration() {
    let stage = with_records().await;
    let folder = audit_folder(&stage.gateway, None);
    let elsewhere = tempfile::tempdir().unwrap();
    let here = run(&stage, &["audit", "verify"]).succeeded().out;
    let folder = folder.to_str().unwrap();
    let there = run_in(elsewhere.path(), &["audit", "verify", "--dir", folder]);
    assert_eq!(there.succeeded().out, here);
    // A tenant's auditor is handed the tenant's folder alone.
    let own = audit_folder(&stage.gateway, Some(TENANT));
    let own = own.to_str().unwrap();
    let ended = run_in(elsewhere.path(), &["audit", "tail", "--dir", own, "--json"]).succeeded();
    assert!(ended.out.contains(r#""tenant":"demo""#), "{}", ended.out);
    assert!(!ended.out.contains("E_TOKEN_MISSING"), "{}", ended.out);
}

#[tokio::test]
async fn the_log_of_a_tenant_that_has_none_is_refused_with_those_that_there_are() {
    let stage = with_records().await;
    let ended = run(&stage, &["audit", "verify", "--tenant", "dmeo"]);
    assert_eq!(ended.status, 1);
    for word in ["no log of the tenant `dmeo`", "gateway, tenant demo"] {
        assert!(ended.err.contains(word), "{}", ended.err);
    }
}

#[tokio::test]
async fn a_log_with_anything_changed_is_not() {
    let stage = with_records().await;
    let file = file(&stage);
    let whole = fs::read_to_string(&file).unwrap();
    let lines: Vec<&str> = whole.lines().collect();
    let joined = |lines: &[&str]| format!("{}\n", lines.join("\n"));
    let without = |at: usize| {
        let mut lines = lines.clone();
        lines.remove(at);
        joined(&lines)
    };
    let mut swapped = lines.clone();
    swapped.swap(2, 3);
    let mut repeated = lines.clone();
    repeated.insert(3, lines[2]);
    let changed = [
        (
            "a letter",
            whole.replacen("\"subject\":\"ada\"", "\"subject\":\"eva\"", 1),
        ),
        (
            "a digit of a hash",
            whole.replacen("\"hash\":\"", "\"hash\":\"0", 1),
        ),
        ("a space", whole.replacen("\"kind\":", "\"kind\": ", 1)),
        (
            "a member more",
            whole.replacen("{\"seq\":2", "{\"x\":1,\"seq\":2", 1),
        ),
        ("the first line gone", without(0)),
        ("a line gone", without(3)),
        ("two lines swapped", joined(&swapped)),
        ("a line twice", joined(&repeated)),
        ("an empty line", whole.replacen('\n', "\n\n", 1)),
        (
            "a line of something else",
            whole.replacen('\n', "\nhello\n", 1),
        ),
    ];
    for (what, text) in changed {
        assert_ne!(text, whole, "{what}");
        fs::write(&file, text).unwrap();
        let ended = run(&stage, &["audit", "verify"]);
        assert_eq!(ended.status, 1, "{what}: {}", ended.out);
        let name = file.file_name().unwrap().to_str().unwrap();
        let placed = ended
            .out
            .lines()
            .any(|line| line.starts_with("problem: ") && line.contains(&format!("{name}:")));
        assert!(placed, "{what}: {}", ended.out);
        assert!(ended.err.contains("not whole"), "{what}: {}", ended.err);
    }
    fs::write(&file, whole).unwrap();
    run(&stage, &["audit", "verify"]).succeeded();
}

#[tokio::test]
async fn a_missing_file_in_the_middle_is_noticed() {
    let small = json!({ "rotate_bytes": 4096 });
    let stage = Stage::with(|setup| setup.policy(PERMIT_ALL).set("audit", small)).await;
    for n in 0..40 {
        stage.call(&tool_call(n, json!({}))).await;
    }
    let folder = audit_folder(&stage.gateway, Some(TENANT));
    let mut files = audit_files(&stage.gateway);
    files.retain(|file| file.starts_with(&folder));
    assert!(files.len() > 3, "{files:?}");
    run(&stage, &["audit", "verify"]).succeeded();
    fs::remove_file(&files[1]).unwrap();
    let ended = run(&stage, &["audit", "verify"]);
    assert_eq!(ended.status, 1, "{}", ended.out);
    assert!(ended.out.contains("problem: "), "{}", ended.out);
}

#[tokio::test]
async fn tail_prints_the_newest_last_one_line_each() {
    let stage = with_records().await;
    let all = run(&stage, &["audit", "tail", "-n", "1000"])
        .succeeded()
        .out;
    assert_eq!(all.lines().count(), stage.records().len());
    let three = run(&stage, &["audit", "tail", "-n", "3"]).succeeded().out;
    let expected: Vec<&str> = all.lines().rev().take(3).collect();
    let found: Vec<&str> = three.lines().rev().collect();
    assert_eq!(found, expected);
    assert!(expected[0].contains("E_TOKEN_MISSING"), "{three}");
    let call = all
        .lines()
        .find(|line| line.contains("tools/call"))
        .unwrap();
    for word in ["demo", "ada", "bot", "echo"] {
        assert!(call.contains(word), "{call}");
    }
    let dangerous = |c: char| c.is_control() && c != '\n' || c == '\u{202e}';
    assert!(!all.contains(dangerous), "{all:?}");
    assert_eq!(
        run(&stage, &["audit", "tail", "-n", "0"]).succeeded().out,
        ""
    );
}

#[tokio::test]
async fn tail_as_json_prints_the_records_as_they_stand_in_the_log() {
    let stage = with_records().await;
    let args = ["audit", "tail", "--tenant", TENANT, "--json", "-n", "1000"];
    let printed = run(&stage, &args).succeeded().out;
    assert_eq!(printed, fs::read_to_string(file(&stage)).unwrap());
}

#[tokio::test]
async fn tail_follows_what_is_written_also_into_the_next_file() {
    let small = json!({ "rotate_bytes": 4096 });
    let stage = Stage::with(|setup| setup.policy(PERMIT_ALL).set("audit", small)).await;
    stage.call(&tool_call("before", json!({}))).await;
    let mut child = Command::new(binary())
        .args(["audit", "tail", "--follow", "--json", "--config"])
        .arg(stage.gateway.config())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let lines = BufReader::new(child.stdout.take().unwrap()).lines();
    let _child = Killed(child);
    let (sender, mut ids) = tokio::sync::mpsc::channel(10_000);
    std::thread::spawn(move || {
        for line in lines.map_while(Result::ok) {
            let record: Value = serde_json::from_str(&line).unwrap();
            if record["kind"] == "outcome" && sender.blocking_send(record["id"].clone()).is_err() {
                return;
            }
        }
    });
    assert_eq!(
        bounded("the record before", ids.recv()).await,
        Some(json!("before"))
    );
    for n in 0..40 {
        stage.call(&tool_call(n, json!({}))).await;
        assert_eq!(
            bounded("the record of a call", ids.recv()).await,
            Some(json!(n))
        );
    }
    assert!(audit_files(&stage.gateway).len() > 3);
}

#[test]
fn without_a_log_there_is_nothing_to_verify() {
    let desk = Desk::good();
    for command in ["verify", "tail"] {
        desk.run(&["audit", command])
            .refused(&["cannot be read", "has the gateway run"]);
    }
}

/// A child that does not outlive its test.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        // It may have ended by itself.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
