//! A confidential client asks about a token (RFC 7662). What it may not know is not active.

use ::http::StatusCode;
use jsonwebtoken::{Algorithm, jwk::JwkSet};
use serde_json::{Value, json};

use super::{
    Desk,
    error::Refusal,
    http::{Reply, json as json_reply},
    token::{self, TokenClaims},
};
use crate::authenticator::signature_only;

pub(super) async fn answer(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let client = token::authenticated(desk, "/introspect").await?;
    if !client.is_confidential() {
        return Err(Refusal::invalid_client("only clients with keys may ask"));
    }
    let asked = desk.ask.params.need("token")?;
    let known = own(desk, asked)
        .filter(|claims| !desk.state().revocations.contains(&claims.jti))
        .filter(|claims| {
            let is_its_own = claims.client_id == client.id.as_str();
            let is_for_it = client.introspects.contains(&claims.aud);
            client.serves(&claims.tenant) && (is_its_own || is_for_it)
        });
    let document = match known {
        Some(claims) => active(&claims),
        None => json!({"active": false}),
    };
    Ok(json_reply(StatusCode::OK, &document))
}

/// The claims of an access token of this server that has not ended.
pub(super) fn own(desk: &Desk<'_>, token: &str) -> Option<TokenClaims> {
    let header = jsonwebtoken::decode_header(token).ok()?;
    if header.alg != Algorithm::ES256 || header.typ.as_deref() != Some("at+jwt") {
        return None;
    }
    let state = desk.state();
    let set: JwkSet = serde_json::from_str(&state.keys.jwks()).ok()?;
    let key = jsonwebtoken::DecodingKey::from_jwk(set.find(header.kid.as_deref()?)?).ok()?;
    let claims =
        jsonwebtoken::decode::<TokenClaims>(token, &key, &signature_only(Algorithm::ES256))
            .ok()?
            .claims;
    let is_ours = claims.iss == desk.server.settings.origin;
    (is_ours && desk.now_s() < claims.exp).then_some(claims)
}

fn active(claims: &TokenClaims) -> Value {
    let mut document = serde_json::to_value(claims).unwrap_or_default();
    if let Some(document) = document.as_object_mut() {
        document.insert("active".into(), json!(true));
        let kind = super::binding::Confirmation::token_type(claims.cnf.as_ref());
        document.insert("token_type".into(), json!(kind));
    }
    document
}
