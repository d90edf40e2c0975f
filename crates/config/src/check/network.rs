//! Where the gateway listens, and under which names it may be called.

use std::{
    collections::BTreeSet,
    net::{IpAddr, SocketAddr},
};

use url::Url;

use super::{Checker, url::PlainHttp};
use crate::{
    AllowedHost,
    diagnostic::printable,
    raw::RawConfig,
    yaml::{At, without_secrets},
};

pub(super) struct Network {
    pub(super) listen: SocketAddr,
    pub(super) public_url: Url,
    pub(super) admin_listen: Option<SocketAddr>,
    pub(super) allowed_hosts: Vec<AllowedHost>,
    pub(super) allowed_origins: BTreeSet<String>,
}

impl Checker<'_> {
    pub(super) fn network(&mut self, raw: &RawConfig) -> Option<Network> {
        let root = At::root();
        let listen_at = root.key("listen");
        let listen = self.address(&listen_at, &raw.listen);
        let admin_listen = self.admin_listen(raw, listen);
        let public_url = match &raw.public_url {
            Some(text) => self.public_url(&root.key("public_url"), text),
            None => listen.and_then(|listen| self.default_public_url(raw, &listen_at, listen)),
        };
        let hosts = self.hosts(&root.key("allowed_hosts"), &raw.allowed_hosts);
        let origins = self.origins(&root.key("allowed_origins"), &raw.allowed_origins);
        let (listen, public_url) = (listen?, public_url?);
        self.tls_fits(raw, &public_url);
        if !listen.ip().is_loopback() && public_url.scheme() == "http" {
            let message = "clients on the network will send their tokens over plain `http`";
            let diagnostic = self.document.error(&listen_at, message).warning();
            let help = "set `tls`, or put TLS in front, and set `public_url` to its `https` origin";
            self.report(&listen_at, diagnostic.help(help));
        }
        let own = own_hosts(listen, &public_url);
        let own_origin = public_url.origin().ascii_serialization();
        Some(Network {
            listen,
            public_url,
            admin_listen: admin_listen?,
            allowed_hosts: own.into_iter().chain(hosts?).collect(),
            allowed_origins: origins?.into_iter().chain([own_origin]).collect(),
        })
    }

    fn address(&mut self, at: &At, text: &str) -> Option<SocketAddr> {
        let expected = "an address and a port such as `127.0.0.1:8808`";
        let diagnostic = match text.parse::<SocketAddr>() {
            Ok(address) if address.port() != 0 => return Some(address),
            Ok(_) => self.document.error(at, "nobody would know the port"),
            Err(_) => {
                let message = format!("`{}` is not an address and a port", printable(text));
                self.document
                    .error(at, message)
                    .suggest(meant_address(text))
            }
        };
        self.report(at, diagnostic.expected(expected));
        None
    }

    fn admin_listen(
        &mut self,
        raw: &RawConfig,
        listen: Option<SocketAddr>,
    ) -> Option<Option<SocketAddr>> {
        let at = At::root().key("admin_listen");
        let address = self.optional(raw.admin_listen.as_deref(), |checker, text| {
            checker.address(&at, text)
        })?;
        let Some(admin) = address else {
            return Some(None);
        };
        if listen == Some(admin) {
            let diagnostic = self.document.error(&at, "this is the address of `listen`");
            self.report(&at, diagnostic.expected("an address of its own"));
            return None;
        }
        if !admin.ip().is_loopback() {
            let message = "metrics and health are open to the network, without a token";
            let diagnostic = self.document.error(&at, message).warning();
            self.report(
                &at,
                diagnostic.help("let only your monitoring reach this address"),
            );
        }
        Some(Some(admin))
    }

    fn public_url(&mut self, at: &At, text: &str) -> Option<Url> {
        let url = self.url(at, text, PlainHttp::OnDemand)?;
        if origin(text).is_ok() {
            return Some(url);
        }
        let diagnostic = self
            .document
            .error(at, "`public_url` is more than an origin")
            .expected("scheme, host and port only")
            .suggest(Some(url.origin().ascii_serialization()));
        self.report(at, diagnostic);
        None
    }

    fn default_public_url(
        &mut self,
        raw: &RawConfig,
        listen_at: &At,
        listen: SocketAddr,
    ) -> Option<Url> {
        if self.has(&At::root().key("public_url")) {
            return None;
        }
        if listen.ip().is_loopback() {
            let scheme = if raw.tls.is_some() { "https" } else { "http" };
            return Url::parse(&format!("{scheme}://{listen}")).ok();
        }
        let diagnostic = self
            .document
            .error(
                listen_at,
                "clients cannot be told how to reach this address",
            )
            .expected("an address on loopback, or `public_url` beside it")
            .help("set `public_url` to the origin that clients use");
        self.report(listen_at, diagnostic);
        None
    }

    fn hosts(&mut self, at: &At, texts: &[String]) -> Option<Vec<AllowedHost>> {
        let mut hosts = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            if let Some(host) = AllowedHost::parse(text) {
                hosts.push(host);
                continue;
            }
            let at = at.index(index);
            let meant = Url::parse(text).ok();
            let meant = meant.and_then(|url| Some(url.host()?.to_string()));
            let message = format!("`{}` is not a host", printable(&without_secrets(text)));
            let diagnostic = self
                .document
                .error(&at, message)
                .expected("`host` or `host:port`, without wildcards")
                .suggest(meant);
            self.report(&at, diagnostic);
        }
        (hosts.len() == texts.len()).then_some(hosts)
    }

    fn origins(&mut self, at: &At, texts: &[String]) -> Option<Vec<String>> {
        let mut origins = Vec::new();
        for (index, text) in texts.iter().enumerate() {
            match origin(text) {
                Ok(origin) => origins.push(origin),
                Err(meant) => {
                    let at = at.index(index);
                    let message =
                        format!("`{}` is not an origin", printable(&without_secrets(text)));
                    let diagnostic = self
                        .document
                        .error(&at, message)
                        .expected("scheme, host and port only, without wildcards")
                        .suggest(meant);
                    self.report(&at, diagnostic);
                }
            }
        }
        (origins.len() == texts.len()).then_some(origins)
    }
}

/// The names by which clients call the gateway without being told others.
fn own_hosts(listen: SocketAddr, public_url: &Url) -> Vec<AllowedHost> {
    let public = public_url.host_str().unwrap_or_default();
    let public = match public_url.port() {
        Some(port) => format!("{public}:{port}"),
        // Of the default port clients send nothing, and what they do send is not the point.
        None => public.to_owned(),
    };
    let mut names = vec![public];
    if !listen.ip().is_unspecified() {
        names.push(listen.to_string());
    }
    if listen.ip().is_loopback() {
        // No page can make this name lead elsewhere.
        names.push(format!("localhost:{}", listen.port()));
    }
    let mut hosts = Vec::new();
    for host in names.iter().filter_map(|name| AllowedHost::parse(name)) {
        if !hosts.contains(&host) {
            hosts.push(host);
        }
    }
    hosts
}

/// The origin as browsers spell it, or what was probably meant.
fn origin(text: &str) -> Result<String, Option<String>> {
    if text.contains('*') {
        return Err(None);
    }
    let url = Url::parse(text).map_err(|_| None)?;
    let origin = match url.origin().is_tuple() {
        true => url.origin().ascii_serialization(),
        // Apps and extensions have schemes of their own, whose origins browsers send as they are.
        false => text.to_owned(),
    };
    let rest = text.split_once("://").map_or("", |(_, rest)| rest);
    match !rest.is_empty() && !rest.contains(['/', '?', '#', '@', '\\']) {
        true => Ok(origin),
        false => Err(url.origin().is_tuple().then_some(origin)),
    }
}

fn meant_address(text: &str) -> Option<String> {
    let (host, port) = match text.rsplit_once(':') {
        Some((host, port)) => (host, port.parse::<u16>().ok()?),
        None => (text, 8808),
    };
    let host: IpAddr = match host {
        "" | "localhost" => [127, 0, 0, 1].into(),
        "*" => [0, 0, 0, 0].into(),
        _ => host.parse().ok()?,
    };
    Some(SocketAddr::new(host, port).to_string())
}
