//! What each tenant has of its own, besides issuers and upstreams, which are checked with the shared
//! ones.

use std::collections::BTreeMap;

use cardea_domain::TenantId;

use super::Checker;
use crate::{
    Audit, Tenant,
    quantity::{Quantity, bytes},
    raw::{ARGUMENTS_MAX, ROTATE_MAX, ROTATE_MIN, RawConfig, RawTenantAudit, TENANTS_MAX},
    yaml::At,
};

/// The folder below that of the gateway's own log in which each tenant has one.
const PARTITIONS: &str = "tenants";

impl Checker<'_> {
    pub(super) fn tenant_settings(
        &mut self,
        raw: &RawConfig,
        audit: &Audit,
    ) -> Option<BTreeMap<TenantId, Tenant>> {
        let has_policies = raw.tenants.values().any(|t| !t.policies.is_empty());
        let policies_at = At::root().key("policies");
        if raw.policies.is_empty() && !has_policies && self.has(&policies_at) {
            let message = "there is no policy: nothing is permitted";
            let diagnostic = self.document.error_at_key(&policies_at, message).warning();
            self.report(&policies_at, diagnostic);
        }
        if raw.tenants.len() > TENANTS_MAX {
            let at = At::root().key("tenants");
            let message = format!("{} tenants are too many for one gateway", raw.tenants.len());
            let diagnostic = self.document.error_at_key(&at, message);
            self.report(&at, diagnostic.expected(format!("at most {TENANTS_MAX}")));
        }
        let mut tenants = BTreeMap::new();
        for (id, own) in &raw.tenants {
            let at = At::root().key("tenants").key(id);
            let policies = self.policies(&at.key("policies"), &own.policies);
            let limits = own.limits.check(&raw.limits, &at.key("limits"), self);
            let own_audit = self.tenant_audit(&at.key("audit"), id, &own.audit, audit);
            let (Ok(id), Some(policies)) = (TenantId::parse(id), policies) else {
                continue;
            };
            let tenant = Tenant {
                policies,
                limits,
                audit: own_audit,
            };
            tenants.insert(id, tenant);
        }
        (tenants.len() == raw.tenants.len()).then_some(tenants)
    }

    fn tenant_audit(&mut self, at: &At, id: &str, raw: &RawTenantAudit, all: &Audit) -> Audit {
        if let Some(size) = raw.rotate_bytes {
            self.range(&at.key("rotate_bytes"), size, ROTATE_MIN, ROTATE_MAX);
        }
        if let Some(size) = raw.arguments_bytes_max {
            let at = at.key("arguments_bytes_max");
            self.range(&at, size, bytes(0), ARGUMENTS_MAX);
        }
        Audit {
            dir: all.dir.join(PARTITIONS).join(id),
            rotate_bytes: raw.rotate_bytes.map_or(all.rotate_bytes, Quantity::checked),
            arguments: raw.arguments.unwrap_or(all.arguments),
            arguments_bytes_max: raw
                .arguments_bytes_max
                .map_or(all.arguments_bytes_max, Quantity::checked),
        }
    }
}
