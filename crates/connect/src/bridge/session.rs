//! What the legacy era keeps between messages: the session, its own stream, and positions.
//!
//! # Source
//! MCP 2025-11-25, basic/transports, Streamable HTTP.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cardea_mcp::{Message, header, sse};
use http::{HeaderMap, HeaderValue, Method, StatusCode, header as standard};
use hyper::body::Incoming;

use super::{
    call::{self, events, is_stream},
    parse, send,
    shared::Shared,
};
use crate::ConnectError;

/// The legacy session of a bridge.
#[derive(Debug, Default)]
pub(super) struct Session {
    id: Option<HeaderValue>,
    version: Option<String>,
    /// The host's handshake, to begin again with.
    initialize: Option<Bytes>,
}

/// Where a stream stands, to go on from there.
#[derive(Debug, Default)]
pub(super) struct Position {
    last: Option<HeaderValue>,
    retry: Option<Duration>,
}

/// What a server that names no time is given before it is asked again.
const RETRY: Duration = Duration::from_secs(1);

/// A server that names more is asked after this.
const RETRY_MAX: Duration = Duration::from_secs(60);

/// Failures in a row after which a stream is given up.
const FAILURES_MAX: u32 = 5;

/// The end of the program does not wait longer for the end of the session.
const DELETE_TIMEOUT: Duration = Duration::from_secs(2);

/// Pages of a list that are read to learn of a tool.
const PAGES_MAX: usize = 64;

impl Session {
    /// The headers of a message in this session.
    pub(super) fn headers(&self, method: &str, headers: &mut HeaderMap) {
        if method == "initialize" {
            return;
        }
        if let Some(id) = &self.id {
            headers.insert(header::SESSION_ID, id.clone());
        }
        let version = self.version.as_deref().unwrap_or_default();
        if let (false, Ok(version)) = (version.is_empty(), HeaderValue::from_str(version)) {
            headers.insert(header::PROTOCOL_VERSION, version);
        }
    }

    /// Takes the session that an answer to `initialize` names.
    pub(super) fn begin(&mut self, initialize: &Message, answer: &HeaderMap) {
        self.id = answer.get(header::SESSION_ID).cloned();
        if let Some(id) = &mut self.id {
            id.set_sensitive(true);
        }
        self.version = None;
        self.initialize = Some(initialize.text().clone());
    }

    /// Takes the version that the server chose.
    pub(super) fn agree(&mut self, result: &Message) {
        self.version = result
            .body_str("protocolVersion")
            .map(std::borrow::Cow::into_owned);
    }
}

impl Position {
    pub(super) fn note(&mut self, event: &sse::Event) {
        if let Some(ms) = event.retry_ms {
            self.retry = Some(Duration::from_millis(ms).min(RETRY_MAX));
        }
        if let Some(id) = &event.id {
            self.last = HeaderValue::from_str(id).ok().filter(|id| !id.is_empty());
        }
    }

    pub(super) fn can_resume(&self) -> bool {
        self.last.is_some()
    }

    fn wait(&self) -> Duration {
        self.retry.unwrap_or(RETRY)
    }
}

/// Opens a stream with GET; `None` where the server has none to offer.
async fn open(shared: &Shared, position: &Position) -> Result<Option<Incoming>, ConnectError> {
    let mut headers = HeaderMap::new();
    headers.insert(
        standard::ACCEPT,
        HeaderValue::from_static("text/event-stream"),
    );
    shared.session.lock().headers("", &mut headers);
    if let Some(last) = &position.last {
        headers.insert(header::LAST_EVENT_ID, last.clone());
    }
    let answer = send::request(shared, Method::GET, headers, Bytes::new(), send::PROMPT).await?;
    match answer.status() {
        StatusCode::OK if is_stream(&answer) => Ok(Some(answer.into_body())),
        status if status.is_server_error() => Err(ConnectError::Status(status.as_u16())),
        _ => Ok(None),
    }
}

/// The stream of a call that broke off, from where it did; `None` where it cannot be had.
pub(super) async fn resume(
    shared: &Shared,
    position: &Position,
) -> Result<Option<Incoming>, ConnectError> {
    let mut failures = 0;
    loop {
        tokio::time::sleep(position.wait()).await;
        match open(shared, position).await {
            Err(error) if error.retryable() && failures < FAILURES_MAX => failures += 1,
            opened => return opened,
        }
    }
}

/// Reads the session's own stream until the server has none or the bridge ends.
pub(super) async fn listen(shared: &Arc<Shared>) {
    let mut position = Position::default();
    let mut failures = 0;
    loop {
        let ended = match open(shared, &position).await {
            Ok(Some(body)) => events(shared, None, body, &mut position).await.map(drop),
            Ok(None) => return,
            Err(error) => Err(error),
        };
        match ended {
            Ok(()) => failures = 0,
            Err(error) => {
                failures += 1;
                if failures > FAILURES_MAX {
                    tracing::warn!(code = error.code(), "no stream from the server: {error}");
                    return;
                }
            }
        }
        tokio::time::sleep(position.wait().saturating_mul(1 << failures)).await;
    }
}

/// Begins a new session with the host's handshake, where the server has forgotten the old one.
///
/// The host is not told: to it the server is one process. False where there was no session.
pub(super) async fn reopen(shared: &Shared, message: &Message) -> Result<bool, ConnectError> {
    let (initialize, version) = {
        let session = shared.session.lock();
        if message.method() == "initialize" || session.id.is_none() {
            return Ok(false);
        }
        (session.initialize.clone(), session.version.clone())
    };
    let Some(Ok(initialize)) = initialize.map(parse) else {
        return Ok(false);
    };
    let answer = send::message_to(shared, &initialize).await?;
    if !answer.status().is_success() {
        return Err(ConnectError::Status(answer.status().as_u16()));
    }
    let head = answer.headers().clone();
    let result = result_of(answer, &initialize).await?;
    {
        let mut session = shared.session.lock();
        session.begin(&initialize, &head);
        session.agree(&result);
        if session.version != version {
            return Err(ConnectError::Malformed(
                "the server has changed its version; restart the connection".into(),
            ));
        }
    }
    let initialized = r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#;
    let initialized = parse(Bytes::from_static(initialized.as_bytes()))
        .map_err(|e| ConnectError::Malformed(e.to_string()))?;
    send::post(shared, &initialized).await?;
    tracing::info!("began a new session");
    Ok(true)
}

/// The one result that an answer brings, in either form.
async fn result_of(
    answer: http::Response<Incoming>,
    request: &Message,
) -> Result<Message, ConnectError> {
    let stream = is_stream(&answer);
    let text = call::whole(answer).await?;
    let texts = match stream {
        false => vec![text],
        true => {
            let mut parser = sse::Parser::new(super::lines::LINE_BYTES_MAX);
            parser.feed(&text);
            let mut texts = Vec::new();
            while let Ok(Some(event)) = parser.next_event() {
                texts.extend(event.data);
            }
            texts
        }
    };
    texts
        .into_iter()
        .filter_map(|text| parse(text).ok())
        .find(|m| {
            m.kind() == cardea_mcp::Kind::Result && m.id().is_some() && m.id() == request.id()
        })
        .ok_or(ConnectError::Closed)
}

/// Reads the list of tools for what they mirror, with the metadata of `call`.
pub(super) async fn learn_tools(shared: &Shared, call: &Message) -> Result<bool, ConnectError> {
    let Some(meta) = call
        .top("params")
        .and_then(|raw| serde_json::from_str::<serde_json::Value>(raw).ok())
        .and_then(|params| params.get("_meta").cloned())
    else {
        return Ok(false);
    };
    let mut cursor: Option<String> = None;
    for page in 0..PAGES_MAX {
        let mut params = serde_json::json!({"_meta": meta});
        if let (Some(cursor), Some(params)) = (&cursor, params.as_object_mut()) {
            params.insert("cursor".into(), cursor.as_str().into());
        }
        let request = serde_json::json!({"jsonrpc": "2.0", "id": format!("cardea-tools-{page}"),
            "method": "tools/list", "params": params});
        let request = parse(request.to_string().into())
            .map_err(|e| ConnectError::Malformed(e.to_string()))?;
        let answer = send::message_to(shared, &request).await?;
        if !answer.status().is_success() {
            return Ok(false);
        }
        let result = result_of(answer, &request).await?;
        shared.tools.lock().learn(&result);
        cursor = result
            .body_str("nextCursor")
            .map(std::borrow::Cow::into_owned);
        if cursor.is_none() {
            break;
        }
    }
    Ok(true)
}

impl Shared {
    /// Tells a legacy server that the session is over.
    pub(super) async fn end_session(&self) {
        let mut headers = HeaderMap::new();
        {
            let session = self.session.lock();
            if session.id.is_none() {
                return;
            }
            session.headers("", &mut headers);
        }
        let credentials = &self.credentials;
        let url = &credentials.settings.server;
        // Once, with the token at hand: nobody is asked to log in for a farewell.
        let ending = async {
            if let Some(token) = credentials.token().await? {
                token.authorise(&Method::DELETE, url, &mut headers)?;
            }
            let http = &credentials.http;
            http.open(Method::DELETE, url, headers, Bytes::new()).await
        };
        let _ = tokio::time::timeout(DELETE_TIMEOUT, ending).await;
    }
}
