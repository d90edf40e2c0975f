//! A line as it is read again: for showing and choosing, not for deciding.

use std::borrow::Cow;

use serde::Deserialize;

/// What showing and choosing need of a record.
#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct View<'a> {
    #[serde(borrow)]
    pub(crate) time: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) call: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) tenant: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) subject: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) actor: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) run: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) upstream: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) method: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) target: TargetView<'a>,
    #[serde(borrow)]
    pub(crate) decision: Option<DecisionView<'a>>,
    #[serde(borrow)]
    pub(crate) access: Option<AccessView<'a>>,
    #[serde(borrow)]
    pub(crate) denial: Option<DenialView<'a>>,
    #[serde(borrow)]
    pub(crate) response: Option<ResponseView<'a>>,
    #[serde(borrow)]
    pub(crate) event: Option<EventView<'a>>,
    pub(crate) total_us: Option<u64>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct AccessView<'a> {
    #[serde(borrow)]
    pub(crate) entitlement: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) grant: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct TargetView<'a> {
    #[serde(borrow)]
    pub(crate) kind: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DecisionView<'a> {
    #[serde(borrow)]
    pub(crate) effect: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) policies: Vec<Cow<'a, str>>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct DenialView<'a> {
    #[serde(borrow)]
    pub(crate) code: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) detail: Cow<'a, str>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct ResponseView<'a> {
    #[serde(borrow)]
    pub(crate) outcome: Cow<'a, str>,
    pub(crate) status: u16,
    pub(crate) is_error: bool,
}

#[derive(Debug, Default, Deserialize)]
#[serde(default)]
pub(crate) struct EventView<'a> {
    #[serde(borrow)]
    pub(crate) name: Cow<'a, str>,
    #[serde(borrow)]
    pub(crate) detail: Cow<'a, str>,
}

impl<'a> View<'a> {
    /// The record in a line; `None` when it is not one.
    pub(crate) fn parse(line: &'a str) -> Option<Self> {
        // An array would be taken for the members in their order.
        line.starts_with('{')
            .then(|| serde_json::from_str(line).ok())
            .flatten()
    }
}
