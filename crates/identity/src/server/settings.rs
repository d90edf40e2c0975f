//! What is configured of the authorization server.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
};

use cardea_domain::TenantId;
use thiserror::Error;

use super::{client::ConfiguredClient, oidc::LoginProvider};
use crate::FetchError;

/// Everything that an [`AuthorizationServer`](super::AuthorizationServer) is made from.
#[derive(Debug, Clone)]
pub struct ServerSettings {
    /// The issuer: the gateway's public origin, without a slash at the end.
    pub origin: String,
    /// The tenants that its tokens may name.
    pub tenants: BTreeSet<TenantId>,
    /// How long an access token is good for, in seconds; a quarter of an hour at most.
    pub access_token_s: u64,
    /// How long a client may go on without the person, in seconds.
    pub grant_s: u64,
    /// The clients that are known beforehand.
    pub clients: Vec<ConfiguredClient>,
    /// Whether clients may be known by their metadata document.
    pub documents: bool,
    /// Hosts of such documents, and of clients' keys, that may be on private addresses, with the
    /// file of their authorities.
    pub private_hosts: BTreeMap<String, Option<PathBuf>>,
    /// How certificates of clients can arrive.
    pub certificates: Certificates,
    /// Whether clients may register themselves (RFC 7591).
    pub registration: bool,
    /// Whether people may log in with a password of the gateway's own.
    pub local_accounts: bool,
    /// Other providers at which people log in.
    pub login: Vec<LoginProvider>,
}

/// How certificates of clients can arrive.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Certificates {
    /// Not at all.
    Never,
    /// By handshakes with the gateway, which refuses unknown authorities.
    Handshake,
    /// By a proxy that is trusted to pass them on, whoever signed them.
    Proxy,
}

/// An access token cannot be taken back at servers that verify it by themselves, so it is short.
pub(super) const ACCESS_TOKEN_S_MAX: u64 = 15 * 60;

/// The server cannot be made.
#[derive(Debug, Error)]
pub enum ServerError {
    /// A configured client is not usable.
    #[error("{0}")]
    Client(String),
    /// A file of authorities is not usable.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// The server's own secret is not usable.
    #[error(transparent)]
    Key(#[from] crate::key_file::KeyFileError),
    /// The store cannot be opened or asked.
    #[error(transparent)]
    Store(#[from] cardea_store::StoreError),
    /// The library refused to hash.
    #[error("cannot hash a password: {0}")]
    Hash(String),
}
