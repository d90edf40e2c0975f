//! A disk that takes no more: nothing happens unrecorded, and what was recorded stays whole.
//!
//! The gateway starts under a limit on the size of its files (`ulimit -f`), so that writing fails for root too.

use std::{path::PathBuf, process::Command};

use cardea_testkit::wait::DEADLINE;

use super::{protocol::code_of, support::*};

/// A gateway whose log has room for a few dozen calls.
async fn cramped() -> Stage {
    cramped_with(|setup| setup).await
}

async fn cramped_with(change: impl FnOnce(Setup) -> Setup) -> Stage {
    Stage::with(|setup| {
        // 64 or 128 KiB, as the shell counts; a soft limit can be lifted again. Without the trap, the signal that
        // comes with a refused write would end the process.
        change(setup)
            .policy(r#"permit(principal, action, resource) unless { resource == Cardea::Tool::"echo/forbidden" };"#)
            .shell("trap '' XFSZ; ulimit -S -f 128")
            .set("audit", json!({"rotate_bytes": "1GiB"}))
    })
    .await
}

fn filling(n: u64) -> Value {
    tool_call(n, json!({"n": n, "padding": "x".repeat(3000)}))
}

/// Calls until a call is refused; gives how many were answered before, and the refusal.
async fn fill(stage: &Stage) -> (u64, Answer) {
    for n in 0..200 {
        let answer = stage.call(&filling(n)).await;
        if answer.status != 200 {
            return (n, answer);
        }
        assert!(answer.json()["result"].is_object(), "{}", answer.text());
    }
    panic!("the log took 200 calls");
}

fn is_refused(answer: &Answer) {
    assert_eq!(
        (answer.status, code_of(answer).as_str()),
        (503, "E_AUDIT_UNAVAILABLE"),
        "{}",
        answer.text()
    );
    let error = &answer.json()["error"];
    assert_eq!(error["code"], -31503);
    assert_eq!(error["data"]["retryable"], true);
    assert!(answer.header("retry-after").is_some());
}

async fn ready(stage: &Stage) -> u16 {
    Ask::get("/readyz")
        .send(stage.gateway.admin_address())
        .await
        .status
}

/// `cardea audit verify`; its output when all is well.
fn verified(gateway: &Gateway) -> String {
    let output = Command::new(program())
        .args(["audit", "verify", "--config"])
        .arg(gateway.config())
        .output()
        .unwrap();
    let shown = format!(
        "{}{}",
        String::from_utf8_lossy(&output.stdout),
        String::from_utf8_lossy(&output.stderr)
    );
    assert!(output.status.success(), "{shown}");
    shown
}

fn program() -> PathBuf {
    std::env::var_os("CARDEA_BIN").map_or_else(|| binary().to_owned(), PathBuf::from)
}

#[tokio::test]
async fn calls_are_refused_and_have_no_effect_once_the_log_is_full() {
    let stage = cramped().await;
    let (answered, refusal) = fill(&stage).await;
    assert!(answered > 5, "{answered} calls");
    is_refused(&refusal);
    // The last one may have got as far as the upstream: then its intent is there, and only its answer was lost.
    let effects = stage.echo.seen_of("tools/call").len() as u64;
    assert!(
        effects == answered || effects == answered + 1,
        "{effects} effects, {answered} answers"
    );

    for n in 1000..1020 {
        is_refused(&stage.call(&filling(n)).await);
    }

    assert_eq!(
        stage.echo.seen_of("tools/call").len() as u64,
        effects,
        "a call had an effect without its intent"
    );
}

#[tokio::test]
async fn nothing_at_all_is_answered_while_the_log_is_full() {
    let stage = cramped().await;
    fill(&stage).await;
    let forbidden = modern(
        1,
        "tools/call",
        json!({"name": "forbidden", "padding": "x".repeat(3000)}),
    );
    let large = json!({"padding": "x".repeat(3000)});
    for ask in [
        stage.ask(&modern(1, "tools/list", large.clone())),
        stage.ask(&legacy(1, "initialize", large)),
        // Refusals are records too.
        stage.ask(&forbidden),
        stage.ask(&filling(1)).body("{".repeat(3000)),
    ] {
        let shown = format!("{ask:?}");
        // Short records may still have had room; what counts is that none is left out.
        until(&format!("a refusal of {shown}"), async || {
            let answer = ask.clone().send(stage.gateway.address()).await;
            (code_of(&answer) == "E_AUDIT_UNAVAILABLE").then(|| is_refused(&answer))
        })
        .await;
    }
    // What belongs to no tenant has a log of its own, which still has room.
    for ask in [ask(&filling(1)), ask(&filling(1)).bearer("no-token")] {
        assert_eq!(ask.send(stage.gateway.address()).await.status, 401);
    }
}

#[tokio::test]
async fn no_server_process_is_started_while_the_log_is_full() {
    let folder = tempfile::tempdir().unwrap();
    let started = folder.path().join("started");
    let server = json!({
        "tenants": [TENANT],
        "stdio": {"command": "/bin/sh", "args": ["-c", format!("echo $$ >> '{}'; exec cat > /dev/null", started.display())]},
        "limits": {"call_timeout": "5s"},
    });
    let stage = cramped_with(|setup| setup.upstream("tools", server)).await;
    let opening = Ask::message("/mcp/tools", &initialize(1))
        .set("mcp-protocol-version", LEGACY)
        .bearer(&stage.token);
    let discovery =
        Ask::modern("/mcp/tools", &modern(2, "tools/list", json!({}))).bearer(&stage.token);
    let starts = || {
        std::fs::read_to_string(&started)
            .unwrap_or_default()
            .lines()
            .count()
    };
    let opened = opening.clone().send(stage.gateway.address()).await;
    assert_eq!(
        starts(),
        1,
        "{opened:?}: with room in the log it is started"
    );
    fill(&stage).await;
    // Use up what is left, down to the last short record.
    until("no room for any record", async || {
        let answer = stage.call(&legacy(1, "ping", json!({}))).await;
        (answer.status == 503).then_some(())
    })
    .await;

    for ask in [opening, discovery] {
        is_refused(&ask.send(stage.gateway.address()).await);
    }

    assert_eq!(starts(), 1);
}

#[tokio::test]
async fn the_gateway_says_that_it_cannot_serve_while_the_log_is_full() {
    let stage = cramped().await;
    assert_eq!(ready(&stage).await, 200);
    fill(&stage).await;
    assert_eq!(ready(&stage).await, 503);
    assert_eq!(
        Ask::get("/readyz")
            .send(stage.gateway.address())
            .await
            .status,
        503
    );
    assert_eq!(
        Ask::get("/healthz")
            .send(stage.gateway.admin_address())
            .await
            .status,
        200
    );
    let of_tenant = [r#"tenant="demo""#];
    let ok = metric(&stage.gateway, "cardea_audit_ok", &of_tenant).await;
    assert_eq!(ok, 0.0);
    assert!(
        stage
            .gateway
            .log()
            .to_lowercase()
            .contains("file too large"),
        "{}",
        stage.gateway.log()
    );
}

#[tokio::test]
async fn the_log_of_a_full_disk_verifies_and_holds_every_answer_that_left() {
    let mut stage = cramped().await;
    let (answered, _) = fill(&stage).await;
    verified(&stage.gateway);

    stage.gateway.kill().unwrap();

    verified(&stage.gateway);
    let records = stage.records();
    let has = |kind: &str, n: u64| {
        records
            .iter()
            .any(|r| r["kind"] == kind && r["id"] == n && r["method"] == "tools/call")
    };
    for n in 0..answered {
        assert!(
            has("intent", n) && has("outcome", n),
            "call {n} was answered"
        );
    }
    for seen in stage.echo.seen_of("tools/call") {
        let n = seen.message()["params"]["arguments"]["n"].as_u64().unwrap();
        assert!(has("intent", n), "call {n} had an effect");
    }
}

#[tokio::test]
async fn an_answer_under_way_is_kept_back_when_its_outcome_cannot_be_recorded() {
    let stage = cramped().await;
    let gate = Gate::closed();
    for (rpc, stream) in [("prompts/get", false), ("resources/read", true)] {
        let gate = gate.clone();
        stage.echo.on(rpc, move |seen| {
            let result = json!({"resultType": "complete", "contents": [], "messages": [], "secret": "x".repeat(3000)});
            let message = json!({"jsonrpc": "2.0", "id": seen.message()["id"], "result": result});
            if stream {
                Reply::stream(&[message]).after(&gate)
            } else {
                Reply::json(200, &message).after(&gate)
            }
        });
    }
    let address = stage.gateway.address();
    let whole = tokio::spawn(
        stage
            .ask(&modern("whole", "prompts/get", json!({"name": "p"})))
            .try_send(address),
    );
    let streamed = tokio::spawn(
        stage
            .ask(&modern("streamed", "resources/read", json!({"uri": "a:b"})))
            .try_send(address),
    );
    stage.echo.wait_for("prompts/get", 1).await;
    stage.echo.wait_for("resources/read", 1).await;
    fill(&stage).await;
    // Use up what is left, down to the last short record.
    until("no room for any record", async || {
        let answer = stage.call(&legacy(1, "ping", json!({}))).await;
        (answer.status == 503).then_some(())
    })
    .await;

    gate.open();

    for call in [whole, streamed] {
        let answer = bounded("the answer", call).await.unwrap().unwrap();
        assert_eq!(code_of(&answer), "E_AUDIT_UNAVAILABLE", "{}", answer.text());
        assert!(!answer.text().contains("secret"));
    }
}

#[tokio::test]
async fn calls_go_on_by_themselves_when_there_is_room_again() {
    let stage = cramped().await;
    fill(&stage).await;
    assert_eq!(ready(&stage).await, 503);

    lift(&stage.gateway);

    // Nobody sends calls to an instance that is not ready: it has to find out by itself.
    until("the gateway is ready again", async || {
        (ready(&stage).await == 200).then_some(())
    })
    .await;
    let answer = stage.call(&filling(5000)).await;
    assert!(answer.json()["result"].is_object(), "{}", answer.text());
    verified(&stage.gateway);
}

#[tokio::test]
async fn a_call_finds_out_that_there_is_room_again() {
    let stage = cramped().await;
    fill(&stage).await;

    lift(&stage.gateway);

    let answer = stage.call(&filling(5000)).await;
    assert!(answer.json()["result"].is_object(), "{}", answer.text());
    assert_eq!(ready(&stage).await, 200);
    verified(&stage.gateway);
}

#[tokio::test]
async fn a_gateway_that_starts_on_a_full_disk_serves_nothing_and_says_why() {
    let mut stage = cramped().await;
    fill(&stage).await;
    let effects = stage.echo.seen_of("tools/call").len();
    stage.gateway.kill().unwrap();

    match stage.gateway.start_again().await {
        Err(error) => {
            let said = format!("{error:#}");
            assert!(
                said.contains("audit") && said.to_lowercase().contains("too large"),
                "{said}"
            );
            stage.gateway.ended(DEADLINE).await.unwrap();
        }
        Ok(()) => {
            // There was room for the record of the start.
            until("a refusal", async || {
                let answer = stage.call(&filling(6000)).await;
                (answer.status == 503).then(|| is_refused(&answer))
            })
            .await;
            let more = stage.echo.seen_of("tools/call").len() - effects;
            assert!(more <= 2, "{more} effects on a full disk");
        }
    }
    verified(&stage.gateway);
}

/// Lifts the limit of the running gateway.
fn lift(gateway: &Gateway) {
    let status = Command::new("prlimit")
        .args([
            "--pid",
            &gateway.pid().to_string(),
            "--fsize=unlimited:unlimited",
        ])
        .status()
        .expect("prlimit of util-linux");
    assert!(status.success());
}
