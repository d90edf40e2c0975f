//! A refresh token becomes the next pair; a used one ends everything (RFC 9700 section 4.14).

use cardea_store::{Family, Refresh};
use uuid::Uuid;

use super::issue::Issue;
use crate::server::{
    Desk, Who,
    approval::Approval,
    binding::Confirmation,
    client::Client,
    error::Refusal,
    http::Reply,
    person,
    resource::{API_SCOPE, MCP_SCOPE},
    secret,
};

/// A family that was silent this long begins a new run.
const IDLE_S: u64 = 30 * 60;

pub(super) async fn exchange(
    desk: &Desk<'_>,
    client: &Client,
    confirmation: Option<Confirmation>,
) -> Result<Reply, Refusal> {
    let hash = secret::hash(desk.ask.params.need("refresh_token")?);
    let (store, now_s) = (&desk.state().store, desk.now_s());
    // Looked at before it is used: another client, or one without the key, must not use it up.
    let family = store
        .refresh(&hash, now_s)
        .await?
        .ok_or_else(|| Refusal::invalid_grant("the refresh token is not known or has ended"))?;
    let approval: Approval =
        serde_json::from_str(&family.approval).map_err(|_| Refusal::unavailable())?;
    if family.client != client.id.as_str() {
        return Err(Refusal::invalid_grant(
            "the refresh token is another client's",
        ));
    }
    // Bound at the first token, bound for ever; what was free may become bound.
    if let Some(bound) = &approval.confirmation
        && !is_held(bound, client, confirmation.as_ref())
    {
        return Err(Refusal::invalid_grant(
            "the refresh token is bound to another key",
        ));
    }
    if !person::is_current(&approval.person, desk.server).await? || !client.serves(&family.tenant) {
        return Err(Refusal::invalid_grant(
            "the person's login does not hold any more",
        ));
    }
    let params = &desk.ask.params;
    let resource = desk
        .server
        .resources
        .within(&approval.resource, params.find("resource"))?;
    let scope = narrowed(&approval, params.find("scope"))?;
    match store.use_refresh(&hash, now_s).await? {
        Refresh::Good(_) => {}
        Refresh::Reused(family) => return reused(desk, &family).await,
        Refresh::Unknown => return Err(Refusal::invalid_grant("the refresh token has ended")),
    }
    let run = run(&family, params.find("cardea_run"), now_s);
    store
        .touch_family(&family.tenant, &family.family, &run, now_s)
        .await?;
    let issue = Issue {
        client,
        approval: &approval,
        family: &family.family,
        run: &run,
        resource,
        scope,
        confirmation,
        is_attended: true,
        refresh_until_s: Some(family.expires_s),
    };
    desk.issue(issue).await
}

/// Whether a request shows the keys that a refresh token is bound to. A confidential client has
/// shown who it is, and may exchange its keys and certificates meanwhile, but not do without (RFC 8705
/// section 4, RFC 9449 section 5).
fn is_held(bound: &Confirmation, client: &Client, shown: Option<&Confirmation>) -> bool {
    match shown {
        None => false,
        Some(shown) if client.is_confidential() => shown.kinds() == bound.kinds(),
        Some(shown) => shown == bound,
    }
}

/// Two have the token, and one of them is a thief: both lose it.
async fn reused(desk: &Desk<'_>, family: &Family) -> Result<Reply, Refusal> {
    desk.revoke_family(&family.tenant, &family.family).await?;
    let who = Who {
        tenant: &family.tenant,
        subject: &family.subject,
        client: Some(&family.client),
        run: Some(&family.run),
    };
    let detail = format!("family {} ended", family.family);
    desk.record("refresh_reused", Some(who), detail).await?;
    Err(Refusal::invalid_grant("the refresh token was used before"))
}

/// RFC 6749 section 6: the same scopes, or fewer.
fn narrowed(approval: &Approval, asked: Option<&str>) -> Result<String, Refusal> {
    let Some(asked) = asked else {
        return Ok(approval.scope.clone());
    };
    // What a token is for cannot be taken from it: it would be a token all the same.
    let is_lost = |own: &&str| approval.has_scope(own) && !asked.split(' ').any(|s| s == *own);
    if let Some(own) = [MCP_SCOPE, API_SCOPE].iter().find(|own| is_lost(own)) {
        let why = format!("`{own}` cannot be left out: it is what the token is for");
        return Err(Refusal::new("invalid_scope", why));
    }
    match asked.split(' ').all(|scope| approval.has_scope(scope)) {
        true => Ok(asked.to_owned()),
        false => Err(Refusal::new("invalid_scope", "a scope was not approved")),
    }
}

fn run(family: &Family, asked: Option<&str>, now_s: u64) -> String {
    if asked == Some("new") || now_s.saturating_sub(family.active_s) >= IDLE_S {
        Uuid::now_v7().to_string()
    } else {
        family.run.clone()
    }
}
