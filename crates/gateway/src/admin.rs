//! What is served besides MCP: health, readiness, metrics.

use std::sync::Arc;

use bytes::Bytes;
use cardea_audit::Ledger;
use cardea_domain::TenantId;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use hyper::body::Incoming;

use crate::{body::ReplyBody, metrics::of_tenant, world::Gateway};

/// Serves one request on the administrators' listener.
pub(crate) fn serve(gateway: &Arc<Gateway>, request: &Request<Incoming>) -> Response<ReplyBody> {
    if request.method() != Method::GET {
        return plain(StatusCode::METHOD_NOT_ALLOWED, "only GET\n");
    }
    match request.uri().path() {
        "/healthz" => health(gateway, "/healthz"),
        "/readyz" => readiness(gateway),
        "/metrics" => metrics(gateway, request.uri().query()),
        _ => plain(
            StatusCode::NOT_FOUND,
            "not found; try /healthz, /readyz, /metrics\n",
        ),
    }
}

/// All metrics, or those of one tenant: `/metrics?tenant=acme`.
fn metrics(gateway: &Gateway, query: Option<&str>) -> Response<ReplyBody> {
    let tenant = match query.map(|query| query.strip_prefix("tenant=").map(TenantId::parse)) {
        None => None,
        Some(Some(Ok(tenant))) => Some(tenant),
        Some(_) => {
            return plain(
                StatusCode::BAD_REQUEST,
                "only `?tenant=` and a tenant's id\n",
            );
        }
    };
    let told = |name: &str, ledger: &Ledger| {
        let (records, ok) = (ledger.counters().records, ledger.health().is_ok());
        gateway.metrics.audit(name, records, ok);
    };
    told("", &gateway.ledger);
    for (id, tenant) in &gateway.world().tenants {
        told(id.as_str(), &tenant.ledger);
    }
    let text = gateway.metrics.render();
    typed(
        StatusCode::OK,
        "application/openmetrics-text; version=1.0.0; charset=utf-8",
        match tenant {
            Some(tenant) => of_tenant(&text, tenant.as_str()),
            None => text,
        },
    )
}

/// `/readyz` for administrators: it also names the audit logs that cannot be written.
fn readiness(gateway: &Gateway) -> Response<ReplyBody> {
    let (status, mut text) = match gateway.is_ready() {
        true => (StatusCode::OK, "ok\n".to_owned()),
        false => (StatusCode::SERVICE_UNAVAILABLE, "not ready\n".to_owned()),
    };
    for log in gateway.failing_logs() {
        match log.tenant {
            Some(tenant) => text.push_str(&format!(
                "the audit log of the tenant `{tenant}` cannot be written: its calls are refused\n"
            )),
            None => text.push_str("the gateway's own audit log cannot be written\n"),
        }
    }
    typed(status, PLAIN, text)
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
    typed(status, PLAIN, text.into())
}

const PLAIN: &str = "text/plain; charset=utf-8";

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

pub(crate) fn typed(status: StatusCode, kind: &'static str, text: String) -> Response<ReplyBody> {
    let mut response = Response::new(ReplyBody::Whole(Bytes::from(text)));
    *response.status_mut() = status;
    response
        .headers_mut()
        .insert(header::CONTENT_TYPE, HeaderValue::from_static(kind));
    response
}
