//! The checked settings of the authorization server.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::PathBuf,
    time::Duration,
};

use cardea_domain::{ActorId, SubjectId, TenantId, UpstreamId};
use url::Url;

use super::TenantSource;
use crate::{ClaimPointer, Secret};

/// The authorization server that is built in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AuthorizationServer {
    /// How long an access token is good for.
    pub access_ttl: Duration,
    /// How long a client may go on without its person.
    pub grant_ttl: Duration,
    /// Providers at which people log in.
    pub login: Vec<Login>,
    /// Whether people may log in with a password of the gateway's own.
    pub local_accounts: bool,
    /// Clients that are known beforehand.
    pub clients: Vec<Client>,
    /// Whether clients may be known by a document.
    pub documents: bool,
    /// Hosts of client documents, and of clients' keys, that may be on private addresses, with their
    /// authorities.
    pub private_hosts: BTreeMap<String, Option<PathBuf>>,
    /// Whether clients may register themselves.
    pub registration: bool,
}

/// A client that is known beforehand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Client {
    /// Its id, unique.
    pub id: ActorId,
    /// What people are shown.
    pub name: Option<String>,
    /// Where codes may go.
    pub redirect_uris: Vec<String>,
    /// How it shows who it is.
    pub authentication: ClientAuthentication,
    /// The tenants whose people may use it; `None` for all.
    pub tenants: Option<BTreeSet<TenantId>>,
    /// For a client that acts unattended: whose tenant, and who answers for it.
    pub unattended: Option<(TenantId, SubjectId)>,
    /// Upstreams about whose tokens it may ask.
    pub introspects: BTreeSet<UpstreamId>,
}

/// How a client shows who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// Not at all.
    None,
    /// By assertions that one of its keys signed.
    PrivateKeyJwt(ClientKeys),
    /// By a certificate of one of these authorities (PEM) with this name in it.
    Tls {
        /// The authorities.
        authorities: String,
        /// The name.
        name: CertificateName,
    },
    /// By a certificate that is in its keys.
    SelfSignedTls(ClientKeys),
}

/// A client's public keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientKeys {
    /// As a JWKS document.
    Document(String),
    /// Where that is: `https`, a named host.
    At(Url),
}

/// A name in a certificate.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CertificateName {
    /// A DNS name.
    Dns(String),
    /// A URI.
    Uri(String),
}

/// A provider at which people log in.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// What people are shown.
    pub name: String,
    /// The exact `iss`, from whose URL the metadata is found.
    pub issuer: String,
    /// The same as a URL.
    pub url: Url,
    /// The gateway's id there.
    pub client_id: String,
    /// How the gateway shows who it is there.
    pub credential: LoginCredential,
    /// How an ID token names the tenant.
    pub tenant: TenantSource,
    /// The claim that names the person.
    pub subject_claim: ClaimPointer,
    /// The claim with the person's groups.
    pub groups_claim: Option<ClaimPointer>,
    /// Scopes to ask for besides `openid`.
    pub scopes: Vec<String>,
    /// Certificate authorities to trust besides the public ones; the file is there.
    pub ca_file: Option<PathBuf>,
}

/// How the gateway shows who it is at a login provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LoginCredential {
    /// By PKCE alone.
    Public,
    /// By a shared secret.
    Secret(Secret),
    /// By its own signing keys.
    OwnKeys,
}
