//! Requests that another room answers as a whole: let in by host and proxy, their bodies read within bounds.

use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, LengthLimitError, Limited};

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
        Ok(Err(error)) if error.is::<LengthLimitError>() => Err(told(
            StatusCode::PAYLOAD_TOO_LARGE,
            &format!("the body is longer than {bytes_max} bytes"),
        )),
        Ok(Err(_)) | Err(_) => Err(told(StatusCode::REQUEST_TIMEOUT, "the body never came")),
    }
}

/// A refusal for programs, in the words of OAuth (RFC 6749 section 5.2) and of the API.
fn told(status: StatusCode, text: &str) -> Box<Response<ReplyBody>> {
    let body = serde_json::json!({
        "error": "invalid_request", "error_description": text,
        "code": "E_BODY_INVALID", "title": text, "status": status.as_u16(),
    });
    Box::new(admin::typed(status, "application/json", body.to_string()))
}
