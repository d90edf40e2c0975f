//! The MCP servers behind the gateway.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::{Path, PathBuf},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cardea_domain::{TenantId, UpstreamId};

use super::{Checker, files::Wanted, secret::Use, url::PlainHttp};
use crate::{
    Http, Sandbox, Secret, Stdio, Transport, Upstream,
    diagnostic::printable,
    raw::{
        RawClientIdentity, RawConfig, RawHttp, RawOwnUpstream, RawSecret, RawStdio, RawUpstream,
    },
    yaml::{At, holds_secret_argument, looks_secret},
};

/// Headers that are the protocol's or the connection's own.
const OWN_HEADERS: [&str; 13] = [
    "accept",
    "connection",
    "content-length",
    "content-type",
    "expect",
    "host",
    "keep-alive",
    "last-event-id",
    "origin",
    "te",
    "trailer",
    "transfer-encoding",
    "upgrade",
];

/// The SHA-256 of a key, as `spki_pins` spells it; `None` when it is spelt otherwise.
#[must_use]
pub fn spki_pin(text: &str) -> Option<[u8; 32]> {
    let digest = STANDARD.decode(text.strip_prefix("sha256/")?).ok()?;
    digest.try_into().ok()
}

/// Told as a warning where a configuration names no server; others may have been added.
pub const NO_UPSTREAM: &str = "there is no upstream, so there is nothing to call";

impl Checker<'_> {
    /// Checks the upstreams whose settings tenants share, then those of each tenant; each is there
    /// once for each tenant that it exists for.
    pub(super) fn upstreams(
        &mut self,
        raw: &RawConfig,
    ) -> Option<BTreeMap<(TenantId, UpstreamId), Upstream>> {
        let at = At::root().key("upstreams");
        let own = raw.tenants.values().map(|tenant| tenant.upstreams.len());
        if raw.upstreams.len() + own.sum::<usize>() == 0 && !self.document.has_broken(&at) {
            let diagnostic = self.document.error_at_key(&at, NO_UPSTREAM).warning();
            self.report(&at, diagnostic);
        }
        let mut upstreams = BTreeMap::new();
        let mut all_good = true;
        for (id, shared) in &raw.upstreams {
            let at = at.key(id);
            let tenants = self.tenants(&at.key("tenants"), &shared.tenants);
            let found = self.upstream(&at, id, shared, tenants, raw);
            all_good &= found.is_some();
            upstreams.extend(found.into_iter().flatten());
        }
        for (tenant, settings) in &raw.tenants {
            let at = At::root().key("tenants").key(tenant).key("upstreams");
            for (id, RawOwnUpstream(own)) in &settings.upstreams {
                let at = at.key(id);
                self.refuse_shared_id(&at, tenant, id, raw);
                let owner = TenantId::parse(tenant).ok().into_iter().collect();
                let found = self.upstream(&at, id, own, owner, raw);
                all_good &= found.is_some();
                let own = found.into_iter().flatten();
                upstreams.extend(own.map(|(key, u)| (key, Upstream { is_own: true, ..u })));
            }
        }
        all_good.then_some(upstreams)
    }

    /// One name must not mean two servers for one tenant.
    fn refuse_shared_id(&mut self, at: &At, tenant: &str, id: &str, raw: &RawConfig) {
        let shared = raw.upstreams.get(id);
        if !shared.is_some_and(|shared| shared.tenants.iter().any(|t| t == tenant)) {
            return;
        }
        let shown = printable(id);
        let message = format!("the shared upstream `{shown}` exists for this tenant too");
        let diagnostic = self
            .document
            .error_at_key(at, message)
            .expected("an id that no other upstream of the tenant has")
            .help(format!(
                "rename it, or take the tenant out of `upstreams.{shown}.tenants`"
            ));
        self.report(at, diagnostic);
    }

    fn upstream(
        &mut self,
        at: &At,
        id: &str,
        raw: &RawUpstream,
        tenants: BTreeSet<TenantId>,
        all: &RawConfig,
    ) -> Option<Vec<((TenantId, UpstreamId), Upstream)>> {
        // For its ranges; those of the tenants are looked at where they stand.
        raw.limits.over(&all.limits).check(&at.key("limits"), self);
        let values = self.names_of_tenants(&at.key("tenant_values"), &raw.tenant_values, &tenants);
        let transport = self.transport(at, raw, all);
        // The schema has the same rule.
        let id = UpstreamId::parse(id).ok()?;
        let (transport, values) = (transport?, values?);
        let tools = self.tools(&at.key("tools"), &raw.tools, &values, &transport);
        let identity = self.optional(raw.identity.as_ref(), |checker, given| {
            checker.identity(&at.key("identity"), given, &id, &transport, &raw.tools)
        });
        let constraints = self.constraints(&at.key("constraints"), &raw.constraints);
        let outputs = self.outputs(&at.key("outputs"), &raw.outputs);
        let roots = self.optional(raw.roots.as_deref(), |checker, given| {
            checker.roots(&at.key("roots"), given)
        });
        let (tools, identity, constraints) = (tools?, identity?, constraints?);
        let (outputs, roots) = (outputs?, roots?);
        let expanded = values.into_iter().map(|(tenant, tenant_value)| {
            let of_tenant = all.tenants.get(tenant.as_str()).map(|t| &t.limits);
            let limits = of_tenant.map_or(all.limits, |limits| limits.over(&all.limits));
            let upstream = Upstream {
                id: id.clone(),
                tenant: tenant.clone(),
                is_own: false,
                is_held: false,
                added_ms: None,
                transport: transport.clone(),
                tenant_value,
                tools: tools.clone(),
                schemas: raw.schemas,
                pins: raw.pins,
                constraints: constraints.clone(),
                outputs: outputs.clone(),
                roots: roots.clone(),
                identity: identity.clone(),
                limits: raw.limits.over(&limits).checked(),
            };
            ((tenant, id.clone()), upstream)
        });
        Some(expanded.collect())
    }

    fn transport(&mut self, at: &At, raw: &RawUpstream, all: &RawConfig) -> Option<Transport> {
        let http_at = at.key("http");
        let stdio_at = at.key("stdio");
        let document = self.document;
        let both_or_none = match (self.has(&stdio_at), self.has(&http_at)) {
            (true, true) => {
                let message = "there is a `stdio` as well";
                Some((&http_at, document.error_at_key(&http_at, message)))
            }
            (false, false) => {
                let message = "an upstream that cannot be reached";
                Some((at, document.error_within(at, message)))
            }
            _ => None,
        };
        if let Some((at, diagnostic)) = both_or_none {
            self.report(at, diagnostic.expected("either `stdio` or `http`"));
        }
        let sandbox_at = at.key("sandbox");
        if raw.stdio.is_none() && self.has(&sandbox_at) {
            let message = "a server that is called by HTTP runs somewhere else";
            let diagnostic = self.document.error_at_key(&sandbox_at, message);
            self.report(
                &sandbox_at,
                diagnostic.help("a sandbox is for `stdio`, where the gateway starts the server"),
            );
        }
        let stdio = raw.stdio.as_ref().map(|stdio| {
            let sandbox = self.sandbox(&sandbox_at, &raw.sandbox, all);
            self.stdio(&stdio_at, stdio, sandbox)
        });
        let http = raw.http.as_ref().map(|raw| self.http(&http_at, raw));
        match (stdio, http) {
            (Some(stdio), None) => stdio.map(Transport::Stdio),
            (None, Some(http)) => http.map(Transport::Http),
            _ => None,
        }
    }

    fn stdio(&mut self, at: &At, raw: &RawStdio, sandbox: Option<Sandbox>) -> Option<Stdio> {
        let command = self.command(&at.key("command"), &raw.command);
        self.warn_of_secret_arguments(&at.key("args"), &raw.args);
        let env = self.secrets(&at.key("env"), &raw.env, Use::Variable);
        let cwd = match &raw.cwd {
            Some(text) => self.existing(&at.key("cwd"), text, Wanted::Folder),
            None => Some(self.around.folder.to_owned()),
        };
        Some(Stdio {
            command: command?,
            args: raw.args.clone(),
            env: env?,
            cwd: cwd?,
            sandbox: sandbox?,
            locked: Vec::new(),
        })
    }

    /// A path leads to a program; a bare name is left for `PATH`.
    fn command(&mut self, at: &At, text: &str) -> Option<PathBuf> {
        if text.contains('/') {
            let path = self.existing(at, text, Wanted::File)?;
            if !is_executable(&path) {
                let message = format!("`{}` is not executable", printable(text));
                let diagnostic = self.document.error(at, message);
                self.report(at, diagnostic);
                return None;
            }
            return Some(path);
        }
        if text.contains(char::is_whitespace) {
            let message = format!("`{}` is more than a command", printable(text));
            let diagnostic = self
                .document
                .error(at, message)
                .expected("the program only")
                .help("its arguments go to `args`, each for itself; there is no shell");
            self.report(at, diagnostic);
            return None;
        }
        if let Some(path) = (self.around.env)("PATH")
            && !text.is_empty()
            && !std::env::split_paths(&path).any(|folder| is_executable(&folder.join(text)))
        {
            let message = format!("there is no `{}` in `PATH`", printable(text));
            let diagnostic = self.document.error(at, message).warning();
            self.report(at, diagnostic);
        }
        (!text.is_empty()).then(|| PathBuf::from(text))
    }

    fn warn_of_secret_arguments(&mut self, at: &At, args: &[String]) {
        let pairs = args.iter().zip(args.iter().skip(1));
        let after_flag = pairs.map(|(flag, value)| {
            flag.starts_with('-')
                && looks_secret(flag)
                && !flag.contains('=')
                && !value.starts_with('-')
        });
        let after_flag = std::iter::once(false).chain(after_flag);
        for (index, (arg, is_after_flag)) in args.iter().zip(after_flag).enumerate() {
            if is_after_flag || holds_secret_argument(arg) {
                let at = at.index(index);
                let diagnostic = self
                    .document
                    .error(
                        &at,
                        "this argument looks like a secret, and arguments are public",
                    )
                    .warning()
                    .help("give it by `env`, if the server can take it from there");
                self.report(&at, diagnostic);
            }
        }
    }

    fn http(&mut self, at: &At, raw: &RawHttp) -> Option<Http> {
        let url_at = at.key("url");
        let url = self.url(&url_at, &raw.url, PlainHttp::OnDemand);
        let secret_query = url.as_ref().is_some_and(|url| {
            url.query_pairs()
                .any(|(name, value)| looks_secret(&name) && !value.is_empty())
        });
        if secret_query {
            let diagnostic = self
                .document
                .error(
                    &url_at,
                    "the query of this URL looks like a secret, and URLs are logged",
                )
                .warning()
                .help("send it as a header, if the server can take it from there");
            self.report(&url_at, diagnostic);
        }
        let headers_at = at.key("headers");
        let names = self.header_names(&headers_at, &raw.headers);
        let headers = self.secrets(&headers_at, &raw.headers, Use::Header);
        let ca_file = self.optional(raw.ca_file.as_deref(), |checker, text| {
            checker.existing(&at.key("ca_file"), text, Wanted::File)
        });
        let client_certificate = self
            .optional(raw.client_certificate.as_ref(), |checker, given| {
                checker.client_identity(&at.key("client_certificate"), given)
            });
        let is_tls = url.as_ref().is_some_and(|url| url.scheme() == "https");
        let identity = self.server_identity(at, raw, is_tls);
        names?;
        let headers = headers?
            .into_iter()
            .map(|(name, value)| (name.to_ascii_lowercase(), value))
            .collect();
        Some(Http {
            url: url?,
            headers,
            ca_file: ca_file?,
            spki_pins: raw.spki_pins.iter().filter_map(|p| spki_pin(p)).collect(),
            spiffe_id: identity?,
            client_certificate: client_certificate?,
        })
    }

    fn client_identity(&mut self, at: &At, raw: &RawClientIdentity) -> Option<(PathBuf, PathBuf)> {
        let mut file = |member: &str, text: &str| {
            // The key itself is missing, which is said already.
            (!text.is_empty()).then(|| self.existing(&at.key(member), text, Wanted::File))?
        };
        let certificate = file("certificate", &raw.certificate);
        let key = file("key", &raw.key);
        Some((certificate?, key?))
    }

    /// The SPIFFE ID, where who the server is can be told at all.
    fn server_identity(&mut self, at: &At, raw: &RawHttp, is_tls: bool) -> Option<Option<String>> {
        let wants = !raw.spki_pins.is_empty() || raw.spiffe_id.is_some();
        if wants && !is_tls && !self.document.is_broken(&at.key("url")) {
            let member = match raw.spiffe_id {
                Some(_) => "spiffe_id",
                None => "spki_pins",
            };
            let at = at.key(member);
            let message = "without TLS nobody can tell who the server is";
            let diagnostic = self.document.error_at_key(&at, message);
            self.report(&at, diagnostic.expected("an `https` URL"));
            return None;
        }
        if raw.spiffe_id.is_some() && raw.ca_file.is_none() {
            let at = at.key("spiffe_id");
            let message = "no public authority speaks for a trust domain";
            let diagnostic = self.document.error_at_key(&at, message);
            self.report(
                &at,
                diagnostic.expected("`ca_file`, the bundle of the trust domain"),
            );
            return None;
        }
        Some(raw.spiffe_id.clone())
    }

    /// Refuses headers that are the gateway's own business, or that differ by case alone.
    fn header_names(&mut self, at: &At, headers: &BTreeMap<String, RawSecret>) -> Option<()> {
        let mut seen = Vec::new();
        let mut all_good = Some(());
        for name in headers.keys() {
            let at = at.key(name);
            let lower = name.to_ascii_lowercase();
            let message = match &lower {
                _ if is_own_header(&lower) => {
                    format!("the gateway sets `{}` itself", printable(name))
                }
                _ if seen.contains(&lower) => {
                    format!(
                        "`{}` stands here twice: case does not count",
                        printable(name)
                    )
                }
                _ => {
                    seen.push(lower);
                    continue;
                }
            };
            let diagnostic = self.document.error_at_key(&at, message);
            self.report(&at, diagnostic);
            all_good = None;
        }
        all_good
    }

    fn secrets(
        &mut self,
        at: &At,
        raws: &BTreeMap<String, RawSecret>,
        usage: Use,
    ) -> Option<BTreeMap<String, Secret>> {
        let secrets: BTreeMap<_, _> = raws
            .iter()
            .filter_map(|(name, raw)| {
                let secret = self.secret(&at.key(name), name, raw, usage)?;
                Some((name.clone(), secret))
            })
            .collect();
        (secrets.len() == raws.len()).then_some(secrets)
    }
}

/// Whether a header, by its name in lower case, is the protocol's or the connection's own.
pub(super) fn is_own_header(lower: &str) -> bool {
    OWN_HEADERS.contains(&lower) || lower.starts_with("mcp-") || lower.starts_with("proxy-")
}

#[cfg(unix)]
fn is_executable(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    path.metadata()
        .is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0)
}

#[cfg(not(unix))]
fn is_executable(path: &Path) -> bool {
    path.is_file()
}
