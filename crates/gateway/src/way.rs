//! The stations of a call, one type each.
//!
//! A station's fields are private to this module and its constructor takes the station before it
//! together with the proof of the room that is responsible. Nothing here is public outside the
//! crate but the names: the way can be read, not entered from the middle.

mod authorised;
mod guarded;
mod identified;
mod open_call;
mod received;
mod recorded;
mod replies;
mod resolved;
mod validated;

pub(crate) use authorised::Authorised;
pub(crate) use identified::Identified;
pub(crate) use open_call::OpenCall;
pub(crate) use received::Received;
pub(crate) use recorded::{Recorded, Released};
pub(crate) use resolved::{Ask, Resolved};
pub(crate) use validated::{Session, Validated, check_mirrored, unknown_session};

use cardea_domain::Denial;

use crate::facts::Facts;

/// A call that was refused at some station, with what was learnt of it.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) denial: Denial,
    pub(crate) facts: Box<Facts>,
}

impl Refused {
    pub(crate) fn new(denial: Denial, facts: Box<Facts>) -> Box<Self> {
        Box::new(Self { denial, facts })
    }
}
