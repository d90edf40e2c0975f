//! The accept loop that the servers of this crate share.

use std::{error::Error, net::SocketAddr};

use anyhow::Context;
use http::{Request, Response};
use http_body::Body;
use hyper::{body::Incoming, server::conn::http1, service::Service};
use hyper_util::rt::TokioIo;
use tokio::{net::TcpListener, task::JoinSet};
use tokio_util::task::AbortOnDropHandle;

/// Binds an ephemeral port of the loopback interface.
pub(crate) async fn bind_loopback() -> anyhow::Result<(TcpListener, SocketAddr)> {
    let listener = TcpListener::bind(("127.0.0.1", 0))
        .await
        .context("no loopback port is free")?;
    let address = listener.local_addr()?;
    Ok((listener, address))
}

/// A server in a task of its own, which ends with this value.
#[derive(Debug)]
pub(crate) struct Running {
    _task: AbortOnDropHandle<()>,
}

impl Running {
    /// Spawns `server`; an error it ends with is lost, and shows as a refused connection.
    pub(crate) fn spawn(server: impl Future<Output = anyhow::Result<()>> + Send + 'static) -> Self {
        let task = tokio::spawn(async move {
            let _ = server.await;
        });
        Self {
            _task: AbortOnDropHandle::new(task),
        }
    }
}

/// Serves HTTP/1.1 on `listener` until the returned future is dropped, and with it every connection.
pub(crate) async fn serve_http<S, B>(listener: TcpListener, service: S) -> anyhow::Result<()>
where
    S: Service<Request<Incoming>, Response = Response<B>> + Clone + Send + 'static,
    S::Future: Send,
    S::Error: Into<Box<dyn Error + Send + Sync>>,
    B: Body + Send + 'static,
    B::Data: Send,
    B::Error: Into<Box<dyn Error + Send + Sync>>,
{
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted.context("the listener broke")?,
            Some(_) = connections.join_next() => continue,
        };
        stream.set_nodelay(true)?;
        let service = service.clone();
        connections.spawn(async move {
            // A connection that breaks is the client's affair; the test that minds sees it on its side.
            let _ = http1::Builder::new()
                .preserve_header_case(true)
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}
