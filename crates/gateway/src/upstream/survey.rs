//! A look at a server as a whole: what it says of itself, its tools, prompts and resource templates.
//!
//! The gateway is the client here: it asks in the era that the server speaks, on a connection or process of its own, and
//! offers no capabilities, so that the server can ask nothing of it.

use std::time::Duration;

use bytes::Bytes;
use cardea_audit::Receipt;
use cardea_domain::{Code, Denial};
use cardea_mcp::{
    Era, Kind, Limits, Message, Version, header as mcp,
    list::{self, Keep, Sieve},
    method::List,
    reply,
};
use cardea_registry::Known;
use http::{HeaderMap, HeaderValue};
use serde_json::{Value, json};

use super::{
    LIST_MAX, Transport, Upstream, check_held, http::HttpUpstream, listing, malformed,
    stdio::Looking,
};
use crate::answer::ANSWER_DEPTH_MAX;

/// What a server said of itself.
#[derive(Debug, Default)]
pub(crate) struct Said {
    /// Its instructions, as raw JSON.
    pub(crate) instructions: Option<String>,
    /// The items of each list: name and raw definition.
    pub(crate) items: Vec<(List, String, String)>,
}

/// A server that knows `server/discover` answers at once; one that starts slowly gets its time.
const DISCOVERY_MAX: Duration = Duration::from_secs(10);
/// Pages of one list.
const PAGES_MAX: usize = 50;
/// Items of all lists together.
const ITEMS_MAX: usize = list::ITEMS_MAX;
/// The lists of definitions, with the capability by which a server says that it has one.
const LISTS: [(List, &str); 3] = [
    (List::Tools, "tools"),
    (List::Prompts, "prompts"),
    (List::Templates, "resources"),
];

impl Upstream {
    /// Looks at the server as a whole, by the receipt of the record that says so.
    ///
    /// # Errors
    /// A denial when the server cannot be reached, or does not answer as it should.
    pub(crate) async fn survey(&self, known: &Known, record: &Receipt) -> Result<Said, Denial> {
        check_held(known)?;
        let within = self.call_timeout.min(LIST_MAX);
        let looked = async {
            let stdio = match &self.transport {
                Transport::Http(http) => return Surveyor::new(Wire::Http(http)).look().await,
                Transport::Stdio(stdio) => stdio,
            };
            let mut surveyor = Surveyor::new(Wire::Stdio(stdio.look(record).await?));
            match surveyor.look().await {
                // A server of the era before may end at a message that it does not know.
                Err(_) if surveyor.version.era() == Era::Modern => {
                    let mut surveyor = Surveyor::new(Wire::Stdio(stdio.look(record).await?));
                    surveyor.version = Version::V2025_11_25;
                    surveyor.look().await
                }
                looked => looked,
            }
        };
        let looked = tokio::time::timeout(within, looked).await;
        looked.unwrap_or_else(|_| Err(super::timed_out(within)))
    }
}

enum Wire<'a> {
    Http(&'a HttpUpstream),
    Stdio(Looking),
}

struct Surveyor<'a> {
    wire: Wire<'a>,
    version: Version,
    session: Option<String>,
    asked: usize,
}

impl<'a> Surveyor<'a> {
    fn new(wire: Wire<'a>) -> Self {
        Self {
            wire,
            version: Version::V2026_07_28,
            session: None,
            asked: 0,
        }
    }

    async fn look(&mut self) -> Result<Said, Denial> {
        let hello = self.greet().await?;
        let mut said = Said {
            instructions: hello.body("instructions").map(str::to_owned),
            items: Vec::new(),
        };
        let capabilities = hello.body("capabilities").unwrap_or("{}");
        let capabilities: Value = serde_json::from_str(capabilities).map_err(malformed)?;
        for (list, capability) in LISTS {
            if capabilities.get(capability).is_some() {
                self.list(list, &mut said).await?;
            }
        }
        Ok(said)
    }

    /// The server's answer to `server/discover`, or to the handshake of the era before.
    async fn greet(&mut self) -> Result<Message, Denial> {
        if self.version.era() == Era::Modern {
            let discovered = self.ask("server/discover", json!({}));
            let discovered = tokio::time::timeout(DISCOVERY_MAX, discovered).await;
            if let Some(hello) = discovered.unwrap_or(Ok(None))?
                && hello.kind() == Kind::Result
            {
                return Ok(hello);
            }
        }
        self.version = Version::V2025_11_25;
        let params = json!({
            "protocolVersion": self.version.as_str(),
            "capabilities": {},
            "clientInfo": {"name": "cardea", "version": env!("CARGO_PKG_VERSION")},
        });
        let hello = self.ask("initialize", params).await?;
        let hello = hello.filter(|hello| hello.kind() == Kind::Result);
        let hello = hello.ok_or_else(|| malformed("the server does not take the handshake"))?;
        let version = hello.body_str("protocolVersion");
        let version = version.and_then(|text| Version::parse(&text));
        self.version = version.filter(|v| v.era() == Era::Legacy).ok_or_else(|| {
            malformed("the server chooses a version of the protocol that is not known")
        })?;
        let text = json!({"jsonrpc": "2.0", "method": "notifications/initialized"});
        self.tell(&text).await?;
        Ok(hello)
    }

    async fn list(&mut self, list: List, said: &mut Said) -> Result<(), Denial> {
        let mut cursor: Option<String> = None;
        for _ in 0..PAGES_MAX {
            let params = match &cursor {
                Some(cursor) => json!({ "cursor": cursor }),
                None => json!({}),
            };
            let Some(page) = self.ask(listing::method(list), params).await? else {
                return Err(malformed("no answer to a request for a list"));
            };
            if page.kind() == Kind::Error {
                let code = page.body("code").and_then(|code| code.parse::<i64>().ok());
                // Some servers have resources and no templates.
                return match (list, code) {
                    (List::Templates, Some(reply::code::METHOD_NOT_FOUND)) => Ok(()),
                    _ => Err(malformed(format!(
                        "an error for `{}`",
                        listing::method(list)
                    ))),
                };
            }
            let unusable =
                |_| malformed(format!("no usable list from `{}`", listing::method(list)));
            let mut sieve = Sieve::new(&page, list).map_err(unusable)?;
            let each = sieve.step(list::ITEMS_MAX, |item| {
                let item = (list, item.name.to_owned(), item.raw.to_owned());
                said.items.push(item);
                Keep::Hidden
            });
            each.map_err(unusable)?;
            if said.items.len() > ITEMS_MAX {
                return Err(malformed(format!(
                    "the server lists more than {ITEMS_MAX} things"
                )));
            }
            cursor = page
                .body_str("nextCursor")
                .map(|cursor| cursor.into_owned());
            if cursor.is_none() {
                return Ok(());
            }
        }
        Err(malformed(format!("a list of more than {PAGES_MAX} pages")))
    }

    /// Asks, and waits for the answer; `None` when the server refuses the message as a whole.
    async fn ask(
        &mut self,
        method: &'static str,
        mut params: Value,
    ) -> Result<Option<Message>, Denial> {
        let era = self.version.era();
        if let (Era::Modern, Some(params)) = (era, params.as_object_mut()) {
            params.insert("_meta".into(), listing::about(self.version));
        }
        self.asked += 1;
        let id = format!("cardea-look-{}", self.asked);
        let message = json!({"jsonrpc": "2.0", "id": id, "method": method, "params": params});
        let text = match &self.wire {
            Wire::Stdio(process) => {
                let message = read(message.to_string().into())?;
                process.ask(&message, era).await?
            }
            Wire::Http(http) => {
                let headers = self.headers(method)?;
                let raw = format!("\"{id}\"");
                let asked = http
                    .ask(message.to_string().into(), Some(&raw), headers)
                    .await;
                let (status, session, answer) = match (asked, method) {
                    (Ok(asked), _) => asked,
                    // A server of the era before may break off at what it does not know.
                    (Err(denial), "server/discover") if denial.code == Code::UpstreamMalformed => {
                        return Ok(None);
                    }
                    (Err(denial), _) => return Err(denial),
                };
                if method == "initialize" {
                    self.session = session;
                }
                match answer {
                    Some(text) => text,
                    None if status.is_client_error() => return Ok(None),
                    None => return Err(malformed(format!("status {status} without an answer"))),
                }
            }
        };
        Ok(listing::parse(&text))
    }

    async fn tell(&self, message: &Value) -> Result<(), Denial> {
        let text = Bytes::from(message.to_string());
        match &self.wire {
            Wire::Stdio(process) => process.tell(&read(text)?).await,
            Wire::Http(http) => {
                let headers = self.headers("")?;
                http.ask(text, None, headers).await.map(drop)
            }
        }
    }

    fn headers(&self, method: &'static str) -> Result<HeaderMap, Denial> {
        let mut headers = HeaderMap::new();
        let version = HeaderValue::from_static(self.version.as_str());
        // The handshake comes before a version is agreed on.
        if method != "initialize" {
            headers.insert(mcp::PROTOCOL_VERSION, version);
        }
        if self.version.era() == Era::Modern {
            headers.insert(mcp::METHOD, HeaderValue::from_static(method));
        }
        if let Some(session) = &self.session {
            let session = HeaderValue::from_str(session).map_err(malformed)?;
            headers.insert(mcp::SESSION_ID, session);
        }
        Ok(headers)
    }
}

fn read(text: Bytes) -> Result<Message, Denial> {
    let limits = Limits {
        depth_max: ANSWER_DEPTH_MAX,
    };
    Message::parse(text, &limits).map_err(malformed)
}
