//! What all pages have around them.

use super::{ICON_PATH, SCRIPT_PATH, STYLE_PATH, done};
use crate::{desk::Desk, routes::Who};

/// Names, addresses and the person; the text that changes is a page's own.
#[derive(Debug)]
pub(crate) struct Frame<'a> {
    pub(crate) title: String,
    /// The entry that this page belongs to.
    pub(crate) at: &'static str,
    pub(crate) entries: Vec<&'static Entry>,
    pub(crate) subject: &'a str,
    pub(crate) tenant: &'a str,
    pub(crate) done: Option<&'static str>,
    pub(crate) style: &'static str,
    pub(crate) script: &'static str,
    pub(crate) icon: &'static str,
}

/// A way to a page.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) path: &'static str,
    pub(crate) name: &'static str,
    who: Who,
}

const fn entry(path: &'static str, name: &'static str, who: Who) -> Entry {
    Entry { path, name, who }
}

static ENTRIES: [Entry; 8] = [
    entry("/console", "Overview", Who::Person),
    entry("/console/requests", "Requests", Who::Person),
    entry("/console/grants", "Grants", Who::Person),
    entry("/console/reach", "Reach", Who::Person),
    entry("/console/explain", "Explain", Who::Overseer),
    entry("/console/agents", "Agents", Who::Person),
    entry("/console/locks", "Locks", Who::Overseer),
    entry("/console/servers", "Servers", Who::Overseer),
];

impl<'a> Frame<'a> {
    pub(crate) fn new(desk: &'a Desk<'_>, at: &'static str, title: impl Into<String>) -> Self {
        let caller = &desk.caller;
        Self {
            title: title.into(),
            at,
            entries: ENTRIES
                .iter()
                .filter(|entry| caller.check(entry.who).is_ok())
                .collect(),
            subject: caller.person.subject.as_str(),
            tenant: desk.tenant().as_str(),
            done: done(&desk.ask),
            style: STYLE_PATH,
            script: SCRIPT_PATH,
            icon: ICON_PATH,
        }
    }
}
