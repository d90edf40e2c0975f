//! One provider: its metadata, its token endpoint, its keys.

use std::{path::PathBuf, sync::Arc};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use serde::Deserialize;
use serde_json::json;
use tokio::sync::Mutex;
use url::form_urlencoded;
use uuid::Uuid;

use super::id_token::Awaited;

use crate::{
    ClaimPaths, FetchError, Fetcher, KeySource, TenantRule,
    keys::IssuerKeys,
    server::{State, error::Refusal, person::Person},
};

/// A provider at which people log in.
#[derive(Debug, Clone)]
pub struct LoginProvider {
    /// What people are shown.
    pub name: String,
    /// The exact `iss`.
    pub issuer: String,
    /// Where its metadata may be, in the order to try.
    pub metadata_urls: Vec<String>,
    /// The gateway's id there.
    pub client_id: String,
    /// How the gateway shows who it is.
    pub credential: ProviderCredential,
    /// How a person's tenant follows from the ID token.
    pub tenant: TenantRule,
    /// Where the subject and the groups are.
    pub claims: ClaimPaths,
    /// Space-separated; `openid` is one of them.
    pub scope: String,
    /// Authorities to trust besides the public ones.
    pub ca_file: Option<PathBuf>,
}

/// How the gateway shows who it is at a provider's token endpoint.
#[derive(Clone)]
pub enum ProviderCredential {
    /// By PKCE alone.
    Public,
    /// `client_secret_basic`.
    Secret(String),
    /// `private_key_jwt`, by the gateway's own signing keys, whose JWKS is public.
    OwnKeys,
}

impl std::fmt::Debug for ProviderCredential {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Self::Public => "Public",
            Self::Secret(_) => "Secret([secret])",
            Self::OwnKeys => "OwnKeys",
        })
    }
}

/// A provider, ready to be asked.
pub(in crate::server) struct Provider {
    pub(in crate::server) settings: LoginProvider,
    pub(super) keys: IssuerKeys,
    fetcher: Fetcher,
    metadata: Mutex<Option<(Arc<Metadata>, u64)>>,
}

/// What a provider says of itself.
#[derive(Debug, Deserialize)]
pub(super) struct Metadata {
    issuer: String,
    pub(super) authorization_endpoint: String,
    token_endpoint: String,
    #[serde(default, rename = "authorization_response_iss_parameter_supported")]
    pub(super) names_itself: bool,
}

/// Metadata changes once in years.
const METADATA_S: u64 = 600;

impl Provider {
    pub(in crate::server) fn new(
        settings: LoginProvider,
        state: &State,
    ) -> Result<Self, FetchError> {
        let fetcher = Fetcher::new(settings.ca_file.as_deref())?;
        let source = KeySource::Discovery {
            urls: settings.metadata_urls.clone(),
            fetcher: fetcher.clone(),
        };
        let keys = IssuerKeys::new(settings.issuer.clone(), source, state.clock.clone());
        Ok(Self {
            settings,
            keys,
            fetcher,
            metadata: Mutex::new(None),
        })
    }

    /// Logs why, and tells the person no more than that it failed.
    pub(super) fn failed(&self, reason: impl std::fmt::Display) -> Refusal {
        tracing::warn!(provider = %self.settings.issuer, %reason, "a login provider cannot be used");
        Refusal::unavailable()
    }

    pub(super) async fn metadata(&self, now_s: u64) -> Result<Arc<Metadata>, Refusal> {
        let mut known = self.metadata.lock().await;
        if let Some((metadata, until_s)) = known.as_ref()
            && now_s < *until_s
        {
            return Ok(Arc::clone(metadata));
        }
        let mut last = None;
        for url in &self.settings.metadata_urls {
            let bytes = match self.fetcher.get(url).await {
                Ok((bytes, _)) => bytes,
                Err(error) => {
                    last = Some(error.to_string());
                    continue;
                }
            };
            let metadata: Metadata = serde_json::from_slice(&bytes).map_err(|e| self.failed(e))?;
            // RFC 8414, section 3.3: another issuer's metadata must not be used.
            if metadata.issuer != self.settings.issuer {
                return Err(self.failed("its metadata is another issuer's"));
            }
            let metadata = Arc::new(metadata);
            *known = Some((Arc::clone(&metadata), now_s + METADATA_S));
            return Ok(metadata);
        }
        Err(self.failed(last.unwrap_or_else(|| "it has no metadata".into())))
    }

    /// Exchanges a code for an ID token.
    pub(super) async fn redeem(
        &self,
        metadata: &Metadata,
        code: &str,
        verifier: &str,
        redirect_uri: &str,
        state: &State,
    ) -> Result<String, Refusal> {
        #[derive(Deserialize)]
        struct Answer {
            id_token: String,
        }
        let (form, authorization) = self.token_request(code, verifier, redirect_uri, state)?;
        let endpoint = &metadata.token_endpoint;
        let posted = self
            .fetcher
            .post_form(endpoint, form, authorization.as_deref());
        let bytes = posted.await.map_err(|e| self.failed(e))?;
        let answer: Answer = serde_json::from_slice(&bytes).map_err(|e| self.failed(e))?;
        Ok(answer.id_token)
    }

    /// The form, and the `Authorization` header where one is used.
    fn token_request(
        &self,
        code: &str,
        verifier: &str,
        redirect_uri: &str,
        state: &State,
    ) -> Result<(String, Option<String>), Refusal> {
        let settings = &self.settings;
        let mut form = form_urlencoded::Serializer::new(String::new());
        form.append_pair("grant_type", "authorization_code")
            .append_pair("code", code)
            .append_pair("redirect_uri", redirect_uri)
            .append_pair("code_verifier", verifier);
        let mut authorization = None;
        match &settings.credential {
            ProviderCredential::Public => {
                form.append_pair("client_id", &settings.client_id);
            }
            ProviderCredential::Secret(secret) => {
                // RFC 6749 section 2.3.1: both are encoded as in a form first.
                let encode = |text: &str| -> String {
                    form_urlencoded::byte_serialize(text.as_bytes()).collect()
                };
                let pair = format!("{}:{}", encode(&settings.client_id), encode(secret));
                authorization = Some(format!("Basic {}", STANDARD.encode(pair)));
            }
            ProviderCredential::OwnKeys => {
                let assertion = self.assertion(state)?;
                form.append_pair("client_id", &settings.client_id)
                    .append_pair(
                        "client_assertion_type",
                        "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
                    )
                    .append_pair("client_assertion", &assertion);
            }
        }
        Ok((form.finish(), authorization))
    }

    /// RFC 7523 section 3, for this provider alone.
    fn assertion(&self, state: &State) -> Result<String, Refusal> {
        let now_s = state.clock.unix_s();
        let claims = json!({
            "iss": self.settings.client_id,
            "sub": self.settings.client_id,
            "aud": self.settings.issuer,
            "jti": Uuid::new_v4().to_string(),
            "iat": now_s,
            "exp": now_s + 60,
        });
        state.keys.sign("JWT", &claims).map_err(|e| self.failed(e))
    }

    /// The person of an ID token, or why it is not usable.
    pub(super) async fn person(
        &self,
        token: &str,
        awaited: &Awaited<'_>,
        now_s: u64,
    ) -> Result<Person, String> {
        super::id_token::person(self, token, awaited, now_s).await
    }
}
