//! URLs: what all of them have in common.

use url::{Host, Url};

use super::Checker;
use crate::{
    diagnostic::{Diagnostic, printable},
    yaml::{At, without_secrets},
};

/// What to make of `http` to a host that is not loopback.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum PlainHttp {
    /// Whoever can change the answer can be anybody.
    Refused,
    /// Allowed, with a warning, when the file says `allow_plain_http`.
    OnDemand,
    /// Allowed, with a warning.
    Warned,
}

impl Checker<'_> {
    /// An absolute `http` or `https` URL without credentials and fragment.
    pub(super) fn url(&mut self, at: &At, text: &str, plain: PlainHttp) -> Option<Url> {
        match self.parsed(at, text, plain) {
            Ok(url) => Some(url),
            Err(diagnostic) => {
                self.report(at, *diagnostic);
                None
            }
        }
    }

    fn parsed(&mut self, at: &At, text: &str, plain: PlainHttp) -> Result<Url, Box<Diagnostic>> {
        const EXPECTED: &str = "a URL such as `https://mcp.example.com`";
        let error = |message: String| Box::new(self.document.error(at, message));
        let shown = printable(&without_secrets(text));
        let url = Url::parse(text).map_err(|e| {
            error(format!("`{shown}` is not a URL: {e}"))
                .expected(EXPECTED)
                .suggest(with_scheme(text))
        })?;
        if !matches!(url.scheme(), "http" | "https") {
            let message = format!("`{shown}` is neither http nor https");
            let diagnostic = error(message).expected(EXPECTED);
            return Err(Box::new(diagnostic.suggest(with_scheme(text))));
        }
        if !url.username().is_empty() || url.password().is_some() {
            let diagnostic = error("there are credentials in this URL".to_owned());
            let help = "send them as a header whose value is `{env: NAME}` or `{file: PATH}`";
            return Err(Box::new(diagnostic.help(help)));
        }
        if url.fragment().is_some() {
            return Err(error("a URL with a fragment names no server".to_owned()));
        }
        if url.scheme() == "http" && !is_loopback(&url) {
            let message =
                "`http` to a host that is not loopback can be read and changed on the way";
            let diagnostic = error(message.to_owned());
            match plain {
                PlainHttp::Refused => return Err(Box::new(diagnostic.expected("`https`"))),
                PlainHttp::OnDemand if !self.allow_plain_http => {
                    let help = "set `allow_plain_http: true` if the network itself is encrypted";
                    return Err(Box::new(diagnostic.expected("`https`").help(help)));
                }
                PlainHttp::OnDemand | PlainHttp::Warned => {
                    self.report(at, diagnostic.warning());
                }
            }
        }
        Ok(url)
    }
}

/// Whether nothing leaves the machine on the way to this host.
pub(super) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(ip)) => ip.is_loopback(),
        Some(Host::Ipv6(ip)) => ip.is_loopback(),
        None => false,
    }
}

/// The URL that somebody meant who wrote `mcp.example.com` or `localhost:4318`.
fn with_scheme(text: &str) -> Option<String> {
    if text.contains("://") {
        return None;
    }
    let url = Url::parse(&format!("https://{text}")).ok()?;
    let has_user = !url.username().is_empty() || url.password().is_some();
    let scheme = if is_loopback(&url) { "http" } else { "https" };
    (!has_user && url.query().is_none()).then(|| format!("{scheme}://{text}"))
}
