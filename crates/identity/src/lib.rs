//! Who is calling: tokens, keys, tenants, principals.
//!
//! What it is: bearer JWTs of configured issuers (RFC 9068) are verified against keys found by
//! discovery or configuration, and mapped to exactly one tenant, subject, actor and run. A
//! verified token is remembered by its hash until it expires or its issuer's keys change.
//! What it is not: no decisions about what the principal may do, no HTTP status codes.
//!
//! The data's path: token text -> [`Authenticator::verify`] -> [`Verified`] -> with what the request
//! shows of its sender's keys, [`Holders::confirm`] -> [`Confirmed`] -> [`Confirmed::principal`] with
//! the run's hints. Both proofs are made in this room only.
//!
//! Keys are pinned to issuers by configuration: nothing in a token (`jku`, `jwk`, `x5u`) ever
//! chooses where a key comes from.

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::panic,
        reason = "a failed test is a panic"
    )
)]

mod authenticator;
mod binding;
mod certificate;
mod claims;
mod credentials;
mod dpop;
mod embedded;
mod fetch;
pub mod key_file;
mod keys;
pub mod server;
mod signing;
mod trusted;
mod verified;

pub use authenticator::Authenticator;
pub use binding::{Holders, Possession, Proofs, RequiredBinding, cnf};
pub use certificate::{
    CERTIFICATE_BYTES_MAX, CertificateError, ClientCertificate, SvidError, claims_spiffe,
    svid_trust_domain,
};
pub use claims::{ClaimPaths, TenantRule};
pub use credentials::{Credentials, Scheme};
pub use dpop::{BoundToken, Dpop, DpopSettings, Proof, ProofError, ProofFor};
pub use embedded::{EmbeddedIssuer, MintRequest};
pub use fetch::{FetchError, Fetcher, tls as client_tls};
pub use keys::{KeySource, KeySourceError};
pub use server::{AuthorizationServer, Revocations};
pub use signing::{LEAD_S, PERIOD_S, RETAIN_S, SigningKeys, SigningKeysError};
pub use trusted::TrustedIssuer;
pub use verified::{ApiHolder, Confirmed, RunHints, TokenLife, Verified};

/// Signature algorithms, by their JOSE names.
pub use jsonwebtoken::Algorithm;

/// One entry of the configuration about an issuer.
#[derive(Debug, Clone)]
pub struct IssuerSettings {
    /// The exact `iss`.
    pub issuer: String,
    /// Whether the public metadata name it. Of one that they do not name, nobody without a good token is told that it is
    /// known.
    pub advertised: bool,
    /// Where its keys come from.
    pub keys: KeySource,
    /// The algorithms its tokens may be signed with; never `none`, never HMAC.
    pub algorithms: Vec<Algorithm>,
    /// Audiences accepted besides the resource that is asked for.
    pub audiences: Vec<String>,
    /// How the tenant follows from a token.
    pub tenant: TenantRule,
    /// Claims, by JSON Pointer, and the exact texts that a token must carry for this entry to be
    /// meant.
    pub required: Vec<(String, String)>,
    /// Where the other claims are.
    pub claims: ClaimPaths,
    /// The `typ` that a token's header must have; `None` accepts any.
    pub typ: Option<String>,
    /// Scopes that a token must carry.
    pub scopes: Vec<String>,
}
