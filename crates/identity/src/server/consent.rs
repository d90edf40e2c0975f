//! The person decides, and the code or the device's token follows.

use ::http::StatusCode;
use cardea_store::{Consent, Once};
use uuid::Uuid;

use super::{
    Desk, Who,
    approval::Approval,
    binding::Confirmation,
    client::{Client, Origin},
    cookie::Cookie,
    device,
    error::Refusal,
    http::{Reply, page as page_reply},
    next::{Next, Wanted},
    pages,
    person::{self, Person},
    redirect, secret,
};

/// RFC 6749 section 4.1.2 says ten minutes at most; a client that is there needs seconds.
const CODE_S: u64 = 60;

/// A remembered yes is asked for again after this long.
const REMEMBER_S: u64 = 90 * 86_400;

/// Everything that a decision is about.
struct Matter {
    next: Next,
    sealed: String,
    client: Client,
    person: Person,
    resource: String,
    scope: String,
}

pub(super) async fn page(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let (next, sealed) = desk.next()?;
    let Some(person) = logged_in(desk, &next).await? else {
        return Ok(desk.onward("/login", &sealed));
    };
    if let Next::Page(wish) = &next {
        return Ok(desk.back(wish));
    }
    let matter = matter(desk, next, sealed, person).await?;
    if let Next::Authorize(wanted) = &matter.next
        && !wanted.ask_consent
        && remembered(desk, &matter.client, wanted, &matter.person).await?
    {
        return grant(desk, &matter.client, wanted, matter.person).await;
    }
    show(desk, &matter)
}

pub(super) async fn submit(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let (next, sealed) = desk.next()?;
    desk.check_form("consent", next.id())?;
    let Some(person) = logged_in(desk, &next).await? else {
        return Ok(desk.onward("/login", &sealed));
    };
    let matter = matter(desk, next, sealed, person).await?;
    let is_first = desk
        .state()
        .store
        .first(Once::Consent, matter.next.id(), matter.next.ends_s());
    if !is_first.await? {
        return Err(Refusal::invalid_request(
            "this was decided already; begin again in the client",
        ));
    }
    match desk.ask.params.find("decision") {
        Some("allow") => allow(desk, matter).await,
        _ => deny(desk, &matter).await,
    }
}

async fn logged_in(desk: &Desk<'_>, next: &Next) -> Result<Option<Person>, Refusal> {
    let Some(cookie) = desk.cookie(Cookie::Session) else {
        return Ok(None);
    };
    let person = person::find(cookie, desk.server).await?;
    Ok(person.filter(|person| person.auth_time_s >= next.login_since_s()))
}

async fn matter(
    desk: &Desk<'_>,
    next: Next,
    sealed: String,
    person: Person,
) -> Result<Matter, Refusal> {
    let (client, resource, scope) = match &next {
        Next::Authorize(wanted) => (
            wanted.client.clone(),
            wanted.resource.clone(),
            wanted.scope.clone(),
        ),
        Next::Device(wish) => device::asked(desk, wish).await?,
        Next::Page(_) => return Err(nothing_to_decide()),
    };
    let client = desk.client(&client).await?;
    if !client.serves(&person.tenant) {
        return Err(Refusal::new(
            "access_denied",
            "this program is not for people of your tenant",
        ));
    }
    Ok(Matter {
        next,
        sealed,
        client,
        person,
        resource,
        scope,
    })
}

fn show(desk: &Desk<'_>, matter: &Matter) -> Result<Reply, Refusal> {
    let browser = desk.browser()?;
    let (target, is_loopback) = match &matter.next {
        Next::Authorize(wanted) => (
            Some(redirect::shown(&wanted.redirect_uri)),
            redirect::leads_to_loopback(&wanted.redirect_uri),
        ),
        Next::Device(_) | Next::Page(_) => (None, false),
    };
    let client = &matter.client;
    let shown = pages::Consent {
        client: client.shown(),
        client_id: client.id.as_str(),
        document_host: match &client.origin {
            Origin::Document { host } => Some(host),
            Origin::Configured | Origin::Registered => None,
        },
        is_registered: client.origin == Origin::Registered,
        is_loopback,
        is_device: matches!(matter.next, Next::Device(_)),
        target: target.as_deref(),
        subject: matter.person.subject.as_str(),
        tenant: matter.person.tenant.as_str(),
        resource: &matter.resource,
        is_api: desk.server.resources.is_api(&matter.resource),
        permissions: permissions(desk, matter),
        may_remember: match &matter.next {
            Next::Authorize(wanted) => may_remember(client, wanted),
            Next::Device(_) | Next::Page(_) => false,
        },
        tag: &desk.form_tag(&browser, "consent", matter.next.id()),
        next: &matter.sealed,
        host: &desk.server.settings.origin,
    };
    let target = matter.next.form_target();
    let mut reply = page_reply(StatusCode::OK, &shown, target.as_deref());
    browser.remember(&mut reply);
    Ok(reply)
}

/// The scopes in a person's words.
fn permissions(desk: &Desk<'_>, matter: &Matter) -> Vec<String> {
    let mut lines = match desk.server.resources.is_api(&matter.resource) {
        true => vec![
            "see who has access, who asks for it, and what is locked, as far as you may".to_owned(),
            "ask for access, refuse requests, end access and set locks in your name".to_owned(),
        ],
        false => vec!["call tools and read resources in your name".to_owned()],
    };
    let has_offline = matter.scope.split(' ').any(|s| s == "offline_access");
    if has_offline || matter.client.grants.refresh {
        let days = desk.server.settings.grant_s.div_ceil(86_400);
        lines.push(format!("go on without you for up to {days} days"));
    }
    lines
}

/// Whether a yes may hold for the next time. Not where any program of a computer could be the one
/// that listens under a name that is public.
fn may_remember(client: &Client, wanted: &Wanted) -> bool {
    client.origin == Origin::Configured
        || (matches!(client.origin, Origin::Document { .. })
            && !redirect::leads_to_loopback(&wanted.redirect_uri))
}

fn consent(wanted: &Wanted) -> Consent<'_> {
    Consent {
        client: &wanted.client,
        redirect_uri: &wanted.redirect_uri,
        resource: &wanted.resource,
        scope: &wanted.scope,
    }
}

/// Whether the person has said yes to exactly this before.
pub(super) async fn remembered(
    desk: &Desk<'_>,
    client: &Client,
    wanted: &Wanted,
    person: &Person,
) -> Result<bool, Refusal> {
    if !may_remember(client, wanted) || !client.serves(&person.tenant) {
        return Ok(false);
    }
    let since_s = desk.now_s().saturating_sub(REMEMBER_S);
    let store = &desk.state().store;
    let found = store.has_consent(&person.tenant, &person.subject, consent(wanted), since_s);
    Ok(found.await?)
}

async fn allow(desk: &Desk<'_>, matter: Matter) -> Result<Reply, Refusal> {
    let Matter { client, person, .. } = matter;
    match &matter.next {
        Next::Authorize(wanted) => {
            record(desk, "consent_given", &client, &person, &matter.resource).await?;
            let wants_memory = desk.ask.params.find("remember").is_some();
            if wants_memory && may_remember(&client, wanted) {
                let store = &desk.state().store;
                let (of, who) = (&person.tenant, &person.subject);
                let remembered = store.remember_consent(of, who, consent(wanted), desk.now_s());
                remembered.await?;
            }
            grant(desk, &client, wanted, person).await
        }
        Next::Device(wish) => {
            record(desk, "consent_given", &client, &person, &matter.resource).await?;
            let approval = Approval {
                client: client.id.to_string(),
                redirect_uri: None,
                redirect_named: false,
                code_challenge: None,
                resource: matter.resource,
                scope: matter.scope,
                person,
                confirmation: None,
            };
            device::decide(desk, wish, Some(&approval)).await?;
            let text = "The device goes on by itself. You can close this page.";
            Ok(pages::message("Allowed", text))
        }
        Next::Page(_) => Err(nothing_to_decide()),
    }
}

async fn deny(desk: &Desk<'_>, matter: &Matter) -> Result<Reply, Refusal> {
    record(
        desk,
        "consent_denied",
        &matter.client,
        &matter.person,
        &matter.resource,
    )
    .await?;
    match &matter.next {
        Next::Authorize(wanted) => wanted
            .way(&desk.server.settings.origin)
            .refuse(&Refusal::new("access_denied", "the person said no")),
        Next::Device(wish) => {
            device::decide(desk, wish, None).await?;
            Ok(pages::message("Denied", "The device gets no access."))
        }
        Next::Page(_) => Err(nothing_to_decide()),
    }
}

/// A page asks for a login, never for a consent.
fn nothing_to_decide() -> Refusal {
    Refusal::invalid_request("there is nothing to decide here")
}

/// Issues the code and sends the browser back to the client.
pub(super) async fn grant(
    desk: &Desk<'_>,
    client: &Client,
    wanted: &Wanted,
    person: Person,
) -> Result<Reply, Refusal> {
    let approval = Approval {
        client: client.id.to_string(),
        redirect_uri: Some(wanted.redirect_uri.clone()),
        redirect_named: wanted.redirect_named,
        code_challenge: Some(wanted.code_challenge.clone()),
        resource: wanted.resource.clone(),
        scope: wanted.scope.clone(),
        person,
        confirmation: wanted
            .confirmation_jkt
            .as_deref()
            .and_then(Confirmation::by_thumbprint),
    };
    let code = secret::random()?;
    let family = Uuid::now_v7().to_string();
    let text = serde_json::to_string(&approval).map_err(|_| Refusal::unavailable())?;
    let good_until_s = desk.now_s() + CODE_S;
    // A used code is known as long as what came of it is good.
    let known_until_s = good_until_s + desk.server.settings.grant_s;
    record(
        desk,
        "code_issued",
        client,
        &approval.person,
        &approval.resource,
    )
    .await?;
    let store = &desk.state().store;
    let hash = secret::hash(&code);
    let of = approval.tenant();
    store
        .add_code(&hash, of, &family, &text, good_until_s, known_until_s)
        .await?;
    wanted
        .way(&desk.server.settings.origin)
        .answer(&[("code", &code)])
}

async fn record(
    desk: &Desk<'_>,
    name: &'static str,
    client: &Client,
    person: &Person,
    resource: &str,
) -> Result<(), Refusal> {
    let who = Who {
        tenant: &person.tenant,
        subject: &person.subject,
        client: Some(client.id.as_str()),
        run: None,
    };
    desk.record(name, Some(who), format!("for {resource}"))
        .await
}
