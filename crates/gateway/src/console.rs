//! The console's place on the public listener, and what it is shown of the gateway.

use std::sync::Arc;

use bytes::Bytes;
use cardea_access::{Access, AccessRequest, Entitlements};
use cardea_console::{BODY_BYTES_MAX, Body, Console, Minute, Rooms, Ruling, Subject};
use cardea_domain::{Code, Denial, Target, TenantId, UpstreamId};
use cardea_identity::{
    ApiHolder, Confirmed, RunHints,
    server::{API_PATH, Event, Journal as _, Who},
};
use cardea_policy::{Caller, Question};
use http::{HeaderValue, Request, Response, StatusCode, header};
use hyper::body::Incoming;
use serde_json::Value;

use crate::{
    Tenant,
    authorization::LedgerJournal,
    body::ReplyBody,
    challenge::Offer,
    peer::Peer,
    way, whole,
    world::{Gateway, World},
};

/// The console, when there is one and the path is one of its.
pub(crate) fn console_of<'w>(world: &'w World, path: &str) -> Option<&'w Arc<Console>> {
    let console = world.console.as_ref();
    console.filter(|_| Console::has(path))
}

/// Reads the body and hands the request over.
pub(crate) async fn serve(
    gateway: &Gateway,
    world: &World,
    console: &Console,
    peer: &Peer,
    request: Request<Incoming>,
) -> Response<ReplyBody> {
    let (client, request) = match whole::read(world, peer, request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return *refusal,
    };
    let mut offer = Offer::default();
    let token = match request.headers().contains_key(header::AUTHORIZATION) {
        true => Some(holder(gateway, world, &client, &request, &mut offer).await),
        false => None,
    };
    let refused = token.as_ref().and_then(|token| token.as_ref().err());
    let refused = refused.map(|denial| denial.code);
    let is_api = request.uri().path().starts_with(API_PATH);
    let shown = Shown { gateway, world };
    let mut reply = console.serve(request, token, &shown).await;
    let asks = matches!(
        reply.status(),
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN
    );
    if is_api && asks && (refused.is_some() || reply.status() == StatusCode::UNAUTHORIZED) {
        let challenge = world.edge.api_challenge(refused);
        if let Ok(challenge) = HeaderValue::try_from(challenge) {
            reply
                .headers_mut()
                .append(header::WWW_AUTHENTICATE, challenge);
        }
    }
    offer.give_api(reply.headers_mut());
    reply.map(|body| match body {
        Body::Whole(text) => ReplyBody::Whole(text),
        Body::Events(events) => ReplyBody::Events(events),
    })
}

/// Whose token came with a request, and through which program. A token that is refused here is
/// recorded, in the log of its tenant once it is known whose it is.
async fn holder(
    gateway: &Gateway,
    world: &World,
    client: &Peer,
    request: &Request<Bytes>,
    offer: &mut Offer,
) -> Result<ApiHolder, Denial> {
    let (uri, headers) = (request.uri(), request.headers());
    let confirmed = way::verify(world, request.method(), uri, headers, client, offer).await;
    let (refused, whose) = match confirmed {
        Ok(confirmed) => match confirmed.api_holder(&world.edge.api_resource()) {
            Ok(holder) => return Ok(holder),
            Err(denial) => (denial, Some(confirmed)),
        },
        Err(denial) => (denial, None),
    };
    // Clients learn their first nonce so; it says nothing.
    if refused.code == Code::ProofNonce {
        return Err(refused);
    }
    match record(gateway, client, &refused, whose.as_ref()).await {
        true => Err(refused),
        false => Err(Denial::new(
            Code::AuditUnavailable,
            "this cannot be recorded now, so it was not done",
        )
        .help("try again in a moment")),
    }
}

async fn record(
    gateway: &Gateway,
    client: &Peer,
    refused: &Denial,
    whose: Option<&Confirmed>,
) -> bool {
    let now_ms = gateway.clock.unix_ms();
    let principal = whose.and_then(|c| c.principal(RunHints::default(), now_ms).ok());
    let who = principal.as_ref().map(|principal| Who {
        tenant: &principal.tenant,
        subject: &principal.subject,
        client: Some(principal.actor.as_str()),
        run: Some(principal.run.as_str()),
    });
    let detail = refused.detail.as_deref().unwrap_or_default();
    let event = Event {
        // Only those of strangers are counted instead of recorded when there are many.
        name: match whose {
            Some(_) => "api_refused",
            None => "token_refused",
        },
        who,
        detail: format!("at the API: {} {detail}", refused.code.as_str()),
        peer: Some(client.address),
    };
    LedgerJournal(gateway).record(&event).await.is_ok()
}

/// One world, as the console sees it.
struct Shown<'a> {
    gateway: &'a Gateway,
    world: &'a World,
}

impl Shown<'_> {
    fn tenant(&self, tenant: &TenantId) -> Option<&Arc<Tenant>> {
        self.world.tenants.get(tenant)
    }
}

impl Rooms for Shown<'_> {
    fn access(&self, tenant: &TenantId) -> Option<Arc<Access>> {
        let access = self.tenant(tenant)?.access.as_ref()?;
        Some(Arc::clone(&access.access))
    }

    fn entitlements(&self, tenant: &TenantId) -> Option<Entitlements> {
        let access = self.tenant(tenant)?.access.as_ref()?;
        Some(access.entitlements.clone())
    }

    fn minutes(&self, tenant: &TenantId) -> Vec<Minute> {
        let Some(tenant) = self.tenant(tenant) else {
            return Vec::new();
        };
        let now = self.gateway.clock.unix_s() / 60;
        let minutes = tenant.room.minutes.last_hour(now);
        minutes
            .map(|(calls, denials)| Minute { calls, denials })
            .collect()
    }

    fn policies(&self, tenant: &TenantId) -> [u8; 32] {
        self.tenant(tenant)
            .map_or([0; 32], |tenant| tenant.policies.digest())
    }

    fn ruling(&self, tenant: &TenantId, request: &AccessRequest) -> Ruling {
        let Some(of) = self.tenant(tenant) else {
            return Ruling::Unknown("the tenant is not there".to_owned());
        };
        let caller = Caller {
            tenant,
            subject: &request.subject,
            actor: &request.actor,
            groups: &request.groups,
        };
        let method = request.action.as_str();
        let question = Question::new(
            caller,
            request.action,
            &request.upstream,
            request.target.clone(),
            method.into(),
        );
        let names = |policies: &[Arc<str>]| policies.iter().map(ToString::to_string).collect();
        match of.policies.decide(question) {
            Ok(permit) => Ruling::Permits(names(permit.policies())),
            Err(refusal) if refusal.lacks_a_permit_only() => Ruling::Silent,
            Err(refusal) => {
                let policies = refusal.policies_shared();
                match policies.is_empty() {
                    true => Ruling::Unknown("a policy could not be evaluated".to_owned()),
                    false => Ruling::Forbids(names(&policies)),
                }
            }
        }
    }

    fn subject(&self, tenant: &TenantId, upstream: &UpstreamId, target: &Target) -> Subject {
        let Target::Tool(name) = target else {
            return Subject::default();
        };
        let known = self.world.registry.resolve(tenant, upstream.as_str());
        let Some(definition) = known.and_then(|known| known.definitions().tool(name.as_str()))
        else {
            return Subject::default();
        };
        let raw: Value = serde_json::from_str(&definition.raw).unwrap_or_default();
        let description = raw.get("description").and_then(Value::as_str);
        Subject {
            description: description.map(str::to_owned),
            digest: definition.digest,
        }
    }
}
