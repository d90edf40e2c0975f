//! Pages and API for people: who asks for what, who has what, who decides, what is locked.
//!
//! What it is: server-rendered pages under `/console`, a JSON API under `/api/v1`, and one table
//! of routes ([`routes`]) from which both are dispatched, checked and described. What it is not: a
//! place where anything is decided. Who may approve what is for the access room; who somebody is,
//! for the authorization server.
//!
//! The data's path: [`Console::serve`] finds the route, the person behind the session cookie or the
//! token, and that person's tenant; everything after is read from and done to the rooms of this one
//! tenant, which [`Rooms`] hands out. A change comes from a page that was shown to this login, or
//! from a program with a token of the person's, or it is refused. What gives access (approving,
//! lifting a lock) comes from a page alone: a program may be an agent's.
//!
//! Models, clients and servers write much of what is shown here. It is escaped by the templates,
//! set apart as a quotation, cut, and without characters that reorder or hide text ([`text`]).

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::string_slice,
        clippy::panic,
        reason = "a failed test is a panic"
    )
)]

mod acts;
mod api;
mod ask;
mod caller;
mod chart;
mod desk;
mod events;
mod explain;
mod export;
mod field;
mod lists;
mod openapi;
mod pages;
mod pretty;
mod refusal;
mod reply;
mod roles;
mod rooms;
mod routes;
#[cfg(test)]
mod tests;
mod text;
mod tighter;
mod time;

use std::{collections::BTreeMap, sync::Arc, time::Duration};

use bytes::Bytes;
use cardea_domain::{Clock, Denial, TenantId};
use cardea_identity::{ApiHolder, AuthorizationServer, server::API_PATH};
use http::Request;

pub use reply::{Body, Reply};
pub use roles::{People, Roles};
pub use rooms::{
    Explained, ExplainedPolicy, Labelled, Minute, Rooms, Ruling, ServerFacts, Standing, Subject,
    SupposedCall,
};

/// A request's body: forms and small documents, arguments of a tool the largest among them.
pub const BODY_BYTES_MAX: usize = 64 * 1024;

/// The console of one configuration.
pub struct Console {
    settings: ConsoleSettings,
    /// Where people log in.
    authorization: Arc<AuthorizationServer>,
    clock: Clock,
    streams: Arc<events::Streams>,
    /// How long a stream of events may go on.
    stream_max: Duration,
}

/// What is configured of the console.
#[derive(Debug, Clone)]
pub struct ConsoleSettings {
    /// Scheme, host and port as browsers see them, without a slash at the end.
    pub origin: String,
    /// Who may see and end everything of a tenant.
    pub roles: BTreeMap<TenantId, Roles>,
    /// How old a login may be to decide with, in seconds.
    pub login_age_max_s: u64,
}

/// A working day.
pub const LOGIN_AGE_MAX_S: u64 = 8 * 3600;

impl Console {
    /// A console by these settings.
    #[must_use]
    pub fn new(
        settings: ConsoleSettings,
        authorization: Arc<AuthorizationServer>,
        clock: Clock,
    ) -> Self {
        Self {
            settings,
            authorization,
            clock,
            streams: Arc::default(),
            stream_max: events::STREAM_MAX,
        }
    }

    /// Whether a path is the console's.
    #[must_use]
    pub fn has(path: &str) -> bool {
        ["/console", API_PATH].iter().any(|root| {
            path.strip_prefix(root)
                .is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
        })
    }

    /// Answers one request, whose path [`Self::has`] knows and whose body is at most
    /// [`BODY_BYTES_MAX`] long.
    ///
    /// `token` is whose token the `Authorization` header carries, or why it is refused; `None` where
    /// there is no such header.
    pub async fn serve(
        &self,
        request: Request<Bytes>,
        token: Option<Result<ApiHolder, Denial>>,
        rooms: &dyn Rooms,
    ) -> Reply {
        let (head, body) = request.into_parts();
        routes::dispatch(self, head, &body, token, rooms).await
    }
}

impl std::fmt::Debug for Console {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Console")
            .field("settings", &self.settings)
            .finish_non_exhaustive()
    }
}
