//! Workers: one thread, one runtime, one listener each; and the end of them all.

use std::{
    convert::Infallible,
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    thread,
    time::Duration,
};

use hyper::{server::conn::http1, service::service_fn};
use hyper_util::{
    rt::{TokioIo, TokioTimer},
    server::graceful::{GracefulShutdown, Watcher},
};
use socket2::{Domain, Protocol, Socket, Type};
use thiserror::Error;
use tokio::{
    io::{AsyncRead, AsyncWrite},
    net::{TcpListener, TcpStream},
    time::MissedTickBehavior,
};
use tokio_util::sync::CancellationToken;

use crate::{
    admin, endpoint, lent,
    peer::Peer,
    stall::{Patience, Reset, STALL_MAX, Unstalled},
    world::{Gateway, Limits},
};

/// The gateway cannot listen.
#[derive(Debug, Error)]
pub enum ListenError {
    /// The address is taken or not ours.
    #[error("cannot listen on {address}: {source}")]
    Bind {
        /// The address.
        address: SocketAddr,
        /// Why not.
        source: io::Error,
    },
    /// A worker could not be started.
    #[error("cannot start a worker: {0}")]
    Worker(io::Error),
}

/// Bound sockets, before anything is served.
#[derive(Debug)]
pub struct Listeners {
    public: Vec<std::net::TcpListener>,
    admin: Option<std::net::TcpListener>,
}

/// Running workers.
#[derive(Debug)]
pub struct Serving {
    gateway: Arc<Gateway>,
    threads: Vec<thread::JoinHandle<()>>,
    public: Option<SocketAddr>,
    admin: Option<SocketAddr>,
    /// Cancelled when waiting is over.
    killed: CancellationToken,
    /// Health is told until the last call has ended, so this one ends last.
    admin_thread: Option<thread::JoinHandle<()>>,
    /// Cancelled when all workers have ended.
    ended: CancellationToken,
}

/// Child processes get their own grace (input closed, SIGTERM) before they are killed.
const CHILDREN_TIMEOUT: Duration = Duration::from_secs(6);

/// A timer that ends before all others makes a runtime interrupt itself, by a write to a
/// descriptor of its own, so that it waits for no longer: the timeout of each connection that
/// becomes idle was one, a system call for each call. While this timer runs none of them is.
const PULSE: Duration = Duration::from_secs(1);

/// The largest policy that is accepted nests so deep that its evaluation needs some of this; pages that are not used cost nothing.
const WORKER_STACK_BYTES: usize = 16 << 20;

/// Connections that the kernel holds for a worker that is busy.
const BACKLOG: i32 = 1024;

impl Listeners {
    /// Binds the public address once per worker, and the administrators' address.
    ///
    /// # Errors
    /// [`ListenError::Bind`].
    pub fn bind(
        public: SocketAddr,
        admin: Option<SocketAddr>,
        workers: usize,
    ) -> Result<Self, ListenError> {
        // Workers share the address; without this look another process could come to share it too.
        if public.port() != 0 {
            drop(bind(public, Share::No)?);
        }
        let mut sockets = Vec::new();
        let mut address = public;
        for _ in 0..workers.max(1) {
            let socket = bind(address, Share::BetweenWorkers)?;
            // With port 0 the first worker's port is the one for all.
            address = socket.local_addr().unwrap_or(address);
            sockets.push(socket);
        }
        let admin = admin.map(|a| bind(a, Share::No)).transpose()?;
        Ok(Self {
            public: sockets,
            admin,
        })
    }

    /// Starts a worker per socket.
    ///
    /// # Errors
    /// [`ListenError::Worker`] when a thread or runtime cannot be made.
    pub fn serve(self, gateway: &Arc<Gateway>) -> Result<Serving, ListenError> {
        let killed = CancellationToken::new();
        let mut serving = Serving {
            gateway: Arc::clone(gateway),
            threads: Vec::new(),
            public: self.public.first().and_then(|s| s.local_addr().ok()),
            admin: self.admin.as_ref().and_then(|s| s.local_addr().ok()),
            killed: killed.clone(),
            admin_thread: None,
            ended: CancellationToken::new(),
        };
        if let Some(admin) = self.admin {
            serving.admin_thread = Some(admin_thread(gateway, admin, serving.ended.clone())?);
        }
        let busy = Arc::new(AtomicUsize::new(self.public.len()));
        let quiet = CancellationToken::new();
        for (index, public) in self.public.into_iter().enumerate() {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()
                .map_err(ListenError::Worker)?;
            let worker = Worker {
                gateway: Arc::clone(gateway),
                index,
                killed: killed.clone(),
                busy: Arc::clone(&busy),
                quiet: quiet.clone(),
            };
            let thread = thread::Builder::new()
                .name(format!("worker-{index}"))
                .stack_size(WORKER_STACK_BYTES)
                .spawn(move || runtime.block_on(worker.run(public)))
                .map_err(ListenError::Worker)?;
            serving.threads.push(thread);
        }
        gateway.set_ready(true);
        Ok(serving)
    }
}

impl Serving {
    /// The public address.
    #[must_use]
    pub fn address(&self) -> Option<SocketAddr> {
        self.public
    }

    /// The administrators' address.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin
    }

    /// Stops accepting, lets calls under way finish for at most `within`, ends everything.
    /// Blocks until all workers have ended.
    pub fn drain(self, within: Duration) {
        self.gateway.set_ready(false);
        self.gateway.draining.cancel();
        let killed = self.killed.clone();
        let (done, over) = std::sync::mpsc::sync_channel::<()>(1);
        let timer = thread::spawn(move || {
            if over.recv_timeout(within) == Err(std::sync::mpsc::RecvTimeoutError::Timeout) {
                killed.cancel();
            }
        });
        for thread in self.threads {
            if thread.join().is_err() {
                tracing::error!("a worker ended with a panic");
            }
        }
        drop(done);
        let _ = timer.join();
        self.ended.cancel();
        if let Some(admin) = self.admin_thread {
            let _ = admin.join();
        }
    }
}

enum Share {
    BetweenWorkers,
    No,
}

fn bind(address: SocketAddr, share: Share) -> Result<std::net::TcpListener, ListenError> {
    let failed = |source| ListenError::Bind { address, source };
    let socket = Socket::new(
        Domain::for_address(address),
        Type::STREAM,
        Some(Protocol::TCP),
    )
    .map_err(failed)?;
    socket.set_reuse_address(true).map_err(failed)?;
    if matches!(share, Share::BetweenWorkers) {
        socket.set_reuse_port(true).map_err(failed)?;
    }
    socket.set_nonblocking(true).map_err(failed)?;
    socket.bind(&address.into()).map_err(failed)?;
    socket.listen(BACKLOG).map_err(failed)?;
    Ok(socket.into())
}

#[derive(Clone)]
struct Worker {
    gateway: Arc<Gateway>,
    index: usize,
    killed: CancellationToken,
    /// Workers that still have calls under way.
    busy: Arc<AtomicUsize>,
    /// Cancelled by the last one of them.
    quiet: CancellationToken,
}

impl Worker {
    async fn run(self, public: std::net::TcpListener) {
        let graceful = GracefulShutdown::new();
        match TcpListener::from_std(public) {
            Ok(listener) => self.accept(listener, &graceful).await,
            Err(error) => tracing::error!(%error, "a listener failed"),
        }
        tokio::select! {
            () = graceful.shutdown() => {}
            () = self.killed.cancelled() => {
                tracing::warn!("calls were still under way when the drain time was over");
            }
        }
        // Calls of other workers may still use a process that this one started, and a process
        // lives on the runtime that started it: all wait for the last.
        if self.busy.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.quiet.cancel();
        }
        self.quiet.cancelled().await;
        let world = self.gateway.world();
        for upstream in world.upstreams.values() {
            upstream.stop();
        }
        let ended = async {
            for upstream in world.upstreams.values() {
                upstream.ended().await;
            }
        };
        if tokio::time::timeout(CHILDREN_TIMEOUT, ended).await.is_err() {
            tracing::warn!("some server processes had to be killed");
        }
    }

    async fn accept(&self, listener: TcpListener, graceful: &GracefulShutdown) {
        let mut pulse = tokio::time::interval(PULSE);
        pulse.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                accepted = listener.accept() => match accepted {
                    Ok((stream, peer)) => self.connection(stream, peer, graceful),
                    Err(error) => {
                        // Out of descriptors, usually: give others time to close theirs.
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(Duration::from_millis(50)).await;
                    }
                },
                () = self.gateway.draining.cancelled() => return,
                _ = pulse.tick() => {}
            }
        }
    }

    fn connection(&self, stream: TcpStream, from: SocketAddr, graceful: &GracefulShutdown) {
        let world = self.gateway.world();
        let limits = &world.limits;
        if self.gateway.metrics.connections() >= limits.connections_max {
            tracing::warn!(
                max = limits.connections_max,
                "too many connections; one was closed"
            );
            return;
        }
        if stream.set_nodelay(true).is_err() {
            return;
        }
        let session = Session {
            gateway: Arc::clone(&self.gateway),
            worker: self.index,
            watcher: graceful.watcher(),
            limits: limits.clone(),
            counted: Connection::open(&self.gateway),
        };
        let mut peer = Peer {
            address: from.ip(),
            certificate: None,
            patience: Patience::default(),
        };
        let Some(tls) = world.tls.clone() else {
            tokio::spawn(session.serve(stream, peer));
            return;
        };
        tokio::spawn(async move {
            let draining = session.gateway.draining.clone();
            let Some(handshake) = draining.run_until_cancelled(tls.accept(stream)).await else {
                return;
            };
            match handshake {
                Ok((stream, certificate)) => {
                    peer.certificate = certificate;
                    session.serve(stream, peer).await;
                }
                Err(error) => {
                    session.gateway.metrics.handshake_failed();
                    tracing::debug!(%from, %error, "a TLS handshake failed");
                }
            }
        });
    }
}

/// One connection of a client, from its acceptance on.
struct Session {
    gateway: Arc<Gateway>,
    worker: usize,
    watcher: Watcher,
    limits: Limits,
    counted: Connection,
}

impl Session {
    /// Serves requests until either side closes the connection.
    async fn serve<S>(self, stream: S, peer: Peer)
    where
        S: AsyncRead + AsyncWrite + Reset + Unpin + Send + 'static,
    {
        let stream = Unstalled::new(stream, STALL_MAX, peer.patience.clone());
        let _counted = self.counted;
        let (gateway, worker, peer) = (self.gateway, self.worker, Arc::new(peer));
        let body_bytes_max = self.limits.body_bytes_max;
        // Boxed: a connection holds room for its service's future even while it is idle, and the
        // way of a call is some kilobytes long.
        let service = service_fn(move |request| {
            let (gateway, peer) = (Arc::clone(&gateway), Arc::clone(&peer));
            Box::pin(async move {
                let (request, rest) = lent::lend(request);
                let mut answer = endpoint::serve(&gateway, worker, &peer, request).await;
                rest.settle(body_bytes_max, &mut answer).await;
                Ok::<_, Infallible>(answer)
            })
        });
        let connection = http1::Builder::new()
            .timer(TokioTimer::new())
            .header_read_timeout(self.limits.header_timeout)
            .max_headers(self.limits.header_count_max)
            .max_buf_size(self.limits.header_bytes_max.max(8192))
            .serve_connection(TokioIo::new(stream), service);
        if let Err(error) = self.watcher.watch(connection).await {
            tracing::debug!(%error, "a connection ended early");
        }
    }
}

/// Counts one connection while it lives.
struct Connection(Arc<Gateway>);

impl Connection {
    fn open(gateway: &Arc<Gateway>) -> Self {
        gateway.metrics.connection_opened();
        Self(Arc::clone(gateway))
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        self.0.metrics.connection_closed();
    }
}

/// A scrape or a health check takes milliseconds; whoever takes longer is cut off.
const ADMIN_TIMEOUT: Duration = Duration::from_secs(10);

fn admin_thread(
    gateway: &Arc<Gateway>,
    listener: std::net::TcpListener,
    ended: CancellationToken,
) -> Result<thread::JoinHandle<()>, ListenError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(ListenError::Worker)?;
    let gateway = Arc::clone(gateway);
    let serve = async move {
        match TcpListener::from_std(listener) {
            Ok(listener) => {
                ended
                    .run_until_cancelled(serve_admin(gateway, listener))
                    .await;
            }
            Err(error) => tracing::error!(%error, "the administrators' listener failed"),
        }
    };
    thread::Builder::new()
        .name("admin".into())
        .stack_size(WORKER_STACK_BYTES)
        .spawn(move || runtime.block_on(serve))
        .map_err(ListenError::Worker)
}

async fn serve_admin(gateway: Arc<Gateway>, listener: TcpListener) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(Duration::from_millis(50)).await;
            continue;
        };
        let gateway = Arc::clone(&gateway);
        let service = service_fn(move |request| {
            let gateway = Arc::clone(&gateway);
            async move { Ok::<_, Infallible>(admin::serve(&gateway, &request)) }
        });
        tokio::spawn(tokio::time::timeout(
            ADMIN_TIMEOUT,
            http1::Builder::new()
                .keep_alive(false)
                .serve_connection(TokioIo::new(stream), service),
        ));
    }
}
