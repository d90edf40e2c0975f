//! An HTTP proxy for one box: `CONNECT` for anything over TLS, absolute requests for plain `http`.
//!
//! # Source
//! RFC 9110 sections 7.3.2, 9.3.6; RFC 9112 section 3.2.2.

use std::{sync::Arc, time::Duration};

use http::{Method, Request, Response, StatusCode, Uri, header};
use http_body_util::{Either, Full};
use hyper::{
    body::{Bytes, Incoming},
    client, server,
    service::service_fn,
    upgrade::OnUpgrade,
};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::{io::copy_bidirectional, net::TcpStream};

use super::Egress;

type Body = Either<Incoming, Full<Bytes>>;

const HEAD_BYTES_MAX: usize = 16 * 1024;
const HEAD_TIMEOUT: Duration = Duration::from_secs(30);

/// What belongs to the connection with the proxy, and ends here.
const OF_THE_HOP: [&str; 7] = [
    "connection",
    "keep-alive",
    "proxy-authenticate",
    "proxy-authorization",
    "proxy-connection",
    "te",
    "upgrade",
];

/// A tunnel that was agreed upon: what becomes the box's side, and the other one.
type Tunnel = Arc<Mutex<Option<(OnUpgrade, TcpStream)>>>;

/// Answers one connection, and is its tunnel afterwards, so that it counts as one for as long as it is open.
pub(super) async fn serve(egress: Arc<Egress>, stream: TcpStream) {
    let tunnel = Tunnel::default();
    let agreed = Arc::clone(&tunnel);
    let service = service_fn(move |request| {
        let (egress, agreed) = (Arc::clone(&egress), Arc::clone(&agreed));
        async move { Ok::<_, std::convert::Infallible>(answer(&egress, request, &agreed).await) }
    });
    let connection = server::conn::http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .timer(TokioTimer::new())
        .header_read_timeout(HEAD_TIMEOUT)
        .serve_connection(TokioIo::new(stream), service)
        .with_upgrades();
    // A program that speaks no HTTP here is cut off.
    let _ = connection.await;
    let agreed = tunnel.lock().take();
    if let Some((upgrade, mut outside)) = agreed
        && let Ok(upgraded) = upgrade.await
    {
        // Either side may break off; nobody is there to tell.
        let _ = copy_bidirectional(&mut TokioIo::new(upgraded), &mut outside).await;
    }
}

async fn answer(
    egress: &Arc<Egress>,
    mut request: Request<Incoming>,
    agreed: &Tunnel,
) -> Response<Body> {
    let Some((host, port)) = target(request.method(), request.uri()) else {
        egress.refused(&request.uri().to_string(), "it names no host");
        return refusal("the request names no host");
    };
    let outside = match egress.dial(&host, port).await {
        Ok(outside) => outside,
        Err(why) => return refusal(why),
    };
    if request.method() == Method::CONNECT {
        *agreed.lock() = Some((hyper::upgrade::on(&mut request), outside));
        return Response::new(Either::Right(Full::default()));
    }
    forward(request, outside).await.unwrap_or_else(|()| {
        let mut response = refusal("the server broke off");
        *response.status_mut() = StatusCode::BAD_GATEWAY;
        response
    })
}

/// What is asked for: `host:port` of a `CONNECT`, or an absolute `http` URL.
fn target(method: &Method, uri: &Uri) -> Option<(String, u16)> {
    let host = uri.host()?.to_owned();
    match (method == Method::CONNECT, uri.scheme_str()) {
        (true, None) => Some((host, uri.port_u16()?)),
        (false, Some("http")) => Some((host, uri.port_u16().unwrap_or(80))),
        _ => None,
    }
}

async fn forward(mut request: Request<Incoming>, outside: TcpStream) -> Result<Response<Body>, ()> {
    let authority = request.uri().authority().ok_or(())?.as_str();
    // A user name and password are no part of `Host`.
    let host = authority.rsplit('@').next().unwrap_or(authority).to_owned();
    let path = request.uri().path_and_query().map_or("/", |p| p.as_str());
    *request.uri_mut() = path.parse().map_err(|_| ())?;
    let headers = request.headers_mut();
    for name in OF_THE_HOP {
        headers.remove(name);
    }
    headers.insert(header::HOST, host.parse().map_err(|_| ())?);
    let (mut sender, connection) = client::conn::http1::Builder::new()
        .max_buf_size(HEAD_BYTES_MAX)
        .handshake(TokioIo::new(outside))
        .await
        .map_err(|_| ())?;
    // It ends with the exchange.
    tokio::spawn(connection);
    let response = sender.send_request(request).await.map_err(|_| ())?;
    Ok(response.map(Either::Left))
}

fn refusal(why: &str) -> Response<Body> {
    let text = format!("refused by the sandbox: {why}\n");
    let mut response = Response::new(Either::Right(Full::from(text)));
    *response.status_mut() = StatusCode::FORBIDDEN;
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_connect_and_absolute_http_name_a_target() {
        let of = |method: Method, uri: &str| target(&method, &uri.parse().unwrap());
        let found = Some(("a.example".to_owned(), 443));
        assert_eq!(of(Method::CONNECT, "a.example:443"), found);
        assert_eq!(of(Method::CONNECT, "a.example"), None);
        let found = Some(("a.example".to_owned(), 80));
        assert_eq!(of(Method::GET, "http://a.example/x"), found);
        for other in ["https://a.example/x", "ftp://a.example/x", "/x"] {
            assert_eq!(of(Method::GET, other), None, "{other}");
        }
    }
}
