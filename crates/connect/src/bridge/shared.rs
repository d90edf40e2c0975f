//! What the tasks of one bridge share.

use std::{
    collections::HashMap,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;
use cardea_mcp::{Era, Message, Version, json, meta};
use parking_lot::Mutex;
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use super::{session::Session, tools::Tools};
use crate::{ConnectError, Credentials};

/// The state of one bridge. No lock is held across a wait.
pub(super) struct Shared {
    pub(super) credentials: Credentials,
    outbox: Mutex<Option<mpsc::Sender<Bytes>>>,
    /// Open calls by their id, as [`key`] spells it.
    calls: Mutex<HashMap<String, Call>>,
    next_call: AtomicU64,
    pub(super) session: Mutex<Session>,
    /// The version of the host's last modern request.
    modern: Mutex<Option<String>>,
    pub(super) tools: Mutex<Tools>,
}

/// An open call.
#[derive(Debug, Clone)]
pub(super) struct Call {
    number: u64,
    pub(super) era: Era,
    /// Ends the task that waits for the answer.
    pub(super) cancel: CancellationToken,
    /// It stays open by its nature.
    listens: bool,
}

/// The right to answer one call.
pub(super) struct Opened {
    pub(super) shared: Arc<Shared>,
    pub(super) key: String,
    pub(super) number: u64,
    pub(super) era: Era,
    pub(super) cancel: CancellationToken,
}

/// Each is a connection; a host with more open has lost count.
const CALLS_MAX: usize = 256;

impl Shared {
    pub(super) fn new(credentials: Credentials) -> Self {
        Self {
            credentials,
            outbox: Mutex::new(None),
            calls: Mutex::new(HashMap::new()),
            next_call: AtomicU64::new(0),
            session: Mutex::new(Session::default()),
            modern: Mutex::new(None),
            tools: Mutex::new(Tools::default()),
        }
    }

    pub(super) fn connect(&self, outbox: mpsc::Sender<Bytes>) {
        *self.outbox.lock() = Some(outbox);
    }

    /// Lets the writer end.
    pub(super) fn disconnect(&self) {
        *self.outbox.lock() = None;
    }

    /// Writes a message to the host.
    pub(super) async fn say(&self, text: Bytes) {
        let outbox = self.outbox.lock().clone();
        if let Some(outbox) = outbox {
            // A host that is gone hears nothing; its end of the input follows.
            let _ = outbox.send(text).await;
        }
    }

    /// The era that the host speaks, as far as it is known.
    pub(super) fn era(&self) -> Era {
        if self.modern.lock().is_some() {
            Era::Modern
        } else {
            Era::Legacy
        }
    }

    /// The modern version that `message` is sent under; `None` for the legacy era.
    ///
    /// A request says so itself. What has no metadata follows the requests before it.
    pub(super) fn modern_version(&self, message: &Message) -> Option<String> {
        if let Some(named) = message.meta_str(meta::PROTOCOL_VERSION) {
            let known = Version::parse(&named);
            return known
                .is_none_or(|version| version.era() == Era::Modern)
                .then(|| named.into_owned());
        }
        if message.method() == "initialize" || message.id().is_some() {
            return None;
        }
        self.modern.lock().clone()
    }

    /// Notes a request as open.
    ///
    /// # Errors
    /// [`ConnectError::Overloaded`], or [`ConnectError::Malformed`] for an id that is in use.
    pub(super) fn open(self: &Arc<Self>, message: &Message) -> Result<Opened, ConnectError> {
        let modern = self.modern_version(message);
        let era = match &modern {
            Some(version) => {
                *self.modern.lock() = Some(version.clone());
                Era::Modern
            }
            None => {
                *self.modern.lock() = None;
                Era::Legacy
            }
        };
        let key = message.id().map(|id| key(id.raw())).unwrap_or_default();
        let call = Call {
            number: self.next_call.fetch_add(1, Ordering::Relaxed),
            era,
            cancel: CancellationToken::new(),
            listens: message.method() == "subscriptions/listen",
        };
        let mut calls = self.calls.lock();
        if calls.len() >= CALLS_MAX {
            return Err(ConnectError::Overloaded(CALLS_MAX));
        }
        if calls.contains_key(&key) {
            return Err(ConnectError::Malformed(
                "a call with this id is still open".into(),
            ));
        }
        calls.insert(key.clone(), call.clone());
        Ok(Opened {
            shared: Arc::clone(self),
            key,
            number: call.number,
            era,
            cancel: call.cancel,
        })
    }

    /// Takes the right to answer a call away from its task.
    pub(super) fn close(&self, raw_id: &str) -> Option<Call> {
        self.calls.lock().remove(&key(raw_id))
    }

    /// Takes the right to answer a call, if it was not taken.
    pub(super) fn claim(&self, opened: &Opened) -> bool {
        let mut calls = self.calls.lock();
        let mine = calls
            .get(&opened.key)
            .is_some_and(|call| call.number == opened.number);
        if mine {
            calls.remove(&opened.key);
        }
        mine
    }

    pub(super) fn forget(&self, key: &str, number: u64) {
        let mut calls = self.calls.lock();
        if calls.get(key).is_some_and(|call| call.number == number) {
            calls.remove(key);
        }
    }

    /// Whether a call is open that will end by itself.
    pub(super) fn has_ordinary_calls(&self) -> bool {
        self.calls.lock().values().any(|call| !call.listens)
    }
}

/// One spelling for ids that mean the same.
fn key(raw: &str) -> String {
    match json::as_str(raw) {
        Some(text) => format!("\"{text}"),
        None => raw.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_has_one_key_however_it_is_spelt() {
        assert_eq!(key("\"a\""), key("\"\\u0061\""));
        assert_ne!(key("1"), key("\"1\""));
    }
}
