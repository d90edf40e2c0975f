//! What strangers write stays text in every form.

use cardea_domain::TenantId;
use proptest::prelude::*;
use serde_json::Value;

use super::*;
use crate::{Kind, Said};

const PAGE: &str = "https://mcp.example.com/console/requests/q-1";

fn notice(hostile: &str) -> Notice {
    Notice {
        id: "q-1.requested".into(),
        kind: Kind::Requested,
        tenant: TenantId::parse("acme").unwrap(),
        at_ms: 1_795_000_000_000,
        until_ms: u64::MAX,
        title: "Access is asked for",
        words: Vec::new(),
        said: vec![Said {
            by: "The agent says, in a model's words",
            name: "reason",
            text: hostile.to_owned(),
        }],
        page: Some(PAGE.to_owned()),
    }
    .with("Tool", "target", Some(hostile))
    .with("Decides", "approvers", Some(vec![hostile.to_owned()]))
    .with("Calls", "calls", Some(3))
}

/// What models have tried, or will.
const HOSTILE: &[&str] = &[
    "<!channel> urgent",
    "<!here|here>",
    "<@U0123456>",
    "<#C0123456|general>",
    "<!subteam^S0123456>",
    "<https://evil.example|Approve>",
    "https://evil.example/approve?yes",
    "HTTPS://EVIL.EXAMPLE",
    "www.evil.example",
    "mail ops@evil.example",
    "*bold* _it_ ~no~ `code` ```block```",
    "> quoted\n>>> all",
    "&lt;!channel&gt;",
    "[Approve](https://evil.example)",
    "![x](https://evil.example/x.png)",
    "<at>Ops</at>",
    "# Heading\n- item",
    "{{DATE(2026-01-01)}} ${title}",
    "end” Approved by “ada",
    "\u{202e}gnp.exe \u{200b} \u{7}",
    "\"}],\"actions\":[{\"url\":\"https://evil.example\"",
    ":rotating_light: :tada:",
];

/// Every object of a value.
fn objects(value: &Value) -> Vec<&serde_json::Map<String, Value>> {
    match value {
        Value::Object(map) => {
            let inner = map.values().flat_map(objects);
            std::iter::once(map).chain(inner).collect()
        }
        Value::Array(all) => all.iter().flat_map(objects).collect(),
        _ => Vec::new(),
    }
}

fn texts(value: &Value) -> Vec<String> {
    let texts = objects(value).into_iter();
    texts
        .filter_map(|map| map.get("text")?.as_str().map(str::to_owned))
        .collect()
}

fn check_slack(hostile: &str) {
    let message = slack(&notice(hostile));
    for object in objects(&message) {
        assert_ne!(object.get("type"), Some(&"mrkdwn".into()), "{hostile}");
        if object.get("type") == Some(&"plain_text".into()) {
            assert_eq!(object["emoji"], false, "{hostile}");
        }
        if let Some(url) = object.get("url") {
            assert_eq!(url, PAGE, "{hostile}");
        }
    }
    // Slack reads this one as markup.
    assert_eq!(message["text"], "Access is asked for");
    for text in texts(&message) {
        let bare = text
            .replace("&lt;", "")
            .replace("&gt;", "")
            .replace("&amp;", "");
        assert!(!bare.contains(['<', '>', '&']), "{hostile}: {text}");
        assert!(text.chars().count() <= 3000);
    }
}

fn check_teams(hostile: &str) {
    let message = teams(&notice(hostile));
    for object in objects(&message) {
        match object.get("type").and_then(Value::as_str) {
            // They read Markdown, so nothing but ours is in them.
            Some("TextBlock") => assert_eq!(object["text"], "Access is asked for", "{hostile}"),
            Some("FactSet" | "Image" | "Media") => panic!("{hostile}"),
            Some("Action.OpenUrl") => assert_eq!(object["url"], PAGE, "{hostile}"),
            _ => {}
        }
        for key in ["entities", "msteams", "selectAction"] {
            assert!(!object.contains_key(key), "{hostile}");
        }
    }
}

fn check_unlinked(hostile: &str) {
    for message in [slack(&notice(hostile)), teams(&notice(hostile))] {
        for text in texts(&message) {
            let hidden =
                |c: char| c.is_control() && c != '\n' || c == '\u{202e}' || c == '\u{200b}';
            assert!(!text.contains(hidden), "{hostile}: {text}");
            assert!(
                !text.contains("://") && !text.contains("www.e"),
                "{hostile}: {text}"
            );
            let said = text.split_once("words: ").map(|(_, said)| said);
            if let Some(said) = said.filter(|said| said.starts_with('“')) {
                assert_eq!(said.matches('“').count(), 1, "{said}");
                assert_eq!(said.find('”'), Some(said.len() - '”'.len_utf8()), "{said}");
            }
        }
    }
}

#[test]
fn nothing_that_models_write_is_read_as_markup_or_made_a_link() {
    for hostile in HOSTILE {
        check_slack(hostile);
        check_teams(hostile);
        check_unlinked(hostile);
    }
}

proptest! {
    #[test]
    fn nor_is_anything_else(hostile in any::<String>()) {
        check_slack(&hostile);
        check_teams(&hostile);
        check_unlinked(&hostile);
    }
}

#[test]
fn what_is_long_is_cut() {
    let long = notice(&"&".repeat(100_000));
    for message in [webhook(&long), slack(&long), teams(&long)] {
        assert!(message.to_string().len() < 20_000);
    }
}

#[test]
fn a_webhook_is_typed_and_its_texts_are_as_they_were_written() {
    let body = webhook(&notice("<!channel>\u{202e}"));
    assert_eq!(body["type"], "access.requested");
    assert_eq!(body["timestamp"], "2026-11-18T11:06:40Z");
    let data = &body["data"];
    assert_eq!(data["tenant"], "acme");
    assert_eq!(data["target"], "<!channel>\u{202e}");
    assert_eq!(data["reason"], "<!channel>\u{202e}");
    assert_eq!(data["calls"], 3);
    assert_eq!(data["approvers"][0], "<!channel>\u{202e}");
    assert_eq!(data["url"], PAGE);
}
