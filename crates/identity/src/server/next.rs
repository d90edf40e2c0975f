//! What a browser is on its way to while its person logs in and decides.

use serde::{Deserialize, Serialize};

use super::{
    Desk,
    cookie::{Cookie, Cookies},
    error::Refusal,
    http::{Reply, see_other},
    secret::{self, Purpose},
};

/// Travels with the browser, sealed: no stranger fills the server's memory with it.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) enum Next {
    /// An authorization request that was found good.
    Authorize(Box<Wanted>),
    /// A device whose code was typed.
    Device(DeviceWish),
    /// A page of another room.
    Page(PageWish),
}

/// An authorization request (RFC 6749 section 4.1.1), checked.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct Wanted {
    pub(super) id: String,
    pub(super) client: String,
    pub(super) redirect_uri: String,
    pub(super) redirect_named: bool,
    pub(super) state: Option<String>,
    pub(super) code_challenge: String,
    pub(super) resource: String,
    pub(super) scope: String,
    /// The person must have logged in at or after this.
    pub(super) login_since_s: u64,
    pub(super) ask_consent: bool,
    pub(super) confirmation_jkt: Option<String>,
    pub(super) ends_s: u64,
}

/// A device whose code was typed.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct DeviceWish {
    pub(super) id: String,
    /// The user code as it was typed, normalised.
    pub(super) user_code: String,
    /// The person must have logged in at or after this.
    #[serde(default)]
    pub(super) login_since_s: u64,
    pub(super) ends_s: u64,
}

/// A page of another room, for which somebody must have logged in.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(super) struct PageWish {
    pub(super) id: String,
    /// A path of this origin, with its query.
    pub(super) page: String,
    /// The person must have logged in at or after this.
    pub(super) login_since_s: u64,
    pub(super) ends_s: u64,
}

/// Long enough for a login with a second factor elsewhere.
pub(super) const NEXT_S: u64 = 600;

impl Next {
    pub(super) fn id(&self) -> &str {
        match self {
            Self::Authorize(wanted) => &wanted.id,
            Self::Device(wish) => &wish.id,
            Self::Page(wish) => &wish.id,
        }
    }

    pub(super) fn ends_s(&self) -> u64 {
        match self {
            Self::Authorize(wanted) => wanted.ends_s,
            Self::Device(wish) => wish.ends_s,
            Self::Page(wish) => wish.ends_s,
        }
    }

    /// The person must have logged in at or after this.
    pub(super) fn login_since_s(&self) -> u64 {
        match self {
            Self::Authorize(wanted) => wanted.login_since_s,
            Self::Device(wish) => wish.login_since_s,
            Self::Page(wish) => wish.login_since_s,
        }
    }

    /// The same for whoever logs in from now on.
    pub(super) fn after_login(mut self, now_s: u64) -> Self {
        match &mut self {
            Self::Authorize(wanted) => wanted.login_since_s = now_s,
            Self::Device(wish) => wish.login_since_s = now_s,
            Self::Page(wish) => wish.login_since_s = now_s,
        }
        self
    }

    /// Where a submitted form may end, besides here.
    pub(super) fn form_target(&self) -> Option<String> {
        match self {
            Self::Authorize(wanted) => super::redirect::source(&wanted.redirect_uri),
            Self::Device(_) | Self::Page(_) => None,
        }
    }
}

impl Desk<'_> {
    pub(super) fn seal(&self, next: &Next) -> Result<String, Refusal> {
        self.state().secrets.seal(Purpose::Next, next)
    }

    /// What the browser is on its way to, by its `next` parameter.
    pub(super) fn next(&self) -> Result<(Next, String), Refusal> {
        let text = self.ask.params.need("next")?;
        let next: Option<Next> = self.state().secrets.open_sealed(Purpose::Next, text);
        next.filter(|next| self.now_s() < next.ends_s())
            .map(|next| (next, text.to_owned()))
            .ok_or_else(|| {
                Refusal::invalid_request("this page has ended; begin again in the client")
            })
    }

    /// Sends the browser to one of the server's own pages.
    pub(super) fn onward(&self, path: &str, next: &str) -> Reply {
        let origin = &self.server.settings.origin;
        // Sealed text is base64url: it needs no escapes.
        see_other(&format!("{origin}{path}?next={next}"))
    }

    /// The browser's own secret; a new one when it has none yet.
    pub(super) fn browser(&self) -> Result<Browser, Refusal> {
        let cookies = self.server.cookies;
        match self.cookie(Cookie::Browser) {
            // What is too short was not set here.
            Some(known) if known.len() >= 43 => Ok(Browser {
                secret: known.to_owned(),
                is_new: false,
                cookies,
            }),
            _ => Ok(Browser {
                secret: secret::random()?,
                is_new: true,
                cookies,
            }),
        }
    }

    /// The tag of a form, good for this browser, its login and this purpose alone.
    pub(super) fn form_tag(&self, browser: &Browser, form: &str, about: &str) -> String {
        let session = self.cookie(Cookie::Session).unwrap_or_default();
        let parts = [browser.secret.as_str(), session, form, about];
        self.state().secrets.tag(&parts)
    }

    /// Refuses a form that was not shown to this browser.
    pub(super) fn check_form(&self, form: &str, about: &str) -> Result<(), Refusal> {
        let session = self.cookie(Cookie::Session).unwrap_or_default();
        let is_ours = !self.ask.is_cross_site()
            && self.cookie(Cookie::Browser).is_some_and(|browser| {
                let tag = self.ask.params.find("form").unwrap_or_default();
                let parts = [browser, session, form, about];
                self.state().secrets.is_tag(tag, &parts)
            });
        if is_ours {
            return Ok(());
        }
        Err(Refusal::invalid_request(
            "this form was not shown to this browser; go back and load the page again",
        ))
    }
}

/// A browser's own secret.
pub(super) struct Browser {
    pub(super) secret: String,
    is_new: bool,
    cookies: Cookies,
}

/// Outlives any login that it protects.
const BROWSER_S: u64 = 24 * 3600;

impl Browser {
    /// Puts a new secret on the reply.
    pub(super) fn remember(&self, reply: &mut Reply) {
        if self.is_new {
            let cookies = self.cookies;
            cookies.set(reply, Cookie::Browser, &self.secret, BROWSER_S);
        }
    }
}
