//! The authorization server that is built in.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::RawSecret;
use crate::{
    claim::ClaimPointer,
    quantity::{Timespan, hours, mins, secs},
};

/// A token is of use to a thief for as long as it is good.
pub(crate) const ACCESS_TOKEN_MAX: Timespan = mins(15);
/// A shorter one ends before a slow client has used it.
pub(crate) const ACCESS_TOKEN_MIN: Timespan = secs(30);
/// A grant that nobody renews in a quarter is forgotten.
pub(crate) const GRANT_MAX: Timespan = hours(90 * 24);
/// Less than one access token would be no grant.
pub(crate) const GRANT_MIN: Timespan = ACCESS_TOKEN_MAX;

/// The authorization server that is built in. Its issuer is the origin of `public_url`; people log in
/// at the providers of `login` or with local accounts, and clients get short tokens.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "AuthorizationServer")]
pub(crate) struct RawAuthorizationServer {
    /// How long an access token is good for.
    #[schemars(extend(
        "x-minimum" = crate::quantity::Quantity::bound(ACCESS_TOKEN_MIN),
        "x-maximum" = crate::quantity::Quantity::bound(ACCESS_TOKEN_MAX),
    ))]
    pub(crate) access_ttl: Timespan,

    /// How long a client may go on without its person, by refresh tokens.
    #[schemars(extend(
        "x-minimum" = crate::quantity::Quantity::bound(GRANT_MIN),
        "x-maximum" = crate::quantity::Quantity::bound(GRANT_MAX),
    ))]
    pub(crate) grant_ttl: Timespan,

    /// Providers at which people log in.
    pub(crate) login: Vec<RawLogin>,

    /// Whether people may log in with a password of the gateway's own. The first account of a tenant is
    /// set up by a link that is printed at start.
    #[schemars(extend("x-default" = "`true` without `login`, else `false`"))]
    pub(crate) local_accounts: Option<bool>,

    /// Clients that are known beforehand.
    pub(crate) clients: Vec<RawClient>,

    /// Whether a client may be known by a document at an `https` address that is its id (OAuth Client ID
    /// Metadata Document). The gateway then fetches what strangers name, from public addresses only.
    pub(crate) client_documents: bool,

    /// Hosts of such documents, and of the keys of clients, that may be on private addresses, for clients
    /// of an intranet.
    #[schemars(extend("propertyNames" = {
        "pattern": "^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
        "x-expected": "the name of a host in lower case, without a port",
    }))]
    pub(crate) private_document_hosts: BTreeMap<String, RawDocumentHost>,

    /// Whether clients may register themselves (RFC 7591). Anybody can then make one, with any name.
    pub(crate) registration: bool,
}

impl Default for RawAuthorizationServer {
    fn default() -> Self {
        Self {
            access_ttl: ACCESS_TOKEN_MAX,
            grant_ttl: hours(30 * 24),
            login: Vec::new(),
            local_accounts: None,
            clients: Vec::new(),
            client_documents: true,
            private_document_hosts: BTreeMap::new(),
            registration: false,
        }
    }
}

/// A host whose documents may be on private addresses.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "DocumentHost")]
pub(crate) struct RawDocumentHost {
    /// A PEM file with certificate authorities to trust for this host besides the public ones.
    #[schemars(length(min = 1))]
    pub(crate) ca_file: Option<String>,
}

/// A client that is known beforehand.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Client", extend("required" = ["id"]))]
pub(crate) struct RawClient {
    /// Its id. Tokens and policies know it as the agent.
    #[schemars(length(min = 1, max = 255))]
    pub(crate) id: String,

    /// What people are shown.
    #[schemars(length(min = 1, max = 80))]
    pub(crate) name: Option<String>,

    /// Where codes may go, exactly; the port of a loopback address may differ. Without any the client
    /// uses the device grant or acts unattended.
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) redirect_uris: Vec<String>,

    /// A file with its public keys as a JWKS document. It then shows who it is by `private_key_jwt`;
    /// without keys and without `certificate` it is a public client.
    #[schemars(length(min = 1))]
    pub(crate) jwks_file: Option<String>,

    /// Where its public keys are, in place of `jwks_file`: an `https` address, public or of a host of
    /// `private_document_hosts`. They are fetched when they are needed, and again when the client signs
    /// with a new one.
    #[schemars(length(min = 1))]
    pub(crate) jwks_url: Option<String>,

    /// Whether it shows who it is by a TLS certificate that its keys have as `x5c`, in place of
    /// `private_key_jwt` (`self_signed_tls_client_auth`, RFC 8705). Such certificates come by a proxy of
    /// `trusted_proxies`.
    pub(crate) self_signed_certificate: bool,

    /// The TLS certificates by which it shows who it is (`tls_client_auth`, RFC 8705). They come by
    /// handshakes (`tls.client_certificates`) or by a proxy of `trusted_proxies`.
    pub(crate) certificate: Option<RawClientCertificate>,

    /// The tenants whose people may use it.
    #[schemars(
        length(min = 1),
        extend("uniqueItems" = true, "x-default" = "all tenants")
    )]
    pub(crate) tenants: Option<Vec<String>>,

    /// The person who answers for what it does unattended (`client_credentials`). It then needs a way to
    /// show who it is, and exactly one tenant.
    #[schemars(length(min = 1, max = 255))]
    pub(crate) subject: Option<String>,

    /// Upstreams about whose tokens it may ask (RFC 7662). About its own it always may.
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) introspects: Vec<String>,
}

/// The TLS certificates of a client. Their chain is checked by the gateway, whoever made the handshake.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "ClientCertificate", extend("required" = ["ca_file"]))]
pub(crate) struct RawClientCertificate {
    /// A PEM file with the authorities that sign its certificates themselves.
    #[schemars(length(min = 1))]
    pub(crate) ca_file: String,

    /// The DNS name that the certificate must have. Either this or `uri`.
    #[schemars(length(min = 1, max = 253))]
    pub(crate) dns_name: Option<String>,

    /// The URI that the certificate must have, such as `spiffe://example.org/agent`.
    #[schemars(length(min = 1, max = 2048))]
    pub(crate) uri: Option<String>,
}

/// A provider at which people log in (OpenID Connect).
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Login", extend("required" = ["issuer", "client_id"]))]
pub(crate) struct RawLogin {
    /// What people are shown.
    #[schemars(length(min = 1, max = 80), extend("x-default" = "the host of `issuer`"))]
    pub(crate) name: Option<String>,

    /// The exact `iss` of its ID tokens. Metadata and keys are found by discovery. `https`, except on
    /// loopback.
    #[schemars(length(min = 1))]
    pub(crate) issuer: String,

    /// The gateway's id at this provider, whose redirect URI is `/login/callback` below `public_url`.
    #[schemars(length(min = 1))]
    pub(crate) client_id: String,

    /// The gateway's secret at this provider, as a reference.
    pub(crate) client_secret: Option<RawSecret>,

    /// Whether the gateway shows who it is by `private_key_jwt`, with its own signing keys
    /// (`/.well-known/jwks.json`). Not together with `client_secret`.
    pub(crate) own_keys: bool,

    /// The one tenant that this provider's people belong to. Either this or `tenant_claim`.
    pub(crate) tenant: Option<String>,

    /// A JSON pointer to the claim of the ID token that names the tenant, such as `/org_id`.
    pub(crate) tenant_claim: Option<ClaimPointer>,

    /// Which value of `tenant_claim` means which tenant. Without it the value itself must be the id of a
    /// tenant.
    #[schemars(extend("minProperties" = 1))]
    pub(crate) tenant_values: Option<BTreeMap<String, String>>,

    /// A JSON pointer to the claim that names the person.
    pub(crate) subject_claim: ClaimPointer,

    /// A JSON pointer to the claim with the person's groups: a text or a list of texts.
    #[schemars(extend("x-default" = "no groups"))]
    pub(crate) groups_claim: Option<ClaimPointer>,

    /// Scopes to ask for besides `openid`.
    #[schemars(extend("uniqueItems" = true, "items" = {
        "type": "string",
        "pattern": super::issuer::SCOPE,
        "x-expected": "one scope, without spaces",
    }))]
    pub(crate) scopes: Vec<String>,

    /// A PEM file with certificate authorities to trust for this provider besides the public ones.
    #[schemars(length(min = 1))]
    pub(crate) ca_file: Option<String>,
}

impl Default for RawLogin {
    fn default() -> Self {
        Self {
            name: None,
            issuer: String::new(),
            client_id: String::new(),
            client_secret: None,
            own_keys: false,
            tenant: None,
            tenant_claim: None,
            tenant_values: None,
            subject_claim: ClaimPointer::of_static("/sub"),
            groups_claim: None,
            scopes: Vec::new(),
            ca_file: None,
        }
    }
}
