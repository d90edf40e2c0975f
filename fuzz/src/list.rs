//! Lists: hidden items are gone, the others and everything around them stay as they were.

use bytes::Bytes;
use cardea_mcp::{
    Limits, Message,
    json::Level,
    list::{self, Filtered, Item},
    method::List,
};

use super::{Dice, naive};

const LISTS: [(List, &str); 4] = [
    (List::Tools, "name"),
    (List::Resources, "uri"),
    (List::Templates, "uriTemplate"),
    (List::Prompts, "name"),
];

/// Reads `data` as an answer that holds a list.
pub fn list(data: &[u8]) {
    let Some(message) = parse(data) else {
        return;
    };
    made_private(&message);
    for (list, key) in LISTS {
        match named(&message, list, key) {
            Some(items) => {
                let mut dice = Dice::of(data);
                filtered(&message, list, &items, |_| true);
                filtered(&message, list, &items, |_| false);
                filtered(&message, list, &items, |_| dice.heads());
            }
            None => assert!(list::filter(&message, list, |_| true).is_err()),
        }
    }
}

fn parse(data: &[u8]) -> Option<Message> {
    Message::parse(Bytes::copy_from_slice(data), &Limits::default()).ok()
}

fn raw(message: &Message, span: std::ops::Range<usize>) -> &str {
    std::str::from_utf8(&message.text()[span]).unwrap()
}

/// Name and raw text of each item; `None` when there is no such list or an item is no object with
/// a name.
fn named<'a>(message: &'a Message, list: List, key: &str) -> Option<Vec<(String, &'a str)>> {
    let items = naive::items(message.body(list.member())?)?;
    let named = items.into_iter().map(|item| {
        for known in ["name", "uri", "uriTemplate"] {
            let value = naive::member(item, known).filter(|v| *v != "null");
            if value.is_some_and(|v| naive::string(v).is_none()) {
                return None;
            }
        }
        Some((naive::string(naive::member(item, key)?)?, item))
    });
    named.collect()
}

/// Filters by choices that are made item by item, and checks what is left against them.
fn filtered(
    message: &Message,
    list: List,
    items: &[(String, &str)],
    mut choose: impl FnMut(usize) -> bool,
) {
    let chosen: Vec<bool> = (0..items.len()).map(&mut choose).collect();
    let mut asked = 0;
    let out = list::filter(message, list, |item: Item<'_>| {
        let (name, raw) = &items[asked];
        assert_eq!((item.name, item.raw), (name.as_str(), *raw));
        asked += 1;
        chosen[asked - 1]
    });
    let Filtered { text, kept, hidden } = out.unwrap();
    let keeps = items.iter().zip(&chosen).filter(|(_, keep)| **keep);
    let left: Vec<&str> = keeps.map(|((_, raw), _)| *raw).collect();
    assert_eq!(
        (asked, kept, hidden),
        (items.len(), left.len(), items.len() - left.len())
    );

    let expected = format!("[{}]", left.join(","));
    let out = parse(&text).unwrap();
    assert_eq!(out.body(list.member()), Some(expected.as_str()));
    others_stay(message, &out, &[list.member(), "cacheScope"]);
    if hidden == 0 {
        let list = message.span(Level::Body, list.member()).unwrap();
        assert_eq!(
            naive::compact(&expected),
            naive::compact(raw(message, list))
        );
    }
    let again = list::filter(&out, list, |_| true).unwrap();
    assert_eq!(again.text, text, "filtering what is left changes nothing");
}

fn made_private(message: &Message) {
    let out = list::make_private(message);
    assert_eq!(out.is_some(), message.body("cacheScope").is_some());
    if let Some(text) = out {
        others_stay(message, &parse(&text).unwrap(), &["cacheScope"]);
    }
}

/// All bytes outside the values of `changed` stay, and what is cached is so for its caller alone.
fn others_stay(before: &Message, after: &Message, changed: &[&str]) {
    assert_eq!(outside(before, changed), outside(after, changed));
    let scope = before.body("cacheScope").map(|_| "\"private\"");
    assert_eq!(after.body("cacheScope"), scope);
}

/// The bytes around the values of some members of the body, piece by piece.
fn outside(message: &Message, members: &[&str]) -> Vec<Vec<u8>> {
    let spans = members
        .iter()
        .filter_map(|key| message.span(Level::Body, key));
    let mut spans: Vec<_> = spans.collect();
    spans.sort_by_key(|span| span.start);
    let mut at = 0;
    let mut pieces = Vec::new();
    for span in spans {
        pieces.push(message.text()[at..span.start].to_vec());
        at = span.end;
    }
    pieces.push(message.text()[at..].to_vec());
    pieces
}
