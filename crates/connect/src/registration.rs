//! Becoming known to an authorization server.
//!
//! In the order of the specification: somebody registered this program and says so; else its id
//! is a document's address; else it registers itself; else it is the client that Cardea's own
//! authorization server knows from the start.
//!
//! # Source
//! MCP 2026-07-28 basic/authorization, Client Registration Approaches; RFC 7591.

use std::sync::Arc;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, header};
use serde::Deserialize;
use serde_json::json;

use crate::{
    ConnectError, Settings,
    client::{Client, Proof, Secret},
    discovery::Server,
    error::foreign,
    http::Http,
    store::{ClientRecord, Origin},
};

/// The public client that Cardea's authorization server knows.
const BUILT_IN: &str = "cardea-cli";

impl ClientRecord {
    /// The client, with how it proves itself at `server`.
    pub(crate) fn client(&self, server: &Server, settings: &Settings) -> Client {
        let proof = match (&settings.client_key, self.origin) {
            (Some(key), Origin::Told) => Proof::Key(Arc::clone(key)),
            _ => Proof::of(self.secret.clone(), self.auth_method.as_deref(), server),
        };
        Client {
            id: self.id.clone(),
            proof,
        }
    }

    fn of(id: &str, origin: Origin) -> Self {
        Self {
            id: id.to_owned(),
            origin,
            secret: None,
            auth_method: None,
            redirect_port: None,
        }
    }
}

/// The client that somebody told this program to be.
pub(crate) fn told(settings: &Settings) -> Option<ClientRecord> {
    let id = settings.client_id.as_deref()?;
    Some(ClientRecord {
        secret: settings.client_secret.clone(),
        ..ClientRecord::of(id, Origin::Told)
    })
}

/// How this program is known at `server`; registers it where that takes a request.
///
/// `before` is the client of an earlier login with the same issuer.
///
/// # Errors
/// [`ConnectError::Unregistered`] when the server's answer to a registration is no client.
pub(crate) async fn client(
    http: &Http,
    settings: &Settings,
    server: &Server,
    before: Option<&ClientRecord>,
    redirect: Option<(u16, &str)>,
) -> Result<ClientRecord, ConnectError> {
    if let Some(told) = told(settings) {
        return Ok(told);
    }
    if let (true, Some(document)) = (
        server.client_id_metadata_document_supported,
        settings.client_metadata_url.as_deref(),
    ) {
        return Ok(ClientRecord::of(document, Origin::Document));
    }
    if server.registration_endpoint.is_none() {
        return Ok(ClientRecord::of(BUILT_IN, Origin::BuiltIn));
    }
    let port = redirect.map(|(port, _)| port);
    let same = before.filter(|c| c.origin == Origin::Dynamic && c.redirect_port == port);
    if let Some(same) = same {
        return Ok(same.clone());
    }
    register(http, server, redirect).await
}

#[derive(Deserialize)]
struct Registered {
    client_id: String,
    client_secret: Option<Secret>,
    token_endpoint_auth_method: Option<String>,
}

async fn register(
    http: &Http,
    server: &Server,
    redirect: Option<(u16, &str)>,
) -> Result<ClientRecord, ConnectError> {
    let redirects: Vec<&str> = redirect.iter().map(|(_, uri)| *uri).collect();
    let mut grants = vec!["authorization_code", "refresh_token"];
    if redirects.is_empty() {
        grants = vec![
            "urn:ietf:params:oauth:grant-type:device_code",
            "refresh_token",
        ];
    }
    let listed = server.token_endpoint_auth_methods_supported.as_deref();
    let public = listed.is_none_or(|l| l.is_empty() || l.iter().any(|m| m == "none"));
    let post = listed.is_some_and(|l| !l.iter().any(|m| m == "client_secret_basic"));
    let method = match (public, post) {
        (true, _) => "none",
        (false, true) => "client_secret_post",
        (false, false) => "client_secret_basic",
    };
    let document = json!({
        "client_name": "Cardea",
        "application_type": "native",
        "redirect_uris": redirects,
        "grant_types": grants,
        "response_types": if redirects.is_empty() { vec![] } else { vec!["code"] },
        "token_endpoint_auth_method": method,
        "dpop_bound_access_tokens": server.binds_tokens(),
    });
    let mut headers = HeaderMap::new();
    let as_json = HeaderValue::from_static("application/json");
    headers.insert(header::CONTENT_TYPE, as_json.clone());
    headers.insert(header::ACCEPT, as_json);
    let url = server.registration()?;
    let answer = http
        .whole(
            Method::POST,
            &url,
            headers,
            Bytes::from(document.to_string()),
        )
        .await?;
    let failed = |reason: String| ConnectError::Unregistered {
        issuer: foreign(&server.issuer),
        reason,
    };
    if !answer.status().is_success() {
        let status = answer.status();
        return Err(failed(format!(
            "the registration was answered with status {status}; have it registered there and pass `--client-id`"
        )));
    }
    let registered: Registered = serde_json::from_slice(answer.body())
        .map_err(|_| failed("the registration's answer is not a client".into()))?;
    Ok(ClientRecord {
        id: registered.client_id,
        origin: Origin::Dynamic,
        secret: registered.client_secret,
        auth_method: registered.token_endpoint_auth_method,
        redirect_port: redirect.map(|(port, _)| port),
    })
}
