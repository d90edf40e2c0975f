//! Setting a password by a one-time link.

use ::http::StatusCode;
use cardea_domain::SubjectId;
use cardea_store::SetupLink;

use super::{
    Desk, Who,
    error::Refusal,
    http::{Reply, page as page_reply},
    pages, password, secret,
};

const ENDED: &str = "this link was used or has ended; ask for a new one";

pub(super) async fn page(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let (link, text) = link(desk).await?;
    show(desk, &link, &text, None, StatusCode::OK)
}

pub(super) async fn submit(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let (link, text) = link(desk).await?;
    desk.check_form("setup", &text)?;
    let params = &desk.ask.params;
    let password = params.find("password").unwrap_or_default();
    let typed = params.find("subject").unwrap_or_default();
    let (subject, mistake) = match (&link.subject, SubjectId::parse(typed)) {
        (Some(fixed), _) => (Some(fixed.clone()), None),
        (None, Ok(typed)) => (Some(typed), None),
        (None, Err(_)) => (None, Some("The name needs 1 to 255 characters.".to_owned())),
    };
    let mistake = mistake.or_else(|| password::mistake(password)).or_else(|| {
        let differs = params.find("again") != Some(password);
        differs.then(|| "The two passwords differ.".to_owned())
    });
    let (Some(subject), None) = (subject, &mistake) else {
        return show(
            desk,
            &link,
            &text,
            mistake.as_deref(),
            StatusCode::BAD_REQUEST,
        );
    };
    let state = desk.state();
    let phc = state.passwords.hash(password).await?;
    // From here on the link is used up; nothing that the person typed can fail any more.
    let taken = state
        .store
        .take_link(&secret::hash(&text), desk.now_s())
        .await?;
    let link = taken.ok_or_else(|| Refusal::invalid_request(ENDED))?;
    let who = Who {
        tenant: &link.tenant,
        subject: &subject,
        client: None,
        run: None,
    };
    desk.record("password_set", Some(who), "by a one-time link".to_owned())
        .await?;
    if link.subject.is_none() {
        let made = state
            .store
            .add_account(&link.tenant, &subject, &[], desk.now_s())
            .await?;
        if !made {
            // Whoever may name a first account may not take over one that is there.
            return Err(Refusal::invalid_request(ENDED));
        }
        state.store.remove_first_links(&link.tenant).await?;
    }
    if !state
        .store
        .set_password(&link.tenant, &subject, &phc, desk.now_s())
        .await?
    {
        return Err(Refusal::invalid_request(ENDED));
    }
    // Whoever had the old password has nothing any more: what is not ended here is not current (`person::is_current`).
    state.store.end_sessions(&link.tenant, &subject).await?;
    desk.revoke_person(&link.tenant, &subject).await?;
    Ok(pages::message(
        "The password is set",
        "You can now log in when a program asks you to. You can close this page.",
    ))
}

async fn link(desk: &Desk<'_>) -> Result<(SetupLink, String), Refusal> {
    let text = desk.ask.params.need("link")?;
    let found = desk
        .state()
        .store
        .link(&secret::hash(text), desk.now_s())
        .await?;
    let is_ours = |link: &SetupLink| {
        let settings = &desk.server.settings;
        settings.local_accounts && settings.tenants.contains(&link.tenant)
    };
    found
        .filter(is_ours)
        .map(|link| (link, text.to_owned()))
        .ok_or_else(|| Refusal::invalid_request(ENDED))
}

fn show(
    desk: &Desk<'_>,
    link: &SetupLink,
    text: &str,
    mistake: Option<&str>,
    status: StatusCode,
) -> Result<Reply, Refusal> {
    let browser = desk.browser()?;
    let typed = desk.ask.params.find("subject").unwrap_or_default();
    let shown = pages::Setup {
        tenant: link.tenant.as_str(),
        mistake,
        tag: &desk.form_tag(&browser, "setup", text),
        link: text,
        subject: link.subject.as_ref().map_or(typed, SubjectId::as_str),
        is_fixed: link.subject.is_some(),
        chars_min: password::CHARS_MIN,
        host: &desk.server.settings.origin,
    };
    let mut reply = page_reply(status, &shown, None);
    browser.remember(&mut reply);
    Ok(reply)
}
