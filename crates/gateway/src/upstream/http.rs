//! An upstream over Streamable HTTP, in both eras.

use std::sync::Arc;

use bytes::Bytes;
use cardea_domain::Denial;
use cardea_mcp::{Era, header as mcp};
use cardea_registry::HttpServer;
use http::{
    HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Uri, header,
};
use http_body_util::{BodyExt as _, Full, Limited};

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
            pool: Pool::new(Dialer::new(server, limits.connect_timeout)?, workers),
            target: path.parse().map_err(|_| wrong())?,
            host: HeaderValue::from_str(&host).map_err(|_| wrong())?,
            headers: server.headers.clone(),
            answer_bytes_max: limits.answer_bytes_max,
        })
    }

    pub(super) async fn send(
        &self,
        gateway: &Arc<Gateway>,
        call: &Authorised,
    ) -> Result<Reply, Denial> {
        let request = self.request(gateway, call)?;
        let response = self.pool.send(call.worker(), request).await?;
        self.reply(call, response).await
    }

    /// Asks for the list of tools with the headers of a call, page by page.
    pub(super) async fn learn(&self, gateway: &Gateway, call: &Authorised) -> Result<(), Denial> {
        let era = call.dialect().era;
        let mut listing = Listing::new(call.dialect().version);
        while let Some((id, text)) = listing.next_page() {
            let mut request = Request::new(Full::new(text));
            *request.method_mut() = Method::POST;
            *request.uri_mut() = self.target.clone();
            let headers = request.headers_mut();
            self.common(call, headers)?;
            headers.insert(header::CONTENT_TYPE, JSON);
            headers.insert(header::ACCEPT, BOTH);
            if era == Era::Modern {
                headers.insert(mcp::METHOD, HeaderValue::from_static("tools/list"));
            }
            for (name, value) in call.added_headers() {
                headers.insert(name.clone(), value.clone());
            }
            gateway.trace_headers(call, headers);
            let response = self.pool.send(call.worker(), request).await?;
            let answer = match self.reply(call, response).await? {
                Reply::Whole { text, .. } => text,
                Reply::Stream { source, .. } => answer_of(*source, &id).await?,
                Reply::Empty { .. } => return Err(malformed("no answer to `tools/list`")),
            };
            listing.learn(&answer, &id, call.known())?;
        }
        Ok(())
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

    /// The request as it goes upstream: the message byte for byte, headers made anew from it.
    fn request(
        &self,
        gateway: &Gateway,
        call: &Authorised,
    ) -> Result<Request<Full<Bytes>>, Denial> {
        let (method, accept, body) = match call.ask() {
            Ask::Message(message) => (Method::POST, BOTH, gateway.with_trace(call, message)),
            Ask::Stream => (Method::GET, STREAM, Bytes::new()),
            Ask::End => (Method::DELETE, BOTH, Bytes::new()),
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
        let (head, body) = response.into_parts();
        let session = match head.headers.get(mcp::SESSION_ID) {
            Some(value) if call.dialect().era == Era::Legacy => Some(
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
    Err(malformed("no answer to `tools/list`"))
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
