//! What a client says of itself: RFC 7591 section 2, as documents and registrations have it.

use std::sync::Arc;

use cardea_domain::ActorId;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    Authentication, Client, Grants, KeySet, Keys, KeysAt, Origin, Reach,
    authentication::{SELF_SIGNED_TLS_METHOD, TLS_METHOD},
};
use crate::server::redirect;

/// The members that mean something here; others are left alone.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub(in crate::server) struct Metadata {
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::server) client_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(in crate::server) client_name: Option<String>,
    #[serde(default)]
    pub(in crate::server) redirect_uris: Vec<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    grant_types: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    response_types: Option<Vec<String>>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    token_endpoint_auth_method: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwks: Option<Value>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    jwks_uri: Option<String>,
    #[serde(default, skip_serializing)]
    client_secret: Option<Value>,
}

/// A person reads it on the consent page.
const NAME_CHARS_MAX: usize = 80;
/// More ways back than that is no client but a list of victims.
const REDIRECTS_MAX: usize = 16;

impl Metadata {
    /// Reads a document; the reason when it is none.
    pub(in crate::server) fn parse(bytes: &[u8]) -> Result<Self, String> {
        serde_json::from_slice(bytes).map_err(|e| e.to_string())
    }

    /// How the client shows who it is: RFC 7591 says `client_secret_basic` by default, which
    /// makes no sense for a client without a secret.
    pub(in crate::server) fn auth_method(&self) -> &str {
        self.token_endpoint_auth_method.as_deref().unwrap_or("none")
    }

    /// Fills in what was left open and replaces what does not exist here, as RFC 7591 section
    /// 3.2.1 has the server answer. A secret that anybody gets who registers would show nothing,
    /// so a client that asks for one is a public one; it reads so in the answer.
    pub(in crate::server) fn normalise(&mut self) {
        let method = match self.auth_method() {
            "client_secret_basic" | "client_secret_post" => "none",
            other => other,
        };
        self.token_endpoint_auth_method = Some(method.to_owned());
        let code = || vec!["authorization_code".to_owned()];
        self.grant_types.get_or_insert_with(code);
        self.response_types
            .get_or_insert_with(|| vec!["code".to_owned()]);
    }

    /// The client, or why it cannot be one.
    pub(in crate::server) fn into_client(self, id: &str, origin: Origin) -> Result<Client, String> {
        if self.client_secret.is_some() {
            return Err("a document that everybody can read holds no secret".into());
        }
        let keys = match (self.auth_method(), &self.jwks_uri) {
            // Keys that nothing is shown by.
            ("none", None) => None,
            _ => self.keys(&origin)?,
        };
        let authentication = match (self.auth_method(), keys) {
            ("none", _) => Authentication::None,
            ("private_key_jwt", Some(keys)) => Authentication::PrivateKeyJwt(keys),
            (SELF_SIGNED_TLS_METHOD, Some(keys)) => Authentication::SelfSignedTls(keys),
            ("private_key_jwt" | SELF_SIGNED_TLS_METHOD, None) => {
                return Err("there are no keys: neither `jwks` nor `jwks_uri`".into());
            }
            // Whose certificates count is for an administrator to say, not for the client.
            (TLS_METHOD, _) => return Err("`tls_client_auth` is for configured clients".into()),
            _ => {
                return Err(
                    "the client would show who it is in a way that is not known here".into(),
                );
            }
        };
        if self.redirect_uris.len() > REDIRECTS_MAX {
            return Err(format!("more than {REDIRECTS_MAX} redirect URIs"));
        }
        if !self
            .redirect_uris
            .iter()
            .all(|uri| redirect::is_acceptable(uri))
        {
            return Err("a redirect URI is neither `https`, nor loopback, nor an app's".into());
        }
        let codes_only = |types: &Vec<String>| types.iter().all(|t| t == "code");
        if !self.response_types.as_ref().is_none_or(codes_only) {
            return Err("only the response type `code` is supported".into());
        }
        let grants = Grants::of(self.grant_types.as_deref());
        if grants.code && self.redirect_uris.is_empty() {
            return Err("there is no redirect URI".into());
        }
        Ok(Client {
            id: ActorId::parse(id).map_err(|e| e.to_string())?,
            name: self
                .client_name
                .as_deref()
                .map(tidy)
                .filter(|n| !n.is_empty()),
            origin,
            redirect_uris: self.redirect_uris,
            authentication,
            grants,
            tenants: None,
            unattended: None,
            introspects: Default::default(),
        })
    }
}

impl Metadata {
    fn keys(&self, origin: &Origin) -> Result<Option<Keys>, String> {
        match (&self.jwks, &self.jwks_uri) {
            (Some(_), Some(_)) => Err("there are both `jwks` and `jwks_uri`".into()),
            (None, None) => Ok(None),
            (Some(jwks), None) => {
                let set = KeySet::parse(&jwks.to_string())?;
                Ok(Some(Keys::Told(Arc::new(set))))
            }
            (None, Some(uri)) => KeysAt::parse(uri, |host| origin.reach(host))
                .map(|at| Some(Keys::Published(at)))
                .ok_or_else(|| "`jwks_uri` is not an `https` address of a named host".into()),
        }
    }
}

impl Origin {
    /// How far the client may make the gateway reach: to an inner host only where its document
    /// came from there.
    fn reach(&self, host: &str) -> Reach {
        match self {
            Self::Configured => Reach::Named,
            Self::Document { host: own } if own == host => Reach::Named,
            Self::Document { .. } | Self::Registered => Reach::Public,
        }
    }
}

/// A name that cannot reorder or hide what stands beside it on a page.
fn tidy(name: &str) -> String {
    let deceives = |c: &char| {
        c.is_control()
            || matches!(*c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
    };
    let plain = name.chars().filter(|c| !deceives(c));
    plain
        .take(NAME_CHARS_MAX)
        .collect::<String>()
        .trim()
        .to_owned()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn client(document: Value) -> Result<Client, String> {
        Metadata::parse(document.to_string().as_bytes())?.into_client("c", Origin::Registered)
    }

    #[test]
    fn a_client_without_further_words_is_public_and_gets_codes() {
        let client = client(json!({"redirect_uris": ["http://127.0.0.1/cb"]})).unwrap();
        assert!(!client.is_confidential());
        assert!(client.grants.code && !client.grants.refresh && !client.grants.device);
    }

    #[test]
    fn what_cannot_be_a_client() {
        let back = ["https://a.example/cb"];
        for document in [
            json!({}),
            json!({"redirect_uris": []}),
            json!({"redirect_uris": ["http://a.example/cb"]}),
            json!({"redirect_uris": ["javascript:alert(1)"]}),
            json!({"redirect_uris": vec!["https://a.example/cb"; 17]}),
            json!({"redirect_uris": back, "client_secret": "x"}),
            json!({"redirect_uris": back, "token_endpoint_auth_method": "client_secret_basic"}),
            json!({"redirect_uris": back, "token_endpoint_auth_method": "private_key_jwt"}),
            json!({"redirect_uris": back, "token_endpoint_auth_method": "private_key_jwt",
                "jwks": {"keys": [{"kty": "oct", "k": "AAAA", "kid": "1"}]}}),
            json!({"redirect_uris": back, "jwks_uri": "http://169.254.169.254/"}),
            json!({"redirect_uris": back, "jwks_uri": "https://10.0.0.1/keys"}),
            json!({"redirect_uris": back, "token_endpoint_auth_method": "private_key_jwt",
                "jwks_uri": "https://a.example/keys", "jwks": {"keys": []}}),
            json!({"redirect_uris": back, "token_endpoint_auth_method": "tls_client_auth",
                "tls_client_auth_san_dns": "a.example"}),
            json!({"redirect_uris": back, "token_endpoint_auth_method": SELF_SIGNED_TLS_METHOD}),
            json!({"redirect_uris": back, "response_types": ["token"]}),
            json!({"redirect_uris": "https://a.example/cb"}),
        ] {
            assert!(client(document.clone()).is_err(), "{document}");
        }
    }

    #[test]
    fn a_document_leads_to_an_inner_host_only_where_it_came_from_there() {
        let host = "apps.corp.example".to_owned();
        let document = Origin::Document { host };
        for (origin, host, reach) in [
            (&document, "apps.corp.example", Reach::Named),
            (&document, "vault.corp.example", Reach::Public),
            (&Origin::Registered, "apps.corp.example", Reach::Public),
            (&Origin::Configured, "apps.corp.example", Reach::Named),
        ] {
            assert_eq!(origin.reach(host), reach, "{origin:?} {host}");
        }
        for method in ["private_key_jwt", SELF_SIGNED_TLS_METHOD] {
            let client = client(json!({"redirect_uris": ["https://a.example/cb"],
                "token_endpoint_auth_method": method, "jwks_uri": "https://a.example/keys"}));
            assert!(client.unwrap().is_confidential());
        }
    }

    #[test]
    fn a_name_cannot_rearrange_the_page() {
        let name = "Acme\u{202e}gnihsihp\u{200b}\n of \u{feff}trust".to_owned() + &"x".repeat(200);
        let document = json!({"client_name": name, "redirect_uris": ["https://a.example/cb"]});
        let shown = client(document).unwrap().shown().to_owned();
        assert!(shown.starts_with("Acmegnihsihp of trust"), "{shown}");
        assert!(shown.chars().count() <= NAME_CHARS_MAX);
    }
}
