//! How a client is told that something has to be granted first, and where.
//!
//! In the way that it can act on best: a modern client that opens addresses gets an `input_required`, a legacy
//! one `URLElicitationRequiredError`, one that says that it reads `authorization_details`, or is configured so, a 403
//! with these, and every other a result of the tool that a model can read. None of them is asked for a decision:
//! what comes back from an agent's own client is never an approval.
//!
//! The 403 is for those alone who know it: to other clients it says to log in again with more scopes, and no token
//! gives what people have to grant.
//!
//! # Source
//! MCP 2026-07-28, basic/patterns/mrtr and client/elicitation (URL mode); 2025-11-25, client/elicitation, URL Elicitation
//! Required Error; basic/authorization, Runtime Insufficient Scope Errors; RFC 6750 section 3.1; RFC 9396 section 2.

use cardea_mcp::{Era, reply};
use serde_json::{Map, Value, json};

use cardea_mcp::meta::ACCESS as META_KEY;

/// The name of the one input that is asked for.
pub(super) const INPUT: &str = "access";

/// Something that was asked for by a call that was refused.
#[derive(Debug, Clone)]
pub(crate) struct Offer {
    /// The request's id.
    pub(crate) request: String,
    /// The page where people see and decide it; nothing in it is secret.
    pub(crate) page: String,
    /// What the client is told, for a model to read.
    pub(crate) message: String,
    /// `pending`, or how it was decided.
    pub(crate) state: &'static str,
    /// When it ends unanswered, in seconds since the Unix epoch.
    pub(crate) expires_s: u64,
    /// How the client can be told.
    pub(crate) way: Way,
}

/// How a client can be told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Way {
    /// An `input_required` with this `requestState`.
    InputRequired(String),
    /// The error that sends a person to an address.
    UrlRequired,
    /// A result of the tool, which says that it failed.
    ToolResult,
    /// An error; for what is not a tool.
    Error,
    /// An error with these `authorization_details`, with status 403 and a challenge.
    Forbidden(Value),
}

impl Offer {
    /// Whether the status of the answer says it too.
    pub(crate) fn is_forbidden(&self) -> bool {
        matches!(self.way, Way::Forbidden(_))
    }

    /// The answer to the request with this raw id.
    pub(crate) fn answer(&self, id: &str, era: Era, call: &str) -> String {
        match &self.way {
            Way::InputRequired(state) => reply::result(id, &self.input_required(state).to_string()),
            Way::UrlRequired => self.url_required(id, era),
            Way::ToolResult => reply::result(id, &self.tool_result(era).to_string()),
            Way::Error | Way::Forbidden(_) => {
                let mut data = json!({
                    "code": "E_ACCESS_REQUIRED",
                    "call": call,
                    META_KEY: self.meta(),
                });
                if let (Way::Forbidden(details), Some(data)) = (&self.way, data.as_object_mut()) {
                    data.insert("authorization_details".to_owned(), details.clone());
                }
                let code = reply::code::REFUSED;
                reply::error(Some(id), era, code, &self.message, Some(data))
            }
        }
    }

    fn input_required(&self, state: &str) -> Value {
        json!({
            "resultType": "input_required",
            "inputRequests": {
                INPUT: {
                    "method": "elicitation/create",
                    "params": { "mode": "url", "message": self.message, "url": self.page },
                },
            },
            "requestState": state,
            "_meta": { META_KEY: self.meta() },
        })
    }

    fn url_required(&self, id: &str, era: Era) -> String {
        let data = json!({
            "elicitations": [{
                "mode": "url",
                "elicitationId": self.request,
                "url": self.page,
                "message": self.message,
            }],
            META_KEY: self.meta(),
        });
        let code = reply::code::URL_ELICITATION_REQUIRED;
        reply::error(Some(id), era, code, &self.message, Some(data))
    }

    fn tool_result(&self, era: Era) -> Value {
        let text = format!("{} The page is {}", self.message, self.page);
        let mut result = Map::new();
        result.insert(
            "content".to_owned(),
            json!([{ "type": "text", "text": text }]),
        );
        result.insert("isError".to_owned(), true.into());
        result.insert("_meta".to_owned(), json!({ META_KEY: self.meta() }));
        if era == Era::Modern {
            result.insert("resultType".to_owned(), "complete".into());
        }
        Value::Object(result)
    }

    /// For programs.
    fn meta(&self) -> Value {
        json!({
            "request": self.request,
            "state": self.state,
            "url": self.page,
            "expires_s": self.expires_s,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offer(way: Way) -> Offer {
        Offer {
            request: "q-1".into(),
            page: "https://gw.example/console/requests/q-1".into(),
            message: "say \"please\"".into(),
            state: "pending",
            expires_s: 7,
            way,
        }
    }

    fn answer(way: Way, era: Era) -> Value {
        serde_json::from_str(&offer(way).answer("5", era, "c")).unwrap()
    }

    #[test]
    fn a_modern_client_gets_its_state_back() {
        let answer = answer(Way::InputRequired("s".into()), Era::Modern);
        assert_eq!(answer["id"], 5);
        let result = &answer["result"];
        assert_eq!(result["resultType"], "input_required");
        assert_eq!(result["requestState"], "s");
        let asked = &result["inputRequests"]["access"];
        assert_eq!(asked["method"], "elicitation/create");
        assert_eq!(asked["params"]["mode"], "url");
        assert_eq!(
            asked["params"]["url"],
            "https://gw.example/console/requests/q-1"
        );
        // A form would be filled in by the agent's own client.
        assert_eq!(asked["params"].get("requestedSchema"), None);
    }

    #[test]
    fn a_legacy_client_gets_the_error_of_its_version() {
        let answer = answer(Way::UrlRequired, Era::Legacy);
        assert_eq!(answer["error"]["code"], -32042);
        let asked = &answer["error"]["data"]["elicitations"][0];
        assert_eq!(asked["elicitationId"], "q-1");
        assert_eq!(asked["url"], "https://gw.example/console/requests/q-1");
    }

    #[test]
    fn every_other_client_gets_a_failed_tool_with_the_address() {
        for era in [Era::Legacy, Era::Modern] {
            let answer = answer(Way::ToolResult, era);
            let result = &answer["result"];
            assert_eq!(result["isError"], true);
            let text = result["content"][0]["text"].as_str().unwrap();
            assert!(
                text.contains("https://gw.example/console/requests/q-1"),
                "{text}"
            );
            assert_eq!(result["_meta"][META_KEY]["request"], "q-1");
            assert_eq!(result.get("resultType").is_some(), era == Era::Modern);
        }
    }
}
