//! The way out of a box: what it may connect to is looked up, judged and dialled here, outside of it.
//!
//! A box has no device but loopback and no resolver; names reach nobody but this. The proxy takes `CONNECT` and plain `http`; each
//! allowed name has a listener of its own besides, where bytes pass as they are.

mod dial;
mod proxy;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use parking_lot::Mutex;
use tokio::{
    io::copy_bidirectional,
    net::{TcpListener, TcpStream},
    sync::Semaphore,
    task::JoinSet,
};

use cardea_domain::Destination;

use crate::plan::direct;

/// Connections of one box at a time.
const CONNECTIONS_MAX: usize = 64;

/// A pause after a listener failed, for the case that descriptors are short.
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// Refusals of one box that are told of in a minute; the rest is counted by [`Refusal::more`].
const TOLD_MAX: u32 = 20;
const TOLD_WITHIN: Duration = Duration::from_secs(60);

/// What one box may reach.
pub struct Egress {
    allowed: Vec<Destination>,
    /// Which addresses may be gone to at all.
    is_reachable: fn(IpAddr) -> bool,
    on_refusal: Box<dyn Fn(Refusal) + Send + Sync>,
    told: Mutex<Told>,
    room: Arc<Semaphore>,
}

/// Something that a server tried to reach and did not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// What it asked for, as it spelt it, bounded.
    pub target: String,
    /// Why it was not reached.
    pub why: &'static str,
    /// Further ones before it that were not told of.
    pub more: u64,
}

#[derive(Debug, Default)]
struct Told {
    since: Option<tokio::time::Instant>,
    count: u32,
    untold: u64,
}

impl fmt::Debug for Egress {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Egress")
            .field("allowed", &self.allowed)
            .finish_non_exhaustive()
    }
}

impl Egress {
    /// Lets through what is allowed, once its name was looked up and every address found to be reachable; tells of everything else.
    pub fn new(
        allowed: Vec<Destination>,
        is_reachable: fn(IpAddr) -> bool,
        on_refusal: impl Fn(Refusal) + Send + Sync + 'static,
    ) -> Self {
        Self {
            allowed,
            is_reachable,
            on_refusal: Box::new(on_refusal),
            told: Mutex::default(),
            room: Arc::new(Semaphore::new(CONNECTIONS_MAX)),
        }
    }

    /// Answers at the listeners of a box, which are in the order of its [`crate::Doors`]. Everything ends when the set is dropped.
    ///
    /// # Errors
    /// When a listener cannot be used.
    pub fn serve(
        self: Arc<Self>,
        listeners: Vec<std::net::TcpListener>,
    ) -> std::io::Result<JoinSet<()>> {
        let mut tasks = JoinSet::new();
        let direct = direct(&self.allowed).into_iter().map(Some);
        for (listener, to) in listeners.into_iter().zip([None].into_iter().chain(direct)) {
            listener.set_nonblocking(true)?;
            let listener = TcpListener::from_std(listener)?;
            tasks.spawn(Arc::clone(&self).accept(listener, to));
        }
        Ok(tasks)
    }

    /// Takes connections of the proxy, or of the one place that a listener stands for.
    async fn accept(self: Arc<Self>, listener: TcpListener, to: Option<(String, u16)>) {
        let mut open = JoinSet::new();
        loop {
            while open.try_join_next().is_some() {}
            let Ok((stream, _)) = listener.accept().await else {
                tokio::time::sleep(ACCEPT_PAUSE).await;
                continue;
            };
            let Ok(permit) = Arc::clone(&self.room).try_acquire_owned() else {
                // Closed at once: who waited here would wait for connections of its own.
                self.refused("a further connection", "too many are open");
                continue;
            };
            let (egress, to) = (Arc::clone(&self), to.clone());
            open.spawn(async move {
                match to {
                    Some((host, port)) => egress.pass(stream, &host, port).await,
                    None => proxy::serve(egress, stream).await,
                }
                drop(permit);
            });
        }
    }

    /// Passes bytes both ways between a connection of the box and its place.
    async fn pass(&self, mut stream: TcpStream, host: &str, port: u16) {
        if let Ok(mut outside) = self.dial(host, port).await {
            // Either side may break off; nobody is there to tell.
            let _ = copy_bidirectional(&mut stream, &mut outside).await;
        }
    }

    /// Connects to a place, if it is allowed.
    async fn dial(&self, host: &str, port: u16) -> Result<TcpStream, &'static str> {
        let is_allowed = self.allowed.iter().any(|d| d.admits(host, port));
        let dialled = match is_allowed {
            true => dial::dial(host, port, self.is_reachable).await,
            false => Err("it is not in `sandbox.network.allow`"),
        };
        dialled.inspect_err(|why| self.refused(&format!("{host}:{port}"), why))
    }

    fn refused(&self, target: &str, why: &'static str) {
        let now = tokio::time::Instant::now();
        let more = {
            let mut told = self.told.lock();
            if told
                .since
                .is_none_or(|since| now.duration_since(since) > TOLD_WITHIN)
            {
                told.since = Some(now);
                told.count = 0;
            }
            if told.count >= TOLD_MAX {
                told.untold = told.untold.saturating_add(1);
                return;
            }
            told.count += 1;
            std::mem::take(&mut told.untold)
        };
        let target = cardea_domain::text::visible(target, 300, cardea_domain::text::Breaks::Shown);
        (self.on_refusal)(Refusal { target, why, more });
    }
}
