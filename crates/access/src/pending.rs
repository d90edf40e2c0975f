//! Requests that wait for people, in memory.

use std::{collections::HashMap, sync::Arc};

use cardea_domain::{ActorId, RequestId, SubjectId};
use tokio::sync::watch;

use crate::{
    ask::Sameness,
    request::{AccessRequest, RequestState},
};

/// The pending requests of one tenant.
#[derive(Debug, Default)]
pub(crate) struct Pending {
    by_id: HashMap<RequestId, Entry>,
    by_sameness: HashMap<Sameness, RequestId>,
}

#[derive(Debug)]
struct Entry {
    request: Arc<AccessRequest>,
    sameness: Sameness,
    /// Tells those who wait what became of it.
    state: watch::Sender<RequestState>,
}

impl Pending {
    pub(crate) fn request(&self, id: &RequestId) -> Option<&Arc<AccessRequest>> {
        Some(&self.by_id.get(id)?.request)
    }

    /// The one that asks for the same and has not expired.
    pub(crate) fn same(&self, sameness: &Sameness, now_ms: u64) -> Option<&Arc<AccessRequest>> {
        let same = self.request(self.by_sameness.get(sameness)?)?;
        (now_ms < same.expires_ms).then_some(same)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// How many one agent of one person has, in all its runs.
    pub(crate) fn of_agent(&self, subject: &SubjectId, actor: &ActorId) -> usize {
        let all = self.by_id.values().map(|entry| &entry.request);
        all.filter(|r| r.subject == *subject && r.actor == *actor)
            .count()
    }

    /// How many all agents of one person have.
    pub(crate) fn of_subject(&self, subject: &SubjectId) -> usize {
        self.iter().filter(|r| r.subject == *subject).count()
    }

    pub(crate) fn iter(&self) -> impl Iterator<Item = &Arc<AccessRequest>> {
        self.by_id.values().map(|entry| &entry.request)
    }

    pub(crate) fn insert(&mut self, request: Arc<AccessRequest>) {
        let sameness = Sameness::of(&request);
        self.by_sameness
            .insert(sameness.clone(), request.id.clone());
        let entry = Entry {
            sameness,
            state: watch::Sender::new(RequestState::Pending),
            request,
        };
        self.by_id.insert(entry.request.id.clone(), entry);
    }

    /// The request as it is after one more approval.
    pub(crate) fn replace(&mut self, request: Arc<AccessRequest>) {
        if let Some(entry) = self.by_id.get_mut(&request.id) {
            entry.request = request;
        }
    }

    /// Takes out one that waits no more, and tells those who wait for it.
    pub(crate) fn end(&mut self, id: &RequestId, state: &RequestState) {
        let Some(entry) = self.by_id.remove(id) else {
            return;
        };
        if self.by_sameness.get(&entry.sameness) == Some(id) {
            self.by_sameness.remove(&entry.sameness);
        }
        entry.state.send_replace(state.clone());
    }

    /// Where to hear what becomes of one.
    pub(crate) fn watch(&self, id: &RequestId) -> Option<watch::Receiver<RequestState>> {
        Some(self.by_id.get(id)?.state.subscribe())
    }
}
