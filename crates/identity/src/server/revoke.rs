//! A client gives a token back (RFC 7009). The answer is the same for every token.

use ::http::StatusCode;
use serde_json::json;

use super::{
    Desk, Who,
    client::Client,
    error::Refusal,
    http::{Reply, json as json_reply},
    introspect, secret, token,
};

pub(super) async fn answer(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let client = token::authenticated(desk, "/revoke").await?;
    let token = desk.ask.params.need("token")?;
    if !refresh(desk, &client, token).await? {
        access(desk, &client, token).await?;
    }
    Ok(json_reply(StatusCode::OK, &json!({})))
}

/// A refresh token takes its family along (RFC 7009 section 2.1).
async fn refresh(desk: &Desk<'_>, client: &Client, token: &str) -> Result<bool, Refusal> {
    let store = &desk.state().store;
    let family = store.refresh(&secret::hash(token), desk.now_s()).await?;
    let Some(family) = family.filter(|family| family.client == client.id.as_str()) else {
        return Ok(false);
    };
    desk.revoke_family(&family.tenant, &family.family).await?;
    let who = Who {
        tenant: &family.tenant,
        subject: &family.subject,
        client: Some(&family.client),
        run: Some(&family.run),
    };
    let detail = format!("family {} by its client", family.family);
    desk.record("token_revoked", Some(who), detail).await?;
    Ok(true)
}

async fn access(desk: &Desk<'_>, client: &Client, token: &str) -> Result<(), Refusal> {
    let Some(claims) = introspect::own(desk, token) else {
        return Ok(());
    };
    let state = desk.state();
    let ended = state.store.revoke_access(
        &claims.tenant,
        client.id.as_str(),
        &claims.jti,
        desk.now_s(),
    );
    let Some(ended) = ended.await? else {
        return Ok(());
    };
    state.revocations.add([(ended.token_id, ended.expires_s)]);
    let who = Who {
        tenant: &claims.tenant,
        subject: &claims.sub,
        client: Some(&claims.client_id),
        run: Some(&claims.sid),
    };
    let detail = format!("jti {} by its client", claims.jti);
    desk.record("token_revoked", Some(who), detail).await
}
