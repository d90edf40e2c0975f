//! What receivers elsewhere were told: so that a restart neither forgets nor repeats it.

use std::sync::Arc;

use cardea_store::StoreError;

use super::Access;
use crate::AccessRequest;

impl Access {
    /// All requests that wait for people, by age.
    #[must_use]
    pub fn pending_requests(&self) -> Vec<Arc<AccessRequest>> {
        let mut waiting: Vec<_> = self.pending.read().iter().cloned().collect();
        waiting.sort_by(|a, b| a.id.cmp(&b.id));
        waiting
    }

    /// Whether a receiver has taken this notice, in this process or one before.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn was_told(&self, receiver: &str, notice: &str) -> Result<bool, StoreError> {
        self.store.has_notice(&self.tenant, receiver, notice).await
    }

    /// Remembers that a receiver has taken this notice.
    ///
    /// # Errors
    /// [`StoreError`]; then it is told again after a restart.
    pub async fn note_told(&self, receiver: &str, notice: &str) -> Result<(), StoreError> {
        let now_ms = self.clock.unix_ms();
        self.store
            .add_notice(&self.tenant, receiver, notice, now_ms)
            .await
    }
}
