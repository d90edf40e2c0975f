//! The open streams of each principal, counted.

use std::{collections::HashMap, sync::Arc};

use cardea_domain::{Code, Denial, Principal};
use parking_lot::Mutex;

use crate::{Tenant, tenant::Place};

/// Counts the open streams of each principal.
#[derive(Debug, Clone, Default)]
pub(crate) struct Streams(Arc<Mutex<HashMap<StreamOwner, usize>>>);

type StreamOwner = (
    cardea_domain::TenantId,
    cardea_domain::SubjectId,
    cardea_domain::ActorId,
);

/// One counted stream; given back when dropped.
#[derive(Debug)]
pub(crate) struct Slot {
    streams: Streams,
    owner: StreamOwner,
    _place: Option<Place>,
}

impl Streams {
    /// Whether the principal, and its tenant, could have one more stream now.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when there are as many as there may be.
    pub(crate) fn check(&self, principal: &Principal, tenant: &Tenant) -> Result<(), Denial> {
        let max = tenant.limits.streams_per_principal_max;
        let open = self.0.lock().get(&owner(principal)).copied();
        if open.unwrap_or(0) >= max {
            return Err(full(max));
        }
        tenant.check_streams()
    }

    /// A place for one more stream.
    ///
    /// # Errors
    /// [`Code::Overloaded`] when there are as many as there may be.
    pub(crate) fn reserve(&self, principal: &Principal, tenant: &Tenant) -> Result<Slot, Denial> {
        let max = tenant.limits.streams_per_principal_max;
        let owner = owner(principal);
        let place = tenant.reserve_stream()?;
        let mut open = self.0.lock();
        let count = open.get(&owner).copied().unwrap_or(0);
        if count >= max {
            return Err(full(max));
        }
        open.insert(owner.clone(), count + 1);
        Ok(Slot {
            streams: self.clone(),
            owner,
            _place: Some(place),
        })
    }

    /// A place for a stream that is open already, whether or not there is room.
    pub(crate) fn take(&self, principal: &Principal, tenant: Option<&Tenant>) -> Slot {
        let owner = owner(principal);
        *self.0.lock().entry(owner.clone()).or_default() += 1;
        Slot {
            streams: self.clone(),
            owner,
            _place: tenant.map(Tenant::count_stream),
        }
    }
}

fn full(max: usize) -> Denial {
    Denial::new(Code::Overloaded, format!("{max} streams are open already"))
        .help("close a stream first")
}

fn owner(principal: &Principal) -> StreamOwner {
    (
        principal.tenant.clone(),
        principal.subject.clone(),
        principal.actor.clone(),
    )
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut open = self.streams.0.lock();
        if let Some(count) = open.get_mut(&self.owner) {
            *count -= 1;
            if *count == 0 {
                open.remove(&self.owner);
            }
        }
    }
}
