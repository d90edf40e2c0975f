//! What people see. Templates escape what they are given; nothing here runs scripts.

use ::http::StatusCode;
use askama::Template;

use super::{
    error::Refusal,
    http::{Reply, page},
};

/// A page that only says something.
#[derive(Template)]
#[template(path = "message.html")]
pub(super) struct Message<'a> {
    pub(super) title: &'a str,
    pub(super) text: &'a str,
    pub(super) code: Option<&'a str>,
}

#[derive(Template)]
#[template(path = "login.html")]
pub(super) struct Login<'a> {
    pub(super) mistake: Option<&'a str>,
    pub(super) providers: Vec<&'a str>,
    pub(super) tag: &'a str,
    pub(super) next: &'a str,
    pub(super) has_accounts: bool,
    /// With one tenant there is nothing to ask, and with several their names are not told.
    pub(super) asks_tenant: bool,
    pub(super) subject: &'a str,
    pub(super) host: &'a str,
}

#[derive(Template)]
#[template(path = "setup.html")]
pub(super) struct Setup<'a> {
    pub(super) tenant: &'a str,
    pub(super) mistake: Option<&'a str>,
    pub(super) tag: &'a str,
    pub(super) link: &'a str,
    pub(super) subject: &'a str,
    pub(super) is_fixed: bool,
    pub(super) chars_min: usize,
    pub(super) host: &'a str,
}

#[derive(Template)]
#[template(path = "consent.html")]
pub(super) struct Consent<'a> {
    pub(super) client: &'a str,
    pub(super) client_id: &'a str,
    pub(super) document_host: Option<&'a str>,
    pub(super) is_registered: bool,
    pub(super) is_loopback: bool,
    pub(super) is_device: bool,
    pub(super) target: Option<&'a str>,
    pub(super) subject: &'a str,
    pub(super) tenant: &'a str,
    pub(super) resource: &'a str,
    pub(super) is_api: bool,
    pub(super) permissions: Vec<String>,
    pub(super) may_remember: bool,
    pub(super) tag: &'a str,
    pub(super) next: &'a str,
    pub(super) host: &'a str,
}

#[derive(Template)]
#[template(path = "device.html")]
pub(super) struct Device<'a> {
    pub(super) mistake: Option<&'a str>,
    pub(super) tag: &'a str,
    pub(super) host: &'a str,
}

/// The page of a refusal that cannot be told to the client.
pub(super) fn refusal(refusal: &Refusal) -> Reply {
    let message = Message {
        title: "This does not work",
        text: &refusal.description,
        code: Some(refusal.code),
    };
    page(refusal.status, &message, None)
}

/// A page that says something good.
pub(super) fn message(title: &str, text: &str) -> Reply {
    let code = None;
    page(StatusCode::OK, &Message { title, text, code }, None)
}
