//! Requests that another room answers as a whole: let in by host and proxy, their bodies read within bounds.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Limited};

use crate::{admin, body::ReplyBody, lent::Lent, peer::Peer, world::World};

/// The request with its body, and who sent it.
///
/// # Errors
/// The refusal, where the host is another one, a certificate cannot be used, or the body is longer than
/// `bytes_max` or does not come in time.
pub(crate) async fn read(
    world: &World,
    peer: &Peer,
    request: Request<Lent>,
    bytes_max: usize,
) -> Result<(Peer, Request<Bytes>), Box<Response<ReplyBody>>> {
    let refuse = |status, text| Err(Box::new(admin::plain(status, text)));
    if world.edge.check_host(request.headers()).is_err() {
        return refuse(
            StatusCode::FORBIDDEN,
            "this is not the host that the request names\n",
        );
    }
    let Ok(client) = world.proxies.client(peer, request.headers()) else {
        return refuse(
            StatusCode::BAD_REQUEST,
            "the client certificate cannot be used\n",
        );
    };
    let (head, body) = request.into_parts();
    let read = Limited::new(body, bytes_max).collect();
    match tokio::time::timeout(world.limits.body_timeout, read).await {
        Ok(Ok(body)) => Ok((client, Request::from_parts(head, body.to_bytes()))),
        Ok(Err(_)) | Err(_) => refuse(
            StatusCode::BAD_REQUEST,
            "the body is too long or never came\n",
        ),
    }
}
