//! What is served besides MCP: health, readiness, metrics.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::{body::ReplyBody, world::Gateway};

/// Serves one request on the administrators' listener.
pub(crate) fn serve(gateway: &Arc<Gateway>, request: &Request<Incoming>) -> Response<ReplyBody> {
    if request.method() != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    match request.uri().path() {
        path @ ("/healthz" | "/readyz") => health(gateway, path),
        "/metrics" => {
            let health = gateway.ledger.health();
            let text = gateway
                .metrics
                .render(gateway.ledger.counters().records, health.is_ok());
            typed(
                StatusCode::OK,
                "application/openmetrics-text; version=1.0.0; charset=utf-8",
                text,
            )
        }
        _ => plain(
            StatusCode::NOT_FOUND,
            "not found; try /healthz, /readyz, /metrics\n",
        ),
    }
}

/// `/healthz`: the process answers. `/readyz`: calls can be served.
pub(crate) fn health(gateway: &Gateway, path: &str) -> Response<ReplyBody> {
    if path == "/healthz" || gateway.is_ready() {
        plain(StatusCode::OK, "ok\n")
    } else {
        plain(StatusCode::SERVICE_UNAVAILABLE, "not ready\n")
    }
}

pub(crate) fn plain(status: StatusCode, text: &'static str) -> Response<ReplyBody> {
    typed(status, "text/plain; charset=utf-8", text.into())
}

/// A public document; browsers' clients may read it from anywhere.
pub(crate) fn json(text: String) -> Response<ReplyBody> {
    let mut response = typed(StatusCode::OK, "application/json", text);
    let headers = response.headers_mut();
    headers.insert(
        header::ACCESS_CONTROL_ALLOW_ORIGIN,
        HeaderValue::from_static("*"),
    );
    headers.insert(
        header::CACHE_CONTROL,
        HeaderValue::from_static("public, max-age=300"),
    );
    response
}

fn typed(status: StatusCode, kind: &'static str, text: String) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Whole(Bytes::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
