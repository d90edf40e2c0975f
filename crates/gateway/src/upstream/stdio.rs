//! An upstream that the gateway starts: newline-delimited JSON-RPC on its standard streams.
//!
//! Processes are those of one tenant, and are never shared between its principals: a legacy session has its own, and a modern
//! principal has its own. So what one caller makes a server keep in memory, no other can reach.

mod places;
mod process;
mod routes;

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use cardea_domain::{Code, Denial, TenantId, UpstreamId};
use cardea_guard::tenant::Guard;
use cardea_mcp::{Era, Kind, Message};
use cardea_registry::{Entry, StdioServer};
use http::StatusCode;
use parking_lot::Mutex;
use uuid::Uuid;

pub(crate) use self::routes::{Routed, Ticket};
use self::{
    places::{Owner, Places, owner},
    process::{Launch, Process},
};
use super::{Reply, Source, closed, listing::Listing, malformed, unreachable};
use crate::{
    answer::ANSWER_DEPTH_MAX,
    way::{Ask, Authorised, Session, check_mirrored, unknown_session},
    world::Limits,
};

/// All processes of one stdio upstream of one tenant.
#[derive(Debug)]
pub(super) struct StdioUpstream {
    tenant: TenantId,
    id: UpstreamId,
    server: StdioServer,
    answer_bytes_max: usize,
    processes_max: usize,
    per_principal_max: usize,
    idle_timeout: Duration,
    state: Mutex<State>,
    /// Held from a start to its first sign of life where that decides about the next one.
    starting: tokio::sync::Mutex<()>,
    /// Told whenever a process has ended.
    ended_one: tokio::sync::Notify,
}

#[derive(Debug, Default)]
struct State {
    places: Places,
    /// Legacy: by the session id that the gateway gave.
    sessions: HashMap<String, Arc<Process>>,
    /// Modern: by principal.
    principals: HashMap<Owner, Arc<Process>>,
    /// Learnt from the first probe; a server does not change its era while it is configured.
    era: Option<Era>,
    retired: bool,
}

/// Waited for within a call after a crash; for longer the call is refused.
const BACKOFF_WAIT_MAX: Duration = Duration::from_secs(1);

/// A process that is asked to end has this long, at most, before it is killed.
const ENDING_WAIT_MAX: Duration = Duration::from_secs(5);

impl StdioUpstream {
    pub(super) fn new(entry: &Entry, server: StdioServer, limits: &Limits) -> Self {
        Self {
            tenant: entry.tenant().clone(),
            id: entry.id().clone(),
            server,
            answer_bytes_max: limits.answer_bytes_max,
            processes_max: limits.sessions_stdio_max,
            per_principal_max: limits.sessions_stdio_per_principal_max,
            idle_timeout: limits.session_idle_timeout,
            state: Mutex::default(),
            starting: tokio::sync::Mutex::default(),
            ended_one: tokio::sync::Notify::new(),
        }
    }

    pub(super) async fn send(self: &Arc<Self>, call: &Authorised) -> Result<Reply, Denial> {
        match call.ask() {
            Ask::Message(message) if message.kind() == Kind::Request => {
                self.request(call, message).await
            }
            Ask::Message(message) => {
                self.process(call).await?.pass_on(message).await?;
                Ok(Reply::Empty {
                    status: StatusCode::ACCEPTED,
                })
            }
            Ask::Stream => {
                let process = self.session(call)?;
                let (ticket, messages) = process.listen();
                Ok(Reply::Stream {
                    session: None,
                    source: Box::new(Source::Stdio {
                        first: None,
                        messages,
                        _ticket: ticket,
                    }),
                })
            }
            Ask::End => {
                let process = self.session(call)?;
                process.stop();
                self.state
                    .lock()
                    .sessions
                    .retain(|_, p| !Arc::ptr_eq(p, &process));
                Ok(Reply::Empty {
                    status: StatusCode::OK,
                })
            }
        }
    }

    pub(super) async fn answer_back(&self, call: &Authorised, text: Bytes) -> Result<(), Denial> {
        self.session(call)?.answer(text).await
    }

    /// Asks the call's process for its list of tools, page by page.
    pub(super) async fn learn(self: &Arc<Self>, call: &Authorised) -> Result<(), Denial> {
        let process = self.process(call).await?;
        let dialect = call.dialect();
        let limits = cardea_mcp::Limits::default();
        let mut listing = Listing::new(dialect.version);
        while let Some((id, text)) = listing.next_page() {
            let message = Message::parse(text, &limits).map_err(malformed)?;
            let (_ticket, mut messages) = process.request(&message, dialect.era).await?;
            let answer = loop {
                match messages.recv().await {
                    Some(routed) if routed.is_answer => break routed.text,
                    Some(_) => {}
                    None => return Err(closed(process.last_words())),
                }
            };
            listing.learn(&answer, &id, call.known())?;
        }
        Ok(())
    }

    /// Starts no new processes and ends each one when its last call has ended.
    pub(super) fn retire(&self) {
        let mut state = self.state.lock();
        state.retired = true;
        for process in state.processes() {
            process.stop_when_idle();
        }
    }

    /// Ends all processes now.
    pub(super) fn stop(&self) {
        self.retire();
        let state = self.state.lock();
        for process in state.processes() {
            process.stop();
        }
    }

    /// Returns when no process is left.
    pub(super) async fn ended(&self) {
        let processes: Vec<Arc<Process>> = self.state.lock().processes().cloned().collect();
        for process in processes {
            process.ended().await;
        }
    }

    async fn request(
        self: &Arc<Self>,
        call: &Authorised,
        message: &Message,
    ) -> Result<Reply, Denial> {
        let opens = call.method().is_some_and(|m| m.name == "initialize");
        let mut opening = None;
        let (process, session) = if opens {
            let id = Uuid::new_v4().to_string();
            let process = self.start(call).await?;
            opening = Some(Opening(Some(Arc::clone(&process))));
            (process, Some(id))
        } else {
            (self.process(call).await?, None)
        };
        if call.dialect().era == Era::Modern && message.method() == "tools/call" {
            process.learn(call.known()).await?;
            // Of shaped arguments the headers were made anew, as far as they were known then.
            if !call.guard().is_some_and(Guard::shapes) {
                check_mirrored(call.known(), call.headers(), message)?;
            }
        }
        let (ticket, mut messages) = process.request(message, call.dialect().era).await?;
        let Some(first) = messages.recv().await else {
            return Err(closed(process.last_words()));
        };
        if let (Some(opening), Some(id)) = (opening.take(), &session)
            && !refuses(&first)
            && let Some(process) = opening.opened()
        {
            self.state.lock().sessions.insert(id.clone(), process);
        }
        if first.is_answer {
            return Ok(Reply::Whole {
                status: StatusCode::OK,
                session,
                text: first.text,
            });
        }
        Ok(Reply::Stream {
            session,
            source: Box::new(Source::Stdio {
                first: Some(first),
                messages,
                _ticket: ticket,
            }),
        })
    }

    async fn process(self: &Arc<Self>, call: &Authorised) -> Result<Arc<Process>, Denial> {
        match call.dialect().era {
            Era::Legacy => self.session(call),
            Era::Modern => self.of_principal(call).await,
        }
    }

    fn session(&self, call: &Authorised) -> Result<Arc<Process>, Denial> {
        let Session::Named(id) = call.session() else {
            return Err(Denial::new(Code::SessionMissing, "no session is named")
                .help("send `initialize` first, and the session's id with each message after it"));
        };
        let state = self.state.lock();
        let process = state.sessions.get(id).filter(|p| !p.is_over());
        process.cloned().ok_or_else(unknown_session)
    }

    async fn of_principal(self: &Arc<Self>, call: &Authorised) -> Result<Arc<Process>, Denial> {
        let owner = owner(call.principal());
        if let Some(process) = self.known_process(&owner)? {
            return Ok(process);
        }
        // One start at a time: who waited finds the process of the one before, or its crash.
        let _one_at_a_time = self.starting.lock().await;
        if let Some(process) = self.known_process(&owner)? {
            return Ok(process);
        }
        let process = self.start(call).await?;
        let era = process.probe().await?;
        let mut state = self.state.lock();
        state.era = Some(era);
        if era == Era::Legacy {
            process.stop();
            return Err(earlier_version());
        }
        state.principals.insert(owner, Arc::clone(&process));
        Ok(process)
    }

    fn known_process(&self, owner: &Owner) -> Result<Option<Arc<Process>>, Denial> {
        let state = self.state.lock();
        if state.era == Some(Era::Legacy) {
            return Err(earlier_version());
        }
        Ok(state
            .principals
            .get(owner)
            .filter(|p| !p.is_over())
            .cloned())
    }

    /// Starts a process for the call, unless there are too many or the last ones crashed a moment
    /// ago. It is recorded first: a process that nobody can be told of is not started.
    async fn start(self: &Arc<Self>, call: &Authorised) -> Result<Arc<Process>, Denial> {
        let owner = owner(call.principal());
        let reserved = tokio::time::timeout(ENDING_WAIT_MAX, self.reserve(&owner));
        let pause = reserved.await.unwrap_or_else(|_| Err(self.overloaded()))?;
        let place = Place(Some((self, &owner)));
        if pause > BACKOFF_WAIT_MAX {
            return Err(unreachable(format!(
                "it crashed; started again in {} ms",
                pause.as_millis()
            )));
        }
        tokio::time::sleep(pause).await;
        let record = call.call().record_process_start().await?;
        place.keep();
        let (upstream, of) = (Arc::downgrade(self), owner.clone());
        let on_exit = move |ran: Duration, wanted: bool| {
            if let Some(upstream) = upstream.upgrade() {
                upstream.exited(&of, ran, wanted);
            }
        };
        let launch = Launch {
            tenant: &self.tenant,
            upstream: &self.id,
            owner: &owner,
            server: &self.server,
            line_bytes_max: self.answer_bytes_max,
            idle_timeout: self.idle_timeout,
        };
        launch
            .start(&record, on_exit)
            .inspect_err(|_| self.exited(&owner, Duration::ZERO, false))
    }

    /// Takes a place for one more process; waits while others are being ended. Gives how long to
    /// wait after the last crash.
    async fn reserve(&self, owner: &Owner) -> Result<Duration, Denial> {
        loop {
            let ended = self.ended_one.notified();
            {
                let mut state = self.state.lock();
                if state.retired {
                    return Err(unreachable("the upstream is no longer configured"));
                }
                state.sessions.retain(|_, p| !p.is_over());
                state.principals.retain(|_, p| !p.is_over());
                if state.processes().count() >= self.processes_max {
                    return Err(self.overloaded());
                }
                let theirs = state.processes().filter(|p| p.owner() == owner);
                if theirs.count() >= self.per_principal_max {
                    return Err(self.principal_overloaded());
                }
                let is_free = state.places.taken() < self.processes_max
                    && state.places.taken_by(owner) < self.per_principal_max;
                if is_free {
                    state.places.take(owner);
                    return Ok(state.places.pause());
                }
            }
            ended.await;
        }
    }

    fn overloaded(&self) -> Denial {
        Denial::new(
            Code::Overloaded,
            format!("the server already runs {} times", self.processes_max),
        )
        .help("end a session that is not needed, or try again later")
    }

    fn principal_overloaded(&self) -> Denial {
        Denial::new(
            Code::Overloaded,
            format!(
                "the server already runs {} times for you",
                self.per_principal_max
            ),
        )
        .help("end a session that is not needed")
    }

    fn give_back(&self, owner: &Owner) {
        self.state.lock().places.give_back(owner);
        self.ended_one.notify_waiters();
    }

    fn exited(&self, owner: &Owner, ran: Duration, wanted: bool) {
        if !wanted {
            self.state.lock().places.crashed(ran);
        }
        self.give_back(owner);
    }
}

impl State {
    /// All that are in use.
    fn processes(&self) -> impl Iterator<Item = &Arc<Process>> {
        self.sessions.values().chain(self.principals.values())
    }
}

/// A counted place for a process; given back when the caller goes away before the start.
struct Place<'a>(Option<(&'a StdioUpstream, &'a Owner)>);

impl Place<'_> {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Place<'_> {
    fn drop(&mut self) {
        if let Some((upstream, owner)) = self.0 {
            upstream.give_back(owner);
        }
    }
}

/// A process whose session is not open yet; it is stopped unless the handshake succeeds.
struct Opening(Option<Arc<Process>>);

impl Opening {
    fn opened(mut self) -> Option<Arc<Process>> {
        self.0.take()
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        if let Some(process) = &self.0 {
            process.stop();
        }
    }
}

/// Whether a handshake was answered by an error.
fn refuses(first: &Routed) -> bool {
    let limits = cardea_mcp::Limits {
        depth_max: ANSWER_DEPTH_MAX,
    };
    first.is_answer
        && Message::parse(first.text.clone(), &limits).is_ok_and(|m| m.kind() == Kind::Error)
}

/// The answer by which a client of both eras falls back to the handshake.
fn earlier_version() -> Denial {
    Denial::new(
        Code::SessionMissing,
        "the server speaks an earlier version of the protocol",
    )
    .help("send `initialize`")
}
