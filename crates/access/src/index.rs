//! All active grants of a tenant, found by one look however many there are.

use std::{
    collections::{BTreeSet, HashMap},
    sync::Arc,
};

use cardea_domain::GrantId;

use crate::{
    live::{Live, Place},
    scope::Scope,
};

/// Active grants by place, by name and by end.
#[derive(Debug, Default)]
pub(crate) struct Index {
    by_place: HashMap<Place, Bucket>,
    by_id: HashMap<GrantId, Arc<Live>>,
    by_end: BTreeSet<(u64, GrantId)>,
}

/// The grants of one place.
#[derive(Debug, Default)]
pub(crate) struct Bucket {
    /// For any arguments within constraints: those without a count first.
    pub(crate) open: Vec<Arc<Live>>,
    /// For one exact call, by the digest of its arguments.
    pub(crate) once: HashMap<[u8; 32], Vec<Arc<Live>>>,
}

impl Index {
    pub(crate) fn at(&self, place: &Place) -> Option<&Bucket> {
        self.by_place.get(place)
    }

    pub(crate) fn grant(&self, id: &GrantId) -> Option<&Arc<Live>> {
        self.by_id.get(id)
    }

    pub(crate) fn len(&self) -> usize {
        self.by_id.len()
    }

    /// How many there are in one place.
    pub(crate) fn held(&self, place: &Place) -> usize {
        self.at(place).map_or(0, |bucket| {
            bucket.open.len() + bucket.once.values().map(Vec::len).sum::<usize>()
        })
    }

    /// When the last grant of a place ends.
    pub(crate) fn held_until(&self, place: &Place, now_ms: u64) -> Option<u64> {
        let bucket = self.at(place)?;
        let all = bucket.open.iter().chain(bucket.once.values().flatten());
        let ends = all.map(|live| live.expires_ms());
        ends.filter(|end| now_ms < *end).max()
    }

    pub(crate) fn insert(&mut self, live: Arc<Live>) {
        let bucket = self.by_place.entry(live.place.clone()).or_default();
        match live.bound.once {
            Some(once) => bucket
                .once
                .entry(once.arguments)
                .or_default()
                .push(Arc::clone(&live)),
            None => {
                bucket.open.push(Arc::clone(&live));
                bucket.open.sort_by_key(|l| l.budget.is_counted());
            }
        }
        self.by_end.insert((live.expires_ms(), live.id.clone()));
        self.by_id.insert(live.id.clone(), live);
    }

    pub(crate) fn remove(&mut self, id: &GrantId) -> Option<Arc<Live>> {
        let live = self.by_id.remove(id)?;
        self.by_end.remove(&(live.expires_ms(), id.clone()));
        if let Some(bucket) = self.by_place.get_mut(&live.place) {
            bucket.open.retain(|l| l.id != *id);
            bucket.once.retain(|_, grants| {
                grants.retain(|l| l.id != *id);
                !grants.is_empty()
            });
            if bucket.open.is_empty() && bucket.once.is_empty() {
                self.by_place.remove(&live.place);
            }
        }
        Some(live)
    }

    /// Puts off the end of a grant.
    pub(crate) fn extend(&mut self, id: &GrantId, expires_ms: u64) {
        if let Some(live) = self.by_id.get(id) {
            self.by_end.remove(&(live.expires_ms(), id.clone()));
            live.extend(expires_ms);
            self.by_end.insert((live.expires_ms(), id.clone()));
        }
    }

    /// Those whose time is over.
    pub(crate) fn expired(&self, now_ms: u64) -> Vec<Arc<Live>> {
        let over = self.by_end.iter().take_while(|(end, _)| *end <= now_ms);
        over.filter_map(|(_, id)| self.by_id.get(id).cloned())
            .collect()
    }

    /// Those in a scope.
    pub(crate) fn in_scope(&self, scope: &Scope) -> Vec<Arc<Live>> {
        self.filter(|live| live.place.caller().is_in(scope))
    }

    pub(crate) fn filter(&self, is_wanted: impl Fn(&Live) -> bool) -> Vec<Arc<Live>> {
        let all = self.by_id.values().filter(|live| is_wanted(live));
        all.cloned().collect()
    }
}
