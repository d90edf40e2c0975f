//! A reverse proxy that adds a bearer token and changes nothing else, for clients that cannot send one.
//!
//! Method, headers (`Host` and `Origin` too, in their own spelling), query and bodies pass as they are, both ways and
//! as they come; so the gateway's own checks see what the client sent. Of the path only `/mcp` is replaced, by the
//! target's. When the client goes away, the connection to the target goes too.
//!
//! The shim is bound before it is started, because the gateway must know its name ([`BoundShim::authority`]) as an
//! allowed host, and only a running gateway can issue the token.

use std::{
    convert::Infallible,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{self, Poll},
};

use anyhow::Context;
use http::{HeaderValue, Request, Response, StatusCode, Uri, header, uri::PathAndQuery};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, combinators::BoxBody};
use hyper::{
    body::{Bytes, Incoming},
    client::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio_util::task::AbortOnDropHandle;

use crate::listen::{Running, bind_loopback, serve_http};

/// The path that clients call, and that is replaced by the target's.
const ENDPOINT: &str = "/mcp";

/// A shim that has its port and does not answer yet.
#[derive(Debug)]
pub struct BoundShim {
    listener: TcpListener,
    address: SocketAddr,
}

impl BoundShim {
    /// Binds an ephemeral port of the loopback interface.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn bind() -> anyhow::Result<Self> {
        let (listener, address) = bind_loopback().await?;
        Ok(Self { listener, address })
    }

    /// What clients send as `Host`, such as `localhost:40123`.
    #[must_use]
    pub fn authority(&self) -> String {
        format!("localhost:{}", self.address.port())
    }

    /// Starts to pass requests on to `target`, such as `http://127.0.0.1:8080/mcp/suite`, with `token`.
    ///
    /// # Errors
    /// When `target` is not an absolute http URL, or `token` cannot stand in a header.
    pub fn start(self, target: &str, token: &str) -> anyhow::Result<Shim> {
        let target: Uri = target
            .parse()
            .with_context(|| format!("`{target}` is not a URL"))?;
        anyhow::ensure!(
            target.scheme_str() == Some("http"),
            "`{target}` is not an absolute http URL"
        );
        let authority = target
            .authority()
            .context("a URL with a scheme has an authority")?;
        let mut bearer = HeaderValue::from_str(&format!("Bearer {token}"))
            .context("the token is not plain text")?;
        bearer.set_sensitive(true);
        let route = Arc::new(Route {
            address: format!(
                "{}:{}",
                authority.host(),
                authority.port_u16().unwrap_or(80)
            ),
            path: target.path().to_owned(),
            bearer,
        });
        let service = service_fn(move |request| pass_on(route.clone(), request));
        let url = format!("http://{}{ENDPOINT}", self.authority());
        Ok(Shim {
            url,
            _running: Running::spawn(serve_http(self.listener, service)),
        })
    }
}

/// A shim at work, which stops when this value is dropped.
#[derive(Debug)]
pub struct Shim {
    url: String,
    _running: Running,
}

impl Shim {
    /// The URL for the client, such as `http://localhost:40123/mcp`.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }
}

/// Where requests go, and with which credential.
struct Route {
    address: String,
    path: String,
    bearer: HeaderValue,
}

async fn pass_on(
    route: Arc<Route>,
    request: Request<Incoming>,
) -> Result<Response<BoxBody<Bytes, hyper::Error>>, Infallible> {
    Ok(exchange(&route, request).await.unwrap_or_else(|error| {
        let text = Full::new(Bytes::from(format!(
            "the shim cannot reach its target: {error:#}"
        )));
        let mut response = Response::new(text.map_err(|never| match never {}).boxed());
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    }))
}

async fn exchange(
    route: &Route,
    mut request: Request<Incoming>,
) -> anyhow::Result<Response<BoxBody<Bytes, hyper::Error>>> {
    *request.uri_mut() = route.target_of(request.uri())?;
    request
        .headers_mut()
        .insert(header::AUTHORIZATION, route.bearer.clone());

    let stream = TcpStream::connect(&route.address).await?;
    stream.set_nodelay(true)?;
    let (mut sender, connection) = http1::Builder::new()
        .preserve_header_case(true)
        .handshake(TokioIo::new(stream))
        .await?;
    let connection = AbortOnDropHandle::new(tokio::spawn(async move {
        // What breaks here also breaks the response, which is where it is seen.
        let _ = connection.await;
    }));
    let response = sender.send_request(request).await?;
    Ok(response.map(|body| {
        Relayed {
            body,
            _connection: connection,
        }
        .boxed()
    }))
}

impl Route {
    fn target_of(&self, received: &Uri) -> anyhow::Result<Uri> {
        let path = if received.path() == ENDPOINT {
            &self.path
        } else {
            received.path()
        };
        let path_and_query = match received.query() {
            Some(query) => format!("{path}?{query}"),
            None => path.to_owned(),
        };
        Ok(Uri::from(PathAndQuery::try_from(path_and_query)?))
    }
}

/// The target's body, with the connection it comes from: whoever drops the one closes the other.
struct Relayed {
    body: Incoming,
    _connection: AbortOnDropHandle<()>,
}

impl Body for Relayed {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut task::Context<'_>,
    ) -> Poll<Option<Result<Frame<Self::Data>, Self::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
