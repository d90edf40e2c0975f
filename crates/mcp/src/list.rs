//! Lists: which items a caller may see, with every other byte left as it is.

mod mark;

use serde::Deserialize;
use serde_json::value::RawValue;

pub use mark::mark;

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

/// Items on one page; each is a decision.
pub const ITEMS_MAX: usize = 20_000;

/// Why a list cannot be passed on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ListError {
    /// The result has no such list, or an item has no name: nobody could decide on it.
    Unusable,
    /// There are more than [`ITEMS_MAX`] items.
    TooMany,
}

/// What becomes of one item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Keep {
    /// It is left out.
    Hidden,
    /// It is passed on as it is.
    AsItIs,
    /// This raw definition of it is passed on.
    As(String),
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

impl From<bool> for Keep {
    fn from(is_kept: bool) -> Self {
        if is_kept { Self::AsItIs } else { Self::Hidden }
    }
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

/// A list that is decided on item by item, so that whoever decides can do something else between
/// two of them.
#[derive(Debug)]
pub struct Sieve<'m> {
    message: &'m Message,
    list: List,
    items: std::vec::IntoIter<&'m RawValue>,
    /// The new array as far as it was decided on.
    array: Vec<u8>,
    kept: usize,
    hidden: usize,
}

impl<'m> Sieve<'m> {
    /// The items of `list` in the message's result.
    ///
    /// # Errors
    /// [`ListError`] when there is no such list, or it is too long.
    pub fn new(message: &'m Message, list: List) -> Result<Self, ListError> {
        let raw = message.body(list.member()).ok_or(ListError::Unusable)?;
        let items: Vec<&RawValue> = serde_json::from_str(raw).map_err(|_| ListError::Unusable)?;
        if items.len() > ITEMS_MAX {
            return Err(ListError::TooMany);
        }
        let mut array = Vec::with_capacity(raw.len());
        array.push(b'[');
        Ok(Self {
            message,
            list,
            items: items.into_iter(),
            array,
            kept: 0,
            hidden: 0,
        })
    }

    /// Lets `keep` decide on up to `count` items more; tells whether there are others.
    ///
    /// # Errors
    /// [`ListError::Unusable`] at an item on which nobody could decide.
    pub fn step(
        &mut self,
        count: usize,
        mut keep: impl FnMut(Item<'_>) -> Keep,
    ) -> Result<bool, ListError> {
        for _ in 0..count {
            let Some(item) = self.items.next() else {
                break;
            };
            let name = name_of(item, self.list.key()).ok_or(ListError::Unusable)?;
            let item = Item {
                name: &name,
                raw: item.get(),
            };
            match keep(item) {
                Keep::Hidden => self.hidden += 1,
                Keep::AsItIs => self.add(item.raw),
                Keep::As(raw) => self.add(&raw),
            }
        }
        Ok(self.items.len() > 0)
    }

    /// Adds an item of the gateway's own, as raw JSON.
    pub fn add(&mut self, raw: &str) {
        if self.kept > 0 {
            self.array.push(b',');
        }
        self.array.extend_from_slice(raw.as_bytes());
        self.kept += 1;
    }

    /// The message with the items that were kept, marked as private to its caller. What was not
    /// decided on is not in it.
    #[must_use]
    pub fn finish(mut self) -> Filtered {
        self.array.push(b']');
        let span = self.message.span(Level::Body, self.list.member());
        let scope = self.message.span(Level::Body, "cacheScope");
        let mut edits: Vec<_> = [(span, &self.array[..]), (scope, PRIVATE)]
            .into_iter()
            .filter_map(|(span, new)| Some((span?, new)))
            .collect();
        edits.sort_by_key(|(span, _)| span.start);
        Filtered {
            text: json::splice(self.message.text(), &edits),
            kept: self.kept,
            hidden: self.hidden + self.items.len(),
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
    let mut sieve = Sieve::new(message, list)?;
    sieve.step(ITEMS_MAX, |item| Keep::from(keep(item)))?;
    Ok(sieve.finish())
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
    fn a_list_comes_out_the_same_in_steps_of_any_size() {
        let items: Vec<String> = (0..50)
            .map(|n| format!(r#"{{"name":"t{n}", "x": [{n}.0]}}"#))
            .collect();
        let text = format!(
            r#"{{"jsonrpc":"2.0","id":1,"result":{{"cacheScope":"public","tools":[ {} ],"z":1}}}}"#,
            items.join(" , ")
        );
        let message = Message::parse(Bytes::from(text), &Limits::default()).unwrap();
        let keep = |item: Item<'_>| !item.name.ends_with('7');
        let whole = filter(&message, List::Tools, keep).unwrap();
        assert_eq!((whole.kept, whole.hidden), (45, 5));
        for count in [1, 7, 49, 50, 51] {
            let mut sieve = Sieve::new(&message, List::Tools).unwrap();
            while sieve.step(count, |item| Keep::from(keep(item))).unwrap() {}
            assert_eq!(sieve.finish(), whole, "{count} at a time");
        }
    }

    #[test]
    fn what_was_not_decided_on_is_hidden() {
        let text = r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a"},{"name":"b"}]}}"#;
        let message =
            Message::parse(Bytes::from_static(text.as_bytes()), &Limits::default()).unwrap();
        let mut sieve = Sieve::new(&message, List::Tools).unwrap();
        assert_eq!(sieve.step(1, |_| Keep::AsItIs), Ok(true));
        let out = sieve.finish();
        assert_eq!((out.kept, out.hidden), (1, 1));
        assert!(!String::from_utf8(out.text).unwrap().contains("\"b\""));
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
