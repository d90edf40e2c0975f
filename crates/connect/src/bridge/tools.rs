//! Arguments that a tool's definition mirrors into headers, as the last lists told.

use std::collections::HashMap;

use bytes::Bytes;
use cardea_mcp::{
    Message, list,
    method::List,
    param_header::{self, Mirrored},
};
use http::HeaderName;
use serde_json::Value;

/// What the server's lists said, by tool; tools that mirror nothing are left out.
#[derive(Debug, Default)]
pub(super) struct Tools(HashMap<String, Vec<Mirrored>>);

impl Tools {
    /// Takes in a page of a list; the new text where invalid tools had to be left out.
    ///
    /// # Source
    /// MCP 2026-07-28, server/tools: clients exclude tools with an invalid `x-mcp-header`.
    pub(super) fn learn(&mut self, page: &Message) -> Option<Bytes> {
        let filtered = list::filter(page, List::Tools, |item| {
            let definition: Value = serde_json::from_str(item.raw).unwrap_or_default();
            let schema = definition.get("inputSchema").unwrap_or(&Value::Null);
            match param_header::of_schema(schema) {
                Ok(mirrored) => {
                    self.put(item.name, mirrored);
                    true
                }
                Err(error) => {
                    tracing::warn!(tool = item.name, "left out of the list: {error}");
                    self.0.remove(item.name);
                    false
                }
            }
        });
        let filtered = filtered.ok()?;
        (filtered.hidden > 0).then(|| filtered.text.into())
    }

    fn put(&mut self, name: &str, mirrored: Vec<Mirrored>) {
        if mirrored.is_empty() {
            self.0.remove(name);
        } else if self.0.len() < list::ITEMS_MAX || self.0.contains_key(name) {
            self.0.insert(name.to_owned(), mirrored);
        }
    }

    /// Whether the tool mirrors anything, as far as is known.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.0.contains_key(name)
    }

    /// The headers of a call of `name`; what is absent or null has none.
    pub(super) fn mirrored(&self, name: &str, call: &Message) -> Vec<(HeaderName, String)> {
        let Some(mirrored) = self.0.get(name) else {
            return Vec::new();
        };
        let arguments: Value = call
            .body("arguments")
            .and_then(|raw| serde_json::from_str(raw).ok())
            .unwrap_or_default();
        let header = |one: &Mirrored| {
            let value = one
                .path
                .iter()
                .try_fold(&arguments, |value, key| value.get(key))?;
            let text = match value {
                Value::String(text) => text.clone(),
                Value::Bool(_) | Value::Number(_) => value.to_string(),
                _ => return None,
            };
            Some((one.header.parse().ok()?, text))
        };
        mirrored.iter().filter_map(header).collect()
    }
}

#[cfg(test)]
mod tests {
    use cardea_mcp::Limits;

    use super::*;

    fn message(text: &'static str) -> Message {
        Message::parse(Bytes::from_static(text.as_bytes()), &Limits::default()).unwrap()
    }

    #[test]
    fn mirrored_arguments_follow_the_list_and_invalid_tools_are_left_out() {
        let mut tools = Tools::default();
        let page = message(
            r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"a","inputSchema":{"type":"object","properties":{"r":{"type":"string","x-mcp-header":"R"},"n":{"type":"integer","x-mcp-header":"N"},"z":{"type":"boolean","x-mcp-header":"Z"}}}},{"name":"bad","inputSchema":{"properties":{"r":{"type":"object","x-mcp-header":"R"}}}},{"name":"plain","inputSchema":{}}]}}"#,
        );
        let text = tools.learn(&page).unwrap();
        let text = std::str::from_utf8(&text).unwrap();
        assert!(!text.contains("bad") && text.contains("plain"), "{text}");
        let call = message(
            r#"{"jsonrpc":"2.0","id":1,"method":"tools/call","params":{"name":"a","arguments":{"r":"eu","n":42,"z":null}}}"#,
        );
        let mut headers = tools.mirrored("a", &call);
        headers.sort_by_key(|(name, _)| name.to_string());
        let shown: Vec<_> = headers
            .iter()
            .map(|(name, value)| format!("{name}: {value}"))
            .collect();
        assert_eq!(shown, ["mcp-param-n: 42", "mcp-param-r: eu"]);
        assert!(tools.mirrored("plain", &call).is_empty());
    }

    #[test]
    fn a_list_of_valid_tools_is_left_as_it_is() {
        let page = message(r#"{"jsonrpc":"2.0","id":1,"result":{"tools":[{"name":"plain"}]}}"#);
        assert!(Tools::default().learn(&page).is_none());
    }
}
