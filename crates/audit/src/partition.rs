//! The logs of one gateway: one of its own, and one for each tenant in a folder below it.
//!
//! Each is a chain of its own: it is recovered, verified, and fails by itself, and may be handed to
//! its tenant's auditor without a line about anybody else.

use std::{
    fmt, fs, io,
    path::{Path, PathBuf},
};

use cardea_domain::TenantId;

/// The folder below the gateway's own log in which each tenant has one.
const TENANTS: &str = "tenants";

/// Whose records a log holds.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum Owner {
    /// What belongs to no tenant: the gateway's own.
    Gateway,
    /// One tenant's.
    Tenant(TenantId),
}

/// One log.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Partition {
    /// Whose records it holds.
    pub owner: Owner,
    /// Its folder.
    pub dir: PathBuf,
}

impl Partition {
    /// The gateway's own log in its folder.
    #[must_use]
    pub fn of_gateway(dir: &Path) -> Self {
        Self {
            owner: Owner::Gateway,
            dir: dir.to_owned(),
        }
    }

    /// A tenant's log below the gateway's own, which is in `dir`.
    #[must_use]
    pub fn of_tenant(dir: &Path, tenant: &TenantId) -> Self {
        Self {
            owner: Owner::Tenant(tenant.clone()),
            dir: dir.join(TENANTS).join(tenant.as_str()),
        }
    }

    /// Every log that is there: the gateway's own in `dir`, then those of tenants by their ids,
    /// also of tenants that are no longer configured. A tenant's folder, as its auditor may have it, holds its log alone.
    ///
    /// # Errors
    /// When a folder cannot be read.
    pub fn all(dir: &Path) -> io::Result<Vec<Self>> {
        if let Some(tenant) = tenant_of(dir) {
            return Ok(vec![Self {
                owner: Owner::Tenant(tenant),
                dir: dir.to_owned(),
            }]);
        }
        let mut all = vec![Self::of_gateway(dir)];
        let entries = match fs::read_dir(dir.join(TENANTS)) {
            Ok(entries) => entries,
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(all),
            Err(error) => return Err(error),
        };
        for entry in entries {
            let entry = entry?;
            let name = entry.file_name();
            let tenant = name.to_str().and_then(|name| TenantId::parse(name).ok());
            if let Some(tenant) = tenant.filter(|_| entry.path().is_dir()) {
                all.push(Self::of_tenant(dir, &tenant));
            }
        }
        all.sort_by(|a, b| a.owner.cmp(&b.owner));
        Ok(all)
    }
}

/// The tenant whose folder this is, by its path.
fn tenant_of(dir: &Path) -> Option<TenantId> {
    let is_among_tenants = dir.parent()?.file_name()? == TENANTS;
    let name = dir.file_name()?.to_str()?;
    TenantId::parse(name).ok().filter(|_| is_among_tenants)
}

impl fmt::Display for Owner {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Gateway => f.write_str("gateway"),
            Self::Tenant(tenant) => write!(f, "tenant {tenant}"),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_log_is_found_and_nothing_else() {
        let dir = tempfile::tempdir().unwrap();
        let alone = Partition::all(dir.path()).unwrap();
        assert_eq!(alone, [Partition::of_gateway(dir.path())]);
        for name in ["globex", "acme", "Not-A-Tenant"] {
            fs::create_dir_all(dir.path().join(TENANTS).join(name)).unwrap();
        }
        fs::write(dir.path().join(TENANTS).join("file"), "").unwrap();
        let all = Partition::all(dir.path()).unwrap();
        let owners: Vec<_> = all.iter().map(|p| p.owner.to_string()).collect();
        assert_eq!(owners, ["gateway", "tenant acme", "tenant globex"]);
    }
}
