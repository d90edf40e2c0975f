//! Confidential clients show who they are by a signed assertion (RFC 7523 section 2.2).

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cardea_store::Once;
use jsonwebtoken::Algorithm;
use serde_json::Value;

use super::{
    Client,
    key_sets::{Keys, Wanted},
};
use crate::{
    authenticator::signature_only,
    server::{Desk, State, error::Refusal, http::Params, secret},
};

/// The one kind of assertion.
const TYPE: &str = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer";

/// An assertion is made for one request.
const LIFE_S_MAX: u64 = 300;

/// Clocks of client and server may differ by this much.
const SKEW_S: u64 = 60;

/// No assertion has more in it than a handful of claims.
const ASSERTION_BYTES_MAX: usize = 4096;

const ALGORITHMS: [Algorithm; 5] = [
    Algorithm::ES256,
    Algorithm::ES384,
    Algorithm::EdDSA,
    Algorithm::RS256,
    Algorithm::PS256,
];

/// The names of [`ALGORITHMS`], for metadata.
pub(in crate::server) const ALGORITHM_NAMES: [&str; 5] =
    ["ES256", "ES384", "EdDSA", "RS256", "PS256"];

/// Which client says it asks: `client_id`, or the subject of its assertion.
pub(in crate::server) fn claimed_id(params: &Params) -> Result<String, Refusal> {
    let by_assertion = params.find("client_assertion").and_then(|text| {
        let claims = text.split('.').nth(1)?;
        let claims: Value = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(claims).ok()?).ok()?;
        Some(claims.get("sub")?.as_str()?.to_owned())
    });
    match (params.find("client_id"), by_assertion) {
        (Some(id), Some(asserted)) if id != asserted => Err(Refusal::invalid_client(
            "`client_id` and the assertion name two clients",
        )),
        (Some(id), _) => Ok(id.to_owned()),
        (None, Some(asserted)) => Ok(asserted),
        (None, None) => Err(Refusal::invalid_client("`client_id` is missing")),
    }
}

/// Checks that the request brings an assertion by one of the client's keys, for the first time.
pub(super) async fn check(
    desk: &Desk<'_>,
    client: &Client,
    keys: &Keys,
    audiences: &[&str],
) -> Result<(), Refusal> {
    let (params, state) = (&desk.ask.params, desk.state());
    let invalid = |what: &'static str| Refusal::invalid_client(what);
    let assertion = params
        .find("client_assertion")
        .ok_or_else(|| invalid("`client_assertion` is missing"))?;
    if params.find("client_assertion_type") != Some(TYPE) {
        return Err(invalid("`client_assertion_type` is not a JWT's"));
    }
    if assertion.len() > ASSERTION_BYTES_MAX {
        return Err(invalid("the assertion is too long"));
    }
    let header = jsonwebtoken::decode_header(assertion)
        .map_err(|_| invalid("the assertion is not a JWT"))?;
    let wanted = Wanted::Key(header.kid.as_deref());
    let set = desk.server.key_sets.find(keys, &wanted, desk.now_s());
    let set = set.await?;
    let key = set
        .key(header.kid.as_deref())
        .filter(|key| ALGORITHMS.contains(&header.alg) && key.allows(header.alg))
        .ok_or_else(|| invalid("the assertion's key or algorithm is not the client's"))?;
    let claims =
        jsonwebtoken::decode::<Value>(assertion, &key.decoding, &signature_only(header.alg))
            .map_err(|_| invalid("the assertion's signature is wrong"))?
            .claims;
    let (token_id, expires_s) = times_and_names(&claims, client.id.as_str(), audiences, state)?;
    let value = secret::digest_text(&format!("{} {token_id}", client.id));
    let is_first = state
        .store
        .first(Once::Assertion, &value, expires_s + SKEW_S);
    if !is_first.await? {
        return Err(invalid("the assertion was used before"));
    }
    Ok(())
}

/// The assertion's id and end, when its claims are for this server, now.
fn times_and_names(
    claims: &Value,
    client: &str,
    audiences: &[&str],
    state: &State,
) -> Result<(String, u64), Refusal> {
    let text = |name: &str| claims.get(name).and_then(Value::as_str);
    let time = |name: &str| claims.get(name).and_then(Value::as_u64);
    let invalid = |what: &'static str| Err(Refusal::invalid_client(what));
    if text("iss") != Some(client) || text("sub") != Some(client) {
        return invalid("the assertion's `iss` and `sub` are not the client");
    }
    let is_for_us = match claims.get("aud") {
        Some(Value::String(one)) => audiences.contains(&one.as_str()),
        // Of several one could be an attacker's server, which would use the assertion here.
        Some(Value::Array(list)) => match list.as_slice() {
            [one] => one.as_str().is_some_and(|one| audiences.contains(&one)),
            _ => false,
        },
        _ => false,
    };
    if !is_for_us {
        return invalid("the assertion's `aud` is not this server alone");
    }
    let now_s = state.clock.unix_s();
    let Some(expires_s) = time("exp").filter(|exp| now_s < *exp) else {
        return invalid("the assertion has ended");
    };
    if expires_s > now_s + LIFE_S_MAX + SKEW_S {
        return invalid("the assertion is good for more than five minutes");
    }
    if ["iat", "nbf"]
        .iter()
        .any(|name| time(name).is_some_and(|t| t > now_s + SKEW_S))
    {
        return invalid("the assertion begins later");
    }
    match text("jti").filter(|id| (1..=255).contains(&id.len())) {
        Some(id) => Ok((id.to_owned(), expires_s)),
        None => invalid("the assertion has no `jti`"),
    }
}
