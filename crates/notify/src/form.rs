//! A notice in the form of its receiver: pure.

mod slack;
mod teams;
#[cfg(test)]
mod tests;
mod webhook;

pub(crate) use self::{slack::slack, teams::teams, webhook::webhook};

use serde_json::Value;

use crate::{
    Notice, Words,
    text::{quoted, word},
};

/// The text of the button: it opens a page, and decides nothing.
const OPEN: &str = "Open in Cardea";

/// Of a list, so many are shown; the page has all.
const LIST_MAX: usize = 10;

/// A fact as a line for people.
fn line(words: &Words) -> (String, String) {
    let text = match &words.value {
        Value::String(text) => word(text),
        Value::Array(all) => {
            let texts = all.iter().take(LIST_MAX);
            let texts: Vec<_> = texts
                .map(|v| word(v.as_str().unwrap_or_default()))
                .collect();
            texts.join(", ")
        }
        other => other.to_string(),
    };
    (format!("{}: ", words.label), text)
}

/// Everything that is quoted: whose words they are, and the words.
fn sayings(notice: &Notice) -> impl Iterator<Item = (String, String)> {
    let said = notice.said.iter();
    said.map(|said| (format!("{}: ", said.by), quoted(&said.text)))
}
