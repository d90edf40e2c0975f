//! A list of tools that the gateway asks for itself.

use bytes::Bytes;
use cardea_domain::Denial;
use cardea_mcp::{Era, Id, Kind, Limits, Message, Version, meta, method::List};
use cardea_registry::Known;
use serde_json::{Value, json, value::RawValue};

use super::malformed;
use crate::answer::ANSWER_DEPTH_MAX;

/// Pages that are asked for; each has at most as many tools as a list may have.
const PAGES_MAX: usize = 50;

/// Which page comes next.
#[derive(Debug)]
pub(super) struct Listing {
    version: Version,
    pages: usize,
    cursor: Cursor,
}

#[derive(Debug)]
enum Cursor {
    First,
    At(String),
    End,
}

impl Listing {
    pub(super) fn new(version: Version) -> Self {
        Self {
            version,
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
        let text = json!({"jsonrpc": "2.0", "id": id, "method": "tools/list", "params": params});
        Some((format!("\"{id}\""), text.to_string().into()))
    }

    /// Learns the tools of a page that were not known; what is known changes only by lists that clients see.
    pub(super) fn learn(&mut self, answer: &Bytes, id: &str, known: &Known) -> Result<(), Denial> {
        let message =
            parse(answer).ok_or_else(|| malformed("the list of tools is not JSON-RPC"))?;
        let is_list = message.kind() == Kind::Result && message.id() == Some(Id(id));
        let tools = message.body(List::Tools.member()).filter(|_| is_list);
        let tools =
            tools.ok_or_else(|| malformed("no list of tools in the answer to `tools/list`"))?;
        let tools: Vec<&RawValue> = serde_json::from_str(tools).map_err(malformed)?;
        let definitions = known.definitions();
        for raw in tools {
            let tool: Value = serde_json::from_str(raw.get()).map_err(malformed)?;
            if let Some(name) = tool.get("name").and_then(Value::as_str)
                && definitions.tool(name).is_none()
            {
                // An invalid tool is left out of lists; it cannot be called.
                drop(definitions.learn(name, raw.get()));
            }
        }
        self.cursor = match message.body_str("nextCursor") {
            Some(cursor) => Cursor::At(cursor.into_owned()),
            None => Cursor::End,
        };
        Ok(())
    }
}

/// What a modern request says of itself.
fn about(version: Version) -> Value {
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

fn parse(text: &Bytes) -> Option<Message> {
    let limits = Limits {
        depth_max: ANSWER_DEPTH_MAX,
    };
    Message::parse(text.clone(), &limits).ok()
}
