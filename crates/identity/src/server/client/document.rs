//! Clients whose id is the address of a document about them (OAuth Client ID Metadata Document).

use std::{sync::Arc, time::Duration};

use cardea_domain::Clock;
use moka::sync::Cache;
use thiserror::Error;
use tokio::sync::Semaphore;
use url::{Host, Url};

use super::{
    Client, Metadata, Origin,
    guarded::{Errand, Guarded, Reach},
};

/// Finds such clients, and remembers them for a while.
pub(in crate::server) struct Documents {
    fetch: Arc<Guarded>,
    /// By the whole id. Failures are remembered too, so that nobody makes the gateway knock at
    /// a door again and again.
    remembered: Cache<String, Remembered>,
    fetching: Semaphore,
}

#[derive(Clone)]
struct Remembered {
    client: Result<Client, Arc<DocumentError>>,
    until_s: u64,
    /// When the client's document was had last; 0 for never.
    had_s: u64,
}

/// Why a document names no client.
#[derive(Debug, Error)]
pub enum DocumentError {
    /// The id is not an address that a document may have.
    #[error("`{0}` is not the address of a client's document")]
    Id(String),
    /// It was not fetched: too many are, or somebody has asked for too many.
    #[error("the document of `{id}` is not fetched now: {reason}")]
    Busy {
        /// The client's id.
        id: String,
        /// Of what there is too much.
        reason: &'static str,
    },
    /// It could not be fetched.
    #[error("the document of `{id}` cannot be fetched: {reason}")]
    Fetch {
        /// The client's id.
        id: String,
        /// Why not.
        reason: String,
    },
    /// It is not about this client, or about none.
    #[error("the document of `{id}` is not usable: {reason}")]
    Document {
        /// The client's id.
        id: String,
        /// What is wrong.
        reason: String,
    },
}

/// As many clients as talk to one gateway in a day.
const REMEMBERED_MAX: u64 = 1000;
/// Fetches for strangers that are under way at once.
const FETCHING_MAX: usize = 8;
/// A client's document is a few hundred bytes.
const DOCUMENT_BYTES_MAX: usize = 5 * 1024;
/// Bounds on what a document's server may say of keeping it.
const KEEP_MIN_S: u64 = 30;
const KEEP_MAX_S: u64 = 24 * 3600;
/// When it says nothing.
const KEEP_DEFAULT_S: u64 = 3600;
/// A client that was good goes on this long while its document cannot be had: what ends it is a document that says so.
const STALE_MAX_S: u64 = 24 * 3600;
/// It is a part of every token, as the actor.
const ID_BYTES_MAX: usize = 255;

impl Documents {
    pub(in crate::server) fn new(fetch: Arc<Guarded>) -> Self {
        Self {
            fetch,
            remembered: Cache::new(REMEMBERED_MAX),
            fetching: Semaphore::new(FETCHING_MAX),
        }
    }

    /// The client of this id. `admit` is asked before the document of a client that was not known is fetched: whether
    /// whoever asks may make the gateway do that.
    pub(super) async fn client(
        &self,
        id: &str,
        clock: &Clock,
        admit: impl FnOnce() -> bool,
    ) -> Result<Client, Arc<DocumentError>> {
        let now_s = clock.unix_s();
        let known = self.remembered.get(id);
        if let Some(known) = &known
            && now_s < known.until_s
        {
            return known.client.clone();
        }
        // Of an id that cannot be one nothing is kept.
        let (url, host) = address(id).ok_or_else(|| DocumentError::Id(shorten(id)))?;
        let good = known.filter(|known| {
            known.client.is_ok() && now_s < known.had_s.saturating_add(STALE_MAX_S)
        });
        let fetched = match good.is_some() || admit() {
            true => self.fetch(id, &url, &host).await,
            false => Err(busy(id, "one address has asked for too many")),
        };
        let fresh = match fetched {
            Ok((client, keep)) => Remembered {
                client: Ok(client),
                until_s: kept_until(now_s, keep.map_or(KEEP_DEFAULT_S, |keep| keep.as_secs())),
                had_s: now_s,
            },
            Err(error) => {
                let until_s = kept_until(now_s, KEEP_MIN_S);
                match (good, error) {
                    // Strangers who keep the gateway busy, and a server that is away, end nobody's logins.
                    (Some(good), DocumentError::Busy { .. } | DocumentError::Fetch { .. }) => {
                        Remembered { until_s, ..good }
                    }
                    // It says nothing of the client.
                    (None, error @ DocumentError::Busy { .. }) => return Err(Arc::new(error)),
                    (_, error) => Remembered {
                        client: Err(Arc::new(error)),
                        until_s,
                        had_s: 0,
                    },
                }
            }
        };
        self.remembered.insert(id.to_owned(), fresh.clone());
        fresh.client
    }

    async fn fetch(
        &self,
        id: &str,
        url: &Url,
        host: &str,
    ) -> Result<(Client, Option<Duration>), DocumentError> {
        let failed = |reason: String| DocumentError::Fetch {
            id: id.to_owned(),
            reason,
        };
        let Ok(_permit) = self.fetching.try_acquire() else {
            return Err(busy(id, "too many are being fetched"));
        };
        let errand = Errand {
            url,
            host,
            reach: Reach::Named,
            bytes_max: DOCUMENT_BYTES_MAX,
        };
        let (bytes, keep) = self.fetch.get(&errand).await.map_err(failed)?;
        let client = read(id, host, &bytes).map_err(|reason| DocumentError::Document {
            id: id.to_owned(),
            reason,
        })?;
        Ok((client, keep))
    }
}

fn kept_until(now_s: u64, keep_s: u64) -> u64 {
    now_s.saturating_add(keep_s.clamp(KEEP_MIN_S, KEEP_MAX_S))
}

fn busy(id: &str, reason: &'static str) -> DocumentError {
    DocumentError::Busy {
        id: id.to_owned(),
        reason,
    }
}

fn read(id: &str, host: &str, bytes: &[u8]) -> Result<Client, String> {
    let metadata = Metadata::parse(bytes)?;
    if metadata.client_id.as_deref() != Some(id) {
        return Err("its `client_id` is another".into());
    }
    let host = host.to_owned();
    metadata.into_client(id, Origin::Document { host })
}

/// The address and its host, when it is `https` with a path and nothing hidden in it. The text
/// must be as a browser writes it, so that two ids never mean one document.
fn address(id: &str) -> Option<(Url, String)> {
    if id.len() > ID_BYTES_MAX || id.contains(['#', '?', '@', '\\']) {
        return None;
    }
    let url = Url::parse(id).ok()?;
    let host = match url.host()? {
        Host::Domain(name) => name.to_owned(),
        Host::Ipv4(_) | Host::Ipv6(_) => return None,
    };
    (url.scheme() == "https" && url.path() != "/" && url.as_str() == id).then_some((url, host))
}

fn shorten(id: &str) -> String {
    id.chars().take(64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_an_https_address_with_a_path_and_nothing_hidden() {
        assert!(address("https://app.example.com/client.json").is_some());
        assert!(address("https://app.example.com:8443/a/b").is_some());
        for bad in [
            "http://app.example.com/client.json",
            "https://app.example.com",
            "https://app.example.com/",
            "https://app.example.com/c?x=1",
            "https://app.example.com/c#x",
            "https://user:pw@app.example.com/c",
            "https://app.example.com/a/../c",
            "https://app.example.com/%2e%2e/c",
            "https://APP.example.com/c",
            "https://app.example.com:443/c",
            "https://127.0.0.1/c",
            "https://0x7f000001/c",
            "https://[::1]/c",
            "https://app.example.com\\@evil.example/c",
            "ftp://app.example.com/c",
        ] {
            assert!(address(bad).is_none(), "{bad}");
        }
        assert!(address(&format!("https://a.example/{}", "x".repeat(250))).is_none());
    }

    /// Its host is one that no document is fetched from.
    const ID: &str = "https://localhost/c.json";

    fn documents() -> Documents {
        Documents::new(Arc::new(Guarded::new(&Default::default()).unwrap()))
    }

    fn remember_good(documents: &Documents, until_s: u64) {
        let text = format!(r#"{{"client_id":"{ID}","redirect_uris":["https://localhost/cb"]}}"#);
        let known = Remembered {
            client: Ok(read(ID, "localhost", text.as_bytes()).unwrap()),
            until_s,
            had_s: 0,
        };
        documents.remembered.insert(ID.to_owned(), known);
    }

    #[tokio::test]
    async fn a_client_that_was_good_goes_on_for_a_day_while_its_document_cannot_be_had() {
        let documents = documents();
        let clock = Clock::manual(0);
        remember_good(&documents, 100);
        clock.advance(Duration::from_secs(200));
        // Whoever asks is not asked to be admitted: it is known.
        let refuse = || false;
        assert!(documents.client(ID, &clock, refuse).await.is_ok());
        let every = documents.fetching.acquire_many(8).await.unwrap();
        clock.advance(Duration::from_secs(200));
        assert!(documents.client(ID, &clock, refuse).await.is_ok(), "busy");
        drop(every);
        clock.advance(Duration::from_secs(STALE_MAX_S));
        let late = documents.client(ID, &clock, || true).await;
        assert!(matches!(*late.err().unwrap(), DocumentError::Fetch { .. }));
    }

    #[tokio::test]
    async fn that_the_gateway_is_busy_is_not_held_against_a_client() {
        let documents = documents();
        let clock = Clock::manual(0);
        let every = documents.fetching.acquire_many(8).await.unwrap();
        for admitted in [true, false] {
            let refused = documents.client(ID, &clock, || admitted).await;
            assert!(matches!(
                *refused.err().unwrap(),
                DocumentError::Busy { .. }
            ));
        }
        drop(every);
        assert!(documents.remembered.get(ID).is_none());
        let tried = documents.client(ID, &clock, || true).await;
        assert!(matches!(*tried.err().unwrap(), DocumentError::Fetch { .. }));
    }

    #[test]
    fn a_document_is_about_the_client_at_its_address() {
        let id = "https://a.example/c.json";
        let good = format!(r#"{{"client_id":"{id}","redirect_uris":["https://a.example/cb"]}}"#);
        let client = read(id, "a.example", good.as_bytes()).unwrap();
        assert_eq!(client.id.as_str(), id);
        let host = "a.example".to_owned();
        assert_eq!(client.origin, Origin::Document { host });
        for bad in [
            good.replace("c.json", "c.json "),
            good.replace("https://a.example/c.json", "https://A.example/c.json"),
            good.replace("\"client_id\"", "\"id\""),
            "[]".to_owned(),
            String::new(),
        ] {
            assert!(read(id, "a.example", bad.as_bytes()).is_err(), "{bad}");
        }
    }
}
