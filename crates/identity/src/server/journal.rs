//! Where everything that happens is written down before it has happened for anybody else.

use std::{net::IpAddr, pin::Pin};

use cardea_domain::{SubjectId, TenantId};

use super::error::JournalDown;

/// Takes events down, durably.
pub trait Journal: Send + Sync {
    /// Ready when the event is on disk.
    ///
    /// # Errors
    /// [`JournalDown`] when it is not, and what it says must not happen.
    fn record<'a>(
        &'a self,
        event: &'a Event<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), JournalDown>> + Send + 'a>>;
}

/// Something that happened at the authorization server.
#[derive(Debug, Clone)]
pub struct Event<'a> {
    /// Its kind: `login`, `consent`, `token_issued`.
    pub name: &'static str,
    /// Who did it or for whom it was done, once that is known.
    pub who: Option<Who<'a>>,
    /// What else there is to say: no secret, and nothing a stranger typed without escapes.
    pub detail: String,
    /// Where the request came from.
    pub peer: Option<IpAddr>,
}

/// A person, and the client and run where there is one.
#[derive(Debug, Clone, Copy)]
pub struct Who<'a> {
    /// Their tenant.
    pub tenant: &'a TenantId,
    /// The person.
    pub subject: &'a SubjectId,
    /// The client's id.
    pub client: Option<&'a str>,
    /// The run of a token.
    pub run: Option<&'a str>,
}
