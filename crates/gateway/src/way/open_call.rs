//! A call between its intent and its outcome.

use std::sync::Arc;

use cardea_audit::Receipt;
use cardea_domain::Denial;

use super::Refused;
use crate::{
    facts::{Facts, Outcome},
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
        let durable = match gateway.ledger_of(&facts).append(&facts.intent()) {
            Ok(pending) => pending.durable().await,
            Err(unavailable) => Err(unavailable),
        };
        match durable {
            Ok(receipt) => Ok(Self::new(gateway, facts, Intent::Durable(receipt))),
            Err(unavailable) => Err(Refused::new(unavailable.into(), facts)),
        }
    }

    fn new(gateway: &Arc<Gateway>, facts: Box<Facts>, intent: Intent) -> Self {
        gateway.metrics.call_opened(&facts);
        Self {
            gateway: Arc::clone(gateway),
            facts: Some(facts),
            _intent: intent,
        }
    }

    pub(crate) fn facts(&self) -> Option<&Facts> {
        self.facts.as_deref()
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
        let receipt = match self
            .gateway
            .ledger_of(&facts)
            .append(&facts.outcome(outcome))
        {
            Ok(pending) => pending.durable().await,
            Err(unavailable) => Err(unavailable),
        };
        self.gateway.metrics.call_closed(&facts, outcome);
        self.gateway.trace(&facts, outcome);
        receipt.map_err(Denial::from)
    }

    /// Records a request that the server makes within the call; returns once it is on disk.
    ///
    /// # Errors
    /// The denial to answer with when the log cannot be written.
    pub(crate) async fn record(
        &self,
        method: &str,
        denial: Option<&Denial>,
        bytes: usize,
    ) -> Result<Receipt, Denial> {
        let Some(facts) = &self.facts else {
            return Err(Denial::new(
                cardea_domain::Code::Internal,
                "the call is closed",
            ));
        };
        let pending = self
            .gateway
            .ledger_of(facts)
            .append(&facts.server_request(method, denial, bytes))
            .map_err(Denial::from)?;
        pending.durable().await.map_err(Denial::from)
    }
}

impl Drop for OpenCall {
    fn drop(&mut self) {
        let Some(facts) = self.facts.take() else {
            return;
        };
        let outcome = Outcome {
            word: "abandoned",
            ..Outcome::default()
        };
        if self
            .gateway
            .ledger_of(&facts)
            .append(&facts.outcome(&outcome))
            .is_err()
        {
            tracing::error!(tenant = facts.tenant_name(), call = %facts.call, "an abandoned call could not be recorded");
        }
        self.gateway.metrics.call_closed(&facts, &outcome);
        self.gateway.trace(&facts, &outcome);
    }
}
