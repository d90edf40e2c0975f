//! One upstream of one tenant as it is configured.

use std::{fmt, path::PathBuf, sync::Arc};

use cardea_domain::{TenantId, UpstreamId};
use http::{HeaderName, HeaderValue};
use url::Url;

use crate::{DefinitionKind, Definitions, Locked, PinRule, Pins, Standing};

/// One upstream of one tenant: its name, how it is reached, what was learnt of it.
///
/// Tenants that share the settings of an upstream have an entry each: a server may show them
/// different tools, and nothing that one learns of it, or holds open to it, is the other's.
#[derive(Debug)]
pub struct Entry {
    tenant: TenantId,
    id: UpstreamId,
    connection: Connection,
    definitions: Definitions,
    rule: PinRule,
    pins: Arc<Pins>,
    is_held: bool,
    added_ms: Option<u64>,
}

/// How an upstream is reached.
#[derive(Debug, Clone, PartialEq)]
pub enum Connection {
    /// Streamable HTTP.
    Http(HttpServer),
    /// A child process on its standard streams.
    Stdio(StdioServer),
}

/// A server over Streamable HTTP.
#[derive(Debug, Clone, PartialEq)]
pub struct HttpServer {
    /// Its MCP endpoint.
    pub url: Url,
    /// Headers added to each request; values marked sensitive are not shown.
    pub headers: Vec<(HeaderName, HeaderValue)>,
    /// A file of further certificate authorities (PEM); with a SPIFFE ID the only ones.
    pub ca_file: Option<PathBuf>,
    /// Who it has to be, beyond the name of its host.
    pub identity: ServerIdentity,
    /// Chain and key (PEM) that it is shown where it asks for a certificate.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
}

/// Who a server over TLS has to be, beyond what authorities say of its host's name.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ServerIdentity {
    /// SHA-256 of the SubjectPublicKeyInfo that its certificate may have; none is any.
    pub spki_pins: Vec<[u8; 32]>,
    /// The SPIFFE ID that its certificate has to have, in the place of the host's name.
    pub spiffe_id: Option<String>,
}

/// A server that the gateway starts.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct StdioServer {
    /// The executable; found by `PATH` when it holds no `/`.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment besides `PATH`; values may be secret.
    pub env: Vec<(String, String)>,
    /// Its working folder.
    pub cwd: PathBuf,
    /// What has to be unchanged before each start.
    pub locked: Vec<Locked>,
}

impl fmt::Debug for StdioServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("StdioServer")
            .field("command", &self.command)
            .field("args", &self.args)
            .field("env", &names)
            .field("cwd", &self.cwd)
            .field("locked", &self.locked)
            .finish()
    }
}

impl Entry {
    /// An entry of which nothing is learnt yet.
    #[must_use]
    pub fn new(tenant: TenantId, id: UpstreamId, connection: Connection) -> Self {
        Self {
            tenant,
            id,
            connection,
            definitions: Definitions::default(),
            rule: PinRule::Off,
            pins: Arc::default(),
            is_held: false,
            added_ms: None,
        }
    }

    /// With definitions that need approval by this rule, and what was approved.
    #[must_use]
    pub fn with_pins(mut self, rule: PinRule, pins: Arc<Pins>) -> Self {
        (self.rule, self.pins) = (rule, pins);
        self
    }

    /// Known by its name alone: nobody has approved it, so that it is neither started nor called.
    #[must_use]
    pub fn held(mut self, is_held: bool) -> Self {
        self.is_held = is_held;
        self
    }

    /// Added at a terminal at this time (milliseconds since the Unix epoch), by which it is told from another server
    /// that was added under the name before or after it.
    #[must_use]
    pub fn added(mut self, added_ms: Option<u64>) -> Self {
        self.added_ms = added_ms;
        self
    }

    /// When it was added at a terminal (milliseconds since the Unix epoch); `None` where it stands in the configuration.
    #[must_use]
    pub fn added_ms(&self) -> Option<u64> {
        self.added_ms
    }

    /// Whether it must be neither started nor called: nobody has approved it, or it was removed, or another one was
    /// added in its place, whichever configuration is in use.
    #[must_use]
    pub fn is_held(&self) -> bool {
        self.is_held || self.added_ms.is_some() && self.added_ms != self.pins.added_ms()
    }

    /// The tenant for which it exists.
    #[must_use]
    pub fn tenant(&self) -> &TenantId {
        &self.tenant
    }

    /// Its id, unique within the tenant.
    #[must_use]
    pub fn id(&self) -> &UpstreamId {
        &self.id
    }

    /// How it is reached.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// What was learnt of its tools.
    #[must_use]
    pub fn definitions(&self) -> &Definitions {
        &self.definitions
    }

    /// How far its definitions need approval.
    #[must_use]
    pub fn pin_rule(&self) -> PinRule {
        self.rule
    }

    /// What was approved of it.
    #[must_use]
    pub fn pins(&self) -> &Pins {
        &self.pins
    }

    /// Whether the gateway has to look at it as a whole, before anything of it can be decided.
    #[must_use]
    pub fn needs_survey(&self) -> bool {
        self.rule != PinRule::Off && !self.is_held() && !self.pins.is_surveyed()
    }

    /// How the definition under a name stands.
    #[must_use]
    pub fn standing(&self, kind: DefinitionKind, name: &str) -> Standing {
        if self.rule == PinRule::Off {
            return Standing::Approved;
        }
        if self.rule == PinRule::First && !self.pins.is_surveyed() {
            return Standing::Unseen;
        }
        let Some(approved) = self.pins.approved(kind, name) else {
            return Standing::Quarantined;
        };
        if self.definitions.is_doubted(kind) {
            return Standing::Unseen;
        }
        match self.definitions.definition(kind, name) {
            None => Standing::Unseen,
            Some(shown) if shown.digest == Some(approved) => Standing::Approved,
            Some(_) => Standing::Quarantined,
        }
    }

    /// Whether exactly this definition was approved under its name.
    #[must_use]
    pub fn approves(&self, kind: DefinitionKind, name: &str, digest: Option<[u8; 32]>) -> bool {
        self.rule == PinRule::Off || digest.is_some() && self.pins.approved(kind, name) == digest
    }
}
