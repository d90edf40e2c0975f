//! The checked configuration: what the gateway is built from.

mod access;
mod authorization;
mod binding;
mod budget;
mod host;
mod notifications;
mod sandbox;
mod tenant_tools;

pub use access::{Agent, ApprovalStage, Entitled, Entitlement, Need, People, Roles, RuleFile};
pub use authorization::{
    AuthorizationServer, CertificateName, Client, ClientAuthentication, ClientKeys, Login,
    LoginCredential,
};
pub(crate) use binding::network;
pub use binding::{ClientCertificates, Dpop, RequiredBinding, Tls};
pub use budget::Budget;
pub use host::AllowedHost;
pub use notifications::{Notification, Receiver};
pub use sandbox::Sandbox;
pub use tenant_tools::{ArgumentRule, ResultRules, TenantValue, ToolRules, UpstreamIdentity};

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
    net::SocketAddr,
    path::{Path, PathBuf},
    sync::Arc,
};

use cardea_domain::{ActorId, TenantId, UpstreamId};
use ipnet::IpNet;
use url::Url;

use crate::{
    Algorithm, ArgumentsInAudit, ClaimPointer, Constraint, FlowLabel, Limits, LogFormat, LogLevel,
    Output, PinRule, PolicyPack, Schemas, Secret, diagnostic::Diagnostics,
};

/// A configuration in which every value was checked, alone and against the others.
///
/// Paths are absolute, references to tenants lead somewhere, and secrets are there.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Config {
    /// The file that it was read from.
    pub file: PathBuf,
    /// The address for MCP clients.
    pub listen: SocketAddr,
    /// The origin under which clients reach the gateway; no path, query or user.
    pub public_url: Url,
    /// The address of metrics and health, if they are to be served.
    pub admin_listen: Option<SocketAddr>,
    /// Hosts that a request may name, those of `public_url` and `listen` included.
    pub allowed_hosts: Vec<AllowedHost>,
    /// Origins that a request may come from, as browsers spell them, that of `public_url` included.
    pub allowed_origins: BTreeSet<String>,
    /// TLS at `listen`.
    pub tls: Option<Tls>,
    /// Proxies whose word about a client counts.
    pub trusted_proxies: Vec<IpNet>,
    /// Proofs of possession.
    pub dpop: Dpop,
    /// Tenants that take no plain bearer tokens.
    pub required_bindings: BTreeMap<TenantId, RequiredBinding>,
    /// Threads that serve requests, at least one.
    pub workers: usize,
    /// The folder for keys and audit logs; it may not be there yet.
    pub state_dir: PathBuf,
    /// The tenants, at least one, and what each has of its own.
    pub tenants: BTreeMap<TenantId, Tenant>,
    /// Whose tokens are accepted, at least one; those of tenants among them.
    pub issuers: Vec<Issuer>,
    /// The authorization server that is built in.
    pub authorization_server: Option<AuthorizationServer>,
    /// The MCP servers behind the gateway, each once for each tenant that it exists for.
    pub upstreams: BTreeMap<(TenantId, UpstreamId), Upstream>,
    /// Where the policies are that hold for every tenant.
    pub policies: PolicyFiles,
    /// What is known of tools for flow control.
    pub flow_labels: FlowLabels,
    /// What is known of tools for policies that read arguments.
    pub definitions: Definitions,
    /// What one request, connection or upstream may cost at most.
    pub limits: Limits,
    /// The record of every call that belongs to no tenant, and the folder of all.
    pub audit: Audit,
    /// What the gateway tells about itself.
    pub telemetry: Telemetry,
    /// What somebody should look at, although the configuration can be used.
    pub warnings: Diagnostics,
}

impl Config {
    /// The origin of `public_url`: scheme, host and port, without a slash at the end.
    #[must_use]
    pub fn public_origin(&self) -> String {
        self.public_url.origin().ascii_serialization()
    }

    /// Whether a request may name this `Host`.
    #[must_use]
    pub fn accepts_host(&self, host: &str) -> bool {
        self.allowed_hosts
            .iter()
            .any(|allowed| allowed.accepts(host))
    }

    /// Whether a request may come from this `Origin`.
    #[must_use]
    pub fn accepts_origin(&self, origin: &str) -> bool {
        self.allowed_origins.contains(origin)
    }

    /// Every file and folder of policies, rules, labels and definitions that the configuration names, those of
    /// tenants too.
    pub fn policy_roots(&self) -> impl Iterator<Item = &Path> {
        let own = self.tenants.values().flat_map(|t| &t.policies.roots);
        let rules = self.rule_files().map(|rules| &rules.file);
        let roots = self.policies.roots.iter().chain(own).chain(rules);
        let told = self.flow_labels.files.iter().chain(&self.definitions.files);
        roots.chain(told).map(PathBuf::as_path)
    }

    /// Every file of rules about requests that an entitlement names; one may be there several times.
    pub fn rule_files(&self) -> impl Iterator<Item = &RuleFile> {
        let entitlements = self.tenants.values().flat_map(|t| t.entitlements.values());
        entitlements.filter_map(|entitlement| entitlement.automatic.as_ref())
    }

    /// The ids of the upstreams that exist for a tenant.
    pub fn upstreams_of(&self, tenant: &TenantId) -> impl Iterator<Item = &UpstreamId> {
        self.upstreams
            .keys()
            .filter(move |(of, _)| of == tenant)
            .map(|(_, id)| id)
    }
}

/// What administrators have said of tools, for flow control.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct FlowLabels {
    /// By tenant, upstream and tool; a tool that is not there has every dangerous label.
    pub tools: BTreeMap<(TenantId, UpstreamId), BTreeMap<String, BTreeSet<FlowLabel>>>,
    /// The files that they stand in.
    pub files: BTreeSet<PathBuf>,
}

/// Definitions of tools that files have: the answers of servers to `tools/list`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Definitions {
    /// By tenant and upstream: each tool's raw definition by its name. An upstream that is not there has no file.
    pub tools: BTreeMap<(TenantId, UpstreamId), Arc<BTreeMap<String, String>>>,
    /// The files that they stand in.
    pub files: BTreeSet<PathBuf>,
}

/// What a tenant has of its own, besides issuers and upstreams.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tenant {
    /// Where the policies are that hold for it alone.
    pub policies: PolicyFiles,
    /// Policies that come with the gateway and hold for it.
    pub packs: BTreeSet<PolicyPack>,
    /// Agents whose hosts say which run a call belongs to, and what the person asked for.
    pub trusted_hosts: BTreeSet<ActorId>,
    /// What may be asked for in it, by id: what the gateway has for all tenants, and its own.
    pub entitlements: BTreeMap<String, Entitlement>,
    /// What its calls may use, by id: what the gateway has for all tenants, and its own.
    pub budgets: BTreeMap<String, Budget>,
    /// Where it is, by a name of the IANA database: what its rules call local.
    pub time_zone: String,
    /// Who is told of what happens to its access, by id.
    pub notifications: BTreeMap<String, Notification>,
    /// What is known of agents, by patterns of their names.
    pub agents: BTreeMap<String, Agent>,
    /// Who may do what in its console.
    pub roles: Roles,
    /// The gateway's limits with those of this tenant laid over them; `calls_per_tenant_max` and
    /// `streams_per_tenant_max` are this tenant's.
    pub limits: Limits,
    /// The record of its calls.
    pub audit: Audit,
}

/// Somebody whose tokens are accepted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Issuer {
    /// The gateway itself: its development tokens, and those of its authorization server.
    Embedded(EmbeddedIssuer),
    /// An identity provider.
    External(Box<ExternalIssuer>),
}

/// The gateway's own key, for development.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedIssuer {
    /// The tenants that its tokens may name, at least one.
    pub tenants: BTreeSet<TenantId>,
}

/// An identity provider.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ExternalIssuer {
    /// The exact `iss` of its tokens; a URL whenever `keys` is by discovery at the well-known places.
    pub issuer: String,
    /// Where its keys are.
    pub keys: KeySource,
    /// The signature algorithms that are accepted, at least one.
    pub algorithms: BTreeSet<Algorithm>,
    /// Audiences to accept besides the gateway's own resource identifiers.
    pub audiences: BTreeSet<String>,
    /// How a token names its tenant.
    pub tenant: TenantSource,
    /// Claims that a token must carry, with these exact texts, for this entry to be meant.
    pub required_claims: BTreeMap<ClaimPointer, String>,
    /// The tenant that it stands below, if it is one's own.
    pub owner: Option<TenantId>,
    /// Whether everybody may learn its name.
    pub advertised: bool,
    /// The claim that names the person.
    pub subject_claim: ClaimPointer,
    /// The claims that name the agent: the first that is there counts. At least one.
    pub actor_claims: Vec<ClaimPointer>,
    /// The claim with the person's groups.
    pub groups_claim: Option<ClaimPointer>,
    /// The `typ` that a token's header must have; `None` switches the check off.
    pub require_typ: Option<&'static str>,
    /// Scopes that a token must carry, all of them.
    pub required_scopes: BTreeSet<String>,
    /// Certificate authorities to trust besides the public ones; the file is there.
    pub ca_file: Option<PathBuf>,
}

/// Where an issuer's keys are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum KeySource {
    /// At this URL.
    Jwks(Url),
    /// Named by the metadata at this URL.
    Metadata(Url),
    /// Named by the metadata at the well-known places below the issuer, whose URL this is.
    WellKnown(Url),
}

/// How a token names its tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantSource {
    /// Every token is for this tenant.
    Fixed(TenantId),
    /// A claim's value is the id of a tenant.
    Claim(ClaimPointer),
    /// A claim's value means a tenant; one that is not listed means none.
    ClaimValues(ClaimPointer, BTreeMap<String, TenantId>),
}

/// An MCP server behind the gateway.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Upstream {
    /// Its id, unique within the tenant.
    pub id: UpstreamId,
    /// The tenant for which it exists.
    pub tenant: TenantId,
    /// Whether it stands below the tenant, or among those whose settings tenants share.
    pub is_own: bool,
    /// Whether it was added and nobody has approved it: it is known by its name, and neither started nor called.
    pub is_held: bool,
    /// When it was added at a terminal (milliseconds since the Unix epoch); `None` where the file names it.
    pub added_ms: Option<u64>,
    /// How it is reached.
    pub transport: Transport,
    /// What the tenant is called there; no two tenants of an upstream are called alike.
    pub tenant_value: TenantValue,
    /// What holds for its tools, by their names; `*` for those without rules of their own.
    pub tools: BTreeMap<String, ToolRules>,
    /// How far the schemas of its tools are held to.
    pub schemas: Schemas,
    /// How far what it says of its tools needs somebody's approval.
    pub pins: PinRule,
    /// What the arguments of its tools have to be; each can be used.
    pub constraints: Vec<Constraint>,
    /// What the results of its tools may hold.
    pub outputs: Vec<Output>,
    /// The folders of a client that it may see; `None`: all.
    pub roots: Option<Vec<String>>,
    /// Whether it is told who calls, and how.
    pub identity: Option<UpstreamIdentity>,
    /// The gateway's limits with those of the tenant and then of this upstream laid over them.
    pub limits: Limits,
}

impl Config {
    /// An upstream that stands beside those of the file, with nothing said of it: every definition needs approval.
    #[must_use]
    pub fn added(&self, tenant: &TenantId, id: &UpstreamId, transport: Transport) -> Upstream {
        let own = self.tenants.get(tenant).map(|tenant| tenant.limits);
        Upstream {
            id: id.clone(),
            tenant: tenant.clone(),
            is_own: true,
            is_held: false,
            added_ms: None,
            transport,
            tenant_value: TenantValue::Text(tenant.to_string()),
            tools: BTreeMap::new(),
            schemas: Schemas::default(),
            pins: PinRule::Approve,
            constraints: Vec::new(),
            outputs: Vec::new(),
            roots: None,
            identity: None,
            limits: own.unwrap_or(self.limits),
        }
    }
}

/// How an upstream is reached.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Transport {
    /// By starting a command.
    Stdio(Stdio),
    /// By Streamable HTTP.
    Http(Http),
}

/// A command to start. `Debug` shows neither arguments nor values of variables.
#[derive(Clone, PartialEq, Eq)]
pub struct Stdio {
    /// An absolute path, or a bare name to be looked up in `PATH`.
    pub command: PathBuf,
    /// Its arguments.
    pub args: Vec<String>,
    /// Its environment variables.
    pub env: BTreeMap<String, Secret>,
    /// The folder in which it runs; it is there.
    pub cwd: PathBuf,
    /// Its box.
    pub sandbox: Sandbox,
    /// What has to be unchanged before each start, with its SHA-256.
    pub locked: Vec<(PathBuf, [u8; 32])>,
}

impl fmt::Debug for Stdio {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Stdio")
            .field("command", &self.command)
            .field("args", &format_args!("[{} hidden]", self.args.len()))
            .field("env", &self.env)
            .field("cwd", &self.cwd)
            .field("sandbox", &self.sandbox)
            .field("locked", &self.locked.len())
            .finish()
    }
}

/// A server to call. `Debug` shows neither the query of the URL nor values of headers.
#[derive(Clone, PartialEq, Eq)]
pub struct Http {
    /// The MCP endpoint; no user name, password or fragment.
    pub url: Url,
    /// Headers to send with each request, by their names in lower case.
    pub headers: BTreeMap<String, Secret>,
    /// Certificate authorities to trust besides the public ones, with a SPIFFE ID in the place of them; the file is there.
    pub ca_file: Option<PathBuf>,
    /// SHA-256 of the keys that its certificate may have; none is any.
    pub spki_pins: Vec<[u8; 32]>,
    /// The SPIFFE ID that its certificate must have.
    pub spiffe_id: Option<String>,
    /// Chain and key that it is shown where it asks; the files are there.
    pub client_certificate: Option<(PathBuf, PathBuf)>,
}

impl fmt::Debug for Http {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let mut url = self.url.clone();
        url.set_query(self.url.query().map(|_| "hidden"));
        f.debug_struct("Http")
            .field("url", &url.as_str())
            .field("headers", &self.headers)
            .field("ca_file", &self.ca_file)
            .field("spki_pins", &self.spki_pins.len())
            .field("spiffe_id", &self.spiffe_id)
            .field("client_certificate", &self.client_certificate)
            .finish()
    }
}

/// Where the policies are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PolicyFiles {
    /// The files and folders as the configuration names them: what to watch for changes.
    pub roots: Vec<PathBuf>,
    /// The files, those of the folders by name: what to read.
    pub files: Vec<PathBuf>,
}

/// The record of every call.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Audit {
    /// The folder of the logs; it may not be there yet.
    pub dir: PathBuf,
    /// The size in bytes at which a log file is closed and the next begun.
    pub rotate_bytes: u64,
    /// What a record holds of a call's arguments.
    pub arguments: ArgumentsInAudit,
    /// How many bytes of the arguments of one call a record holds.
    pub arguments_bytes_max: u64,
}

/// What the gateway tells about itself.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Telemetry {
    /// Where traces go, by OTLP over HTTP.
    pub otlp_endpoint: Option<Url>,
    /// How log lines look.
    pub log_format: LogFormat,
    /// The least severe log lines that are written.
    pub log_level: LogLevel,
    /// The name under which traces and metrics appear.
    pub service_name: String,
}
