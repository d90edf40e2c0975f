//! A device asks what became of its wish (RFC 8628 section 3.4).

use cardea_store::{DeviceState, Poll};
use uuid::Uuid;

use super::code::begin;
use crate::server::{
    Desk, binding::Confirmation, client::Client, error::Refusal, http::Reply, secret,
};

pub(super) async fn exchange(
    desk: &Desk<'_>,
    client: &Client,
    confirmation: Option<Confirmation>,
) -> Result<Reply, Refusal> {
    let hash = secret::hash(desk.ask.params.need("device_code")?);
    let store = &desk.state().store;
    let found = store
        .poll_device(&hash, client.id.as_str(), desk.now_s())
        .await?;
    let approval = match found {
        Poll::State(DeviceState::Approved(approval)) => approval,
        Poll::State(DeviceState::Pending) => {
            return Err(Refusal::new(
                "authorization_pending",
                "nobody has decided yet",
            ));
        }
        Poll::State(DeviceState::Denied) => {
            return Err(Refusal::new("access_denied", "the person said no"));
        }
        Poll::TooSoon => {
            return Err(Refusal::new(
                "slow_down",
                "wait five seconds longer from now on",
            ));
        }
        Poll::Unknown => {
            return Err(Refusal::new(
                "expired_token",
                "the code is not known or has ended",
            ));
        }
    };
    let approval = serde_json::from_str(&approval).map_err(|_| Refusal::unavailable())?;
    begin(
        desk,
        client,
        approval,
        Uuid::now_v7().to_string(),
        confirmation,
    )
    .await
}
