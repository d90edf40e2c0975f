//! A list that the gateway asks for itself, on behalf of a call.

use bytes::Bytes;
use cardea_domain::Denial;
use cardea_mcp::{
    Era, Id, Kind, Limits, Message, Version,
    list::{self, Keep, Sieve},
    meta,
    method::List,
};
use cardea_registry::Known;
use serde_json::{Value, json};

use super::malformed;
use crate::{
    Tenant,
    answer::ANSWER_DEPTH_MAX,
    pins::{Shown, kind_of},
};

/// Pages that are asked for; each has at most as many tools as a list may have.
const PAGES_MAX: usize = 50;

/// Which page comes next.
#[derive(Debug)]
pub(super) struct Listing<'a> {
    version: Version,
    list: List,
    /// What it has shown so far.
    shown: Shown<'a>,
    pages: usize,
    cursor: Cursor,
}

#[derive(Debug)]
enum Cursor {
    First,
    At(String),
    End,
}

impl<'a> Listing<'a> {
    pub(super) fn new(version: Version, list: List, known: &'a Known) -> Self {
        if let Some(kind) = kind_of(list) {
            // What the server says from here on is another doubt.
            known.definitions().trust(kind);
        }
        Self {
            version,
            list,
            shown: Shown::by(known),
            pages: 0,
            cursor: Cursor::First,
        }
    }

    /// The request for the next page, with its raw id.
    pub(super) fn next_page(&mut self) -> Option<(String, Bytes)> {
        let mut params = match &self.cursor {
            Cursor::First => json!({}),
            Cursor::At(cursor) => json!({ "cursor": cursor }),
            Cursor::End => return None,
        };
        if self.pages == PAGES_MAX {
            return None;
        }
        if self.version.era() == Era::Modern
            && let Some(params) = params.as_object_mut()
        {
            params.insert("_meta".into(), about(self.version));
        }
        // Over a legacy session ids of the client are under way: this is none of theirs.
        let id = format!("cardea-list-{}-{}", uuid::Uuid::new_v4(), self.pages);
        self.pages += 1;
        let text =
            json!({"jsonrpc": "2.0", "id": id, "method": method(self.list), "params": params});
        Some((format!("\"{id}\""), text.to_string().into()))
    }

    /// Learns the definitions of a page.
    pub(super) fn learn(&mut self, answer: &Bytes, id: &str) -> Result<(), Denial> {
        let message = parse(answer).ok_or_else(|| malformed("the list is not JSON-RPC"))?;
        let is_list = message.kind() == Kind::Result && message.id() == Some(Id(id));
        let no_list = || malformed(format!("no list in the answer to `{}`", method(self.list)));
        if !is_list {
            return Err(no_list());
        }
        let mut sieve = Sieve::new(&message, self.list).map_err(|_| no_list())?;
        let kind = kind_of(self.list);
        let shown = &mut self.shown;
        let each = sieve.step(list::ITEMS_MAX, |item| {
            if let Some(kind) = kind {
                // An invalid tool is left out of lists; it cannot be called.
                shown.take(kind, item.name, item.raw);
            }
            Keep::Hidden
        });
        each.map_err(|_| no_list())?;
        self.cursor = match message.body_str("nextCursor") {
            Some(cursor) => Cursor::At(cursor.into_owned()),
            None => Cursor::End,
        };
        Ok(())
    }
}

impl Listing<'_> {
    /// Has what it showed taken note of: grants for what changed, quarantine for what nobody has approved.
    pub(super) async fn tell(self, tenant: Option<&Tenant>) {
        self.shown.tell(tenant).await;
    }
}

/// The method that asks for a list.
pub(super) fn method(list: List) -> &'static str {
    match list {
        List::Tools => "tools/list",
        List::Prompts => "prompts/list",
        List::Resources => "resources/list",
        List::Templates => "resources/templates/list",
    }
}

/// What a modern request says of itself.
pub(super) fn about(version: Version) -> Value {
    json!({
        meta::PROTOCOL_VERSION: version.as_str(),
        meta::CLIENT_CAPABILITIES: {},
        meta::CLIENT_INFO: {"name": "cardea", "version": env!("CARGO_PKG_VERSION")},
    })
}

/// Whether a message answers the request of this raw id.
pub(super) fn is_answer(text: &Bytes, id: &str) -> bool {
    parse(text).is_some_and(|message| {
        matches!(message.kind(), Kind::Result | Kind::Error) && message.id() == Some(Id(id))
    })
}

pub(super) fn parse(text: &Bytes) -> Option<Message> {
    let limits = Limits {
        depth_max: ANSWER_DEPTH_MAX,
    };
    Message::parse(text.clone(), &limits).ok()
}
