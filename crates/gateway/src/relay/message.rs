//! One message of a stream: checked, recorded where it must be, released.

use bytes::Bytes;
use cardea_mcp::{
    Era, Kind, Limits as JsonLimits, Message,
    json::{self, Level},
    reply,
    sse::Event,
};

use super::{End, Relay};
use crate::{
    answer::{ANSWER_DEPTH_MAX, Filtered, Lens},
    confine::{self, Beside},
    pins,
    upstream::{malformed, unambiguous},
    way::Released,
};

/// Requests of the server on one stream whose cancellation is passed on under the client's id.
const ASKED_MAX: usize = 256;

impl Relay {
    /// Handles one event; gives the end when it was the last.
    pub(super) async fn event(&mut self, mut event: Event) -> Option<End> {
        // A stream under a grant cannot be resumed: a new request would not be one under the grant.
        let id = event.id.take().filter(|_| !self.call.is_metered());
        if let Some(id) = id.filter(|id| !id.is_empty()) {
            self.resumable = self.era() == Era::Legacy;
            event.id = self.seal(id);
        }
        let data = match event.data.clone() {
            Some(data) if !data.is_empty() => data,
            // A position without a message (2025-11-25, SSE polling).
            _ => return self.release_within(event).await,
        };
        let json = JsonLimits {
            depth_max: ANSWER_DEPTH_MAX,
        };
        let message = match Message::parse(data, &json) {
            Ok(message) => message,
            Err(error) => return Some(End::Failed(malformed(error))),
        };
        if let Err(denial) = unambiguous(&message) {
            return Some(End::Failed(denial));
        }
        self.events += 1;
        if let Err(denial) = self.call.learn(&message).await {
            return Some(End::Failed(denial));
        }
        match message.kind() {
            Kind::Notification => self.notification(event, &message).await,
            Kind::Request => self.server_request(event, &message).await,
            Kind::Result | Kind::Error => self.final_answer(event, &message).await,
        }
    }

    async fn notification(&mut self, mut event: Event, message: &Message) -> Option<End> {
        if let Err(denial) = self.lens().check_input_requests(message) {
            return Some(End::Failed(denial));
        }
        if let Err(denial) = self.lens().check_told_task(message) {
            return Some(End::Failed(denial));
        }
        pins::doubt(self.call.known(), message);
        if !self.lens().shows_update(message) {
            return None;
        }
        if self.call.is_confined() {
            let guard = self.awaited.as_ref().and_then(|a| a.guard.as_ref());
            match confine::notification(message, guard) {
                Beside::AsIs => {}
                Beside::Without(text) => event.data = Some(text),
                Beside::HeldBack => {
                    self.held_back += 1;
                    // Its position is still one to resume from.
                    event.id.as_ref()?;
                    event.data = Some(Bytes::new());
                    return self.release_within(event).await;
                }
            }
        }
        if message.method() == "notifications/cancelled"
            && let Some(span) = message.span(Level::Body, "requestId")
            && let Some((_, marked)) =
                (self.asked.iter()).find(|(theirs, _)| message.body("requestId") == Some(theirs))
        {
            event.data = Some(json::splice(message.text(), &[(span, marked.as_bytes())]).into());
        }
        self.release_within(event).await
    }

    async fn release_within(&mut self, mut event: Event) -> Option<End> {
        event.data = event.data.map(|data| self.call.put_back(data));
        let text = event.encode();
        if let Err(denial) = self.call.spend(text.len()) {
            return Some(End::Failed(denial));
        }
        self.bytes += text.len();
        let released = Released::within(self.call.call(), text);
        self.client
            .send(released)
            .await
            .is_err()
            .then_some(End::Gone)
    }

    async fn final_answer(&mut self, event: Event, message: &Message) -> Option<End> {
        let Some(awaited) = self.awaited.take() else {
            return Some(End::Failed(malformed("an answer that nobody waits for")));
        };
        let lens = Lens {
            guard: awaited.guard.as_ref(),
            of: &awaited.of,
            ..self.lens()
        };
        let asked = self.call.asked_as(&awaited.id);
        let answer = lens.answer(awaited.method, asked, message).await;
        match answer {
            Ok(filtered) => {
                let filtered = filtered.put_back(&self.call);
                let event = Event {
                    data: Some(filtered.text),
                    ..event
                };
                let text = event.encode();
                if let Err(denial) = self.call.spend(text.len()) {
                    self.awaited = Some(awaited);
                    return Some(End::Failed(denial));
                }
                Some(End::Answered(Filtered {
                    text,
                    outcome: filtered.outcome,
                }))
            }
            Err(denial) => {
                self.awaited = Some(awaited);
                Some(End::Failed(denial))
            }
        }
    }

    /// Sampling, elicitation and roots, as the legacy era asks for them.
    async fn server_request(&mut self, mut event: Event, message: &Message) -> Option<End> {
        if self.era() == Era::Modern {
            return Some(End::Failed(malformed(
                "a request on a stream of the modern era",
            )));
        }
        let method = message.method().to_owned();
        let heard = match self.call.is_confined() && method != "ping" {
            true => confine::no_questions(),
            false => {
                let params = message.top("params").unwrap_or("null");
                // INVARIANT: it is a part of a message that was read.
                let params = serde_json::from_str(params).unwrap_or_default();
                self.lens().server_may(&method, &params)
            }
        };
        let recorded =
            self.call
                .call()
                .record_server_request(&method, &heard, message.text().len());
        let receipt = match recorded.await {
            Ok(receipt) => receipt,
            Err(denial) => return Some(End::Failed(denial)),
        };
        let Err(denial) = heard.allowed else {
            event.data = match self.marked(message) {
                Some(text) => Some(text),
                None => return Some(End::Failed(malformed("a request's id is too long"))),
            };
            let text = event.encode();
            if let Err(denial) = self.call.spend(text.len()) {
                return Some(End::Failed(denial));
            }
            self.bytes += text.len();
            let released = Released::recorded(&receipt, text);
            return self
                .client
                .send(released)
                .await
                .is_err()
                .then_some(End::Gone);
        };
        let id = message.id().map(|id| id.raw().to_owned());
        let refusal = reply::error(
            id.as_deref(),
            Era::Legacy,
            reply::code::REFUSED,
            &denial.message,
            None,
        );
        // A server that does not take the refusal must not hold the stream of a client that left.
        tokio::select! {
            sent = self.upstream.answer_back(&self.call, refusal.into()) => {
                sent.err().map(End::Failed)
            }
            () = self.client.closed() => Some(End::Gone),
        }
    }

    /// The request under the id by which its answer will be known.
    fn marked(&mut self, message: &Message) -> Option<Bytes> {
        let (id, span) = message.id().zip(message.id_span())?;
        let marked = self.gateway.asked.mark(
            self.call.principal(),
            self.call.known().id(),
            self.call.session(),
            message.method(),
            id.raw(),
        )?;
        let text = json::splice(message.text(), &[(span, marked.as_bytes())]);
        if self.asked.len() < ASKED_MAX {
            self.asked.push((id.raw().to_owned(), marked));
        }
        Some(text.into())
    }
}
