//! The inbox of those who decide, and what became of everything else.

use askama::Template;
use http::StatusCode;

use super::Frame;
use crate::{
    desk::Desk,
    lists::{self, Paging, RequestRow, Shown, request_row},
    refusal::Refusal,
    reply::{self, Reply},
};

#[derive(Template)]
#[template(path = "requests.html")]
struct Page<'a> {
    frame: Frame<'a>,
    filter: Shown<'a>,
    views: &'static [(&'static str, &'static str)],
    view: &'a str,
    states: &'static [(&'static str, &'static str)],
    state: &'a str,
    rows: Vec<RequestRow>,
    paging: Paging,
}

const VIEWS: &[(&str, &str)] = &[
    ("all", "All that you may see"),
    ("decide", "Those that wait for you"),
    ("mine", "Those in your name"),
];
const STATES: &[(&str, &str)] = &[
    ("any", "Any"),
    ("pending", "Pending"),
    ("approved", "Approved"),
    ("refused", "Refused"),
    ("expired", "Expired unanswered"),
    ("cancelled", "Cancelled"),
    ("void", "Void"),
];

pub(crate) async fn page(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let rows = lists::requests(desk).await?;
    let page = Page {
        frame: Frame::new(desk, "/console/requests", "Requests"),
        filter: Shown::of(&desk.ask),
        views: VIEWS,
        view: desk.ask.param("view").unwrap_or("all"),
        states: STATES,
        state: desk.ask.param("state").unwrap_or("any"),
        paging: rows.paging(&desk.ask),
        rows: rows.items.iter().map(request_row).collect(),
    };
    Ok(reply::page(StatusCode::OK, &page))
}
