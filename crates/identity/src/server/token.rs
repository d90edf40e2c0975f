//! The token endpoint: one way in for each grant type.

mod code;
mod credentials;
mod device;
mod issue;
mod refresh;

use super::{
    Desk,
    binding::{self, Confirmation},
    client::{Client, assertion, authentication},
    error::Refusal,
    http::Reply,
    metadata::DEVICE_GRANT,
};

pub(super) use issue::TokenClaims;

pub(super) async fn answer(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let proven = binding::proven(desk);
    let answered = match &proven {
        Ok(proven) => exchange(desk, proven.confirmation.clone()).await,
        Err(refusal) => Err(refusal.clone()),
    };
    if let Err(refusal) = &answered
        && is_worth_a_record(refusal)
    {
        let kind = desk.ask.params.find("grant_type").unwrap_or_default();
        let kind: String = kind.chars().take(64).collect();
        let detail = format!(
            "{}: {} (grant `{}`)",
            refusal.code,
            refusal.description,
            kind.escape_debug()
        );
        desk.record("token_refused", None, detail).await?;
    }
    let mut reply = match answered {
        Ok(reply) => reply,
        Err(refusal) if refusal.code == binding::NONCE_NEEDED => refusal.into_json(),
        Err(refusal) => return Err(refusal),
    };
    binding::offer_nonce(desk, proven.as_ref().ok(), &mut reply);
    Ok(reply)
}

async fn exchange(desk: &Desk<'_>, confirmation: Option<Confirmation>) -> Result<Reply, Refusal> {
    let grant_type = desk.ask.params.need("grant_type")?;
    let client = authenticated(desk, "/token").await?;
    match grant_type {
        "authorization_code" => code::exchange(desk, &client, confirmation).await,
        "refresh_token" => refresh::exchange(desk, &client, confirmation).await,
        "client_credentials" => credentials::exchange(desk, &client, confirmation).await,
        DEVICE_GRANT => device::exchange(desk, &client, confirmation).await,
        _ => Err(Refusal::new(
            "unsupported_grant_type",
            "the grant type is not known",
        )),
    }
}

/// The client that asks, once it has shown who it is. A secret in a header is no way to do that.
pub(super) async fn authenticated(desk: &Desk<'_>, path: &str) -> Result<Client, Refusal> {
    if desk.ask.headers.contains_key(::http::header::AUTHORIZATION) {
        return Err(Refusal::invalid_client(
            "the `Authorization` header is not used here",
        ));
    }
    let params = &desk.ask.params;
    let client = desk.client(&assertion::claimed_id(params)?).await?;
    let origin = &desk.server.settings.origin;
    let own = format!("{origin}{path}");
    let token_endpoint = format!("{origin}/token");
    let audiences = [origin.as_str(), token_endpoint.as_str(), own.as_str()];
    authentication::check(desk, &client, &audiences).await?;
    Ok(client)
}

/// A device that waits asks every few seconds; that says nothing.
fn is_worth_a_record(refusal: &Refusal) -> bool {
    !matches!(
        refusal.code,
        "authorization_pending" | "slow_down" | "temporarily_unavailable" | binding::NONCE_NEEDED
    )
}
