//! TLS in front of a plain server: it shows a certificate, may ask for one, and passes bytes on.

use std::{net::SocketAddr, sync::Arc};

use anyhow::Context;
use rustls::{RootCertStore, ServerConfig, server::WebPkiClientVerifier};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject};
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    task::JoinSet,
};
use tokio_rustls::TlsAcceptor;

use crate::{
    certificates::{Authority, Leaf},
    listen::{Running, bind_loopback},
};

/// A front at work; it stops when this value is dropped.
#[derive(Debug)]
pub struct TlsFront {
    port: u16,
    _running: Running,
}

impl TlsFront {
    /// Starts on a loopback port with this certificate; with `clients`, nobody gets in without one of theirs.
    ///
    /// # Errors
    /// When no port is free, or the certificate cannot be used.
    pub async fn start(
        leaf: &Leaf,
        clients: Option<&Authority>,
        to: SocketAddr,
    ) -> anyhow::Result<Self> {
        let (listener, address) = bind_loopback().await?;
        let acceptor = acceptor(leaf, clients)?;
        Ok(Self {
            port: address.port(),
            _running: Running::spawn(serve(listener, acceptor, to)),
        })
    }

    /// The address of a path behind it, by the name `localhost`.
    #[must_use]
    pub fn url(&self, path: &str) -> String {
        format!("https://localhost:{}{path}", self.port)
    }
}

async fn serve(listener: TcpListener, acceptor: TlsAcceptor, to: SocketAddr) -> anyhow::Result<()> {
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = listener.accept().await?;
        let acceptor = acceptor.clone();
        connections.spawn(async move {
            // A handshake that fails is what some tests are about.
            let Ok(mut outer) = acceptor.accept(stream).await else {
                return;
            };
            if let Ok(mut inner) = TcpStream::connect(to).await {
                let _ = copy_bidirectional(&mut outer, &mut inner).await;
            }
        });
    }
}

fn acceptor(leaf: &Leaf, clients: Option<&Authority>) -> anyhow::Result<TlsAcceptor> {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let builder = ServerConfig::builder_with_provider(Arc::clone(&provider))
        .with_safe_default_protocol_versions()?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authority) => {
            let mut roots = RootCertStore::empty();
            roots.add(CertificateDer::from_pem_slice(authority.pem().as_bytes())?)?;
            let verifier =
                WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider).build()?;
            builder.with_client_cert_verifier(verifier)
        }
    };
    let chain = vec![CertificateDer::from_pem_slice(leaf.certificate.as_bytes())?];
    let key = PrivateKeyDer::from_pem_slice(leaf.key.as_bytes())?;
    let config = builder
        .with_single_cert(chain, key)
        .context("the certificate")?;
    Ok(TlsAcceptor::from(Arc::new(config)))
}
