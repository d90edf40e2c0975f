//! Authorities, and the certificates that they sign, right ones and wrong ones.

use std::{fmt, net::IpAddr};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD, URL_SAFE_NO_PAD},
};
use rcgen::{
    BasicConstraints, CertificateParams, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer, KeyPair,
    KeyUsagePurpose, PublicKeyData as _, SanType, date_time_ymd,
};

/// A certificate authority.
pub struct Authority {
    pem: String,
    issuer: Issuer<'static, KeyPair>,
}

/// A certificate and its key.
#[derive(Clone)]
pub struct Leaf {
    /// The certificate, in PEM.
    pub certificate: String,
    /// Its private key, in PEM.
    pub key: String,
    /// The certificate, in DER.
    pub der: Vec<u8>,
    /// Its SubjectPublicKeyInfo, in DER.
    pub spki: Vec<u8>,
}

/// What a client's certificate says.
#[derive(Debug, Clone, Copy, Default)]
pub struct Wanted<'a> {
    /// Its URIs.
    pub uris: &'a [&'a str],
    /// Whether its time is over.
    pub is_expired: bool,
    /// Whether it may sign others.
    pub is_authority: bool,
    /// Whether it is for servers only.
    pub is_for_servers: bool,
}

impl Authority {
    /// A new authority.
    ///
    /// # Panics
    /// When the machine has no randomness.
    #[must_use]
    pub fn new(name: &str) -> Self {
        let mut params = params(name);
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let key = KeyPair::generate().expect("a key");
        let certificate = params.self_signed(&key).expect("a certificate");
        Self {
            pem: certificate.pem(),
            issuer: Issuer::new(params, key),
        }
    }

    /// Its certificate, in PEM.
    #[must_use]
    pub fn pem(&self) -> &str {
        &self.pem
    }

    /// A certificate for a server on loopback.
    ///
    /// # Panics
    /// When the machine has no randomness.
    #[must_use]
    pub fn server(&self) -> Leaf {
        let mut params = params("server");
        let loopback: IpAddr = [127, 0, 0, 1].into();
        params.subject_alt_names = vec![
            SanType::IpAddress(loopback),
            SanType::DnsName("localhost".try_into().expect("a name")),
        ];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
        self.sign(&params)
    }

    /// A certificate for a client.
    ///
    /// # Panics
    /// When the machine has no randomness, or a URI is not ASCII.
    #[must_use]
    pub fn client(&self, wanted: Wanted<'_>) -> Leaf {
        let mut params = params("client");
        let uris = wanted.uris.iter();
        params.subject_alt_names = uris
            .map(|uri| SanType::URI((*uri).try_into().expect("ASCII")))
            .collect();
        params.key_usages = vec![KeyUsagePurpose::DigitalSignature];
        params.extended_key_usages = vec![match wanted.is_for_servers {
            true => ExtendedKeyUsagePurpose::ServerAuth,
            false => ExtendedKeyUsagePurpose::ClientAuth,
        }];
        if wanted.is_expired {
            params.not_after = date_time_ymd(2024, 1, 1);
        }
        if wanted.is_authority {
            params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
            params.key_usages.push(KeyUsagePurpose::KeyCertSign);
        }
        self.sign(&params)
    }

    fn sign(&self, params: &CertificateParams) -> Leaf {
        let key = KeyPair::generate().expect("a key");
        let certificate = params.signed_by(&key, &self.issuer).expect("a certificate");
        Leaf {
            certificate: certificate.pem(),
            key: key.serialize_pem(),
            der: certificate.der().to_vec(),
            spki: key.subject_public_key_info(),
        }
    }
}

fn params(name: &str) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = date_time_ymd(2023, 1, 1);
    params.not_after = date_time_ymd(2099, 1, 1);
    params
}

impl Leaf {
    /// What `cnf."x5t#S256"` holds (RFC 8705, section 3.1).
    #[must_use]
    pub fn thumbprint(&self) -> String {
        URL_SAFE_NO_PAD.encode(digest(&SHA256, &self.der))
    }

    /// The pin of its key, as configurations spell it.
    #[must_use]
    pub fn spki_pin(&self) -> String {
        format!("sha256/{}", STANDARD.encode(digest(&SHA256, &self.spki)))
    }

    /// The value of a `Client-Cert` header (RFC 9440).
    #[must_use]
    pub fn field(&self) -> String {
        format!(":{}:", STANDARD.encode(&self.der))
    }
}

impl fmt::Debug for Authority {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Authority").finish_non_exhaustive()
    }
}

impl fmt::Debug for Leaf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Leaf").finish_non_exhaustive()
    }
}
