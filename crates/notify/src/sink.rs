//! One receiver: a queue that is never waited for, and a task that tries until the receiver has what is in it.

use std::{collections::BTreeSet, pin::Pin, sync::Arc};

use bytes::Bytes;
use cardea_domain::Clock;
use http::{HeaderMap, HeaderValue, Uri, header};
use rustls::ClientConfig;
use tokio::{
    sync::{Semaphore, mpsc},
    task::JoinSet,
};
use tokio_util::sync::{CancellationToken, DropGuard};
use url::Url;

use crate::{
    Notice, Pace, SigningSecret, Topic, form,
    post::{Answer, Post},
};

/// Notices that wait for one receiver; what comes when as many do is not told, and counted.
const QUEUE_MAX: usize = 1000;

/// Tries of one receiver at the same time: one notice that it cannot digest does not hold up all others.
const AT_ONCE_MAX: usize = 4;

/// Where notices go, and in which form.
#[derive(Clone)]
pub enum Receiver {
    /// A program, by a webhook that is signed with this secret.
    Webhook(Url, SigningSecret),
    /// Slack, by the secret address of an incoming webhook.
    Slack(Url),
    /// Microsoft Teams, by the secret address of a workflow.
    Teams(Url),
}

/// Everything that a sink is made from.
pub struct SinkSettings {
    /// Its name, unique within the tenant.
    pub name: String,
    /// Where notices go.
    pub receiver: Receiver,
    /// Which ones.
    pub topics: BTreeSet<Topic>,
    /// How servers show who they are.
    pub tls: ClientConfig,
    /// How often it tries.
    pub pace: Pace,
    /// The time that signatures carry.
    pub clock: Clock,
}

/// Hears what becomes of notices.
pub trait Watcher: Send + Sync {
    /// A try failed, and another one follows.
    fn retries(&self, sink: &str);

    /// A notice is done with. The sink waits for what this does.
    fn ended<'a>(
        &'a self,
        sink: &'a str,
        notice: &'a Notice,
        end: End,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

    /// There was no room in the queue.
    fn dropped(&self, sink: &str, notice: &Notice);
}

/// What became of a notice.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum End {
    /// The receiver has it.
    Delivered,
    /// It was tried as often as it may be, or the receiver wants nothing any more.
    GivenUp,
    /// Nobody needs to be told any more.
    Stale,
}

/// One receiver of one tenant. What it still has to tell is lost when it is dropped.
pub struct Sink {
    name: String,
    topics: BTreeSet<Topic>,
    queue: mpsc::Sender<Arc<Notice>>,
    watcher: Arc<dyn Watcher>,
    _stops: DropGuard,
}

impl Sink {
    /// Starts the sink's task on the runtime of the caller.
    #[must_use]
    pub fn start(settings: SinkSettings, watcher: Arc<dyn Watcher>) -> Self {
        let (queue, waiting) = mpsc::channel(QUEUE_MAX);
        let stopped = CancellationToken::new();
        let (name, topics) = (settings.name.clone(), settings.topics.clone());
        let courier = Arc::new(Courier::new(settings, Arc::clone(&watcher)));
        let until = stopped.clone();
        // Owned by the guard: it ends with the sink.
        drop(tokio::spawn(async move {
            tokio::select! {
                () = carry(courier, waiting) => {}
                () = until.cancelled() => {}
            }
        }));
        Self {
            name,
            topics,
            queue,
            watcher,
            _stops: stopped.drop_guard(),
        }
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Whether it wants to hear of this.
    #[must_use]
    pub fn wants(&self, topic: Topic) -> bool {
        self.topics.contains(&topic)
    }

    /// Queues a notice, without waiting for anything.
    pub fn offer(&self, notice: &Arc<Notice>) {
        if self.queue.try_send(Arc::clone(notice)).is_err() {
            let (sink, id) = (&self.name, &notice.id);
            let tenant = &notice.tenant;
            tracing::error!(%tenant, sink, notice = id, "as much waits for this receiver as may; it is not told of this");
            self.watcher.dropped(&self.name, notice);
        }
    }
}

async fn carry(courier: Arc<Courier>, mut waiting: mpsc::Receiver<Arc<Notice>>) {
    let places = Arc::new(Semaphore::new(AT_ONCE_MAX));
    // Dropped with this, which ends all tries.
    let mut tries = JoinSet::new();
    while let Ok(place) = Arc::clone(&places).acquire_owned().await {
        let Some(notice) = waiting.recv().await else {
            break;
        };
        let courier = Arc::clone(&courier);
        tries.spawn(async move {
            courier.deliver(&notice).await;
            drop(place);
        });
        while tries.try_join_next().is_some() {}
    }
    while tries.join_next().await.is_some() {}
}

/// What tries.
struct Courier {
    settings: SinkSettings,
    post: Option<Post>,
    watcher: Arc<dyn Watcher>,
}

impl Courier {
    fn new(settings: SinkSettings, watcher: Arc<dyn Watcher>) -> Self {
        let (Receiver::Webhook(url, _) | Receiver::Slack(url) | Receiver::Teams(url)) =
            &settings.receiver;
        // A URL that was checked is an address; one that is not is never tried, and each notice says so.
        let uri = url.as_str().parse::<Uri>().ok();
        let post = uri.map(|uri| Post::new(uri, settings.tls.clone(), settings.pace.timeout));
        Self {
            settings,
            post,
            watcher,
        }
    }

    async fn deliver(&self, notice: &Notice) {
        let end = self.try_all(notice).await;
        self.watcher.ended(&self.settings.name, notice, end).await;
    }

    async fn try_all(&self, notice: &Notice) -> End {
        let (tenant, sink, id) = (&notice.tenant, &self.settings.name, &notice.id);
        let mut failures = 0;
        loop {
            if self.settings.clock.unix_ms() >= notice.until_ms {
                tracing::warn!(%tenant, sink, notice = id, failures, "the receiver had it not in time; nobody needs it any more");
                return End::Stale;
            }
            let (why, retry_after) = match self.try_once(notice).await {
                Answer::Taken => return End::Delivered,
                Answer::Gone => {
                    tracing::error!(%tenant, sink, notice = id, "the receiver wants nothing any more (status 410); remove it from the configuration");
                    return End::GivenUp;
                }
                Answer::Failed { why, retry_after } => (why, retry_after),
            };
            failures += 1;
            let Some(wait) = self.settings.pace.wait(id, failures, retry_after) else {
                tracing::error!(%tenant, sink, notice = id, failures, why, "the receiver was not told; look at its address and its own log");
                return End::GivenUp;
            };
            tracing::warn!(%tenant, sink, notice = id, failures, why, wait_ms = wait.as_millis(), "the receiver did not take it; it is tried again");
            self.watcher.retries(sink);
            tokio::time::sleep(wait).await;
        }
    }

    async fn try_once(&self, notice: &Notice) -> Answer {
        let Some(post) = &self.post else {
            return Answer::Failed {
                why: "the address cannot be used".to_owned(),
                retry_after: None,
            };
        };
        let body = match &self.settings.receiver {
            Receiver::Webhook(..) => form::webhook(notice),
            Receiver::Slack(_) => form::slack(notice),
            Receiver::Teams(_) => form::teams(notice),
        };
        let body = Bytes::from(body.to_string());
        match self.headers(notice, &body) {
            Ok(headers) => {
                let now_s = self.settings.clock.unix_s();
                post.send(headers, body, now_s).await
            }
            Err(error) => Answer::Failed {
                why: error.to_string(),
                retry_after: None,
            },
        }
    }

    fn headers(
        &self,
        notice: &Notice,
        body: &[u8],
    ) -> Result<HeaderMap, header::InvalidHeaderValue> {
        let mut headers = HeaderMap::new();
        headers.insert(
            header::CONTENT_TYPE,
            HeaderValue::from_static("application/json"),
        );
        headers.insert(
            header::USER_AGENT,
            HeaderValue::from_static(concat!("cardea/", env!("CARGO_PKG_VERSION"))),
        );
        if let Receiver::Webhook(_, secret) = &self.settings.receiver {
            // Of this try, so that a receiver can refuse what is old.
            let now_s = self.settings.clock.unix_s();
            let signature = secret.signature(&notice.id, now_s, body);
            headers.insert("webhook-id", HeaderValue::from_str(&notice.id)?);
            headers.insert("webhook-timestamp", HeaderValue::from(now_s));
            headers.insert("webhook-signature", HeaderValue::from_str(&signature)?);
        }
        Ok(headers)
    }
}

impl std::fmt::Debug for Sink {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Sink")
            .field("name", &self.name)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
