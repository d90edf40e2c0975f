//! An upstream that the gateway starts: newline-delimited JSON-RPC on its standard streams.
//!
//! Processes are those of one tenant, and are never shared between its principals: a legacy session has its own, and a modern
//! principal has its own. So what one caller makes a server keep in memory, no other can reach.

pub(crate) mod blocked;
mod era;
mod launch;
mod places;
mod process;
mod routes;

use std::{
    collections::HashMap,
    sync::{Arc, Weak},
    time::{Duration, Instant},
};

use bytes::Bytes;
use cardea_audit::Receipt;
use cardea_domain::{ActorId, Code, Denial, SubjectId, TenantId, UpstreamId};
use cardea_guard::tenant::Guard;
use cardea_mcp::{Era, Kind, Message, method::List};
use cardea_registry::{Digests, Entry, PinRule, Standing, StdioServer};
use cardea_sandbox::Profile;
use http::StatusCode;
use parking_lot::Mutex;
use uuid::Uuid;

pub(crate) use self::routes::{Routed, Ticket};
use self::{
    blocked::Blocked,
    era::Probed,
    places::{Owner, Places, owner},
    process::{Place, Process},
};
use super::{Reply, Source, closed, listing::Listing, malformed, stranger, unreachable};
use crate::{
    answer::ANSWER_DEPTH_MAX,
    pins,
    way::{Ask, Authorised, Session, check_mirrored, unknown_session},
    world::Limits,
};

/// All processes of one stdio upstream of one tenant.
#[derive(Debug)]
pub(super) struct StdioUpstream {
    tenant: TenantId,
    id: UpstreamId,
    server: StdioServer,
    /// `None` is no box.
    profile: Option<Profile>,
    blocked: Arc<Blocked>,
    answer_bytes_max: usize,
    processes_max: usize,
    per_principal_max: usize,
    idle_timeout: Duration,
    /// What was read of what is started, so that it is read once.
    digests: Arc<Digests>,
    state: Mutex<State>,
    /// For each owner, held from a start to its first sign of life: that decides about the next one.
    starting: Mutex<HashMap<Owner, Weak<tokio::sync::Mutex<()>>>>,
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
    probed: Probed,
    retired: bool,
}

/// Waited for within a call after a crash; for longer the call is refused.
const BACKOFF_WAIT_MAX: Duration = Duration::from_secs(1);

/// A process that is asked to end has this long, at most, before it is killed.
const ENDING_WAIT_MAX: Duration = Duration::from_secs(5);

impl StdioUpstream {
    pub(super) fn new(
        entry: &Entry,
        server: StdioServer,
        profile: Option<Profile>,
        limits: &Limits,
    ) -> Self {
        Self {
            tenant: entry.tenant().clone(),
            id: entry.id().clone(),
            server,
            profile,
            blocked: Arc::new(Blocked::new(entry.tenant().clone(), entry.id().clone())),
            answer_bytes_max: limits.answer_bytes_max,
            processes_max: limits.sessions_stdio_max,
            per_principal_max: limits.sessions_stdio_per_principal_max,
            idle_timeout: limits.session_idle_timeout,
            digests: Arc::default(),
            state: Mutex::default(),
            starting: Mutex::default(),
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

    /// Asks the call's process for a list, page by page.
    pub(super) async fn learn(
        self: &Arc<Self>,
        call: &Authorised,
        list: List,
    ) -> Result<(), Denial> {
        let process = self.process(call).await?;
        self.learn_of(&process, call, list).await?;
        if list == List::Tools {
            process.set_learnt();
        }
        Ok(())
    }

    async fn learn_of(
        &self,
        process: &Arc<Process>,
        call: &Authorised,
        list: List,
    ) -> Result<(), Denial> {
        let dialect = call.dialect();
        let limits = cardea_mcp::Limits::default();
        let mut listing = Listing::new(dialect.version, list, call.known());
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
            listing.learn(&answer, &id)?;
        }
        listing.tell(call.tenant()).await;
        Ok(())
    }

    /// Starts a process of the gateway's own, by the receipt of the record that says so, to look at the server.
    pub(super) async fn look(&self, record: &Receipt) -> Result<Looking, Denial> {
        if self.state.lock().retired {
            return Err(unreachable("the upstream is no longer configured"));
        }
        self.check_locked().await?;
        let invalid = |_| unreachable("the gateway has no name for itself");
        let owner: Owner = (
            self.tenant.clone(),
            SubjectId::parse("cardea").map_err(invalid)?,
            ActorId::parse("cardea").map_err(invalid)?,
        );
        let profile = self.profile.as_ref();
        let started = launch::start(&self.server, profile, &self.blocked, record).await?;
        let place = Place {
            tenant: &self.tenant,
            upstream: &self.id,
            owner: &owner,
            line_bytes_max: self.answer_bytes_max,
            idle_timeout: self.idle_timeout,
        };
        Ok(Looking(place.take(started, |_, _| {})))
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
            // Each process may be of another mind: what it shows is held against what was approved.
            if !process.is_learnt() {
                let learnt = self.learn_of(&process, call, List::Tools).await;
                // Where nothing has to be approved, a server may answer what it does not list.
                if call.known().entry().pin_rule() != PinRule::Off {
                    learnt?;
                }
                process.set_learnt();
            }
            let mut standing = pins::standing(call.known(), call.ask());
            if standing == Standing::Unseen {
                // Its list may have become another one while it was read.
                self.learn_of(&process, call, List::Tools).await?;
                standing = pins::standing(call.known(), call.ask());
            }
            if standing != Standing::Approved {
                return Err(pins::unapproved(
                    "the process shows it otherwise, or not at all",
                ));
            }
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
        let turn = self.turn_of(&owner);
        let _one_at_a_time = turn.lock().await;
        if let Some(process) = self.known_process(&owner)? {
            return Ok(process);
        }
        let process = self.start(call).await?;
        let opening = Opening(Some(Arc::clone(&process)));
        self.state.lock().probed.begin(Instant::now());
        let era = process.probe().await?;
        let mut state = self.state.lock();
        let now = Instant::now();
        state.probed.learn(era, now);
        if state.probed.is_legacy(now) {
            return Err(earlier_version());
        }
        if era.is_none() {
            return Err(unreachable("the server does not answer"));
        }
        state
            .principals
            .extend(opening.opened().map(|process| (owner, process)));
        Ok(process)
    }

    /// What is held while a process of theirs is started; others do not wait for it.
    fn turn_of(&self, owner: &Owner) -> Arc<tokio::sync::Mutex<()>> {
        let mut starting = self.starting.lock();
        starting.retain(|_, turn| turn.strong_count() > 0);
        if let Some(turn) = starting.get(owner).and_then(Weak::upgrade) {
            return turn;
        }
        let turn = Arc::default();
        starting.insert(owner.clone(), Arc::downgrade(&turn));
        turn
    }

    fn known_process(&self, owner: &Owner) -> Result<Option<Arc<Process>>, Denial> {
        let state = self.state.lock();
        if state.probed.is_legacy(Instant::now()) {
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
        let held = Reserved(Some((self, &owner)));
        if pause > BACKOFF_WAIT_MAX {
            return Err(unreachable(format!(
                "it crashed; started again in {} ms",
                pause.as_millis()
            )));
        }
        tokio::time::sleep(pause).await;
        self.check_locked().await?;
        let record = call.call().record_process_start().await?;
        self.blocked.belongs_to(call.call().gateway());
        let profile = self.profile.as_ref();
        let started = launch::start(&self.server, profile, &self.blocked, &record)
            .await
            .inspect_err(|_| self.state.lock().places.crashed(&owner, Duration::ZERO))?;
        held.keep();
        let (upstream, of) = (Arc::downgrade(self), owner.clone());
        let on_exit = move |ran: Duration, wanted: bool| {
            if let Some(upstream) = upstream.upgrade() {
                upstream.exited(&of, ran, wanted);
            }
        };
        let place = Place {
            tenant: &self.tenant,
            upstream: &self.id,
            owner: &owner,
            line_bytes_max: self.answer_bytes_max,
            idle_timeout: self.idle_timeout,
        };
        Ok(place.take(started, on_exit))
    }

    /// What the boxes of its processes kept them from lately.
    pub(super) fn incidents(&self) -> Vec<blocked::Incident> {
        self.blocked.recent()
    }

    /// Refuses to start what is not what was locked.
    ///
    /// # Errors
    /// [`Code::UpstreamIdentity`].
    async fn check_locked(&self) -> Result<(), Denial> {
        if self.server.locked.is_empty() {
            return Ok(());
        }
        let (digests, locked) = (Arc::clone(&self.digests), self.server.locked.clone());
        let checked = tokio::task::spawn_blocking(move || {
            locked.iter().try_for_each(|locked| digests.check(locked))
        });
        let checked = checked.await.map_err(unreachable)?;
        checked.map_err(stranger)
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
                    return Ok(state.places.pause(owner));
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
            self.state.lock().places.crashed(owner, ran);
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

/// A process that the gateway looks at a server by; it ends with this value.
pub(super) struct Looking(Arc<Process>);

impl Looking {
    /// Sends a request and waits for its answer.
    pub(super) async fn ask(&self, message: &Message, era: Era) -> Result<Bytes, Denial> {
        let (_ticket, mut messages) = self.0.request(message, era).await?;
        while let Some(routed) = messages.recv().await {
            if routed.is_answer {
                return Ok(routed.text);
            }
        }
        Err(closed(self.0.last_words()))
    }

    /// Sends a notification.
    pub(super) async fn tell(&self, message: &Message) -> Result<(), Denial> {
        self.0.write(message.text().clone()).await
    }
}

impl Drop for Looking {
    fn drop(&mut self) {
        self.0.stop();
    }
}

/// A counted place for a process; given back when the caller goes away before the start.
struct Reserved<'a>(Option<(&'a StdioUpstream, &'a Owner)>);

impl Reserved<'_> {
    fn keep(mut self) {
        self.0 = None;
    }
}

impl Drop for Reserved<'_> {
    fn drop(&mut self) {
        if let Some((upstream, owner)) = self.0 {
            upstream.give_back(owner);
        }
    }
}

/// A process that nobody else knows of yet; it is stopped unless its handshake or its probe succeeds.
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
