//! Who can reach what, until when and why.

use askama::Template;
use http::StatusCode;

use super::Frame;
use crate::{
    desk::Desk,
    lists::{self, Paging, ReachRow, Shown},
    refusal::Refusal,
    reply::{self, Reply},
};

#[derive(Template)]
#[template(path = "reach.html")]
struct Page<'a> {
    frame: Frame<'a>,
    filter: Shown<'a>,
    whys: &'static [(&'static str, &'static str)],
    why: &'a str,
    rows: Vec<ReachRow>,
    paging: Paging,
}

const WHYS: &[(&str, &str)] = &[
    ("grant", "By a grant"),
    ("entitlement", "May ask for it"),
    ("policy", "By a policy"),
];

pub(crate) async fn page(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let rows = lists::reach(desk).await?;
    let page = Page {
        frame: Frame::new(desk, "/console/reach", "Who can reach what"),
        filter: Shown::of(&desk.ask),
        whys: WHYS,
        why: desk.ask.param("why").unwrap_or("grant"),
        paging: rows.paging(&desk.ask),
        rows: rows.items,
    };
    Ok(reply::page(StatusCode::OK, &page))
}
