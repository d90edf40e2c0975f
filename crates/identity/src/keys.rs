//! An issuer's keys: found, kept, rotated.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use arc_swap::ArcSwapOption;
use cardea_domain::Clock;
use jsonwebtoken::{
    Algorithm, DecodingKey,
    jwk::{AlgorithmParameters, Jwk, KeyOperations, PublicKeyUse},
};
use serde::Deserialize;
use thiserror::Error;
use tokio::sync::Mutex;
use tracing::{info, warn};
use url::{Host, Url};

use crate::{FetchError, Fetcher, SigningKeys};

/// Where an issuer's keys come from.
#[derive(Debug, Clone)]
pub enum KeySource {
    /// The gateway's own keys, as they are at each moment.
    Own(Arc<SigningKeys>),
    /// A JWKS document.
    Jwks {
        /// Where it is.
        url: String,
        /// How to get it.
        fetcher: Fetcher,
    },
    /// Metadata (RFC 8414, OpenID Connect Discovery) that names the JWKS document.
    Discovery {
        /// Where the metadata may be, in the order to try.
        urls: Vec<String>,
        /// How to get it.
        fetcher: Fetcher,
    },
}

/// Keys could not be had.
#[derive(Debug, Error)]
pub enum KeySourceError {
    /// A document could not be fetched.
    #[error(transparent)]
    Fetch(#[from] FetchError),
    /// A document is not what it should be.
    #[error("the document at {url} is not usable: {reason}")]
    Document {
        /// Its address.
        url: String,
        /// What is wrong.
        reason: String,
    },
}

/// The key that a token names, or why there is none.
pub(crate) enum Lookup {
    Found(Arc<Key>, u64),
    Unknown,
    Unavailable,
}

pub(crate) struct Key {
    pub(crate) decoding: DecodingKey,
    jwk: Jwk,
}

impl Key {
    /// Whether the key may verify this algorithm, by its own declaration.
    pub(crate) fn allows(&self, algorithm: Algorithm) -> bool {
        let common = &self.jwk.common;
        let signs = common
            .public_key_use
            .as_ref()
            .is_none_or(|u| *u == PublicKeyUse::Signature)
            && common
                .key_operations
                .as_ref()
                .is_none_or(|ops| ops.contains(&KeyOperations::Verify));
        let named = common
            .key_algorithm
            .is_none_or(|a| a.to_string() == format!("{algorithm:?}"));
        signs && named && self.decoding.family() == algorithm.family()
    }
}

struct KeySet {
    keys: HashMap<String, Arc<Key>>,
    fetched_ms: u64,
    fresh_ms: u64,
    text_digest: u64,
    epoch: u64,
}

/// The keys of one issuer, shared by all workers.
pub(crate) struct IssuerKeys {
    issuer: String,
    source: KeySource,
    clock: Clock,
    current: ArcSwapOption<KeySet>,
    /// Held while fetching, so that any number of waiting calls cost one fetch.
    fetching: Mutex<()>,
    tried_ms: AtomicU64,
    /// The generation of the gateway's own keys that `current` was made of.
    own_generation: AtomicU64,
}

/// A key set is asked for again after this long when its server does not say.
const FRESH_DEFAULT: Duration = Duration::from_secs(600);
/// Bounds on what its server may say.
const FRESH_MIN: Duration = Duration::from_secs(60);
const FRESH_MAX: Duration = Duration::from_secs(24 * 3600);
/// Unknown key ids cause at most one fetch in this time, however many tokens carry them.
const UNKNOWN_KID_GAP_MS: u64 = 30_000;
/// The same while there are no keys at all, and nobody of this issuer gets in.
const NO_KEYS_GAP_MS: u64 = 1_000;
/// Keys of an issuer that cannot be reached any more are good for this long, then nothing is.
const STALE_MAX_MS: u64 = 24 * 3600 * 1000;
/// A key set beyond this is a mistake or an attack.
const KEYS_MAX: usize = 256;

impl IssuerKeys {
    pub(crate) fn new(issuer: String, source: KeySource, clock: Clock) -> Self {
        Self {
            issuer,
            source,
            clock,
            current: ArcSwapOption::empty(),
            fetching: Mutex::new(()),
            tried_ms: AtomicU64::new(0),
            own_generation: AtomicU64::new(0),
        }
    }

    /// The generation of the current keys; remembered tokens of another one are verified anew.
    pub(crate) fn epoch(&self) -> u64 {
        self.usable().map_or(0, |set| set.epoch)
    }

    /// The key with this id, fetched where needed and allowed.
    pub(crate) async fn find(&self, kid: &str) -> Lookup {
        self.follow_own();
        let now = self.clock.unix_ms();
        if let Some(set) = self.usable() {
            let fresh = now < set.fetched_ms.saturating_add(set.fresh_ms);
            if let (Some(key), true) = (set.keys.get(kid), fresh) {
                return Lookup::Found(Arc::clone(key), set.epoch);
            }
        }
        self.refresh(kid).await;
        match self.usable() {
            Some(set) => match set.keys.get(kid) {
                Some(key) => Lookup::Found(Arc::clone(key), set.epoch),
                None => Lookup::Unknown,
            },
            None => Lookup::Unavailable,
        }
    }

    fn usable(&self) -> Option<Arc<KeySet>> {
        self.current
            .load_full()
            .filter(|set| self.clock.unix_ms() < set.fetched_ms.saturating_add(STALE_MAX_MS))
    }

    /// Asks for the keys again when the last answer is too old, so that a key that its issuer
    /// took back ends remembered tokens too. One caller waits; the others go on meanwhile.
    pub(crate) async fn refresh_when_due(&self) {
        self.follow_own();
        let now = self.clock.unix_ms();
        let due = |set: &KeySet| now >= set.fetched_ms.saturating_add(set.fresh_ms);
        if !self.current.load().as_ref().is_some_and(|set| due(set)) {
            return;
        }
        if let Ok(_mine) = self.fetching.try_lock() {
            self.fetch_and_accept(now).await;
        }
    }

    /// Takes over the gateway's own keys when they changed; nothing to do for other issuers.
    fn follow_own(&self) {
        let KeySource::Own(own) = &self.source else {
            return;
        };
        let generation = own.generation();
        if self.own_generation.swap(generation, Ordering::AcqRel) != generation {
            self.accept(&own.jwks(), Some(FRESH_MAX), self.clock.unix_ms());
        }
    }

    async fn refresh(&self, kid: &str) {
        let _one_at_a_time = self.fetching.lock().await;
        let now = self.clock.unix_ms();
        let known = self.usable().is_some_and(|set| {
            set.keys.contains_key(kid) && now < set.fetched_ms.saturating_add(set.fresh_ms)
        });
        if !known {
            self.fetch_and_accept(now).await;
        }
    }

    /// Fetches unless it was tried a moment ago; the caller holds the lock.
    async fn fetch_and_accept(&self, now: u64) {
        let gap_ms = match self.usable() {
            Some(_) => UNKNOWN_KID_GAP_MS,
            None => NO_KEYS_GAP_MS,
        };
        let tried = self.tried_ms.load(Ordering::Relaxed);
        if tried != 0 && now < tried.saturating_add(gap_ms) {
            return;
        }
        self.tried_ms.store(now, Ordering::Relaxed);
        match self.fetch().await {
            Ok((text, keep)) => self.accept(&text, keep, now),
            Err(error) => warn!(issuer = %self.issuer, %error, "cannot refresh the issuer's keys"),
        }
        // Those who waited for this answer do not ask one after the other.
        self.tried_ms.store(self.clock.unix_ms(), Ordering::Relaxed);
    }

    fn accept(&self, text: &str, keep: Option<Duration>, now: u64) {
        let keys = match parse(text) {
            Ok(keys) => keys,
            Err(reason) => {
                warn!(issuer = %self.issuer, reason, "the issuer's key set is not usable");
                return;
            }
        };
        let fresh = keep.unwrap_or(FRESH_DEFAULT).clamp(FRESH_MIN, FRESH_MAX);
        let digest = digest(text);
        let before = self.current.load_full();
        let epoch = match &before {
            Some(set) if set.text_digest == digest => set.epoch,
            Some(set) => set.epoch + 1,
            None => 1,
        };
        if before.is_none_or(|set| set.epoch != epoch) {
            info!(issuer = %self.issuer, keys = keys.len(), epoch, "the issuer's keys are new");
        }
        self.current.store(Some(Arc::new(KeySet {
            keys,
            fetched_ms: now,
            fresh_ms: u64::try_from(fresh.as_millis()).unwrap_or(u64::MAX),
            text_digest: digest,
            epoch,
        })));
    }

    async fn fetch(&self) -> Result<(String, Option<Duration>), KeySourceError> {
        match &self.source {
            KeySource::Own(own) => {
                // Another process may have made the key; reading a folder is as quick as any answer.
                if let Err(error) = own.tend() {
                    warn!(%error, "the signing keys cannot be read again");
                }
                Ok((own.jwks().to_string(), Some(FRESH_MAX)))
            }
            KeySource::Jwks { url, fetcher } => document(fetcher, url).await,
            KeySource::Discovery { urls, fetcher } => {
                let jwks_url = self.discover(urls, fetcher).await?;
                document(fetcher, &jwks_url).await
            }
        }
    }

    /// The JWKS address by the first metadata document that can be had.
    async fn discover(&self, urls: &[String], fetcher: &Fetcher) -> Result<String, KeySourceError> {
        #[derive(Deserialize)]
        struct Metadata {
            issuer: String,
            jwks_uri: String,
        }
        let mut last = None;
        for url in urls {
            let text = match document(fetcher, url).await {
                Ok((text, _)) => text,
                Err(error) => {
                    last = Some(error);
                    continue;
                }
            };
            let unusable = |reason: String| KeySourceError::Document {
                url: url.clone(),
                reason,
            };
            let metadata: Metadata =
                serde_json::from_str(&text).map_err(|e| unusable(e.to_string()))?;
            // RFC 8414, section 3.3: another issuer's metadata must not be used.
            if metadata.issuer != self.issuer {
                return Err(unusable(format!(
                    "it is of issuer `{}`, not `{}`",
                    metadata.issuer, self.issuer
                )));
            }
            if !is_protected(&metadata.jwks_uri) {
                return Err(unusable(format!(
                    "its `jwks_uri` is `{}`, which is not `https`",
                    metadata.jwks_uri.escape_debug()
                )));
            }
            return Ok(metadata.jwks_uri);
        }
        Err(last.unwrap_or_else(|| KeySourceError::Document {
            url: self.issuer.clone(),
            reason: "no metadata address is configured".into(),
        }))
    }
}

/// Whether nobody on the way can exchange what is fetched from here: `https`, or this machine.
fn is_protected(url: &str) -> bool {
    let Ok(url) = Url::parse(url) else {
        return false;
    };
    let is_loopback = match url.host() {
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        None => false,
    };
    match url.scheme() {
        "https" => true,
        "http" => is_loopback,
        _ => false,
    }
}

async fn document(
    fetcher: &Fetcher,
    url: &str,
) -> Result<(String, Option<Duration>), KeySourceError> {
    let (bytes, keep) = fetcher.get(url).await?;
    let text = String::from_utf8(bytes.to_vec()).map_err(|_| KeySourceError::Document {
        url: url.into(),
        reason: "it is not UTF-8".into(),
    })?;
    Ok((text, keep))
}

/// The usable keys of a JWKS document (RFC 7517) by their ids, or why there are none.
pub(crate) fn parse(text: &str) -> Result<HashMap<String, Arc<Key>>, String> {
    #[derive(Deserialize)]
    struct Document {
        keys: Vec<serde_json::Value>,
    }
    let document: Document = serde_json::from_str(text).map_err(|e| e.to_string())?;
    if document.keys.len() > KEYS_MAX {
        return Err(format!("more than {KEYS_MAX} keys"));
    }
    let mut keys = HashMap::new();
    for value in document.keys {
        // A key of a kind that is not known here is none of ours (RFC 7517, section 5).
        let Ok(jwk) = serde_json::from_value::<Jwk>(value) else {
            continue;
        };
        // A symmetric key in a public document would let anybody sign.
        if matches!(jwk.algorithm, AlgorithmParameters::OctetKey(_)) {
            continue;
        }
        let (Some(kid), Ok(decoding)) = (jwk.common.key_id.clone(), DecodingKey::from_jwk(&jwk))
        else {
            continue;
        };
        keys.insert(kid, Arc::new(Key { decoding, jwk }));
    }
    if keys.is_empty() {
        return Err("it holds no usable key with a `kid`".into());
    }
    Ok(keys)
}

fn digest(text: &str) -> u64 {
    use std::hash::{DefaultHasher, Hash, Hasher};
    let mut hasher = DefaultHasher::new();
    text.hash(&mut hasher);
    hasher.finish()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_are_fetched_where_nobody_can_exchange_them_on_the_way() {
        for url in [
            "https://id.example.com/jwks",
            "http://127.0.0.1:8080/jwks",
            "http://[::1]/jwks",
            "http://localhost/jwks",
        ] {
            assert!(is_protected(url), "{url}");
        }
        for url in [
            "http://id.example.com/jwks",
            "http://127.0.0.1.example.com/jwks",
            "http://localhost@evil.example/jwks",
            "http://10.0.0.1/jwks",
            "file:///etc/passwd",
            "ftp://127.0.0.1/jwks",
            "//id.example.com/jwks",
            "",
        ] {
            assert!(!is_protected(url), "{url}");
        }
    }
}
