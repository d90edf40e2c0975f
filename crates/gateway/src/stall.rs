//! A connection whose peer must take what is written to it.
//!
//! HTTP libraries bound how long a head may take to arrive, and nothing bounds how long an answer
//! may take to leave: a peer that never reads would hold its connection, and the answer in
//! memory, for ever, and could do so without a token.

use std::{
    io::{self, IoSlice},
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    time::Sleep,
};

/// How long a peer may take nothing at all. What it has taken shows only once the kernel has room
/// for about a third of its buffer, so a peer that sips counts as one that takes nothing.
pub(crate) const STALL_MAX: Duration = Duration::from_secs(30);

/// A stream whose writes fail once the peer has taken nothing for a given time.
#[derive(Debug)]
pub(crate) struct Unstalled<S> {
    stream: S,
    within: Duration,
    /// Runs while a write waits for the peer.
    waiting: Option<Pin<Box<Sleep>>>,
}

impl<S> Unstalled<S> {
    pub(crate) fn new(stream: S, within: Duration) -> Self {
        Self {
            stream,
            within,
            waiting: None,
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
        let within = self.within;
        let waiting = self
            .waiting
            .get_or_insert_with(|| Box::pin(tokio::time::sleep(within)));
        ready!(waiting.as_mut().poll(context));
        Poll::Ready(Err(io::Error::new(
            io::ErrorKind::TimedOut,
            "the peer does not take what is sent to it",
        )))
    }
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

impl<S: AsyncWrite + Unpin> AsyncWrite for Unstalled<S> {
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

    #[tokio::test]
    async fn a_peer_that_takes_nothing_is_given_up() {
        let (ours, _theirs) = tokio::io::duplex(64);
        let mut ours = Unstalled::new(ours, WITHIN);
        let started = Instant::now();

        let error = ours.write_all(&[0; 1000]).await.unwrap_err();

        assert_eq!(error.kind(), io::ErrorKind::TimedOut);
        assert!(started.elapsed() >= WITHIN);
    }

    #[tokio::test]
    async fn whatever_a_peer_takes_begins_the_wait_anew() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let mut ours = Unstalled::new(ours, WITHIN);
        assert!(write_once(&mut ours).await.is_ready());
        assert!(write_once(&mut ours).await.is_pending());
        assert!(ours.waiting.is_some());

        theirs.read_exact(&mut [0; 64]).await.unwrap();

        assert!(write_once(&mut ours).await.is_ready());
        assert!(ours.waiting.is_none());
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
