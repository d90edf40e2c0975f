//! From a refusal to a request: what an agent asks for by trying.

use std::{sync::Arc, time::Duration};

use cardea_access::{
    AccessRequest, AskRefused, Asker, DecidedBy, Entitlement, Kind, LABEL_CHARS_MAX, Moment,
    NewRequest, REASON_CHARS_MAX, Reason, RequestState,
};
use cardea_domain::{Code, Denial, Principal, RequestId, Target};
use cardea_mcp::{Era, Message, Version, meta};
use cardea_policy::Question;
use cardea_registry::Known;
use serde_json::{Value, json};

use super::{By, Declared, Offer, Redeemed, TenantAccess, offer::Way, tool_digest};
use crate::{
    facts::{AccessFacts, Facts},
    protocol::Dialect,
    world::Gateway,
};

/// Less than the minute after which clients give up on a call.
const RETRY_HOLD: Duration = Duration::from_secs(45);

/// A call that nobody has granted, as far as asking for it goes.
pub(crate) struct Asks<'a> {
    pub(crate) gateway: &'a Gateway,
    /// The upstream's resource identifier (RFC 8707).
    pub(crate) resource: String,
    pub(crate) access: &'a TenantAccess,
    /// Under which it can be asked for.
    pub(crate) entitlement: &'a Entitlement,
    pub(crate) principal: &'a Principal,
    pub(crate) known: &'a Known,
    pub(crate) dialect: Dialect,
    pub(crate) message: &'a Message,
    /// What a legacy client declared when it began its session.
    pub(crate) declared: Declared,
    /// What it waits for already.
    pub(crate) ticket: Option<&'a Redeemed>,
    /// The digest of the tenant's policies.
    pub(crate) policies: [u8; 32],
    /// Which grants can allow it.
    pub(crate) by: By,
    /// What the gateway has noticed, for whoever decides.
    pub(crate) noticed: Option<String>,
}

/// What came of asking.
#[derive(Debug)]
pub(crate) struct Asked {
    /// The refusal as it is recorded.
    pub(crate) denial: Denial,
    pub(crate) facts: AccessFacts,
    /// What the client is told instead of the bare refusal.
    pub(crate) offer: Option<Box<Offer>>,
    pub(crate) waits: Waits,
}

/// How a call goes on that made a request.
#[derive(Debug)]
pub(crate) enum Waits {
    /// It is refused.
    No,
    /// A rule has approved the request: it is decided again at once.
    Granted,
    /// It may wait so long for people.
    For(RequestId, Duration),
}

impl Asks<'_> {
    /// Asks for what `question` was about.
    pub(crate) async fn ask(&self, question: &Question, facts: &Facts) -> Asked {
        let entitlement = self.entitlement;
        let mut about = AccessFacts {
            entitlement: Some(Arc::from(entitlement.id.as_str())),
            ..AccessFacts::default()
        };
        if let Some(request) = self.awaited().await
            && !matches!(
                request.state,
                RequestState::Pending | RequestState::Approved(_)
            )
        {
            return self.decided(&request, about);
        }
        let digest = tool_digest(self.known, question.target());
        if matches!(question.target(), Target::Tool(_)) && digest.is_none() {
            let denial = required("it has to be granted, and its definition is not known yet")
                .help("send `tools/list` first, then make the call again");
            return Asked::bare(denial, about);
        }
        let client = facts.client.as_deref();
        let client = client.and_then(|raw| std::str::from_utf8(raw).ok());
        let client = client.map(|text| text.chars().take(LABEL_CHARS_MAX).collect::<String>());
        let asked = NewRequest {
            asker: Asker::agent(self.principal),
            moment: Moment::Call,
            action: question.action(),
            upstream: self.known.id(),
            target: question.target(),
            kind: (self.by == By::OneCall).then_some(Kind::Once),
            arguments: super::arguments(self.message),
            constraint: None,
            duration: None,
            calls_max: None,
            tool_digest: digest,
            policies: self.policies,
            reason: self.reason(),
            ticket: None,
            model: facts.model.as_deref(),
            client: client.as_deref(),
            extends: None,
        };
        let request = match self
            .access
            .access
            .ask(&self.access.entitlements, &asked)
            .await
        {
            Ok(request) => request,
            Err(refused) => {
                let denial = required(format!(
                    "it has to be granted, and cannot be asked for: {}",
                    told(&refused)
                ));
                return Asked::bare(denial.detail(refused), about);
            }
        };
        about.request = Some(request.id.to_string());
        let (message, waits) = match &request.state {
            RequestState::Pending => (
                self.pending(&request),
                match self.hold(entitlement) {
                    Some(hold) => Waits::For(request.id.clone(), hold),
                    None => Waits::No,
                },
            ),
            RequestState::Approved(_) => (self.approved(&request), Waits::Granted),
            // A rule has said no.
            _ => return self.decided(&request, about),
        };
        let is_pending = request.state == RequestState::Pending;
        let offer = self.offer(&request, message.clone(), is_pending);
        Asked {
            denial: required(message).detail(format!("request {}", request.id)),
            facts: about,
            offer: Some(Box::new(offer)),
            waits,
        }
    }

    /// How long the call may wait for people.
    fn hold(&self, entitlement: &Entitlement) -> Option<Duration> {
        match self.ticket {
            // Clients try again as soon as the page is opened, long before anybody has decided.
            Some(ticket) if ticket.was_opened => Some(entitlement.hold.unwrap_or(RETRY_HOLD)),
            Some(_) => None,
            None => entitlement.hold,
        }
    }

    /// The request that the client waits for.
    async fn awaited(&self) -> Option<AccessRequest> {
        let id = RequestId::parse(&self.ticket?.request).ok()?;
        // Where it cannot be read, it is asked for anew, which finds it or fails.
        self.access.access.request(&id).await.ok()?
    }

    /// What a person of the host's wrote nothing about, a model may have: `_meta` says why, in its words.
    fn reason(&self) -> Option<Reason> {
        let text = self.message.meta_str(meta::REASON);
        let text = text.map(|text| text.chars().take(REASON_CHARS_MAX).collect::<String>());
        match &self.noticed {
            Some(noticed) => Some(Reason::by_gateway(noticed.clone(), text)),
            None => text.map(Reason::by_model),
        }
    }

    /// Somebody said no, or nobody said anything: trying again is a new request, which the client must mean.
    fn decided(&self, request: &AccessRequest, mut about: AccessFacts) -> Asked {
        about.request = Some(request.id.to_string());
        let said = request.approvals.last().and_then(|a| a.reason.as_deref());
        let why = said.map_or(String::new(), |why| format!(" Its reason: {why:?}."));
        let rule = rule(request).map_or(String::new(), |rule| format!(" by the rule {rule:?}"));
        let message = format!(
            "Your request {} for `{}` was {}{rule}.{why} Do not try again unless your person tells you to.",
            request.id,
            shown(&request.target),
            request.state.as_str(),
        );
        Asked {
            denial: required(message.clone()),
            offer: Some(Box::new(self.offer(request, message, false))),
            facts: about,
            waits: Waits::No,
        }
    }

    fn pending(&self, request: &AccessRequest) -> String {
        let what = shown(&request.target);
        let again = match request.terms.kind {
            Kind::Once => "make the same call again, with exactly the same arguments",
            Kind::Calls | Kind::Time => "make the call again",
        };
        format!(
            "`{what}` has to be approved by people first. Request {} is made and waits for them. Tell your person to open \
             its page; once it is approved, {again}.",
            request.id
        )
    }

    /// For a call that is refused all the same, since something changed in that very moment.
    fn approved(&self, request: &AccessRequest) -> String {
        format!(
            "Your request {} for `{}` was approved; make the call again.",
            request.id,
            shown(&request.target)
        )
    }

    fn offer(&self, request: &AccessRequest, message: String, is_pending: bool) -> Offer {
        Offer {
            way: self.way(request, is_pending),
            page: self.access.page(&request.id),
            state: request.state.as_str(),
            expires_s: request.expires_ms / 1000,
            request: request.id.to_string(),
            message,
        }
    }

    fn way(&self, request: &AccessRequest, is_pending: bool) -> Way {
        let is_tool = self.message.method() == "tools/call";
        let declared = match self.dialect.era {
            Era::Modern => Declared::of(self.message.meta(meta::CLIENT_CAPABILITIES)),
            Era::Legacy => self.declared,
        };
        if self.access.is_asked_by_http(&self.principal.actor) {
            return Way::Forbidden(self.details(request));
        }
        let plain = match is_tool {
            _ if declared.reads_details => Way::Forbidden(self.details(request)),
            true => Way::ToolResult,
            false => Way::Error,
        };
        // Whoever has waited is not asked to open the page once more.
        if !is_pending || self.ticket.is_some() {
            return plain;
        }
        match self.dialect.era {
            Era::Modern if declared.opens_urls => {
                let state = self.gateway.tickets.issue(
                    &self.gateway.sealer,
                    self.principal,
                    self.known.id(),
                    self.message,
                    request.id.as_str(),
                    self.gateway.clock.unix_s(),
                );
                state.map_or(plain, Way::InputRequired)
            }
            Era::Legacy if declared.opens_urls && self.dialect.version == Version::V2025_11_25 => {
                Way::UrlRequired
            }
            Era::Modern | Era::Legacy => plain,
        }
    }

    /// What is missing, in the words of OAuth.
    ///
    /// # Source
    /// RFC 9396, section 2.2: `type`, `locations`, `identifier` and `actions`.
    fn details(&self, request: &AccessRequest) -> Value {
        let (kind, action) = match &request.target {
            Target::Tool(_) => ("mcp_tool", "call"),
            Target::Prompt(_) => ("mcp_prompt", "get"),
            _ => ("mcp_resource", "read"),
        };
        json!([{
            "type": kind,
            "locations": [self.resource],
            "identifier": request.target.name(),
            "actions": [action],
        }])
    }
}

impl Asked {
    fn bare(denial: Denial, facts: AccessFacts) -> Self {
        Self {
            denial,
            facts,
            offer: None,
            waits: Waits::No,
        }
    }
}

/// The rule that decided about a request, where one did.
pub(super) fn rule(request: &AccessRequest) -> Option<&str> {
    match &request.approvals.last()?.by {
        DecidedBy::Rule(rule) => Some(rule),
        DecidedBy::Person(_) => None,
    }
}

/// What an agent is told of a request that was not made: nothing of the store's own words.
pub(super) fn told(refused: &AskRefused) -> String {
    match refused {
        AskRefused::Store(_) | AskRefused::Journal(_) => {
            "requests cannot be made now; try again later".to_owned()
        }
        other => other.to_string(),
    }
}

fn required(message: impl Into<std::borrow::Cow<'static, str>>) -> Denial {
    Denial::new(Code::AccessRequired, message)
}

/// What is asked for, by its name, as text that is no markup and no instruction.
pub(super) fn shown(target: &Target) -> String {
    let name = target.name().unwrap_or("the server");
    name.chars()
        .filter(|c| !c.is_control() && *c != '`')
        .take(128)
        .collect()
}
