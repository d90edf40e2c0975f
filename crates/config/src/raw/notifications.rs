//! Where people are told of what happens to access.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RawSecret;

/// Somebody who is told: exactly one of `webhook`, `slack` and `teams`.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Notification")]
pub(crate) struct RawNotification {
    /// A program, by signed webhooks (Standard Webhooks).
    pub(crate) webhook: Option<RawWebhook>,

    /// A channel of Slack, by an incoming webhook.
    pub(crate) slack: Option<RawChannel>,

    /// A channel of Microsoft Teams, by a workflow that posts to it when it is called.
    pub(crate) teams: Option<RawChannel>,

    /// What it is told of: `requests` that wait for people, `decisions` and requests that ended
    /// otherwise, `grants` that ended, `locks` that were set or lifted.
    #[schemars(length(min = 1), extend("uniqueItems" = true, "x-default" = "all of them"))]
    pub(crate) events: Vec<NotifiedOf>,
}

/// What a receiver is told of.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum NotifiedOf {
    /// Requests that wait for people.
    Requests,
    /// What became of requests.
    Decisions,
    /// Grants that ended.
    Grants,
    /// Locks that were set or lifted.
    Locks,
}

impl RawNotification {
    /// What is meant where nothing is said.
    pub(crate) const EVENTS: [NotifiedOf; 4] = [
        NotifiedOf::Requests,
        NotifiedOf::Decisions,
        NotifiedOf::Grants,
        NotifiedOf::Locks,
    ];
}

/// A program that is called.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Webhook")]
pub(crate) struct RawWebhook {
    /// Its address. `https`, except on loopback or with `allow_plain_http`.
    pub(crate) url: String,

    /// What it checks signatures with, as a reference: `whsec_` and the base64 form of 24 to 64 random
    /// bytes.
    pub(crate) secret: RawSecret,

    /// A PEM file with certificate authorities to trust for it besides the public ones.
    #[serde(default)]
    #[schemars(length(min = 1))]
    pub(crate) ca_file: Option<String>,
}

/// A channel that is written to.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "Channel")]
pub(crate) struct RawChannel {
    /// Its address, as a reference: whoever has it can write to the channel. `https`, except on
    /// loopback or with `allow_plain_http`.
    pub(crate) secret_url: RawSecret,
}
