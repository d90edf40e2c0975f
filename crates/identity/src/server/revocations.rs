//! Access tokens that were taken back before they ended, by `jti`.

use std::{
    collections::HashMap,
    sync::{
        RwLock,
        atomic::{AtomicUsize, Ordering},
    },
};

use tokio::sync::watch;

/// Shared by the server, which fills it, and the authenticator, which looks into it for each
/// call. Entries end with their tokens, which live for minutes.
#[derive(Debug)]
pub struct Revocations {
    tokens: RwLock<HashMap<String, u64>>,
    /// How many there are, so that a look into an empty set costs one load.
    count: AtomicUsize,
    changed: watch::Sender<u64>,
}

impl Default for Revocations {
    fn default() -> Self {
        Self {
            tokens: RwLock::default(),
            count: AtomicUsize::new(0),
            changed: watch::Sender::new(0),
        }
    }
}

impl Revocations {
    /// Takes tokens back: `jti` and end in seconds.
    pub fn add(&self, revoked: impl IntoIterator<Item = (String, u64)>) {
        let mut tokens = self.tokens.write().unwrap_or_else(|e| e.into_inner());
        let before = tokens.len();
        tokens.extend(revoked);
        self.count.store(tokens.len(), Ordering::Release);
        if tokens.len() > before {
            drop(tokens);
            self.changed.send_modify(|n| *n = n.wrapping_add(1));
        }
    }

    /// Forgets those that have ended by themselves.
    pub fn forget(&self, now_s: u64) {
        if self.count.load(Ordering::Relaxed) == 0 {
            return;
        }
        let mut tokens = self.tokens.write().unwrap_or_else(|e| e.into_inner());
        tokens.retain(|_, ends_s| now_s < *ends_s);
        self.count.store(tokens.len(), Ordering::Release);
    }

    /// Whether a token was taken back.
    #[must_use]
    pub fn contains(&self, token_id: &str) -> bool {
        // A call that began before the revocation was answered may miss it by this one load.
        if self.count.load(Ordering::Relaxed) == 0 {
            return false;
        }
        let tokens = self.tokens.read().unwrap_or_else(|e| e.into_inner());
        tokens.contains_key(token_id)
    }

    /// Ready when this token is taken back; never, when it is not.
    pub async fn revoked(&self, token_id: &str) {
        let mut changes = self.changed.subscribe();
        while !self.contains(token_id) {
            if changes.changed().await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_waits_for_a_token_hears_of_it_and_of_no_other() {
        let revocations = Revocations::default();
        assert!(!revocations.contains("a"));
        revocations.add([("b".to_owned(), 10)]);
        let waiting = revocations.revoked("a");
        tokio::pin!(waiting);
        tokio::select! {
            biased;
            () = &mut waiting => panic!("it was another's"),
            () = std::future::ready(()) => {}
        }
        revocations.add([("a".to_owned(), 10)]);
        waiting.await;
        revocations.forget(9);
        assert!(revocations.contains("a"));
        revocations.forget(10);
        assert!(!revocations.contains("a") && !revocations.contains("b"));
    }
}
