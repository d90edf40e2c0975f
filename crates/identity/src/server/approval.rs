//! What a person said yes to, as it travels from the code to the last refreshed token.

use cardea_domain::TenantId;
use serde::{Deserialize, Serialize};

use super::{binding::Confirmation, person::Person};

/// One approval; stored with its code, its device or its family.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Approval {
    pub(super) client: String,
    /// The client's way back, exactly as it asked; `None` for devices.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) redirect_uri: Option<String>,
    /// Whether the authorization request named it, so that the token request must too.
    #[serde(default)]
    pub(super) redirect_named: bool,
    /// RFC 7636: the challenge, by S256.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) code_challenge: Option<String>,
    pub(super) resource: String,
    /// Space-separated, sorted.
    pub(super) scope: String,
    pub(super) person: Person,
    /// The key to which tokens of a family are bound (RFC 9449, RFC 8705).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) confirmation: Option<Confirmation>,
}

impl Approval {
    pub(super) fn tenant(&self) -> &TenantId {
        &self.person.tenant
    }

    pub(super) fn has_scope(&self, scope: &str) -> bool {
        self.scope.split(' ').any(|held| held == scope)
    }
}
