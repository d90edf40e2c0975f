//! Second station: a request whose token is good for the resource it asks for.

use cardea_identity::Verified;
use http::header;

use super::{Received, Refused};
use crate::world::World;

/// A request of a verified caller; its body is still unread, so that only callers cost memory.
#[derive(Debug)]
pub(crate) struct Identified {
    pub(super) received: Received,
    pub(super) verified: Verified,
}

impl Identified {
    /// Verifies the bearer token, its audience and its scopes.
    pub(crate) async fn by_token(
        received: Received,
        world: &World,
        upstream: &str,
    ) -> Result<Self, Box<Refused>> {
        match verify(&received, world, upstream).await {
            Ok(verified) => Ok(Self { received, verified }),
            Err(denial) => Err(Refused::new(denial, received.facts)),
        }
    }
}

async fn verify(
    received: &Received,
    world: &World,
    upstream: &str,
) -> Result<Verified, cardea_domain::Denial> {
    let mut values = received.head.headers.get_all(header::AUTHORIZATION).iter();
    let value = values.next().map(http::HeaderValue::as_bytes);
    if values.next().is_some() {
        return Err(cardea_domain::Denial::new(
            cardea_domain::Code::TokenInvalid,
            "more than one `Authorization` header",
        )
        .help("send one token"));
    }
    let token = Verified::bearer(value)?;
    let verified = world.authenticator.verify(token).await?;
    let whole = world.edge.resource();
    let own = world.edge.upstream_resource(upstream);
    verified.for_audience(&[&whole, &own])?;
    verified.with_scopes()?;
    Ok(verified)
}
