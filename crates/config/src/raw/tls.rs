//! TLS for clients, and who may stand in front of the gateway.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What the name of a SPIFFE trust domain looks like (SPIFFE-ID, section 2.1).
pub(crate) const TRUST_DOMAIN: &str = "^[a-z0-9._-]{1,255}$";

/// TLS at `listen`. The files are read again when they change, or on `SIGHUP`; connections that are
/// open go on.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Tls", extend("required" = ["certificate", "key"]))]
pub(crate) struct RawTls {
    /// A PEM file with the gateway's certificate, followed by the certificates between it and a root
    /// that clients know.
    #[schemars(length(min = 1))]
    pub(crate) certificate: String,

    /// A PEM file with the certificate's private key.
    #[schemars(length(min = 1))]
    pub(crate) key: String,

    /// Whose certificates clients may come with (mutual TLS). Without it none is asked for.
    pub(crate) client_certificates: Option<RawClientCertificates>,
}

/// Whose certificates clients may come with. A certificate that nobody here stands for is refused
/// in the handshake.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "ClientCertificates")]
pub(crate) struct RawClientCertificates {
    /// A PEM file with the certificate authorities of clients.
    #[schemars(length(min = 1))]
    pub(crate) ca_file: Option<String>,

    /// SPIFFE trust domains, each with a PEM file of its bundle. A certificate with a `spiffe://` URI
    /// is checked against the bundle of its own domain and no other.
    #[schemars(extend("propertyNames" = {
        "pattern": TRUST_DOMAIN,
        "x-expected": "the name of a trust domain such as `example.org`",
    }))]
    pub(crate) spiffe: BTreeMap<String, String>,

    /// Whether a client without a certificate is refused in the handshake already.
    pub(crate) required: bool,
}
