//! What is answered: each message is checked as its era demands, then answered by one function.

use std::{
    borrow::Cow,
    cell::{Cell, RefCell},
    collections::HashMap,
    rc::Rc,
};

use cardea_bench::{LEGACY, MODERN, TOOL, message::Era, text};
use http_body_util::{Either, Full};
use hyper::{StatusCode, http::request::Parts};
use serde::Deserialize;
use serde_json::value::RawValue;

use crate::{
    Args, Eras,
    reply::{Reply, event_stream, json_reply, status_only},
};

/// Largest filler a call may ask for.
const SIZE_MAX: usize = 1024 * 1024;
/// Fillers kept ready; a bench uses two.
const FILLERS_MAX: usize = 8;

const TOOLS: &str = r#""tools":[{"name":"echo","description":"Answers the message, followed by size bytes of filler","inputSchema":{"type":"object","properties":{"message":{"type":"string"},"size":{"type":"integer","minimum":0}},"required":["message"]}}]"#;
const SERVER: &str = r#"{"name":"bench-upstream","version":"1"}"#;

/// The whole server: options, and how many sessions it has given out.
pub(crate) struct Server {
    args: Args,
    /// Sessions are numbered: those below this one exist. Nothing is kept of them, so that they cost nothing.
    sessions: Cell<u64>,
    /// Fillers by size, escaped as the inside of a JSON string.
    fillers: RefCell<HashMap<usize, Rc<str>>>,
}

/// A refusal: HTTP status, JSON-RPC code, message.
struct Refusal(StatusCode, i32, &'static str);

#[derive(Deserialize)]
struct Rpc<'a> {
    #[serde(borrow)]
    id: Option<&'a RawValue>,
    #[serde(borrow)]
    method: Cow<'a, str>,
    #[serde(borrow, default)]
    params: Params<'a>,
}

#[derive(Default, Deserialize)]
struct Params<'a> {
    #[serde(borrow)]
    name: Option<Cow<'a, str>>,
    #[serde(borrow)]
    arguments: Option<Arguments<'a>>,
    #[serde(rename = "protocolVersion", borrow)]
    protocol: Option<Cow<'a, str>>,
    #[serde(rename = "_meta", borrow)]
    meta: Option<Meta<'a>>,
}

#[derive(Deserialize)]
struct Arguments<'a> {
    #[serde(borrow)]
    message: Cow<'a, str>,
    #[serde(default)]
    size: usize,
}

#[derive(Deserialize)]
struct Meta<'a> {
    #[serde(rename = "io.modelcontextprotocol/protocolVersion", borrow)]
    protocol: Option<Cow<'a, str>>,
    #[serde(rename = "io.modelcontextprotocol/clientCapabilities", borrow)]
    capabilities: Option<&'a RawValue>,
}

impl Server {
    pub(crate) fn new(args: Args) -> Self {
        Self {
            args,
            sessions: Cell::new(0),
            fillers: RefCell::default(),
        }
    }

    pub(crate) fn args(&self) -> &Args {
        &self.args
    }

    /// Answers one message.
    pub(crate) fn post(&self, head: &Parts, body: &[u8]) -> Reply {
        let Ok(rpc) = serde_json::from_slice::<Rpc<'_>>(body) else {
            return refuse(
                "null",
                &Refusal(StatusCode::BAD_REQUEST, -32700, "not a request"),
            );
        };
        let header = |name: &str| head.headers.get(name).and_then(|value| value.to_str().ok());
        let era = Era::of(header("mcp-protocol-version").unwrap_or(LEGACY));
        let checked = match era {
            Era::Modern => self.check_modern(&rpc, header),
            Era::Legacy => self.check_legacy(&rpc, header),
        };
        let id = rpc.id.map(RawValue::get);
        match (checked, id) {
            (Err(refusal), _) => refuse(id.unwrap_or("null"), &refusal),
            (Ok(()), None) => status_only(StatusCode::ACCEPTED),
            (Ok(()), Some(id)) => match self.result(&rpc, era) {
                Ok(members) => self.result_reply(&rpc, id, &members, era),
                Err(refusal) => refuse(id, &refusal),
            },
        }
    }

    fn check_modern<'h>(
        &self,
        rpc: &Rpc<'_>,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Result<(), Refusal> {
        let bad = |code, why| Err(Refusal(StatusCode::BAD_REQUEST, code, why));
        if self.args.eras == Eras::Legacy {
            return bad(-32000, "unsupported protocol version");
        }
        // Of notifications nothing is required.
        if rpc.id.is_none() {
            return Ok(());
        }
        if header("mcp-method") != Some(rpc.method.as_ref())
            || header("mcp-name") != rpc.params.name.as_deref()
        {
            return bad(-32020, "Mcp-Method or Mcp-Name is not that of the body");
        }
        match &rpc.params.meta {
            Some(meta) if meta.capabilities.is_none() => {
                bad(-32602, "_meta has no clientCapabilities")
            }
            Some(meta) if meta.protocol.as_deref() == Some(MODERN) => Ok(()),
            Some(_) => bad(-32020, "MCP-Protocol-Version is not that of the body"),
            None => bad(-32602, "no _meta"),
        }
    }

    fn check_legacy<'h>(
        &self,
        rpc: &Rpc<'_>,
        header: impl Fn(&str) -> Option<&'h str>,
    ) -> Result<(), Refusal> {
        if self.args.eras == Eras::Modern {
            return Err(Refusal(
                StatusCode::BAD_REQUEST,
                -32022,
                "only 2026-07-28 is supported",
            ));
        }
        if rpc.method == "initialize" {
            return Ok(());
        }
        let Some(session) = header("mcp-session-id") else {
            return Err(Refusal(StatusCode::BAD_REQUEST, -32000, "no session"));
        };
        let number = session
            .strip_prefix("bench-")
            .and_then(|number| u64::from_str_radix(number, 16).ok());
        match number.is_some_and(|number| number < self.sessions.get()) {
            true => Ok(()),
            false => Err(Refusal(StatusCode::NOT_FOUND, -32001, "unknown session")),
        }
    }

    /// The members of the result.
    fn result(&self, rpc: &Rpc<'_>, era: Era) -> Result<String, Refusal> {
        match (era, rpc.method.as_ref()) {
            (_, "tools/call") => self.echo(&rpc.params),
            (Era::Legacy, "tools/list") => Ok(TOOLS.to_owned()),
            (Era::Modern, "tools/list") => {
                Ok(format!(r#"{TOOLS},"ttlMs":60000,"cacheScope":"public""#))
            }
            (Era::Legacy, "ping") => Ok(String::new()),
            (Era::Legacy, "initialize") => {
                let asked = rpc.params.protocol.as_deref().unwrap_or(LEGACY);
                let known = ["2025-03-26", "2025-06-18", LEGACY].contains(&asked);
                let protocol = if known { asked } else { LEGACY };
                Ok(format!(
                    r#""protocolVersion":"{protocol}","capabilities":{{"tools":{{}}}},"serverInfo":{SERVER}"#
                ))
            }
            (Era::Modern, "server/discover") => Ok(format!(
                r#""supportedVersions":["{MODERN}"],"capabilities":{{"tools":{{}}}},"serverInfo":{SERVER},"ttlMs":60000,"cacheScope":"public""#
            )),
            (Era::Legacy, _) => Err(Refusal(StatusCode::OK, -32601, "method not found")),
            (Era::Modern, _) => Err(Refusal(StatusCode::NOT_FOUND, -32601, "method not found")),
        }
    }

    fn echo(&self, params: &Params<'_>) -> Result<String, Refusal> {
        let arguments = match (params.name.as_deref(), &params.arguments) {
            (Some(TOOL), Some(arguments)) if arguments.size <= SIZE_MAX => arguments,
            _ => {
                return Err(Refusal(
                    StatusCode::OK,
                    -32602,
                    "unknown tool or bad arguments",
                ));
            }
        };
        let (message, filler) = (escaped(&arguments.message), self.filler(arguments.size));
        Ok(format!(
            r#""content":[{{"type":"text","text":"{message}{filler}"}}],"isError":false"#
        ))
    }

    fn filler(&self, size: usize) -> Rc<str> {
        let mut fillers = self.fillers.borrow_mut();
        if fillers.len() >= FILLERS_MAX && !fillers.contains_key(&size) {
            fillers.clear();
        }
        Rc::clone(
            fillers
                .entry(size)
                .or_insert_with(|| escaped(&text::filler(size)).into()),
        )
    }

    fn result_reply(&self, rpc: &Rpc<'_>, id: &str, members: &str, era: Era) -> Reply {
        let comma = if members.is_empty() { "" } else { "," };
        let kind = match era {
            Era::Modern => format!(
                r#"{comma}"resultType":"complete","_meta":{{"io.modelcontextprotocol/serverInfo":{SERVER}}}"#
            ),
            Era::Legacy => String::new(),
        };
        let json = format!(r#"{{"jsonrpc":"2.0","id":{id},"result":{{{members}{kind}}}}}"#);
        let mut reply = match self.args.sse {
            true => event_stream(Either::Left(Full::from(format!(
                "event: message\ndata: {json}\n\n"
            )))),
            false => json_reply(StatusCode::OK, json),
        };
        if rpc.method == "initialize" {
            let number = self.sessions.replace(self.sessions.get() + 1);
            let session = format!("bench-{number:016x}")
                .try_into()
                .expect("hexadecimal digits");
            reply.headers_mut().insert("mcp-session-id", session);
        }
        reply
    }
}

/// A text as the inside of a JSON string.
fn escaped(text: &str) -> String {
    let quoted = serde_json::to_string(text).expect("a string");
    quoted[1..quoted.len() - 1].to_owned()
}

fn refuse(id: &str, Refusal(status, code, why): &Refusal) -> Reply {
    json_reply(
        *status,
        format!(r#"{{"jsonrpc":"2.0","id":{id},"error":{{"code":{code},"message":"{why}"}}}}"#),
    )
}
