//! The one way out: bounded requests over our HTTP and TLS, without redirects.

use std::{path::Path, sync::Arc, time::Duration};

use ::http::{HeaderMap, HeaderValue, Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use http_body_util::{BodyExt as _, Full, Limited};
use hyper::body::Incoming;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use url::Url;

use crate::ConnectError;

/// An HTTP client for one launch; clones share its connections.
#[derive(Debug, Clone)]
pub(crate) struct Http(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// Metadata, tokens and errors are a few kilobytes.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// Somebody waits in front of a browser or a host for each of these.
const DOCUMENT_TIMEOUT: Duration = Duration::from_secs(15);

/// Past this a host shows its own error.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// Finds a peer that vanished while a stream was silent.
const KEEPALIVE: Duration = Duration::from_secs(30);

/// One window of a host makes a handful of calls at a time.
const IDLE_PER_HOST_MAX: usize = 4;

/// Below what servers keep idle connections for (Node: 5 s): a request must not meet a connection
/// that is being closed, since it could not be told apart from one that was served.
const IDLE_MAX: Duration = Duration::from_secs(4);

const USER_AGENT: &str = concat!("cardea/", env!("CARGO_PKG_VERSION"));

impl Http {
    /// A client that trusts the public web's authorities and those of `ca_file`.
    ///
    /// # Errors
    /// [`ConnectError::File`] when the file holds no usable certificate.
    pub(crate) fn new(ca_file: Option<&Path>) -> Result<Self, ConnectError> {
        let mut roots = RootCertStore::empty();
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
        if let Some(path) = ca_file {
            let failed = |reason: String| ConnectError::File {
                path: path.to_owned(),
                reason,
            };
            let certificates =
                CertificateDer::pem_file_iter(path).map_err(|e| failed(e.to_string()))?;
            for certificate in certificates {
                let certificate = certificate.map_err(|e| failed(e.to_string()))?;
                roots.add(certificate).map_err(|e| failed(e.to_string()))?;
            }
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let tls = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .map_err(|_| ConnectError::Crypto("no TLS version can be used"))?
            .with_root_certificates(roots)
            .with_no_client_auth();
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false);
        tcp.set_nodelay(true);
        tcp.set_connect_timeout(Some(CONNECT_TIMEOUT));
        tcp.set_keepalive(Some(KEEPALIVE));
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .wrap_connector(tcp);
        Ok(Self(
            Client::builder(TokioExecutor::new())
                .pool_timer(TokioTimer::new())
                .pool_idle_timeout(IDLE_MAX)
                .pool_max_idle_per_host(IDLE_PER_HOST_MAX)
                .build(connector),
        ))
    }

    /// The document at `url`, whatever the status.
    pub(crate) async fn document(&self, url: &Url) -> Result<(StatusCode, Bytes), ConnectError> {
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let answer = self.whole(Method::GET, url, headers, Bytes::new()).await?;
        Ok((answer.status(), answer.into_body()))
    }

    /// Sends a request whose answer is small, and reads it whole.
    pub(crate) async fn whole(
        &self,
        method: Method,
        url: &Url,
        headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Bytes>, ConnectError> {
        let exchange = async {
            let answer = self.open(method, url, headers, body).await?;
            let (head, body) = answer.into_parts();
            let body = read(body, DOCUMENT_BYTES_MAX)
                .await
                .map_err(|reason| unreachable(url, reason))?;
            Ok(Response::from_parts(head, body))
        };
        tokio::time::timeout(DOCUMENT_TIMEOUT, exchange)
            .await
            .unwrap_or_else(|_| {
                let within = DOCUMENT_TIMEOUT.as_secs();
                Err(unreachable(url, format!("nothing within {within} s")))
            })
    }

    /// Sends a request; the body of the answer is still to be read.
    pub(crate) async fn open(
        &self,
        method: Method,
        url: &Url,
        mut headers: HeaderMap,
        body: Bytes,
    ) -> Result<Response<Incoming>, ConnectError> {
        headers.insert(header::USER_AGENT, HeaderValue::from_static(USER_AGENT));
        let mut request = Request::builder()
            .method(method)
            .uri(url.as_str())
            .body(Full::new(body))
            .map_err(|e| unreachable(url, e.to_string()))?;
        *request.headers_mut() = headers;
        self.0
            .request(request)
            .await
            .map_err(|e| unreachable(url, with_sources(&e)))
    }
}

/// The rest of a body, if it is not over `bytes_max`.
pub(crate) async fn read(body: Incoming, bytes_max: usize) -> Result<Bytes, String> {
    Limited::new(body, bytes_max)
        .collect()
        .await
        .map(http_body_util::Collected::to_bytes)
        .map_err(|e| e.to_string())
}

fn unreachable(url: &Url, reason: String) -> ConnectError {
    let mut shown = url.clone();
    // A query may hold a code.
    shown.set_query(None);
    ConnectError::Transport {
        url: shown.into(),
        reason,
    }
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}
