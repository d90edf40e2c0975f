//! An ID token becomes a person (OpenID Connect Core section 3.1.3.7).

use cardea_domain::{SubjectId, TenantId};
use jsonwebtoken::Algorithm;
use serde_json::Value;

use super::Provider;
use crate::{
    TenantRule,
    authenticator::signature_only,
    claims::{Mismatch, groups, seconds, string, strings, tenant_of},
    keys::Lookup,
    server::person::Person,
};

/// What providers sign with; never `none`, never with a shared secret.
const ALGORITHMS: [Algorithm; 4] = [
    Algorithm::RS256,
    Algorithm::PS256,
    Algorithm::ES256,
    Algorithm::EdDSA,
];

/// Clocks may differ by this much.
const SKEW_S: u64 = 60;

/// An ID token for a login that has just happened is minutes old.
const AGE_S_MAX: u64 = 600;

/// The login that an ID token has to be of.
pub(super) struct Awaited<'a> {
    pub(super) nonce: &'a str,
    /// Whether the person had to log in for it: then the token says when they did.
    pub(super) is_anew: bool,
}

pub(super) async fn person(
    provider: &Provider,
    token: &str,
    awaited: &Awaited<'_>,
    now_s: u64,
) -> Result<Person, String> {
    let header = jsonwebtoken::decode_header(token).map_err(|e| e.to_string())?;
    if !ALGORITHMS.contains(&header.alg) {
        return Err(format!("algorithm {:?} is not allowed", header.alg));
    }
    let kid = header.kid.as_deref().ok_or("no `kid`")?;
    let key = match provider.keys.find(kid).await {
        Lookup::Found(key, _) => key,
        Lookup::Unknown => return Err("unknown `kid`".into()),
        Lookup::Unavailable => return Err("the provider's keys cannot be had".into()),
    };
    if !key.allows(header.alg) {
        return Err("the key is not for this algorithm".into());
    }
    let claims = jsonwebtoken::decode::<Value>(token, &key.decoding, &signature_only(header.alg))
        .map_err(|e| format!("signature: {e}"))?
        .claims;
    check(provider, &claims, awaited, now_s)?;
    read(provider, &claims, now_s)
}

fn check(
    provider: &Provider,
    claims: &Value,
    awaited: &Awaited<'_>,
    now_s: u64,
) -> Result<(), String> {
    let settings = &provider.settings;
    if string(claims, "/iss") != Some(&settings.issuer) {
        return Err("`iss` is another".into());
    }
    let audiences = strings(claims.get("aud"));
    if !audiences.contains(&settings.client_id) {
        return Err("`aud` is another".into());
    }
    // One for several must say for whom it was made.
    let party = string(claims, "/azp");
    if party.is_some_and(|azp| azp != settings.client_id)
        || (audiences.len() > 1 && party.is_none())
    {
        return Err("`azp` is another".into());
    }
    if string(claims, "/nonce") != Some(awaited.nonce) {
        return Err("`nonce` is another".into());
    }
    let time = |name: &str| seconds(claims, name).map_err(|d| d.detail.unwrap_or_default());
    let expires_s = time("exp")?.ok_or("`exp` is missing")?;
    let issued_s = time("iat")?.ok_or("`iat` is missing")?;
    if now_s >= expires_s + SKEW_S {
        return Err("it has ended".into());
    }
    if issued_s > now_s + SKEW_S || issued_s + AGE_S_MAX < now_s {
        return Err("`iat` is not now".into());
    }
    // A provider that remembers somebody must not pass for one at which they have just logged in.
    if awaited.is_anew && time("auth_time")?.is_none() {
        return Err(
            "`auth_time` is missing: let the provider send it, as `max_age` asks for".into(),
        );
    }
    Ok(())
}

fn read(provider: &Provider, claims: &Value, now_s: u64) -> Result<Person, String> {
    let settings = &provider.settings;
    let detail = |d: cardea_domain::Denial| d.detail.unwrap_or_default();
    let subject = string(claims, &settings.claims.subject)
        .ok_or_else(|| format!("no string at `{}`", settings.claims.subject))?;
    let groups = groups(claims, settings.claims.groups.as_deref()).map_err(detail)?;
    let auth_time_s = seconds(claims, "auth_time").map_err(detail)?;
    Ok(Person {
        tenant: tenant(claims, &settings.tenant)?,
        subject: SubjectId::parse(subject).map_err(|e| e.to_string())?,
        groups: groups.iter().map(ToString::to_string).collect(),
        // Nobody logs in later than now.
        auth_time_s: auth_time_s.unwrap_or(now_s).min(now_s),
        acr: string(claims, "/acr").map(str::to_owned),
        amr: strings(claims.get("amr")),
        provider: Some(settings.issuer.clone()),
    })
}

fn tenant(claims: &Value, rule: &TenantRule) -> Result<TenantId, String> {
    tenant_of(claims, rule).map_err(|mismatch| match mismatch {
        Mismatch::Not(reason) | Mismatch::Several(reason) => reason,
    })
}
