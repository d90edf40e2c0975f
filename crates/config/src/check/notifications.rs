//! Who is told of what happens to access.

use std::collections::BTreeMap;

use url::Url;

use super::{Checker, files::Wanted, secret::Use, url::PlainHttp};
use crate::{
    Notification, Receiver,
    raw::{RawChannel, RawConfig, RawNotification, RawWebhook},
    yaml::At,
};

impl Checker<'_> {
    pub(super) fn notifications(
        &mut self,
        at: &At,
        raws: &BTreeMap<String, RawNotification>,
        all: &RawConfig,
    ) -> Option<BTreeMap<String, Notification>> {
        if !raws.is_empty() && all.authorization_server.is_none() {
            let message = "there is nothing to be told of: nobody can decide anything";
            let diagnostic = self.document.error_at_key(at, message);
            self.report(at, diagnostic.expected("`authorization_server`"));
        }
        let mut notifications = BTreeMap::new();
        for (id, raw) in raws {
            let receiver = self.receiver(&at.key(id), raw);
            let events = match raw.events.as_slice() {
                [] => &RawNotification::EVENTS,
                given => given,
            };
            let events = events.iter().copied().collect();
            notifications.extend(receiver.map(|receiver| {
                let notification = Notification { receiver, events };
                (id.clone(), notification)
            }));
        }
        (notifications.len() == raws.len()).then_some(notifications)
    }

    fn receiver(&mut self, at: &At, raw: &RawNotification) -> Option<Receiver> {
        let given = ["webhook", "slack", "teams"].map(|key| self.has(&at.key(key)));
        if given.iter().filter(|is| **is).count() != 1 {
            let message = "this is not one receiver";
            let diagnostic = self.document.error_within(at, message);
            let expected = "exactly one of `webhook`, `slack` and `teams`";
            self.report(at, diagnostic.expected(expected));
            return None;
        }
        match (&raw.webhook, &raw.slack, &raw.teams) {
            (Some(webhook), _, _) => self.webhook(&at.key("webhook"), webhook),
            (_, Some(slack), _) => self.channel(&at.key("slack"), slack).map(Receiver::Slack),
            (_, _, Some(teams)) => self.channel(&at.key("teams"), teams).map(Receiver::Teams),
            (None, None, None) => None,
        }
    }

    fn webhook(&mut self, at: &At, raw: &RawWebhook) -> Option<Receiver> {
        let url = self.url(&at.key("url"), &raw.url, PlainHttp::OnDemand);
        let secret = self.secret(&at.key("secret"), "secret", &raw.secret, Use::Variable);
        let ca_file = self.optional(raw.ca_file.as_deref(), |checker, text| {
            checker.existing(&at.key("ca_file"), text, Wanted::File)
        });
        Some(Receiver::Webhook {
            url: url?,
            secret: secret?,
            ca_file: ca_file?,
        })
    }

    /// An address that is a secret, of which no mistake shows anything.
    fn channel(&mut self, at: &At, raw: &RawChannel) -> Option<Url> {
        let at = at.key("secret_url");
        let secret = self.secret(&at, "secret_url", &raw.secret_url, Use::Variable)?;
        let url = Url::parse(secret.expose()).ok().filter(|url| {
            let is_safe = match url.scheme() {
                "https" => true,
                "http" => super::url::is_loopback(url) || self.allow_plain_http,
                _ => false,
            };
            is_safe && url.has_host() && url.username().is_empty() && url.password().is_none()
        });
        if url.is_none() {
            let message = "what this refers to is no address of a webhook";
            let diagnostic = self.document.error(&at, message);
            self.report(&at, diagnostic.expected("a URL with `https`"));
        }
        url
    }
}
