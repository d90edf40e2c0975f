//! Which certificates of clients are accepted in a handshake.
//!
//! A certificate that claims a SPIFFE ID is judged by the bundle of its trust domain alone, so that
//! the authority of one domain cannot make workloads of another. All others are judged by the
//! configured authorities.

use std::{collections::HashMap, sync::Arc};

use cardea_identity::{CertificateError, SvidError, claims_spiffe, svid_trust_domain};
use rustls::{
    CertificateError as TlsCertificateError, DigitallySignedStruct, DistinguishedName, Error,
    OtherError, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    crypto::{CryptoProvider, verify_tls12_signature, verify_tls13_signature},
    server::{
        WebPkiClientVerifier,
        danger::{ClientCertVerified, ClientCertVerifier},
    },
};
use rustls_pki_types::{CertificateDer, UnixTime};

use super::{ClientAuthorities, TlsError, failed, roots};

/// Judges a client's chain by whoever stands for it.
#[derive(Debug)]
struct Clients {
    authority: Option<Arc<dyn ClientCertVerifier>>,
    domains: HashMap<String, Arc<dyn ClientCertVerifier>>,
    hints: Vec<DistinguishedName>,
    required: bool,
    provider: Arc<CryptoProvider>,
}

/// A verifier by these authorities.
pub(super) fn verifier(
    clients: &ClientAuthorities,
    provider: &Arc<CryptoProvider>,
) -> Result<Arc<dyn ClientCertVerifier>, TlsError> {
    let chain_verifier = |path: &std::path::PathBuf| {
        let roots = Arc::new(roots(path)?);
        WebPkiClientVerifier::builder_with_provider(roots, Arc::clone(provider))
            .build()
            .map_err(failed(path))
    };
    let authority = clients.ca_file.as_ref().map(chain_verifier).transpose()?;
    let mut domains = HashMap::new();
    for (domain, bundle) in &clients.spiffe {
        domains.insert(domain.clone(), chain_verifier(bundle)?);
    }
    let verifiers = authority.iter().chain(domains.values());
    let hints = verifiers.flat_map(|v| v.root_hint_subjects().to_vec());
    Ok(Arc::new(Clients {
        hints: hints.collect(),
        authority,
        domains,
        required: clients.required,
        provider: Arc::clone(provider),
    }))
}

impl Clients {
    /// Whoever stands for this certificate.
    fn judge(&self, leaf: &CertificateDer<'_>) -> Result<&Arc<dyn ClientCertVerifier>, Error> {
        let is_spiffe = claims_spiffe(leaf).map_err(unreadable)?;
        let judge = if is_spiffe && !self.domains.is_empty() {
            self.domains.get(&svid_trust_domain(leaf).map_err(no_svid)?)
        } else {
            self.authority.as_ref()
        };
        judge.ok_or(Error::InvalidCertificate(
            TlsCertificateError::UnknownIssuer,
        ))
    }
}

impl ClientCertVerifier for Clients {
    fn client_auth_mandatory(&self) -> bool {
        self.required
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        &self.hints
    }

    fn verify_client_cert(
        &self,
        leaf: &CertificateDer<'_>,
        intermediates: &[CertificateDer<'_>],
        now: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        self.judge(leaf)?
            .verify_client_cert(leaf, intermediates, now)
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls12_signature(message, leaf, signature, algorithms)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        leaf: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        let algorithms = &self.provider.signature_verification_algorithms;
        verify_tls13_signature(message, leaf, signature, algorithms)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.provider
            .signature_verification_algorithms
            .supported_schemes()
    }
}

fn unreadable(_: CertificateError) -> Error {
    Error::InvalidCertificate(TlsCertificateError::BadEncoding)
}

fn no_svid(error: SvidError) -> Error {
    let error = OtherError(Arc::new(error));
    Error::InvalidCertificate(TlsCertificateError::Other(error))
}
