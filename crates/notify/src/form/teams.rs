//! For webhooks of Microsoft Teams' workflows, as an Adaptive Card.
//!
//! `TextBlock` and `FactSet` read Markdown; `TextRun` does not, so all text of strangers is in runs. A mention needs an
//! entity of the card, and there is none.
//!
//! # Source
//! Adaptive Cards 1.4, `RichTextBlock` and `TextRun` ("Markdown is not supported").

use serde_json::{Value, json};

use super::{OPEN, line, sayings};
use crate::Notice;

/// The body of a message.
pub(crate) fn teams(notice: &Notice) -> Value {
    let mut body = vec![json!({
        "type": "TextBlock",
        "text": notice.title,
        "weight": "Bolder",
        "size": "Medium",
        "wrap": true,
    })];
    body.extend(notice.words.iter().map(line).map(run));
    body.extend(sayings(notice).map(run));
    let actions: Vec<_> = notice
        .page
        .iter()
        .map(|page| json!({ "type": "Action.OpenUrl", "title": OPEN, "url": page }))
        .collect();
    json!({
        "type": "message",
        "attachments": [{
            "contentType": "application/vnd.microsoft.card.adaptive",
            "contentUrl": null,
            "content": {
                "$schema": "http://adaptivecards.io/schemas/adaptive-card.json",
                "type": "AdaptiveCard",
                "version": "1.4",
                "body": body,
                "actions": actions,
            },
        }],
    })
}

fn run((label, text): (String, String)) -> Value {
    json!({
        "type": "RichTextBlock",
        "inlines": [
            { "type": "TextRun", "text": label, "isSubtle": true },
            { "type": "TextRun", "text": text },
        ],
    })
}
