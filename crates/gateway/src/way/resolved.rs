//! Third station: a message of a principal to an upstream.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use cardea_domain::{Code, Denial, Principal, UpstreamId};
use cardea_identity::{RunHints, TokenLife};
use cardea_mcp::{JsonError, Limits as JsonLimits, Message, MessageError, meta};
use cardea_registry::Known;
use http::{Method, request::Parts};
use http_body_util::{BodyExt as _, Limited};

use super::{Identified, Refused, received::too_large, validated::METHOD_CHARS_MAX};
use crate::{Tenant, facts::Facts, lent::Lent, tenant::Place, trace::TraceContext, world::World};

/// What a request asks for.
#[derive(Debug)]
pub(crate) enum Ask {
    /// A message, by POST.
    Message(Message),
    /// The server's own stream, by GET (legacy).
    Stream,
    /// The end of a session, by DELETE (legacy).
    End,
}

/// A checked message, its principal, and the upstream it is for, if there is one.
#[derive(Debug)]
pub(crate) struct Resolved {
    pub(super) head: Parts,
    pub(super) ask: Ask,
    pub(super) principal: Principal,
    /// `None` when the tenant has no such upstream; the call is refused only once everything else
    /// was looked at, so that nobody can tell from the refusal.
    pub(super) known: Option<Known>,
    /// The name that was asked for, where it can be one at all.
    pub(super) asked: Option<UpstreamId>,
    pub(super) facts: Box<Facts>,
    pub(super) worker: usize,
    pub(super) life: TokenLife,
}

impl Resolved {
    /// Reads the body, names the principal and looks the upstream up.
    pub(crate) async fn find(
        identified: Identified,
        world: &World,
        upstream: &str,
        now_ms: u64,
    ) -> Result<Self, Box<Refused>> {
        let Identified {
            received,
            confirmed,
        } = identified;
        let (head, body, mut facts, worker) = (
            received.head,
            received.body,
            received.facts,
            received.worker,
        );
        // Known before the body is read, so that a refused body is recorded with its sender, in
        // its tenant's log, and takes its tenant's room.
        facts.principal = confirmed.principal(RunHints::default(), now_ms).ok();
        facts.tenant = world.tenants.get(confirmed.tenant()).map(Arc::clone);
        match enter(facts.tenant.as_deref()) {
            Ok(place) => facts.place = Some(place),
            Err(denial) => return Err(Refused::new(denial, facts)),
        }
        let ask = match read(world, &head, body).await {
            Ok(ask) => ask,
            Err(denial) => return Err(Refused::new(denial, facts)),
        };
        let message = match &ask {
            Ask::Message(message) => Some(message),
            Ask::Stream | Ask::End => None,
        };
        if let Some(message) = message {
            note(&mut facts, message);
        }
        facts.parent_span = None;
        facts.trace = TraceContext::of(&head.headers, message);
        let host = message.and_then(|m| m.meta_str(meta::RUN));
        // The modern era has no sessions: a header that claims one names no run. A legacy session
        // that is not this principal's is refused at the next station.
        let modern = message.is_some_and(|m| m.meta(meta::PROTOCOL_VERSION).is_some());
        let session = head
            .headers
            .get(cardea_mcp::header::SESSION_ID)
            .filter(|_| !modern);
        let hints = RunHints {
            host: host.as_deref(),
            session: session.and_then(|s| s.to_str().ok()).map(short),
        };
        let principal = match confirmed.principal(hints, now_ms) {
            Ok(principal) => principal,
            Err(denial) => return Err(Refused::new(denial, facts)),
        };
        facts.principal = Some(principal.clone());
        let known = world.registry.resolve(&principal.tenant, upstream);
        facts.upstream = known.as_ref().map(|known| known.id().clone());
        Ok(Self {
            life: confirmed.life(),
            head,
            ask,
            principal,
            known,
            asked: UpstreamId::parse(upstream).ok(),
            facts,
            worker,
        })
    }
}

impl Resolved {
    pub(crate) fn facts_mut(&mut self) -> &mut Facts {
        &mut self.facts
    }
}

fn enter(tenant: Option<&Tenant>) -> Result<Place, Denial> {
    match tenant {
        Some(tenant) => tenant.enter(),
        // INVARIANT: tokens name tenants of the same configuration; otherwise it is a mistake of
        // ours, which denies like any doubt.
        None => Err(Denial::new(Code::Internal, "the call could not be decided")
            .detail("the tenant is not there")),
    }
}

fn note(facts: &mut Facts, message: &Message) {
    facts.method = match cardea_mcp::method::METHODS
        .iter()
        .find(|m| m.name == message.method())
    {
        Some(known) => known.name.into(),
        None if message.method().is_empty() => "response".into(),
        None => message
            .method()
            .chars()
            .take(METHOD_CHARS_MAX)
            .collect::<String>()
            .into(),
    };
    facts.is_request = message.kind() == cardea_mcp::Kind::Request;
    facts.id = message.id().map(|id| id.raw().to_owned());
    facts.model = message
        .meta_str(meta::MODEL)
        .map(|m| m.chars().take(128).collect());
    let of = |raw: &str| message.text().slice_ref(raw.as_bytes());
    facts.client = message
        .meta(meta::CLIENT_INFO)
        .or_else(|| message.body("clientInfo"))
        .map(of);
    facts.arguments = match message.method() {
        "tools/call" | "prompts/get" => message.body("arguments"),
        _ => message.top("params").or_else(|| message.top("result")),
    }
    .map(of);
}

/// Enough of a sealed session id to tell runs apart, and too little to use it.
fn short(sealed: &str) -> &str {
    sealed.get(..24).unwrap_or(sealed)
}

async fn read(world: &World, head: &Parts, body: Lent) -> Result<Ask, Denial> {
    if head.method == Method::GET {
        return Ok(Ask::Stream);
    }
    if head.method == Method::DELETE {
        return Ok(Ask::End);
    }
    let limits = &world.limits;
    let text = collect(body, limits.body_bytes_max, limits.body_timeout).await?;
    let json = JsonLimits {
        depth_max: limits.json_depth_max,
    };
    Message::parse(text, &json)
        .map(Ask::Message)
        .map_err(refusal)
}

async fn collect(body: Lent, max: usize, within: Duration) -> Result<Bytes, Denial> {
    let whole = tokio::time::timeout(within, Limited::new(body, max).collect()).await;
    match whole {
        Ok(Ok(whole)) => Ok(whole.to_bytes()),
        Ok(Err(error)) if error.is::<http_body_util::LengthLimitError>() => Err(too_large(max)),
        Ok(Err(error)) => {
            Err(Denial::new(Code::BodyIncomplete, "the body broke off").detail(error))
        }
        Err(_) => Err(
            Denial::new(Code::BodyIncomplete, "the body did not arrive in time")
                .help("send the whole body at once"),
        ),
    }
}

fn refusal(error: MessageError) -> Denial {
    let code = match &error {
        MessageError::Utf8(_) | MessageError::Json(JsonError::Malformed { .. }) => {
            Code::JsonMalformed
        }
        MessageError::Json(JsonError::DuplicateKey { .. }) => Code::JsonDuplicateKey,
        MessageError::Json(JsonError::TooDeep { .. }) => Code::JsonTooDeep,
        MessageError::Json(JsonError::TooWide { .. }) => Code::EnvelopeInvalid,
        MessageError::Batch => Code::BatchUnsupported,
        MessageError::Envelope(_) => Code::EnvelopeInvalid,
    };
    Denial::new(code, error.to_string())
}
