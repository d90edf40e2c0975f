//! The listener, and the handle that owns one.

use std::{convert::Infallible, net::SocketAddr};

use anyhow::Context;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Empty};
use hyper::{body::Incoming, service::service_fn};
use rmcp::{
    ServiceExt,
    transport::{StreamableHttpServerConfig, StreamableHttpService, stdio_pipes},
};
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use super::{Shared, SuiteServer, sessions::LossySessions};
use crate::listen::{Running, bind_loopback, serve_http};

/// The path of the endpoint.
const ENDPOINT: &str = "/mcp";

/// A conformance upstream on a port of its own, which stops when this value is dropped.
#[derive(Debug)]
pub struct ConformanceUpstream {
    address: SocketAddr,
    _running: Running,
}

impl ConformanceUpstream {
    /// Starts the server on an ephemeral port of the loopback interface.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start() -> anyhow::Result<Self> {
        let (listener, address) = bind_loopback().await?;
        Ok(Self {
            address,
            _running: Running::spawn(serve(listener)),
        })
    }

    /// The endpoint's URL, such as `http://127.0.0.1:40123/mcp`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}{ENDPOINT}", self.address)
    }

    /// The address it listens on.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }
}

/// Serves the endpoint `/mcp` on `listener` over Streamable HTTP; dropping the future closes every session.
///
/// # Errors
/// When the listener breaks.
pub async fn serve(listener: TcpListener) -> anyhow::Result<()> {
    let shared = Shared::new();
    let sessions_end = CancellationToken::new();
    let _end_with_this_future = sessions_end.clone().drop_guard();
    let endpoint = StreamableHttpService::new(
        move || Ok(SuiteServer::new(shared.clone())),
        LossySessions::default().into(),
        StreamableHttpServerConfig::default().with_cancellation_token(sessions_end),
    );
    let service = service_fn(move |request: Request<Incoming>| {
        let endpoint = endpoint.clone();
        async move {
            if request.uri().path() == ENDPOINT {
                return Ok::<_, Infallible>(endpoint.handle(request).await);
            }
            let mut response = Response::new(Empty::new().boxed());
            *response.status_mut() = StatusCode::NOT_FOUND;
            Ok(response)
        }
    });
    serve_http(listener, service).await
}

/// Serves one client over standard input and output, until it closes them.
///
/// # Errors
/// When the client's opening is not that of an MCP client.
pub async fn serve_stdio() -> anyhow::Result<()> {
    let server = SuiteServer::new(Shared::new());
    let running = server
        .serve(stdio_pipes())
        .await
        .context("the client did not open as an MCP client does")?;
    running.waiting().await?;
    Ok(())
}
