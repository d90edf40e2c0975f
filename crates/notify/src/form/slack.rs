//! For Slack's incoming webhooks.
//!
//! All text of strangers is in `plain_text` objects, of which Slack reads nothing, and its three control characters
//! are escaped besides, as they would be in `mrkdwn`: no mention, no link, no emphasis.
//!
//! # Source
//! Slack, "Formatting text for app surfaces" and "Block Kit: text object".

use serde_json::{Value, json};

use super::{OPEN, line, sayings};
use crate::Notice;

/// Slack's bound on the text of a section.
const SECTION_CHARS_MAX: usize = 3000;

/// The body of a message.
pub(crate) fn slack(notice: &Notice) -> Value {
    let facts: Vec<_> = notice
        .words
        .iter()
        .map(line)
        .map(|(label, text)| format!("{label}{text}"))
        .collect();
    let mut blocks = vec![
        json!({ "type": "header", "text": plain(notice.title) }),
        section(&facts.join("\n")),
    ];
    blocks.extend(sayings(notice).map(|(by, text)| section(&format!("{by}{text}"))));
    if let Some(page) = &notice.page {
        blocks.push(json!({
            "type": "actions",
            "elements": [{ "type": "button", "text": plain(OPEN), "url": page }],
        }));
    }
    // What notifications of the phone show; Slack reads it as markup, so it is ours alone.
    json!({ "text": notice.title, "blocks": blocks, "unfurl_links": false, "unfurl_media": false })
}

fn section(text: &str) -> Value {
    json!({ "type": "section", "text": plain(text) })
}

fn plain(text: &str) -> Value {
    json!({ "type": "plain_text", "text": escaped(text), "emoji": false })
}

/// Escaped, and cut between characters so that no escape is torn.
fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut left = SECTION_CHARS_MAX;
    for c in text.chars() {
        let piece = match c {
            '&' => "&amp;",
            '<' => "&lt;",
            '>' => "&gt;",
            _ => "",
        };
        let takes = piece.len().max(1);
        if takes > left {
            break;
        }
        left -= takes;
        match piece {
            "" => out.push(c),
            piece => out.push_str(piece),
        }
    }
    out
}
