//! What a person or a host tells this program about one server.

use std::{ffi::OsString, path::PathBuf, sync::Arc};

use cardea_domain::Clock;
use url::Url;

use crate::{Grant, Secret, SigningKey, Store};

/// How the credentials for one server are had.
#[derive(Clone)]
pub struct Settings {
    /// The MCP server, or the API of a gateway.
    pub server: Url,
    /// Where logins lie.
    pub store: Store,
    /// How tokens are had.
    pub grant: Grant,
    /// This program's id at the authorization server, where it was registered.
    pub client_id: Option<String>,
    /// Its secret, if it has one.
    pub client_secret: Option<Secret>,
    /// Its key, if it proves itself by one (`private_key_jwt`).
    pub client_key: Option<Arc<SigningKey>>,
    /// The address of its client metadata document.
    pub client_metadata_url: Option<String>,
    /// Scopes to ask for besides those that the server names.
    pub scopes: Vec<String>,
    /// Certificate authorities to trust besides the public ones.
    pub ca_file: Option<PathBuf>,
    /// Programs that show an address, the first that starts is taken; none prints it only.
    pub browsers: Vec<OsString>,
    /// Tells the person something, apart from standard output.
    pub say: Arc<dyn Fn(&str) + Send + Sync>,
    /// The time.
    pub clock: Clock,
}
