//! Pages of another room of this gateway: its people log in here, and its forms are tied to their
//! logins.

use ::http::HeaderMap;

use super::{
    AuthorizationServer, Desk,
    cookie::Cookie,
    error::JournalDown,
    http::{Reply, see_other},
    next::{NEXT_S, Next, PageWish},
    secret::{self, Purpose},
};

/// The longest address of a page, query included.
const PAGE_BYTES_MAX: usize = 2048;

impl AuthorizationServer {
    /// Where a browser logs in and comes back to `page`, a path of this origin with its query.
    /// The login must not be older than `login_since_s`, in seconds since the Unix epoch.
    ///
    /// # Errors
    /// [`JournalDown`] when the system has no randomness; another `page` than a path leads to `/`.
    pub fn login_address(&self, page: &str, login_since_s: u64) -> Result<String, JournalDown> {
        let wish = PageWish {
            id: secret::random().map_err(|_| JournalDown)?,
            page: if is_page(page) { page } else { "/" }.to_owned(),
            login_since_s,
            ends_s: self.state.clock.unix_s() + NEXT_S,
        };
        let sealed = self.state.secrets.seal(Purpose::Next, &Next::Page(wish));
        let sealed = sealed.map_err(|_| JournalDown)?;
        Ok(format!("{}/login?next={sealed}", self.settings.origin))
    }

    /// The name of the cookie that names a login.
    #[must_use]
    pub fn session_cookie(&self) -> &'static str {
        self.cookies.name(Cookie::Session)
    }

    /// What a form carries to show that it was shown to this login; `None` without one.
    #[must_use]
    pub fn form_token(&self, headers: &HeaderMap, form: &str) -> Option<String> {
        let session = self.cookies.find(headers, Cookie::Session)?;
        Some(self.state.secrets.tag(&parts(session, form)))
    }

    /// Whether `token` is that of this form and this login.
    #[must_use]
    pub fn is_form_token(&self, headers: &HeaderMap, form: &str, token: &str) -> bool {
        self.cookies
            .find(headers, Cookie::Session)
            .is_some_and(|session| self.state.secrets.is_tag(token, &parts(session, form)))
    }
}

/// Three parts, where the server's own forms have four: no tag of one is a tag of the other.
fn parts<'a>(session: &'a str, form: &'a str) -> [&'a str; 3] {
    ["page", session, form]
}

/// Whether a text is a path of this origin, and no browser could take it for another's.
fn is_page(page: &str) -> bool {
    let is_plain = |b: u8| b.is_ascii_graphic() && b != b'\\';
    page.len() <= PAGE_BYTES_MAX
        && page.starts_with('/')
        && !page.starts_with("//")
        && page.bytes().all(is_plain)
}

impl Desk<'_> {
    /// Back to the page for which the person has logged in.
    pub(super) fn back(&self, wish: &PageWish) -> Reply {
        see_other(&format!("{}{}", self.server.settings.origin, wish.page))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_paths_of_this_origin_are_pages() {
        for good in ["/", "/console/requests/1?a=b&c=%20"] {
            assert!(is_page(good), "{good}");
        }
        let long = format!("/{}", "a".repeat(PAGE_BYTES_MAX));
        for bad in [
            "",
            "x",
            "//evil.example",
            "/\\evil.example",
            "/a b",
            "/a\r\nb",
            "/é",
            &long,
        ] {
            assert!(!is_page(bad), "{bad}");
        }
    }
}
