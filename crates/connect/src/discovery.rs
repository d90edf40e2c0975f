//! From a server's address to its authorization server.
//!
//! # Source
//! MCP 2026-07-28 basic/authorization, Discovery; RFC 9728; RFC 8414; OpenID Connect Discovery.

use http::StatusCode;
use serde::{Deserialize, de::DeserializeOwned};
use url::Url;

use crate::{ConnectError, address, challenge::Wanted, http::Http};

/// What a server says of itself (RFC 9728, section 2).
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Resource {
    /// Its identifier, which tokens are asked for (RFC 8707).
    pub(crate) resource: String,
    #[serde(default)]
    authorization_servers: Vec<String>,
    #[serde(default)]
    pub(crate) scopes_supported: Vec<String>,
}

/// What an authorization server says of itself (RFC 8414, section 2).
#[derive(Debug, Clone, Deserialize)]
pub(crate) struct Server {
    pub(crate) issuer: String,
    pub(crate) authorization_endpoint: Option<String>,
    token_endpoint: Option<String>,
    pub(crate) registration_endpoint: Option<String>,
    pub(crate) device_authorization_endpoint: Option<String>,
    pub(crate) revocation_endpoint: Option<String>,
    #[serde(default)]
    pub(crate) scopes_supported: Vec<String>,
    pub(crate) token_endpoint_auth_methods_supported: Option<Vec<String>>,
    #[serde(default)]
    dpop_signing_alg_values_supported: Vec<String>,
    #[serde(default)]
    code_challenge_methods_supported: Vec<String>,
    #[serde(default)]
    pub(crate) client_id_metadata_document_supported: bool,
    #[serde(default)]
    pub(crate) authorization_response_iss_parameter_supported: bool,
    /// Where the document is.
    #[serde(skip)]
    found_at: Option<Url>,
}

const RESOURCE_PATH: &str = "/.well-known/oauth-protected-resource";
const SERVER_PATH: &str = "/.well-known/oauth-authorization-server";
const OPENID_PATH: &str = "/.well-known/openid-configuration";

/// The metadata of `server`, found by its challenge or by the well-known places.
///
/// # Errors
/// [`ConnectError::Discovery`] when there is none, [`ConnectError::Untrusted`] when it speaks
/// for another resource.
pub(crate) async fn resource(
    http: &Http,
    server: &Url,
    wanted: &Wanted,
) -> Result<Resource, ConnectError> {
    let places = match &wanted.resource_metadata {
        Some(named) => vec![address::named(named, server)?],
        None => {
            let root = at(server, RESOURCE_PATH);
            match server.path() {
                "/" => vec![root],
                path => vec![at(server, &format!("{RESOURCE_PATH}{path}")), root],
            }
        }
    };
    let found = first::<Resource>(http, &places).await?;
    let Some((_, found)) = found else {
        return Err(ConnectError::Discovery {
            url: server.to_string(),
            reason: "the server publishes no resource metadata (RFC 9728)".into(),
        });
    };
    if !address::covers(&found.resource, server) {
        return Err(ConnectError::Untrusted(format!(
            "the metadata is about `{}`, which is not {server}",
            crate::error::foreign(&found.resource)
        )));
    }
    Ok(found)
}

impl Resource {
    /// The authorization server to use: the one of an earlier login if it is still named, else
    /// the first.
    pub(crate) fn issuer(&self, before: Option<&str>) -> Result<&str, ConnectError> {
        let names = &self.authorization_servers;
        let kept = names.iter().find(|name| Some(name.as_str()) == before);
        kept.or_else(|| names.first())
            .map(String::as_str)
            .ok_or_else(|| ConnectError::Discovery {
                url: self.resource.clone(),
                reason: "the resource metadata names no authorization server".into(),
            })
    }
}

/// The metadata of the authorization server `issuer`, which `resource` named.
///
/// # Errors
/// [`ConnectError::Discovery`] when there is none, [`ConnectError::Untrusted`] when it is
/// another one's.
pub(crate) async fn server(
    http: &Http,
    issuer: &str,
    resource: &Url,
) -> Result<Server, ConnectError> {
    let base = address::named(issuer, resource)?;
    let path = base.path().trim_end_matches('/').to_owned();
    let mut places = vec![
        at(&base, &format!("{SERVER_PATH}{path}")),
        at(&base, &format!("{OPENID_PATH}{path}")),
    ];
    if !path.is_empty() {
        places.push(at(&base, &format!("{path}{OPENID_PATH}")));
    }
    let Some((place, mut found)) = first::<Server>(http, &places).await? else {
        return Err(ConnectError::Discovery {
            url: issuer.to_owned(),
            reason: "the authorization server publishes no metadata (RFC 8414)".into(),
        });
    };
    // RFC 8414 section 3.3: identical, character by character.
    if found.issuer != issuer {
        return Err(ConnectError::Untrusted(format!(
            "the metadata at {place} is of issuer `{}`, not `{}`",
            crate::error::foreign(&found.issuer),
            crate::error::foreign(issuer)
        )));
    }
    found.found_at = Some(place);
    Ok(found)
}

impl Server {
    /// An endpoint that the document names.
    fn endpoint(&self, named: Option<&String>, what: &str) -> Result<Url, ConnectError> {
        let missing = || ConnectError::Discovery {
            url: self.issuer.clone(),
            reason: format!("the authorization server names no {what}"),
        };
        let named = named.ok_or_else(missing)?;
        address::named(named, self.found_at.as_ref().ok_or_else(missing)?)
    }

    pub(crate) fn token_endpoint(&self) -> Result<Url, ConnectError> {
        self.endpoint(self.token_endpoint.as_ref(), "token endpoint")
    }

    pub(crate) fn registration(&self) -> Result<Url, ConnectError> {
        self.endpoint(self.registration_endpoint.as_ref(), "registration endpoint")
    }

    pub(crate) fn device(&self) -> Result<Url, ConnectError> {
        let named = self.device_authorization_endpoint.as_ref();
        self.endpoint(named, "device authorization endpoint")
    }

    /// Where a browser goes; only a server that checks PKCE with S256 is trusted with a code.
    pub(crate) fn authorization(&self) -> Result<Url, ConnectError> {
        let listed = &self.code_challenge_methods_supported;
        if !listed.iter().any(|method| method == "S256") {
            return Err(ConnectError::Untrusted(format!(
                "`{}` does not say that it checks PKCE (`code_challenge_methods_supported` without `S256`)",
                crate::error::foreign(&self.issuer)
            )));
        }
        let named = self.authorization_endpoint.as_ref();
        self.endpoint(named, "authorization endpoint")
    }

    pub(crate) fn revocation(&self) -> Option<Url> {
        let named = self.revocation_endpoint.as_ref()?;
        self.endpoint(Some(named), "revocation endpoint").ok()
    }

    /// Whether it binds tokens to keys of the kind that this program makes.
    pub(crate) fn binds_tokens(&self) -> bool {
        let listed = &self.dpop_signing_alg_values_supported;
        listed.iter().any(|algorithm| algorithm == "ES256")
    }
}

fn at(base: &Url, path: &str) -> Url {
    let mut url = base.clone();
    url.set_path(path);
    url.set_query(None);
    url.set_fragment(None);
    url
}

/// The first of `places` that holds a document; a place that answers 4xx holds none.
async fn first<T: DeserializeOwned>(
    http: &Http,
    places: &[Url],
) -> Result<Option<(Url, T)>, ConnectError> {
    for place in places {
        let (status, text) = http.document(place).await?;
        match status {
            StatusCode::OK => {}
            status if status.is_client_error() => continue,
            status => {
                return Err(ConnectError::Discovery {
                    url: place.to_string(),
                    reason: format!("status {status}"),
                });
            }
        }
        let document = serde_json::from_slice(&text).map_err(|e| ConnectError::Discovery {
            url: place.to_string(),
            reason: format!("not the document that was expected: {e}"),
        })?;
        return Ok(Some((place.clone(), document)));
    }
    Ok(None)
}

/// The scopes to ask for: those of the challenge, else all that the resource names, else none;
/// with what was had before, and with `offline_access` where the server knows it.
///
/// # Source
/// MCP 2026-07-28 basic/authorization, Scope Selection Strategy and Refresh Tokens.
pub(crate) fn scopes(
    wanted: Option<&str>,
    resource: &Resource,
    server: &Server,
    before: &[String],
) -> Vec<String> {
    let mut scopes = before.to_vec();
    let listed: Vec<&str> = match wanted {
        Some(wanted) => wanted.split_ascii_whitespace().collect(),
        None => resource
            .scopes_supported
            .iter()
            .map(String::as_str)
            .collect(),
    };
    for scope in listed {
        if !scopes.iter().any(|s| s == scope) {
            scopes.push(scope.to_owned());
        }
    }
    let offline = "offline_access";
    let known = server.scopes_supported.iter().any(|s| s == offline);
    if known && !scopes.is_empty() && !scopes.iter().any(|s| s == offline) {
        scopes.push(offline.into());
    }
    scopes
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn server(scopes: &[&str]) -> Server {
        serde_json::from_value(json!({"issuer": "https://as", "scopes_supported": scopes})).unwrap()
    }

    fn resource(scopes: &[&str]) -> Resource {
        serde_json::from_value(json!({"resource": "https://r", "scopes_supported": scopes}))
            .unwrap()
    }

    #[test]
    fn the_challenge_goes_before_the_list_and_earlier_scopes_stay() {
        let all = resource(&["a", "b"]);
        assert_eq!(scopes(Some("c"), &all, &server(&[]), &[]), ["c"]);
        assert_eq!(scopes(None, &all, &server(&[]), &[]), ["a", "b"]);
        assert_eq!(
            scopes(Some("b c"), &all, &server(&[]), &["b".into(), "d".into()]),
            ["b", "d", "c"]
        );
        assert!(scopes(None, &resource(&[]), &server(&[]), &[]).is_empty());
    }

    #[test]
    fn offline_access_is_asked_for_where_it_is_known_and_never_alone() {
        let known = server(&["offline_access"]);
        assert_eq!(
            scopes(None, &resource(&["a"]), &known, &[]),
            ["a", "offline_access"]
        );
        assert!(scopes(None, &resource(&[]), &known, &[]).is_empty());
    }

    #[test]
    fn a_server_without_pkce_is_not_trusted_with_a_code() {
        assert!(matches!(
            server(&[]).authorization(),
            Err(ConnectError::Untrusted(_))
        ));
    }
}
