//! What each tenant has of its own, besides issuers and upstreams, which are checked with the shared
//! ones.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::PathBuf,
};

use cardea_domain::{ActorId, TenantId};

use super::Checker;
use crate::{
    Audit, Budget, Entitlement, Tenant,
    diagnostic::printable,
    quantity::{Quantity, bytes},
    raw::{
        ARGUMENTS_MAX, ROTATE_MAX, ROTATE_MIN, RawConfig, RawTenant, RawTenantAudit, RawUpstream,
        TENANTS_MAX,
    },
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
        let entitlements_at = At::root().key("entitlements");
        let known: BTreeSet<_> = raw.upstreams.keys().map(String::as_str).collect();
        let entitlements = self.entitlements(&entitlements_at, &raw.entitlements, &known, None)?;
        self.somebody_decides(raw);
        let known: Vec<_> = known.into_iter().collect();
        let budgets = self.budgets(&At::root().key("budgets"), &raw.budgets, &known)?;
        let mut tenants = BTreeMap::new();
        for (id, own) in &raw.tenants {
            let at = At::root().key("tenants").key(id);
            let policies = self.policies(&at.key("policies"), &own.policies);
            let limits = own.limits.check(&raw.limits, &at.key("limits"), self);
            let own_audit = self.tenant_audit(&at.key("audit"), id, &own.audit, audit);
            let own_entitlements = self.own_entitlements(&at, id, own, raw);
            let own_budgets = self.own_budgets(&at, id, own, raw);
            let agents = self.agents(&at.key("agents"), &own.agents);
            let roles = self.roles(&at.key("roles"), &own.roles);
            let time_zone = self.time_zone(&at.key("time_zone"), own.time_zone.as_deref());
            let notifications =
                self.notifications(&at.key("notifications"), &own.notifications, raw);
            let (Ok(id), Some(policies)) = (TenantId::parse(id), policies) else {
                continue;
            };
            let (Some(own_entitlements), Some(own_budgets), Some(agents), Some(roles)) =
                (own_entitlements, own_budgets, agents, roles)
            else {
                continue;
            };
            let packs = raw.packs.iter().chain(&own.packs).copied().collect();
            let Some(trusted_hosts) = self.actors(&at.key("trusted_hosts"), &own.trusted_hosts)
            else {
                continue;
            };
            let (Some(time_zone), Some(notifications)) = (time_zone, notifications) else {
                continue;
            };
            let tenant = Tenant {
                policies,
                packs,
                trusted_hosts,
                entitlements: entitlements
                    .clone()
                    .into_iter()
                    .chain(own_entitlements)
                    .collect(),
                budgets: budgets.clone().into_iter().chain(own_budgets).collect(),
                time_zone,
                notifications,
                agents,
                roles,
                limits,
                audit: own_audit,
            };
            tenants.insert(id, tenant);
        }
        (tenants.len() == raw.tenants.len()).then_some(tenants)
    }

    /// What may be asked for in this tenant alone.
    fn own_entitlements(
        &mut self,
        at: &At,
        id: &str,
        own: &RawTenant,
        raw: &RawConfig,
    ) -> Option<BTreeMap<String, Entitlement>> {
        let at = at.key("entitlements");
        let upstreams = upstreams_of(id, own, raw).collect();
        for twice in own
            .entitlements
            .keys()
            .filter(|id| raw.entitlements.contains_key(*id))
        {
            let at = at.key(twice);
            let message = "the gateway has an entitlement with this id already";
            let diagnostic = self.document.error_at_key(&at, message);
            self.report(&at, diagnostic.expected("another id"));
        }
        let owner = TenantId::parse(id).ok()?;
        self.entitlements(&at, &own.entitlements, &upstreams, Some(&owner))
    }

    /// What bounds the calls of this tenant alone.
    fn own_budgets(
        &mut self,
        at: &At,
        id: &str,
        own: &RawTenant,
        raw: &RawConfig,
    ) -> Option<BTreeMap<String, Budget>> {
        let at = at.key("budgets");
        for twice in own
            .budgets
            .keys()
            .filter(|id| raw.budgets.contains_key(*id))
        {
            let at = at.key(twice);
            let message = "the gateway has a budget with this id already";
            let diagnostic = self.document.error_at_key(&at, message);
            self.report(&at, diagnostic.expected("another id"));
        }
        let known: Vec<_> = upstreams_of(id, own, raw).collect();
        self.budgets(&at, &own.budgets, &known)
    }

    fn time_zone(&mut self, at: &At, given: Option<&str>) -> Option<String> {
        let name = given.unwrap_or("UTC");
        if jiff::tz::TimeZone::get(name).is_ok() {
            return Some(name.to_owned());
        }
        let message = format!("there is no time zone `{}`", printable(name));
        let diagnostic = self.document.error(at, message);
        let expected = "a name of the IANA database, such as `Europe/Berlin`";
        self.report(at, diagnostic.expected(expected));
        None
    }

    /// A rule that approves requests would permit calls, were it read as a policy too.
    pub(super) fn rules_apart(&mut self, raw: &RawConfig, policies: &BTreeSet<PathBuf>) {
        let root = At::root();
        let shared = (root.key("entitlements"), &raw.entitlements);
        let own = raw.tenants.iter().map(|(id, own)| {
            let at = root.key("tenants").key(id).key("entitlements");
            (at, &own.entitlements)
        });
        for (at, entitlements) in std::iter::once(shared).chain(own).collect::<Vec<_>>() {
            for (id, entitlement) in entitlements {
                let Some(text) = &entitlement.automatic else {
                    continue;
                };
                if fs::canonicalize(self.path(text)).is_ok_and(|file| policies.contains(&file)) {
                    let at = at.key(id).key("automatic");
                    let message = format!("`{}` is a file of `policies` too", printable(text));
                    let diagnostic = self.document.error(&at, message);
                    let expected = "a file that is in no folder of `policies`";
                    let help = "what approves a request there would permit calls here";
                    self.report(&at, diagnostic.expected(expected).help(help));
                }
            }
        }
    }

    /// Requests that nobody could ever decide are a mistake.
    fn somebody_decides(&mut self, raw: &RawConfig) {
        if raw.authorization_server.is_some() {
            return;
        }
        let root = At::root();
        let shared = (!raw.entitlements.is_empty()).then(|| root.key("entitlements"));
        let own = raw
            .tenants
            .iter()
            .filter(|(_, own)| !own.entitlements.is_empty());
        let own = own.map(|(id, _)| root.key("tenants").key(id).key("entitlements"));
        for at in shared.into_iter().chain(own).collect::<Vec<_>>() {
            let message = "those who decide have nowhere to log in";
            let diagnostic = self.document.error_at_key(&at, message);
            self.report(&at, diagnostic.expected("`authorization_server`"));
        }
    }

    fn actors(&mut self, at: &At, names: &[String]) -> Option<BTreeSet<ActorId>> {
        let mut actors = BTreeSet::new();
        for (index, name) in names.iter().enumerate() {
            match ActorId::parse(name) {
                Ok(actor) => drop(actors.insert(actor)),
                Err(error) => {
                    let at = at.index(index);
                    let diagnostic = self.document.error(&at, error.to_string());
                    self.report(&at, diagnostic.expected("the name of an agent"));
                }
            }
        }
        (actors.len() == names.len()).then_some(actors)
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

/// The ids of the upstreams that a tenant has: those that are shared with it, and its own.
fn upstreams_of<'a>(
    id: &'a str,
    own: &'a RawTenant,
    raw: &'a RawConfig,
) -> impl Iterator<Item = &'a str> {
    let is_for_it = move |upstream: &RawUpstream| upstream.tenants.iter().any(|t| t == id);
    let shared = raw.upstreams.iter().filter(move |(_, u)| is_for_it(u));
    shared
        .map(|(id, _)| id)
        .chain(own.upstreams.keys())
        .map(String::as_str)
}
