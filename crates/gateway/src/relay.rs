//! A stream on its way to the client: each message checked, recorded where it must be, released.

mod changes;
mod message;
mod position;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use cardea_domain::{Code, Denial};
use cardea_guard::tenant::Guard;
use cardea_mcp::{
    Era,
    method::{Method, TargetSource},
    sse::Event,
};
use tokio::time::MissedTickBehavior;

use self::{changes::Changes, position::resumed};
use crate::{
    answer::{Filtered, Lens, awaited, is_first_page},
    body::Outlet,
    facts::Outcome,
    refusal,
    results::ResultOf,
    streams::Slot,
    upstream::{Source, Upstream, closed},
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
    client: Outlet,
    /// The request that is still to be answered on this stream.
    awaited: Option<Awaited>,
    /// Its raw id; until the stream has ended.
    awaited_id: Option<String>,
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
    /// What the answer is the result of.
    of: ResultOf,
    /// The tenant's rules for it.
    guard: Option<Guard>,
}

/// How a stream came to its end.
enum End {
    /// With the awaited answer.
    Answered(Filtered),
    /// By a failure.
    Failed(Denial),
    /// By somebody who took away what it was allowed by: at once, whatever is under way.
    Cut(Denial),
    /// The upstream closed it and nothing more is due here.
    Closed(&'static str),
    /// The client went away.
    Gone,
}

/// Proxies commonly close a silent connection after 30 to 60 s.
const KEEP_ALIVE: Duration = Duration::from_secs(15);
/// How long the last message of a stream waits for its client.
const LAST_WORD: Duration = Duration::from_secs(5);
/// How long a client may take over the end of a stream that was cut. What it is sent after that was taken away
/// weighs more than that it hears why.
const CUT_WORD: Duration = Duration::from_millis(20);

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
                of: ResultOf::call(&call),
                guard: call.guard().cloned(),
            }),
        };
        let (client, messages) = Outlet::new();
        let relay = Self {
            gateway: Arc::clone(gateway),
            world: Arc::clone(world),
            upstream: Arc::clone(upstream),
            call,
            source,
            client,
            awaited_id: awaited.as_ref().map(|a| a.id.clone()),
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
        let life = self.call.life().clone();
        let cut = self.call.cut(&self.world);
        // Beside everything else: a client that reads slowly, or a server that does, must not put it off.
        let end = tokio::select! {
            biased;
            () = life.revoked() => End::Cut(taken_back()),
            denial = cut => End::Cut(denial),
            end = tokio::time::timeout(self.lifetime(), self.pump()) => match end {
                Ok(end) => end,
                Err(_) => self.overdue(),
            },
        };
        self.finish(end).await;
    }

    async fn pump(&mut self) -> End {
        let idle = self.upstream.stream_idle_timeout();
        let mut keep_alive = tokio::time::interval(KEEP_ALIVE);
        keep_alive.set_missed_tick_behavior(MissedTickBehavior::Delay);
        keep_alive.reset();
        let draining = self.gateway.draining.clone();
        let mut changes = Changes::of(&self.call, &self.world, self.awaited.is_some());
        let mut heard = Instant::now();
        loop {
            tokio::select! {
                biased;
                () = self.client.closed() => return End::Gone,
                () = draining.cancelled(), if self.is_long() => return End::Closed("drained"),
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
                // Not before the server has said that it listens.
                () = changes.next(), if self.events > 0 || self.era() == Era::Legacy => {
                    self.events += 1;
                    let released = Released::within(self.call.call(), changes.event());
                    if self.client.send(released).await.is_err() {
                        return End::Gone;
                    }
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

    fn overdue(&self) -> End {
        if self.gateway.clock.unix_s() >= self.call.life().expires_s() {
            let expired = "the access token expired during the call";
            return End::Cut(
                Denial::new(Code::TokenExpired, expired).help("get a new access token"),
            );
        }
        let within_s = self.upstream.call_timeout().as_secs();
        let late = format!("the server did not answer within {within_s} s");
        let denial = Denial::new(Code::UpstreamTimeout, late);
        End::Failed(denial.help("try again, or ask for less at once"))
    }

    fn at_end(&self) -> End {
        match &self.awaited {
            None => End::Closed("closed"),
            Some(_) if self.resumable => End::Closed("resumable"),
            Some(_) => End::Failed(closed("the stream ended without an answer")),
        }
    }

    fn lens(&self) -> Lens<'_> {
        Lens {
            world: &self.world,
            principal: self.call.principal(),
            known: self.call.known(),
            era: self.era(),
            guard: None,
            of: &ResultOf::Other,
            is_first_page: is_first_page(&self.call),
        }
    }

    fn era(&self) -> Era {
        self.call.dialect().era
    }

    async fn finish(mut self, end: End) {
        let (era, id) = (self.era(), self.awaited_id.take());
        let call_id = self.call.call().id().to_owned();
        let is_cut = matches!(end, End::Cut(_));
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
            End::Failed(denial) | End::Cut(denial) => {
                if is_cut {
                    self.client.restart();
                    // The upstream is told before the log is waited for.
                    drop(self.source);
                }
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
                if is_cut {
                    self.client.end_within(CUT_WORD);
                }
            }
        }
    }
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
async fn send_last(client: &Outlet, released: Released) {
    let _ = tokio::time::timeout(LAST_WORD, client.send(released)).await;
}

fn unrecordable(denial: &Denial, era: Era, id: Option<&str>) -> Released {
    let text = refusal::text(denial, era, id, "");
    Released::unrecordable(Event::message(Bytes::from(text)).encode())
}
