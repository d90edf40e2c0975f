//! The stations of a call, one type each.
//!
//! A station's fields are private to this module and its constructor takes the station before it
//! together with the proof of the room that is responsible. Nothing here is public outside the
//! crate but the names: the way can be read, not entered from the middle.

mod authorised;
mod decision;
mod guarded;
mod here;
mod identified;
mod open_call;
mod received;
mod recorded;
mod replies;
mod resolved;
mod roots;
mod screened;
mod validated;

pub(crate) use authorised::Authorised;
pub(crate) use decision::stale;
pub(crate) use identified::{Identified, verify};
pub(crate) use open_call::OpenCall;
pub(crate) use received::Received;
pub(crate) use recorded::{Recorded, Released, Rest};
pub(crate) use resolved::{Ask, Resolved};
pub(crate) use validated::{SealedSession, Session, Validated, check_mirrored, unknown_session};

use cardea_domain::Denial;

use crate::{access::Offer, facts::Facts};

/// A call that was refused at some station, with what was learnt of it.
#[derive(Debug)]
pub(crate) struct Refused {
    pub(crate) denial: Denial,
    pub(crate) facts: Box<Facts>,
    /// What the client is told instead: that it was asked for.
    pub(crate) offer: Option<Box<Offer>>,
}

impl Refused {
    pub(crate) fn new(denial: Denial, facts: Box<Facts>) -> Box<Self> {
        Self::with_offer(denial, None, facts)
    }

    pub(crate) fn with_offer(
        denial: Denial,
        offer: Option<Box<Offer>>,
        facts: Box<Facts>,
    ) -> Box<Self> {
        Box::new(Self {
            denial,
            facts,
            offer,
        })
    }
}
