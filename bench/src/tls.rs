//! TLS of the load generator: one trusted authority, one client certificate.

use std::{path::Path, sync::Arc};

use anyhow::{Context, Result};
use rustls::{ClientConfig, RootCertStore};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject};
use tokio::net::TcpStream;
use tokio_rustls::{TlsConnector, client::TlsStream};

/// How to connect with a certificate.
#[derive(Clone)]
pub struct Tls(Arc<ClientConfig>);

impl Tls {
    /// From PEM files.
    ///
    /// # Errors
    /// When a file is not what it should be.
    pub fn new(ca_file: &Path, certificate: &Path, key: &Path) -> Result<Self> {
        let mut roots = RootCertStore::empty();
        roots.add(CertificateDer::from_pem_file(ca_file).context("the authority")?)?;
        let chain = CertificateDer::pem_file_iter(certificate).context("the certificate")?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_client_auth_cert(
                chain.collect::<Result<_, _>>()?,
                PrivateKeyDer::from_pem_file(key).context("the key")?,
            )?;
        Ok(Self(Arc::new(config)))
    }

    pub(crate) async fn connect(
        &self,
        authority: &str,
        stream: TcpStream,
    ) -> Result<TlsStream<TcpStream>> {
        let host = authority
            .rsplit_once(':')
            .map_or(authority, |(host, _)| host);
        let name = ServerName::try_from(host.to_owned())?;
        let connector = TlsConnector::from(Arc::clone(&self.0));
        connector
            .connect(name, stream)
            .await
            .context("the TLS handshake")
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}
