//! Kept-alive connections to one HTTP upstream, a shelf per worker.
//!
//! A connection is driven by the runtime that dialled it, so it goes back to the shelf of its
//! worker: a call never waits for another core.

use std::{
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    task::{Context, Poll},
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::Full;
use hyper::{body::Incoming, client::conn::http1::SendRequest};
use parking_lot::Mutex;
use rustls::CertificateError;

use super::{closed, connect::Dialer, stranger, unreachable};
use cardea_domain::Denial;

type Sender = SendRequest<Full<Bytes>>;

/// Connections to one upstream.
#[derive(Debug)]
pub(super) struct Pool {
    dialer: Dialer,
    shelves: Vec<Arc<Shelf>>,
}

#[derive(Debug)]
struct Shelf {
    idle: Mutex<Vec<Idle>>,
    retired: AtomicBool,
}

struct Idle {
    sender: Sender,
    since: Instant,
}

impl std::fmt::Debug for Idle {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Idle")
            .field("since", &self.since)
            .finish_non_exhaustive()
    }
}

/// Idle connections kept per worker; more than a worker has calls under way at most times.
const IDLE_MAX: usize = 256;
/// Servers of Python (uvicorn) and Node close idle connections after 5 s. A call that is sent in that moment fails, and whether it
/// had an effect is not known: so a connection is left before its server leaves it.
const IDLE_TIME_MAX: Duration = Duration::from_secs(4);

impl Pool {
    pub(super) fn new(dialer: Dialer, workers: usize) -> Self {
        let shelf = || {
            Arc::new(Shelf {
                idle: Mutex::default(),
                retired: AtomicBool::new(false),
            })
        };
        Self {
            dialer,
            shelves: (0..workers.max(1)).map(|_| shelf()).collect(),
        }
    }

    /// Sends a request over a kept or new connection.
    ///
    /// A request that a kept connection did not take is sent again over a new one; one that may
    /// have reached the server never is.
    pub(super) async fn send(
        &self,
        worker: usize,
        mut request: Request<Full<Bytes>>,
    ) -> Result<Response<Leased>, Denial> {
        let shelf = self.shelf(worker)?;
        while let Some(mut sender) = shelf.take() {
            if sender.ready().await.is_err() {
                continue;
            }
            match sender.try_send_request(request).await {
                Ok(response) => return Ok(lease(response, sender, shelf)),
                Err(mut refused) => match refused.take_message() {
                    Some(unsent) => request = unsent,
                    None => return Err(closed(refused.into_error())),
                },
            }
        }
        let mut sender = self.dialer.dial().await.map_err(not_dialled)?;
        match sender.send_request(request).await {
            Ok(response) => Ok(lease(response, sender, shelf)),
            Err(error) => Err(closed(error)),
        }
    }

    pub(super) fn retire(&self) {
        for shelf in &self.shelves {
            shelf.retired.store(true, Ordering::Release);
            shelf.idle.lock().clear();
        }
    }

    fn shelf(&self, worker: usize) -> Result<&Arc<Shelf>, Denial> {
        let index = worker % self.shelves.len().max(1);
        self.shelves
            .get(index)
            .ok_or_else(|| unreachable("no connections are configured"))
    }
}

impl Shelf {
    fn take(&self) -> Option<Sender> {
        let mut idle = self.idle.lock();
        while let Some(kept) = idle.pop() {
            if !kept.sender.is_closed() && kept.since.elapsed() < IDLE_TIME_MAX {
                return Some(kept.sender);
            }
        }
        None
    }

    fn put(&self, sender: Sender) {
        if self.retired.load(Ordering::Acquire) || sender.is_closed() {
            return;
        }
        let mut idle = self.idle.lock();
        if idle.len() >= IDLE_MAX {
            idle.retain(|kept| !kept.sender.is_closed() && kept.since.elapsed() < IDLE_TIME_MAX);
        }
        if idle.len() < IDLE_MAX {
            idle.push(Idle {
                sender,
                since: Instant::now(),
            });
        }
    }
}

/// Whether somebody else answered, or nobody.
fn not_dialled(error: std::io::Error) -> Denial {
    let inner = error.get_ref().and_then(|inner| inner.downcast_ref());
    match inner {
        Some(rustls::Error::InvalidCertificate(CertificateError::Other(other))) => {
            stranger(&other.0)
        }
        Some(rustls::Error::InvalidCertificate(_)) => stranger(error),
        _ => unreachable(error),
    }
}

fn lease(response: Response<Incoming>, sender: Sender, shelf: &Arc<Shelf>) -> Response<Leased> {
    response.map(|body| Leased {
        body,
        lease: Some((sender, Arc::clone(shelf))),
    })
}

/// An answer's body; its connection goes back to the shelf at the body's end, and is closed when
/// the body is dropped before that.
pub(crate) struct Leased {
    body: Incoming,
    lease: Option<(Sender, Arc<Shelf>)>,
}

impl Leased {
    fn give_back(&mut self) {
        if let Some((sender, shelf)) = self.lease.take() {
            shelf.put(sender);
        }
    }
}

impl Body for Leased {
    type Data = Bytes;
    type Error = hyper::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, hyper::Error>>> {
        let polled = Pin::new(&mut self.body).poll_frame(context);
        if matches!(polled, Poll::Ready(None)) || self.body.is_end_stream() {
            self.give_back();
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Leased {
    fn drop(&mut self) {
        if self.body.is_end_stream() {
            self.give_back();
        }
    }
}

impl std::fmt::Debug for Leased {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Leased").finish_non_exhaustive()
    }
}
