//! The second stage: what no schema can say. Values that must be parsed, lead somewhere, or agree.
//!
//! Each part is checked on its own and reports all that is wrong; a configuration is put together
//! only when nothing is.

mod access;
mod authorization;
mod budget;
mod client;
mod constraint;
mod definitions;
mod files;
mod flow;
mod issuer;
mod network;
mod notifications;
mod output;
mod sandbox;
mod secret;
mod tenant;
mod tenant_tools;
mod tls;
pub(crate) mod upstream;
mod url;

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    path::{Path, PathBuf},
    thread,
};

use cardea_domain::TenantId;

pub use self::definitions::{definitions, load_definitions};

use crate::{
    Audit, Config, Telemetry,
    diagnostic::{Diagnostic, Diagnostics, nearest, printable},
    quantity::{Count, Quantity, bytes},
    raw::{
        ARGUMENTS_MAX, Constraint, ROTATE_MAX, ROTATE_MIN, RawAudit, RawConfig, RawEntitlement,
        RawTelemetry, RawUpstream, WORKERS_MAX,
    },
    yaml::{At, Document},
};

/// Where the values that are not in the file come from.
pub(crate) struct Surroundings<'a> {
    /// The configuration file, absolute.
    pub(crate) file: &'a Path,
    /// The folder that paths of the file are relative to, absolute.
    pub(crate) folder: &'a Path,
    pub(crate) env: &'a dyn Fn(&str) -> Option<String>,
}

/// Checks what was read; without a configuration there is at least one error.
pub(crate) fn check(
    document: &Document,
    raw: &RawConfig,
    around: &Surroundings<'_>,
) -> (Option<Config>, Diagnostics) {
    let tenants = raw.tenants.keys();
    let mut checker = Checker {
        document,
        around,
        tenants: tenants.filter_map(|id| TenantId::parse(id).ok()).collect(),
        allow_plain_http: raw.allow_plain_http,
        diagnostics: Diagnostics::new(),
    };
    let config = checker.config(raw);
    (config, checker.diagnostics)
}

/// Checks constraints that stand in a file of their own.
pub(crate) fn constraints(
    document: &Document,
    raw: &[Constraint],
    around: &Surroundings<'_>,
) -> (Option<Vec<Constraint>>, Diagnostics) {
    let mut checker = Checker {
        document,
        around,
        tenants: BTreeSet::new(),
        allow_plain_http: false,
        diagnostics: Diagnostics::new(),
    };
    let checked = checker.constraints(&At::root().key("constraints"), raw);
    (checked, checker.diagnostics)
}

/// What can be said of a configuration whatever else is wrong with it.
pub(crate) fn inspect(
    document: &Document,
    raw: &RawConfig,
    around: &Surroundings<'_>,
) -> crate::Inspected {
    let mut checker = Checker {
        document,
        around,
        tenants: BTreeSet::new(),
        allow_plain_http: true,
        diagnostics: Diagnostics::new(),
    };
    let policies = |checker: &mut Checker<'_>, at: &At, texts: &[String]| {
        checker
            .policies(at, texts)
            .map(|found| found.files)
            .unwrap_or_default()
    };
    let rules = |checker: &Checker<'_>, entitlements: &BTreeMap<String, RawEntitlement>| {
        let named = entitlements.values().filter_map(|e| e.automatic.as_deref());
        named
            .map(|text| checker.path(text))
            .filter(|path| path.is_file())
            .collect()
    };
    let root = At::root();
    crate::Inspected {
        file: around.file.to_owned(),
        policies: policies(&mut checker, &root.key("policies"), &raw.policies),
        rules: rules(&checker, &raw.entitlements),
        tenants: raw
            .tenants
            .iter()
            .map(|(id, own)| {
                let at = root.key("tenants").key(id).key("policies");
                let is_for_it = |u: &RawUpstream| u.tenants.iter().any(|t| t == id);
                let shared = raw.upstreams.iter().filter(|(_, u)| is_for_it(u));
                crate::InspectedTenant {
                    id: id.clone(),
                    policies: policies(&mut checker, &at, &own.policies),
                    rules: rules(&checker, &own.entitlements),
                    upstreams: shared
                        .map(|(id, _)| id.clone())
                        .chain(own.upstreams.keys().cloned())
                        .collect(),
                }
            })
            .collect(),
    }
}

/// What all checks share: the file, what surrounds it, and where mistakes go.
pub(crate) struct Checker<'a> {
    document: &'a Document,
    around: &'a Surroundings<'a>,
    tenants: BTreeSet<TenantId>,
    allow_plain_http: bool,
    diagnostics: Diagnostics,
}

impl Checker<'_> {
    fn config(&mut self, raw: &RawConfig) -> Option<Config> {
        let root = At::root();
        let network = self.network(raw);
        let issuers = self.issuers(raw);
        let authorization_server =
            self.optional(raw.authorization_server.as_ref(), |checker, server| {
                let at = root.key("authorization_server");
                checker.authorization_server(&at, server, raw)
            });
        let upstreams = self.upstreams(raw);
        let policies = self.policies(&root.key("policies"), &raw.policies);
        let flow_labels = self.flow_labels(raw);
        let definitions = self.definitions(raw);
        let tls = self.tls(raw.tls.as_ref());
        let trusted_proxies = self.trusted_proxies(&raw.trusted_proxies);
        let dpop = self.dpop(&raw.dpop);
        let required_bindings = self.required_bindings(raw);
        let limits = raw.limits.check(&root.key("limits"), self);
        let state_dir = self.path(&raw.state_dir);
        let audit = self.audit(&root.key("audit"), &raw.audit, &state_dir);
        let tenants = self.tenant_settings(raw, &audit);
        let own = tenants
            .iter()
            .flat_map(BTreeMap::values)
            .map(|t| &t.policies);
        let files = policies.iter().chain(own).flat_map(|found| &found.files);
        let files = files
            .filter_map(|file| fs::canonicalize(file).ok())
            .collect();
        self.rules_apart(raw, &files);
        let telemetry = self.telemetry(&root.key("telemetry"), &raw.telemetry);

        let network = network?;
        Some(Config {
            file: self.around.file.to_owned(),
            listen: network.listen,
            public_url: network.public_url,
            admin_listen: network.admin_listen,
            allowed_hosts: network.allowed_hosts,
            allowed_origins: network.allowed_origins,
            tls: tls?,
            trusted_proxies: trusted_proxies?,
            dpop,
            required_bindings,
            workers: workers(raw.workers),
            state_dir,
            tenants: tenants?,
            issuers: issuers?,
            authorization_server: authorization_server?,
            upstreams: upstreams?,
            policies: policies?,
            flow_labels: flow_labels?,
            definitions: definitions?,
            limits,
            audit,
            telemetry: telemetry?,
            warnings: Diagnostics::new(),
        })
    }

    fn audit(&mut self, at: &At, raw: &RawAudit, state_dir: &Path) -> Audit {
        self.range(
            &at.key("rotate_bytes"),
            raw.rotate_bytes,
            ROTATE_MIN,
            ROTATE_MAX,
        );
        let arguments = at.key("arguments_bytes_max");
        self.range(&arguments, raw.arguments_bytes_max, bytes(0), ARGUMENTS_MAX);
        Audit {
            dir: files::join(state_dir, &raw.dir),
            rotate_bytes: raw.rotate_bytes.checked(),
            arguments: raw.arguments,
            arguments_bytes_max: raw.arguments_bytes_max.checked(),
        }
    }

    fn telemetry(&mut self, at: &At, raw: &RawTelemetry) -> Option<Telemetry> {
        let endpoint = raw.otlp_endpoint.as_deref();
        let otlp_endpoint = self.optional(endpoint, |checker, text| {
            checker.url(&at.key("otlp_endpoint"), text, url::PlainHttp::Warned)
        });
        Some(Telemetry {
            otlp_endpoint: otlp_endpoint?,
            log_format: raw.log_format,
            log_level: raw.log_level,
            service_name: raw.service_name.clone(),
        })
    }

    /// Reports a value of the file that is out of its range.
    pub(crate) fn range<Q: Quantity>(&mut self, at: &At, value: Q, min: Q, max: Q) {
        if self.document.node(at).is_some() && !(min..=max).contains(&value) {
            let message = format!("{} is out of range", self.document.name(at));
            let diagnostic = self.document.error(at, message);
            self.report(at, diagnostic.expected(format!("{min} to {max}")));
        }
    }

    /// The tenant by this id, which must be one of the file's.
    fn tenant(&mut self, at: &At, id: &str) -> Option<TenantId> {
        let known = TenantId::parse(id)
            .ok()
            .filter(|id| self.tenants.contains(id));
        if known.is_some() || self.document.has_broken(&At::root().key("tenants")) {
            return known;
        }
        let names: Vec<_> = self.tenants.iter().map(TenantId::as_str).collect();
        let diagnostic = self
            .document
            .error(at, format!("there is no tenant `{}`", printable(id)))
            .expected(format!("one of: {}", names.join(", ")))
            .suggest(nearest(id, names));
        self.report(at, diagnostic);
        None
    }

    fn tenants(&mut self, at: &At, ids: &[String]) -> BTreeSet<TenantId> {
        let ids = ids.iter().enumerate();
        ids.filter_map(|(index, id)| self.tenant(&at.index(index), id))
            .collect()
    }

    /// Checks what is there: `None` when that fails, `Some(None)` when there is nothing.
    fn optional<T, U>(
        &mut self,
        value: Option<T>,
        check: impl FnOnce(&mut Self, T) -> Option<U>,
    ) -> Option<Option<U>> {
        match value {
            Some(value) => check(self, value).map(Some),
            None => Some(None),
        }
    }

    /// Whether the file has this key, rightly or wrongly.
    fn has(&self, at: &At) -> bool {
        self.document.get(at).is_some()
    }

    /// Adds a mistake, unless the value is known to be broken and this only follows from that.
    fn report(&mut self, at: &At, diagnostic: Diagnostic) {
        if !self.document.is_broken(at) {
            self.diagnostics.push(diagnostic);
        }
    }

    /// A path of the file, made absolute.
    fn path(&self, text: &str) -> PathBuf {
        files::join(self.around.folder, text)
    }
}

fn workers(given: Option<Count>) -> usize {
    match given {
        Some(workers) => workers.checked(),
        None => thread::available_parallelism().map_or(1, |n| n.get().min(WORKERS_MAX.checked())),
    }
}
