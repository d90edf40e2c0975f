//! What people see. Templates escape what they are given.

pub(crate) mod agents;
pub(crate) mod ask;
pub(crate) mod explain;
mod frame;
pub(crate) mod grants;
pub(crate) mod locks;
pub(crate) mod overview;
pub(crate) mod reach;
pub(crate) mod request;
pub(crate) mod requests;
pub(crate) mod servers;

use askama::Template;
use http::StatusCode;

use crate::{
    Console,
    ask::Ask,
    field::Field,
    refusal::Refusal,
    reply::{self, Reply},
};

pub(crate) use frame::Frame;

pub(crate) const STYLE: &str = include_str!("../assets/console.css");
pub(crate) const SCRIPT: &str = include_str!("../assets/console.js");
pub(crate) const ICON: &str = include_str!("../assets/icon.svg");

/// The version is part of the address: a browser that keeps an old one asks for the new one. A
/// test holds it against the content.
pub(crate) const STYLE_PATH: &str = "/console/assets/ae1b19dc/console.css";
pub(crate) const SCRIPT_PATH: &str = "/console/assets/f2d019b2/console.js";
pub(crate) const ICON_PATH: &str = "/console/assets/fcf0a1af/icon.svg";

/// What a page says was done just now, by its short name.
pub(crate) const DONE: &[Field] = &[Field::choice("done", DONE_NAMES, "what was done just now")];

pub(crate) const DONE_NAMES: &[&str] = &[
    "asked",
    "approved",
    "counted",
    "refused",
    "cancelled",
    "justified",
    "revoked",
    "released",
    "locked",
    "lifted",
    "definition_approved",
    "definition_rejected",
    "definition_withdrawn",
];

/// The text of [`DONE`]: what the address says is never shown itself.
pub(crate) fn done(ask: &Ask) -> Option<&'static str> {
    Some(match ask.param("done")? {
        "asked" => "The request is on its way to those who decide.",
        "approved" => "Approved: the grant is active.",
        "counted" => "Your approval counts; others have to decide too.",
        "refused" => "Refused: the agent is told so.",
        "cancelled" => "The request is cancelled.",
        "justified" => "Those who decide see it.",
        "revoked" => "Revoked: calls under way are cut.",
        "released" => "Given back.",
        "locked" => "Locked: calls under way are cut.",
        "lifted" => "The lock is lifted.",
        "definition_approved" => "Approved: agents see it as far as policies permit.",
        "definition_rejected" => "Rejected: nobody is asked again until it changes.",
        "definition_withdrawn" => "Taken back: no agent sees or calls it.",
        _ => return None,
    })
}

/// Where to go after a login, as another page asks it.
pub(crate) const LOGIN: &[Field] = &[Field::text("next", 2048, "a path of the console")];

/// Sends a browser to log in anew, and back.
pub(crate) fn log_in(console: &Console, ask: &Ask) -> Result<Reply, Refusal> {
    let next = ask
        .param("next")
        .filter(|next| Console::has(next.split('?').next().unwrap_or_default()));
    let address = console
        .authorization
        .login_address(next.unwrap_or("/console"), console.login_since_s())
        .map_err(|_| Refusal::unavailable())?;
    Ok(reply::see_other(&address))
}

/// The page from which a form was sent: `/console/requests/7` of `/console/requests/7/approve`.
pub(crate) fn of(path: &str) -> &str {
    let parts = path.split('/').count();
    match path.strip_prefix("/console/requests/") {
        Some(_) if parts == 5 => path.rsplit_once('/').map_or(path, |(page, _)| page),
        _ => "/console",
    }
}

/// A refusal as a page, or the way to the login that is missing.
pub(crate) fn refuse(console: &Console, refusal: Refusal, page: &str) -> Reply {
    let since_s = match refusal.code {
        "E_LOGIN_MISSING" => Some(0),
        "E_LOGIN_OLD" => Some(console.login_since_s()),
        _ => None,
    };
    let to_login =
        since_s.and_then(|since_s| console.authorization.login_address(page, since_s).ok());
    if let Some(address) = to_login {
        return reply::see_other(&address);
    }
    let message = Message {
        title: "This does not work",
        what: &sentence(&refusal.what),
        next: &refusal.next,
        field: refusal.field.as_deref(),
        code: refusal.code,
        style: STYLE_PATH,
        icon: ICON_PATH,
    };
    let mut reply = reply::page(refusal.status, &message);
    if refusal.status == StatusCode::METHOD_NOT_ALLOWED {
        reply::set(&mut reply, http::header::ALLOW, &refusal.allow.join(", "));
    }
    reply
}

#[derive(Template)]
#[template(path = "message.html")]
struct Message<'a> {
    title: &'a str,
    what: &'a str,
    next: &'a str,
    field: Option<&'a str>,
    code: &'a str,
    style: &'a str,
    icon: &'a str,
}

/// A text of an error as a sentence.
fn sentence(text: &str) -> String {
    let mut chars = text.chars();
    let first = chars.next().map(char::to_uppercase);
    first
        .into_iter()
        .flatten()
        .chain(chars)
        .chain(['.'])
        .collect()
}
