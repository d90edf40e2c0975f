//! What is demanded of tokens besides being good.

use std::{collections::BTreeMap, net::IpAddr, path::PathBuf, time::Duration};

use ipnet::IpNet;

use crate::Algorithm;

/// Proofs of possession (RFC 9449).
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dpop {
    /// Whether each proof must carry a nonce of the gateway's.
    pub require_nonce: bool,
    /// How old a proof may be.
    pub iat_window: Duration,
    /// The algorithms that proofs may be signed with, at least one.
    pub algorithms: Vec<Algorithm>,
}

/// What a tenant demands of every token.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RequiredBinding {
    /// To be bound to some key.
    Any,
    /// To be bound to a DPoP key.
    Dpop,
    /// To be bound to a client certificate.
    Certificate,
}

/// TLS at the public address; the files are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tls {
    /// The gateway's certificate and those between it and a root.
    pub certificate: PathBuf,
    /// Its private key.
    pub key: PathBuf,
    /// Whose certificates clients may come with.
    pub clients: Option<ClientCertificates>,
}

/// Whose certificates clients may come with: at least one authority or trust domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ClientCertificates {
    /// Certificate authorities.
    pub ca_file: Option<PathBuf>,
    /// SPIFFE trust domains and their bundles.
    pub spiffe: BTreeMap<String, PathBuf>,
    /// Whether a client must have one.
    pub required: bool,
}

impl Tls {
    /// Every file that it is made from: what to watch for changes.
    pub fn files(&self) -> impl Iterator<Item = &PathBuf> {
        let clients = self.clients.iter();
        let authorities = clients.flat_map(|c| c.ca_file.iter().chain(c.spiffe.values()));
        [&self.certificate, &self.key]
            .into_iter()
            .chain(authorities)
    }
}

/// The network of one address or of many.
pub(crate) fn network(text: &str) -> Option<IpNet> {
    let single = || text.parse::<IpAddr>().ok().map(IpNet::from);
    text.parse().ok().or_else(single)
}
