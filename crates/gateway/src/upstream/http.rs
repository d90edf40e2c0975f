//! An upstream over Streamable HTTP, in both eras.

mod alias;

use std::sync::Arc;

use bytes::Bytes;
use cardea_domain::Denial;
use cardea_mcp::{
    Era, Kind, header as mcp,
    json::{self, Level},
    method::List,
};
use cardea_registry::HttpServer;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use http_body_util::{BodyExt as _, Full, Limited};

pub(crate) use self::alias::Alias;
use self::alias::Aliases;
use super::{
    Reply, Source, UpstreamError,
    connect::Dialer,
    listing::{self, Listing},
    malformed,
    pool::{Leased, Pool},
    too_large,
};
use crate::{
    way::{Ask, Authorised, Session},
    world::{Gateway, Limits},
};

/// The connections to one HTTP upstream.
#[derive(Debug)]
pub(super) struct HttpUpstream {
    pool: Pool,
    /// Path and query.
    target: Uri,
    host: HeaderValue,
    headers: Vec<(HeaderName, HeaderValue)>,
    answer_bytes_max: usize,
    aliases: Arc<Aliases>,
    /// Of connections that no worker has.
    own_shelf: usize,
}

const BOTH: HeaderValue = HeaderValue::from_static("application/json, text/event-stream");
const STREAM: HeaderValue = HeaderValue::from_static("text/event-stream");
const JSON: HeaderValue = HeaderValue::from_static("application/json");

impl HttpUpstream {
    pub(super) fn new(
        server: &HttpServer,
        workers: usize,
        limits: &Limits,
    ) -> Result<Self, UpstreamError> {
        let url = &server.url;
        let wrong = || UpstreamError::Url(url.to_string());
        let host = url.host_str().ok_or_else(wrong)?;
        let host = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let path = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        Ok(Self {
            // One shelf more, for what the gateway asks by itself.
            pool: Pool::new(Dialer::new(server, limits.connect_timeout)?, workers + 1),
            target: path.parse().map_err(|_| wrong())?,
            host: HeaderValue::from_str(&host).map_err(|_| wrong())?,
            headers: server.headers.clone(),
            answer_bytes_max: limits.answer_bytes_max,
            aliases: Arc::new(Aliases::new()),
            own_shelf: workers,
        })
    }

    pub(super) async fn send(
        &self,
        gateway: &Arc<Gateway>,
        call: &mut Authorised,
    ) -> Result<Reply, Denial> {
        let Some(edited) = self.edited(gateway, call) else {
            return Ok(Reply::Empty {
                status: StatusCode::ACCEPTED,
            });
        };
        let request = self.request(gateway, call, edited)?;
        let response = self.pool.send(call.worker(), request).await?;
        self.reply(call, response).await
    }

    /// The message as it goes upstream: under an id of the gateway's own. `None` when it is about a request that is not
    /// under way, and another client's may be called so.
    fn edited(&self, gateway: &Gateway, call: &mut Authorised) -> Option<Bytes> {
        let alias = match call.ask() {
            Ask::Message(message) if message.kind() == Kind::Request => {
                message.id().map(|id| self.aliases.give(call, id.raw()))
            }
            Ask::Stream => gateway.resumed_alias(call),
            Ask::Message(_) | Ask::End => None,
        };
        call.set_alias(alias.map(Arc::new));
        let Ask::Message(message) = call.ask() else {
            return Some(Bytes::new());
        };
        let cancelled = message.span(Level::Body, "requestId");
        let cancelled = cancelled.filter(|_| message.method() == "notifications/cancelled");
        let named = match (cancelled, call.alias()) {
            (Some(span), None) => {
                let id = message.body("requestId")?;
                Some((span, self.aliases.find(call, id)?))
            }
            (_, Some(alias)) => message
                .id_span()
                .map(|span| (span, alias.ours().to_owned())),
            (None, None) => None,
        };
        let trace = gateway.trace_edit(call, message);
        let mut edits: Vec<_> = named.into_iter().chain(trace).collect();
        if edits.is_empty() {
            return Some(message.text().clone());
        }
        edits.sort_by_key(|(span, _)| span.start);
        let edits: Vec<_> = edits
            .iter()
            .map(|(span, text)| (span.clone(), text.as_bytes()))
            .collect();
        Some(json::splice(message.text(), &edits).into())
    }

    /// Asks for a list with the headers of a call, page by page.
    pub(super) async fn learn(
        &self,
        gateway: &Gateway,
        call: &Authorised,
        list: List,
    ) -> Result<(), Denial> {
        let era = call.dialect().era;
        let mut listing = Listing::new(call.dialect().version, list, call.known());
        while let Some((id, text)) = listing.next_page() {
            let mut request = Request::new(Full::new(text));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = self.target.clone();
            let headers = request.headers_mut();
            self.common(call, headers)?;
            headers.insert(header::CONTENT_TYPE, JSON);
            headers.insert(header::ACCEPT, BOTH);
            if era == Era::Modern {
                headers.insert(mcp::METHOD, HeaderValue::from_static(listing::method(list)));
            }
            for (name, value) in call.added_headers() {
                headers.insert(name.clone(), value.clone());
            }
            gateway.trace_headers(call, headers);
            let response = self.pool.send(call.worker(), request).await?;
            let answer = match self.reply(call, response).await? {
                Reply::Whole { text, .. } => text,
                Reply::Stream { source, .. } => answer_of(*source, &id).await?,
                Reply::Empty { .. } => return Err(malformed("no answer to a request for a list")),
            };
            listing.learn(&answer, &id)?;
        }
        listing.tell(call.tenant()).await;
        Ok(())
    }

    /// Sends a message of the gateway's own, outside of any call: the headers say no more than the message.
    ///
    /// Gives the status, the session that the server opened, and the answer to the request with this raw id; none is
    /// waited for without one.
    pub(super) async fn ask(
        &self,
        text: Bytes,
        id: Option<&str>,
        headers: HeaderMap,
    ) -> Result<(StatusCode, Option<String>, Option<Bytes>), Denial> {
        let mut request = Request::new(Full::new(text));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        *request.headers_mut() = headers;
        let headers = request.headers_mut();
        headers.insert(header::HOST, self.host.clone());
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("cardea/", env!("CARGO_PKG_VERSION"))),
        );
        headers.insert(header::CONTENT_TYPE, JSON);
        headers.insert(header::ACCEPT, BOTH);
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        let response = self.pool.send(self.own_shelf, request).await?;
        let status = response.status();
        let session = response.headers().get(mcp::SESSION_ID);
        let session = session.and_then(|v| v.to_str().ok()).map(str::to_owned);
        let reply = self.read(Era::Legacy, response).await?;
        let answer = match (reply, id) {
            (Reply::Whole { text, .. }, _) => Some(text),
            (Reply::Stream { source, .. }, Some(id)) => Some(answer_of(*source, id).await?),
            (Reply::Stream { .. } | Reply::Empty { .. }, _) => None,
        };
        Ok((status, session, answer))
    }

    pub(super) async fn answer_back(&self, call: &Authorised, text: Bytes) -> Result<(), Denial> {
        let mut request = Request::new(Full::new(text));
        *request.method_mut() = Method::POST;
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        self.common(call, headers)?;
        headers.insert(header::CONTENT_TYPE, JSON);
        headers.insert(header::ACCEPT, BOTH);
        let response = self.pool.send(call.worker(), request).await?;
        Limited::new(response.into_body(), self.answer_bytes_max)
            .collect()
            .await
            .map_err(malformed)?;
        Ok(())
    }

    pub(super) fn retire(&self) {
        self.pool.retire();
    }

    /// The request as it goes upstream: the message, headers made anew from it.
    fn request(
        &self,
        gateway: &Gateway,
        call: &Authorised,
        body: Bytes,
    ) -> Result<Request<Full<Bytes>>, Denial> {
        let (method, accept) = match call.ask() {
            Ask::Message(_) => (Method::POST, BOTH),
            Ask::Stream => (Method::GET, STREAM),
            Ask::End => (Method::DELETE, BOTH),
        };
        let mut request = Request::new(Full::new(body));
        *request.method_mut() = method;
        *request.uri_mut() = self.target.clone();
        let headers = request.headers_mut();
        self.common(call, headers)?;
        headers.insert(header::ACCEPT, accept);
        if let Ask::Message(message) = call.ask() {
            headers.insert(header::CONTENT_TYPE, JSON);
            if call.dialect().era == Era::Modern {
                modern_headers(headers, call.headers(), message)?;
            }
        }
        if let Ask::Stream = call.ask()
            && let Some(position) = gateway.position(call)
        {
            let value = HeaderValue::from_str(&position).map_err(malformed)?;
            headers.insert(mcp::LAST_EVENT_ID, value);
        }
        for (name, value) in call.added_headers() {
            headers.insert(name.clone(), value.clone());
        }
        gateway.trace_headers(call, headers);
        Ok(request)
    }

    fn common(&self, call: &Authorised, headers: &mut HeaderMap) -> Result<(), Denial> {
        headers.insert(header::HOST, self.host.clone());
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("cardea/", env!("CARGO_PKG_VERSION"))),
        );
        if call.headers().contains_key(mcp::PROTOCOL_VERSION) {
            headers.insert(
                mcp::PROTOCOL_VERSION,
                HeaderValue::from_static(call.dialect().version.as_str()),
            );
        }
        if let Session::Named(session) = call.session() {
            let value = HeaderValue::from_str(session).map_err(malformed)?;
            headers.insert(mcp::SESSION_ID, value);
        }
        for (name, value) in &self.headers {
            headers.insert(name.clone(), value.clone());
        }
        Ok(())
    }

    async fn reply(&self, call: &Authorised, response: Response<Leased>) -> Result<Reply, Denial> {
        self.read(call.dialect().era, response).await
    }

    async fn read(&self, era: Era, response: Response<Leased>) -> Result<Reply, Denial> {
        let (head, body) = response.into_parts();
        let session = match head.headers.get(mcp::SESSION_ID) {
            Some(value) if era == Era::Legacy => Some(
                value
                    .to_str()
                    .map_err(|_| malformed("the session id is not visible ASCII"))?
                    .to_owned(),
            ),
            _ => None,
        };
        let kind = head
            .headers
            .get(header::CONTENT_TYPE)
            .and_then(|v| v.to_str().ok())
            .and_then(|v| v.split(';').next())
            .map(|v| v.trim().to_ascii_lowercase())
            .unwrap_or_default();
        let status = head.status;
        if matches!(status, StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN) {
            return Err(malformed(format!(
                "status {status}: the server wants another credential of the gateway"
            )));
        }
        if status.as_u16() >= 600 {
            return Err(malformed(format!("status {status}, which is none")));
        }
        if status.is_redirection() {
            return Err(malformed(format!(
                "status {status}: redirects are not followed"
            )));
        }
        if kind == "text/event-stream" && status.is_success() {
            let source = Box::new(Source::http(body, self.answer_bytes_max));
            return Ok(Reply::Stream { session, source });
        }
        let text = Limited::new(body, self.answer_bytes_max)
            .collect()
            .await
            .map_err(|error| {
                if error.is::<http_body_util::LengthLimitError>() {
                    too_large(self.answer_bytes_max)
                } else {
                    super::closed(error)
                }
            })?
            .to_bytes();
        if kind == "application/json" && !text.is_empty() {
            return Ok(Reply::Whole {
                status,
                session,
                text,
            });
        }
        if status.is_server_error() {
            return Err(malformed(format!("status {status}")));
        }
        Ok(Reply::Empty { status })
    }
}

/// The answer on a stream; whatever else comes is not for this request.
async fn answer_of(mut source: Source, id: &str) -> Result<Bytes, Denial> {
    for _ in 0..EVENTS_MAX {
        let Some(event) = source.next().await? else {
            break;
        };
        if let Some(data) = event.data
            && listing::is_answer(&data, id)
        {
            source.finish();
            return Ok(data);
        }
    }
    Err(malformed("no answer to a request for a list"))
}

/// Messages before an answer, at most.
const EVENTS_MAX: usize = 1000;

/// `Mcp-Method` and `Mcp-Name` from the body, `Mcp-Param-*` as they came.
fn modern_headers(
    headers: &mut HeaderMap,
    from_client: &HeaderMap,
    message: &cardea_mcp::Message,
) -> Result<(), Denial> {
    let value = |text: &str| HeaderValue::from_str(&mcp::encode(text)).map_err(malformed);
    headers.insert(mcp::METHOD, value(message.method())?);
    if let Some((member, _)) = mcp::name_source(message.method())
        && from_client.contains_key(mcp::NAME)
        && let Some(name) = message.body_str(member)
    {
        headers.insert(mcp::NAME, value(&name)?);
    }
    for (name, value) in from_client {
        if name.as_str().starts_with(mcp::PARAM_PREFIX) {
            headers.append(name.clone(), value.clone());
        }
    }
    Ok(())
}
