//! Connections that stay open over several requests, in plain text or in TLS, with a certificate or without.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Bytes,
    client::conn::http1::{self, SendRequest},
};
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::TcpStream,
};
use tokio_rustls::TlsConnector;
use tokio_util::task::AbortOnDropHandle;

use crate::{
    certificates::{Authority, Leaf},
    http_client::{Answer, Ask},
    wait::bounded,
};

/// Whom a client trusts, and what it shows.
#[derive(Debug, Clone)]
pub struct TlsClient(Arc<ClientConfig>);

impl TlsClient {
    /// A client that trusts this authority; with a certificate where there is one.
    ///
    /// # Panics
    /// When the authority's or the client's certificate is not one.
    #[must_use]
    pub fn new(trusted: &Authority, own: Option<&Leaf>) -> Self {
        let mut roots = RootCertStore::empty();
        let root = CertificateDer::from_pem_slice(trusted.pem().as_bytes()).expect("PEM");
        roots.add(root).expect("an authority");
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let builder = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .expect("versions")
            .with_root_certificates(roots);
        let config = match own {
            None => builder.with_no_client_auth(),
            Some(leaf) => {
                let chain = CertificateDer::pem_slice_iter(leaf.certificate.as_bytes());
                let chain = chain.collect::<Result<_, _>>().expect("PEM");
                let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes()).expect("PEM");
                builder.with_client_auth_cert(chain, key).expect("a key")
            }
        };
        Self(Arc::new(config))
    }

    /// Connects to a server on loopback.
    ///
    /// # Errors
    /// When the connection or the handshake fails. A server that minds the client's certificate may only say so
    /// when the first request is sent.
    pub async fn connect(&self, address: SocketAddr) -> anyhow::Result<Connection> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        let name = ServerName::from(address.ip());
        let connector = TlsConnector::from(Arc::clone(&self.0));
        let stream = bounded("a handshake", connector.connect(name, stream)).await?;
        let certificate = stream.get_ref().1.peer_certificates();
        let server = certificate.and_then(|chain| Some(chain.first()?.to_vec()));
        Connection::over(stream, address, server).await
    }

    /// Sends one request over a connection of its own.
    ///
    /// # Errors
    /// When the connection is refused or breaks.
    pub async fn send(&self, address: SocketAddr, ask: Ask) -> anyhow::Result<Answer> {
        self.connect(address).await?.send(ask).await
    }
}

/// An open connection.
#[derive(Debug)]
pub struct Connection {
    sender: SendRequest<Full<Bytes>>,
    address: SocketAddr,
    server: Option<Vec<u8>>,
    _driver: AbortOnDropHandle<()>,
}

impl Connection {
    /// Connects in plain text.
    ///
    /// # Errors
    /// When the connection is refused.
    pub async fn plain(address: SocketAddr) -> anyhow::Result<Self> {
        let stream = TcpStream::connect(address).await?;
        stream.set_nodelay(true)?;
        Self::over(stream, address, None).await
    }

    async fn over<S>(
        stream: S,
        address: SocketAddr,
        server: Option<Vec<u8>>,
    ) -> anyhow::Result<Self>
    where
        S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    {
        let (sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
        let driver = tokio::spawn(async move {
            // What breaks it shows in the answer.
            let _ = connection.await;
        });
        Ok(Self {
            sender,
            address,
            server,
            _driver: AbortOnDropHandle::new(driver),
        })
    }

    /// The server's certificate, in DER.
    #[must_use]
    pub fn server_certificate(&self) -> Option<&[u8]> {
        self.server.as_deref()
    }

    /// Sends a request and waits for the whole answer.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn send(&mut self, ask: Ask) -> anyhow::Result<Answer> {
        let request = ask.request(self.address)?;
        let exchange = async {
            self.sender.ready().await?;
            let (head, body) = self.sender.send_request(request).await?.into_parts();
            let body = body.collect().await.context("the body broke off")?;
            Ok(Answer {
                status: head.status.as_u16(),
                headers: head.headers,
                body: body.to_bytes(),
            })
        };
        bounded("an answer", exchange).await
    }
}
