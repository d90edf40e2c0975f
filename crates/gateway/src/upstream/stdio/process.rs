//! One child process: started clean, fed, read, and ended with all that it started.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use cardea_domain::{Denial, TenantId, UpstreamId};
use cardea_mcp::{Era, Kind, Limits as JsonLimits, Message, Version, meta, reply};
use parking_lot::Mutex;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncReadExt as _, AsyncWriteExt as _, BufReader},
    process::Child,
    sync::mpsc,
};
use tokio_util::sync::CancellationToken;

use super::{
    launch::{Around, Input, Started},
    places::Owner,
    routes::{Route, Routed, Routes, Ticket},
};
use crate::{
    answer::ANSWER_DEPTH_MAX,
    upstream::{closed, malformed},
};

/// A running server.
#[derive(Debug)]
pub(super) struct Process {
    tenant: TenantId,
    upstream: UpstreamId,
    owner: Owner,
    input: mpsc::Sender<Bytes>,
    routes: Mutex<Routes>,
    used: Mutex<Instant>,
    last_words: Mutex<String>,
    learnt: AtomicBool,
    /// Its output ended before anybody asked it to.
    broke: AtomicBool,
    /// Its upstream left the configuration: it ends with its last call.
    leaving: AtomicBool,
    stop: CancellationToken,
    over: CancellationToken,
}

/// Lines under way to a process that does not read; each may be as long as a request's body.
const INPUT_LINES_MAX: usize = 16;
/// A server that knows `server/discover` answers at once; one that starts slowly gets its time. A call that ends before
/// that learns nothing.
pub(super) const PROBE_TIMEOUT: Duration = Duration::from_secs(10);
/// Between the closing of its input, SIGTERM and SIGKILL.
const GRACE: Duration = Duration::from_secs(2);
/// How often an idle process is looked at.
const IDLE_CHECK: Duration = Duration::from_secs(5);
/// Of what a server says on stderr, kept for the error when it dies.
const LAST_WORDS_MAX: usize = 2048;

/// Whose process it is, and how it is treated.
pub(super) struct Place<'a> {
    pub(super) tenant: &'a TenantId,
    pub(super) upstream: &'a UpstreamId,
    pub(super) owner: &'a Owner,
    /// One message of the server.
    pub(super) line_bytes_max: usize,
    pub(super) idle_timeout: Duration,
}

impl Place<'_> {
    /// Feeds, reads and attends a server that was started.
    pub(super) fn take(
        self,
        started: Started,
        on_exit: impl FnOnce(Duration, bool) + Send + 'static,
    ) -> Arc<Process> {
        let Started {
            child,
            stdin,
            stdout,
            stderr,
            around,
        } = started;
        let (input, lines) = mpsc::channel(INPUT_LINES_MAX);
        let process = Arc::new(Process {
            tenant: self.tenant.clone(),
            upstream: self.upstream.clone(),
            owner: self.owner.clone(),
            input,
            routes: Mutex::default(),
            used: Mutex::new(Instant::now()),
            last_words: Mutex::default(),
            learnt: AtomicBool::new(false),
            broke: AtomicBool::new(false),
            leaving: AtomicBool::new(false),
            stop: CancellationToken::new(),
            over: CancellationToken::new(),
        });
        // All four end with the process; the last one waits for it.
        tokio::spawn(feed(stdin, lines, process.stop.clone()));
        tokio::spawn(Arc::clone(&process).read(stdout, self.line_bytes_max));
        tokio::spawn(Arc::clone(&process).hear(stderr));
        let idle_timeout = self.idle_timeout;
        tokio::spawn(Arc::clone(&process).attend(child, around, idle_timeout, on_exit));
        process
    }
}

impl Process {
    pub(super) fn owner(&self) -> &Owner {
        &self.owner
    }

    pub(super) fn is_over(&self) -> bool {
        self.stop.is_cancelled() || self.over.is_cancelled()
    }

    pub(super) fn stop(&self) {
        self.stop.cancel();
    }

    /// Stops as soon as no call is under way.
    pub(super) fn stop_when_idle(&self) {
        self.leaving.store(true, Ordering::Release);
        if self.routes.lock().is_idle() {
            self.stop.cancel();
        }
    }

    pub(super) async fn ended(&self) {
        self.over.cancelled().await;
    }

    pub(super) fn last_words(&self) -> String {
        format!("stderr: {}", self.last_words.lock().escape_debug())
    }

    /// Sends a request and registers who waits for its messages.
    pub(super) async fn request(
        self: &Arc<Self>,
        message: &Message,
        era: Era,
    ) -> Result<(Ticket, mpsc::Receiver<Routed>), Denial> {
        *self.used.lock() = Instant::now();
        let registered = self.routes.lock().register(message);
        let (number, text, messages) = registered.ok_or_else(|| closed("the process has ended"))?;
        let ticket = Ticket {
            process: Arc::clone(self),
            number,
            era,
        };
        self.write(text).await?;
        Ok((ticket, messages))
    }

    /// Sends a client's notification or response, if it is about something under way.
    pub(super) async fn pass_on(&self, message: &Message) -> Result<(), Denial> {
        *self.used.lock() = Instant::now();
        let text = self.routes.lock().inbound(message);
        match text {
            Some(text) => self.write(text).await,
            None => Ok(()),
        }
    }

    /// Sends the gateway's own answer to a request of the process; no other is taken after it.
    pub(super) async fn answer(&self, text: Bytes) -> Result<(), Denial> {
        let message = parse(text).map_err(malformed)?;
        self.pass_on(&message).await
    }

    /// Registers the session's own stream.
    pub(super) fn listen(self: &Arc<Self>) -> (Ticket, mpsc::Receiver<Routed>) {
        let (number, messages) = self.routes.lock().listen();
        let ticket = Ticket {
            process: Arc::clone(self),
            number,
            era: Era::Legacy,
        };
        (ticket, messages)
    }

    pub(super) fn forget(&self, number: u64) -> bool {
        let mut routes = self.routes.lock();
        let waited = routes.forget(number);
        if self.leaving.load(Ordering::Acquire) && routes.is_idle() {
            self.stop.cancel();
        }
        waited
    }

    /// Tells the process that nobody waits for a request any more.
    pub(super) fn cancel(&self, number: u64) {
        let text = json!({"jsonrpc": "2.0", "method": "notifications/cancelled",
            "params": {"requestId": number, "reason": "the client went away"}});
        // With a full channel the process does not read anyway.
        let _ = self.input.try_send(text.to_string().into());
    }

    /// Writes one message; line ends within it are white space and become blanks.
    pub(super) async fn write(&self, text: Bytes) -> Result<(), Denial> {
        let text = if memchr::memchr2(b'\n', b'\r', &text).is_some() {
            let blank = |b: &u8| if matches!(b, b'\n' | b'\r') { b' ' } else { *b };
            text.iter().map(blank).collect()
        } else {
            text
        };
        self.input
            .send(text)
            .await
            .map_err(|_| closed(self.last_words()))
    }

    /// Finds out whether the server is of the modern era; `None` where it says nothing for too long.
    ///
    /// # Source
    /// MCP 2026-07-28, basic/transports/stdio, Backward Compatibility.
    pub(super) async fn probe(self: &Arc<Self>) -> Result<Option<Era>, Denial> {
        let asked = self.ask("server/discover", json!({}));
        let answer = match tokio::time::timeout(PROBE_TIMEOUT, asked).await {
            Ok(Ok(answer)) => answer,
            Ok(Err(_)) if !self.is_over() => return Ok(Some(Era::Legacy)),
            Ok(Err(denial)) => return Err(denial),
            Err(_) => return Ok(None),
        };
        if answer.kind() == Kind::Result {
            return Ok(Some(Era::Modern));
        }
        let code = answer.body("code").and_then(|c| c.parse::<i64>().ok());
        Ok(Some(match code {
            Some(reply::code::UNSUPPORTED_VERSION | -32021 | reply::code::HEADER_MISMATCH) => {
                Era::Modern
            }
            _ => Era::Legacy,
        }))
    }

    /// Whether its list of tools was read: over stdio only the gateway checks mirrored arguments.
    pub(super) fn is_learnt(&self) -> bool {
        self.learnt.load(Ordering::Acquire)
    }

    pub(super) fn set_learnt(&self) {
        self.learnt.store(true, Ordering::Release);
    }

    /// A modern request of the gateway's own.
    async fn ask(self: &Arc<Self>, method: &str, mut params: Value) -> Result<Message, Denial> {
        let about = json!({
            meta::PROTOCOL_VERSION: Version::V2026_07_28.as_str(),
            meta::CLIENT_CAPABILITIES: {},
            meta::CLIENT_INFO: {"name": "cardea", "version": env!("CARGO_PKG_VERSION")},
        });
        if let Some(params) = params.as_object_mut() {
            params.insert("_meta".into(), about);
        }
        let text = json!({"jsonrpc": "2.0", "id": 0, "method": method, "params": params});
        let message = parse(text.to_string().into()).map_err(malformed)?;
        let (_ticket, mut messages) = self.request(&message, Era::Modern).await?;
        while let Some(routed) = messages.recv().await {
            if routed.is_answer {
                return parse(routed.text).map_err(malformed);
            }
        }
        Err(closed(self.last_words()))
    }

    async fn read(self: Arc<Self>, stdout: impl AsyncRead + Unpin, line_bytes_max: usize) {
        let mut stdout = BufReader::new(stdout);
        let mut line = Vec::new();
        loop {
            line.clear();
            let bound = line_bytes_max as u64 + 1;
            match (&mut stdout).take(bound).read_until(b'\n', &mut line).await {
                Ok(0) | Err(_) => break,
                // The line end is no part of the message.
                Ok(_) if line.len() > line_bytes_max && !line.ends_with(b"\n") => {
                    tracing::warn!(tenant = %self.tenant, upstream = %self.upstream, line_bytes_max, "a line is too long; the server is stopped");
                    break;
                }
                Ok(_) => self.line(&line).await,
            }
        }
        if !self.stop.is_cancelled() {
            self.broke.store(true, Ordering::Release);
        }
        self.stop.cancel();
        self.routes.lock().end();
    }

    async fn line(&self, line: &[u8]) {
        let line = line.trim_ascii();
        if line.is_empty() {
            return;
        }
        let message = match parse(Bytes::copy_from_slice(line)) {
            Ok(message) => message,
            Err(error) => {
                tracing::debug!(tenant = %self.tenant, upstream = %self.upstream, %error, "a line on stdout is not a message");
                let broken = self.routes.lock().broken(line);
                if let Some((waiter, routed)) = broken {
                    drop(waiter.send(routed).await);
                }
                return;
            }
        };
        let route = self.routes.lock().outbound(&message);
        match route {
            // A waiter that went away takes nothing: that is no failure of the process.
            Route::To(waiter, routed) => drop(waiter.send(routed).await),
            Route::Unanswerable => {
                let id = message.id().map(|id| id.raw().to_owned());
                let refusal = reply::error(
                    id.as_deref(),
                    Era::Legacy,
                    reply::code::INTERNAL,
                    "no client is there to answer",
                    None,
                );
                let _ = self.input.try_send(refusal.into());
            }
            Route::Nowhere(why) => {
                tracing::debug!(tenant = %self.tenant, upstream = %self.upstream, why, "a message was dropped");
            }
        }
    }

    async fn hear(self: Arc<Self>, stderr: impl AsyncRead + Unpin) {
        let mut stderr = BufReader::new(stderr);
        let mut line = Vec::new();
        loop {
            line.clear();
            match (&mut stderr)
                .take(LAST_WORDS_MAX as u64)
                .read_until(b'\n', &mut line)
                .await
            {
                Ok(0) | Err(_) => return,
                Ok(_) => {
                    let text = String::from_utf8_lossy(&line);
                    let text = text.trim_end();
                    tracing::debug!(tenant = %self.tenant, upstream = %self.upstream, stderr = text);
                    let mut words = self.last_words.lock();
                    if words.len() + text.len() > LAST_WORDS_MAX {
                        words.clear();
                    }
                    words.push_str(text);
                    words.push(' ');
                }
            }
        }
    }

    /// Waits for the process to end, ends it when it is idle or no longer wanted.
    async fn attend(
        self: Arc<Self>,
        mut child: Child,
        around: Option<Around>,
        idle_timeout: Duration,
        on_exit: impl FnOnce(Duration, bool),
    ) {
        let started = Instant::now();
        // Taken while it runs: a process that was waited for has no id any more, and what it
        // started must still be found.
        let group = child
            .id()
            .and_then(|id| i32::try_from(id).ok())
            .and_then(rustix::process::Pid::from_raw);
        let mut check = tokio::time::interval(IDLE_CHECK);
        loop {
            tokio::select! {
                _ = child.wait() => break,
                () = self.stop.cancelled() => break,
                _ = check.tick() => {
                    if self.routes.lock().is_idle() && self.used.lock().elapsed() > idle_timeout {
                        self.stop.cancel();
                    }
                }
            }
        }
        let wanted = self.stop.is_cancelled() && !self.broke.load(Ordering::Acquire);
        self.stop.cancel();
        self.routes.lock().end();
        end(&mut child, group).await;
        if let Some(around) = around {
            around.over().await;
        }
        tracing::info!(tenant = %self.tenant, upstream = %self.upstream, wanted, ran_ms = started.elapsed().as_millis(), "a server process ended");
        on_exit(started.elapsed(), wanted);
        self.over.cancel();
    }
}

/// Writes lines until the process is no longer wanted; closing the input asks it to end.
async fn feed(mut stdin: Input, mut lines: mpsc::Receiver<Bytes>, stop: CancellationToken) {
    loop {
        tokio::select! {
            line = lines.recv() => {
                let Some(line) = line else { return };
                let written = async {
                    stdin.write_all(&line).await?;
                    stdin.write_all(b"\n").await?;
                    stdin.flush().await
                };
                if written.await.is_err() {
                    return;
                }
            }
            () = stop.cancelled() => return,
        }
    }
}

/// Ends the process and its whole group: by its closed input, then SIGTERM, then SIGKILL.
async fn end(child: &mut Child, group: Option<rustix::process::Pid>) {
    if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
        signal(group, rustix::process::Signal::TERM);
        if tokio::time::timeout(GRACE, child.wait()).await.is_err() {
            signal(group, rustix::process::Signal::KILL);
            let _ = child.wait().await;
        }
    }
    // What the server started and left behind ends with it.
    signal(group, rustix::process::Signal::KILL);
}

fn signal(group: Option<rustix::process::Pid>, signal: rustix::process::Signal) {
    if let Some(group) = group {
        // It may be gone already.
        let _ = rustix::process::kill_process_group(group, signal);
    }
}

fn parse(text: Bytes) -> Result<Message, cardea_mcp::MessageError> {
    let limits = JsonLimits {
        depth_max: ANSWER_DEPTH_MAX,
    };
    Message::parse(text, &limits)
}
