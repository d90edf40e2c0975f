//! Sweeping: what has ended by itself is written down.

use std::time::Duration;

use cardea_domain::GrantId;

use super::{Access, ChangeError, Settled};
use crate::{
    EndReason,
    live::Doubt,
    request::{AccessRequest, RequestState},
    scope::Scope,
    terms::millis,
};

/// How long what has ended can be looked at; the audit log has it for longer.
const HISTORY: Duration = Duration::from_secs(90 * 24 * 3600);

impl Access {
    /// Ends what has expired, and writes down what only memory knows. To be called every second or
    /// so; nothing depends on it being on time, since each use looks at the clock.
    ///
    /// # Errors
    /// [`ChangeError`] when the store or the record failed; the next sweep tries again.
    pub async fn sweep(&self) -> Result<(), ChangeError> {
        let now_ms = self.clock.unix_ms();
        let expired = self.index.read().expired(now_ms);
        self.end(&expired, EndReason::Expired, "gateway", "");
        self.write_settled().await?;
        self.settle_doubts().await?;
        self.write_endings().await?;
        self.sweep_requests().await?;
        self.sweep_locks().await
    }

    /// Removes requests and grants that ended long ago; a few times a day is enough.
    ///
    /// # Errors
    /// [`ChangeError::Store`].
    pub async fn purge(&self) -> Result<(), ChangeError> {
        let before_ms = self.clock.unix_ms().saturating_sub(millis(HISTORY));
        Ok(self.store.purge_access(&self.tenant, before_ms).await?)
    }

    async fn write_settled(&self) -> Result<(), ChangeError> {
        loop {
            let next = {
                let settled = self.settled.lock();
                settled.iter().next().map(|(id, n)| (id.clone(), *n))
            };
            let Some((id, n)) = next else {
                return Ok(());
            };
            self.store
                .settle_grant(&self.tenant, &id, n.calls, n.bytes)
                .await?;
            self.forget_settled(&id, n);
        }
    }

    /// Those of them that the store knows now.
    fn forget_settled(&self, id: &GrantId, known: Settled) {
        let mut settled = self.settled.lock();
        let Some(of_grant) = settled.get_mut(id) else {
            return;
        };
        of_grant.calls = of_grant.calls.saturating_sub(known.calls);
        of_grant.bytes = of_grant.bytes.saturating_sub(known.bytes);
        if of_grant.calls == 0 {
            settled.remove(id);
        }
    }

    /// Asks the store what it has counted, where its answer was lost.
    async fn settle_doubts(&self) -> Result<(), ChangeError> {
        let doubts = std::mem::take(&mut *self.doubts.lock());
        let mut left = Vec::new();
        let mut failed = Ok(());
        for live in doubts {
            let before = live.used();
            let row = self.store.access_grant(&self.tenant, &live.id).await;
            match row {
                Ok(Some(row)) => match live.settle_doubt(before, row.calls_used) {
                    Doubt::Stays => left.push(live),
                    Doubt::Settled => {}
                    Doubt::Spent => self.exhausted(&live),
                },
                Ok(None) => {}
                Err(error) => {
                    failed = Err(error.into());
                    left.push(live);
                }
            }
        }
        self.doubts.lock().append(&mut left);
        failed
    }

    async fn sweep_requests(&self) -> Result<(), ChangeError> {
        let mut turn = self.turn.lock().await;
        let now_ms = self.clock.unix_ms();
        turn.forget(now_ms);
        let over: Vec<_> = {
            let pending = self.pending.read();
            let over = pending.iter().filter(|r| r.expires_ms <= now_ms);
            over.cloned().collect()
        };
        for request in over {
            self.end_request(&request, RequestState::Expired, "gateway".to_owned())
                .await?;
        }
        // What somebody who is locked asks for is for nobody to look at.
        let locked: Vec<_> = {
            let pending = self.pending.read();
            let locked = pending.iter().filter(|r| self.is_locked(r, now_ms));
            locked.cloned().collect()
        };
        for request in locked {
            self.end_request(&request, RequestState::Void, "gateway".to_owned())
                .await?;
        }
        Ok(())
    }

    /// Whether whoever asks is locked, and not only what is asked for.
    fn is_locked(&self, request: &AccessRequest, now_ms: u64) -> bool {
        let subject = Scope::Subject(request.subject.clone());
        let actor = Scope::Actor(request.actor.clone());
        let run = request.run.clone().map(Scope::Run);
        let mut scopes = [Some(subject), Some(actor), run].into_iter().flatten();
        self.locks.len() > 0 && scopes.any(|scope| self.locks.has(&scope, now_ms))
    }

    async fn sweep_locks(&self) -> Result<(), ChangeError> {
        let _turn = self.turn.lock().await;
        for lock in self.locks.take_expired(self.clock.unix_ms()) {
            self.tell_lock(&lock, false);
            self.remove_lock(&lock, "gateway".to_owned()).await?;
        }
        Ok(())
    }
}
