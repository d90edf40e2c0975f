//! The authorization server's place on the public listener: its requests, and its events.

use std::{pin::Pin, sync::Arc};

use cardea_audit::{Entry, Kind, Person};
use cardea_identity::{
    AuthorizationServer,
    server::{self, BODY_BYTES_MAX, Event, Journal, JournalDown},
};
use http::{Request, Response};

use crate::{
    body::ReplyBody,
    lent::Lent,
    peer::Peer,
    strangers::Told,
    whole,
    world::{Gateway, World},
};

/// The server, when the configuration has one and the path is one of its.
pub(crate) fn server_of<'w>(world: &'w World, path: &str) -> Option<&'w Arc<AuthorizationServer>> {
    let server = world.authorization.as_ref();
    server.filter(|_| AuthorizationServer::has(path))
}

/// Reads the body and hands the request over.
pub(crate) async fn serve(
    gateway: &Gateway,
    world: &World,
    server: &AuthorizationServer,
    peer: &Peer,
    request: Request<Lent>,
) -> Response<ReplyBody> {
    let (client, request) = match whole::read(world, peer, request, BODY_BYTES_MAX).await {
        Ok(read) => read,
        Err(refusal) => return *refusal,
    };
    let journal = LedgerJournal(gateway);
    let peer = server::Peer {
        address: client.address,
        certificate: client.certificate,
    };
    let answer = server.serve(request, peer, &journal).await;
    answer.map(ReplyBody::Whole)
}

/// Writes the events of the authorization server into the log.
/// What happens to a tenant's people is in that tenant's log.
#[derive(Debug)]
pub struct LedgerJournal<'a>(pub &'a Gateway);

impl Journal for LedgerJournal<'_> {
    fn record<'a>(
        &'a self,
        event: &'a Event<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), JournalDown>> + Send + 'a>> {
        let who = event.who.as_ref();
        let entry = Entry {
            kind: Kind::Event,
            event: Some(event.name),
            person: who.map(|who| Person {
                tenant: who.tenant,
                subject: who.subject,
                actor: who.client,
                run: who.run,
            }),
            detail: Some(&event.detail),
            peer: event.peer,
            ..Entry::default()
        };
        let world = self.0.world();
        let tenant = who.and_then(|who| world.tenants.get(who.tenant));
        let ledger = tenant.map_or(&self.0.ledger, |tenant| &tenant.ledger);
        if is_counted(self.0, &world, event) {
            return Box::pin(async { Ok(()) });
        }
        let pending = ledger.append(&entry);
        Box::pin(async move {
            let pending = pending.map_err(|_| JournalDown)?;
            pending.durable().await.map(drop).map_err(|_| JournalDown)
        })
    }
}

/// Events that anybody can cause without knowing anything.
const OF_STRANGERS: [&str; 2] = ["token_refused", "login_failed"];

/// Whether the event of a stranger was counted, since their address has had its records of this
/// second.
fn is_counted(gateway: &Gateway, world: &World, event: &Event<'_>) -> bool {
    let Some(peer) = event.peer.filter(|_| OF_STRANGERS.contains(&event.name)) else {
        return false;
    };
    let told = gateway.strangers.tell(
        peer,
        event.name,
        gateway.clock.unix_s(),
        world.limits.refusals_recorded_per_address_max,
    );
    gateway.ledger.health().is_ok() && matches!(told, Told::Counted(_))
}
