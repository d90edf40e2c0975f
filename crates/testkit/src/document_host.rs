//! A host over TLS whose documents a test exchanges: what a gateway fetches because a stranger named it.

use std::{
    collections::HashMap,
    convert::Infallible,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use anyhow::Context;
use http::{Request, Response, header};
use http_body_util::Full;
use hyper::{
    body::{Bytes, Incoming},
    server::conn::http1,
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::ServerConfig;
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{net::TcpListener, task::JoinSet};
use tokio_rustls::TlsAcceptor;

use crate::{
    certificates::Authority,
    listen::{Running, bind_loopback},
};

/// What a path answers.
#[derive(Debug, Clone)]
pub enum Page {
    /// This document, to be kept for so many seconds.
    Document(String, Option<u64>),
    /// This status, with `Location` where there is one.
    Status(u16, Option<String>),
    /// Nothing, for as long as anybody waits.
    Silence,
}

/// A host at work; it stops when this value is dropped.
#[derive(Debug)]
pub struct DocumentHost {
    port: u16,
    shared: Arc<Shared>,
    _running: Running,
}

#[derive(Debug, Default)]
struct Shared {
    pages: Mutex<HashMap<String, Page>>,
    fetches: Mutex<Vec<String>>,
    connections: AtomicUsize,
}

impl DocumentHost {
    /// Starts on a loopback port, under the name `localhost`, with a certificate of this authority.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start(authority: &Authority) -> anyhow::Result<Self> {
        let (listener, address) = bind_loopback().await?;
        let shared = Arc::<Shared>::default();
        let acceptor = acceptor(authority)?;
        let running = Running::spawn(serve(listener, acceptor, Arc::clone(&shared)));
        Ok(Self {
            port: address.port(),
            shared,
            _running: running,
        })
    }

    /// The address of a path.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }

    /// Lets a path answer this from now on.
    pub fn put(&self, path: &str, page: Page) {
        self.shared
            .pages
            .lock()
            .unwrap()
            .insert(path.to_owned(), page);
    }

    /// How often a path was asked for.
    #[must_use]
    pub fn fetches(&self, path: &str) -> usize {
        let fetches = self.shared.fetches.lock().unwrap();
        fetches.iter().filter(|asked| *asked == path).count()
    }

    /// How many connections were opened, with or without a handshake.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::SeqCst)
    }
}

fn acceptor(authority: &Authority) -> anyhow::Result<TlsAcceptor> {
    let own = authority.server();
    let chain = CertificateDer::pem_slice_iter(own.certificate.as_bytes());
    let chain = chain.collect::<Result<_, _>>()?;
    let key = PrivateKeyDer::from_pem_slice(own.key.as_bytes())?;
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ServerConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()?
        .with_no_client_auth()
        .with_single_cert(chain, key)?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}

async fn serve(
    listener: TcpListener,
    acceptor: TlsAcceptor,
    shared: Arc<Shared>,
) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted.context("the listener broke")?,
            Some(_) = connections.join_next() => continue,
        };
        shared.connections.fetch_add(1, Ordering::SeqCst);
        let (acceptor, shared) = (acceptor.clone(), Arc::clone(&shared));
        connections.spawn(async move {
            // A client that trusts another authority breaks off; that is the client's to tell.
            let Ok(stream) = acceptor.accept(stream).await else {
                return;
            };
            let service = service_fn(move |request| {
                let shared = Arc::clone(&shared);
                async move { Ok::<_, Infallible>(shared.answer(&request).await) }
            });
            let _ = http1::Builder::new()
                .serve_connection(TokioIo::new(stream), service)
                .await;
        });
    }
}

impl Shared {
    async fn answer(&self, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path().to_owned();
        let page = self.pages.lock().unwrap().get(&path).cloned();
        self.fetches.lock().unwrap().push(path);
        let mut response = Response::new(Full::default());
        match page.unwrap_or(Page::Status(404, None)) {
            Page::Document(text, keep) => {
                *response.body_mut() = Full::from(text);
                if let Some(seconds) = keep {
                    let value = format!("max-age={seconds}")
                        .parse()
                        .expect("a header value");
                    response.headers_mut().insert(header::CACHE_CONTROL, value);
                }
            }
            Page::Status(status, location) => {
                *response.status_mut() = status.try_into().expect("a status");
                if let Some(location) = location {
                    let location = location.parse().expect("a header value");
                    response.headers_mut().insert(header::LOCATION, location);
                }
            }
            Page::Silence => std::future::pending().await,
        }
        response
    }
}
