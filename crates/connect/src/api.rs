//! The API of a Cardea gateway, used with the login that the store has for it.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, StatusCode, header};
use serde_json::Value;
use url::Url;

use crate::{ConnectError, Credentials, Settings, address, browser, http as ours};

/// One gateway's API.
pub struct Api {
    credentials: Credentials,
}

/// What it answered.
#[derive(Debug, Clone)]
pub struct Answer {
    /// The HTTP status.
    pub status: StatusCode,
    /// The document; null where there is none.
    pub document: Value,
}

/// A page of requests has 50 with up to 64 KB of arguments each.
const ANSWER_BYTES_MAX: usize = 16 * 1024 * 1024;

/// A person waits in front of a terminal.
const ANSWER_TIMEOUT: Duration = Duration::from_secs(30);

impl Api {
    /// The API at `settings.server`, which [`crate::api_url`] made; nothing is read or asked yet.
    ///
    /// # Errors
    /// [`ConnectError::File`] when the CA file cannot be used.
    pub fn new(settings: Settings) -> Result<Self, ConnectError> {
        Ok(Self {
            credentials: Credentials::new(settings)?,
        })
    }

    /// The gateway's address, without a slash at the end.
    #[must_use]
    pub fn gateway(&self) -> String {
        address::origin(&self.credentials.settings.server)
    }

    /// Asks for `path` (`/requests?state=pending`, below the API's address), and gives what comes
    /// back, whatever the status.
    ///
    /// # Errors
    /// [`ConnectError`], where nothing usable came back or nobody is logged in.
    pub async fn send(
        &self,
        method: Method,
        path: &str,
        body: Option<&Value>,
    ) -> Result<Answer, ConnectError> {
        let url = self.url(path)?;
        let mut headers = HeaderMap::new();
        headers.insert(header::ACCEPT, HeaderValue::from_static("application/json"));
        let body = match body {
            Some(document) => {
                let json = HeaderValue::from_static("application/json");
                headers.insert(header::CONTENT_TYPE, json);
                Bytes::from(document.to_string())
            }
            None => Bytes::new(),
        };
        let sending = self
            .credentials
            .send(method, &url, headers, body, ANSWER_TIMEOUT);
        let (head, body) = sending.await?.into_parts();
        let read = tokio::time::timeout(ANSWER_TIMEOUT, ours::read(body, ANSWER_BYTES_MAX));
        let text = match read.await {
            Ok(read) => read.map_err(ConnectError::Malformed)?,
            Err(_) => return Err(ConnectError::Closed),
        };
        let document = match text.is_empty() {
            true => Value::Null,
            false => serde_json::from_slice(&text).map_err(|_| {
                ConnectError::Malformed(format!("status {}, and no JSON", head.status.as_u16()))
            })?,
        };
        Ok(Answer {
            status: head.status,
            document,
        })
    }

    /// Opens a page of the gateway (`/console/…`) in a browser, and gives its address; false where
    /// no browser was started.
    ///
    /// # Errors
    /// [`ConnectError::Address`] when the path is none.
    pub fn show(&self, page: &str) -> Result<(String, bool), ConnectError> {
        let url = self.below("", page)?;
        let browsers = &self.credentials.settings.browsers;
        Ok((url.to_string(), browser::open(browsers, &url)))
    }

    fn url(&self, path: &str) -> Result<Url, ConnectError> {
        self.below(self.credentials.settings.server.path(), path)
    }

    /// An address of the same gateway; what a text could add to its path does not lead elsewhere.
    fn below(&self, root: &str, path: &str) -> Result<Url, ConnectError> {
        let server = &self.credentials.settings.server;
        let url = format!("{}{root}{path}", address::origin(server));
        let url = address::server_url(&url)?;
        if url.origin() != server.origin() || !url.path().starts_with(root) {
            return Err(ConnectError::Untrusted(
                "the address would leave the gateway".into(),
            ));
        }
        Ok(url)
    }
}
