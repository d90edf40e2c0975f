//! A call between its intent and its outcome.

use std::sync::Arc;

use cardea_audit::{Entry, Receipt};
use cardea_domain::Denial;

use super::Refused;
use crate::{
    endpoint::MINUTE_US,
    facts::{Facts, Heard, Outcome},
    world::Gateway,
};

/// A call under way. However it ends, its outcome is recorded: by [`OpenCall::close`], or as
/// abandoned when it is dropped.
#[derive(Debug)]
pub(crate) struct OpenCall {
    gateway: Arc<Gateway>,
    /// `None` once closed.
    facts: Option<Box<Facts>>,
    /// Kept to show that there is one where the method asks for it.
    _intent: Intent,
}

#[derive(Debug)]
#[expect(
    dead_code,
    reason = "a receipt is not read: that it exists is the proof"
)]
enum Intent {
    Durable(Receipt),
    OnlyTells,
}

impl OpenCall {
    /// A call whose method changes nothing.
    pub(super) fn that_only_tells(gateway: &Arc<Gateway>, facts: Box<Facts>) -> Self {
        Self::new(gateway, facts, Intent::OnlyTells)
    }

    /// A call that may change something; returns once its intent is on disk.
    pub(super) async fn with_intent(
        gateway: &Arc<Gateway>,
        facts: Box<Facts>,
    ) -> Result<Self, Box<Refused>> {
        let pending = match gateway.ledger_of(&facts).append(&facts.intent()) {
            Ok(pending) => pending,
            Err(unavailable) => return Err(Refused::new(unavailable.into(), facts)),
        };
        // From here on the intent reaches the disk whether anybody waits for it or not.
        let unattended = Unattended {
            gateway,
            facts: &facts,
            is_left: true,
        };
        let durable = pending.durable().await;
        unattended.attended();
        match durable {
            Ok(receipt) => Ok(Self::new(gateway, facts, Intent::Durable(receipt))),
            Err(unavailable) => Err(Refused::new(unavailable.into(), facts)),
        }
    }

    fn new(gateway: &Arc<Gateway>, facts: Box<Facts>, intent: Intent) -> Self {
        gateway.metrics.call_opened(&facts);
        if let Some(tenant) = &facts.tenant {
            tenant.room.minutes.call(facts.started_us / MINUTE_US);
        }
        Self {
            gateway: Arc::clone(gateway),
            facts: Some(facts),
            _intent: intent,
        }
    }

    pub(crate) fn gateway(&self) -> &Arc<Gateway> {
        &self.gateway
    }

    pub(crate) fn facts(&self) -> Option<&Facts> {
        self.facts.as_deref()
    }

    pub(crate) fn now_ms(&self) -> u64 {
        self.gateway.clock.unix_ms()
    }

    /// Notes how long the upstream took to its first byte.
    pub(crate) fn upstream_took(&mut self, micros: u64) {
        if let Some(facts) = &mut self.facts {
            facts.upstream_us = Some(micros);
        }
    }

    /// The call's id in records and errors.
    pub(crate) fn id(&self) -> &str {
        self.facts.as_ref().map_or("", |f| f.call.as_str())
    }

    /// Records the outcome; returns once it is on disk, with the proof that an answer needs.
    ///
    /// # Errors
    /// The denial to answer with when the log cannot be written.
    pub(crate) async fn close(mut self, outcome: &Outcome) -> Result<Receipt, Denial> {
        let Some(facts) = self.facts.take() else {
            return Err(Denial::new(
                cardea_domain::Code::Internal,
                "the call was closed twice",
            ));
        };
        let ledger = self.gateway.ledger_of(&facts);
        // Before the outcome, so that it is on disk when that is.
        if let Some(detail) = outcome.of_another_tenant() {
            // Where it cannot be written, neither can the outcome.
            drop(ledger.append(&facts.event("tenant_mismatch", &detail)));
        }
        let pending = ledger.append(&facts.outcome(outcome));
        let ended = Ended {
            gateway: &self.gateway,
            facts: &facts,
            outcome,
        };
        let receipt = match pending {
            Ok(pending) => pending.durable().await,
            Err(unavailable) => Err(unavailable),
        };
        drop(ended);
        receipt.map_err(Denial::from)
    }

    /// Records a request that the server makes within the call; returns once it is on disk.
    ///
    /// # Errors
    /// The denial to answer with when the log cannot be written.
    pub(crate) async fn record_server_request(
        &self,
        method: &str,
        heard: &Heard,
        bytes: usize,
    ) -> Result<Receipt, Denial> {
        self.record(|facts| facts.server_request(method, heard, bytes))
            .await
    }

    /// Records that a server process is about to be started for the call; returns once it is on
    /// disk.
    ///
    /// # Errors
    /// The denial to answer with when the log cannot be written.
    pub(crate) async fn record_process_start(&self) -> Result<Receipt, Denial> {
        self.record(Facts::process_start).await
    }

    async fn record<'a>(
        &'a self,
        entry: impl FnOnce(&'a Facts) -> Entry<'a>,
    ) -> Result<Receipt, Denial> {
        let Some(facts) = &self.facts else {
            return Err(Denial::new(
                cardea_domain::Code::Internal,
                "the call is closed",
            ));
        };
        let pending = self.gateway.ledger_of(facts).append(&entry(facts))?;
        Ok(pending.durable().await?)
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        if let Some(facts) = self.facts.take() {
            abandon(&self.gateway, &facts);
        }
    }
}

/// A call whose intent is on its way to the disk; abandoned when the client leaves meanwhile.
struct Unattended<'a> {
    gateway: &'a Gateway,
    facts: &'a Facts,
    is_left: bool,
}

impl Unattended<'_> {
    fn attended(mut self) {
        self.is_left = false;
    }
}

impl Drop for Unattended<'_> {
    fn drop(&mut self) {
        if self.is_left {
            self.gateway.metrics.call_opened(self.facts);
            abandon(self.gateway, self.facts);
        }
    }
}

/// Records the end of a call that nobody waits for any more.
fn abandon(gateway: &Gateway, facts: &Facts) {
    let outcome = Outcome {
        word: "abandoned",
        ..Outcome::default()
    };
    let ledger = gateway.ledger_of(facts);
    if ledger.append(&facts.outcome(&outcome)).is_err() {
        tracing::error!(tenant = facts.tenant_name(), call = %facts.call, "an abandoned call could not be recorded");
    }
    drop(Ended {
        gateway,
        facts,
        outcome: &outcome,
    });
}

/// Counts and traces the end of a call when dropped: once its record is on disk, or when the
/// client leaves before.
struct Ended<'a> {
    gateway: &'a Gateway,
    facts: &'a Facts,
    outcome: &'a Outcome,
}

impl Drop for Ended<'_> {
    fn drop(&mut self) {
        self.gateway.metrics.call_closed(self.facts, self.outcome);
        self.gateway.trace(self.facts, self.outcome);
    }
}
