//! The public keys of confidential clients: told with the client, or fetched from where it says.

use std::{
    collections::{HashMap, HashSet},
    sync::Arc,
    time::Duration,
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use cardea_domain::Thumbprint;
use moka::sync::Cache;
use parking_lot::Mutex;
use serde::Deserialize;
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::guarded::{Errand, Guarded, Reach};
use crate::{ClientCertificate, keys::Key, server::error::Refusal};

/// The keys of one client.
#[derive(Clone)]
pub(in crate::server) enum Keys {
    /// Told with the client.
    Told(Arc<KeySet>),
    /// Published by the client (RFC 7591 `jwks_uri`).
    Published(KeysAt),
}

/// The address of a key set, and how far a fetch of it may reach.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub(in crate::server) struct KeysAt {
    url: Url,
    host: String,
    reach: Reach,
}

/// A JWKS document, as a client has it.
#[derive(Default)]
pub(in crate::server) struct KeySet {
    by_id: HashMap<String, Arc<Key>>,
    /// The certificates of `x5c` members (RFC 8705 section 2.2.2).
    certificates: HashSet<Thumbprint>,
}

/// What a request says it was signed with.
pub(in crate::server) enum Wanted<'a> {
    /// A key by its id; with one key there is no question which.
    Key(Option<&'a str>),
    Certificate(Thumbprint),
}

/// The key sets that clients publish, remembered for a while.
pub(in crate::server) struct KeySets {
    fetch: Arc<Guarded>,
    published: Cache<KeysAt, Arc<Published>>,
    fetching: Semaphore,
}

/// One published key set.
#[derive(Default)]
struct Published {
    seen: Mutex<Seen>,
    /// Held while fetching, so that any number of waiting requests cost one fetch.
    turn: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Seen {
    set: Option<Arc<KeySet>>,
    fetched_s: u64,
    fresh_until_s: u64,
    /// After a fetch that did not help there is none before this.
    not_before_s: u64,
}

/// As many confidential clients as talk to one gateway in a day.
const PUBLISHED_MAX: u64 = 1000;
/// Fetches that are under way at once, for all clients.
const FETCHING_MAX: usize = 8;
/// A dozen keys with their certificates.
const SET_BYTES_MAX: usize = 64 * 1024;
const URL_BYTES_MAX: usize = 2048;
/// Bounds on what a key set's server may say of keeping it.
const KEEP_MIN_S: u64 = 60;
const KEEP_MAX_S: u64 = 24 * 3600;
/// When it says nothing.
const KEEP_DEFAULT_S: u64 = 600;
/// Unknown keys and failures cause at most one fetch in this time, however many requests bring them.
const GAP_S: u64 = 30;
/// Keys of a client whose server cannot be reached any more are good for this long.
const STALE_MAX_S: u64 = 24 * 3600;

impl KeysAt {
    /// An address that keys may be fetched from: `https`, a named host, nothing hidden in it.
    pub(in crate::server) fn parse(text: &str, reach: impl FnOnce(&str) -> Reach) -> Option<Self> {
        let url = Url::parse(text)
            .ok()
            .filter(|_| text.len() <= URL_BYTES_MAX)?;
        let host = match url.host()? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(_) | Host::Ipv6(_) => return None,
        };
        let has_user = !url.username().is_empty() || url.password().is_some();
        let is_good = url.scheme() == "https" && !has_user && url.fragment().is_none();
        let reach = reach(&host);
        is_good.then_some(Self { url, host, reach })
    }
}

impl KeySet {
    /// Reads a JWKS document.
    ///
    /// # Errors
    /// The reason when there is neither a key with an id nor a certificate in it.
    pub(in crate::server) fn parse(text: &str) -> Result<Self, String> {
        let certificates = certificates(text)?;
        match crate::keys::parse(text) {
            Ok(by_id) => Ok(Self {
                by_id,
                certificates,
            }),
            Err(reason) if certificates.is_empty() => Err(reason),
            Err(_) => Ok(Self {
                by_id: HashMap::new(),
                certificates,
            }),
        }
    }

    pub(super) fn key(&self, id: Option<&str>) -> Option<&Arc<Key>> {
        match id {
            Some(id) => self.by_id.get(id),
            None if self.by_id.len() == 1 => self.by_id.values().next(),
            None => None,
        }
    }

    pub(super) fn has_certificate(&self, thumbprint: Thumbprint) -> bool {
        self.certificates.contains(&thumbprint)
    }

    fn has(&self, wanted: &Wanted<'_>) -> bool {
        match wanted {
            Wanted::Key(id) => self.key(*id).is_some(),
            Wanted::Certificate(thumbprint) => self.has_certificate(*thumbprint),
        }
    }
}

/// The first certificate of each key's `x5c`, which is the key's own (RFC 7517 section 4.7).
fn certificates(text: &str) -> Result<HashSet<Thumbprint>, String> {
    #[derive(Deserialize)]
    struct Document {
        keys: Vec<Member>,
    }
    #[derive(Deserialize)]
    struct Member {
        #[serde(default)]
        x5c: Vec<String>,
    }
    let document: Document = serde_json::from_str(text).map_err(|e| e.to_string())?;
    let own = document.keys.iter().filter_map(|key| key.x5c.first());
    let read = |encoded: &String| {
        let der = STANDARD.decode(encoded).map_err(|e| e.to_string())?;
        let certificate = ClientCertificate::from_der(&der).map_err(|e| e.to_string())?;
        Ok(certificate.thumbprint())
    };
    own.map(read).collect()
}

impl KeySets {
    pub(in crate::server) fn new(fetch: Arc<Guarded>) -> Self {
        Self {
            fetch,
            published: Cache::new(PUBLISHED_MAX),
            fetching: Semaphore::new(FETCHING_MAX),
        }
    }

    /// A client's keys, fetched where what is wanted is not among those that are known.
    ///
    /// # Errors
    /// A refusal when there are none, or none that are new enough.
    pub(super) async fn find(
        &self,
        keys: &Keys,
        wanted: &Wanted<'_>,
        now_s: u64,
    ) -> Result<Arc<KeySet>, Refusal> {
        let at = match keys {
            Keys::Told(set) => return Ok(Arc::clone(set)),
            Keys::Published(at) => at,
        };
        let published = self.published.get_with(at.clone(), Arc::default);
        if published.seen.lock().is_due(wanted, now_s) {
            let _turn = published.turn.lock().await;
            // Whoever had the turn before may have fetched it.
            if published.seen.lock().is_due(wanted, now_s) {
                let fetched = self.fetch(at).await;
                published.seen.lock().accept(fetched, at, wanted, now_s);
            }
        }
        let set = published.seen.lock().usable(now_s);
        set.ok_or_else(|| {
            Refusal::invalid_client("the client's keys cannot be had from its `jwks_uri`")
        })
    }

    async fn fetch(&self, at: &KeysAt) -> Result<(KeySet, Option<Duration>), String> {
        let Ok(_permit) = self.fetching.try_acquire() else {
            return Err("too many are being fetched".into());
        };
        let errand = Errand {
            url: &at.url,
            host: &at.host,
            reach: at.reach,
            bytes_max: SET_BYTES_MAX,
        };
        let (bytes, keep) = self.fetch.get(&errand).await?;
        let text = std::str::from_utf8(&bytes).map_err(|e| e.to_string())?;
        Ok((KeySet::parse(text)?, keep))
    }
}

impl Seen {
    fn is_due(&self, wanted: &Wanted<'_>, now_s: u64) -> bool {
        let is_known = self.set.as_ref().is_some_and(|set| set.has(wanted));
        let is_fresh = now_s < self.fresh_until_s;
        now_s >= self.not_before_s && !(is_known && is_fresh)
    }

    fn accept(
        &mut self,
        fetched: Result<(KeySet, Option<Duration>), String>,
        at: &KeysAt,
        wanted: &Wanted<'_>,
        now_s: u64,
    ) {
        let has_helped = match fetched {
            Ok((set, keep)) => {
                let keep_s = keep.map_or(KEEP_DEFAULT_S, |keep| keep.as_secs());
                self.fetched_s = now_s;
                self.fresh_until_s = now_s + keep_s.clamp(KEEP_MIN_S, KEEP_MAX_S);
                let has_it = set.has(wanted);
                self.set = Some(Arc::new(set));
                has_it
            }
            Err(reason) => {
                tracing::info!(url = %at.url, reason, "a client's keys cannot be fetched");
                false
            }
        };
        if !has_helped {
            self.not_before_s = now_s + GAP_S;
        }
    }

    /// What is there, unless its server has not been reached for too long.
    fn usable(&self, now_s: u64) -> Option<Arc<KeySet>> {
        let set = self.set.as_ref()?;
        (now_s < self.fetched_s + STALE_MAX_S).then(|| Arc::clone(set))
    }
}

#[cfg(test)]
mod tests;
