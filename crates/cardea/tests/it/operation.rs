//! Health, metrics, logs, traces, and the end of the process.
//!
//! | module | what it shows |
//! |---|---|
//! | `health` | `/healthz`, `/readyz`, and what is not there |
//! | `metrics` | the counters, and that nobody can make up labels |
//! | `strangers` | a flood of refusals costs a few records |
//! | `drain` | SIGTERM: calls in flight finish, nothing new begins |
//! | `logs` | one JSON object per line |
//! | `traces` | trace contexts are continued, spans are exported |

mod drain;
mod health;
mod logs;
mod metrics;
mod strangers;
mod traces;

use crate::support::*;

/// Holds every call of `prompts/get` at the upstream until the gate is open, and sends one.
async fn held_call(stage: &Stage, gate: &Gate) -> tokio::task::JoinHandle<anyhow::Result<Answer>> {
    let script = gate.clone();
    stage.echo.on("prompts/get", move |seen| {
        Reply::result(seen, &json!({ "messages": [], "resultType": "complete" })).after(&script)
    });
    let ask = stage.ask(&modern("held", "prompts/get", json!({ "name": "greet" })));
    let call = tokio::spawn(ask.try_send(stage.gateway.address()));
    stage.echo.wait_for("prompts/get", 1).await;
    call
}

/// The status of a path on the administrators' listener.
async fn admin_status(gateway: &Gateway, path: &str) -> u16 {
    Ask::get(path).send(gateway.admin_address()).await.status
}
