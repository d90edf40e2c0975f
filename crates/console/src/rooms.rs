//! What the console is shown of the gateway, one tenant at a time.

use std::sync::Arc;

use cardea_access::{Access, AccessRequest, Entitlements};
use cardea_domain::{Target, TenantId, UpstreamId};

/// The rooms of tenants, as the world of one request has them.
pub trait Rooms: Send + Sync {
    /// Requests, grants and locks; `None` where the tenant has no such thing.
    fn access(&self, tenant: &TenantId) -> Option<Arc<Access>>;

    /// Who may ask for what.
    fn entitlements(&self, tenant: &TenantId) -> Option<Entitlements>;

    /// Calls of the last hour, the oldest minute first.
    fn minutes(&self, tenant: &TenantId) -> Vec<Minute>;

    /// The digest of the policies as they are now.
    fn policies(&self, tenant: &TenantId) -> [u8; 32];

    /// What policies say to what is asked for, grants aside.
    fn ruling(&self, tenant: &TenantId, request: &AccessRequest) -> Ruling;

    /// What is known of a tool, resource or prompt.
    fn subject(&self, tenant: &TenantId, upstream: &UpstreamId, target: &Target) -> Subject;
}

/// One minute of a tenant's calls.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Minute {
    /// Calls that reached their upstream.
    pub calls: u64,
    /// Calls that were refused.
    pub denials: u64,
}

/// What policies say.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Ruling {
    /// They permit it by themselves, named here.
    Permits(Vec<String>),
    /// None permits it and none forbids it: a grant decides.
    Silent,
    /// They forbid it, named here: a grant would not help.
    Forbids(Vec<String>),
    /// It cannot be said beforehand, for this reason.
    Unknown(String),
}

/// What a server says of one of its things; nobody has checked it.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Subject {
    /// Its description.
    pub description: Option<String>,
    /// The digest of its definition as it is now.
    pub digest: Option<[u8; 32]>,
}
