//! One request: where it goes, and the refusals on its way.

use std::sync::Arc;

use bytes::Bytes;
use cardea_audit::{Receipt, Unavailable};
use cardea_domain::{Code, Denial};
use cardea_identity::{Scheme, server::API_PATH};
use http::{HeaderValue, Method, Request, Response, StatusCode, header};

use crate::{
    access::Progress,
    admin,
    answer::answer,
    authorization,
    body::ReplyBody,
    challenge::{Offer, challenge},
    console,
    edge::{JWKS_PATH, MCP_PATH, RESOURCE_METADATA_PATH},
    facts::Facts,
    held,
    lent::Lent,
    peer::Peer,
    refusal,
    strangers::{Counted, Told},
    way::{Authorised, Identified, Received, Recorded, Refused, Resolved, Validated},
    world::{Gateway, World},
};

/// Serves one request on the public listener.
pub(crate) async fn serve(
    gateway: &Arc<Gateway>,
    worker: usize,
    peer: &Peer,
    request: Request<Lent>,
) -> Response<ReplyBody> {
    let path = request.uri().path();
    if let Some(upstream) = upstream_of(path) {
        let upstream = upstream.to_owned();
        return mcp(gateway, worker, peer, &upstream, request).await;
    }
    let world = gateway.world();
    if let Some(server) = authorization::server_of(&world, path) {
        return authorization::serve(gateway, &world, server, peer, request).await;
    }
    if let Some(console) = console::console_of(&world, path) {
        return console::serve(gateway, &world, console, peer, request).await;
    }
    if request.method() != Method::GET {
        return admin::plain(StatusCode::NOT_FOUND, "not found\n");
    }
    let resource = match path.strip_prefix(RESOURCE_METADATA_PATH) {
        Some("") => Some(MCP_PATH),
        of => of,
    };
    if let Some(resource) = resource.filter(|r| *r == MCP_PATH || upstream_of(r).is_some()) {
        return admin::json(world.edge.metadata(resource));
    }
    if resource == Some(API_PATH) && world.console.is_some() {
        return admin::json(world.edge.api_metadata());
    }
    match path {
        JWKS_PATH => match world.edge.jwks() {
            Some(jwks) => admin::json(jwks.to_string()),
            None => admin::plain(StatusCode::NOT_FOUND, "not found\n"),
        },
        "/healthz" | "/readyz" => admin::health(gateway, path),
        _ => admin::plain(
            StatusCode::NOT_FOUND,
            "not found; MCP endpoints are at /mcp/{upstream}\n",
        ),
    }
}

/// The upstream's name in `/mcp/{upstream}`; whether there is one is not decided here.
fn upstream_of(path: &str) -> Option<&str> {
    let name = path.strip_prefix(MCP_PATH)?.strip_prefix('/')?;
    let name = name.strip_suffix('/').unwrap_or(name);
    (!name.is_empty() && !name.contains('/')).then_some(name)
}

async fn mcp(
    gateway: &Arc<Gateway>,
    worker: usize,
    peer: &Peer,
    upstream: &str,
    request: Request<Lent>,
) -> Response<ReplyBody> {
    // One load: the whole call sees one world.
    let world = gateway.world();
    let facts = Box::new(Facts::new(
        peer.address,
        request.method(),
        gateway.clock.unix_us(),
    ));
    let mut offer = Offer::default();
    let way = way(
        gateway,
        &world,
        (worker, peer),
        upstream,
        request,
        facts,
        &mut offer,
    )
    .await;
    let scheme = offer.scheme;
    let mut recorded = match way {
        Ok(validated) => answered(gateway, &world, upstream, validated, scheme).await,
        Err(refused) => refuse(gateway, &world, upstream, *refused, scheme).await,
    };
    offer.give(&mut recorded);
    recorded.into_response(&peer.patience)
}

/// The answer of a call; or a stream, from the moment on in which it waits for people, where its client wants to hear
/// of that.
async fn answered(
    gateway: &Arc<Gateway>,
    world: &Arc<World>,
    upstream: &str,
    validated: Validated,
    scheme: Option<Scheme>,
) -> Recorded {
    let may_wait = validated.may_wait(world);
    let message = validated.message().filter(|_| may_wait);
    let Some((progress, begun)) = message.and_then(Progress::wanted) else {
        return ended(gateway, world, upstream, validated, None, scheme).await;
    };
    let (gateway, world) = (Arc::clone(gateway), Arc::clone(world));
    let upstream = upstream.to_owned();
    let answered = async move {
        let progress = Some(progress);
        ended(&gateway, &world, &upstream, validated, progress, scheme).await
    };
    held::answer(Box::pin(answered), begun).await
}

/// The end of a call, or the stream that it is answered by.
async fn ended(
    gateway: &Arc<Gateway>,
    world: &Arc<World>,
    upstream: &str,
    validated: Validated,
    progress: Option<Progress>,
    scheme: Option<Scheme>,
) -> Recorded {
    match carry(gateway, world, validated, progress).await {
        Ok(recorded) => recorded,
        Err(refused) => refuse(gateway, world, upstream, *refused, scheme).await,
    }
}

/// Decides a call and carries it out: by the upstream, or here where it is for one of the gateway's own tools.
async fn carry(
    gateway: &Arc<Gateway>,
    world: &Arc<World>,
    validated: Validated,
    progress: Option<Progress>,
) -> Result<Recorded, Box<Refused>> {
    if validated.is_for_the_gateway() {
        return validated.answer_here(gateway, world).await;
    }
    let call = Authorised::decide(validated, gateway, world, progress).await?;
    Ok(match world.upstream(call.known()) {
        Some(connection) => answer(gateway, world, connection, call).await,
        None => {
            let denial = Denial::new(Code::Internal, "the upstream has no connection");
            crate::answer::failed(call, denial).await
        }
    })
}

/// The way of a call up to its decision.
async fn way(
    gateway: &Arc<Gateway>,
    world: &World,
    (worker, peer): (usize, &Peer),
    upstream: &str,
    request: Request<Lent>,
    mut facts: Box<Facts>,
    offer: &mut Offer,
) -> Result<Validated, Box<Refused>> {
    if gateway.draining.is_cancelled() {
        let denial = Denial::new(Code::Draining, "the gateway is shutting down")
            .help("try again; another instance may answer");
        return Err(Refused::new(denial, facts));
    }
    let (head, body) = request.into_parts();
    let client = match world.proxies.client(peer, &head.headers) {
        Ok(client) => client,
        Err(denial) => return Err(Refused::new(denial, facts)),
    };
    facts.peer = client.address;
    let received = Received::check(world, head, body, facts, worker)?;
    let now_ms = gateway.clock.unix_ms();
    let identified =
        Identified::by_token(received, world, upstream, &client, offer, now_ms).await?;
    let mut resolved = Resolved::find(identified, world, upstream, now_ms).await?;
    gateway.continue_trace(&mut resolved);
    Validated::check(resolved, gateway)
}

/// A minute, as calls are counted by.
pub(crate) const MINUTE_US: u64 = 60_000_000;

/// Records a refusal and makes it a reply.
async fn refuse(
    gateway: &Arc<Gateway>,
    world: &World,
    upstream: &str,
    refused: Refused,
    scheme: Option<Scheme>,
) -> Recorded {
    let Refused {
        denial,
        facts,
        offer: access,
    } = refused;
    gateway.metrics.refused(&facts, denial.code.as_str());
    if let Some(tenant) = &facts.tenant {
        tenant.room.minutes.denial(facts.started_us / MINUTE_US);
    }
    let era = facts.era();
    let id = facts.id.as_deref().filter(|_| facts.is_request);
    gateway.trace_refusal(&facts, &denial);
    let proof = match proof(gateway, world, &facts, &denial).await {
        Ok(proof) => proof,
        Err(unavailable) => return Recorded::unrecordable(&unavailable.into(), era, id),
    };
    let mut status = refusal::wire(denial.code, era).status;
    if status == StatusCode::OK && id.is_none() {
        // Without an id there is no JSON-RPC answer: the status has to say it.
        status = StatusCode::FORBIDDEN;
    }
    let is_challenged = denial.code == Code::ScopeInsufficient
        || access.as_ref().is_some_and(|access| access.is_forbidden());
    if is_challenged {
        status = StatusCode::FORBIDDEN;
    }
    let text = match access.zip(id) {
        Some((access, id)) => access.answer(id, era, &facts.call),
        None => refusal::text(&denial, era, id, &facts.call),
    };
    let text = Bytes::from(text);
    let mut recorded = match proof {
        Proof::Recorded(receipt) => Recorded::whole(&receipt, status, text),
        Proof::Counted(counted) => Recorded::counted(&counted, status, text),
    };
    match status {
        StatusCode::UNAUTHORIZED => {
            challenge(&mut recorded, world, &denial, upstream, scheme);
        }
        StatusCode::FORBIDDEN if is_challenged => {
            challenge(&mut recorded, world, &denial, upstream, scheme);
        }
        StatusCode::METHOD_NOT_ALLOWED => {
            recorded.header(header::ALLOW, HeaderValue::from_static("POST, GET, DELETE"))
        }
        StatusCode::SERVICE_UNAVAILABLE => {
            recorded.header(header::RETRY_AFTER, HeaderValue::from_static("1"));
        }
        _ => {}
    }
    if denial.code == Code::BodyTooLarge || denial.code == Code::BodyIncomplete {
        // The rest of the body is not read.
        recorded.header(header::CONNECTION, HeaderValue::from_static("close"));
    }
    recorded
}

/// Why a refusal may leave.
enum Proof {
    Recorded(Receipt),
    Counted(Counted),
}

/// Records a refusal, or counts it where its address has had its records of this second and showed
/// no good token.
async fn proof(
    gateway: &Gateway,
    world: &World,
    facts: &Facts,
    denial: &Denial,
) -> Result<Proof, Unavailable> {
    let ledger = gateway.ledger_of(facts);
    if facts.tenant.is_none() && ledger.health().is_ok() {
        let told = gateway.strangers.tell(
            facts.peer,
            denial.code.as_str(),
            gateway.clock.unix_s(),
            world.limits.refusals_recorded_per_address_max,
        );
        if let Told::Counted(counted) = told {
            return Ok(Proof::Counted(counted));
        }
    }
    let pending = ledger.append(&facts.refusal(denial))?;
    Ok(Proof::Recorded(pending.durable().await?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_one_segment_names_an_upstream() {
        assert_eq!(upstream_of("/mcp/files"), Some("files"));
        assert_eq!(upstream_of("/mcp/files/"), Some("files"));
        for path in ["/mcp", "/mcp/", "/mcp/a/b", "/mcpx/a", "/x/mcp/a", "/mcp//"] {
            assert_eq!(upstream_of(path), None, "{path}");
        }
    }
}
