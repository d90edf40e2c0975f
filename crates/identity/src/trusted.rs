//! One issuer that is trusted: its keys, and the entries of the configuration that are about it.

use std::{fmt, sync::Arc};

use cardea_domain::{Clock, Denial, TenantId};
use serde_json::Value;

use crate::{
    IssuerSettings,
    claims::{Mismatch, invalid, tenant_of},
    keys::IssuerKeys,
};

/// An issuer with its keys and its entries; one `iss` may have several, for different tenants.
pub struct TrustedIssuer {
    name: String,
    pub(crate) keys: Arc<IssuerKeys>,
    entries: Vec<IssuerSettings>,
}

impl TrustedIssuer {
    /// An issuer by its entries, which all have its name and the same source of keys; `None`
    /// without any.
    ///
    /// The keys that `before` has found are kept: for entries that changed while the source of
    /// the keys did not.
    #[must_use]
    pub fn new(entries: Vec<IssuerSettings>, clock: &Clock, before: Option<&Self>) -> Option<Self> {
        let first = entries.first()?;
        let keys = match before {
            Some(before) => Arc::clone(&before.keys),
            None => Arc::new(IssuerKeys::new(
                first.issuer.clone(),
                first.keys.clone(),
                clock.clone(),
            )),
        };
        Some(Self {
            name: first.issuer.clone(),
            keys,
            entries,
        })
    }

    /// The exact `iss`.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    pub(crate) fn is_advertised(&self) -> bool {
        self.entries.iter().any(|entry| entry.advertised)
    }

    pub(crate) fn entries(&self) -> &[IssuerSettings] {
        &self.entries
    }

    /// The one entry that these claims are for, and the tenant that they name.
    ///
    /// # Errors
    /// When none is, more than one is, or the claims name several tenants.
    pub(crate) fn entry_for(&self, claims: &Value) -> Result<(&IssuerSettings, TenantId), Denial> {
        let mut found: Option<(&IssuerSettings, TenantId)> = None;
        let mut why_not = None;
        for entry in &self.entries {
            match tenant_by(entry, claims) {
                Ok(tenant) => {
                    if let Some((_, other)) = &found {
                        return Err(invalid(format!(
                            "it matches two entries of its issuer, for the tenants `{other}` and `{tenant}`"
                        )));
                    }
                    found = Some((entry, tenant));
                }
                Err(Mismatch::Several(detail)) => return Err(invalid(detail)),
                Err(Mismatch::Not(detail)) => why_not = Some(detail),
            }
        }
        found.ok_or_else(|| match (self.entries.len(), why_not) {
            (1, Some(detail)) => invalid(detail),
            (entries, _) => invalid(format!(
                "it matches none of {entries} entries of its issuer"
            )),
        })
    }
}

fn tenant_by(entry: &IssuerSettings, claims: &Value) -> Result<TenantId, Mismatch> {
    for (pointer, wanted) in &entry.required {
        if claims.pointer(pointer).and_then(Value::as_str) != Some(wanted) {
            return Err(Mismatch::Not(format!("not `{wanted}` at `{pointer}`")));
        }
    }
    tenant_of(claims, &entry.tenant)
}

impl fmt::Debug for TrustedIssuer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("TrustedIssuer")
            .field("name", &self.name)
            .field("entries", &self.entries.len())
            .finish_non_exhaustive()
    }
}
