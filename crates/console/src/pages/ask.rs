//! A form by which a person asks beforehand, for an agent that acts for them.

use askama::Template;
use http::StatusCode;

use super::Frame;
use crate::{
    acts::MINUTES_MAX,
    desk::Desk,
    refusal::Refusal,
    reply::{self, Reply},
};

#[derive(Template)]
#[template(path = "ask.html")]
struct Page<'a> {
    frame: Frame<'a>,
    token: String,
    reason_chars_max: usize,
    minutes_max: u64,
}

pub(crate) fn page(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let page = Page {
        frame: Frame::new(desk, "/console/requests", "Ask for access"),
        token: desk.form_token(),
        reason_chars_max: cardea_access::REASON_CHARS_MAX,
        minutes_max: MINUTES_MAX,
    };
    Ok(reply::page(StatusCode::OK, &page))
}
