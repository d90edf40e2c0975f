//! TLS at the public address, and whose certificates clients may come with.
//!
//! A [`Tls`] is made from files at once and never changes; a reload makes a new one for the
//! connections that come after it. Files that do not fit together make none, and the old one stays.

mod clients;

use std::{
    collections::BTreeMap,
    path::{Path, PathBuf},
    sync::Arc,
    time::Duration,
};

use cardea_domain::Clock;
use cardea_identity::ClientCertificate;
use rustls::{
    RootCertStore, ServerConfig, server::NoServerSessionStorage, time_provider::TimeProvider,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, UnixTime, pem::PemObject as _};
use thiserror::Error;
use tokio::{io, net::TcpStream};
use tokio_rustls::{TlsAcceptor, server::TlsStream};

/// What TLS is made from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TlsFiles {
    /// The gateway's certificate and those between it and a root, in PEM.
    pub certificate: PathBuf,
    /// Its private key, in PEM.
    pub key: PathBuf,
    /// Who stands for clients; `None` asks for no certificate.
    pub clients: Option<ClientAuthorities>,
}

/// Who stands for clients.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientAuthorities {
    /// Certificate authorities, in PEM.
    pub ca_file: Option<PathBuf>,
    /// SPIFFE trust domains and their bundles, in PEM.
    pub spiffe: BTreeMap<String, PathBuf>,
    /// Whether a client must have a certificate.
    pub required: bool,
}

/// TLS as it is offered to new connections.
pub struct Tls(TlsAcceptor);

/// A file cannot be used for TLS.
#[derive(Debug, Error)]
#[error("cannot use {path}: {reason}")]
pub struct TlsError {
    path: String,
    reason: String,
}

/// A handshake takes two round trips and some milliseconds; whoever takes longer only holds a
/// connection.
pub(crate) const HANDSHAKE_TIMEOUT: Duration = Duration::from_secs(10);

impl Tls {
    /// Reads the files and checks that they fit together.
    ///
    /// # Errors
    /// [`TlsError`] names the file and what is wrong with it.
    pub fn load(files: &TlsFiles, clock: &Clock) -> Result<Self, TlsError> {
        let chain = certificates(&files.certificate)?;
        let key = PrivateKeyDer::from_pem_file(&files.key).map_err(failed(&files.key))?;
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let time: Arc<dyn TimeProvider> = Arc::new(Now(clock.clone()));
        let builder = ServerConfig::builder_with_details(Arc::clone(&provider), time)
            .with_safe_default_protocol_versions()
            .map_err(failed(&files.certificate))?;
        let builder = match &files.clients {
            None => builder.with_no_client_auth(),
            Some(clients) => {
                builder.with_client_cert_verifier(clients::verifier(clients, &provider)?)
            }
        };
        let mut config = builder
            .with_single_cert(chain, key)
            .map_err(failed(&files.key))?;
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        if files.clients.is_some() {
            // A resumed session would not look at the client's certificate again.
            config.session_storage = Arc::new(NoServerSessionStorage {});
            config.send_tls13_tickets = 0;
        }
        Ok(Self(TlsAcceptor::from(Arc::new(config))))
    }

    /// The handshake of a new connection, within [`HANDSHAKE_TIMEOUT`].
    pub(crate) async fn accept(
        &self,
        stream: TcpStream,
    ) -> io::Result<(TlsStream<TcpStream>, Option<Arc<ClientCertificate>>)> {
        let handshake = self.0.accept(stream);
        let stream = tokio::time::timeout(HANDSHAKE_TIMEOUT, handshake)
            .await
            .map_err(|_| {
                io::Error::new(io::ErrorKind::TimedOut, "the handshake takes too long")
            })??;
        let chain = stream.get_ref().1.peer_certificates();
        let certificate = match chain.and_then(<[_]>::first) {
            Some(leaf) => Some(ClientCertificate::from_der(leaf).map_err(io::Error::other)?),
            None => None,
        };
        Ok((stream, certificate.map(Arc::new)))
    }
}

impl std::fmt::Debug for Tls {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Tls").finish_non_exhaustive()
    }
}

/// The gateway's clock, for the validity of certificates.
#[derive(Debug)]
struct Now(Clock);

impl TimeProvider for Now {
    fn current_time(&self) -> Option<UnixTime> {
        Some(UnixTime::since_unix_epoch(Duration::from_secs(
            self.0.unix_s(),
        )))
    }
}

/// The authorities in a PEM file, at least one.
fn roots(path: &Path) -> Result<RootCertStore, TlsError> {
    let mut roots = RootCertStore::empty();
    for certificate in certificates(path)? {
        roots.add(certificate).map_err(failed(path))?;
    }
    Ok(roots)
}

/// The certificates in a PEM file, at least one.
fn certificates(path: &Path) -> Result<Vec<CertificateDer<'static>>, TlsError> {
    let found: Vec<_> = CertificateDer::pem_file_iter(path)
        .map_err(failed(path))?
        .collect::<Result<_, _>>()
        .map_err(failed(path))?;
    if found.is_empty() {
        return Err(failed(path)("it holds no certificate in PEM"));
    }
    Ok(found)
}

fn failed<E: std::fmt::Display>(path: &Path) -> impl FnOnce(E) -> TlsError {
    let path = path.display().to_string();
    move |reason| TlsError {
        path,
        reason: reason.to_string(),
    }
}
