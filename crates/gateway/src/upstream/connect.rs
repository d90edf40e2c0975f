//! Dialling an HTTP upstream: TCP, and TLS where the URL asks for it.

use std::{io, path::Path, sync::Arc, time::Duration};

use bytes::Bytes;
use cardea_registry::HttpServer;
use http_body_util::Full;
use hyper::client::conn::http1::{self, SendRequest};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;

use super::{UpstreamError, server_identity::Verifier};

/// Where an upstream is and how to get there.
pub(super) struct Dialer {
    host: String,
    port: u16,
    tls: Option<(TlsConnector, ServerName<'static>)>,
    timeout: Duration,
}

/// One answer's head; a server that sends more is broken or hostile.
const HEAD_BYTES_MAX: usize = 64 * 1024;

impl Dialer {
    pub(super) fn new(server: &HttpServer, timeout: Duration) -> Result<Self, UpstreamError> {
        let url = &server.url;
        let wrong = || UpstreamError::Url(url.to_string());
        let host = url.host_str().ok_or_else(wrong)?;
        let port = url.port_or_known_default().ok_or_else(wrong)?;
        // An IPv6 literal has brackets in a URL and none in a socket address.
        let host = host
            .trim_start_matches('[')
            .trim_end_matches(']')
            .to_owned();
        let tls = match url.scheme() {
            "https" => {
                let name = ServerName::try_from(host.clone()).map_err(|_| wrong())?;
                Some((TlsConnector::from(Arc::new(tls_config(server)?)), name))
            }
            "http" => None,
            _ => return Err(wrong()),
        };
        Ok(Self {
            host,
            port,
            tls,
            timeout,
        })
    }

    /// A new connection, driven by the current runtime until either side closes it.
    pub(super) async fn dial(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        tokio::time::timeout(self.timeout, self.dial_unbounded())
            .await
            .unwrap_or_else(|_| {
                let within = self.timeout.as_millis();
                Err(io::Error::new(
                    io::ErrorKind::TimedOut,
                    format!("no connection within {within} ms"),
                ))
            })
    }

    async fn dial_unbounded(&self) -> io::Result<SendRequest<Full<Bytes>>> {
        let stream = TcpStream::connect((self.host.as_str(), self.port)).await?;
        stream.set_nodelay(true)?;
        let mut builder = http1::Builder::new();
        builder.max_buf_size(HEAD_BYTES_MAX.max(8192));
        match &self.tls {
            None => {
                let (sender, connection) = builder
                    .handshake(TokioIo::new(stream))
                    .await
                    .map_err(io::Error::other)?;
                tokio::spawn(connection);
                Ok(sender)
            }
            Some((connector, name)) => {
                let stream = connector.connect(name.clone(), stream).await?;
                let (sender, connection) = builder
                    .handshake(TokioIo::new(stream))
                    .await
                    .map_err(io::Error::other)?;
                tokio::spawn(connection);
                Ok(sender)
            }
        }
    }
}

fn tls_config(server: &HttpServer) -> Result<ClientConfig, UpstreamError> {
    let mut roots = RootCertStore::empty();
    // A trust domain has its own authorities, and a public one speaks for none.
    if server.identity.spiffe_id.is_none() {
        roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned());
    }
    let failed = |reason: String| UpstreamError::Ca {
        path: server
            .ca_file
            .as_ref()
            .map(|p| p.display().to_string())
            .unwrap_or_default(),
        reason,
    };
    if let Some(path) = &server.ca_file {
        let certificates =
            CertificateDer::pem_file_iter(path).map_err(|e| failed(e.to_string()))?;
        for certificate in certificates {
            let certificate = certificate.map_err(|e| failed(e.to_string()))?;
            roots.add(certificate).map_err(|e| failed(e.to_string()))?;
        }
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let identity = server.identity.clone();
    let verifier =
        Verifier::new(roots, Arc::clone(&provider), identity).map_err(|e| failed(e.to_string()))?;
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .map_err(|e| failed(e.to_string()))?
        .dangerous()
        // It asks what the default one asks, and more.
        .with_custom_certificate_verifier(Arc::new(verifier));
    let Some((certificate, key)) = &server.client_certificate else {
        return Ok(config.with_no_client_auth());
    };
    let cannot = |path: &Path, reason: String| UpstreamError::ClientCertificate {
        path: path.display().to_string(),
        reason,
    };
    let chain = CertificateDer::pem_file_iter(certificate)
        .and_then(|chain| chain.collect::<Result<Vec<_>, _>>())
        .map_err(|e| cannot(certificate, e.to_string()))?;
    let private = PrivateKeyDer::from_pem_file(key).map_err(|e| cannot(key, e.to_string()))?;
    config
        .with_client_auth_cert(chain, private)
        .map_err(|e| cannot(certificate, e.to_string()))
}

impl std::fmt::Debug for Dialer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dialer")
            .field("host", &self.host)
            .field("port", &self.port)
            .field("tls", &self.tls.is_some())
            .finish()
    }
}
