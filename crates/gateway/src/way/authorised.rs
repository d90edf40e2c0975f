//! Fifth station: a call that the policies permit and whose intent is on disk.

use std::{sync::Arc, time::Instant};

use cardea_access::Granted;
use cardea_domain::{Action, Code, Denial, Principal};
use cardea_guard::tenant::Guard;
use cardea_identity::TokenLife;
use cardea_mcp::{
    Era, Kind, Message,
    method::{Effect, Method, TargetSource},
};
use cardea_registry::Known;
use futures_util::future::select_all;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Ask, OpenCall, Refused, Session, Validated, check_mirrored,
    decision::{Decision, cut, take},
    guarded::Guarded,
    screened::Screened,
};
use crate::{
    Tenant,
    access::{Authority, Progress},
    facts::{Facts, micros},
    flow::FlowCall,
    protocol::{Dialect, unknown_method},
    streams::Slot,
    upstream::Upstream,
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
    /// The grants that the call is made by, with their room taken.
    granted: Vec<Granted>,
    guarded: Guarded,
    /// What is still to be checked of the arguments, where the tool's schema was not known.
    screened: Screened,
    flow: Option<FlowCall>,
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
        progress: Option<Progress>,
    ) -> Result<Self, Box<Refused>> {
        let Validated {
            mut resolved,
            known,
            dialect,
            method,
            effect,
            session,
            declared,
            ticket,
            questions,
        } = validated;
        let mut facts = resolved.facts;
        let flow = flow_of(gateway, world, &resolved.principal, &known, &resolved.ask);
        let decision = Decision {
            flow: flow.as_ref(),
            gateway,
            world,
            principal: &resolved.principal,
            known: &known,
            dialect,
            ask: &resolved.ask,
            declared,
            ticket: ticket.as_ref(),
            life: &resolved.life,
            progress,
        };
        let asked = Instant::now();
        let decided = decision.authorities(questions, &mut facts).await;
        // From here on nobody is told that it waits.
        drop(decision);
        facts.decision_us = Some(micros(asked.elapsed()));
        let authorities = match decided {
            Ok(authorities) => authorities,
            Err(no) => {
                let denial = match facts.action {
                    Some(Action::Extension) => as_unknown(no.denial, &facts.method, dialect),
                    _ => no.denial,
                };
                return Err(Refused::with_offer(denial, no.offer, facts));
            }
        };
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
        let screened = Screened::check(world, &known, &resolved.principal, &resolved.ask);
        let screened = match screened.await {
            Ok(screened) => screened,
            Err(denial) => return Err(Refused::new(denial, facts)),
        };
        let is_approved = authorities.iter().any(Authority::is_for_one_call);
        let granted = match take(world, &resolved.principal, authorities).await {
            Ok(granted) => granted,
            Err(denial) => return Err(Refused::new(denial, facts)),
        };
        if let Some(flow) = flow.as_ref().filter(|_| is_approved) {
            flow.approve();
        }
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
            granted,
            guarded,
            screened,
            flow,
            call,
            worker: resolved.worker,
            life: resolved.life,
        })
    }

    /// Checks what of the arguments had to wait for the server's list: asks for it, and holds them to what it says.
    ///
    /// # Errors
    /// The denial that ends the call before it is sent.
    pub(crate) async fn settle(
        &self,
        gateway: &Gateway,
        world: &World,
        upstream: &Upstream,
    ) -> Result<(), Denial> {
        let (Screened::AwaitsSchema(_), Ask::Message(message)) = (&self.screened, &self.ask) else {
            return Ok(());
        };
        upstream.learn(gateway, self).await?;
        let tool = message.body_str("name").unwrap_or_default();
        self.screened.check_late(world, &self.known, &tool)
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

    /// Ready when the call must be cut: a grant that it is made by ends, or a lock is set on it.
    pub(crate) fn cut(&self, world: &World) -> impl Future<Output = Denial> + Send + use<> {
        let grants: Vec<_> = self.granted.iter().map(Granted::ended).collect();
        let target = self.call.facts().and_then(|facts| facts.target.as_ref());
        let lock = world
            .access(&self.principal)
            .zip(target)
            .map(|(access, target)| {
                access
                    .access
                    .watch(&self.principal, self.known.id(), target)
            });
        async move {
            let ended = async {
                if grants.is_empty() {
                    return std::future::pending().await;
                }
                select_all(grants.into_iter().map(Box::pin)).await.0
            };
            let locked = async {
                match lock {
                    Some(lock) => lock.await,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                // A lock ends the call under a grant too; it is the lock that there is to be told.
                biased;
                lock = locked => Denial::new(Code::AccessLocked, "access was locked while the call was under way")
                    .help("whether the call had an effect is not known; ask an administrator")
                    .detail(format!("{} ({}): {}", lock.id, lock.scope, lock.reason)),
                reason = ended => cut(reason),
            }
        }
    }

    /// Whether a grant allows it, and not policies alone.
    pub(crate) fn is_granted(&self) -> bool {
        !self.granted.is_empty()
    }

    /// Counts bytes of the answer against the grants, before they leave.
    ///
    /// # Errors
    /// [`Code::AccessEnded`] when that is more than a grant has left.
    pub(crate) fn spend(&self, bytes: usize) -> Result<(), Denial> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.granted
            .iter()
            .try_for_each(|granted| granted.spend_bytes(bytes))
            .map_err(cut)
    }

    /// Remembers what the upstream has sent, before it is released.
    ///
    /// # Errors
    /// [`Code::Internal`] when that cannot be done; then it must not be released.
    pub(crate) async fn learn(&self, message: &Message) -> Result<(), Denial> {
        match &self.flow {
            Some(flow) => flow.learn(message).await,
            None => Ok(()),
        }
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

/// The call as far as its flow goes, where any policy of the tenant looks at that.
fn flow_of(
    gateway: &Gateway,
    world: &World,
    principal: &Principal,
    known: &Known,
    ask: &Ask,
) -> Option<FlowCall> {
    let tenant = world.tenants.get(&principal.tenant)?;
    let now_ms = gateway.clock.unix_ms();
    if !tenant.policies.reads_flow() {
        FlowCall::unwatched(&tenant.flow, principal, now_ms);
        return None;
    }
    Some(FlowCall::of(&tenant.flow, principal, known, ask, now_ms))
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
