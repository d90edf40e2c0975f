//! What nobody may do until it is granted: between the policies' no and the refusal.
//!
//! What it is: the data plane's side of `cardea-access`. It asks for locks and grants, turns a refusal into a request
//! where an entitlement covers it, tells the client how to go on, and answers the gateway's own tools.
//! What it is not: no decision. Locks, grants and requests are that room's; a policy that forbids is never asked
//! to be granted.

mod ask;
mod declared;
mod holds;
mod journal;
pub(crate) mod native;
mod offer;
mod progress;
mod rules;
mod ticket;

use std::sync::Arc;

use cardea_access::{Access, Admission, Entitlement, Entitlements, NotGranted, Pattern, Wanted};
use cardea_domain::{Action, ActorId, Code, Denial, Principal, RequestId, Target, UpstreamId};
use cardea_mcp::{Message, list};
use cardea_policy::{Permit, Question};
use cardea_registry::Known;
use serde_json::json;

use crate::way::stale;

pub(crate) use self::{
    ask::{Asked, Asks, Waits},
    declared::Declared,
    holds::{Hold, Holds},
    offer::Offer,
    progress::Progress,
    ticket::{Redeemed, Tickets},
};
pub use self::{
    journal::AccessJournal,
    rules::{EntitlementRules, PolicyBounds},
};

/// Access in one tenant, as one world sees it.
#[derive(Debug, Clone)]
pub struct TenantAccess {
    /// Who may ask for what.
    pub entitlements: Entitlements,
    /// What was asked, granted and locked; the same in every world.
    pub access: Arc<Access>,
    /// The address below which requests have their pages, with a slash at the end.
    pub pages: String,
    /// Agents whose clients are told by HTTP, with a 403, that something has to be granted.
    pub asked_by_http: Vec<Pattern>,
}

/// What allows one question.
#[derive(Debug)]
pub(crate) enum Authority {
    /// A policy permits it.
    Policy(#[expect(dead_code, reason = "that it exists is the proof")] Box<Permit>),
    /// There is something that the caller may ask for, so it may see what there is.
    Entitled(Arc<str>),
    /// A grant that has room for it.
    Grant(Box<Admission>),
}

impl Authority {
    /// Whether people have allowed this one call although policies hold it: they were told why.
    pub(crate) fn is_for_held_call(&self) -> bool {
        matches!(self, Self::Grant(admission) if admission.is_once_as_noticed())
    }

    /// Whether people have allowed this one call with exactly these arguments.
    pub(crate) fn is_for_one_call(&self) -> bool {
        matches!(self, Self::Grant(admission) if admission.is_once_by_people())
    }
}

/// Which grants can allow it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum By {
    /// Every grant that fits.
    AnyGrant,
    /// Only one for this call with exactly these arguments, given by people who knew why it is held.
    OneCall,
}

/// What a caller sees of one thing.
#[derive(Debug)]
pub(crate) enum Sight<'a> {
    /// It could use it now.
    Usable,
    /// It could ask for it.
    Requestable(&'a Entitlement),
    /// Nothing.
    Hidden,
}

impl TenantAccess {
    fn is_asked_by_http(&self, agent: &ActorId) -> bool {
        self.asked_by_http.iter().any(|p| p.matches(agent.as_str()))
    }

    /// The page where people see and decide a request.
    pub(crate) fn page(&self, request: &RequestId) -> String {
        format!("{}{request}", self.pages)
    }

    /// Refuses what a lock stands on, whatever permits it.
    ///
    /// # Errors
    /// [`Code::AccessLocked`].
    pub(crate) fn check_locks(
        &self,
        principal: &Principal,
        action: Action,
        upstream: &UpstreamId,
        target: &Target,
    ) -> Result<(), Denial> {
        match self.access.locked(principal, action, upstream, target) {
            None => Ok(()),
            Some(lock) => Err(Denial::new(Code::AccessLocked, "access is locked for now")
                .help("ask an administrator")
                .detail(format!("{} ({}): {}", lock.id, lock.scope, lock.reason))),
        }
    }

    /// What allows a question that no policy permits and none forbids.
    ///
    /// # Errors
    /// [`Code::AccessStale`] where a grant does, and nobody knows whether it still stands.
    pub(crate) fn authority(
        &self,
        principal: &Principal,
        known: &Known,
        question: &Question,
        arguments: Option<&str>,
        policies: [u8; 32],
        by: By,
    ) -> Result<Option<Authority>, Denial> {
        if question.action() == Action::Connect && by == By::AnyGrant {
            let mut all = self.entitlements.requestable(principal);
            let reaching = all.find(|e| e.reaches(known.id()));
            return Ok(reaching.map(|e| Authority::Entitled(e.id.as_str().into())));
        }
        let wanted = Wanted {
            principal,
            action: question.action(),
            upstream: known.id(),
            target: question.target(),
            arguments,
            tool_digest: tool_digest(known, question.target()),
            policies,
        };
        let admission = match by {
            By::AnyGrant => self.access.admit(&wanted),
            By::OneCall => self.access.admit_held(&wanted),
        };
        match admission {
            Ok(admission) => Ok(Some(Authority::Grant(Box::new(admission)))),
            Err(NotGranted::Stale) => Err(stale()),
            Err(_) => Ok(None),
        }
    }

    /// What the caller sees of a thing that no policy permits and none forbids.
    pub(crate) fn sight(
        &self,
        principal: &Principal,
        action: Action,
        upstream: &UpstreamId,
        target: &Target,
    ) -> Sight<'_> {
        if self.access.has_grant(principal, action, upstream, target) {
            return Sight::Usable;
        }
        match self
            .entitlements
            .covering(principal, action, upstream, target)
        {
            Some(entitlement) if !entitlement.hidden => Sight::Requestable(entitlement),
            _ => Sight::Hidden,
        }
    }
}

/// The digest of the definition that a tool has now.
fn tool_digest(known: &Known, target: &Target) -> Option<[u8; 32]> {
    match target {
        Target::Tool(name) => known.definitions().tool(name.as_str())?.digest,
        _ => None,
    }
}

/// The arguments of a call, as a grant looks at them.
pub(crate) fn arguments(message: &Message) -> Option<&str> {
    match message.method() {
        "tools/call" | "prompts/get" => Some(message.body("arguments").unwrap_or("{}")),
        _ => None,
    }
}

/// The definition of a thing that may be asked for, marked as that; `None` when it is not as the protocol says.
pub(crate) fn marked(raw: &str, entitlement: &Entitlement) -> Option<String> {
    let note = "[Needs approval: calling it asks for that, and people decide.]";
    let kinds: Vec<_> = entitlement.kinds.iter().map(|kind| kind.as_str()).collect();
    let value = json!({
        "requestable": true,
        "entitlement": entitlement.id.as_str(),
        "kinds": kinds,
    });
    list::mark(raw, note, cardea_mcp::meta::ACCESS, &value.to_string())
}
