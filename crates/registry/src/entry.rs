//! One upstream as it is configured.

use std::{
    collections::{BTreeSet, HashMap},
    fmt,
    path::PathBuf,
    sync::Arc,
};

use cardea_domain::{TenantId, UpstreamId};
use http::{HeaderName, HeaderValue};
use parking_lot::RwLock;
use url::Url;

use crate::Definitions;

/// One upstream: its name, who may see it, how it is reached, what was learnt of it.
#[derive(Debug)]
pub struct Entry {
    id: UpstreamId,
    tenants: BTreeSet<TenantId>,
    connection: Connection,
    definitions: RwLock<HashMap<TenantId, Arc<Definitions>>>,
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
    pub fn new(
        id: UpstreamId,
        tenants: impl IntoIterator<Item = TenantId>,
        connection: Connection,
    ) -> Self {
        Self {
            id,
            tenants: tenants.into_iter().collect(),
            connection,
            definitions: RwLock::default(),
        }
    }

    /// Its id.
    #[must_use]
    pub fn id(&self) -> &UpstreamId {
        &self.id
    }

    /// The tenants that may see it.
    #[must_use]
    pub fn tenants(&self) -> &BTreeSet<TenantId> {
        &self.tenants
    }

    /// How it is reached.
    #[must_use]
    pub fn connection(&self) -> &Connection {
        &self.connection
    }

    /// Kept per tenant: a server may show its tenants different tools.
    pub(crate) fn definitions_for(&self, tenant: &TenantId) -> Arc<Definitions> {
        if let Some(known) = self.definitions.read().get(tenant) {
            return Arc::clone(known);
        }
        Arc::clone(self.definitions.write().entry(tenant.clone()).or_default())
    }
}
