//! Asking for access, saying why, taking it back.

use serde_json::{Map, Value, json};

use super::{
    gateway::Gateway,
    table::{target, terms, text},
};
use crate::{
    cli::access::{JustifyArgs, Kind, Of, OneRequestArgs, RequestArgs},
    command::Failure,
};

pub(super) async fn request(gateway: Gateway, args: &RequestArgs) -> Result<(), Failure> {
    let (path, wish) = match &args.extend {
        Some(grant) => (format!("/grants/{grant}/extend"), wish(args, [])),
        None => ("/requests".to_owned(), wish(args, new(args))),
    };
    let asked = gateway.post(&path, &wish).await?;
    let id = text(&asked, "id");
    let page = gateway.address(&format!("/console/requests/{id}"));
    let said = format!(
        "request {id} is {}: {} for {}, {}\n  {page}",
        text(&asked, "state"),
        target(&asked),
        text(&asked, "actor"),
        terms(&asked),
    );
    gateway.tell(&asked, &said)
}

/// What only a new grant has.
fn new(args: &RequestArgs) -> [(&'static str, Option<Value>); 8] {
    let of = match args.of {
        Of::Tool => "tool",
        Of::Resource => "resource",
        Of::Prompt => "prompt",
    };
    let kind = args.kind.map(|kind| match kind {
        Kind::Time => "time",
        Kind::Calls => "calls",
        Kind::Once => "once",
    });
    [
        ("actor", args.actor.as_ref().map(|actor| json!(actor))),
        ("upstream", args.upstream.as_ref().map(|id| json!(id))),
        ("kind", Some(json!(of))),
        ("name", args.name.as_ref().map(|name| json!(name))),
        ("grant", kind.map(|kind| json!(kind))),
        ("calls", args.calls.map(|calls| json!(calls))),
        ("arguments", args.arguments.as_ref().map(|text| json!(text))),
        (
            "constraint",
            args.constraint.as_ref().map(|text| json!(text)),
        ),
    ]
}

fn wish<const N: usize>(args: &RequestArgs, new: [(&'static str, Option<Value>); N]) -> Value {
    let both = [
        ("minutes", args.r#for.map(|minutes| json!(minutes))),
        ("reason", args.reason.as_ref().map(|text| json!(text))),
        ("ticket", args.ticket.as_ref().map(|text| json!(text))),
    ];
    let fields = new.into_iter().chain(both);
    let fields = fields.filter_map(|(name, value)| Some((name.to_owned(), value?)));
    Value::Object(fields.collect::<Map<_, _>>())
}

pub(super) async fn justify(gateway: Gateway, args: &JustifyArgs) -> Result<(), Failure> {
    let path = format!("/requests/{}/justify", args.request.id);
    let request = gateway.post(&path, &json!({"reason": args.reason})).await?;
    let said = format!(
        "those who decide about {} see it, marked as sent by a program",
        args.request.id
    );
    gateway.tell(&request, &said)
}

pub(super) async fn cancel(gateway: Gateway, args: &OneRequestArgs) -> Result<(), Failure> {
    let path = format!("/requests/{}/cancel", args.id);
    let request = gateway.post(&path, &json!({})).await?;
    gateway.tell(&request, &format!("request {} is cancelled", args.id))
}
