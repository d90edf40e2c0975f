//! Connections to MCP servers. Each one accepts an `Authorised` call and nothing else.

mod connect;
mod http;
mod listing;
mod pool;
mod source;
mod stdio;

use std::{sync::Arc, time::Duration};

use ::http::StatusCode;
use bytes::Bytes;
use cardea_domain::{Code, Denial};
use cardea_registry::{Connection, Entry};
use thiserror::Error;

use crate::{
    way::Authorised,
    world::{Gateway, Limits},
};

pub(crate) use self::source::Source;
use self::{http::HttpUpstream, stdio::StdioUpstream};

/// The connections to one upstream of one tenant.
#[derive(Debug)]
pub struct Upstream {
    transport: Transport,
    call_timeout: Duration,
    stream_idle_timeout: Duration,
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

/// How long the gateway waits for a list that it asks for itself.
const LIST_MAX: Duration = Duration::from_secs(30);

impl Upstream {
    /// An upstream for this entry; nothing is connected or started before the first call.
    ///
    /// # Errors
    /// [`UpstreamError`] when the entry cannot be used.
    pub fn new(entry: &Entry, workers: usize, limits: &Limits) -> Result<Self, UpstreamError> {
        let transport = match entry.connection() {
            Connection::Http(server) => {
                Transport::Http(Box::new(HttpUpstream::new(server, workers, limits)?))
            }
            Connection::Stdio(server) => {
                Transport::Stdio(Arc::new(StdioUpstream::new(entry, server.clone(), limits)))
            }
        };
        Ok(Self {
            transport,
            call_timeout: limits.call_timeout,
            stream_idle_timeout: limits.stream_idle_timeout,
        })
    }

    /// Sends an authorised call and waits for the beginning of the reply.
    pub(crate) async fn send(
        &self,
        gateway: &Arc<Gateway>,
        call: &mut Authorised,
    ) -> Result<Reply, Denial> {
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

    /// Asks for the list of tools on behalf of a call and learns those that were not known: a client may call
    /// a tool that it knows from elsewhere.
    ///
    /// # Errors
    /// A denial when the server does not answer as it should.
    pub(crate) async fn learn(&self, gateway: &Gateway, call: &Authorised) -> Result<(), Denial> {
        let within = self.call_timeout.min(LIST_MAX);
        let learnt = async {
            match &self.transport {
                Transport::Http(upstream) => upstream.learn(gateway, call).await,
                Transport::Stdio(upstream) => upstream.learn(call).await,
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
