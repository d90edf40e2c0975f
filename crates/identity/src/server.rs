//! The authorization server: people log in and consent, clients get tokens.
//!
//! What it is: OAuth 2.1 with what MCP asks for: authorization code with PKCE, refresh with
//! rotation, device grant, `client_credentials` with signed assertions, client metadata
//! documents, revocation, introspection. What it is not: a place where anything about tools is
//! decided. Its tokens say who calls; what they may do is for the policies.
//!
//! The data's path: [`AuthorizationServer::serve`] takes one HTTP request, finds its route in
//! [`routes::ROUTES`], and answers. Everything that happens is handed to a [`Journal`] before
//! the answer leaves, and an answer whose record fails does not leave.
//!
//! Between two pages nothing is held in memory: what a browser is on its way to travels with
//! it, sealed ([`next`]). What must happen once is made so by the store.

mod account;
mod approval;
mod authorize;
mod binding;
mod client;
mod consent;
mod cookie;
mod device;
mod error;
mod http;
mod introspect;
mod journal;
mod login;
mod metadata;
mod next;
mod oidc;
mod pages;
mod password;
mod person;
mod redirect;
mod register;
mod resource;
mod revocations;
mod revoke;
mod routes;
mod secret;
mod settings;
mod setup;
mod state;
#[cfg(test)]
mod tests;
mod throttle;
mod token;
mod visit;

use std::{net::IpAddr, sync::Arc};

use ::http::{Request, Response, StatusCode};
use bytes::Bytes;

pub use account::{AccountError, Accounts};
pub use client::{
    CertificateName, ClientAuthentication, ConfiguredClient, DocumentError, PublishedKeys,
};
pub use error::JournalDown;
pub use journal::{Event, Journal, Who};
pub use oidc::{LoginProvider, ProviderCredential};
pub use person::Person;
pub use resource::{API_PATH, API_SCOPE};
pub use revocations::Revocations;
pub use routes::{ROUTES, Route};
pub use settings::{Certificates, ServerError, ServerSettings};
pub use state::State;

use crate::{ClientCertificate, Dpop};
use client::{Configured, Documents, Guarded, KeySets};
use cookie::{Cookie, Cookies};
use resource::Resources;

/// A request's body: forms and registrations are small.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// The server of one configuration; what outlives it is in [`State`].
pub struct AuthorizationServer {
    settings: ServerSettings,
    resources: Resources,
    clients: Configured,
    documents: Option<Documents>,
    key_sets: KeySets,
    providers: Vec<oidc::Provider>,
    cookies: Cookies,
    /// Checks the proofs of token requests.
    dpop: Arc<Dpop>,
    state: Arc<State>,
}

/// Who is at the other end.
#[derive(Debug, Clone)]
pub struct Peer {
    /// The address, behind proxies that are trusted to tell it.
    pub address: IpAddr,
    /// The certificate that was shown. Whether it is valid at this time is looked at here.
    pub certificate: Option<Arc<ClientCertificate>>,
}

/// What a handler needs: the server, the request, and where to record.
struct Desk<'a> {
    server: &'a AuthorizationServer,
    ask: http::Ask,
    /// The certificate by which the client's connection was made.
    certificate: Option<Arc<ClientCertificate>>,
    journal: &'a dyn Journal,
}

impl AuthorizationServer {
    /// A server by these settings.
    ///
    /// # Errors
    /// [`ServerError`] when a client's keys or an authority's file are not usable.
    pub fn new(
        mut settings: ServerSettings,
        dpop: Arc<Dpop>,
        state: Arc<State>,
    ) -> Result<Self, ServerError> {
        settings.access_token_s = settings.access_token_s.min(settings::ACCESS_TOKEN_S_MAX);
        let fetch = Arc::new(Guarded::new(&settings.private_hosts)?);
        let documents = settings
            .documents
            .then(|| Documents::new(Arc::clone(&fetch)));
        let providers = settings
            .login
            .iter()
            .map(|provider| oidc::Provider::new(provider.clone(), &state))
            .collect::<Result<_, _>>()?;
        Ok(Self {
            resources: Resources::new(&settings.origin),
            clients: client::configured(&settings.clients).map_err(ServerError::Client)?,
            documents,
            key_sets: KeySets::new(fetch),
            providers,
            cookies: Cookies::at(&settings.origin),
            dpop,
            settings,
            state,
        })
    }

    /// Whether a path is one of the server's.
    #[must_use]
    pub fn has(path: &str) -> bool {
        routes::find(path).is_some()
    }

    /// Answers one request, whose path [`Self::has`] knows and whose body is at most
    /// [`BODY_BYTES_MAX`] long.
    pub async fn serve(
        &self,
        request: Request<Bytes>,
        peer: Peer,
        journal: &dyn Journal,
    ) -> Response<Bytes> {
        let (head, body) = request.into_parts();
        let Some(route) = routes::find(head.uri.path()) else {
            return http::empty(StatusCode::NOT_FOUND);
        };
        let ask = match http::Ask::read(head, body, peer.address) {
            Ok(ask) => ask,
            Err(refusal) => return route.refuse(refusal),
        };
        let desk = Desk {
            server: self,
            ask,
            certificate: peer.certificate,
            journal,
        };
        routes::dispatch(&desk, route).await
    }

    /// Who is logged in, by the cookies of a request.
    ///
    /// # Errors
    /// [`JournalDown`] when the store cannot be asked.
    pub async fn person(&self, headers: &::http::HeaderMap) -> Result<Option<Person>, JournalDown> {
        let found = match self.cookies.find(headers, Cookie::Session) {
            Some(cookie) => person::find(cookie, self).await,
            None => Ok(None),
        };
        found.map_err(|_| JournalDown)
    }
}

impl std::fmt::Debug for AuthorizationServer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("AuthorizationServer")
            .field("origin", &self.settings.origin)
            .finish_non_exhaustive()
    }
}

impl Desk<'_> {
    fn state(&self) -> &State {
        &self.server.state
    }

    fn now_s(&self) -> u64 {
        self.server.state.clock.unix_s()
    }

    /// The value of a cookie.
    fn cookie(&self, of: Cookie) -> Option<&str> {
        self.server.cookies.find(&self.ask.headers, of)
    }

    async fn client(&self, id: &str) -> Result<client::Client, error::Refusal> {
        let server = self.server;
        client::find(
            id,
            &server.clients,
            server.documents.as_ref(),
            server.settings.registration,
            &server.state,
            self.ask.peer,
        )
        .await
    }

    /// Records; what cannot be recorded does not happen.
    async fn record(
        &self,
        name: &'static str,
        who: Option<Who<'_>>,
        detail: String,
    ) -> Result<(), error::Refusal> {
        let event = Event {
            name,
            who,
            detail,
            peer: Some(self.ask.peer),
        };
        Ok(self.journal.record(&event).await?)
    }
}
