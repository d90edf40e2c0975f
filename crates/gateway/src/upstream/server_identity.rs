//! Whether a TLS server is the one that was configured: by authority and name, by its key, by its SPIFFE ID.

use std::sync::Arc;

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cardea_registry::ServerIdentity;
use rustls::{
    CertificateError, DigitallySignedStruct, Error, OtherError, RootCertStore, SignatureScheme,
    client::{
        WebPkiServerVerifier,
        danger::{HandshakeSignatureValid, ServerCertVerified, ServerCertVerifier},
        verify_server_cert_signed_by_trust_anchor,
    },
    crypto::CryptoProvider,
    pki_types::{CertificateDer, ServerName, UnixTime},
    server::{ParsedCertificate, VerifierBuilderError},
};
use thiserror::Error as ThisError;
use x509_parser::{
    extensions::GeneralName,
    prelude::{FromDer as _, X509Certificate},
};

/// Verifies what a server shows.
#[derive(Debug)]
pub(super) struct Verifier {
    /// Chain, time, name.
    by_name: Arc<WebPkiServerVerifier>,
    roots: Arc<RootCertStore>,
    provider: Arc<CryptoProvider>,
    identity: ServerIdentity,
}

/// The server is somebody else than was configured.
#[derive(Debug, ThisError)]
enum Stranger {
    #[error("the server's key is `sha256/{0}`, which is none of `spki_pins`")]
    Key(String),
    #[error("the server's SPIFFE ID is {found}, and not `{wanted}`")]
    Spiffe { found: String, wanted: String },
    #[error("the server's certificate cannot be read")]
    Unreadable,
}

impl Verifier {
    pub(super) fn new(
        roots: RootCertStore,
        provider: Arc<CryptoProvider>,
        identity: ServerIdentity,
    ) -> Result<Self, VerifierBuilderError> {
        let roots = Arc::new(roots);
        let by_name =
            WebPkiServerVerifier::builder_with_provider(Arc::clone(&roots), Arc::clone(&provider))
                .build()?;
        Ok(Self {
            by_name,
            roots,
            provider,
            identity,
        })
    }

    fn check_key(&self, certificate: &X509Certificate<'_>) -> Result<(), Stranger> {
        if self.identity.spki_pins.is_empty() {
            return Ok(());
        }
        let shown = digest(&SHA256, certificate.public_key().raw);
        let is_pinned = |pin: &[u8; 32]| pin.as_slice() == shown.as_ref();
        match self.identity.spki_pins.iter().any(is_pinned) {
            true => Ok(()),
            false => Err(Stranger::Key(STANDARD.encode(shown))),
        }
    }

    /// # Source
    /// SPIFFE X.509-SVID section 2: exactly one URI, which is the ID.
    fn check_spiffe(&self, certificate: &X509Certificate<'_>) -> Result<(), Stranger> {
        let Some(wanted) = &self.identity.spiffe_id else {
            return Ok(());
        };
        let names = certificate.subject_alternative_name();
        let names = names.map_err(|_| Stranger::Unreadable)?;
        let names = names.map(|names| names.value.general_names.as_slice());
        let names = names.unwrap_or_default();
        let uris = names.iter().filter_map(|name| match name {
            GeneralName::URI(uri) => Some(*uri),
            _ => None,
        });
        let uris: Vec<&str> = uris.collect();
        match uris.as_slice() {
            [only] if *only == wanted.as_str() => Ok(()),
            [] => Err(Stranger::Spiffe {
                found: "not there".to_owned(),
                wanted: wanted.clone(),
            }),
            others => Err(Stranger::Spiffe {
                found: format!("`{}`", others.join("`, `").escape_debug()),
                wanted: wanted.clone(),
            }),
        }
    }
}

impl ServerCertVerifier for Verifier {
    fn verify_server_cert(
        &self,
        end_entity: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        server_name: &ServerName<'_>,
        ocsp_response: &[u8],
        now: UnixTime,
    ) -> Result<ServerCertVerified, Error> {
        if self.identity.spiffe_id.is_none() {
            self.by_name.verify_server_cert(
                end_entity,
                intermediates,
                server_name,
                ocsp_response,
                now,
            )?;
        } else {
            // Its name is the ID; hosts come and go.
            verify_server_cert_signed_by_trust_anchor(
                &ParsedCertificate::try_from(end_entity)?,
                &self.roots,
                intermediates,
                now,
                self.provider.signature_verification_algorithms.all,
            )?;
        }
        let (_, certificate) =
            X509Certificate::from_der(end_entity).map_err(|_| stranger(Stranger::Unreadable))?;
        self.check_key(&certificate).map_err(stranger)?;
        self.check_spiffe(&certificate).map_err(stranger)?;
        Ok(ServerCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_name.verify_tls12_signature(message, cert, dss)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        cert: &CertificateDer<'_>,
        dss: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.by_name.verify_tls13_signature(message, cert, dss)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.by_name.supported_verify_schemes()
    }
}

fn stranger(error: Stranger) -> Error {
    Error::InvalidCertificate(CertificateError::Other(OtherError(Arc::new(error))))
}
