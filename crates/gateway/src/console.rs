//! The console's place on the public listener, and what it is shown of the gateway.

use std::sync::Arc;

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use cardea_access::{Access, AccessRequest, Entitlements, Kind};
use cardea_console::{
    BODY_BYTES_MAX, Body, Console, Explained, ExplainedPolicy, Labelled, Minute, Rooms, Ruling,
    ServerFacts, Standing, Subject, SupposedCall,
};
use cardea_domain::{Action, Code, Denial, KeyBinding, Target, TenantId, UpstreamId};
use cardea_identity::{
    ApiHolder, Confirmed, RunHints,
    server::{API_PATH, Event, Journal as _, Who},
};
use cardea_policy::{Caller, Explanation, Given, Outcome, Question, Said};
use cardea_registry::{Connection, Entry, PinRule, Registrar, digest_text};
use http::{HeaderValue, Request, Response, StatusCode, header};

use crate::{
    Tenant,
    authorization::LedgerJournal,
    body::ReplyBody,
    challenge::Offer,
    lent::Lent,
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
    request: Request<Lent>,
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

/// Who a server has to be; neither arguments nor variables, which may be secret, nor the query of an address.
fn identity(connection: &Connection) -> Vec<(&'static str, String)> {
    match connection {
        Connection::Stdio(server) => {
            let mut facts = vec![("Starts", server.command.clone())];
            for locked in &server.locked {
                let digest = digest_text(&locked.digest);
                facts.push(("Locked", format!("{} {digest}", locked.path.display())));
            }
            facts
        }
        Connection::Http(server) => {
            let mut url = server.url.clone();
            url.set_query(None);
            let mut facts = vec![("Address", url.to_string())];
            if let Some(id) = &server.identity.spiffe_id {
                facts.push(("SPIFFE ID", id.clone()));
            }
            for pin in &server.identity.spki_pins {
                facts.push(("Key", format!("sha256/{}", STANDARD.encode(pin))));
            }
            if let Some(path) = &server.ca_file {
                facts.push(("Authorities", path.display().to_string()));
            }
            if let Some((certificate, _)) = &server.client_certificate {
                facts.push(("Is shown", certificate.display().to_string()));
            }
            facts
        }
    }
}

/// One world, as the console sees it.
struct Shown<'a> {
    gateway: &'a Gateway,
    world: &'a World,
}

impl Shown<'_> {
    fn facts(&self, entry: &Entry) -> ServerFacts {
        let labels = self.tenant(entry.tenant());
        let labels = labels.and_then(|tenant| tenant.flow.labels.get(entry.id()));
        let labels = labels.into_iter().flatten();
        let mut identity = identity(entry.connection());
        if entry.is_held() {
            let waits = "was added, and waits for `cardea server approve`: it is neither started nor called";
            identity.insert(0, ("The server", waits.to_owned()));
        }
        ServerFacts {
            id: entry.id().clone(),
            transport: match entry.connection() {
                Connection::Http(_) => "http",
                Connection::Stdio(_) => "stdio",
            },
            pins: match entry.pin_rule() {
                PinRule::Approve => "approve",
                PinRule::First => "first",
                PinRule::Off => "off",
            },
            identity,
            labels: labels
                .map(|(tool, labels)| (tool.clone(), labels.words().collect()))
                .collect(),
        }
    }

    /// The question of a request for one exact call, with its arguments.
    fn with_arguments(&self, question: Question, request: &AccessRequest) -> Question {
        let raw = request.arguments.as_deref();
        let value = raw.and_then(|raw| serde_json::from_str(raw).ok());
        let Some(value) = value.filter(|_| request.terms.kind == Kind::Once) else {
            return question;
        };
        let upstream = request.upstream.as_str();
        let known = self.world.registry.resolve(question.tenant(), upstream);
        let tool = request.target.name().unwrap_or_default();
        let definition = known.and_then(|known| known.definitions().tool(tool));
        question.with_arguments(Given {
            value: Arc::new(value),
            definition: definition.map(|definition| Arc::clone(&definition.raw)),
        })
    }

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
            // Not kept with requests: what a policy makes of these is decided when the call comes.
            standing: Arc::default(),
            binding: request.binding.unwrap_or_default(),
        };
        let method = request.action.as_str();
        let question = Question::new(
            caller,
            request.action,
            &request.upstream,
            request.target.clone(),
            method.into(),
        );
        let question = of.now(self.with_arguments(question, request));
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

    fn registrar(&self, tenant: &TenantId) -> Option<Arc<Registrar>> {
        self.tenant(tenant)?.registrar.clone()
    }

    fn servers(&self, tenant: &TenantId) -> Vec<ServerFacts> {
        let entries = self.world.registry.entries();
        let mut servers: Vec<_> = entries
            .filter(|entry| entry.tenant() == tenant)
            .map(|entry| self.facts(entry))
            .collect();
        servers.sort_by(|a, b| a.id.cmp(&b.id));
        servers
    }

    fn explain(&self, tenant: &TenantId, call: &SupposedCall<'_>) -> Option<Explained> {
        let of = self.tenant(tenant)?;
        let caller = Caller {
            tenant,
            subject: call.subject,
            actor: call.actor,
            groups: call.groups,
            standing: Arc::default(),
            binding: KeyBinding::NONE,
        };
        let action = Action::CallTool;
        let target = call.target.clone();
        let question = Question::new(
            caller,
            action,
            call.upstream,
            target,
            action.as_str().into(),
        );
        let mut question = of.now(question);
        if let Some(value) = &call.arguments {
            let known = self.world.registry.resolve(tenant, call.upstream.as_str());
            let tool = call.target.name().unwrap_or_default();
            let definition = known.and_then(|known| known.definitions().tool(tool));
            question = question.with_arguments(Given {
                value: Arc::clone(value),
                definition: definition.map(|definition| Arc::clone(&definition.raw)),
            });
        }
        Some(explained(of.policies.explain(&question)))
    }

    fn standing(
        &self,
        tenant: &TenantId,
        upstream: &UpstreamId,
        tool: Option<&str>,
    ) -> Vec<Standing> {
        let Some(of) = self.tenant(tenant) else {
            return Vec::new();
        };
        let permits = of.policies.standing(upstream.as_str(), tool).into_iter();
        let permits = permits.map(|permit| Standing {
            id: permit.id,
            who: permit.who,
            what: permit.what,
            conditions: permit.conditions,
        });
        permits.collect()
    }

    fn subject(&self, tenant: &TenantId, upstream: &UpstreamId, target: &Target) -> Subject {
        let Target::Tool(name) = target else {
            return Subject::default();
        };
        let known = self.world.registry.resolve(tenant, upstream.as_str());
        let labels = self.tenant(tenant).map(|of| {
            let labelled = of.flow.labelled(upstream, name.as_str());
            labelled.map_or(Labelled::Nothing, |labels| {
                Labelled::As(labels.words().collect())
            })
        });
        let Some(definition) = known.and_then(|known| known.definitions().tool(name.as_str()))
        else {
            return Subject {
                labels,
                ..Subject::default()
            };
        };
        Subject {
            is_shown: true,
            labels,
            ..Subject::of(&definition.raw, definition.digest)
        }
    }
}

fn explained(of: Explanation) -> Explained {
    let policies = of.policies.into_iter().map(|policy| {
        let (outcome, detail) = match policy.outcome {
            Outcome::Applies => ("applies", None),
            Outcome::Elsewhere => ("about others", None),
            Outcome::Unmet(condition) => ("not met", Some(condition)),
            Outcome::Depends(condition) => ("depends on arguments", Some(condition)),
            Outcome::Fails(error) => ("fails", Some(error)),
        };
        ExplainedPolicy {
            id: policy.id,
            effect: match (policy.permits, policy.asks_for_approval) {
                (true, _) => "permit",
                (false, true) => "ask",
                (false, false) => "forbid",
            },
            outcome,
            detail,
        }
    });
    Explained {
        decision: of.said.word(),
        is_grantable: match of.said {
            Said::NotPermitted | Said::Depends => true,
            Said::Permitted => !of.approval.is_empty(),
            Said::Forbidden | Said::Failed(_) => false,
        },
        policies: policies.collect(),
        error: match of.said {
            Said::Failed(error) => Some(error),
            _ => None,
        },
        by: of.by,
        approval: of.approval,
    }
}
