//! An HTTP/1.1 client that sends what it is told to, right or wrong, over a connection of its own.
//!
//! [`Ask`] gathers the request; [`Ask::send`] gives the whole [`Answer`], [`Ask::open`] a reply whose body is read as
//! it comes. [`exchange`] sends bytes that need not be HTTP.

use std::{net::SocketAddr, time::Duration};

use anyhow::Context;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, header};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1,
};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};
use tokio_util::task::AbortOnDropHandle;

use crate::wait::bounded;

/// A request to be sent.
#[derive(Debug, Clone)]
pub struct Ask {
    method: Method,
    path: String,
    headers: HeaderMap,
    body: Bytes,
}

impl Ask {
    /// A request without headers and body; `Host` and `Content-Length` are added when it is sent.
    ///
    /// # Panics
    /// When `method` is not one.
    #[must_use]
    pub fn new(method: &str, path: &str) -> Self {
        Self {
            method: method.parse().expect("an HTTP method"),
            path: path.to_owned(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// A GET.
    #[must_use]
    pub fn get(path: &str) -> Self {
        Self::new("GET", path)
    }

    /// A POST of `body`, with the headers that every MCP message has.
    #[must_use]
    pub fn post(path: &str, body: impl Into<Bytes>) -> Self {
        Self::new("POST", path)
            .set("content-type", "application/json")
            .set("accept", "application/json, text/event-stream")
            .body(body)
    }

    /// A POST of a message of the legacy era, without a version header.
    #[must_use]
    pub fn message(path: &str, message: &Value) -> Self {
        Self::post(path, message.to_string())
    }

    /// A POST of a message of the modern era: the headers repeat what its body says.
    #[must_use]
    pub fn modern(path: &str, message: &Value) -> Self {
        let params = &message["params"];
        let version = &params["_meta"]["io.modelcontextprotocol/protocolVersion"];
        let mut ask = Self::message(path, message);
        if let Some(version) = version.as_str() {
            ask = ask.set("mcp-protocol-version", version);
        }
        let method = message["method"].as_str().unwrap_or_default();
        if !method.is_empty() {
            ask = ask.set("mcp-method", method);
        }
        let name = match method {
            "tools/call" | "prompts/get" => &params["name"],
            "resources/read" => &params["uri"],
            _ => &Value::Null,
        };
        match name.as_str() {
            Some(name) => ask.set("mcp-name", name),
            None => ask,
        }
    }

    /// Adds a header, also when there is one of this name.
    #[must_use]
    pub fn add(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = header(name, value.as_ref());
        self.headers.append(name, value);
        self
    }

    /// Sets a header, in place of all of this name.
    #[must_use]
    pub fn set(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let (name, value) = header(name, value.as_ref());
        self.headers.insert(name, value);
        self
    }

    /// Takes a header away.
    #[must_use]
    pub fn without(mut self, name: &str) -> Self {
        self.headers.remove(name);
        self
    }

    /// Sets `Authorization: Bearer <token>`.
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.set("authorization", format!("Bearer {token}"))
    }

    /// Replaces the body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    /// Sends it and waits for the whole answer.
    ///
    /// # Panics
    /// When the exchange fails or takes longer than [`DEADLINE`](crate::wait::DEADLINE).
    pub async fn send(self, address: SocketAddr) -> Answer {
        let what = format!("an answer to {} {}", self.method, self.path);
        let answer = bounded(&what, self.try_send(address)).await;
        answer.unwrap_or_else(|error| panic!("{what}: {error:#}"))
    }

    /// Sends it and waits for the whole answer, which may not come.
    ///
    /// # Errors
    /// When the connection is refused or breaks.
    pub async fn try_send(self, address: SocketAddr) -> anyhow::Result<Answer> {
        let open = self.try_open(address).await?;
        let (status, headers) = (open.status, open.headers.clone());
        let body = open.body.collect().await.context("the body broke off")?;
        Ok(Answer {
            status,
            headers,
            body: body.to_bytes(),
        })
    }

    /// Sends it and waits for the answer's head.
    ///
    /// # Panics
    /// When the exchange fails or takes longer than [`DEADLINE`](crate::wait::DEADLINE).
    pub async fn open(self, address: SocketAddr) -> Open {
        let what = format!("a reply to {} {}", self.method, self.path);
        let open = bounded(&what, self.try_open(address)).await;
        open.unwrap_or_else(|error| panic!("{what}: {error:#}"))
    }

    /// Sends it and waits for the answer's head, which may not come.
    ///
    /// # Errors
    /// When the connection is refused or breaks.
    pub async fn try_open(self, address: SocketAddr) -> anyhow::Result<Open> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let connection = AbortOnDropHandle::new(tokio::spawn(async move {
            // What breaks it shows in the answer.
            let _ = connection.await;
        }));
        let request = self.request(address)?;
        let (head, body) = sender.send_request(request).await?.into_parts();
        Ok(Open {
            status: head.status.as_u16(),
            headers: head.headers,
            body,
            rest: String::new(),
            _connection: connection,
        })
    }

    /// The request as it is sent; `Host` is the address where there is no other.
    pub(crate) fn request(self, address: SocketAddr) -> anyhow::Result<Request<Full<Bytes>>> {
        let mut request = Request::new(Full::new(self.body));
        *request.method_mut() = self.method;
        *request.uri_mut() = self.path.parse().context("the path")?;
        *request.headers_mut() = self.headers;
        if !request.headers().contains_key(header::HOST) {
            let host = HeaderValue::from_str(&address.to_string())?;
            request.headers_mut().insert(header::HOST, host);
        }
        Ok(request)
    }
}

fn header(name: &str, value: &[u8]) -> (HeaderName, HeaderValue) {
    let name = name.parse().expect("a header name");
    (
        name,
        HeaderValue::from_bytes(value).expect("a header value"),
    )
}

/// A whole answer.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

impl Answer {
    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; of a stream, its last message; `Null` when it is neither.
    #[must_use]
    pub fn json(&self) -> Value {
        if self.header("content-type").as_deref() == Some("text/event-stream") {
            return self.events().pop().unwrap_or_default();
        }
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The messages of a stream.
    #[must_use]
    pub fn events(&self) -> Vec<Value> {
        let text = self.text().replace("\r\n", "\n");
        text.split("\n\n").filter_map(data).collect()
    }

    /// A header as text; the first of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        text_of(&self.headers, name)
    }
}

/// A reply whose body is still to come; dropping it closes the connection.
#[derive(Debug)]
pub struct Open {
    /// The HTTP status.
    pub status: u16,
    /// All headers.
    pub headers: HeaderMap,
    body: Incoming,
    rest: String,
    _connection: AbortOnDropHandle<()>,
}

impl Open {
    /// The next bytes, or `None` at the end.
    ///
    /// # Errors
    /// When the body breaks off.
    ///
    /// # Panics
    /// When nothing comes within [`DEADLINE`](crate::wait::DEADLINE).
    pub async fn chunk(&mut self) -> anyhow::Result<Option<Bytes>> {
        loop {
            let Some(frame) = bounded("the body's next bytes", self.body.frame()).await else {
                return Ok(None);
            };
            if let Ok(data) = frame?.into_data() {
                return Ok(Some(data));
            }
        }
    }

    /// The next event of a stream as it stands on the wire, comments included, or `None` at the end.
    ///
    /// # Errors
    /// When the body breaks off.
    pub async fn event_text(&mut self) -> anyhow::Result<Option<String>> {
        loop {
            if let Some(end) = self.rest.find("\n\n") {
                let after = self.rest.split_off(end + 2);
                return Ok(Some(std::mem::replace(&mut self.rest, after)));
            }
            match self.chunk().await? {
                Some(bytes) => {
                    let text = String::from_utf8_lossy(&bytes).replace("\r\n", "\n");
                    self.rest.push_str(&text);
                }
                None => return Ok(None),
            }
        }
    }

    /// The next message of a stream, or `None` at the end.
    ///
    /// # Errors
    /// When the body breaks off.
    pub async fn message(&mut self) -> anyhow::Result<Option<Value>> {
        while let Some(event) = self.event_text().await? {
            if let Some(message) = data(&event) {
                return Ok(Some(message));
            }
        }
        Ok(None)
    }

    /// A header as text; the first of its name.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        text_of(&self.headers, name)
    }
}

fn text_of(headers: &HeaderMap, name: &str) -> Option<String> {
    let value = headers.get(name)?.as_bytes();
    Some(String::from_utf8_lossy(value).into_owned())
}

/// The message of one event.
fn data(event: &str) -> Option<Value> {
    let lines = event.lines().filter_map(|line| line.strip_prefix("data:"));
    let text: Vec<&str> = lines.map(str::trim_start).collect();
    serde_json::from_str(&text.join("\n")).ok()
}

/// Long enough for any answer; who never closes is waited for as long.
const EXCHANGE_MAX: Duration = Duration::from_secs(20);

/// Sends bytes as they are, and gives everything that comes back until the other side closes, or for 20 s.
///
/// # Errors
/// When the connection is refused or breaks before anything was sent.
pub async fn exchange(address: SocketAddr, bytes: &[u8]) -> anyhow::Result<Vec<u8>> {
    let mut stream = TcpStream::connect(address).await?;
    stream.write_all(bytes).await?;
    let mut answer = Vec::new();
    // A reset after the answer is as good as a close.
    let _ = tokio::time::timeout(EXCHANGE_MAX, stream.read_to_end(&mut answer)).await;
    Ok(answer)
}
