//! A stream on its way to the client: each message checked, recorded where it must be, released.

use std::{
    collections::HashMap,
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cardea_domain::{Code, Denial, Principal, Target};
use cardea_guard::tenant::Guard;
use cardea_mcp::{
    Era, Kind, Limits as JsonLimits, Message, header,
    json::{self, Level},
    method::{self, Method, TargetSource},
    reply,
    sse::Event,
};
use parking_lot::Mutex;
use serde::{Deserialize, Serialize};
use tokio::{sync::mpsc, time::MissedTickBehavior};

use crate::{
    Tenant,
    answer::{ANSWER_DEPTH_MAX, Filtered, Lens, awaited, is_first_page},
    confine::{self, Beside},
    facts::Outcome,
    refusal,
    seal::Purpose,
    tenant::Place,
    upstream::{Source, Upstream, closed, malformed},
    way::{Ask, Authorised, Recorded, Released},
    world::{Gateway, World},
};

/// One stream under way; owned by its own task, which ends with the client or the upstream.
pub(crate) struct Relay {
    gateway: Arc<Gateway>,
    world: Arc<World>,
    upstream: Arc<Upstream>,
    call: Authorised,
    source: Box<Source>,
    client: mpsc::Sender<Released>,
    /// The request that is still to be answered on this stream.
    awaited: Option<Awaited>,
    /// The upstream gave a position: what breaks off can be resumed.
    resumable: bool,
    /// The server's open requests on this stream: its own id, and the client's, both raw.
    asked: Vec<(String, String)>,
    events: usize,
    bytes: usize,
    /// Messages beside the result that were held back.
    held_back: usize,
    _slot: Slot,
}

#[derive(Debug, Clone)]
struct Awaited {
    id: String,
    method: Option<&'static Method>,
    /// The tool that is called.
    tool: Option<String>,
    /// The tenant's rules for it.
    guard: Option<Guard>,
}

/// What a sealed position says.
#[derive(Debug, Serialize, Deserialize)]
struct Position {
    /// The upstream's own event id.
    event: String,
    /// The raw id of the request that the stream answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    id: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    method: Option<String>,
    /// The tool whose call it is: its results are checked on whatever stream they come.
    #[serde(skip_serializing_if = "Option::is_none")]
    tool: Option<String>,
}

/// How a stream came to its end.
enum End {
    /// With the awaited answer.
    Answered(Filtered),
    /// By a refusal or a failure.
    Failed(Denial),
    /// The upstream closed it and nothing more is due here.
    Closed(&'static str),
    /// The client went away.
    Gone,
}

/// Messages under way to a slow client; with it full, the upstream is not read on.
const IN_FLIGHT_MAX: usize = 16;
/// Proxies commonly close a silent connection after 30 to 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// Requests of the server on one stream whose cancellation is passed on under the client's id.
const ASKED_MAX: usize = 256;
/// How long the last message of a stream waits for its client.
const LAST_WORD: Duration = Duration::from_secs(5);

impl Relay {
    /// Starts to relay and gives the reply with the stream.
    pub(crate) async fn begin(
        gateway: &Arc<Gateway>,
        world: &Arc<World>,
        upstream: &Arc<Upstream>,
        mut call: Authorised,
        source: Box<Source>,
    ) -> Recorded {
        // Whether there is room was decided before the call had an effect.
        let slot = call
            .take_slot()
            .unwrap_or_else(|| gateway.streams.take(call.principal(), call.tenant()));
        let awaited = match call.ask() {
            Ask::Stream => gateway
                .open_position(&call)
                .and_then(|position| resumed(world, &call, position)),
            Ask::Message(_) | Ask::End => awaited(&call).map(|id| Awaited {
                id,
                method: call.method(),
                tool: called_tool(&call),
                guard: call.guard().cloned(),
            }),
        };
        let (client, messages) = mpsc::channel(IN_FLIGHT_MAX);
        let relay = Self {
            gateway: Arc::clone(gateway),
            world: Arc::clone(world),
            upstream: Arc::clone(upstream),
            call,
            source,
            client,
            awaited,
            resumable: false,
            asked: Vec::new(),
            events: 0,
            bytes: 0,
            held_back: 0,
            _slot: slot,
        };
        // Owned by the connection: when the client goes away the channel closes and the task ends.
        tokio::spawn(relay.run());
        Recorded::stream(messages)
    }

    async fn run(mut self) {
        let end = match tokio::time::timeout(self.lifetime(), self.pump()).await {
            Ok(end) => end,
            Err(_) => End::Failed(self.overdue()),
        };
        self.finish(end).await;
    }

    async fn pump(&mut self) -> End {
        let idle = self.upstream.stream_idle_timeout();
        let mut keep_alive = tokio::time::interval(KEEP_ALIVE);
        keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        keep_alive.reset();
        let draining = self.gateway.draining.clone();
        let life = self.call.life().clone();
        let revoked = life.revoked();
        tokio::pin!(revoked);
        let cut = self.call.cut(&self.world);
        tokio::pin!(cut);
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = self.client.closed() => return End::Gone,
                () = draining.cancelled(), if self.is_long() => return End::Closed("drained"),
                () = &mut revoked => return End::Failed(taken_back()),
                denial = &mut cut => return End::Failed(denial),
                event = self.source.next() => {
                    heard = Instant::now();
                    match event {
                        Ok(Some(event)) => if let Some(end) = self.event(event).await {
                            return end;
                        },
                        Ok(None) => return self.at_end(),
                        Err(denial) if self.resumable => {
                            tracing::debug!(%denial, "a resumable stream broke off");
                            return End::Closed("resumable");
                        }
                        Err(denial) => return End::Failed(denial),
                    }
                    keep_alive.reset();
                }
                _ = keep_alive.tick() => {
                    if heard.elapsed() > idle {
                        return End::Closed("idle");
                    }
                    if self.client.send(Released::keep_alive()).await.is_err() {
                        return End::Gone;
                    }
                }
            }
        }
    }

    /// Streams that stay open until somebody closes them: they end with the token.
    fn is_long(&self) -> bool {
        match self.call.ask() {
            Ask::Stream => true,
            Ask::Message(_) => self
                .call
                .method()
                .is_some_and(|m| m.target == TargetSource::Filter),
            Ask::End => false,
        }
    }

    fn lifetime(&self) -> Duration {
        let now = self.gateway.clock.unix_s();
        let token = Duration::from_secs(self.call.life().expires_s().saturating_sub(now));
        if self.is_long() {
            token
        } else {
            token.min(self.upstream.call_timeout())
        }
    }

    fn overdue(&self) -> Denial {
        if self.gateway.clock.unix_s() >= self.call.life().expires_s() {
            return Denial::new(
                Code::TokenExpired,
                "the access token expired during the call",
            )
            .help("get a new access token");
        }
        Denial::new(
            Code::UpstreamTimeout,
            format!(
                "the server did not answer within {} s",
                self.upstream.call_timeout().as_secs()
            ),
        )
        .help("try again, or ask for less at once")
    }

    fn at_end(&self) -> End {
        match &self.awaited {
            None => End::Closed("closed"),
            Some(_) if self.resumable => End::Closed("resumable"),
            Some(_) => End::Failed(closed("the stream ended without an answer")),
        }
    }

    /// Handles one event; gives the end when it was the last.
    async fn event(&mut self, mut event: Event) -> Option<End> {
        if let Some(id) = event.id.take().filter(|id| !id.is_empty()) {
            self.resumable = self.era() == Era::Legacy;
            event.id = self.seal(id);
        }
        let data = match event.data.clone() {
            Some(data) if !data.is_empty() => data,
            // A position without a message (2025-11-25, SSE polling).
            _ => return self.release_within(&event).await,
        };
        let json = JsonLimits {
            depth_max: ANSWER_DEPTH_MAX,
        };
        let message = match Message::parse(data, &json) {
            Ok(message) => message,
            Err(error) => return Some(End::Failed(malformed(error))),
        };
        self.events += 1;
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
                    return self.release_within(&event).await;
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
        self.release_within(&event).await
    }

    async fn release_within(&mut self, event: &Event) -> Option<End> {
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
            ..self.lens()
        };
        let answer = lens.answer(awaited.method, &awaited.id, message).await;
        match answer {
            Ok(filtered) => {
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
            false => self.lens().server_may(&method),
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

    fn lens(&self) -> Lens<'_> {
        Lens {
            world: &self.world,
            principal: self.call.principal(),
            known: self.call.known(),
            era: self.era(),
            guard: None,
            is_first_page: is_first_page(&self.call),
        }
    }

    fn era(&self) -> Era {
        self.call.dialect().era
    }

    fn seal(&self, event: String) -> Option<String> {
        let position = Position {
            event,
            id: self.awaited.as_ref().map(|a| a.id.clone()),
            method: self
                .awaited
                .as_ref()
                .and_then(|a| a.method)
                .map(|m| m.name.to_owned()),
            tool: self.awaited.as_ref().and_then(|a| a.tool.clone()),
        };
        let text = serde_json::to_string(&position).ok()?;
        self.gateway.sealer.seal(
            Purpose::Position,
            self.call.principal(),
            self.call.known().id(),
            &text,
        )
    }

    async fn finish(self, end: End) {
        let (era, id) = (self.era(), self.awaited.map(|a| a.id));
        let call_id = self.call.call().id().to_owned();
        let outcome = Outcome {
            status: 200,
            events: self.events,
            bytes: self.bytes,
            held_back: self.held_back,
            ..Outcome::default()
        };
        match end {
            // The drop of the call records it as abandoned.
            End::Gone => {}
            End::Closed(word) => {
                let outcome = Outcome { word, ..outcome };
                let _ = self.call.into_call().close(&outcome).await;
            }
            End::Answered(filtered) => {
                let outcome = Outcome {
                    status: 200,
                    events: self.events,
                    bytes: self.bytes + filtered.text.len(),
                    held_back: self.held_back,
                    ..filtered.outcome
                };
                let released = match self.call.into_call().close(&outcome).await {
                    Ok(receipt) => Released::recorded(&receipt, filtered.text),
                    Err(denial) => unrecordable(&denial, era, id.as_deref()),
                };
                send_last(&self.client, released).await;
                self.source.finish();
            }
            End::Failed(denial) => {
                let text = refusal::text(&denial, era, id.as_deref(), &call_id);
                let event = Event::message(text.into()).encode();
                let outcome = Outcome {
                    word: "failed",
                    denial: Some(denial),
                    ..outcome
                };
                let released = match self.call.into_call().close(&outcome).await {
                    Ok(receipt) => Released::recorded(&receipt, event),
                    Err(denial) => unrecordable(&denial, era, id.as_deref()),
                };
                // On a stream without a pending request there is nobody to tell.
                if id.is_some() {
                    send_last(&self.client, released).await;
                }
            }
        }
    }
}

/// The tool that a `tools/call` names.
fn called_tool(call: &Authorised) -> Option<String> {
    let target = &call.call().facts()?.target;
    match target {
        Some(Target::Tool(name)) => Some(name.to_string()),
        _ => None,
    }
}

/// What a resumed stream answers. Where the tenant's rules for it cannot be told, nothing is
/// awaited, and an answer is refused.
fn resumed(world: &World, call: &Authorised, position: Position) -> Option<Awaited> {
    let method = position
        .method
        .and_then(|name| method::lookup(&name, Era::Legacy));
    let is_tool_call = method.is_some_and(|m| m.name == "tools/call");
    let guard = match world.rules(call.known()) {
        Some(rules) if is_tool_call => rules
            .of(&call.principal().tenant, position.tool.as_deref()?)
            .ok()?,
        _ => None,
    };
    Some(Awaited {
        id: position.id?,
        method,
        tool: position.tool,
        guard,
    })
}

/// The token of a stream was revoked.
fn taken_back() -> Denial {
    Denial::new(
        Code::TokenInvalid,
        "the access token was taken back during the call",
    )
    .help("get a new access token")
}

/// A client that reads nothing must not keep an ended call in memory.
async fn send_last(client: &mpsc::Sender<Released>, released: Released) {
    let _ = tokio::time::timeout(LAST_WORD, client.send(released)).await;
}

fn unrecordable(denial: &Denial, era: Era, id: Option<&str>) -> Released {
    let text = refusal::text(denial, era, id, "");
    Released::unrecordable(Event::message(Bytes::from(text)).encode())
}

impl Gateway {
    /// The position from which the client of this call wants to resume.
    fn open_position(&self, call: &Authorised) -> Option<Position> {
        let sealed = call.headers().get(header::LAST_EVENT_ID)?.to_str().ok()?;
        let text = self.sealer.open(
            Purpose::Position,
            call.principal(),
            call.known().id(),
            sealed,
        )?;
        serde_json::from_str(&text).ok()
    }

    /// The upstream's own event id to resume from.
    pub(crate) fn position(&self, call: &Authorised) -> Option<String> {
        self.open_position(call).map(|position| position.event)
    }
}

/// Counts the open streams of each principal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<StreamOwner, usize>>>);

type StreamOwner = (
    cardea_domain::TenantId,
    cardea_domain::SubjectId,
    cardea_domain::ActorId,
);

/// One counted stream; given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    streams: Streams,
    owner: StreamOwner,
    _place: Option<Place>,
}

impl Streams {
    /// Whether the principal, and its tenant, could have one more stream now.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when there are as many as there may be.
    pub(crate) fn check(&self, principal: &Principal, tenant: &Tenant) -> Result<(), Denial> {
        let max = tenant.limits.streams_per_principal_max;
        let open = self.0.lock().get(&owner(principal)).copied();
        if open.unwrap_or(0) >= max {
            return Err(full(max));
        }
        tenant.check_streams()
    }

    /// A place for one more stream.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when there are as many as there may be.
    pub(crate) fn reserve(&self, principal: &Principal, tenant: &Tenant) -> Result<Slot, Denial> {
        let max = tenant.limits.streams_per_principal_max;
        let owner = owner(principal);
        let place = tenant.reserve_stream()?;
        let mut open = self.0.lock();
        let count = open.get(&owner).copied().unwrap_or(0);
        if count >= max {
            return Err(full(max));
        }
        open.insert(owner.clone(), count + 1);
        Ok(Slot {
            streams: self.clone(),
            owner,
            _place: Some(place),
        })
    }

    fn take(&self, principal: &Principal, tenant: Option<&Tenant>) -> Slot {
        let owner = owner(principal);
        *self.0.lock().entry(owner.clone()).or_default() += 1;
        Slot {
            streams: self.clone(),
            owner,
            _place: tenant.map(Tenant::count_stream),
        }
    }
}

fn full(max: usize) -> Denial {
    Denial::new(Code::Overloaded, format!("{max} streams are open already"))
        .help("close a stream first")
}

fn owner(principal: &Principal) -> StreamOwner {
    (
        principal.tenant.clone(),
        principal.subject.clone(),
        principal.actor.clone(),
    )
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock();
        if let Some(count) = open.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.owner);
            }
        }
    }
}
