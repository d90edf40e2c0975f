//! Connections to MCP servers. Each one accepts an `Authorised` call and nothing else.

mod connect;
mod http;
mod listing;
mod pool;
mod server_identity;
mod source;
mod stdio;
mod survey;

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use ::http::StatusCode;
use bytes::Bytes;
use cardea_domain::{Code, Denial};
use cardea_mcp::{Message, method::List};
use cardea_registry::{Connection, Entry, Known};
use cardea_sandbox::Profile;
use thiserror::Error;

use crate::{
    way::Authorised,
    world::{Gateway, Limits},
};

pub(crate) use self::http::Alias;
pub(crate) use self::source::Source;
pub use self::stdio::blocked::Incident;
use self::{http::HttpUpstream, stdio::StdioUpstream};

/// The connections to one upstream of one tenant.
#[derive(Debug)]
pub struct Upstream {
    transport: Transport,
    call_timeout: Duration,
    stream_idle_timeout: Duration,
    /// Held while the gateway looks at the server as a whole; when it failed to last.
    pub(crate) looking: tokio::sync::Mutex<Option<Instant>>,
}

#[derive(Debug)]
enum Transport {
    Http(Box<HttpUpstream>),
    Stdio(Arc<StdioUpstream>),
}

/// An upstream cannot be used as configured.
#[derive(Debug, Error)]
pub enum UpstreamError {
    /// The URL has no host, or is not http or https.
    #[error("`{0}` is not an http or https URL with a host")]
    Url(String),
    /// A certificate or key could not be used.
    #[error("cannot use the client certificate {path}: {reason}")]
    ClientCertificate {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
    /// A CA file could not be used.
    #[error("cannot use the CA file {path}: {reason}")]
    Ca {
        /// The file.
        path: String,
        /// Why.
        reason: String,
    },
}

/// What an upstream said.
#[derive(Debug)]
pub(crate) enum Reply {
    /// One message, with the status and the upstream's own session id, if it gave one.
    Whole {
        status: StatusCode,
        session: Option<String>,
        text: Bytes,
    },
    /// A stream of messages.
    Stream {
        session: Option<String>,
        source: Box<Source>,
    },
    /// No message: a notification was accepted, a session ended, a stream is not offered.
    Empty { status: StatusCode },
}

/// Refuses what nobody has approved.
///
/// # Errors
/// [`Code::UpstreamIdentity`].
fn check_held(known: &Known) -> Result<(), Denial> {
    match known.entry().is_held() {
        true => Err(stranger(
            "the server was added, and nobody has approved it, or it is another one by now",
        )),
        false => Ok(()),
    }
}

/// How long the gateway waits for a list that it asks for itself.
const LIST_MAX: Duration = Duration::from_secs(30);

impl Upstream {
    /// An upstream for this entry; nothing is connected or started before the first call. Processes of one that is a command
    /// are started in this sandbox, or plainly where there is none.
    ///
    /// # Errors
    /// [`UpstreamError`] when the entry cannot be used.
    pub fn new(
        entry: &Entry,
        workers: usize,
        sandbox: Option<Profile>,
        limits: &Limits,
    ) -> Result<Self, UpstreamError> {
        let transport = match entry.connection() {
            Connection::Http(server) => {
                Transport::Http(Box::new(HttpUpstream::new(server, workers, limits)?))
            }
            Connection::Stdio(server) => {
                let stdio = StdioUpstream::new(entry, server.clone(), sandbox, limits);
                Transport::Stdio(Arc::new(stdio))
            }
        };
        Ok(Self {
            transport,
            call_timeout: limits.call_timeout,
            stream_idle_timeout: limits.stream_idle_timeout,
            looking: tokio::sync::Mutex::default(),
        })
    }

    /// Sends an authorised call and waits for the beginning of the reply.
    pub(crate) async fn send(
        &self,
        gateway: &Arc<Gateway>,
        call: &mut Authorised,
    ) -> Result<Reply, Denial> {
        check_held(call.known())?;
        let within = self.call_timeout;
        let started = tokio::time::Instant::now();
        let reply = match &self.transport {
            Transport::Http(upstream) => {
                tokio::time::timeout(within, upstream.send(gateway, call)).await
            }
            Transport::Stdio(upstream) => tokio::time::timeout(within, upstream.send(call)).await,
        };
        let took = u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX);
        call.call_mut().upstream_took(took);
        reply.unwrap_or_else(|_| Err(timed_out(within)))
    }

    /// Asks for a list on behalf of a call, and learns it: a client may call a tool that it knows from elsewhere.
    ///
    /// # Errors
    /// A denial when the server does not answer as it should.
    pub(crate) async fn learn(
        &self,
        gateway: &Gateway,
        call: &Authorised,
        list: List,
    ) -> Result<(), Denial> {
        check_held(call.known())?;
        let within = self.call_timeout.min(LIST_MAX);
        let learnt = async {
            match &self.transport {
                Transport::Http(upstream) => upstream.learn(gateway, call, list).await,
                Transport::Stdio(upstream) => upstream.learn(call, list).await,
            }
        };
        let learnt = tokio::time::timeout(within, learnt).await;
        learnt.unwrap_or_else(|_| Err(timed_out(within)))
    }

    /// Answers a request that the upstream made on a stream of this call, such as the refusal of
    /// a sampling request.
    pub(crate) async fn answer_back(&self, call: &Authorised, text: Bytes) -> Result<(), Denial> {
        match &self.transport {
            Transport::Http(upstream) => upstream.answer_back(call, text).await,
            Transport::Stdio(upstream) => upstream.answer_back(call, text).await,
        }
    }

    /// Ends what nobody will use any more: called when the upstream left the configuration.
    pub(crate) fn retire(&self) {
        match &self.transport {
            Transport::Http(upstream) => upstream.retire(),
            Transport::Stdio(upstream) => upstream.retire(),
        }
    }
}

impl Upstream {
    /// From a call's start to its final answer, whatever its progress.
    pub(crate) fn call_timeout(&self) -> Duration {
        self.call_timeout
    }

    /// A stream on which the upstream says nothing.
    pub(crate) fn stream_idle_timeout(&self) -> Duration {
        self.stream_idle_timeout
    }

    /// What the sandboxes of its processes kept them from lately, the newest last.
    #[must_use]
    pub fn incidents(&self) -> Vec<Incident> {
        match &self.transport {
            Transport::Http(_) => Vec::new(),
            Transport::Stdio(upstream) => upstream.incidents(),
        }
    }

    /// Whether the gateway failed to look at it a moment ago.
    pub(crate) fn looked_in_vain_within(&self, within: Duration) -> bool {
        let failed = self.looking.try_lock();
        failed.is_ok_and(|failed| failed.is_some_and(|at| at.elapsed() < within))
    }

    /// Ends everything now: called when the gateway ends.
    pub(crate) fn stop(&self) {
        match &self.transport {
            Transport::Http(upstream) => upstream.retire(),
            Transport::Stdio(upstream) => upstream.stop(),
        }
    }

    /// Returns when nothing of a stopped upstream is running any more.
    pub(crate) async fn ended(&self) {
        if let Transport::Stdio(upstream) = &self.transport {
            upstream.ended().await;
        }
    }
}

fn timed_out(within: Duration) -> Denial {
    Denial::new(
        Code::UpstreamTimeout,
        format!("the server did not answer within {} s", within.as_secs()),
    )
    .help("try again, or ask for less at once")
}

/// Refuses what a client may read as another message than the one that is checked here.
pub(crate) fn unambiguous(message: &Message) -> Result<(), Denial> {
    match message.lookalike().or_else(|| message.lookalike_in_body()) {
        None => Ok(()),
        Some(alike) => Err(malformed(format!(
            "`{}` differs from a name of the protocol by its case only",
            alike.escape_debug()
        ))),
    }
}

pub(crate) fn malformed(detail: impl std::fmt::Display) -> Denial {
    Denial::new(
        Code::UpstreamMalformed,
        "the server's answer was not usable",
    )
    .help("tell whoever runs the gateway; the record has the details")
    .detail(detail)
}

pub(crate) fn unreachable(detail: impl std::fmt::Display) -> Denial {
    Denial::new(Code::UpstreamUnreachable, "the server cannot be reached")
        .help("try again later")
        .detail(detail)
}

/// The server is not the one that was configured.
pub(crate) fn stranger(detail: impl std::fmt::Display) -> Denial {
    Denial::new(
        Code::UpstreamIdentity,
        "the server is not the one that was approved",
    )
    .help("tell whoever runs the gateway; the record has the details")
    .detail(detail)
}

pub(crate) fn closed(detail: impl std::fmt::Display) -> Denial {
    Denial::new(Code::UpstreamClosed, "the server went away during the call")
        .help("try again; whether the call had an effect is not known")
        .detail(detail)
}

pub(crate) fn too_large(max: usize) -> Denial {
    Denial::new(
        Code::UpstreamTooLarge,
        format!("the server's answer is over {max} bytes"),
    )
    .help("ask for less at once")
}
