//! Client certificates, as far as the gateway uses them.
//!
//! What is here was proven elsewhere: by a TLS handshake, or by a proxy that is trusted to have
//! made one. Chains are not checked here.

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cardea_domain::Thumbprint;
use thiserror::Error;
use x509_parser::{
    certificate::X509Certificate,
    extensions::{GeneralName, ParsedExtension},
    prelude::FromDer as _,
};

/// A client's certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificate {
    der: Vec<u8>,
    thumbprint: Thumbprint,
    starts_s: i64,
    ends_s: i64,
    uris: Vec<String>,
    dns_names: Vec<String>,
    subject: String,
}

/// A certificate cannot be used.
#[derive(Debug, Error, PartialEq, Eq)]
pub enum CertificateError {
    /// It is not a certificate in DER.
    #[error("it is not an X.509 certificate")]
    NotACertificate,
    /// A header field is not what RFC 9440 says.
    #[error("it is not one byte sequence `:…:` (RFC 9440, section 2.1)")]
    NotAByteSequence,
}

/// A certificate takes 1 to 4 KB; one with hundreds of names still fits.
pub const CERTIFICATE_BYTES_MAX: usize = 16 * 1024;

impl ClientCertificate {
    /// Reads a certificate in DER.
    ///
    /// # Errors
    /// [`CertificateError::NotACertificate`].
    pub fn from_der(der: &[u8]) -> Result<Self, CertificateError> {
        let not_one = |_| CertificateError::NotACertificate;
        if der.len() > CERTIFICATE_BYTES_MAX {
            return Err(CertificateError::NotACertificate);
        }
        let (rest, certificate) = X509Certificate::from_der(der).map_err(not_one)?;
        if !rest.is_empty() {
            return Err(CertificateError::NotACertificate);
        }
        let mut hash = [0; 32];
        hash.copy_from_slice(digest(&SHA256, der).as_ref());
        let mut uris = Vec::new();
        let mut dns_names = Vec::new();
        for name in alternative_names(&certificate)? {
            match name {
                GeneralName::URI(uri) => uris.push((*uri).to_owned()),
                GeneralName::DNSName(name) => dns_names.push((*name).to_owned()),
                _ => {}
            }
        }
        let validity = certificate.validity();
        Ok(Self {
            der: der.to_vec(),
            thumbprint: Thumbprint::new(hash),
            starts_s: validity.not_before.timestamp(),
            ends_s: validity.not_after.timestamp(),
            uris,
            dns_names,
            subject: certificate.subject().to_string(),
        })
    }

    /// Reads the value of a `Client-Cert` header field: a byte sequence of structured fields.
    ///
    /// # Errors
    /// [`CertificateError`].
    ///
    /// # Source
    /// RFC 9440 section 2.2, RFC 9651 section 3.3.5.
    pub fn from_field(value: &[u8]) -> Result<Self, CertificateError> {
        let encoded = value
            .trim_ascii()
            .strip_prefix(b":")
            .and_then(|rest| rest.strip_suffix(b":"))
            .filter(|encoded| encoded.len() <= CERTIFICATE_BYTES_MAX * 4 / 3 + 4)
            .ok_or(CertificateError::NotAByteSequence)?;
        let der = STANDARD
            .decode(encoded)
            .map_err(|_| CertificateError::NotAByteSequence)?;
        Self::from_der(&der)
    }

    /// The SHA-256 of its DER: what `cnf."x5t#S256"` names (RFC 8705, section 3.1).
    #[must_use]
    pub fn thumbprint(&self) -> Thumbprint {
        self.thumbprint
    }

    /// The whole certificate.
    pub(crate) fn der(&self) -> &[u8] {
        &self.der
    }

    /// Whether it is valid at this second. A connection may outlive its certificate.
    #[must_use]
    pub fn is_valid_at(&self, unix_s: u64) -> bool {
        i64::try_from(unix_s).is_ok_and(|now| self.starts_s <= now && now <= self.ends_s)
    }

    /// The URIs among its alternative names.
    #[must_use]
    pub fn uris(&self) -> &[String] {
        &self.uris
    }

    /// The DNS names among its alternative names.
    #[must_use]
    pub fn dns_names(&self) -> &[String] {
        &self.dns_names
    }

    /// Its subject, as `CN=agent, O=Acme`.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// All alternative names; an extension that cannot be read makes the certificate unusable.
fn alternative_names<'a>(
    certificate: &'a X509Certificate<'_>,
) -> Result<Vec<&'a GeneralName<'a>>, CertificateError> {
    let mut names = Vec::new();
    for extension in certificate.extensions() {
        match extension.parsed_extension() {
            ParsedExtension::SubjectAlternativeName(found) => {
                names.extend(found.general_names.iter());
            }
            ParsedExtension::ParseError { .. } => return Err(CertificateError::NotACertificate),
            _ => {}
        }
    }
    Ok(names)
}

/// Why a certificate is no SPIFFE identity.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Error)]
pub enum SvidError {
    /// It has no URI, several, or one that is not a SPIFFE ID.
    #[error("it must have exactly one URI, `spiffe://trust-domain/path`")]
    Id,
    /// It may sign other certificates.
    #[error("a certificate authority is no workload")]
    Authority,
    /// Its key may not sign a handshake.
    #[error("its key usage must have `digitalSignature`")]
    KeyUsage,
}

/// Whether a certificate claims to be an SVID: any URI of the scheme `spiffe`.
///
/// # Errors
/// [`CertificateError`].
pub fn claims_spiffe(der: &[u8]) -> Result<bool, CertificateError> {
    let certificate = ClientCertificate::from_der(der)?;
    let is_spiffe = |uri: &String| {
        let scheme = uri.split_once(':').map_or("", |(scheme, _)| scheme);
        scheme.eq_ignore_ascii_case("spiffe")
    };
    Ok(certificate.uris.iter().any(is_spiffe))
}

/// The trust domain of an X.509-SVID leaf. Its chain is for the caller to check, against the bundle
/// of this domain and no other.
///
/// # Errors
/// [`SvidError`].
///
/// # Source
/// X509-SVID sections 2 to 5; SPIFFE-ID section 2.
pub fn svid_trust_domain(der: &[u8]) -> Result<String, SvidError> {
    let certificate = ClientCertificate::from_der(der).map_err(|_| SvidError::Id)?;
    let [uri] = certificate.uris.as_slice() else {
        return Err(SvidError::Id);
    };
    let domain = spiffe_trust_domain(uri).ok_or(SvidError::Id)?;
    let (_, parsed) = X509Certificate::from_der(der).map_err(|_| SvidError::Id)?;
    let constraints = parsed
        .basic_constraints()
        .map_err(|_| SvidError::Authority)?;
    let usage = parsed.key_usage().map_err(|_| SvidError::KeyUsage)?;
    let usage = usage.ok_or(SvidError::KeyUsage)?.value;
    if constraints.is_some_and(|c| c.value.ca) || usage.key_cert_sign() || usage.crl_sign() {
        return Err(SvidError::Authority);
    }
    if !usage.digital_signature() {
        return Err(SvidError::KeyUsage);
    }
    Ok(domain.to_owned())
}

/// The longest SPIFFE ID that everybody must support.
const SPIFFE_ID_BYTES_MAX: usize = 2048;

/// The trust domain of a SPIFFE ID with a path; `None` when it is not one.
fn spiffe_trust_domain(uri: &str) -> Option<&str> {
    if uri.len() > SPIFFE_ID_BYTES_MAX {
        return None;
    }
    let (domain, path) = uri.strip_prefix("spiffe://")?.split_once('/')?;
    let is_segment = |segment: &str| {
        !segment.is_empty()
            && segment != "."
            && segment != ".."
            && segment
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"-._".contains(&b))
    };
    (is_trust_domain(domain) && path.split('/').all(is_segment)).then_some(domain)
}

/// Whether this can be a trust domain's name (SPIFFE-ID, section 2.1).
fn is_trust_domain(name: &str) -> bool {
    (1..=255).contains(&name.len())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b"-._".contains(&b))
}

/// RFC 9440, appendix A: figure 1's certificate as the field of figure 2.
#[cfg(test)]
pub(crate) const RFC_9440: &str = ":MIIBqDCCAU6gAwIBAgIBBzAKBggqhkjOPQQDAjA6MRswGQYDVQQKDBJMZXQncyBBdXRoZW50aWNhdGUxGzAZBgNVBAMMEkxBIEludGVybWVkaWF0ZSBDQTAeFw0yMDAxMTQyMjU1MzNaFw0yMTAxMjMyMjU1MzNaMA0xCzAJBgNVBAMMAkJDMFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE8YnXXfaUgmnMtOXU/IncWalRhebrXmckC8vdgJ1p5Be5F/3YC8OthxM4+k1M6aEAEFcGzkJiNy6J84y7uzo9M6NyMHAwCQYDVR0TBAIwADAfBgNVHSMEGDAWgBRm3WjLa38lbEYCuiCPct0ZaSED2DAOBgNVHQ8BAf8EBAMCBsAwEwYDVR0lBAwwCgYIKwYBBQUHAwIwHQYDVR0RAQH/BBMwEYEPYmRjQGV4YW1wbGUuY29tMAoGCCqGSM49BAMCA0gAMEUCIBHda/r1vaL6G3VliL4/Di6YK0Q6bMjeSkC3dFCOOB8TAiEAx/kHSB4urmiZ0NX5r5XarmPk0wmuydBVoU4hBVZ1yhk=:";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_field_of_the_standard_is_read() {
        let certificate = ClientCertificate::from_field(RFC_9440.as_bytes()).unwrap();
        assert_eq!(certificate.subject(), "CN=BC");
        // 2020-01-14T22:55:33Z to 2021-01-23T22:55:33Z.
        assert!(certificate.is_valid_at(1_579_042_533));
        assert!(!certificate.is_valid_at(1_579_042_532));
        assert!(certificate.is_valid_at(1_611_442_533));
        assert!(!certificate.is_valid_at(1_611_442_534));
        let bare = RFC_9440.trim_matches(':');
        for wrong in [bare, &format!(":{bare}"), "", "::", ":AAAA:", "\"x\""] {
            assert!(
                ClientCertificate::from_field(wrong.as_bytes()).is_err(),
                "{wrong}"
            );
        }
        let two = format!("{RFC_9440}, {RFC_9440}");
        assert!(ClientCertificate::from_field(two.as_bytes()).is_err());
    }

    #[test]
    fn a_spiffe_id_names_its_trust_domain() {
        assert_eq!(
            spiffe_trust_domain("spiffe://example.org/agent/a-1"),
            Some("example.org")
        );
        for wrong in [
            "spiffe://example.org",
            "spiffe://example.org/",
            "spiffe://example.org//a",
            "spiffe://example.org/a/",
            "spiffe://example.org/../a",
            "spiffe://Example.org/a",
            "SPIFFE://example.org/a",
            "spiffe://ada@example.org/a",
            "spiffe://example.org:443/a",
            "spiffe:///a",
            "spiffe://example.org/a?b",
            "spiffe://example.org/%61",
            "https://example.org/a",
        ] {
            assert_eq!(spiffe_trust_domain(wrong), None, "{wrong}");
        }
    }
}
