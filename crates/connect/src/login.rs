//! A person's login, in a browser on this computer or on another device.

use http::Method;
use url::Url;

use crate::{
    ConnectError, Settings, browser,
    challenge::Wanted,
    client::Secret,
    device,
    discovery::{self, Resource, Server},
    dpop::Prover,
    error::foreign,
    form::Form,
    http::Http,
    jws::{self, SigningKey},
    loopback::{Callback, Listener},
    registration,
    store::{Record, VERSION},
    token::{Endpoint, Tokens},
    unattended::Grant,
};

/// What a login came to, for the person who did it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Outcome {
    /// The authorization server.
    pub issuer: String,
    /// The scopes that were asked for.
    pub scopes: Vec<String>,
    /// Whether tokens are bound to a key of this installation.
    pub bound: bool,
    /// Whether the login renews itself.
    pub renewable: bool,
    /// Where it is kept.
    pub file: std::path::PathBuf,
}

/// A server, its metadata and its authorization server's.
pub(crate) struct Site {
    pub(crate) resource: Resource,
    pub(crate) server: Server,
}

impl Site {
    /// Finds the authorization server of `server`; `before` is the issuer of an earlier login.
    pub(crate) async fn find(
        http: &Http,
        server: &Url,
        wanted: &Wanted,
        before: Option<&str>,
    ) -> Result<Self, ConnectError> {
        let resource = discovery::resource(http, server, wanted).await?;
        let issuer = resource.issuer(before)?;
        let found = discovery::server(http, issuer, server).await?;
        Ok(Self {
            resource,
            server: found,
        })
    }
}

/// A login that was just done: what to keep, and the tokens to go on with.
pub(crate) struct Done {
    pub(crate) record: Record,
    pub(crate) tokens: Tokens,
}

/// Has a person log in.
///
/// # Errors
/// [`ConnectError`]; nothing was kept then.
pub(crate) async fn login(
    http: &Http,
    settings: &Settings,
    site: &Site,
    scopes: Vec<String>,
    before: Option<&Record>,
) -> Result<Done, ConnectError> {
    let Site { resource, server } = site;
    // Nothing that one authorization server gave is shown to another.
    let before = before.filter(|record| record.issuer == server.issuer);
    let key = match (server.binds_tokens(), before.and_then(|r| r.key.clone())) {
        (false, _) => None,
        (true, Some(key)) => Some(key),
        (true, None) => Some(new_key()?),
    };
    let prover = key.as_ref().map(|key| prover(key, settings)).transpose()?;
    let in_browser = !matches!(settings.grant, Grant::Device);
    let port = before.and_then(|record| record.client.redirect_port);
    let listener = match in_browser {
        true => Some(Listener::bind(port).await?),
        false => None,
    };
    let redirect = listener.as_ref().map(|l| (l.port(), l.redirect_uri()));
    let mut client_record = registration::client(
        http,
        settings,
        server,
        before.map(|record| &record.client),
        redirect.as_ref().map(|(port, uri)| (*port, uri.as_str())),
    )
    .await?;
    let client = client_record.client(server, settings);
    client_record.auth_method = Some(client.proof.name().to_owned());
    let token_url = server.token_endpoint()?;
    let endpoint = Endpoint {
        http,
        url: &token_url,
        issuer: &server.issuer,
        client: &client,
        prover: prover.as_ref(),
        clock: &settings.clock,
    };
    let scope = (!scopes.is_empty()).then(|| scopes.join(" "));
    let tokens = match listener {
        Some(listener) => in_a_browser(settings, site, endpoint, listener, scope).await?,
        None => {
            let url = server.device()?;
            let device = Endpoint {
                url: &url,
                prover: None,
                ..endpoint
            };
            device::login(settings, device, endpoint, scope, &resource.resource).await?
        }
    };
    let record = Record {
        version: VERSION,
        server: settings.server.to_string(),
        resource: resource.resource.clone(),
        issuer: server.issuer.clone(),
        token_endpoint: token_url.to_string(),
        revocation_endpoint: server.revocation().map(String::from),
        client: client_record,
        key,
        scopes,
        // A login that renews itself needs no access token on the disk.
        access_token: match tokens.refresh {
            Some(_) => None,
            None => Some(Secret::new(&tokens.access)),
        },
        bound: tokens.scheme == crate::token::Scheme::Dpop,
        expires_at_s: tokens.expires_at_s,
        refresh_token: tokens.refresh.as_deref().map(Secret::new),
    };
    Ok(Done { record, tokens })
}

/// Authorization code with PKCE (RFC 7636), for one resource (RFC 8707), with the issuer's name
/// in the answer (RFC 9207).
async fn in_a_browser(
    settings: &Settings,
    site: &Site,
    endpoint: Endpoint<'_>,
    listener: Listener,
    scope: Option<String>,
) -> Result<Tokens, ConnectError> {
    let (state, verifier) = (jws::random()?, jws::random()?);
    let redirect_uri = listener.redirect_uri();
    let mut url = site.server.authorization()?;
    {
        let mut query = url.query_pairs_mut();
        query
            .append_pair("response_type", "code")
            .append_pair("client_id", &endpoint.client.id)
            .append_pair("redirect_uri", &redirect_uri)
            .append_pair("state", &state)
            .append_pair("code_challenge", &jws::sha256(&verifier))
            .append_pair("code_challenge_method", "S256")
            .append_pair("resource", &site.resource.resource);
        if let Some(scope) = &scope {
            query.append_pair("scope", scope);
            // Providers of OpenID Connect hand out no refresh token without it.
            if scope.split(' ').any(|s| s == "offline_access") {
                query.append_pair("prompt", "consent");
            }
        }
        if let Some(prover) = endpoint.prover {
            query.append_pair("dpop_jkt", &prover.thumbprint());
        }
    }
    if browser::open(&settings.browsers, &url) {
        (settings.say)(&format!(
            "A browser was asked to open the login. If none did, open\n\n  {url}\n"
        ));
    } else {
        (settings.say)(&format!("To log in, open\n\n  {url}\n"));
    }
    let code = accept(listener.callback(&state).await?, &site.server)?;
    let form = Form::new("authorization_code")
        .with("code", code)
        .with("redirect_uri", redirect_uri)
        .with("code_verifier", verifier)
        .with("resource", &site.resource.resource);
    endpoint.tokens(&form).await
}

/// The code of an answer that is of this server; who else answers is not listened to, not even
/// to its errors (RFC 9207, section 2.4).
fn accept(callback: Callback, server: &Server) -> Result<String, ConnectError> {
    match callback.iss {
        Some(iss) if iss == server.issuer => {}
        Some(iss) => {
            return Err(ConnectError::Untrusted(format!(
                "the answer came from `{}`, not from `{}`",
                foreign(&iss),
                foreign(&server.issuer)
            )));
        }
        None if server.authorization_response_iss_parameter_supported => {
            return Err(ConnectError::Untrusted(
                "the answer does not say which server it is from".into(),
            ));
        }
        None => {}
    }
    if let Some(error) = callback.error {
        return Err(ConnectError::Refused {
            error: foreign(&error),
            description: callback.error_description.as_deref().map(foreign),
        });
    }
    callback.code.ok_or_else(|| ConnectError::Refused {
        error: "no_code".into(),
        description: None,
    })
}

/// The prover with a key of the store.
pub(crate) fn prover(key: &Secret, settings: &Settings) -> Result<Prover, ConnectError> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let pkcs8 = URL_SAFE_NO_PAD
        .decode(key.expose())
        .map_err(|_| ConnectError::Crypto("the stored key is damaged; log in again"))?;
    Prover::new(&pkcs8, settings.clock.clone())
}

/// A new key, as the store keeps it.
pub(crate) fn new_key() -> Result<Secret, ConnectError> {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let (_, pkcs8) = SigningKey::generate()?;
    Ok(Secret::new(&URL_SAFE_NO_PAD.encode(pkcs8)))
}

/// What the server asks of somebody without a token.
pub(crate) async fn probe(http: &Http, server: &Url) -> Result<Option<Wanted>, ConnectError> {
    let mut headers = http::HeaderMap::new();
    let accept = http::HeaderValue::from_static("application/json, text/event-stream");
    let version = http::HeaderValue::from_static("2026-07-28");
    let method = http::HeaderValue::from_static("server/discover");
    headers.insert(http::header::ACCEPT, accept);
    headers.insert(
        http::header::CONTENT_TYPE,
        http::HeaderValue::from_static("application/json"),
    );
    headers.insert(cardea_mcp::header::PROTOCOL_VERSION, version);
    headers.insert(cardea_mcp::header::METHOD, method);
    let body = serde_json::json!({"jsonrpc": "2.0", "id": 0, "method": "server/discover", "params": {"_meta": {
        cardea_mcp::meta::PROTOCOL_VERSION: "2026-07-28", cardea_mcp::meta::CLIENT_CAPABILITIES: {}}}});
    let answer = http
        .whole(Method::POST, server, headers, body.to_string().into())
        .await?;
    let asks = answer.status() == http::StatusCode::UNAUTHORIZED;
    Ok(asks.then(|| Wanted::read(answer.headers())))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn server(advertised: bool) -> Server {
        serde_json::from_value(json!({"issuer": "https://as",
            "authorization_response_iss_parameter_supported": advertised}))
        .unwrap()
    }

    fn callback(iss: Option<&str>, error: Option<&str>) -> Callback {
        Callback {
            code: error.is_none().then(|| "c".into()),
            iss: iss.map(Into::into),
            error: error.map(Into::into),
            error_description: None,
        }
    }

    #[test]
    fn an_answer_of_another_issuer_is_not_listened_to() {
        let same = Some("https://as");
        assert!(accept(callback(same, None), &server(true)).is_ok());
        assert!(accept(callback(None, None), &server(false)).is_ok());
        for (iss, advertised) in [
            (None, true),
            (Some("https://evil"), true),
            (Some("https://evil"), false),
            (Some("https://as/"), true),
        ] {
            for error in [None, Some("access_denied")] {
                let refused = accept(callback(iss, error), &server(advertised));
                assert!(
                    matches!(refused, Err(ConnectError::Untrusted(_))),
                    "{iss:?}"
                );
            }
        }
    }
}
