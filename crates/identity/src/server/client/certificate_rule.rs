//! Which certificates are a client's (RFC 8705 section 2.1).
//!
//! The chain is checked here, whoever made the handshake: a proxy that passes certificates on may
//! have let any in, and the gateway's own listener trusts authorities of other clients too.

use std::{sync::Arc, time::Duration};

use rustls::{
    RootCertStore,
    pki_types::{CertificateDer, UnixTime, pem::PemObject as _},
    server::{WebPkiClientVerifier, danger::ClientCertVerifier},
};

use crate::{ClientCertificate, certificate::svid_trust_domain};

/// What a URI begins with that names a workload (SPIFFE-ID section 2).
const SPIFFE: &str = "spiffe://";

/// The one alternative name by which a certificate is a client's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateName {
    /// `tls_client_auth_san_dns`.
    Dns(String),
    /// `tls_client_auth_san_uri`, such as a SPIFFE ID.
    Uri(String),
}

/// Authorities, and the name that they must have signed.
#[derive(Debug)]
pub(in crate::server) struct CertificateRule {
    verifier: Arc<dyn ClientCertVerifier>,
    name: CertificateName,
}

impl CertificateRule {
    /// A rule by the authorities of a PEM text.
    ///
    /// # Errors
    /// The reason when there is no usable authority in it.
    pub(super) fn new(authorities: &str, name: CertificateName) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authorities.as_bytes()) {
            let certificate = certificate.map_err(|e| e.to_string())?;
            roots.add(certificate).map_err(|e| e.to_string())?;
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), provider)
            .build()
            .map_err(|e| e.to_string())?;
        Ok(Self { verifier, name })
    }

    /// Whether a certificate, whose holder was shown to have its key, is the client's now.
    pub(super) fn check(&self, shown: &ClientCertificate, now_s: u64) -> Result<(), &'static str> {
        let der = CertificateDer::from(shown.der());
        let now = UnixTime::since_unix_epoch(Duration::from_secs(now_s));
        self.verifier
            .verify_client_cert(&der, &[], now)
            .map_err(|_| "the certificate is not by the client's authority")?;
        let is_its = match &self.name {
            CertificateName::Dns(name) => shown
                .dns_names()
                .iter()
                .any(|known| known.eq_ignore_ascii_case(name)),
            // An SVID has one URI and is no authority, whoever made the handshake.
            CertificateName::Uri(uri) if uri.starts_with(SPIFFE) => {
                shown.uris() == [uri.clone()] && svid_trust_domain(shown.der()).is_ok()
            }
            CertificateName::Uri(uri) => shown.uris().contains(uri),
        };
        match is_its {
            true => Ok(()),
            false => Err("the certificate does not name the client"),
        }
    }
}
