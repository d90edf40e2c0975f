//! A connection whose peer must take what is written to it.
//!
//! HTTP libraries bound how long a head may take to arrive, and nothing bounds how long an answer
//! may take to leave: a peer that never reads would hold its connection, and the answer in
//! memory, for ever, and could do so without a token.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll, ready},
    time::Duration,
};

use futures_util::task::AtomicWaker;
use parking_lot::Mutex;
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
    time::{Instant, Sleep},
};
use tokio_rustls::server::TlsStream;

/// How long a peer may take nothing at all. What it has taken shows only once the kernel has room
/// for about a third of its buffer, so a peer that sips counts as one that takes nothing.
pub(crate) const STALL_MAX: Duration = Duration::from_secs(30);

/// A stream whose writes fail once the peer has taken nothing for a given time, or not all of it by a given moment.
#[derive(Debug)]
pub(crate) struct Unstalled<S> {
    stream: S,
    within: Duration,
    patience: Patience,
    /// Runs while a write waits for the peer.
    waiting: Option<Pin<Box<Sleep>>>,
    /// Runs while a write waits and there is a moment by which it must not any more.
    ending: Option<Pin<Box<Sleep>>>,
}

/// How long one connection waits for its peer, in the hands of the call that it carries.
#[derive(Debug, Clone, Default)]
pub(crate) struct Patience(Arc<Shared>);

#[derive(Debug, Default)]
struct Shared {
    /// When the connection breaks off.
    ends_at: Mutex<Option<Instant>>,
    /// Whether there is such a moment, so that a look at none costs one load.
    is_ending: AtomicBool,
    /// Whether nothing more of the call is to come.
    is_handed_over: AtomicBool,
    /// Told when a moment is set while a write waits.
    waker: AtomicWaker,
}

impl Patience {
    /// The peer has this long to take what is left of the call.
    pub(crate) fn end_within(&self, within: Duration) {
        *self.0.ends_at.lock() = Some(Instant::now() + within);
        self.0.is_ending.store(true, Ordering::Release);
        self.0.waker.wake();
    }

    /// The connection has all of the call.
    pub(crate) fn handed_over(&self) {
        self.0.is_handed_over.store(true, Ordering::Release);
    }

    fn ends_at(&self) -> Option<Instant> {
        let is_ending = self.0.is_ending.load(Ordering::Acquire);
        is_ending.then(|| *self.0.ends_at.lock()).flatten()
    }

    /// Whatever the connection had is the peer's: with all of the call among it, there is no hurry any more.
    fn flushed(&self) {
        if self.0.is_handed_over.swap(false, Ordering::AcqRel) {
            *self.0.ends_at.lock() = None;
            self.0.is_ending.store(false, Ordering::Release);
        }
    }
}

/// Connections that can be broken off together with what the kernel still holds for the peer.
pub(crate) trait Reset {
    /// What the kernel holds is thrown away when the connection is closed.
    fn reset(&self);
}

impl Reset for TcpStream {
    fn reset(&self) {
        // Where the kernel does not take it, the connection is closed all the same.
        let _ = socket2::SockRef::from(self).set_linger(Some(Duration::ZERO));
    }
}

impl Reset for TlsStream<TcpStream> {
    fn reset(&self) {
        self.get_ref().0.reset();
    }
}

impl<S: Reset> Unstalled<S> {
    pub(crate) fn new(stream: S, within: Duration, patience: Patience) -> Self {
        Self {
            stream,
            within,
            patience,
            waiting: None,
            ending: None,
        }
    }

    /// Passes on what is done, and ends what has waited for too long.
    fn watch<T>(
        &mut self,
        context: &mut Context<'_>,
        polled: Poll<io::Result<T>>,
    ) -> Poll<io::Result<T>> {
        if polled.is_ready() {
            self.waiting = None;
            return polled;
        }
        // Hears from here on, so that a moment that is set now is not missed.
        self.patience.0.waker.register(context.waker());
        if let Some(at) = self.patience.ends_at() {
            let ending = self
                .ending
                .get_or_insert_with(|| Box::pin(tokio::time::sleep_until(at)));
            if ending.as_mut().poll(context).is_ready() {
                self.stream.reset();
                return Poll::Ready(Err(stalled("the peer is slow to take the end of its call")));
            }
        }
        let within = self.within;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(stalled("the peer does not take what is sent to it")))
    }
}

fn stalled(what: &'static str) -> io::Error {
    io::Error::new(io::ErrorKind::TimedOut, what)
}

impl<S: AsyncRead + Unpin> AsyncRead for Unstalled<S> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_read(context, buffer)
    }
}

impl<S: AsyncWrite + Reset + Unpin> AsyncWrite for Unstalled<S> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write(context, bytes);
        self.watch(context, polled)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        slices: &[IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let polled = Pin::new(&mut self.stream).poll_write_vectored(context, slices);
        self.watch(context, polled)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_flush(context);
        if matches!(polled, Poll::Ready(Ok(()))) {
            self.patience.flushed();
            self.ending = None;
        }
        self.watch(context, polled)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        let polled = Pin::new(&mut self.stream).poll_shutdown(context);
        self.watch(context, polled)
    }
}

#[cfg(test)]
mod tests {
    use tokio::{
        io::{AsyncReadExt as _, AsyncWriteExt as _},
        time::Instant,
    };

    use super::*;

    const WITHIN: Duration = Duration::from_millis(50);
    const LONG: Duration = Duration::from_secs(3600);

    impl Reset for tokio::io::DuplexStream {
        fn reset(&self) {}
    }

    #[tokio::test]
    async fn a_peer_that_sips_does_not_outlast_the_end_of_its_call() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let patience = Patience::default();
        let mut ours = Unstalled::new(ours, LONG, patience.clone());
        // Without an end it would take minutes.
        let sips = async {
            let mut pause = tokio::time::interval(Duration::from_millis(5));
            loop {
                theirs.read_exact(&mut [0; 8]).await.unwrap();
                pause.tick().await;
            }
        };
        let writes = async {
            ours.write_all(&[0; 64]).await.unwrap();
            patience.end_within(WITHIN);
            ours.write_all(&[0; 1_000_000]).await
        };
        let written = tokio::select! {
            written = tokio::time::timeout(100 * WITHIN, writes) => written.unwrap(),
            () = sips => Ok(()),
        };
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn an_end_that_is_set_while_a_write_waits_is_heard() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let patience = Patience::default();
        let mut ours = Unstalled::new(ours, LONG, patience.clone());
        let mut writes = std::pin::pin!(ours.write_all(&[0; 1000]));
        assert!(is_pending(writes.as_mut()).await);
        patience.end_within(WITHIN);
        let written = tokio::time::timeout(100 * WITHIN, writes).await.unwrap();
        assert_eq!(written.unwrap_err().kind(), io::ErrorKind::TimedOut);
    }

    #[tokio::test]
    async fn a_peer_that_took_the_end_of_one_call_has_time_for_the_next() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let patience = Patience::default();
        let mut ours = Unstalled::new(ours, LONG, patience.clone());
        ours.write_all(&[0; 64]).await.unwrap();
        patience.end_within(Duration::ZERO);
        patience.handed_over();
        ours.flush().await.unwrap();
        let mut writes = std::pin::pin!(ours.write_all(&[0; 8]));
        assert!(is_pending(writes.as_mut()).await);
        theirs.read_exact(&mut [0; 64]).await.unwrap();
        writes.await.unwrap();
    }

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let mut ours = Unstalled::new(ours, WITHIN, Patience::default());
        let started = Instant::now();

        let error = ours.write_all(&[0; 1000]).await.unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= WITHIN);
    }

    #[tokio::test]
    async fn whatever_a_peer_takes_begins_the_wait_anew() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut ours = Unstalled::new(ours, WITHIN, Patience::default());
        assert!(write_once(&mut ours).await.is_ready());
        assert!(write_once(&mut ours).await.is_pending());
        assert!(ours.waiting.is_some());

        theirs.read_exact(&mut [0; 64]).await.unwrap();

        assert!(write_once(&mut ours).await.is_ready());
        assert!(ours.waiting.is_none());
    }

    async fn is_pending(mut future: Pin<&mut impl Future>) -> bool {
        std::future::poll_fn(|context| Poll::Ready(future.as_mut().poll(context).is_pending()))
            .await
    }

    /// Writes as much as the peer's buffer holds; `Pending` when it is full.
    async fn write_once(stream: &mut Unstalled<tokio::io::DuplexStream>) -> Poll<()> {
        std::future::poll_fn(|context| {
            let polled = Pin::new(&mut *stream).poll_write(context, &[0; 64]);
            Poll::Ready(polled.map(|written| assert_eq!(written.unwrap(), 64)))
        })
        .await
    }
}
