//! Ending grants, setting locks, and the page on which locks are lifted.

use serde_json::{Value, json};

use super::{
    deciding::wait,
    gateway::Gateway,
    lists::all_locks,
    table::{shown, text},
};
use crate::{
    cli::access::{LockArgs, RevokeArgs, UnlockArgs},
    command::{Failure, failure::Status},
};

pub(super) async fn revoke(gateway: Gateway, args: &RevokeArgs) -> Result<(), Failure> {
    if let Some(id) = &args.id {
        let reason = args.reason.as_ref();
        let body = reason.map_or_else(|| json!({}), |reason| json!({"reason": reason}));
        let grant = gateway.post(&format!("/grants/{id}/revoke"), &body).await?;
        return gateway.tell(&grant, &format!("grant {id} is revoked"));
    }
    let (kind, name) = args.scope.named().ok_or_else(nothing_named)?;
    let body = json!({"kind": kind, "name": name, "reason": args.reason});
    let done = gateway.post("/revocations", &body).await?;
    let count = done.get("revoked").and_then(Value::as_u64).unwrap_or(0);
    gateway.tell(&done, &format!("{count} grants are revoked"))
}

pub(super) async fn lock(gateway: Gateway, args: &LockArgs) -> Result<(), Failure> {
    let (kind, name) = args.scope.named().ok_or_else(nothing_named)?;
    let body = json!({"kind": kind, "name": name, "reason": args.reason, "minutes": args.r#for});
    let lock = gateway.post("/locks", &body).await?;
    let until = match lock.get("expires").and_then(Value::as_str) {
        Some(until) => format!("until {}", shown(until)),
        None => "until it is lifted".to_owned(),
    };
    let id = text(&lock, "id");
    let name = name
        .map(|name| format!(" {}", shown(name)))
        .unwrap_or_default();
    gateway.tell(
        &lock,
        &format!("lock {id}: {kind}{name}, {until}; calls under way are cut"),
    )
}

pub(super) async fn unlock(gateway: Gateway, args: &UnlockArgs) -> Result<(), Failure> {
    let ids = meant(&all_locks(&gateway).await?, args)?;
    let page = match ids.as_slice() {
        [only] => format!("/console/locks?id={only}"),
        _ => "/console/locks".to_owned(),
    };
    let why = format!("to lift {}", ids.join(", "));
    gateway.show(&page, &args.page, &why)?;
    wait(&args.page, async || {
        let left = all_locks(&gateway).await?;
        let is_set = |id: &String| left.iter().any(|lock| text(lock, "id") == *id);
        Ok((!ids.iter().any(is_set)).then_some(()))
    })
    .await?;
    gateway.tell(
        &json!({"lifted": ids}),
        &format!("lifted: {}", ids.join(", ")),
    )
}

/// The names of the locks that are meant.
fn meant(locks: &[Value], args: &UnlockArgs) -> Result<Vec<String>, Failure> {
    let is_meant = |lock: &&Value| match (&args.id, args.scope.named()) {
        (Some(id), _) => text(lock, "id") == id.as_str(),
        (None, Some((kind, name))) => {
            let member = |member| lock.get(member).and_then(Value::as_str);
            member("kind") == Some(kind) && member("name") == name
        }
        (None, None) => false,
    };
    let ids: Vec<_> = locks
        .iter()
        .filter(is_meant)
        .map(|lock| text(lock, "id"))
        .collect();
    match ids.is_empty() {
        true => Err(Failure::new(
            Status::Unknown,
            "there is no such lock; `cardea locks` lists them",
        )),
        false => Ok(ids),
    }
}

fn nothing_named() -> Failure {
    Failure::new(Status::WrongUse, "say of what, as in `--subject NAME`")
}
