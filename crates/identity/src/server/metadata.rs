//! What the server says of itself (RFC 8414, OpenID Connect Discovery 1.0).

use ::http::{StatusCode, header};
use serde_json::{Value, json};

use super::{
    Desk,
    client::{
        assertion,
        authentication::{SELF_SIGNED_TLS_METHOD, TLS_METHOD},
    },
    http::{Reply, json as json_reply, set},
    resource::{API_SCOPE, MCP_SCOPE, OFFLINE_SCOPE},
    settings::Certificates,
};

/// RFC 8414 section 3.
pub(super) const OAUTH_PATH: &str = "/.well-known/oauth-authorization-server";
/// OpenID Connect Discovery section 4, where some clients look too.
pub(super) const OPENID_PATH: &str = "/.well-known/openid-configuration";

/// What may be asked for.
const SCOPES: [&str; 3] = [API_SCOPE, MCP_SCOPE, OFFLINE_SCOPE];

pub(super) const DEVICE_GRANT: &str = "urn:ietf:params:oauth:grant-type:device_code";

pub(super) fn answer(desk: &Desk<'_>) -> Reply {
    let mut document = document(desk);
    if desk.ask.path == OPENID_PATH {
        add_required_by_openid(&mut document);
    }
    let mut reply = json_reply(StatusCode::OK, &document);
    set(&mut reply, header::CACHE_CONTROL, "public, max-age=300");
    reply
}

fn document(desk: &Desk<'_>) -> Value {
    let settings = &desk.server.settings;
    let origin = &settings.origin;
    let at = |path: &str| format!("{origin}{path}");
    let proof_algorithms = desk.server.dpop.algorithms();
    let proof_algorithms: Vec<&str> = proof_algorithms.split(' ').collect();
    let confidential = confidential_methods(settings.certificates);
    let methods: Vec<&str> = ["none"].iter().chain(confidential).copied().collect();
    let mut document = json!({
        "issuer": origin,
        "authorization_endpoint": at("/authorize"),
        "token_endpoint": at("/token"),
        "device_authorization_endpoint": at("/device_authorization"),
        "revocation_endpoint": at("/revoke"),
        "introspection_endpoint": at("/introspect"),
        "jwks_uri": at("/.well-known/jwks.json"),
        "scopes_supported": SCOPES,
        "response_types_supported": ["code"],
        "response_modes_supported": ["query"],
        "grant_types_supported":
            ["authorization_code", "refresh_token", "client_credentials", DEVICE_GRANT],
        "code_challenge_methods_supported": ["S256"],
        "token_endpoint_auth_methods_supported": methods,
        "token_endpoint_auth_signing_alg_values_supported": assertion::ALGORITHM_NAMES,
        "revocation_endpoint_auth_methods_supported": methods,
        "revocation_endpoint_auth_signing_alg_values_supported": assertion::ALGORITHM_NAMES,
        "introspection_endpoint_auth_methods_supported": confidential,
        "introspection_endpoint_auth_signing_alg_values_supported": assertion::ALGORITHM_NAMES,
        "dpop_signing_alg_values_supported": proof_algorithms,
        "tls_client_certificate_bound_access_tokens": settings.certificates != Certificates::Never,
        "authorization_response_iss_parameter_supported": true,
        "client_id_metadata_document_supported": settings.documents,
        "protected_resources": [at("/mcp")],
    });
    if settings.registration
        && let Some(document) = document.as_object_mut()
    {
        document.insert("registration_endpoint".into(), json!(at("/register")));
    }
    document
}

/// The ways in which a client can show who it is. One whose certificate cannot arrive is not one.
fn confidential_methods(certificates: Certificates) -> &'static [&'static str] {
    match certificates {
        Certificates::Never => &["private_key_jwt"],
        Certificates::Handshake => &["private_key_jwt", TLS_METHOD],
        Certificates::Proxy => &["private_key_jwt", TLS_METHOD, SELF_SIGNED_TLS_METHOD],
    }
}

/// Members that a reader of the OpenID document insists on. No ID token is issued: people log in
/// to the gateway, not by it.
fn add_required_by_openid(document: &mut Value) {
    if let Some(document) = document.as_object_mut() {
        document.insert("subject_types_supported".into(), json!(["public"]));
        let algorithms = json!(["ES256"]);
        document.insert("id_token_signing_alg_values_supported".into(), algorithms);
    }
}
