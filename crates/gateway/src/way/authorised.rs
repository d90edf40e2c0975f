//! Fifth station: a call that the policies permit and whose intent is on disk.

use std::{sync::Arc, time::Instant};

use cardea_domain::{Action, Code, Denial, Principal};
use cardea_guard::tenant::Guard;
use cardea_identity::TokenLife;
use cardea_mcp::{
    Era, Kind,
    method::{Effect, Method, TargetSource},
};
use cardea_policy::Permit;
use cardea_registry::Known;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{Ask, OpenCall, Refused, Session, Validated, check_mirrored, guarded::Guarded};
use crate::{
    Tenant,
    facts::{Facts, Ruling, micros},
    protocol::{Dialect, unknown_method},
    relay::Slot,
    world::{Gateway, World},
};

/// The only thing that an upstream accepts.
#[derive(Debug)]
pub(crate) struct Authorised {
    ask: Ask,
    headers: HeaderMap,
    principal: Principal,
    known: Known,
    dialect: Dialect,
    method: Option<&'static Method>,
    session: Session,
    /// The counted place of a request that is always answered by a stream.
    slot: Option<Slot>,
    /// Kept to show that they are there: one for each question that the call asks.
    _permits: Vec<Permit>,
    guarded: Guarded,
    call: OpenCall,
    worker: usize,
    life: TokenLife,
}

impl Authorised {
    /// Asks the policies and, where the call may change something, records the intent.
    pub(crate) async fn decide(
        validated: Validated,
        gateway: &Arc<Gateway>,
        world: &World,
    ) -> Result<Self, Box<Refused>> {
        let Validated {
            mut resolved,
            known,
            dialect,
            method,
            effect,
            session,
            questions,
        } = validated;
        let mut facts = resolved.facts;
        let mut permits = Vec::with_capacity(questions.len());
        let asked = Instant::now();
        for question in questions {
            match world.decide(question) {
                Ok(permit) => permits.push(permit),
                Err(no) => {
                    facts.decision_us = Some(micros(asked.elapsed()));
                    facts.ruling = no.ruling;
                    let denial = match facts.action {
                        Some(Action::Extension) => as_unknown(no.denial, &facts.method, dialect),
                        _ => no.denial,
                    };
                    return Err(Refused::new(denial, facts));
                }
            }
        }
        // INVARIANT: every validated call asks at least one question; none means a mistake of
        // ours, which denies like any doubt.
        let Some(first) = permits.first() else {
            let denial = Denial::new(Code::Internal, "the call could not be decided");
            return Err(Refused::new(denial, facts));
        };
        facts.decision_us = Some(micros(asked.elapsed()));
        facts.ruling = Some(Ruling::from(first));
        // Only now: whoever may not call a tool learns nothing of its definition.
        let slot = match mirrored(&resolved.ask, &resolved.head.headers, &known, dialect)
            .and_then(|()| room(gateway, &facts, &resolved.ask, method, &resolved.principal))
        {
            Ok(slot) => slot,
            Err(denial) => return Err(Refused::new(denial, facts)),
        };
        let guarded = match Guarded::apply(
            world,
            &known,
            &resolved.principal,
            dialect,
            &mut resolved.ask,
            &mut resolved.head.headers,
            &mut facts,
        ) {
            Ok(guarded) => guarded,
            Err(denial) => return Err(Refused::new(denial, facts)),
        };
        let call = match effect {
            Effect::None => OpenCall::that_only_tells(gateway, facts),
            Effect::Possible => OpenCall::with_intent(gateway, facts).await?,
        };
        Ok(Self {
            ask: resolved.ask,
            headers: resolved.head.headers,
            principal: resolved.principal,
            known,
            dialect,
            method,
            session,
            slot,
            _permits: permits,
            guarded,
            call,
            worker: resolved.worker,
            life: resolved.life,
        })
    }

    pub(crate) fn ask(&self) -> &Ask {
        &self.ask
    }

    /// The client's headers; only those that the protocol defines go upstream.
    pub(crate) fn headers(&self) -> &HeaderMap {
        &self.headers
    }

    pub(crate) fn principal(&self) -> &Principal {
        &self.principal
    }

    pub(crate) fn tenant(&self) -> Option<&Tenant> {
        self.call.facts().and_then(|facts| facts.tenant.as_deref())
    }

    pub(crate) fn known(&self) -> &Known {
        &self.known
    }

    pub(crate) fn dialect(&self) -> Dialect {
        self.dialect
    }

    /// The method of the protocol; `None` for extensions, responses and bare streams.
    pub(crate) fn method(&self) -> Option<&'static Method> {
        self.method
    }

    /// The tenant's rules for the tool that is called.
    pub(crate) fn guard(&self) -> Option<&Guard> {
        self.guarded.guard.as_ref()
    }

    /// Whether nothing of the upstream may come by another way than a checked result.
    pub(crate) fn is_confined(&self) -> bool {
        self.guarded.is_confined
    }

    /// Headers that go upstream with the call and no client can set.
    pub(crate) fn added_headers(&self) -> &[(HeaderName, HeaderValue)] {
        &self.guarded.headers
    }

    pub(crate) fn session(&self) -> &Session {
        &self.session
    }

    pub(crate) fn worker(&self) -> usize {
        self.worker
    }

    pub(crate) fn life(&self) -> &TokenLife {
        &self.life
    }

    pub(crate) fn call(&self) -> &OpenCall {
        &self.call
    }

    pub(crate) fn call_mut(&mut self) -> &mut OpenCall {
        &mut self.call
    }

    pub(crate) fn take_slot(&mut self) -> Option<Slot> {
        self.slot.take()
    }

    pub(crate) fn into_call(self) -> OpenCall {
        self.call
    }
}

/// A method that the core does not define and the policies do not permit looks like one that
/// does not exist.
fn as_unknown(denial: Denial, method: &str, dialect: Dialect) -> Denial {
    let detail = denial.detail.unwrap_or_default();
    unknown_method(method, dialect.era).detail(detail)
}

fn mirrored(ask: &Ask, headers: &HeaderMap, known: &Known, dialect: Dialect) -> Result<(), Denial> {
    match ask {
        Ask::Message(message) if dialect.era == Era::Modern && message.method() == "tools/call" => {
            check_mirrored(known, headers, message)
        }
        _ => Ok(()),
    }
}

/// Any request may be answered by a stream, so a principal or tenant with too many is refused before
/// the call has an effect, not when the stream begins. What always is a stream takes its place here.
fn room(
    gateway: &Gateway,
    facts: &Facts,
    ask: &Ask,
    method: Option<&'static Method>,
    principal: &Principal,
) -> Result<Option<Slot>, Denial> {
    let Some(tenant) = &facts.tenant else {
        return Err(Denial::new(Code::Internal, "the call could not be decided"));
    };
    let always = match ask {
        Ask::Stream => true,
        Ask::Message(_) => method.is_some_and(|m| m.target == TargetSource::Filter),
        Ask::End => false,
    };
    match ask {
        _ if always => gateway.streams.reserve(principal, tenant).map(Some),
        Ask::Message(message) if message.kind() == Kind::Request => {
            gateway.streams.check(principal, tenant).map(|()| None)
        }
        Ask::Stream | Ask::Message(_) | Ask::End => Ok(None),
    }
}
