//! What allows a call: the policies, or a grant where they say nothing.

use std::{sync::Arc, time::Duration};

use cardea_access::{AccessError, EndReason, Granted};
use cardea_domain::{Action, Code, Denial, Principal, RequestId, Target};
use cardea_identity::TokenLife;
use cardea_mcp::Kind;
use cardea_policy::{Given, Question};
use cardea_registry::{Known, Standing};

use super::{Ask, guarded::shaped, screened::Screened};
use crate::{
    Tenant,
    access::{
        self, Asked, Asks, Authority, By, Declared, Offer, Progress, Redeemed, TenantAccess, Waits,
    },
    facts::{AccessFacts, Facts, NotPermitted, Ruling},
    firewall,
    flow::{self, FlowCall},
    pins,
    protocol::Dialect,
    world::{Gateway, World},
};

/// Everything that a decision looks at.
pub(super) struct Decision<'a> {
    pub(super) gateway: &'a Gateway,
    pub(super) world: &'a World,
    pub(super) principal: &'a Principal,
    pub(super) known: &'a Known,
    pub(super) dialect: Dialect,
    pub(super) ask: &'a Ask,
    pub(super) declared: Declared,
    pub(super) ticket: Option<&'a Redeemed>,
    pub(super) life: &'a TokenLife,
    /// Where the client hears that the call waits.
    pub(super) progress: Option<Progress>,
    /// What its run has seen; `None` where no policy looks at that.
    pub(super) flow: Option<&'a FlowCall>,
}

/// What people are asked to allow.
struct Wanted<'a> {
    question: &'a Question,
    /// The digest of the tenant's policies.
    policies: [u8; 32],
    by: By,
    /// What the gateway has noticed, for whoever decides.
    noticed: Option<String>,
}

/// All that a granted call may have: what people see before they grant it, and `_meta`, of which an approved call keeps
/// what means nothing to a server (`guarded::as_approved`).
const GRANTED_PARAMS: [&str; 4] = ["name", "uri", "arguments", "_meta"];

/// Why a call is not allowed, and how it may come to be.
pub(super) struct No {
    pub(super) denial: Denial,
    pub(super) offer: Option<Box<Offer>>,
}

impl From<Denial> for No {
    fn from(denial: Denial) -> Self {
        Self {
            denial,
            offer: None,
        }
    }
}

impl Decision<'_> {
    /// What allows each of the questions; notes in `facts` what was said to the first, or to the one that was refused.
    pub(super) async fn authorities(
        &self,
        questions: Vec<Question>,
        facts: &mut Facts,
    ) -> Result<Vec<Authority>, No> {
        let tenant = self.world.tenants.get(&self.principal.tenant);
        let access = tenant.and_then(|tenant| tenant.access.as_ref());
        let noticed = self.flow.map(FlowCall::facts);
        let mut authorities = Vec::with_capacity(questions.len());
        for question in questions {
            if let Some(access) = access {
                access.check_locks(
                    self.principal,
                    question.action(),
                    self.known.id(),
                    question.target(),
                )?;
            }
            let question = self.prepared(question, tenant, noticed.as_ref())?;
            // Few sets ask for approvals; the others need the question but once.
            let asks = tenant.filter(|tenant| tenant.policies.asks_for_approvals());
            let again = asks.map(|_| question.clone());
            let authority = match self.world.decide(question) {
                Ok(permit) => {
                    if authorities.is_empty() {
                        facts.ruling = Some(Ruling::from(&permit));
                    }
                    Authority::Policy(Box::new(permit))
                }
                Err(no) => {
                    self.beyond_policies(tenant, access, no, noticed.as_ref(), facts)
                        .await?
                }
            };
            authorities.push(match again {
                Some(question) => {
                    let authority = self.approved(authority, &question, noticed.as_ref(), facts);
                    authority.await?
                }
                None => authority,
            });
        }
        // INVARIANT: every validated call asks at least one question; none means a mistake of
        // ours, which denies like any doubt.
        if authorities.is_empty() {
            return Err(Denial::new(Code::Internal, "the call could not be decided").into());
        }
        Ok(authorities)
    }

    /// A question with all that policies look at besides who asks for what.
    fn prepared(
        &self,
        question: Question,
        tenant: Option<&Arc<Tenant>>,
        noticed: Option<&cardea_flow::Facts>,
    ) -> Result<Question, Denial> {
        let question = match noticed {
            Some(noticed) => question.with_flow(flow::context(noticed)),
            None => question,
        };
        let Some(tenant) = tenant else {
            return Ok(question);
        };
        let question = tenant.now(question);
        let (Ask::Message(message), Target::Tool(tool)) = (self.ask, question.target()) else {
            return Ok(question);
        };
        if question.action() != Action::CallTool || !tenant.policies.reads_arguments() {
            return Ok(question);
        }
        // As they go upstream; what cannot be made the tenant's is refused once the call is permitted.
        let shaped = shaped(self.world, self.known, self.principal, message);
        let shaped = shaped.ok().flatten();
        let as_sent = shaped.as_ref().unwrap_or(message);
        let definition = self.known.definitions().tool(tool.as_str());
        let given = Given {
            value: Arc::new(firewall::arguments(as_sent)?),
            definition: definition.map(|definition| Arc::clone(&definition.raw)),
        };
        Ok(question.with_arguments(given))
    }

    /// What allows a question that no policy permits, where there is such a thing.
    async fn beyond_policies(
        &self,
        tenant: Option<&Arc<Tenant>>,
        access: Option<&TenantAccess>,
        no: NotPermitted,
        noticed: Option<&cardea_flow::Facts>,
        facts: &mut Facts,
    ) -> Result<Authority, No> {
        facts.ruling = no.ruling;
        let (Some(tenant), Some(access), Some(question)) = (tenant, access, no.grantable) else {
            return Err(no.denial.into());
        };
        // What policies would hold as well is decided at once, and with all that is known.
        let held_by = tenant.policies.approval(&question);
        let held_by = held_by.map_err(|refusal| No::from(refusal.denial()))?;
        let noticed = noticed.map(ToString::to_string).unwrap_or_default();
        let wanted = Wanted {
            question: &question,
            policies: tenant.policies.digest(),
            by: By::AnyGrant,
            noticed: (!held_by.is_empty()).then_some(noticed),
        };
        self.by_people(access, &wanted, no.denial, facts).await
    }

    /// What allows a question where policies ask for somebody's approval of this one call, whatever else allows it.
    async fn approved(
        &self,
        authority: Authority,
        question: &Question,
        noticed: Option<&cardea_flow::Facts>,
        facts: &mut Facts,
    ) -> Result<Authority, No> {
        let Some(tenant) = self.world.tenants.get(&self.principal.tenant) else {
            return Ok(authority);
        };
        if authority.is_for_held_call() {
            return Ok(authority);
        }
        let held_by = tenant.policies.approval(question);
        let held_by = held_by.map_err(|refusal| No::from(refusal.denial()))?;
        if held_by.is_empty() {
            return Ok(authority);
        }
        // Its place is given back: the call is made by the approval, or not at all.
        drop(authority);
        if let Some(flow) = self.flow {
            flow.contest();
        }
        let noticed = noticed.map(ToString::to_string).unwrap_or_default();
        let detail = format!("needs an approval by {}: {noticed}", held_by.join(", "));
        facts.ruling = Some(Ruling::held(held_by, tenant.policies.epoch()));
        let denial = Denial::not_permitted(Code::PolicyDenied).detail(&detail);
        let Some(access) = &tenant.access else {
            return Err(denial.into());
        };
        let wanted = Wanted {
            question,
            policies: tenant.policies.digest(),
            by: By::OneCall,
            noticed: Some(noticed),
        };
        let mut no = match self.by_people(access, &wanted, denial, facts).await {
            Ok(authority) => return Ok(authority),
            Err(no) => no,
        };
        no.denial = no.denial.detail(detail);
        Err(no)
    }

    /// What people allow: they have, or they are asked.
    async fn by_people(
        &self,
        access: &TenantAccess,
        wanted: &Wanted<'_>,
        denial: Denial,
        facts: &mut Facts,
    ) -> Result<Authority, No> {
        // Nobody is asked to grant what nobody has looked at.
        if pins::standing(self.known, self.ask) == Standing::Quarantined {
            return Err(denial.into());
        }
        if let Ask::Message(message) = self.ask
            && wanted.question.action() != Action::Connect
            && !message.has_only(&GRANTED_PARAMS)
        {
            let denial = Denial::new(
                Code::AccessRequired,
                "a call that has to be granted carries its name, its arguments and `_meta`, and nothing else",
            );
            return Err(denial.help("leave the rest out, such as `task`").into());
        }
        if let Some(authority) = self.granted(access, wanted, facts)? {
            return Ok(authority);
        }
        let Some(asked) = self.ask(access, wanted, facts).await? else {
            return Err(denial.into());
        };
        facts.access = Some(asked.facts);
        // A call that may wait is decided again once people have decided, or at once after a rule.
        let is_decided = match asked.waits {
            Waits::No => false,
            Waits::Granted => true,
            Waits::For(request, hold) => {
                self.wait(access, wanted.question, &request, hold, facts)
                    .await?
            }
        };
        if is_decided
            && self.world_stands(wanted.policies)
            && let Some(authority) = self.granted(access, wanted, facts)?
        {
            return Ok(authority);
        }
        Err(No {
            denial: asked.denial,
            offer: asked.offer,
        })
    }

    /// Waits for people; tells whether they have decided while the call was still one.
    async fn wait(
        &self,
        access: &TenantAccess,
        question: &Question,
        request: &RequestId,
        hold: Duration,
        facts: &Facts,
    ) -> Result<bool, Denial> {
        let Some(place) = self.gateway.holds.enter(self.principal) else {
            return Ok(false);
        };
        // A client that hangs up meanwhile has tried all the same.
        let tried = facts.event("access_awaited", request.as_str());
        if self.gateway.ledger_of(facts).append(&tried).is_err() {
            return Ok(false);
        }
        let left_s = self
            .life
            .expires_s()
            .saturating_sub(self.gateway.clock.unix_s());
        let within = hold.min(Duration::from_secs(left_s));
        let page = access.page(request);
        let gone = async {
            match &self.progress {
                Some(progress) => progress.tell(&place, &page, within).await,
                None => std::future::pending().await,
            }
        };
        let (action, upstream, target) = (question.action(), self.known.id(), question.target());
        let is_decided = tokio::select! {
            settled = tokio::time::timeout(within, access.access.settled(request)) => {
                matches!(settled, Ok(Ok(Some(_))))
            }
            () = gone => false,
            () = self.life.revoked() => false,
            () = self.gateway.draining.cancelled() => false,
            _ = access.access.watch(self.principal, action, upstream, target) => false,
        };
        // What nobody may do now is not waited for.
        access.check_locks(self.principal, action, upstream, target)?;
        Ok(is_decided)
    }

    /// Whether policies and upstream are still those of the moment in which the wait began.
    fn world_stands(&self, policies: [u8; 32]) -> bool {
        let world = self.gateway.world();
        let tenant = world.tenants.get(&self.principal.tenant);
        let known = world
            .registry
            .resolve(&self.principal.tenant, self.known.id().as_str());
        tenant.is_some_and(|tenant| tenant.policies.digest() == policies)
            && known.is_some_and(|known| Arc::ptr_eq(known.entry(), self.known.entry()))
    }

    fn granted(
        &self,
        access: &TenantAccess,
        wanted: &Wanted<'_>,
        facts: &mut Facts,
    ) -> Result<Option<Authority>, Denial> {
        let arguments = match self.ask {
            Ask::Message(message) => access::arguments(message),
            Ask::Stream | Ask::End => None,
        };
        let found = access.authority(
            self.principal,
            self.known,
            wanted.question,
            arguments,
            wanted.policies,
            wanted.by,
        )?;
        let Some(authority) = found else {
            return Ok(None);
        };
        facts.ruling = facts.ruling.take().map(Ruling::allowed_beside);
        let about = facts.access.get_or_insert_with(AccessFacts::default);
        match &authority {
            Authority::Grant(admission) => about.grant = Some(admission.grant().to_string()),
            Authority::Entitled(entitlement) => about.entitlement = Some(Arc::clone(entitlement)),
            Authority::Policy(_) => {}
        }
        Ok(Some(authority))
    }

    async fn ask(
        &self,
        access: &TenantAccess,
        wanted: &Wanted<'_>,
        facts: &Facts,
    ) -> Result<Option<Asked>, Denial> {
        let Ask::Message(message) = self.ask else {
            return Ok(None);
        };
        let question = wanted.question;
        let may_ask = message.kind() == Kind::Request
            && matches!(
                message.method(),
                "tools/call" | "resources/read" | "prompts/get"
            );
        let entitlement = access.entitlements.covering(
            self.principal,
            question.action(),
            self.known.id(),
            question.target(),
        );
        let Some(entitlement) = entitlement.filter(|_| may_ask) else {
            return Ok(None);
        };
        // Nobody is asked to allow a call that is refused all the same.
        let shaped = shaped(self.world, self.known, self.principal, message)?;
        let as_sent = shaped.as_ref().unwrap_or(message);
        Screened::check_message(self.world, self.known, self.principal, as_sent).await?;
        let asks = Asks {
            gateway: self.gateway,
            resource: self.world.edge.upstream_resource(self.known.id().as_str()),
            access,
            entitlement,
            principal: self.principal,
            known: self.known,
            dialect: self.dialect,
            message,
            declared: self.declared,
            ticket: self.ticket,
            policies: wanted.policies,
            by: wanted.by,
            noticed: wanted.noticed.clone(),
        };
        Ok(Some(asks.ask(question, facts).await))
    }
}

/// Takes the room of each grant: from here on the call counts, whatever becomes of it.
///
/// # Errors
/// The denial to answer with when a grant ended meanwhile, or cannot be counted.
pub(super) async fn take(
    world: &World,
    principal: &Principal,
    authorities: Vec<Authority>,
) -> Result<Vec<Granted>, Denial> {
    let mut granted = Vec::new();
    for authority in authorities {
        let Authority::Grant(admission) = authority else {
            continue;
        };
        let Some(access) = world.access(principal) else {
            return Err(Denial::new(Code::Internal, "the call could not be decided"));
        };
        granted.push(access.access.consume(*admission).await.map_err(not_taken)?);
    }
    Ok(granted)
}

fn not_taken(error: AccessError) -> Denial {
    let denial = match &error {
        AccessError::Locked(_) => {
            Denial::new(Code::AccessLocked, "access is locked for now").help("ask an administrator")
        }
        AccessError::Ended(_) | AccessError::Spent => {
            Denial::new(Code::AccessEnded, "the grant has ended").help("ask again")
        }
        // What cannot be counted is not done.
        _ => Denial::new(Code::Overloaded, "the call could not be counted").help("try again later"),
    };
    denial.detail(error)
}

/// Nobody knows whether a grant still stands.
pub(crate) fn stale() -> Denial {
    let message = "whether this is still granted cannot be known now";
    Denial::new(Code::AccessStale, message).help("try again later")
}

/// The end of a call under way whose grant ended.
pub(crate) fn cut(reason: EndReason) -> Denial {
    if reason == EndReason::Stale {
        return stale();
    }
    Denial::new(
        Code::AccessEnded,
        "access ended while the call was under way",
    )
    .help("whether the call had an effect is not known; ask again")
    .detail(reason.as_str())
}
