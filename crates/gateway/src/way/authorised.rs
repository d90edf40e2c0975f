//! Fifth station: a call that the policies permit and whose intent is on disk.

use std::{sync::Arc, time::Instant};

use bytes::Bytes;
use cardea_access::Granted;
use cardea_domain::{Action, Code, Denial, Principal};
use cardea_guard::tenant::Guard;
use cardea_identity::TokenLife;
use cardea_mcp::{
    Era, Kind, Message,
    method::{Effect, List, Method, TargetSource},
};
use cardea_registry::{Known, PinRule, Standing};
use futures_util::future::select_all;
use http::{HeaderMap, HeaderName, HeaderValue};

use super::{
    Ask, OpenCall, Refused, Session, Validated, check_mirrored,
    decision::{Decision, cut, take},
    guarded::{Guarded, as_approved},
    roots,
    screened::Screened,
};
use crate::{
    Tenant,
    access::{Authority, Progress},
    budget::{Spender, Spending},
    facts::{Facts, micros},
    flow::{Begun, FlowCall},
    pins,
    protocol::{Dialect, unknown_method},
    streams::Slot,
    survey,
    upstream::{Alias, Upstream},
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
    /// What it has taken of the tenant's budgets.
    spending: Spending,
    guarded: Guarded,
    /// What is still to be checked of the arguments, where the tool's schema was not known.
    screened: Screened,
    flow: Option<FlowCall>,
    call: OpenCall,
    worker: usize,
    life: TokenLife,
    /// Under which id an HTTP server knows it.
    alias: Option<Arc<Alias>>,
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
        let begun = Begun::of(&resolved.life);
        let ask = (&resolved.ask, facts.action);
        let flow = flow_of(gateway, world, &resolved.principal, begun, &known, ask);
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
        let is_approved = authorities.iter().any(Authority::is_for_one_call);
        if is_approved && let Err(denial) = as_approved(world, &mut resolved.ask) {
            return Err(Refused::new(denial, facts));
        }
        // Only now: whoever may not call a tool learns nothing of its definition.
        if pins::standing(&known, &resolved.ask) == Standing::Quarantined {
            return Err(Refused::new(pins::unapproved("quarantined"), facts));
        }
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
        if let Err(denial) = roots::keep_visible(world, &known, &mut resolved.ask) {
            return Err(Refused::new(denial, facts));
        }
        let screened = Screened::check(world, &known, &resolved.principal, &resolved.ask);
        let screened = match screened.await {
            Ok(screened) => screened,
            Err(denial) => return Err(Refused::new(denial, facts)),
        };
        let mut spending =
            match budgeted(gateway, &resolved.principal, &known, &resolved.ask, &facts) {
                Ok(spending) => spending,
                Err(denial) => return Err(Refused::new(denial, facts)),
            };
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
        spending.begun();
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
            spending,
            guarded,
            screened,
            flow,
            call,
            worker: resolved.worker,
            life: resolved.life,
            alias: None,
        })
    }

    /// Checks what had to wait for the server's list: asks for it, and holds the call to what it says.
    ///
    /// # Errors
    /// The denial that ends the call before it is sent.
    pub(crate) async fn settle(
        &self,
        gateway: &Gateway,
        world: &World,
        upstream: &Upstream,
    ) -> Result<(), Denial> {
        let Ask::Message(message) = &self.ask else {
            return Ok(());
        };
        let entry = self.known.entry();
        if message.kind() == Kind::Request
            && entry.needs_survey()
            && entry.pin_rule() == PinRule::First
        {
            survey::look(upstream, &self.known, self.tenant()).await?;
        }
        let awaits_schema = matches!(self.screened, Screened::AwaitsSchema(_));
        let called = pins::called(&self.ask);
        let unseen = called
            .as_ref()
            .filter(|(kind, name)| entry.standing(*kind, name) == Standing::Unseen);
        let list = match (&unseen, awaits_schema) {
            (Some((kind, _)), _) => Some(pins::list_of(*kind)),
            (None, true) => Some(List::Tools),
            (None, false) => None,
        };
        if let Some(list) = list {
            upstream.learn(gateway, self, list).await?;
        }
        if let Some((kind, name)) = &called
            && entry.standing(*kind, name) != Standing::Approved
        {
            return Err(pins::unapproved(
                "the server shows it otherwise now, or not at all",
            ));
        }
        if awaits_schema {
            let tool = message.body_str("name").unwrap_or_default();
            self.screened.check_late(world, &self.known, &tool)?;
        }
        Ok(())
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
        let facts = self.call.facts();
        let asked = facts.and_then(|facts| facts.action.zip(facts.target.as_ref()));
        let lock = world
            .access(&self.principal)
            .zip(asked)
            .map(|(access, (action, target))| {
                access
                    .access
                    .watch(&self.principal, action, self.known.id(), target)
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

    /// Whether what is answered counts, so that none of it can be had a second time by another way.
    pub(crate) fn is_metered(&self) -> bool {
        !self.granted.is_empty() || self.spending.counts_bytes()
    }

    /// Counts bytes of the answer against the grants and budgets, before they leave.
    ///
    /// # Errors
    /// [`Code::AccessEnded`] when that is more than a grant has left, [`Code::BudgetSpent`] for a budget.
    pub(crate) fn spend(&self, bytes: usize) -> Result<(), Denial> {
        let bytes = u64::try_from(bytes).unwrap_or(u64::MAX);
        self.spending.spend_bytes(bytes, self.call.now_ms())?;
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

    /// Under which id an HTTP server knows it, once it is sent.
    pub(crate) fn alias(&self) -> Option<&Arc<Alias>> {
        self.alias.as_ref()
    }

    /// The raw id under which the server answers a request that its client knows by `id`.
    pub(crate) fn asked_as<'a>(&'a self, id: &'a str) -> &'a str {
        self.alias.as_ref().map_or(id, |alias| alias.ours())
    }

    /// A checked message of the server as its client knows it.
    pub(crate) fn put_back(&self, text: Bytes) -> Bytes {
        match &self.alias {
            Some(alias) => alias.put_back(text),
            None => text,
        }
    }

    pub(crate) fn set_alias(&mut self, alias: Option<Arc<Alias>>) {
        self.alias = alias;
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
    begun: Begun,
    known: &Known,
    (ask, action): (&Ask, Option<Action>),
) -> Option<FlowCall> {
    let tenant = world.tenants.get(&principal.tenant)?;
    let now_ms = gateway.clock.unix_ms();
    if !tenant.policies.reads_flow() {
        FlowCall::unwatched(&tenant.flow, principal, begun, now_ms);
        return None;
    }
    Some(FlowCall::of(
        &tenant.flow,
        principal,
        begun,
        known,
        ask,
        action,
        now_ms,
    ))
}

/// What a call takes of the budgets of its tenant; what is no request of an action takes nothing.
fn budgeted(
    gateway: &Gateway,
    principal: &Principal,
    known: &Known,
    ask: &Ask,
    facts: &Facts,
) -> Result<Spending, Denial> {
    let Some(tenant) = &facts.tenant else {
        return Err(Denial::new(Code::Internal, "the call could not be decided"));
    };
    let is_request = matches!(ask, Ask::Message(message) if message.kind() == Kind::Request);
    let asked = facts.action.zip(facts.target.as_ref());
    let (Some((action, target)), false) = (asked.filter(|_| is_request), tenant.budgets.is_empty())
    else {
        return Ok(Spending::default());
    };
    let spender = Spender {
        principal,
        action,
        upstream: known.id(),
        target,
    };
    let now_ms = gateway.clock.unix_ms();
    tenant.room.used.take(&tenant.budgets, spender, now_ms)
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
