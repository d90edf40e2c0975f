//! Logging in with a password of the gateway's own, and logging out.

use ::http::StatusCode;
use cardea_domain::{SubjectId, TenantId};
use cardea_store::Account;

use super::{
    Desk, Who,
    cookie::Cookie,
    error::Refusal,
    http::{Reply, page as page_reply},
    next::Next,
    pages,
    person::{self, Person},
    secret,
    throttle::{Counted, peer_name},
};

/// One text for a wrong name, a wrong password and a wrong tenant.
const WRONG: &str = "The name or the password is wrong.";

pub(super) async fn page(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let (next, sealed) = desk.next()?;
    show(desk, &next, &sealed, None, StatusCode::OK)
}

pub(super) async fn submit(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let (next, sealed) = desk.next()?;
    desk.check_form("login", next.id())?;
    if !desk.server.settings.local_accounts {
        return Err(Refusal::invalid_request("there are no local accounts"));
    }
    match check(desk).await? {
        Some(person) => {
            let mut reply = desk.onward("/consent", &sealed);
            begin(desk, &person, &mut reply).await?;
            Ok(reply)
        }
        None => show(desk, &next, &sealed, Some(WRONG), StatusCode::FORBIDDEN),
    }
}

/// Records the login, then begins its session.
pub(super) async fn begin(
    desk: &Desk<'_>,
    person: &Person,
    reply: &mut Reply,
) -> Result<(), Refusal> {
    let who = Who {
        tenant: &person.tenant,
        subject: &person.subject,
        client: None,
        run: None,
    };
    let by = person.provider.as_deref().unwrap_or("a local account");
    desk.record("login", Some(who), format!("by {by}")).await?;
    person::begin(person, desk.server, reply).await
}

pub(super) async fn logout(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    if desk.ask.is_cross_site() {
        return Err(Refusal::invalid_request("another site cannot log you out"));
    }
    if let Some(cookie) = desk.cookie(Cookie::Session) {
        desk.state()
            .store
            .end_session(&secret::hash(cookie))
            .await?;
    }
    let mut reply = match desk.next() {
        // Who wants to be somebody else logs in anew, also at a provider that remembers them.
        Ok((next, _)) => {
            let next = desk.seal(&next.after_login(desk.now_s()))?;
            desk.onward("/login", &next)
        }
        Err(_) => pages::message("Logged out", "You can close this page."),
    };
    desk.server.cookies.set(&mut reply, Cookie::Session, "", 0);
    Ok(reply)
}

/// The person, when name and password are right. Whatever is wrong takes the same time.
async fn check(desk: &Desk<'_>) -> Result<Option<Person>, Refusal> {
    let params = &desk.ask.params;
    let subject = params.find("subject").unwrap_or_default();
    let tenant = tenant(desk, params.find("tenant"));
    let named = format!(
        "{} {}",
        tenant.as_ref().map_or("", TenantId::as_str),
        secret::digest_text(subject)
    );
    let peer = peer_name(desk.ask.peer);
    let (state, now_s) = (desk.state(), desk.now_s());
    state.throttles.attempt(Counted::Peer, &peer, now_s)?;
    let here = format!("{named} {peer}");
    state.throttles.attempt(Counted::Account, &here, now_s)?;
    state.throttles.attempt(Counted::Anywhere, &named, now_s)?;
    let account = match (&tenant, SubjectId::parse(subject)) {
        (Some(tenant), Ok(subject)) => state.store.account(tenant, &subject).await?,
        _ => None,
    };
    let phc = account.as_ref().and_then(|a| a.password_hash.as_deref());
    let password = params.find("password").unwrap_or_default();
    let fits = state.passwords.verify(password, phc).await?;
    let Some(account) = account.filter(|_| fits) else {
        let shown: String = subject.chars().take(64).collect();
        let detail = format!("as `{}`", shown.escape_debug());
        desk.record("login_failed", None, detail).await?;
        return Ok(None);
    };
    state.throttles.give_back(Counted::Peer, &peer);
    state.throttles.forget(Counted::Account, &here);
    state.throttles.give_back(Counted::Anywhere, &named);
    Ok(Some(local(account, now_s)))
}

/// The person of a local account.
fn local(account: Account, now_s: u64) -> Person {
    Person {
        tenant: account.tenant,
        subject: account.subject,
        groups: account.groups,
        auth_time_s: now_s,
        acr: None,
        amr: vec!["pwd".to_owned()],
        provider: None,
    }
}

fn tenant(desk: &Desk<'_>, typed: Option<&str>) -> Option<TenantId> {
    let tenants = &desk.server.settings.tenants;
    match typed {
        Some(typed) => TenantId::parse(typed)
            .ok()
            .filter(|id| tenants.contains(id)),
        None if tenants.len() == 1 => tenants.first().cloned(),
        None => None,
    }
}

fn show(
    desk: &Desk<'_>,
    next: &Next,
    sealed: &str,
    mistake: Option<&str>,
    status: StatusCode,
) -> Result<Reply, Refusal> {
    let settings = &desk.server.settings;
    let browser = desk.browser()?;
    let shown = pages::Login {
        mistake,
        providers: settings.login.iter().map(|p| p.name.as_str()).collect(),
        tag: &desk.form_tag(&browser, "login", next.id()),
        next: sealed,
        has_accounts: settings.local_accounts,
        asks_tenant: settings.tenants.len() > 1,
        subject: desk.ask.params.find("subject").unwrap_or_default(),
        host: &settings.origin,
    };
    // A remembered yes leads to the client at once.
    let target = next.form_target();
    let mut reply = page_reply(status, &shown, target.as_deref());
    browser.remember(&mut reply);
    Ok(reply)
}
