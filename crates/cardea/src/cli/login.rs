//! What `login`, `logout` and `connect` are told.

use std::path::PathBuf;

use clap::Args;

/// Where logins are kept, and whom to trust.
#[derive(Debug, Args)]
pub(crate) struct StoreArgs {
    /// Where logins are kept, instead of `$XDG_DATA_HOME/cardea`.
    #[arg(long, value_name = "DIR", env = "CARDEA_STORE")]
    pub(crate) store: Option<PathBuf>,
    /// Certificate authorities to trust besides the public ones, as PEM.
    #[arg(long, value_name = "FILE", env = "CARDEA_CA_FILE")]
    pub(crate) ca_file: Option<PathBuf>,
}

/// Who this program is to the authorization server.
#[derive(Debug, Args)]
pub(crate) struct ClientArgs {
    /// The client id that this program was registered with.
    #[arg(long, value_name = "ID", env = "CARDEA_CLIENT_ID")]
    pub(crate) client_id: Option<String>,
    /// The file with its secret.
    #[arg(long, value_name = "FILE", env = "CARDEA_CLIENT_SECRET_FILE", requires = "client_id", conflicts_with_all = ["client_secret_env", "client_key_file"])]
    pub(crate) client_secret_file: Option<PathBuf>,
    /// The environment variable with its secret.
    #[arg(
        long,
        value_name = "NAME",
        requires = "client_id",
        conflicts_with = "client_key_file"
    )]
    pub(crate) client_secret_env: Option<String>,
    /// The file with its private key for `private_key_jwt`: PKCS#8 as PEM (P-256, Ed25519, RSA).
    #[arg(
        long,
        value_name = "FILE",
        env = "CARDEA_CLIENT_KEY_FILE",
        requires = "client_id"
    )]
    pub(crate) client_key_file: Option<PathBuf>,
    /// The address of its client metadata document, which is its id where that is supported.
    #[arg(long, value_name = "URL", env = "CARDEA_CLIENT_METADATA_URL")]
    pub(crate) client_metadata_url: Option<String>,
    /// Scopes to ask for besides those that the server names, separated by spaces.
    #[arg(long, value_name = "SCOPES", default_value = "")]
    pub(crate) scope: String,
}

/// How a person logs in.
#[derive(Debug, Args)]
pub(crate) struct PersonArgs {
    /// Show a code to type on another device, where this one has no browser.
    #[arg(long)]
    pub(crate) device: bool,
    /// Print the address instead of opening a browser.
    #[arg(long, conflicts_with = "device")]
    pub(crate) no_browser: bool,
}

#[derive(Debug, Args)]
pub(crate) struct LoginArgs {
    /// The gateway, to look after access there; instead of an MCP server.
    #[arg(value_name = "GATEWAY")]
    pub(crate) gateway: Option<String>,
    /// The MCP server: `https`, or `http` on this computer.
    #[arg(
        long,
        value_name = "URL",
        env = "CARDEA_URL",
        required_unless_present = "gateway"
    )]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    #[command(flatten)]
    pub(crate) person: PersonArgs,
}

#[derive(Debug, Args)]
pub(crate) struct LogoutArgs {
    /// The gateway; instead of an MCP server.
    #[arg(value_name = "GATEWAY")]
    pub(crate) gateway: Option<String>,
    /// The MCP server: `https`, or `http` on this computer.
    #[arg(
        long,
        value_name = "URL",
        env = "CARDEA_URL",
        required_unless_present = "gateway"
    )]
    pub(crate) url: Option<String>,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
}

#[derive(Debug, Args)]
pub(crate) struct ConnectArgs {
    /// The MCP server: `https`, or `http` on this computer.
    #[arg(long, value_name = "URL", env = "CARDEA_URL")]
    pub(crate) url: String,
    #[command(flatten)]
    pub(crate) store: StoreArgs,
    #[command(flatten)]
    pub(crate) client: ClientArgs,
    #[command(flatten)]
    pub(crate) person: PersonArgs,
    /// Have a person log in when that is needed, instead of an error that says so.
    #[arg(long, conflicts_with_all = ["client_credentials", "workload_token_file", "id_token_file"])]
    pub(crate) interactive: bool,
    /// Be nobody's: use the client's own identity, with its key or secret.
    #[arg(long, requires = "client_id", conflicts_with_all = ["workload_token_file", "id_token_file"])]
    pub(crate) client_credentials: bool,
    /// Hand in the workload identity in this file (RFC 7523); it is read each time.
    #[arg(long, value_name = "FILE", conflicts_with = "id_token_file")]
    pub(crate) workload_token_file: Option<PathBuf>,
    /// Have an identity provider vouch for the person whose ID token is in this file.
    #[arg(long, value_name = "FILE", requires_all = ["idp_token_endpoint", "idp_client_id"])]
    pub(crate) id_token_file: Option<PathBuf>,
    /// That identity provider's token endpoint.
    #[arg(long, value_name = "URL", requires = "id_token_file")]
    pub(crate) idp_token_endpoint: Option<String>,
    /// This program's client id there.
    #[arg(long, value_name = "ID", requires = "id_token_file")]
    pub(crate) idp_client_id: Option<String>,
    /// The file with its secret there.
    #[arg(long, value_name = "FILE", requires = "id_token_file")]
    pub(crate) idp_client_secret_file: Option<PathBuf>,
}
