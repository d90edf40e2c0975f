//! Agents that have asked for something.

use askama::Template;
use http::StatusCode;

use super::Frame;
use crate::{
    desk::Desk,
    lists::{self, AgentRow, Paging},
    refusal::Refusal,
    reply::{self, Reply},
};

#[derive(Template)]
#[template(path = "agents.html")]
struct Page<'a> {
    frame: Frame<'a>,
    rows: Vec<AgentRow>,
    paging: Paging,
}

pub(crate) async fn page(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let rows = lists::agents(desk).await?;
    let page = Page {
        frame: Frame::new(desk, "/console/agents", "Agents"),
        paging: rows.paging(&desk.ask),
        rows: rows.items,
    };
    Ok(reply::page(StatusCode::OK, &page))
}
