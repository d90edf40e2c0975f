//! What has changed, as server-sent events, each to those alone who may see what it is about.

use std::{collections::HashMap, sync::Arc, time::Duration};

use bytes::Bytes;
use cardea_access::{Access, Change, Entitlements};
use cardea_domain::{SubjectId, TenantId};
use futures_util::stream;
use http::{Response, StatusCode, header};
use parking_lot::Mutex;
use serde_json::json;
use tokio::{
    sync::broadcast::{Receiver, error::RecvError},
    time::{Instant, timeout_at},
};

use crate::{
    caller::Caller,
    desk::Desk,
    refusal::Refusal,
    reply::{self, Body, Reply},
};

/// Tabs of one person. Browsers open no more than six to one host over HTTP/1.
const PER_PERSON_MAX: usize = 6;
/// A tenant's share: each costs a connection and a few hundred bytes.
const PER_TENANT_MAX: usize = 500;
/// A stream ends, and the browser begins a new one, which looks at the login again: for no longer
/// than this does somebody see changes who has logged out or lost a role.
pub(crate) const STREAM_MAX: Duration = Duration::from_secs(300);
/// A comment now and then shows that both ends are there; proxies drop what is silent.
const BEAT: Duration = Duration::from_secs(20);

/// How many streams people hold open.
#[derive(Debug, Default)]
pub(crate) struct Streams(Mutex<HashMap<TenantId, HashMap<SubjectId, usize>>>);

/// One counted stream; given back when dropped.
struct Place {
    streams: Arc<Streams>,
    tenant: TenantId,
    subject: SubjectId,
}

/// A stream under way.
struct Watch {
    changes: Receiver<Change>,
    access: Arc<Access>,
    entitlements: Entitlements,
    caller: Caller,
    ends: Instant,
    begun: bool,
    _place: Place,
}

/// Begins a stream.
pub(crate) fn stream(desk: &Desk<'_>) -> Result<Reply, Refusal> {
    let person = &desk.caller.person;
    let place = desk
        .console
        .streams
        .enter(&person.tenant, &person.subject)?;
    let watch = Watch {
        changes: desk.access.subscribe(),
        access: Arc::clone(&desk.access),
        entitlements: desk.entitlements.clone(),
        caller: desk.caller.clone(),
        ends: Instant::now() + desk.console.stream_max,
        begun: false,
        _place: place,
    };
    let events = stream::unfold(watch, |mut watch| async move {
        let text = watch.next().await?;
        Some((text, watch))
    });
    let (head, _) = reply::typed(StatusCode::OK, "text/event-stream", Bytes::new()).into_parts();
    let mut reply = Response::from_parts(head, Body::Events(Box::pin(events)));
    // Proxies that buffer answers would keep events back.
    reply::set(
        &mut reply,
        header::HeaderName::from_static("x-accel-buffering"),
        "no",
    );
    Ok(reply)
}

impl Watch {
    /// The next piece of the stream; `None` at its end.
    async fn next(&mut self) -> Option<Bytes> {
        if !std::mem::replace(&mut self.begun, true) {
            return Some(Bytes::from_static(b"retry: 2000\n\n"));
        }
        loop {
            let now = Instant::now();
            if now >= self.ends {
                return None;
            }
            let wait = self.ends.min(now + BEAT);
            match timeout_at(wait, self.changes.recv()).await {
                Err(_) => return Some(Bytes::from_static(b": here\n\n")),
                Ok(Ok(change)) => {
                    if let Some(event) = self.event(&change).await {
                        return Some(event);
                    }
                }
                // What was missed is said to be: the page looks at everything again.
                Ok(Err(RecvError::Lagged(_))) => return Some(event("all", "")),
                Ok(Err(RecvError::Closed)) => return None,
            }
        }
    }

    /// A change as an event, where it is this person's to see.
    async fn event(&self, change: &Change) -> Option<Bytes> {
        match change {
            Change::Request { id, .. } => {
                let request = self.access.request(id).await.ok()??;
                let entitlement = self.entitlements.entitlement(&request.entitlement);
                let may_see = self.caller.may_see(&request, entitlement);
                may_see.then(|| event("request", id.as_str()))
            }
            Change::Grant { id, .. } => {
                let grant = self.access.grant_view(id).await.ok()??;
                let entitlement = self.entitlements.entitlement(&grant.entitlement);
                let may_see = self.caller.may_see_grant(&grant, entitlement);
                may_see.then(|| event("grant", id.as_str()))
            }
            Change::Lock { id, .. } => self
                .caller
                .is_overseer()
                .then(|| event("lock", id.as_str())),
            _ => None,
        }
    }
}

fn event(kind: &str, id: &str) -> Bytes {
    let data = json!({"kind": kind, "id": id});
    format!("event: change\ndata: {data}\n\n").into()
}

impl Streams {
    fn enter(self: &Arc<Self>, tenant: &TenantId, subject: &SubjectId) -> Result<Place, Refusal> {
        let mut all = self.0.lock();
        let of_tenant = all.entry(tenant.clone()).or_default();
        let sum: usize = of_tenant.values().sum();
        let own = of_tenant.entry(subject.clone()).or_default();
        if *own >= PER_PERSON_MAX || sum >= PER_TENANT_MAX {
            return Err(Refusal::new(
                StatusCode::TOO_MANY_REQUESTS,
                "E_STREAMS_TOO_MANY",
                "too many pages watch for changes already",
                "close one of them",
            ));
        }
        *own += 1;
        Ok(Place {
            streams: Arc::clone(self),
            tenant: tenant.clone(),
            subject: subject.clone(),
        })
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let mut all = self.streams.0.lock();
        let Some(of_tenant) = all.get_mut(&self.tenant) else {
            return;
        };
        if let Some(own) = of_tenant.get_mut(&self.subject) {
            *own = own.saturating_sub(1);
        }
        of_tenant.retain(|_, own| *own > 0);
        if of_tenant.is_empty() {
            all.remove(&self.tenant);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_person_watches_with_a_few_pages_and_each_is_given_back() {
        let streams = Arc::<Streams>::default();
        let tenant = TenantId::parse("acme").unwrap();
        let (ada, bob) = (
            SubjectId::parse("ada").unwrap(),
            SubjectId::parse("bob").unwrap(),
        );
        let held: Vec<_> = (0..9)
            .map_while(|_| streams.enter(&tenant, &ada).ok())
            .collect();
        assert_eq!(held.len(), PER_PERSON_MAX);
        let other = streams.enter(&tenant, &bob).ok().unwrap();
        drop((held, other));
        assert!(streams.0.lock().is_empty());
    }

    #[test]
    fn a_tenant_has_its_share_and_no_more() {
        let streams = Arc::<Streams>::default();
        let (acme, globex) = (
            TenantId::parse("acme").unwrap(),
            TenantId::parse("globex").unwrap(),
        );
        let who = |n: usize| SubjectId::parse(&format!("p{n}")).unwrap();
        let held: Vec<_> = (0..999)
            .map_while(|n| streams.enter(&acme, &who(n)).ok())
            .collect();
        assert_eq!(held.len(), PER_TENANT_MAX);
        assert!(streams.enter(&globex, &who(0)).is_ok());
    }
}
