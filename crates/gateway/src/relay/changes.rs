//! What a client that listens is told when its lists change with what it is granted.

use bytes::Bytes;
use cardea_access::Change;
use cardea_domain::{ActorId, SubjectId, UpstreamId};
use cardea_mcp::{Era, Kind, meta, method::TargetSource, sse::Event};
use serde_json::{Value, json};
use tokio::sync::broadcast::{Receiver, error::RecvError};

use crate::{
    way::{Ask, Authorised},
    world::World,
};

/// The changes that one stream is told of.
pub(super) struct Changes {
    /// `None` where nothing changes, or the client did not ask to be told.
    changes: Option<Receiver<Change>>,
    subject: SubjectId,
    actor: ActorId,
    upstream: UpstreamId,
    event: Bytes,
}

impl Changes {
    /// Of a stream that stays open: a legacy one that answers no request, or a modern one that asked for it.
    ///
    /// # Source
    /// MCP 2026-07-28, `subscriptions/listen`; 2025-11-25, server/tools, List Changed Notification.
    pub(super) fn of(call: &Authorised, world: &World, is_resumed: bool) -> Self {
        let principal = call.principal();
        let subscription = match call.ask() {
            Ask::Stream if !is_resumed => Some(None),
            Ask::Message(message)
                if message.kind() == Kind::Request
                    && call
                        .method()
                        .is_some_and(|m| m.target == TargetSource::Filter) =>
            {
                let filter = message.body("notifications").unwrap_or("null");
                let filter: Value = serde_json::from_str(filter).unwrap_or_default();
                let is_wanted = filter.get("toolsListChanged") == Some(&Value::Bool(true));
                let id = message.id().map(|id| id.raw().to_owned());
                is_wanted.then_some(id)
            }
            Ask::Stream | Ask::Message(_) | Ask::End => None,
        };
        let access = subscription.as_ref().and_then(|_| world.access(principal));
        Self {
            changes: access.map(|access| access.access.subscribe()),
            subject: principal.subject.clone(),
            actor: principal.actor.clone(),
            upstream: call.known().id().clone(),
            event: event(call.dialect().era, subscription.flatten().as_deref()),
        }
    }

    /// Ready when the lists may be other ones now; never where nobody is to be told.
    pub(super) async fn next(&mut self) {
        let Some(changes) = &mut self.changes else {
            return std::future::pending().await;
        };
        loop {
            match changes.recv().await {
                Ok(Change::Grant {
                    subject,
                    actor,
                    upstream,
                    ..
                }) if subject == self.subject
                    && actor == self.actor
                    && upstream == self.upstream =>
                {
                    return;
                }
                Ok(Change::Lock { .. }) | Err(RecvError::Lagged(_)) => return,
                Ok(_) => {}
                Err(RecvError::Closed) => return std::future::pending().await,
            }
        }
    }

    pub(super) fn event(&self) -> Bytes {
        self.event.clone()
    }
}

fn event(era: Era, subscription: Option<&str>) -> Bytes {
    let mut message = json!({ "jsonrpc": "2.0", "method": "notifications/tools/list_changed" });
    if era == Era::Modern
        && let Some(id) = subscription.and_then(|raw| serde_json::from_str::<Value>(raw).ok())
        && let Some(members) = message.as_object_mut()
    {
        let params = json!({ "_meta": { meta::SUBSCRIPTION_ID: id } });
        members.insert("params".to_owned(), params);
    }
    let event = Event {
        data: Some(message.to_string().into()),
        ..Event::default()
    };
    event.encode()
}
