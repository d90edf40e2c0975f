//! Tokens without a person in front: programs, workloads, and an identity provider that vouches.

use std::{
    fs,
    io::Read as _,
    path::{Path, PathBuf},
};

use url::Url;

use crate::{
    ConnectError,
    client::{Client, Proof, Secret},
    form::Form,
    token::{Endpoint, Tokens},
};

/// How tokens are had.
#[derive(Debug, Clone)]
pub enum Grant {
    /// What `cardea login` left; nobody is asked.
    Stored,
    /// A person in a browser on this computer (RFC 8252).
    Browser,
    /// A person with a browser elsewhere (RFC 8628).
    Device,
    /// The client's own (RFC 6749, section 4.4).
    ClientCredentials,
    /// A workload identity: the JWT in this file is handed in (RFC 7523, section 2.1).
    Workload(PathBuf),
    /// An identity provider vouches for the person (identity assertion authorization grant).
    Enterprise(Enterprise),
}

/// What it takes to have an identity provider vouch.
#[derive(Debug, Clone)]
pub struct Enterprise {
    /// The identity provider's token endpoint.
    pub token_endpoint: Url,
    /// This program's id there.
    pub client_id: String,
    /// Its secret there, if it has one.
    pub client_secret: Option<Secret>,
    /// The file with the person's ID token.
    pub id_token_file: PathBuf,
}

/// A signed JWT with many claims.
const TOKEN_FILE_BYTES_MAX: u64 = 64 * 1024;

const JWT_BEARER: &str = "urn:ietf:params:oauth:grant-type:jwt-bearer";
const EXCHANGE: &str = "urn:ietf:params:oauth:grant-type:token-exchange";
const ID_TOKEN: &str = "urn:ietf:params:oauth:token-type:id_token";
const ID_JAG: &str = "urn:ietf:params:oauth:token-type:id-jag";

impl Grant {
    /// Whether a person must do something.
    pub(crate) fn is_attended(&self) -> bool {
        matches!(self, Self::Stored | Self::Browser | Self::Device)
    }
}

/// Tokens by one of the unattended grants; a refusal is final and nothing else is tried.
///
/// # Errors
/// [`ConnectError`].
pub(crate) async fn tokens(
    grant: &Grant,
    endpoint: Endpoint<'_>,
    scope: Option<String>,
    resource: &str,
) -> Result<Tokens, ConnectError> {
    let form = match grant {
        Grant::ClientCredentials => Form::new("client_credentials"),
        Grant::Workload(file) => Form::new(JWT_BEARER).with("assertion", read(file)?),
        Grant::Enterprise(enterprise) => {
            let vouched = vouch(enterprise, endpoint, scope.clone(), resource).await?;
            Form::new(JWT_BEARER).with("assertion", vouched)
        }
        Grant::Stored | Grant::Browser | Grant::Device => {
            return Err(ConnectError::Crypto("a person's grant is not unattended"));
        }
    };
    let form = form.with_some("scope", scope).with("resource", resource);
    endpoint.tokens(&form).await
}

/// Exchanges the person's ID token for an assertion that the authorization server takes.
///
/// # Source
/// draft-ietf-oauth-identity-assertion-authz-grant section 4; RFC 8693.
async fn vouch(
    enterprise: &Enterprise,
    endpoint: Endpoint<'_>,
    scope: Option<String>,
    resource: &str,
) -> Result<String, ConnectError> {
    let client = Client {
        id: enterprise.client_id.clone(),
        proof: match &enterprise.client_secret {
            Some(secret) => Proof::Basic(secret.clone()),
            None => Proof::None,
        },
    };
    let provider = Endpoint {
        url: &enterprise.token_endpoint,
        client: &client,
        prover: None,
        ..endpoint
    };
    let form = Form::new(EXCHANGE)
        .with("requested_token_type", ID_JAG)
        .with("audience", endpoint.issuer)
        .with("resource", resource)
        .with_some("scope", scope)
        .with("subject_token", read(&enterprise.id_token_file)?)
        .with("subject_token_type", ID_TOKEN);
    provider.exchange(&form, ID_JAG).await
}

/// The token in a file, which is read each time: projected tokens are replaced before they end.
fn read(path: &Path) -> Result<String, ConnectError> {
    let failed = |reason: String| ConnectError::File {
        path: path.to_owned(),
        reason,
    };
    let mut text = String::new();
    fs::File::open(path)
        .and_then(|file| file.take(TOKEN_FILE_BYTES_MAX).read_to_string(&mut text))
        .map_err(|e| failed(e.to_string()))?;
    let token = text.trim();
    if token.is_empty() {
        return Err(failed("it is empty".into()));
    }
    Ok(token.to_owned())
}
