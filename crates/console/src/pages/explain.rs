//! Why a call is permitted or not: a form, and the policies with what came of each.

use askama::Template;
use http::StatusCode;

use super::Frame;
use crate::{
    desk::Desk,
    explain::{self, Answer},
    refusal::Refusal,
    reply::{self, Reply},
    text::{Breaks, visible},
};

#[derive(Template)]
#[template(path = "explain.html")]
struct Page<'a> {
    frame: Frame<'a>,
    subject: &'a str,
    actor: &'a str,
    groups: &'a str,
    upstream: &'a str,
    tool: &'a str,
    arguments: &'a str,
    answer: Option<Answer>,
    rows: Vec<Row>,
    by: String,
    approval: String,
    decided: String,
    error: Option<String>,
}

struct Row {
    id: String,
    effect: &'static str,
    outcome: &'static str,
    detail: String,
}

/// What is shown of a condition.
const DETAIL_CHARS_MAX: usize = 2000;

pub(crate) fn page(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let answer = explain::answer(desk)?;
    let shown = |text: &str| visible(text, DETAIL_CHARS_MAX, Breaks::Shown);
    let policies = answer.iter().flat_map(|answer| &answer.explained.policies);
    let rows = policies.map(|policy| Row {
        id: shown(&policy.id),
        effect: policy.effect,
        outcome: policy.outcome,
        detail: policy.detail.as_deref().map(shown).unwrap_or_default(),
    });
    let param = |name: &str| desk.ask.param(name).unwrap_or_default();
    let page = Page {
        frame: Frame::new(desk, "/console/explain", "Why is it so?"),
        subject: param("subject"),
        actor: param("actor"),
        groups: param("groups"),
        upstream: param("upstream"),
        tool: param("tool"),
        arguments: param("arguments"),
        rows: rows.collect(),
        by: answer
            .as_ref()
            .map(|answer| shown(&answer.explained.by.join(", ")))
            .unwrap_or_default(),
        approval: answer
            .as_ref()
            .map(|answer| shown(&answer.explained.approval.join(", ")))
            .unwrap_or_default(),
        decided: answer
            .as_ref()
            .and_then(|answer| answer.decided.as_deref().map(shown))
            .unwrap_or_default(),
        error: answer
            .as_ref()
            .and_then(|answer| answer.explained.error.as_deref().map(shown)),
        answer,
    };
    Ok(reply::page(StatusCode::OK, &page))
}
