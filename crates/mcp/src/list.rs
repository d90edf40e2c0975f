//! Lists: which items a caller may see, with every other byte left as it is.

use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Message,
    json::{self, Level},
    method::List,
};

/// One item of a list.
#[derive(Debug, Clone, Copy)]
pub struct Item<'a> {
    /// The name, URI or URI template.
    pub name: &'a str,
    /// The whole definition as raw JSON.
    pub raw: &'a str,
}

/// Items on one page; each is a decision, and all of them hold up a worker.
pub const ITEMS_MAX: usize = 20_000;

/// Why a list cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListError {
    /// The result has no such list, or an item has no name: nobody could decide on it.
    Unusable,
    /// There are more than [`ITEMS_MAX`] items.
    TooMany,
}

/// What became of a list.
#[derive(Debug, PartialEq, Eq)]
pub struct Filtered {
    /// The new text of the whole message.
    pub text: Vec<u8>,
    /// Items kept.
    pub kept: usize,
    /// Items left out.
    pub hidden: usize,
}

impl List {
    /// The member of `result` that holds the items.
    #[must_use]
    pub fn member(self) -> &'static str {
        match self {
            Self::Tools => "tools",
            Self::Resources => "resources",
            Self::Templates => "resourceTemplates",
            Self::Prompts => "prompts",
        }
    }

    fn key(self) -> &'static str {
        match self {
            Self::Tools | Self::Prompts => "name",
            Self::Resources => "uri",
            Self::Templates => "uriTemplate",
        }
    }
}

/// Keeps the items that `keep` accepts and marks the result as private to its caller.
///
/// # Errors
/// [`ListError`] when the list cannot be decided on; nothing of it is passed on then.
pub fn filter(
    message: &Message,
    list: List,
    mut keep: impl FnMut(Item<'_>) -> bool,
) -> Result<Filtered, ListError> {
    let unusable = ListError::Unusable;
    let span = message.span(Level::Body, list.member()).ok_or(unusable)?;
    let raw = message.body(list.member()).ok_or(unusable)?;
    let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(|_| unusable)?;
    if items.len() > ITEMS_MAX {
        return Err(ListError::TooMany);
    }
    let mut array = Vec::with_capacity(span.len());
    let (mut kept, mut hidden) = (0, 0);
    array.push(b'[');
    for item in items {
        let name = name_of(item, list.key()).ok_or(unusable)?;
        if !keep(Item {
            name: &name,
            raw: item.get(),
        }) {
            hidden += 1;
            continue;
        }
        if kept > 0 {
            array.push(b',');
        }
        array.extend_from_slice(item.get().as_bytes());
        kept += 1;
    }
    array.push(b']');
    let mut edits = vec![(span, &array[..])];
    if let Some(scope) = message.span(Level::Body, "cacheScope") {
        edits.push((scope, PRIVATE));
        edits.sort_by_key(|(span, _)| span.start);
    }
    Ok(Filtered {
        text: json::splice(message.text(), &edits),
        kept,
        hidden,
    })
}

const PRIVATE: &[u8] = b"\"private\"";

/// The message with its result's `cacheScope` set to `private`, where it has one.
///
/// An answer that went through a policy is right for its caller alone.
#[must_use]
pub fn make_private(message: &Message) -> Option<Vec<u8>> {
    let scope = message.span(Level::Body, "cacheScope")?;
    Some(json::splice(message.text(), &[(scope, PRIVATE)]))
}

fn name_of(item: &RawValue, key: &str) -> Option<String> {
    #[derive(Deserialize)]
    struct Names {
        name: Option<String>,
        uri: Option<String>,
        #[serde(rename = "uriTemplate")]
        template: Option<String>,
    }
    // An array would be read as the members in their order.
    let object = Some(item.get()).filter(|raw| raw.starts_with('{'))?;
    let names: Names = serde_json::from_str(object).ok()?;
    match key {
        "name" => names.name,
        "uri" => names.uri,
        _ => names.template,
    }
}

#[cfg(test)]
mod tests {
    use bytes::Bytes;

    use super::*;
    use crate::Limits;

    #[test]
    fn hidden_items_are_gone_and_all_other_bytes_stay() {
        let text = r#"{"jsonrpc":"2.0","id":1,"result":{ "x-new":[1, 2], "tools":[{"name":"a", "q":1.0},{"name":"b"},{"name":"c"}],"cacheScope":"public","ttlMs":5}}"#;
        let message =
            Message::parse(Bytes::from_static(text.as_bytes()), &Limits::default()).unwrap();
        let out = filter(&message, List::Tools, |item| item.name != "b").unwrap();
        assert_eq!(
            String::from_utf8(out.text).unwrap(),
            r#"{"jsonrpc":"2.0","id":1,"result":{ "x-new":[1, 2], "tools":[{"name":"a", "q":1.0},{"name":"c"}],"cacheScope":"private","ttlMs":5}}"#
        );
        assert_eq!((out.kept, out.hidden), (2, 1));
    }

    #[test]
    fn a_list_with_a_nameless_item_is_not_passed_on() {
        let text = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"description":"x"}]}}"#;
        let message =
            Message::parse(Bytes::from_static(text.as_bytes()), &Limits::default()).unwrap();
        assert_eq!(
            filter(&message, List::Tools, |_| true),
            Err(ListError::Unusable)
        );
    }
}
