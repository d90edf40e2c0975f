//! The programs that ask: configured, known by their metadata document, or registered.

pub(super) mod assertion;
pub(super) mod authentication;
mod certificate_rule;
pub(super) mod document;
mod guarded;
mod key_sets;
mod metadata;

use std::{
    collections::{BTreeMap, BTreeSet},
    net::IpAddr,
    sync::Arc,
};

use cardea_domain::{ActorId, SubjectId, TenantId};

use super::{State, error::Refusal, throttle::Counted};
use authentication::Authentication;
pub use certificate_rule::CertificateName;
use certificate_rule::CertificateRule;
pub use document::DocumentError;
pub(super) use document::Documents;
pub(super) use guarded::Guarded;
use guarded::Reach;
pub(super) use key_sets::KeySets;
use key_sets::{KeySet, Keys, KeysAt};
pub(super) use metadata::Metadata;

/// A client that an administrator wrote down.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConfiguredClient {
    /// Its id, which tokens name as the actor.
    pub id: ActorId,
    /// What people are shown.
    pub name: Option<String>,
    /// Where codes may go, exactly.
    pub redirect_uris: Vec<String>,
    /// How it shows who it is.
    pub authentication: ClientAuthentication,
    /// The tenants whose people may use it; `None` for all.
    pub tenants: Option<BTreeSet<TenantId>>,
    /// For a client that acts unattended: whose tenant, and who answers for it.
    pub unattended: Option<(TenantId, SubjectId)>,
    /// Resources whose tokens it may ask about (RFC 7662).
    pub introspects: BTreeSet<String>,
}

/// How a configured client shows who it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// Not at all: a public client.
    None,
    /// By `private_key_jwt`.
    PrivateKeyJwt(PublishedKeys),
    /// By `tls_client_auth`: a certificate that one of the authorities (PEM) signed itself, with
    /// this name in it.
    Tls {
        /// The authorities.
        authorities: String,
        /// The name.
        name: CertificateName,
    },
    /// By `self_signed_tls_client_auth`: a certificate that is in the keys, as `x5c`.
    SelfSignedTls(PublishedKeys),
}

/// Where a client's public keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PublishedKeys {
    /// Here: a JWKS document.
    Document(String),
    /// At this `https` address, on a public address or a host of
    /// [`ServerSettings::private_hosts`](super::ServerSettings::private_hosts).
    At(String),
}

/// A client as the server sees it.
#[derive(Clone)]
pub(super) struct Client {
    pub(super) id: ActorId,
    pub(super) name: Option<String>,
    pub(super) origin: Origin,
    pub(super) redirect_uris: Vec<String>,
    pub(super) authentication: Authentication,
    pub(super) grants: Grants,
    pub(super) tenants: Option<BTreeSet<TenantId>>,
    pub(super) unattended: Option<(TenantId, SubjectId)>,
    pub(super) introspects: BTreeSet<String>,
}

/// Who vouches for what a client says of itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Origin {
    /// An administrator.
    Configured,
    /// The host that serves its document.
    Document { host: String },
    /// Nobody.
    Registered,
}

/// The ways of getting a token that a client has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Grants {
    pub(super) code: bool,
    pub(super) refresh: bool,
    pub(super) device: bool,
}

impl Grants {
    /// From `grant_types`; RFC 7591 section 2 has the default.
    pub(super) fn of(names: Option<&[String]>) -> Self {
        let has = |name: &str| names.is_some_and(|names| names.iter().any(|n| n == name));
        Self {
            code: names.is_none() || has("authorization_code"),
            refresh: has("refresh_token"),
            device: has("urn:ietf:params:oauth:grant-type:device_code"),
        }
    }

    /// Everything that has a person in it.
    pub(super) const ALL: Self = Self {
        code: true,
        refresh: true,
        device: true,
    };
}

/// The configured clients, by id.
pub(super) type Configured = BTreeMap<String, Client>;

/// The configured clients, ready to be asked for.
///
/// # Errors
/// The reason when a client's keys are not usable.
pub(super) fn configured(clients: &[ConfiguredClient]) -> Result<Configured, String> {
    let mut known = BTreeMap::from([(COMMAND_LINE.to_owned(), command_line()?)]);
    for client in clients {
        let authentication = authentication(&client.authentication)
            .map_err(|reason| format!("the keys of client `{}`: {reason}", client.id))?;
        let client = Client {
            id: client.id.clone(),
            name: client.name.clone(),
            origin: Origin::Configured,
            redirect_uris: client.redirect_uris.clone(),
            authentication,
            grants: Grants::ALL,
            tenants: client.tenants.clone(),
            unattended: client.unattended.clone(),
            introspects: client.introspects.clone(),
        };
        known.insert(client.id.to_string(), client);
    }
    Ok(known)
}

fn authentication(configured: &ClientAuthentication) -> Result<Authentication, String> {
    Ok(match configured {
        ClientAuthentication::None => Authentication::None,
        ClientAuthentication::PrivateKeyJwt(published) => {
            Authentication::PrivateKeyJwt(keys(published)?)
        }
        ClientAuthentication::Tls { authorities, name } => {
            Authentication::Tls(Arc::new(CertificateRule::new(authorities, name.clone())?))
        }
        ClientAuthentication::SelfSignedTls(published) => {
            Authentication::SelfSignedTls(keys(published)?)
        }
    })
}

fn keys(published: &PublishedKeys) -> Result<Keys, String> {
    match published {
        PublishedKeys::Document(text) => Ok(Keys::Told(Arc::new(KeySet::parse(text)?))),
        PublishedKeys::At(url) => KeysAt::parse(url, |_| Reach::Named)
            .map(Keys::Published)
            .ok_or_else(|| format!("`{url}` is not an `https` address of a named host")),
    }
}

/// The client of `cardea login`, which is known without being configured.
const COMMAND_LINE: &str = "cardea-cli";

/// Any program on a person's computer can say that it is this one: nobody vouches for it, and a
/// person is asked each time.
fn command_line() -> Result<Client, String> {
    Ok(Client {
        id: ActorId::parse(COMMAND_LINE).map_err(|e| e.to_string())?,
        name: Some("Cardea's command line".to_owned()),
        origin: Origin::Registered,
        // RFC 8252, section 7.3: at any port.
        redirect_uris: vec!["http://127.0.0.1/callback".to_owned()],
        authentication: Authentication::None,
        grants: Grants::ALL,
        tenants: None,
        unattended: None,
        introspects: BTreeSet::new(),
    })
}

impl Client {
    /// Whether it has to show who it is at the token endpoint.
    pub(super) fn is_confidential(&self) -> bool {
        !matches!(self.authentication, Authentication::None)
    }

    /// Whether a person of this tenant may use it.
    pub(super) fn serves(&self, tenant: &TenantId) -> bool {
        self.tenants
            .as_ref()
            .is_none_or(|tenants| tenants.contains(tenant))
    }

    /// The name for people; a client without one is shown by its id.
    pub(super) fn shown(&self) -> &str {
        self.name.as_deref().unwrap_or(self.id.as_str())
    }
}

/// The client by this id, from whichever place it is known.
pub(super) async fn find(
    id: &str,
    configured: &Configured,
    documents: Option<&Documents>,
    registration: bool,
    state: &State,
    peer: IpAddr,
) -> Result<Client, Refusal> {
    if let Some(client) = configured.get(id) {
        return Ok(client.clone());
    }
    if let (true, Some(documents)) = (id.starts_with("https://"), documents) {
        let now_s = state.clock.unix_s();
        let admit = || state.throttles.take(Counted::Document, peer, now_s).is_ok();
        return documents
            .client(id, &state.clock, admit)
            .await
            .map_err(|error| {
                tracing::info!(%error, "a client's metadata document is not usable");
                match *error {
                    DocumentError::Busy { .. } => {
                        Refusal::slow_down("too many clients are looked up now; try again later")
                    }
                    _ => Refusal::invalid_client("the client's metadata document cannot be used"),
                }
            });
    }
    if registration && let Some(text) = state.store.registration(id, state.clock.unix_s()).await? {
        return Metadata::parse(text.as_bytes())
            .and_then(|metadata| metadata.into_client(id, Origin::Registered))
            .map_err(|_| Refusal::unavailable());
    }
    Err(Refusal::invalid_client("the client is not known here"))
}
