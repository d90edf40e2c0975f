//! Proofs of possession: that a request was made by whoever holds a key (RFC 9449).
//!
//! [`Dpop::check`] looks at one proof for one request: form, key, address, time, nonce, token,
//! signature, and that it was not there before. What the key must be is the caller's to say: the
//! one that the access token names, or any, where a token is about to be bound to it.
//!
//! A proof counts once. What is remembered for that is in memory only, so for proofs that may be
//! older than the memory a nonce is asked for, which the same process must have given out.

mod key;
mod nonces;
mod replays;
mod target;

use std::{borrow::Cow, time::Duration};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cardea_domain::{Clock, Code, Denial, Thumbprint};
use jsonwebtoken::Algorithm;
use serde::Deserialize;
use serde_json::value::RawValue;

use self::{
    key::ProofKey,
    nonces::Nonces,
    replays::{Replays, Seen},
};

/// What is configured of proofs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct DpopSettings {
    /// Whether every proof must carry a nonce of ours.
    pub require_nonce: bool,
    /// How old a proof may be.
    pub iat_window: Duration,
    /// The algorithms that proofs may be signed with; never HMAC, never `none`.
    pub algorithms: Vec<Algorithm>,
}

/// Checks proofs, and remembers them for as long as they could come again.
pub struct Dpop {
    settings: DpopSettings,
    window_s: u64,
    nonces: Nonces,
    replays: Replays,
    clock: Clock,
    /// When this memory began.
    began_s: u64,
}

/// The request that a proof must be for.
#[derive(Debug, Clone, Copy)]
pub struct ProofFor<'a> {
    /// The HTTP method.
    pub method: &'a str,
    /// The address as seen from outside, without query and fragment.
    pub uri: &'a str,
    /// At a protected resource: the token's SHA-256, and the key that it is bound to. At the token
    /// endpoint there is none: the key is the proof's own.
    pub token: Option<BoundToken>,
}

/// An access token that is bound to a key.
#[derive(Debug, Clone, Copy)]
pub struct BoundToken {
    /// The SHA-256 of the token's text.
    pub sha256: [u8; 32],
    /// The thumbprint in its `cnf.jkt`.
    pub key: Thumbprint,
}

/// That a request was made by the holder of a key. Made by [`Dpop::check`] alone.
#[derive(Debug)]
pub struct Proof {
    key: Thumbprint,
    nonce_is_due: bool,
}

/// Why a proof is not acceptable.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ProofError {
    /// It is not a proof for this request; what about it is told to the client.
    Invalid(Cow<'static, str>),
    /// It is one, by another key than the token's.
    OtherKey,
    /// It needs a nonce, or another one.
    NonceNeeded,
    /// No more proofs can be remembered at the moment.
    Full,
}

/// A proof with an RSA key of 8192 bits has some 4 KB.
const PROOF_BYTES_MAX: usize = 8 * 1024;

/// A `jti` is a UUID or 96 random bits (RFC 9449, section 4.2); nobody needs more than this.
const JTI_CHARS_MAX: usize = 256;

/// A client's clock may be ahead of ours by this much.
const SKEW_S: u64 = 5;

#[derive(Deserialize)]
struct Header<'a> {
    #[serde(borrow)]
    typ: Cow<'a, str>,
    #[serde(borrow)]
    alg: Cow<'a, str>,
    #[serde(borrow)]
    jwk: &'a RawValue,
    #[serde(borrow)]
    crit: Option<&'a RawValue>,
}

#[derive(Deserialize)]
struct Claims<'a> {
    #[serde(borrow)]
    jti: Cow<'a, str>,
    #[serde(borrow)]
    htm: Cow<'a, str>,
    #[serde(borrow)]
    htu: Cow<'a, str>,
    iat: f64,
    exp: Option<f64>,
    nbf: Option<f64>,
    #[serde(borrow)]
    ath: Option<Cow<'a, str>>,
    #[serde(borrow)]
    nonce: Option<Cow<'a, str>>,
}

impl Dpop {
    /// A check that has seen no proof yet. `secret` makes its nonces: replicas that share it accept
    /// each other's. `purpose` keeps the nonces of one endpoint from being used at another.
    #[must_use]
    pub fn new(settings: DpopSettings, secret: &[u8], purpose: &str, clock: Clock) -> Self {
        let window_s = settings.iat_window.as_secs();
        Self {
            window_s,
            nonces: Nonces::new(secret, purpose),
            replays: Replays::new(window_s + SKEW_S),
            began_s: clock.unix_s(),
            settings,
            clock,
        }
    }

    /// What it was made with.
    #[must_use]
    pub fn settings(&self) -> &DpopSettings {
        &self.settings
    }

    /// The JOSE names of the algorithms, separated by blanks, as challenges list them.
    #[must_use]
    pub fn algorithms(&self) -> String {
        let names: Vec<String> = self.settings.algorithms.iter().map(name).collect();
        names.join(" ")
    }

    /// A nonce for the next proofs, for the `DPoP-Nonce` header.
    #[must_use]
    pub fn nonce(&self) -> String {
        self.nonces.issue(self.clock.unix_s())
    }

    /// Checks that `proof`, the value of the one `DPoP` header, is for this request and is new.
    ///
    /// # Errors
    /// [`ProofError`].
    ///
    /// # Source
    /// RFC 9449 section 4.3, in the order of what the checks cost.
    pub fn check(&self, proof: &str, request: &ProofFor<'_>) -> Result<Proof, ProofError> {
        if proof.len() > PROOF_BYTES_MAX {
            return Err(invalid(format!(
                "it is longer than {PROOF_BYTES_MAX} bytes"
            )));
        }
        let parts = Parts::of(proof)?;
        let header: Header<'_> = json(&parts.header, "header")?;
        let algorithm = self.algorithm(&header)?;
        let claims: Claims<'_> = json(&parts.claims, "claims")?;
        let now_s = self.clock.unix_s();
        let iat_s = self.check_time(&claims, now_s)?;
        check_target(&claims, request)?;
        let key = ProofKey::read(header.jwk.get(), algorithm)?;
        let nonce_is_due = self.check_nonce(&claims, request, iat_s, now_s)?;
        if let Some(token) = &request.token {
            if claims.ath.as_deref().and_then(Thumbprint::parse)
                != Some(Thumbprint::new(token.sha256))
            {
                return Err(invalid("`ath` is not the digest of this access token"));
            }
            if token.key != key.thumbprint() {
                return Err(ProofError::OtherKey);
            }
        }
        key.verify(parts.signed, &parts.signature)?;
        // Last, so that only whoever holds the key can have anything remembered.
        match self
            .replays
            .remember(key.thumbprint(), &claims.jti, iat_s, now_s)
        {
            Seen::New => Ok(Proof {
                key: key.thumbprint(),
                nonce_is_due,
            }),
            Seen::Before => Err(invalid("it was used before: `jti` must be new each time")),
            Seen::NoRoom => Err(ProofError::Full),
        }
    }

    fn algorithm(&self, header: &Header<'_>) -> Result<Algorithm, ProofError> {
        if header.typ != "dpop+jwt" {
            return Err(invalid("`typ` is not `dpop+jwt`"));
        }
        if header.crit.is_some() {
            return Err(invalid("`crit` names extensions that are not known here"));
        }
        let known = header.alg.parse::<Algorithm>().ok();
        known
            .filter(|algorithm| self.settings.algorithms.contains(algorithm))
            .ok_or_else(|| invalid(format!("`alg` is none of: {}", self.algorithms())))
    }

    /// The second it was made in.
    fn check_time(&self, claims: &Claims<'_>, now_s: u64) -> Result<u64, ProofError> {
        let (now, skew) = (now_s as f64, SKEW_S as f64);
        let whole = Some(claims.iat).filter(|iat| *iat >= 0.0 && *iat < 1e15);
        let iat_s = whole.map(|iat| iat as u64);
        let iat_s = iat_s.ok_or_else(|| invalid("`iat` is not a time"))?;
        if iat_s > now_s + SKEW_S {
            return Err(invalid("`iat` is in the future; is the clock right?"));
        }
        if iat_s + self.window_s < now_s {
            return Err(invalid(format!(
                "`iat` is more than {} s ago; is the clock right?",
                self.window_s
            )));
        }
        if claims.exp.is_some_and(|exp| exp <= now) {
            return Err(invalid("`exp` is in the past"));
        }
        if claims.nbf.is_some_and(|nbf| nbf > now + skew) {
            return Err(invalid("`nbf` is in the future"));
        }
        let length = claims.jti.chars().count();
        if length == 0 || length > JTI_CHARS_MAX {
            return Err(invalid(format!(
                "`jti` must have 1 to {JTI_CHARS_MAX} characters"
            )));
        }
        Ok(iat_s)
    }

    /// Whether the nonce in use will be too old soon.
    fn check_nonce(
        &self,
        claims: &Claims<'_>,
        request: &ProofFor<'_>,
        iat_s: u64,
        now_s: u64,
    ) -> Result<bool, ProofError> {
        // One that is wrong is never ignored: the client means to use ours.
        let issued = match claims.nonce.as_deref() {
            Some(nonce) => {
                let issued = self.nonces.open(nonce);
                let good = issued.filter(|issued| nonces::is_good(issued.at_s, now_s));
                Some(good.ok_or(ProofError::NonceNeeded)?)
            }
            None => None,
        };
        // An access token could be sent again with a proof that was used before this memory began.
        // A code or a refresh token is good for one use anyway.
        let is_remembered = iat_s > self.began_s + SKEW_S
            || issued.is_some_and(|issued| issued.is_own)
            || request.token.is_none();
        if !is_remembered || (self.settings.require_nonce && issued.is_none()) {
            return Err(ProofError::NonceNeeded);
        }
        Ok(issued.is_some_and(|issued| nonces::is_due(issued.at_s, now_s)))
    }
}

impl Proof {
    /// The thumbprint of the key that made it (RFC 7638, SHA-256).
    #[must_use]
    pub fn key(&self) -> Thumbprint {
        self.key
    }

    /// Whether the answer should offer a fresh nonce.
    #[must_use]
    pub fn nonce_is_due(&self) -> bool {
        self.nonce_is_due
    }
}

impl ProofError {
    /// The refusal of a request at a protected resource.
    #[must_use]
    pub fn denial(&self) -> Denial {
        match self {
            Self::Invalid(reason) => Denial::new(
                Code::ProofInvalid,
                format!("the DPoP proof is not acceptable: {reason}"),
            )
            .help("send one new proof with each request (RFC 9449, section 4)"),
            Self::OtherKey => Denial::new(
                Code::TokenBinding,
                "the access token is bound to another key than the DPoP proof's",
            )
            .help("sign the proof with the key that the token was issued for"),
            Self::NonceNeeded => {
                Denial::new(Code::ProofNonce, "the DPoP proof needs a nonce of the gateway's")
                    .help("send the request again with a new proof whose `nonce` is the value of the `DPoP-Nonce` header")
            }
            Self::Full => Denial::new(Code::Overloaded, "too many DPoP proofs at once")
                .help("try again in a minute"),
        }
    }
}

fn check_target(claims: &Claims<'_>, request: &ProofFor<'_>) -> Result<(), ProofError> {
    if claims.htm != request.method {
        return Err(invalid("`htm` is not the method of this request"));
    }
    if !target::same(&claims.htu, request.uri) {
        return Err(invalid(
            "`htu` is not the public address of this request, without query and fragment",
        ));
    }
    Ok(())
}

/// A compact JWS, taken apart.
struct Parts<'a> {
    header: Vec<u8>,
    claims: Vec<u8>,
    signature: Vec<u8>,
    signed: &'a [u8],
}

impl<'a> Parts<'a> {
    fn of(proof: &'a str) -> Result<Self, ProofError> {
        let not_a_jwt = || invalid("it is not a signed JWT");
        let (signed, signature) = proof.rsplit_once('.').ok_or_else(not_a_jwt)?;
        let (header, claims) = signed.split_once('.').ok_or_else(not_a_jwt)?;
        let decode = |part: &str| URL_SAFE_NO_PAD.decode(part).map_err(|_| not_a_jwt());
        Ok(Self {
            header: decode(header)?,
            claims: decode(claims)?,
            signature: decode(signature)?,
            signed: signed.as_bytes(),
        })
    }
}

fn json<'a, T: Deserialize<'a>>(bytes: &'a [u8], what: &str) -> Result<T, ProofError> {
    serde_json::from_slice(bytes).map_err(|error| invalid(format!("{what}: {error}")))
}

/// The JOSE name.
fn name(algorithm: &Algorithm) -> String {
    format!("{algorithm:?}")
}

fn invalid(reason: impl Into<Cow<'static, str>>) -> ProofError {
    ProofError::Invalid(reason.into())
}

impl std::fmt::Debug for Dpop {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Dpop")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
