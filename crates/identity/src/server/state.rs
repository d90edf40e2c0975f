//! What outlives a configuration: the store, secrets, counters, revocations.

use std::{path::Path, sync::Arc};

use cardea_domain::Clock;
use cardea_store::Store;

use super::{
    journal::{Event, Journal, Who},
    password::Passwords,
    revocations::Revocations,
    secret::Secrets,
    settings::ServerError,
    throttle::Throttles,
};
use crate::SigningKeys;

/// Opened once by the process, shared by every server that a reload makes.
pub struct State {
    pub(super) store: Store,
    pub(super) keys: Arc<SigningKeys>,
    pub(super) clock: Clock,
    pub(super) secrets: Secrets,
    pub(super) passwords: Passwords,
    pub(super) throttles: Throttles,
    pub(super) revocations: Arc<Revocations>,
}

impl State {
    /// Opens the store in `state_dir`, and learns what was revoked.
    ///
    /// # Errors
    /// [`ServerError`] when the store or the secret cannot be used.
    pub async fn open(
        state_dir: &Path,
        keys: Arc<SigningKeys>,
        revocations: Arc<Revocations>,
        clock: Clock,
    ) -> Result<Self, ServerError> {
        let store = Store::open_in(state_dir).await?;
        let state = Self {
            secrets: Secrets::open(state_dir)?,
            passwords: Passwords::new()?,
            throttles: Throttles::new(),
            store,
            keys,
            clock,
            revocations,
        };
        state.learn_revocations().await?;
        Ok(state)
    }

    /// Where it is kept, for what else belongs there.
    #[must_use]
    pub fn store(&self) -> &Store {
        &self.store
    }

    /// Removes what has ended, and takes over what other processes did: `cardea account` leaves
    /// its events in the store, since one process writes the log.
    ///
    /// # Errors
    /// [`ServerError::Store`].
    pub async fn tend(&self, journal: &dyn Journal) -> Result<(), ServerError> {
        let now_s = self.clock.unix_s();
        self.store.purge(now_s).await?;
        self.revocations.forget(now_s);
        self.learn_revocations().await?;
        for note in self.store.notes().await? {
            let event = Event {
                name: "account_changed",
                who: Some(Who {
                    tenant: &note.tenant,
                    subject: &note.subject,
                    client: None,
                    run: None,
                }),
                detail: note.what,
                peer: None,
            };
            if journal.record(&event).await.is_err() {
                // It stays in the store, and is tried again.
                return Ok(());
            }
            self.store.remove_note(&note.id).await?;
        }
        Ok(())
    }

    async fn learn_revocations(&self) -> Result<(), ServerError> {
        let now_s = self.clock.unix_s();
        let revoked = self.store.revoked_tokens(now_s).await?;
        self.revocations
            .add(revoked.into_iter().map(|t| (t.token_id, t.expires_s)));
        Ok(())
    }
}

impl std::fmt::Debug for State {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("State").finish_non_exhaustive()
    }
}
