//! Made-up documents for properties.

use proptest::prelude::*;
use serde_json::{Map, Value, json};

/// Keys that meet each other often, and that tests point to.
fn key() -> impl Strategy<Value = String> {
    prop_oneof![
        4 => prop::sample::select(vec!["org", "issues", "id", "title", "tenant", "a/b", "~"]).prop_map(String::from),
        1 => prop::sample::select(vec!["Org", "ORG", "org "]).prop_map(String::from),
        1 => "\\PC{0,4}",
    ]
}

fn scalar() -> impl Strategy<Value = Value> {
    prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i32>().prop_map(Value::from),
        "\\PC{0,8}".prop_map(Value::from),
        prop::sample::select(vec!["org-17", "globex", "org-17 ", "ORG-17"]).prop_map(Value::from),
    ]
}

/// Any value.
pub(crate) fn value() -> impl Strategy<Value = Value> {
    scalar().prop_recursive(4, 40, 5, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..5).prop_map(Value::from),
            prop::collection::vec((key(), inner), 0..5)
                .prop_map(|members| Value::Object(members.into_iter().collect())),
        ]
    })
}

/// Any object.
pub(crate) fn object() -> impl Strategy<Value = Value> {
    prop::collection::vec((key(), value()), 0..6)
        .prop_map(|members| Value::Object(members.into_iter().collect::<Map<_, _>>()))
}

/// Whose a row is: the caller's, another's, or nobody's.
pub(crate) fn owner() -> impl Strategy<Value = Option<&'static str>> {
    prop_oneof![
        3 => Just(Some("org-17")),
        3 => prop::sample::select(vec!["globex", "ORG-17", "org-17x", "org\u{2011}17", "17", "org"]).prop_map(Some),
        1 => Just(None),
    ]
}

/// A title that no row of another has, in characters that every form can carry.
fn title() -> impl Strategy<Value = String> {
    prop_oneof![
        "[a-z ]{0,12}",
        prop::sample::select(vec![
            "a, b; c",
            "say \"hi\"",
            "tab\there",
            "pipe | here",
            "line\nbreak",
            "日本",
            "globex says"
        ])
        .prop_map(String::from),
    ]
}

/// A row: its owner, and a title with a mark by which it is found again.
#[derive(Debug, Clone)]
pub(crate) struct Row {
    pub(crate) owner: Option<&'static str>,
    pub(crate) title: String,
}

impl Row {
    pub(crate) fn is_own(&self) -> bool {
        self.owner == Some("org-17")
    }

    pub(crate) fn json(&self) -> Value {
        match self.owner {
            Some(owner) => json!({"org": owner, "title": self.title}),
            None => json!({"title": self.title}),
        }
    }
}

/// Rows, each with its number in the title as a mark: `#3#`.
pub(crate) fn rows() -> impl Strategy<Value = Vec<Row>> {
    prop::collection::vec((owner(), title()), 0..8).prop_map(|rows| {
        let row = |(n, (owner, title)): (usize, (_, String))| Row {
            owner,
            title: format!("{title}#{n}#"),
        };
        rows.into_iter().enumerate().map(row).collect()
    })
}
