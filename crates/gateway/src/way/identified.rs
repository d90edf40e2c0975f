//! Second station: a request whose token is good for the resource it asks for, by its holder.

use std::sync::Arc;

use cardea_domain::{Code, Denial};
use cardea_identity::{Confirmed, Credentials, Possession, Proofs, RunHints, Scheme, Verified};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Uri, header};

use super::{Received, Refused};
use crate::{challenge::Offer, peer::Peer, world::World};

/// A request of a verified caller; its body is still unread, so that only callers cost memory.
#[derive(Debug)]
pub(crate) struct Identified {
    pub(super) received: Received,
    pub(super) confirmed: Confirmed,
}

/// RFC 9449, section 4.1.
const DPOP: HeaderName = HeaderName::from_static("dpop");

impl Identified {
    /// Verifies the token, that its holder sent it, its audience and its scopes.
    pub(crate) async fn by_token(
        mut received: Received,
        world: &World,
        upstream: &str,
        client: &Peer,
        offer: &mut Offer,
        now_ms: u64,
    ) -> Result<Self, Box<Refused>> {
        let head = &received.head;
        let confirmed = verify(world, &head.method, &head.uri, &head.headers, client, offer);
        let confirmed = match confirmed.await {
            Ok(confirmed) => confirmed,
            Err(denial) => return Err(Refused::new(denial, received.facts)),
        };
        match covers(confirmed.verified(), world, upstream) {
            Ok(()) => Ok(Self {
                received,
                confirmed,
            }),
            Err(denial) => {
                // It is known whose token it is, though it is not for this: the record is for the
                // log of that tenant.
                received.facts.tenant = world.tenants.get(confirmed.tenant()).map(Arc::clone);
                received.facts.principal = confirmed.principal(RunHints::default(), now_ms).ok();
                Err(Refused::new(denial, received.facts))
            }
        }
    }
}

/// Verifies the one token of a request, and that its holder sent it; what it is for is still to be
/// looked at.
pub(crate) async fn verify(
    world: &World,
    method: &Method,
    uri: &Uri,
    headers: &HeaderMap,
    client: &Peer,
    offer: &mut Offer,
) -> Result<Confirmed, Denial> {
    let mut values = headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().map(HeaderValue::as_bytes);
    if values.next().is_some() {
        return Err(
            Denial::new(Code::TokenInvalid, "more than one `Authorization` header")
                .help("send one token"),
        );
    }
    let credentials = Credentials::parse(value)?;
    offer.scheme = Some(credentials.scheme);
    let verified = world.authenticator.verify(credentials.token).await?;
    // A bearer token has no proof whose address would have to be right.
    let uri = match credentials.scheme {
        Scheme::Bearer => String::new(),
        Scheme::Dpop => world.edge.address(uri.path()),
    };
    let possession = Possession {
        scheme: credentials.scheme,
        proofs: Proofs::of(headers.get_all(DPOP).iter().map(HeaderValue::as_bytes)),
        method: method.as_str(),
        uri: &uri,
        certificate: client.certificate.as_deref(),
    };
    let confirmed = world.holders.confirm(verified, &possession);
    let nonce_is_due = match &confirmed {
        Ok(confirmed) => confirmed.nonce_is_due(),
        Err(denial) => denial.code == Code::ProofNonce,
    };
    offer.nonce = nonce_is_due.then(|| world.holders.dpop().nonce());
    confirmed
}

/// Whether the token is for this upstream, and for as much as is asked of every token.
fn covers(verified: &Verified, world: &World, upstream: &str) -> Result<(), Denial> {
    let whole = world.edge.resource();
    let own = world.edge.upstream_resource(upstream);
    verified.for_audience(&[&whole, &own])?;
    verified.with_scopes()
}
