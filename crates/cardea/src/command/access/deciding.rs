//! Deciding: a no at once, a yes by a person on a page, for whom is waited.

use std::time::Duration;

use serde_json::{Value, json};
use tokio::time::{Instant, sleep};

use super::{
    gateway::Gateway,
    table::{target, terms, text},
};
use crate::{
    cli::access::{ApproveArgs, DenyArgs, PageArgs},
    command::{Failure, failure::Status},
};

/// Between two looks at what is waited for.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Looks in a row that may fail: a gateway that restarts is away for seconds.
const FAILED_MAX: u32 = 30;

pub(super) async fn approve(gateway: Gateway, args: &ApproveArgs) -> Result<(), Failure> {
    let id = &args.request.id;
    let path = format!("/requests/{id}");
    let before = gateway.get(&path).await?;
    if text(&before, "state") != "pending" {
        let state = text(&before, "state");
        return Err(Failure::new(
            Status::Over,
            format!("request {id} is {state}; there is nothing to decide"),
        ));
    }
    let why = format!(
        "to decide: {} for {} by {}, {}",
        target(&before),
        text(&before, "subject"),
        text(&before, "actor"),
        terms(&before)
    );
    gateway.show(&format!("/console/requests/{id}"), &args.page, &why)?;
    let after = wait(&args.page, async || {
        let request = gateway.get(&path).await?;
        Ok((text(&request, "state") != "pending").then_some(request))
    })
    .await?;
    let state = text(&after, "state");
    match after.get("grant").and_then(Value::as_str) {
        Some(grant) => gateway.tell(&after, &format!("approved: grant {grant}")),
        None => {
            gateway.tell(&after, &format!("not approved: request {id} is {state}"))?;
            let text = format!("request {id} is {state}");
            Err(Failure::new(Status::Refused, text))
        }
    }
}

pub(super) async fn deny(gateway: Gateway, args: &DenyArgs) -> Result<(), Failure> {
    let path = format!("/requests/{}/refuse", args.request.id);
    let reason = args.reason.as_ref();
    let body = reason.map_or_else(|| json!({}), |reason| json!({"reason": reason}));
    let request = gateway.post(&path, &body).await?;
    gateway.tell(&request, &format!("request {} is refused", args.request.id))
}

/// Looks again and again until there is something, or until the time is over.
pub(super) async fn wait<T>(
    args: &PageArgs,
    look: impl AsyncFn() -> Result<Option<T>, Failure>,
) -> Result<T, Failure> {
    let ends = args.timeout.map(|timeout| Instant::now() + timeout);
    let mut failed = 0;
    loop {
        match look().await {
            Ok(Some(found)) => return Ok(found),
            Ok(None) => failed = 0,
            Err(failure) if failure.may_pass() && failed < FAILED_MAX => failed += 1,
            Err(failure) => return Err(failure),
        }
        if ends.is_some_and(|ends| Instant::now() >= ends) {
            return Err(Failure::new(Status::Timeout, "nobody has decided in time"));
        }
        sleep(LOOK_EVERY).await;
    }
}
