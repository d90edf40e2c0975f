//! Logging in where there is no browser: a code to type on another device (RFC 8628).

use std::time::Duration;

use serde::Deserialize;
use tokio::time::Instant;

use crate::{
    ConnectError, Settings,
    error::foreign,
    form::Form,
    token::{Endpoint, Tokens},
};

#[derive(Deserialize)]
struct Offer {
    device_code: String,
    user_code: String,
    verification_uri: String,
    verification_uri_complete: Option<String>,
    expires_in: u64,
    #[serde(default = "interval")]
    interval: u64,
}

/// RFC 8628 section 3.2: what an absent `interval` means.
fn interval() -> u64 {
    5
}

/// A server that says less is not asked more often.
const INTERVAL_S_MIN: u64 = 1;

/// RFC 8628 section 3.5: what `slow_down` adds.
const SLOW_DOWN_S: u64 = 5;

/// Nobody waits longer with a code in hand.
const LIFE_S_MAX: u64 = 15 * 60;

const GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

/// Shows a code and waits until somebody has typed it.
///
/// # Errors
/// [`ConnectError::Refused`] when they say no, [`ConnectError::LoginTimeout`] when nobody does.
pub(crate) async fn login(
    settings: &Settings,
    device: Endpoint<'_>,
    token: Endpoint<'_>,
    scope: Option<String>,
    resource: &str,
) -> Result<Tokens, ConnectError> {
    let form = Form::default()
        .with_some("scope", scope)
        .with("resource", resource);
    let text = device.send(&form).await?;
    let offer: Offer = serde_json::from_slice(&text).map_err(|_| ConnectError::Transport {
        url: device.url.to_string(),
        reason: "the answer is no device authorization".into(),
    })?;
    let place = offer
        .verification_uri_complete
        .as_ref()
        .unwrap_or(&offer.verification_uri);
    let place = crate::address::named(place, token.url)?;
    (settings.say)(&format!(
        "To log in, open\n\n  {place}\n\non any device and check that it shows the code\n\n  {}\n",
        foreign(&offer.user_code)
    ));
    let life_s = offer.expires_in.min(LIFE_S_MAX);
    let end = Instant::now() + Duration::from_secs(life_s);
    let mut interval_s = offer.interval.max(INTERVAL_S_MIN);
    let form = Form::new(GRANT)
        .with("device_code", &offer.device_code)
        .with("resource", resource);
    loop {
        tokio::time::sleep(Duration::from_secs(interval_s)).await;
        if Instant::now() >= end {
            return Err(ConnectError::LoginTimeout(life_s.div_ceil(60)));
        }
        match token.tokens(&form).await {
            Err(ConnectError::Refused { error, .. }) if error == "authorization_pending" => {}
            Err(ConnectError::Refused { error, .. }) if error == "slow_down" => {
                interval_s = interval_s.saturating_add(SLOW_DOWN_S);
            }
            // RFC 8628 section 3.5: a connection that failed is tried again, more slowly.
            Err(ConnectError::Transport { .. }) => {
                interval_s = interval_s.saturating_mul(2).min(60);
            }
            ended => return ended,
        }
    }
}
