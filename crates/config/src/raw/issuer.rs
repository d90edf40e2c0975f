//! Whose tokens are accepted.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::claim::ClaimPointer;

/// A scope token (RFC 6749 section 3.3).
pub(super) const SCOPE: &str = r"^[!#-\[\]-~]+$";

/// Somebody whose tokens are accepted: either `embedded` or an `issuer` with its keys.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Issuer")]
pub(crate) struct RawIssuer {
    /// The gateway's own key in `state_dir`, for development: tokens are made by `cardea token`.
    /// Takes no other key than `tenants`.
    #[schemars(extend("const" = true, "x-expected" = "`true`"))]
    pub(crate) embedded: Option<bool>,

    /// The tenants that the embedded issuer may name.
    #[schemars(
        length(min = 1),
        extend("uniqueItems" = true, "x-default" = "all tenants")
    )]
    pub(crate) tenants: Option<Vec<String>>,

    /// The exact `iss` of the tokens; several entries may have it where `required_claims` or
    /// `tenant_values` tell them apart. Its metadata and keys are found by discovery (RFC 8414, OpenID
    /// Connect Discovery).
    #[schemars(length(min = 1))]
    pub(crate) issuer: Option<String>,

    /// Where the keys are, when they are not to be found by discovery. `https`, except on loopback:
    /// whoever can change the keys can be anybody.
    pub(crate) jwks_url: Option<String>,

    /// Where the metadata is. `https`, except on loopback.
    #[schemars(extend("x-default" = "the well-known places below `issuer`"))]
    pub(crate) discovery_url: Option<String>,

    /// The signature algorithms that are accepted. There is none with a shared secret: whoever can
    /// verify such a token can also make one.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub(crate) algorithms: Vec<Algorithm>,

    /// Audiences (`aud`) to accept besides the gateway's own resource identifiers, for issuers that
    /// cannot put those into a token.
    #[schemars(inner(length(min = 1)), extend("uniqueItems" = true))]
    pub(crate) audiences: Vec<String>,

    /// The one tenant that this issuer speaks for. Either this or `tenant_claim`.
    pub(crate) tenant: Option<String>,

    /// A JSON pointer to the claim that names the tenant, such as `/org_id`.
    pub(crate) tenant_claim: Option<ClaimPointer>,

    /// Which value of `tenant_claim` means which tenant. Without it the value itself must be the id
    /// of a tenant, and the issuer speaks for all of them.
    #[schemars(extend("minProperties" = 1))]
    pub(crate) tenant_values: Option<BTreeMap<String, String>>,

    /// Claims that a token must carry for this entry to be meant: JSON pointers and their exact texts.
    /// They tell apart entries of one `issuer`, of which a token must match exactly one.
    #[schemars(extend("propertyNames" = {
        "pattern": ClaimPointer::PATTERN,
        "x-expected": "a JSON pointer to a claim, such as `/org_id`",
    }))]
    pub(crate) required_claims: BTreeMap<String, String>,

    /// Whether the gateway's metadata names the issuer to everybody who asks, so that clients find it.
    /// What a tenant's own is called is nobody else's business.
    #[schemars(extend("x-default" = "`true` at the top level, `false` below a tenant"))]
    pub(crate) advertised: Option<bool>,

    /// A JSON pointer to the claim that names the person.
    pub(crate) subject_claim: ClaimPointer,

    /// A JSON pointer to the claim that names the agent.
    #[schemars(extend("x-default" = "`/act/sub`, else `/client_id`, else `/azp`"))]
    pub(crate) actor_claim: Option<ClaimPointer>,

    /// A JSON pointer to the claim with the person's groups: a text or a list of texts.
    #[schemars(extend("x-default" = "no groups"))]
    pub(crate) groups_claim: Option<ClaimPointer>,

    /// The `typ` of the tokens' headers: `at+jwt`, so that an ID token is not taken for an access
    /// token (RFC 9068), or `any` for issuers that do not set it.
    pub(crate) require_typ: RequiredTyp,

    /// Scopes that a token must carry, all of them.
    #[schemars(extend("uniqueItems" = true, "items" = {
        "type": "string",
        "pattern": SCOPE,
        "x-expected": "one scope, without spaces",
    }))]
    pub(crate) required_scopes: Vec<String>,

    /// A PEM file with certificate authorities to trust for this issuer besides the public ones.
    #[schemars(length(min = 1))]
    pub(crate) ca_file: Option<String>,
}

impl Default for RawIssuer {
    fn default() -> Self {
        Self {
            embedded: None,
            tenants: None,
            issuer: None,
            jwks_url: None,
            discovery_url: None,
            algorithms: vec![
                Algorithm::RS256,
                Algorithm::PS256,
                Algorithm::ES256,
                Algorithm::EdDSA,
            ],
            audiences: Vec::new(),
            tenant: None,
            tenant_claim: None,
            tenant_values: None,
            required_claims: BTreeMap::new(),
            advertised: None,
            subject_claim: ClaimPointer::of_static("/sub"),
            actor_claim: None,
            groups_claim: None,
            require_typ: RequiredTyp::AtJwt,
            required_scopes: Vec::new(),
            ca_file: None,
        }
    }
}

/// A signature algorithm by its JWA name; asymmetric ones only.
///
/// # Source
/// RFC 7518 section 3.1, RFC 8037 section 3.1.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[schemars(inline)]
pub enum Algorithm {
    /// RSA PKCS#1 v1.5 with SHA-256.
    RS256,
    /// RSA PKCS#1 v1.5 with SHA-384.
    RS384,
    /// RSA PKCS#1 v1.5 with SHA-512.
    RS512,
    /// RSA PSS with SHA-256.
    PS256,
    /// RSA PSS with SHA-384.
    PS384,
    /// RSA PSS with SHA-512.
    PS512,
    /// ECDSA on P-256 with SHA-256.
    ES256,
    /// ECDSA on P-384 with SHA-384.
    ES384,
    /// Ed25519.
    EdDSA,
}

impl Algorithm {
    /// The name, as the `alg` header spells it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::RS256 => "RS256",
            Self::RS384 => "RS384",
            Self::RS512 => "RS512",
            Self::PS256 => "PS256",
            Self::PS384 => "PS384",
            Self::PS512 => "PS512",
            Self::ES256 => "ES256",
            Self::ES384 => "ES384",
            Self::EdDSA => "EdDSA",
        }
    }
}

/// The `typ` that a token's header must have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[schemars(inline)]
pub(crate) enum RequiredTyp {
    #[serde(rename = "at+jwt")]
    AtJwt,
    #[serde(rename = "any")]
    Any,
}
