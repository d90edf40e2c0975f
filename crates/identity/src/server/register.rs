//! Clients that register themselves (RFC 7591), where that is switched on.

use ::http::StatusCode;
use serde_json::json;
use uuid::Uuid;

use super::{
    Desk,
    client::{Metadata, Origin},
    error::Refusal,
    http::{Reply, json as json_reply},
    throttle::Counted,
};

/// Registrations that are kept at once.
const CLIENTS_MAX: u32 = 10_000;

/// A registration that is not used ends.
const UNUSED_S: u64 = 90 * 86_400;

pub(super) async fn answer(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    if !desk.server.settings.registration {
        return Err(Refusal {
            status: StatusCode::FORBIDDEN,
            ..Refusal::new("access_denied", "clients do not register themselves here")
        });
    }
    let (state, now_s) = (desk.state(), desk.now_s());
    state
        .throttles
        .take(Counted::Registration, desk.ask.peer, now_s)?;
    let unusable = |reason: String| Refusal::new("invalid_client_metadata", reason);
    let mut metadata = Metadata::parse(&desk.ask.body).map_err(unusable)?;
    metadata.normalise();
    let id = format!("dyn-{}", Uuid::new_v4());
    metadata.client_id = Some(id.clone());
    let client = metadata.clone().into_client(&id, Origin::Registered);
    client.map_err(|reason| match reason.contains("redirect URI") {
        true => Refusal::new("invalid_redirect_uri", reason),
        false => unusable(reason),
    })?;
    let text = serde_json::to_string(&metadata).map_err(|_| Refusal::unavailable())?;
    desk.record("client_registered", None, format!("client {id}"))
        .await?;
    let expires_s = now_s + UNUSED_S;
    if !state
        .store
        .register(&id, &text, now_s, expires_s, CLIENTS_MAX)
        .await?
    {
        return Err(Refusal::slow_down("too many clients are registered"));
    }
    let mut document = serde_json::to_value(&metadata).map_err(|_| Refusal::unavailable())?;
    if let Some(document) = document.as_object_mut() {
        document.insert("client_id_issued_at".into(), json!(now_s));
    }
    Ok(json_reply(StatusCode::CREATED, &document))
}
