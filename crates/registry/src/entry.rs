//! One upstream of one tenant as it is configured.

use std::{fmt, path::PathBuf};

use cardea_domain::{TenantId, UpstreamId};
use http::{HeaderName, HeaderValue};
use url::Url;

use crate::Definitions;

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
    /// A file of further certificate authorities (PEM).
    pub ca_file: Option<PathBuf>,
}

/// A server that the gateway starts.
#[derive(Clone, PartialEq, Eq)]
pub struct StdioServer {
    /// The executable; found by `PATH` when it holds no `/`.
    pub command: String,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its whole environment besides `PATH`; values may be secret.
    pub env: Vec<(String, String)>,
    /// Its working folder.
    pub cwd: PathBuf,
}

impl fmt::Debug for StdioServer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        f.debug_struct("StdioServer")
            .field("command", &self.command)
            .field("args", &self.args)
            .field("env", &names)
            .field("cwd", &self.cwd)
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
        }
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
}
