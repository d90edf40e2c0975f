//! A person who has logged in.

use cardea_domain::{SubjectId, TenantId};
use cardea_store::LoginSession;
use serde::{Deserialize, Serialize};

use super::{AuthorizationServer, cookie::Cookie, error::Refusal, http::Reply, secret};

/// A working day; consent and approval pages ask for the password again after it.
const SESSION_S: u64 = 12 * 3600;

/// Somebody who has shown who they are.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Person {
    /// Their tenant.
    pub tenant: TenantId,
    /// The person.
    pub subject: SubjectId,
    /// Their groups, sorted.
    pub groups: Vec<String>,
    /// When they logged in, in seconds since the Unix epoch.
    pub auth_time_s: u64,
    /// How strongly, as their provider says it (OpenID Connect Core section 2).
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub acr: Option<String>,
    /// By what means (RFC 8176).
    #[serde(default)]
    pub amr: Vec<String>,
    /// The provider at which they logged in; `None` for a local account.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
}

/// The person of a session cookie.
pub(super) async fn find(
    cookie: &str,
    server: &AuthorizationServer,
) -> Result<Option<Person>, Refusal> {
    let state = &server.state;
    let now_s = state.clock.unix_s();
    let session = state.store.session(&secret::hash(cookie), now_s).await?;
    let Some(session) = session else {
        return Ok(None);
    };
    let person: Person =
        serde_json::from_str(&session.login).map_err(|_| Refusal::unavailable())?;
    // A tenant, a provider or local accounts may have been taken out of the configuration since.
    Ok(is_current(&person, server).await?.then_some(person))
}

/// Whether what a person logged in with still holds.
pub(super) async fn is_current(
    person: &Person,
    server: &AuthorizationServer,
) -> Result<bool, Refusal> {
    if !server.settings.tenants.contains(&person.tenant) {
        return Ok(false);
    }
    match &person.provider {
        Some(provider) => {
            let mut known = server.settings.login.iter();
            Ok(known.any(|login| login.issuer == *provider))
        }
        None if !server.settings.local_accounts => Ok(false),
        None => {
            let store = &server.state.store;
            let account = store.account(&person.tenant, &person.subject).await?;
            // What was obtained with an earlier password is not theirs any more, whatever it was.
            Ok(account.is_some_and(|account| {
                account.password_hash.is_some() && account.password_set_s <= person.auth_time_s
            }))
        }
    }
}

/// Begins a session and puts its cookie on the reply.
pub(super) async fn begin(
    person: &Person,
    server: &AuthorizationServer,
    reply: &mut Reply,
) -> Result<(), Refusal> {
    let cookie = secret::random()?;
    let state = &server.state;
    let session = LoginSession {
        tenant: person.tenant.clone(),
        subject: person.subject.clone(),
        login: serde_json::to_string(person).map_err(|_| Refusal::unavailable())?,
        expires_s: state.clock.unix_s() + SESSION_S,
    };
    state
        .store
        .begin_session(&secret::hash(&cookie), &session)
        .await?;
    server
        .cookies
        .set(reply, Cookie::Session, &cookie, SESSION_S);
    Ok(())
}
