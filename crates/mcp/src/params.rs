//! What the `params` of the protocol's methods have to be, as far as servers break over it.
//!
//! Not the whole schema: members that a server has to read, and their types. Some servers end for all their clients over
//! one that is of another type (CVE-2025-53365, CVE-2025-53366), so that a request of one tenant would be felt by all.
//!
//! # Source
//! MCP 2025-11-25 and 2026-07-28, `schema.ts`.

use serde_json::{Map, Value};

use crate::{Message, json::Level, meta};

/// What has to be mended, such as "`params.level` must be one of debug, info, …".
pub type Mistake = String;

/// The levels of `logging/setLevel` (RFC 5424).
const LEVELS: [&str; 8] = [
    "debug",
    "info",
    "notice",
    "warning",
    "error",
    "critical",
    "alert",
    "emergency",
];

/// Whether `params` is as `method` has it, in either era.
///
/// # Errors
/// The first [`Mistake`].
pub fn check(method: &str, message: &Message) -> Result<(), Mistake> {
    let params = Params(message);
    params.metadata()?;
    match method {
        "initialize" => {
            params.text("protocolVersion")?;
            params
                .object("capabilities")?
                .ok_or_else(|| must("capabilities", "be an object"))?;
            let client = params.object("clientInfo")?;
            let client = client.ok_or_else(|| must("clientInfo", "be an object"))?;
            for key in ["name", "version"] {
                if !client.get(key).is_some_and(Value::is_string) {
                    return Err(must(&format!("clientInfo.{key}"), "be a string"));
                }
            }
        }
        "logging/setLevel" => {
            let level = params.text("level")?;
            if !LEVELS.contains(&&*level) {
                return Err(must("level", &format!("be one of {}", LEVELS.join(", "))));
            }
        }
        "tools/call" => drop(params.object("arguments")?),
        "prompts/get" => texts("arguments", params.object("arguments")?)?,
        "completion/complete" => {
            let argument = params.object("argument")?;
            let argument = argument.ok_or_else(|| must("argument", "be an object"))?;
            for key in ["name", "value"] {
                if !argument.get(key).is_some_and(Value::is_string) {
                    return Err(must(&format!("argument.{key}"), "be a string"));
                }
            }
            let context = params.object("context")?.unwrap_or_default();
            match context.get("arguments") {
                None | Some(Value::Null) => {}
                Some(Value::Object(given)) => texts("context.arguments", Some(given.clone()))?,
                Some(_) => return Err(must("context.arguments", "be an object")),
            }
        }
        "resources/read" | "resources/subscribe" | "resources/unsubscribe" => params.uri("uri")?,
        "notifications/cancelled" => params.token("requestId")?,
        "notifications/progress" => params.token(meta::PROGRESS_TOKEN)?,
        _ if method.ends_with("/list") => match params.value("cursor") {
            None | Some(Value::String(_) | Value::Null) => {}
            Some(_) => return Err(must("cursor", "be a string")),
        },
        _ => {}
    }
    Ok(())
}

struct Params<'a>(&'a Message);

impl Params<'_> {
    fn value(&self, key: &str) -> Option<Value> {
        // INVARIANT: it is a part of a message that was read.
        Some(serde_json::from_str(self.0.body(key)?).unwrap_or_default())
    }

    fn text(&self, key: &str) -> Result<String, Mistake> {
        match self.value(key) {
            Some(Value::String(text)) => Ok(text),
            _ => Err(must(key, "be a string")),
        }
    }

    fn uri(&self, key: &str) -> Result<(), Mistake> {
        match is_absolute(&self.text(key)?) {
            true => Ok(()),
            false => Err(must(key, "be an absolute URI, such as `file:///a.txt`")),
        }
    }

    /// An object, or nothing.
    fn object(&self, key: &str) -> Result<Option<Map<String, Value>>, Mistake> {
        match self.value(key) {
            None | Some(Value::Null) => Ok(None),
            Some(Value::Object(members)) => Ok(Some(members)),
            Some(_) => Err(must(key, "be an object")),
        }
    }

    /// A text or a whole number, where there is one.
    fn token(&self, key: &str) -> Result<(), Mistake> {
        match self.0.body(key) {
            Some(raw) if !is_token(raw) => Err(must(key, "be a string or a whole number")),
            _ => Ok(()),
        }
    }

    fn metadata(&self) -> Result<(), Mistake> {
        let Some(span) = self.0.span(Level::Body, "_meta") else {
            return Ok(());
        };
        let raw = self.0.text().get(span).unwrap_or_default();
        if !matches!(raw.first(), Some(b'{')) && raw != b"null" {
            return Err(must("_meta", "be an object"));
        }
        match self.0.meta(meta::PROGRESS_TOKEN) {
            Some(raw) if !is_token(raw) => {
                Err(must("_meta.progressToken", "be a string or a whole number"))
            }
            _ => Ok(()),
        }
    }
}

fn texts(place: &str, members: Option<Map<String, Value>>) -> Result<(), Mistake> {
    let members = members.unwrap_or_default();
    match members.values().all(Value::is_string) {
        true => Ok(()),
        false => Err(must(place, "have strings as values")),
    }
}

fn is_token(raw: &str) -> bool {
    match serde_json::from_str::<Value>(raw) {
        Ok(Value::String(_)) => true,
        Ok(Value::Number(number)) => number.as_f64().is_some_and(|n| n.fract() == 0.0),
        _ => false,
    }
}

/// RFC 3986 section 3: a scheme, and something after it.
fn is_absolute(uri: &str) -> bool {
    let Some((scheme, rest)) = uri.split_once(':') else {
        return false;
    };
    let mut bytes = scheme.bytes();
    bytes.next().is_some_and(|b| b.is_ascii_alphabetic())
        && bytes.all(|b| b.is_ascii_alphanumeric() || b"+-.".contains(&b))
        && !rest.is_empty()
}

fn must(place: &str, what: &str) -> Mistake {
    format!("`params.{place}` must {what}")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Limits;

    fn checked(method: &str, params: &str) -> Result<(), Mistake> {
        let text = format!(r#"{{"jsonrpc":"2.0","id":1,"method":"{method}","params":{params}}}"#);
        let message = Message::parse(text.into(), &Limits::default()).unwrap();
        check(method, &message)
    }

    #[test]
    fn what_the_protocol_has_is_good() {
        for (method, params) in [
            (
                "initialize",
                r#"{"protocolVersion":"2025-11-25","capabilities":{},"clientInfo":{"name":"a","version":"1"}}"#,
            ),
            ("logging/setLevel", r#"{"level":"info"}"#),
            ("tools/call", r#"{"name":"a"}"#),
            (
                "tools/call",
                r#"{"name":"a","arguments":{},"_meta":{"progressToken":0}}"#,
            ),
            (
                "tools/call",
                r#"{"name":"a","arguments":null,"_meta":{"progressToken":"x"}}"#,
            ),
            ("prompts/get", r#"{"name":"a","arguments":{"x":"y"}}"#),
            (
                "completion/complete",
                r#"{"argument":{"name":"a","value":""},"context":{"arguments":{"b":"c"}}}"#,
            ),
            ("resources/read", r#"{"uri":"file:///a"}"#),
            ("resources/read", r#"{"uri":"x-y.z:a b"}"#),
            ("notifications/cancelled", r#"{"requestId":"a"}"#),
            ("notifications/cancelled", "{}"),
            (
                "notifications/progress",
                r#"{"progressToken":1.0,"progress":1e3}"#,
            ),
            ("tools/list", r#"{"cursor":"a"}"#),
            ("ping", "{}"),
        ] {
            assert_eq!(checked(method, params), Ok(()), "{method} {params}");
        }
    }

    #[test]
    fn what_ends_servers_is_a_mistake_with_its_place() {
        for (method, params, place) in [
            ("initialize", "{}", "protocolVersion"),
            ("initialize", r#"{"protocolVersion":"x"}"#, "capabilities"),
            (
                "initialize",
                r#"{"protocolVersion":"x","capabilities":[]}"#,
                "capabilities",
            ),
            (
                "initialize",
                r#"{"protocolVersion":"x","capabilities":{}}"#,
                "clientInfo",
            ),
            (
                "initialize",
                r#"{"protocolVersion":"x","capabilities":{},"clientInfo":{"name":1}}"#,
                "clientInfo.name",
            ),
            ("logging/setLevel", r#"{"level":"loud"}"#, "level"),
            ("logging/setLevel", "{}", "level"),
            ("ping", r#"{"_meta":5}"#, "_meta"),
            ("ping", r#"{"_meta":[]}"#, "_meta"),
            ("ping", r#"{"_meta":{"progressToken":{}}}"#, "progressToken"),
            ("ping", r#"{"_meta":{"progressToken":[]}}"#, "progressToken"),
            (
                "ping",
                r#"{"_meta":{"progressToken":1.5}}"#,
                "progressToken",
            ),
            ("tools/call", r#"{"name":"a","arguments":[]}"#, "arguments"),
            (
                "tools/call",
                r#"{"name":"a","arguments":"{}"}"#,
                "arguments",
            ),
            (
                "prompts/get",
                r#"{"name":"a","arguments":{"x":1}}"#,
                "arguments",
            ),
            ("completion/complete", "{}", "argument"),
            (
                "completion/complete",
                r#"{"argument":{"name":"a"}}"#,
                "argument.value",
            ),
            ("resources/read", r#"{"uri":"a.txt"}"#, "uri"),
            ("resources/subscribe", r#"{"uri":"/etc/passwd"}"#, "uri"),
            ("resources/read", r#"{"uri":"1x:a"}"#, "uri"),
            (
                "notifications/cancelled",
                r#"{"requestId":{}}"#,
                "requestId",
            ),
            ("tools/list", r#"{"cursor":7}"#, "cursor"),
        ] {
            let mistake = checked(method, params).unwrap_err();
            assert!(mistake.contains(place), "{method} {params}: {mistake}");
        }
    }
}
