//! Tells one tenant's receivers what happens to its access.
//!
//! What it is: from changes of the access room to notices of `cardea-notify`. It runs beside decisions and none waits for
//! it. What it is not: no record. What is lost here, when a receiver stays away or the process ends, is in the log.
//!
//! That people are asked to decide must not get lost: such a notice is made again, at a start, a reload, and when
//! changes came too fast, for every request that still waits and whose notice the receiver has not taken.

mod notices;
mod seen;

use std::{collections::HashMap, pin::Pin, sync::Arc};

use cardea_access::{Access, AccessRequest, Change, Lock, RequestState};
use cardea_domain::{LockId, TenantId};
use cardea_notify::{End, Kind, Notice, Sink, Watcher};
use parking_lot::Mutex;
use tokio::sync::{Notify, broadcast};
use tokio_util::sync::{CancellationToken, DropGuard};

use self::{notices::Pages, seen::Seen};
use crate::world::Gateway;

/// The receivers of one tenant; outlives worlds. Tells nothing more once it is dropped.
pub struct Herald {
    shared: Arc<Shared>,
    _stops: DropGuard,
}

struct Shared {
    gateway: Arc<Gateway>,
    access: Arc<Access>,
    places: Mutex<Arc<[Place]>>,
    /// Told when there are other receivers.
    renewed: Notify,
}

/// A receiver, and what was offered to it.
#[derive(Clone)]
struct Place {
    sink: Arc<Sink>,
    seen: Arc<Mutex<Seen>>,
}

impl Herald {
    /// Begins to listen, on the runtime of the caller.
    #[must_use]
    pub fn start(gateway: &Arc<Gateway>, access: &Arc<Access>) -> Self {
        let shared = Arc::new(Shared {
            gateway: Arc::clone(gateway),
            access: Arc::clone(access),
            places: Mutex::new(Arc::from([])),
            renewed: Notify::new(),
        });
        let stopped = CancellationToken::new();
        let (of, until, changes) = (Arc::clone(&shared), stopped.clone(), access.subscribe());
        // Owned by the guard: it ends with the herald.
        drop(tokio::spawn(async move {
            tokio::select! {
                () = of.tell_all(changes) => {}
                () = until.cancelled() => {}
            }
        }));
        Self {
            shared,
            _stops: stopped.drop_guard(),
        }
    }

    /// From here on these are the receivers. Those that were among the last ones go on with what they have.
    pub fn set(&self, sinks: Vec<Arc<Sink>>) {
        let mut places = self.shared.places.lock();
        let next = sinks.into_iter().map(|sink| {
            let known = places.iter().find(|p| Arc::ptr_eq(&p.sink, &sink));
            known.cloned().unwrap_or_else(|| Place {
                sink,
                seen: Arc::default(),
            })
        });
        let next: Arc<[Place]> = next.collect();
        *places = next;
        drop(places);
        self.shared.renewed.notify_one();
    }
}

impl Shared {
    async fn tell_all(&self, mut changes: broadcast::Receiver<Change>) {
        let mut locks = self.locks();
        loop {
            tokio::select! {
                () = self.renewed.notified() => self.catch_up().await,
                change = changes.recv() => match change {
                    Ok(change) => self.tell(change, &mut locks).await,
                    Err(broadcast::error::RecvError::Lagged(missed)) => {
                        let tenant = self.access.tenant();
                        tracing::error!(%tenant, missed, "changes came too fast; receivers are not told of some decisions, grants or locks");
                        locks = self.locks();
                        self.catch_up().await;
                    }
                    Err(broadcast::error::RecvError::Closed) => return,
                },
            }
        }
    }

    fn locks(&self) -> HashMap<LockId, Lock> {
        let locks = self.access.locks().into_iter();
        locks.map(|lock| (lock.id.clone(), lock)).collect()
    }

    /// Makes the notices of all requests that wait once more.
    async fn catch_up(&self) {
        for request in self.access.pending_requests() {
            self.announce(&request).await;
        }
    }

    async fn tell(&self, change: Change, locks: &mut HashMap<LockId, Lock>) {
        let tenant = self.access.tenant();
        match change {
            Change::Request { id, state, .. } => match self.access.request(&id).await {
                // What became of it since is told by a change of its own.
                Ok(Some(request)) if request.state == state => self.announce(&request).await,
                Ok(_) => {}
                Err(error) => {
                    tracing::error!(%tenant, request = %id, %error, "receivers are not told of this request");
                }
            },
            Change::Grant {
                id,
                ended: Some(reason),
                ..
            } => match self.access.grant_view(&id).await {
                Ok(Some(grant)) => {
                    self.offer(notices::grant_ended(
                        &grant,
                        reason,
                        self.now_ms(),
                        &self.pages(),
                    ));
                }
                Ok(None) => {}
                Err(error) => {
                    tracing::error!(%tenant, grant = %id, %error, "receivers are not told of this grant");
                }
            },
            Change::Lock { id, is_set } => {
                if is_set {
                    *locks = self.locks();
                }
                let known = match is_set {
                    true => locks.get(&id).cloned(),
                    false => locks.remove(&id),
                };
                if let Some(lock) = known {
                    self.offer(notices::lock(&lock, is_set, self.now_ms(), &self.pages()));
                }
            }
            _ => {}
        }
    }

    async fn announce(&self, request: &AccessRequest) {
        let pages = self.pages();
        if request.state != RequestState::Pending {
            self.offer(notices::decided(request, self.now_ms(), &pages));
            return;
        }
        let entitlement = pages.entitlements.entitlement(&request.entitlement);
        let notice = Arc::new(notices::requested(request, entitlement, &pages));
        for place in self.places_for(&notice) {
            if !place.seen.lock().is_new(&notice.id) {
                continue;
            }
            // Where it cannot be read, being told twice is better than not at all.
            let was_told = self
                .access
                .was_told(place.sink.name(), &notice.id)
                .await
                .unwrap_or(false);
            if !was_told {
                place.sink.offer(&notice);
            }
        }
    }

    fn offer(&self, notice: Notice) {
        let notice = Arc::new(notice);
        for place in self.places_for(&notice) {
            if place.seen.lock().is_new(&notice.id) {
                place.sink.offer(&notice);
            }
        }
    }

    fn places_for(&self, notice: &Notice) -> Vec<Place> {
        let places = Arc::clone(&self.places.lock());
        let topic = notice.kind.topic();
        let wanting = places.iter().filter(|p| p.sink.wants(topic));
        wanting.cloned().collect()
    }

    /// Where things are and what they are called, in the world as it is now.
    fn pages(&self) -> Pages {
        let tenant = self.access.tenant();
        let world = self.gateway.world();
        let access = world.tenants.get(tenant).and_then(|t| t.access.as_ref());
        Pages {
            tenant: tenant.clone(),
            requests: access.map(|access| access.pages.clone()),
            entitlements: access.map(|a| a.entitlements.clone()).unwrap_or_default(),
        }
    }

    fn now_ms(&self) -> u64 {
        self.gateway.clock.unix_ms()
    }
}

/// Counts what becomes of notices, and remembers which requests a receiver knows of.
pub struct NoticeWatch {
    /// Whose metrics count.
    pub gateway: Arc<Gateway>,
    /// The tenant's access.
    pub access: Arc<Access>,
}

impl NoticeWatch {
    fn count(&self, sink: &str, result: &'static str) {
        let tenant: &TenantId = self.access.tenant();
        self.gateway.metrics.notified(tenant.as_str(), sink, result);
    }
}

impl Watcher for NoticeWatch {
    fn retries(&self, sink: &str) {
        self.count(sink, "retried");
    }

    fn ended<'a>(
        &'a self,
        sink: &'a str,
        notice: &'a Notice,
        end: End,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        let result = match end {
            End::Delivered => "delivered",
            End::GivenUp => "given_up",
            End::Stale => "stale",
        };
        Box::pin(async move {
            if end == End::Delivered
                && notice.kind == Kind::Requested
                && let Err(error) = self.access.note_told(sink, &notice.id).await
            {
                let tenant = &notice.tenant;
                tracing::warn!(%tenant, sink, notice = notice.id, %error, "it is told again after a restart");
            }
            self.count(sink, result);
        })
    }

    fn dropped(&self, sink: &str, _: &Notice) {
        self.count(sink, "dropped");
    }
}

impl std::fmt::Debug for Herald {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Herald")
            .field("tenant", self.shared.access.tenant())
            .finish_non_exhaustive()
    }
}
