//! From a token's text to a proof.

use std::{collections::HashMap, sync::Arc};

use aws_lc_rs::digest::{SHA256, digest};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cardea_domain::{Clock, Denial};
use jsonwebtoken::{Algorithm, Validation};
use moka::sync::Cache;
use serde::Deserialize;
use serde_json::Value;

use crate::{
    IssuerSettings, KeySource, Revocations, TrustedIssuer, Verified,
    claims::{Claims, expired, invalid, unreachable},
    keys::Lookup,
    verified::Known,
};

/// Verifies tokens of the configured issuers.
pub struct Authenticator {
    /// By their exact `iss`.
    issuers: HashMap<String, Arc<TrustedIssuer>>,
    clock: Clock,
    revocations: Arc<Revocations>,
    /// By the SHA-256 of the whole token, so that no token is kept. A token names its tenant, so
    /// what is remembered of one is never another tenant's.
    remembered: Cache<[u8; 32], Arc<Known>>,
}

/// A verified token takes about 1 KB.
const REMEMBERED_MAX: u64 = 20_000;

/// Tokens with many groups reach some 8 KB; beyond this nobody means well.
const TOKEN_BYTES_MAX: usize = 16 * 1024;

#[derive(Deserialize)]
struct Header {
    alg: String,
    kid: Option<String>,
    typ: Option<String>,
    crit: Option<Value>,
}

impl Authenticator {
    /// An authenticator for these issuers; keys are fetched when the first token needs them.
    ///
    /// What `before` remembers of tokens is kept as far as their issuers are the same values.
    #[must_use]
    pub fn new(
        issuers: impl IntoIterator<Item = Arc<TrustedIssuer>>,
        clock: Clock,
        before: Option<&Self>,
    ) -> Self {
        Self {
            issuers: issuers
                .into_iter()
                .map(|issuer| (issuer.name().to_owned(), issuer))
                .collect(),
            clock,
            revocations: before
                .map(|b| Arc::clone(&b.revocations))
                .unwrap_or_default(),
            remembered: match before {
                Some(before) => before.remembered.clone(),
                None => Cache::new(REMEMBERED_MAX),
            },
        }
    }

    /// With the tokens that the gateway's own authorization server took back.
    #[must_use]
    pub fn with_revocations(mut self, revocations: Arc<Revocations>) -> Self {
        self.revocations = revocations;
        self
    }

    /// Verifies a token: form, signature, issuer, times, claims. The audience is checked by
    /// [`Verified::for_audience`], since it depends on what is asked for.
    ///
    /// # Errors
    /// [`Code::TokenInvalid`], [`Code::TokenExpired`] or [`Code::IssuerUnreachable`]; the detail says why, for the record.
    pub async fn verify(&self, token: &str) -> Result<Verified, Denial> {
        if token.len() > TOKEN_BYTES_MAX {
            return Err(invalid(format!("longer than {TOKEN_BYTES_MAX} bytes")));
        }
        let hash = sha256(token.as_bytes());
        let known = self.remembered.get(&hash);
        if let Some(known) = known.as_ref().filter(|known| self.trusts(&known.issuer)) {
            let keys = &known.issuer.keys;
            keys.refresh_when_due().await;
            if keys.epoch() == known.keys_epoch {
                let now = self.clock.unix_s();
                if now >= known.claims.expires_s {
                    return Err(expired(now - known.claims.expires_s));
                }
                self.refuse_revoked(known)?;
                return Ok(Verified(Arc::clone(known)));
            }
        }
        let mut afresh = self.verify_afresh(token, &hash).await?;
        if let Some(known) = known {
            afresh.idle = Arc::clone(&known.idle);
        }
        let known = Arc::new(afresh);
        self.refuse_revoked(&known)?;
        self.remembered.insert(hash, Arc::clone(&known));
        Ok(Verified(known))
    }

    /// Whether this is still what the configuration says of the issuer.
    fn trusts(&self, issuer: &Arc<TrustedIssuer>) -> bool {
        let now = self.issuers.get(issuer.name());
        now.is_some_and(|now| Arc::ptr_eq(now, issuer))
    }

    /// The refusal of a token whose issuer's keys cannot be had.
    fn unchecked(&self, issuer: &TrustedIssuer, claims: &Value) -> Denial {
        let now = self.clock.unix_s();
        let ended = claims.get("exp").and_then(Value::as_u64);
        match ended.filter(|ended| *ended <= now) {
            // To keep it would be of no use.
            Some(ended) if issuer.is_advertised() => expired(now - ended),
            _ => unreachable(issuer.name(), issuer.is_advertised()),
        }
    }

    /// Only the gateway's own tokens can be taken back here: another issuer's could have any `jti`.
    fn refuse_revoked(&self, known: &Known) -> Result<(), Denial> {
        match known.own_id() {
            Some(id) if self.revocations.contains(id) => Err(invalid("it was taken back")),
            _ => Ok(()),
        }
    }

    async fn verify_afresh(&self, token: &str, hash: &[u8; 32]) -> Result<Known, Denial> {
        let (header, claims) = unverified(token)?;
        let named = claims
            .get("iss")
            .and_then(Value::as_str)
            .unwrap_or_default();
        let Some(issuer) = self.issuers.get(named) else {
            return Err(invalid(format!(
                "unknown issuer `{}`",
                named.escape_debug()
            )));
        };
        // What no entry of the issuer accepts needs no key.
        let algorithm = accepted(&header, issuer.entries())?;
        let kid = header.kid.as_deref().ok_or_else(|| invalid("no `kid`"))?;
        let (key, keys_epoch) = match issuer.keys.find(kid).await {
            Lookup::Found(key, epoch) => (key, epoch),
            Lookup::Unknown => {
                return Err(invalid(format!("unknown `kid` `{}`", kid.escape_debug())));
            }
            Lookup::Unavailable => return Err(self.unchecked(issuer, &claims)),
        };
        if !key.allows(algorithm) {
            return Err(invalid(format!("key `{kid}` is not for {algorithm:?}")));
        }
        let claims =
            jsonwebtoken::decode::<Value>(token, &key.decoding, &signature_only(algorithm))
                .map_err(|e| invalid(format!("signature: {e}")))?
                .claims;
        let (settings, tenant) = issuer.entry_for(&claims)?;
        accepted(&header, std::slice::from_ref(settings))?;
        let now_s = self.clock.unix_s();
        Ok(Known {
            claims: Claims::read(&claims, tenant, &settings.claims, now_s)?,
            issuer: Arc::clone(issuer),
            keys_epoch,
            required_scopes: settings.scopes.clone(),
            extra_audiences: settings.audiences.clone(),
            sha256: *hash,
            short: hash.iter().take(8).map(|b| format!("{b:02x}")).collect(),
            idle: Arc::default(),
            revocations: matches!(settings.keys, KeySource::Own(_))
                .then(|| Arc::clone(&self.revocations)),
        })
    }
}

/// The algorithm of a token's header, which one of the entries must accept with all of the header.
fn accepted(header: &Header, entries: &[IssuerSettings]) -> Result<Algorithm, Denial> {
    let mut refusal = None;
    for entry in entries {
        let checked = algorithm(header, entry);
        match checked.and_then(|algorithm| check_type(header, entry).map(|()| algorithm)) {
            accepted @ Ok(_) => return accepted,
            Err(denial) => refusal = Some(denial),
        }
    }
    Err(refusal.unwrap_or_else(|| invalid("its issuer has no entry")))
}

/// Header and claims before anything is proven: used to find the key, and for nothing else.
fn unverified(token: &str) -> Result<(Header, Value), Denial> {
    let mut parts = token.split('.');
    let (Some(header), Some(claims), Some(_), None) =
        (parts.next(), parts.next(), parts.next(), parts.next())
    else {
        return Err(invalid("not a signed JWT"));
    };
    let decode = |part: &str| {
        URL_SAFE_NO_PAD
            .decode(part)
            .map_err(|_| invalid("not base64url"))
    };
    let header =
        serde_json::from_slice(&decode(header)?).map_err(|e| invalid(format!("header: {e}")))?;
    let claims =
        serde_json::from_slice(&decode(claims)?).map_err(|e| invalid(format!("claims: {e}")))?;
    Ok((header, claims))
}

fn algorithm(header: &Header, settings: &IssuerSettings) -> Result<Algorithm, Denial> {
    if header.crit.is_some() {
        return Err(invalid("`crit` names extensions that are not known here"));
    }
    header
        .alg
        .parse::<Algorithm>()
        .ok()
        .filter(|algorithm| settings.algorithms.contains(algorithm))
        .ok_or_else(|| {
            invalid(format!(
                "algorithm `{}` is not allowed",
                header.alg.escape_debug()
            ))
        })
}

fn check_type(header: &Header, settings: &IssuerSettings) -> Result<(), Denial> {
    let Some(wanted) = &settings.typ else {
        return Ok(());
    };
    let typ = header.typ.as_deref().unwrap_or_default();
    let short = typ
        .get(..12)
        .filter(|p| p.eq_ignore_ascii_case("application/"))
        .and_then(|_| typ.get(12..))
        .unwrap_or(typ);
    if short.eq_ignore_ascii_case(wanted) {
        Ok(())
    } else {
        Err(invalid(format!(
            "`typ` is `{}`, not `{wanted}`",
            typ.escape_debug()
        )))
    }
}

/// The library checks the signature; times, issuer and audience are checked here, by one clock.
pub(crate) fn signature_only(algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    validation.validate_nbf = false;
    validation.validate_aud = false;
    validation
}

fn sha256(bytes: &[u8]) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, bytes).as_ref());
    hash
}

#[cfg(test)]
mod tests;
