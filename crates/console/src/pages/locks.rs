//! What is locked; for administrators, setting and lifting it, and the emergency stop.

use askama::Template;
use http::StatusCode;

use super::Frame;
use crate::{
    acts::MINUTES_MAX,
    desk::Desk,
    lists::{self, LockRow, Paging, lock_row},
    refusal::Refusal,
    reply::{self, Reply},
};

#[derive(Template)]
#[template(path = "locks.html")]
struct Page<'a> {
    frame: Frame<'a>,
    rows: Vec<LockRow>,
    paging: Paging,
    /// For administrators.
    token: Option<String>,
    reason_chars_max: usize,
    minutes_max: u64,
}

pub(crate) fn page(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let rows = lists::locks(desk);
    let page = Page {
        frame: Frame::new(desk, "/console/locks", "Locks"),
        paging: rows.paging(&desk.ask),
        rows: rows.items.iter().map(lock_row).collect(),
        token: desk.caller.is_administrator.then(|| desk.form_token()),
        reason_chars_max: cardea_access::REASON_CHARS_MAX,
        minutes_max: MINUTES_MAX,
    };
    Ok(reply::page(StatusCode::OK, &page))
}
