//! New configuration and policies while calls go on.
//!
//! | module | what it shows |
//! |---|---|
//! | `policies` | the next call is decided by the new text, and a bad text changes nothing |
//! | `configuration` | upstreams and issuers come and go |
//! | `survivors` | calls in flight and open streams do not notice |
//! | `watch` | what makes the gateway look again, and what does not |

mod configuration;
mod policies;
mod survivors;
mod watch;

use std::{
    fs,
    path::PathBuf,
    time::{Duration, Instant},
};

use cardea_testkit::cardea::{hold_to_no_schema, leave_unboxed};

use crate::support::*;

/// Puts a policy file in place at once, as editors do: under another name first.
fn put_policy(gateway: &Gateway, name: &str, text: &str) {
    put(gateway, &gateway.folder().join("policies").join(name), text);
}

fn remove_policy(gateway: &Gateway, name: &str) {
    fs::remove_file(gateway.folder().join("policies").join(name)).unwrap();
}

/// Changes the configuration file.
fn reconfigure(gateway: &Gateway, change: impl FnOnce(&mut Value)) {
    let text = fs::read_to_string(gateway.config()).unwrap();
    let mut config = serde_json::from_str(&text).unwrap();
    change(&mut config);
    if let Value::Object(config) = &mut config {
        hold_to_no_schema(config);
        leave_unboxed(config);
    }
    put(gateway, gateway.config(), &config.to_string());
}

fn put(gateway: &Gateway, file: &std::path::Path, text: &str) {
    let before: PathBuf = gateway.folder().join("state").join("new.tmp");
    fs::write(&before, text).unwrap();
    fs::rename(&before, file).unwrap();
}

/// Waits for an answer that a look finds right.
async fn until_call(stage: &Stage, what: &str, message: &Value, right: impl Fn(&Answer) -> bool) {
    let started = Instant::now();
    until(what, async || {
        let answer = stage.call(message).await;
        let late = started.elapsed() > DEADLINE - Duration::from_secs(1);
        assert!(
            !late,
            "still not: {what}\n{}\n{}",
            answer.text(),
            stage.gateway.log()
        );
        right(&answer).then_some(())
    })
    .await;
}

fn is_permitted(answer: &Answer) -> bool {
    answer.json()["result"].is_object()
}

fn is_denied(answer: &Answer) -> bool {
    answer.json()["error"]["data"]["code"] == "E_POLICY_DENIED"
}

/// How many reloads were `accepted` or `refused` so far.
async fn reloads(gateway: &Gateway, result: &str) -> f64 {
    metric(
        gateway,
        "cardea_reloads_total",
        &[&format!("result=\"{result}\"")],
    )
    .await
}

async fn until_refused(gateway: &Gateway, before: f64) {
    until("a refused reload", async || {
        (reloads(gateway, "refused").await > before).then_some(())
    })
    .await;
}
