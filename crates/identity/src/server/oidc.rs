//! People log in at their company's provider (OpenID Connect Core 1.0, code flow with PKCE).

mod id_token;
mod provider;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cardea_store::Once;
use serde::{Deserialize, Serialize};

use super::{
    Desk,
    error::Refusal,
    http::{Reply, see_other},
    login,
    next::NEXT_S,
    redirect,
    secret::{self, Purpose},
};

use id_token::Awaited;
pub(super) use provider::Provider;
pub use provider::{LoginProvider, ProviderCredential};

/// Where providers send people back to.
pub(super) const CALLBACK_PATH: &str = "/login/callback";

/// What travels through the provider as `state`, sealed.
#[derive(Debug, Serialize, Deserialize)]
struct Under {
    id: String,
    issuer: String,
    nonce: String,
    verifier: String,
    /// The browser that began, by the hash of its secret.
    browser: String,
    next: String,
    /// Whether the person has to log in for this, whoever the provider remembers.
    is_anew: bool,
    ends_s: u64,
}

/// Sends a browser to the provider that its person chose.
pub(super) async fn start(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let (next, sealed) = desk.next()?;
    let chosen = desk.ask.params.need("provider")?.parse::<usize>();
    let provider = chosen
        .ok()
        .and_then(|index| desk.server.providers.get(index))
        .ok_or_else(|| Refusal::invalid_request("there is no such provider"))?;
    let browser = desk.browser()?;
    let under = Under {
        id: secret::random()?,
        issuer: provider.settings.issuer.clone(),
        nonce: secret::random()?,
        verifier: secret::random()?,
        browser: secret::digest_text(&browser.secret),
        next: sealed,
        is_anew: next.login_since_s() > 0,
        ends_s: desk.now_s() + NEXT_S,
    };
    let metadata = provider.metadata(desk.now_s()).await?;
    let state = desk.state().secrets.seal(Purpose::Login, &under)?;
    let hash = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, under.verifier.as_bytes());
    let challenge = URL_SAFE_NO_PAD.encode(hash);
    let back = format!("{}{CALLBACK_PATH}", desk.server.settings.origin);
    let mut parameters = vec![
        ("response_type", "code"),
        ("client_id", provider.settings.client_id.as_str()),
        ("redirect_uri", &back),
        ("scope", &provider.settings.scope),
        ("state", &state),
        ("nonce", &under.nonce),
        ("code_challenge", &challenge),
        ("code_challenge_method", "S256"),
    ];
    if under.is_anew {
        parameters.push(("prompt", "login"));
        // With it the provider has to say when it was (OpenID Connect Core section 3.1.2.1).
        parameters.push(("max_age", "0"));
    }
    let mut reply = redirect::with(&metadata.authorization_endpoint, &parameters)
        .map(|location| see_other(&location))
        .ok_or_else(|| provider.failed("its authorization endpoint is not a URL"))?;
    browser.remember(&mut reply);
    Ok(reply)
}

/// Takes a person back from their provider.
pub(super) async fn callback(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let params = &desk.ask.params;
    let under = under(desk)?;
    let store = &desk.state().store;
    if !store.first(Once::Login, &under.id, under.ends_s).await? {
        return Err(Refusal::invalid_request("this login was finished before"));
    }
    let provider = desk
        .server
        .providers
        .iter()
        .find(|provider| provider.settings.issuer == under.issuer)
        .ok_or_else(|| Refusal::invalid_request("the provider is not configured any more"))?;
    let metadata = provider.metadata(desk.now_s()).await?;
    // RFC 9207: an answer of another provider must not end a login at this one.
    match params.find("iss") {
        Some(iss) if iss != under.issuer => return Err(foreign()),
        None if metadata.names_itself => return Err(foreign()),
        _ => {}
    }
    if let Some(error) = params.find("error") {
        let shown: String = error.chars().take(64).collect();
        let detail = format!("at {}: `{}`", under.issuer, shown.escape_debug());
        desk.record("login_failed", None, detail).await?;
        return Err(Refusal::new(
            "access_denied",
            "your provider did not log you in",
        ));
    }
    let code = params.need("code")?;
    let back = format!("{}{CALLBACK_PATH}", desk.server.settings.origin);
    let token = provider
        .redeem(&metadata, code, &under.verifier, &back, desk.state())
        .await?;
    let person = match provider
        .person(&token, &under.awaited(), desk.now_s())
        .await
    {
        Ok(person) => person,
        Err(reason) => {
            let detail = format!("at {}: {reason}", under.issuer);
            desk.record("login_failed", None, detail).await?;
            return Err(Refusal::new(
                "access_denied",
                "your login cannot be used here",
            ));
        }
    };
    if !desk.server.settings.tenants.contains(&person.tenant) {
        return Err(Refusal::new(
            "access_denied",
            "your login cannot be used here",
        ));
    }
    let mut reply = desk.onward("/consent", &under.next);
    login::begin(desk, &person, &mut reply).await?;
    Ok(reply)
}

impl Under {
    fn awaited(&self) -> Awaited<'_> {
        Awaited {
            nonce: &self.nonce,
            is_anew: self.is_anew,
        }
    }
}

/// The login under way, if this browser began it and it was not finished.
fn under(desk: &Desk<'_>) -> Result<Under, Refusal> {
    let ended = || Refusal::invalid_request("this login has ended; begin again in the client");
    let state = desk.ask.params.need("state")?;
    let under: Under = desk
        .state()
        .secrets
        .open_sealed(Purpose::Login, state)
        .ok_or_else(ended)?;
    let browser = desk.browser()?;
    let is_its_browser = secret::same(&under.browser, &secret::digest_text(&browser.secret));
    match is_its_browser && desk.now_s() < under.ends_s {
        true => Ok(under),
        false => Err(ended()),
    }
}

fn foreign() -> Refusal {
    Refusal::invalid_request("the answer is not that of the provider which was asked")
}
