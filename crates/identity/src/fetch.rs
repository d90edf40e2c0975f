//! Small, bounded fetches of an issuer's documents.

use std::{path::Path, time::Duration};

use bytes::Bytes;
use http::{Request, Uri, header};
use http_body_util::{BodyExt, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, pem::PemObject},
};
use thiserror::Error;

/// Fetches documents: no redirects, bounded in time and size.
#[derive(Debug, Clone)]
pub struct Fetcher(Client<HttpsConnector<HttpConnector>, Full<Bytes>>);

/// A document could not be had.
#[derive(Debug, Error)]
pub enum FetchError {
    /// The address is not a URL.
    #[error("`{0}` is not a URL")]
    Url(String),
    /// The server did not answer in time.
    #[error("no answer from {0} within 5 s")]
    Timeout(String),
    /// The connection or the answer failed.
    #[error("cannot fetch {url}: {reason}")]
    Failed {
        /// The address.
        url: String,
        /// Why, in the transport's words.
        reason: String,
    },
    /// A CA file could not be used.
    #[error("cannot use the CA file {path}: {reason}")]
    Ca {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

/// Documents of issuers are a few kilobytes; a key set of hundreds of keys still fits.
const DOCUMENT_BYTES_MAX: usize = 256 * 1024;

/// A person waits for the first call of a new process at most this long for keys.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// Below what servers keep idle connections for (Node: 5 s): a code that is redeemed on a connection that is being closed
/// is a login that failed.
const IDLE_MAX: Duration = Duration::from_secs(4);

impl Fetcher {
    /// A fetcher that trusts the public web's authorities and those of `ca_file`.
    ///
    /// # Errors
    /// [`FetchError::Ca`] when the file holds no usable certificate.
    pub fn new(ca_file: Option<&Path>) -> Result<Self, FetchError> {
        let tls = tls(ca_file)?;
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .build(connector);
        Ok(Self(client))
    }

    /// The document at `url`, and how long it may be kept (`Cache-Control: max-age`).
    ///
    /// # Errors
    /// [`FetchError`]; any status but 200 is a failure, redirects included.
    pub async fn get(&self, url: &str) -> Result<(Bytes, Option<Duration>), FetchError> {
        let uri: Uri = url.parse().map_err(|_| FetchError::Url(url.into()))?;
        tokio::time::timeout(FETCH_TIMEOUT, self.get_unbounded(uri, url))
            .await
            .map_err(|_| FetchError::Timeout(url.into()))?
    }

    async fn get_unbounded(
        &self,
        uri: Uri,
        url: &str,
    ) -> Result<(Bytes, Option<Duration>), FetchError> {
        let failed = |reason: String| FetchError::Failed {
            url: url.into(),
            reason,
        };
        let request = Request::get(uri)
            .header(header::ACCEPT, "application/json")
            .body(Full::default())
            .map_err(|e| failed(e.to_string()))?;
        self.exchange(request, url).await
    }

    /// Posts a form and gives the answer's body.
    ///
    /// # Errors
    /// [`FetchError`]; any status but 200 is a failure, redirects included.
    pub(crate) async fn post_form(
        &self,
        url: &str,
        form: String,
        authorization: Option<&str>,
    ) -> Result<Bytes, FetchError> {
        let uri: Uri = url.parse().map_err(|_| FetchError::Url(url.into()))?;
        let mut request = Request::post(uri)
            .header(header::ACCEPT, "application/json")
            .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
        if let Some(authorization) = authorization {
            request = request.header(header::AUTHORIZATION, authorization);
        }
        let request = request
            .body(Full::from(form))
            .map_err(|e| FetchError::Failed {
                url: url.into(),
                reason: e.to_string(),
            })?;
        tokio::time::timeout(FETCH_TIMEOUT, self.exchange(request, url))
            .await
            .map_err(|_| FetchError::Timeout(url.into()))?
            .map(|(bytes, _)| bytes)
    }

    async fn exchange(
        &self,
        request: Request<Full<Bytes>>,
        url: &str,
    ) -> Result<(Bytes, Option<Duration>), FetchError> {
        let failed = |reason: String| FetchError::Failed {
            url: url.into(),
            reason,
        };
        let answer = self
            .0
            .request(request)
            .await
            .map_err(|e| failed(with_sources(&e)))?;
        if answer.status() != http::StatusCode::OK {
            return Err(failed(format!("status {}", answer.status())));
        }
        let keep = answer
            .headers()
            .get(header::CACHE_CONTROL)
            .and_then(|v| v.to_str().ok())
            .and_then(max_age);
        let body = Limited::new(answer.into_body(), DOCUMENT_BYTES_MAX)
            .collect()
            .await
            .map_err(|e| failed(e.to_string()))?;
        Ok((body.to_bytes(), keep))
    }
}

/// TLS to servers that the public web's authorities and those of `ca_file` vouch for.
///
/// # Errors
/// [`FetchError::Ca`] when the file holds no usable certificate.
pub fn tls(ca_file: Option<&Path>) -> Result<ClientConfig, FetchError> {
    let mut roots = RootCertStore::empty();
    roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    if let Some(path) = ca_file {
        let failed = |reason: String| FetchError::Ca {
            path: path.display().to_string(),
            reason,
        };
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|e| failed(e.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|e| failed(e.to_string()))?;
            roots.add(certificate).map_err(|e| failed(e.to_string()))?;
        }
    }
    let provider = std::sync::Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| FetchError::Ca {
            path: String::new(),
            reason: e.to_string(),
        })?;
    Ok(builder.with_root_certificates(roots).with_no_client_auth())
}

pub(crate) fn max_age(value: &str) -> Option<Duration> {
    value
        .split(',')
        .find_map(|part| part.trim().strip_prefix("max-age="))
        .and_then(|seconds| seconds.parse().ok())
        .map(Duration::from_secs)
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
