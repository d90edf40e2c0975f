//! The file as it is written: names, types and defaults, nothing checked across values.
//!
//! The JSON Schema is generated from these types, so every doc comment here is documentation for
//! whoever writes the file. Each key has a default, even those that the schema requires: a file with
//! mistakes must still be readable as far as it is right. Secrets may stand here, so no `Debug`.

mod access;
mod authorization;
mod binding;
mod budget;
mod constraint;
mod flow;
mod issuer;
mod limits;
mod notifications;
mod output;
mod pins;
mod sandbox;
mod tenant;
mod tenant_tools;
mod tls;
mod upstream;

pub(crate) use access::{
    BYTES_MAX, BYTES_MIN, CALLS_MAX, DURATION_MAX, DURATION_MIN, HOLD_MAX, HOLD_MIN, NeedWord,
    RATE_MAX, RawAgent, RawEntitled, RawEntitlement, RawNeed, RawPeople, RawRoles, RawStage,
};
pub(crate) use authorization::{
    ACCESS_TOKEN_MAX, ACCESS_TOKEN_MIN, GRANT_MAX, GRANT_MIN, RawAuthorizationServer, RawClient,
    RawClientCertificate, RawLogin,
};
pub(crate) use binding::{IAT_WINDOW_MAX, IAT_WINDOW_MIN, KeyKind, RawDpop, RawRequiredBinding};
pub(crate) use budget::{
    BYTES_IN_BUDGET_MAX, BYTES_IN_BUDGET_MIN, CALLS_IN_BUDGET_MAX, CONCURRENT_MAX, RawBudget,
    WITHIN_MAX, WITHIN_MIN,
};
pub(crate) use constraint::{RawConstraintFile, file_schema};
pub(crate) use issuer::{RawIssuer, RequiredTyp};
pub(crate) use limits::{RawLimits, RawTenantLimits, RawUpstreamLimits};
pub(crate) use notifications::{RawChannel, RawNotification, RawWebhook};
pub(crate) use output::{RESULT_MAX, RESULT_MIN};
pub(crate) use sandbox::RawSandbox;
pub(crate) use tenant::{RawOwnIssuer, RawOwnUpstream, RawTenant, RawTenantAudit};
pub(crate) use tenant_tools::{
    IDENTITY_TTL_MAX, IDENTITY_TTL_MIN, RawIdentity, RawResults, RawTenantValue, RawTool,
};
pub(crate) use tls::{RawClientCertificates, RawTls};
pub(crate) use upstream::{RawClientIdentity, RawHttp, RawSecret, RawStdio, RawUpstream};

pub use access::{AskBy, GrantBinding, GrantKind, Justification};
pub use budget::BudgetPer;
pub use constraint::{
    AddressClass, Constraint, PathConstraint, ProgramConstraint, SchemaCheck, Schemas,
    SqlConstraint, SqlDialect, SqlVerb, UnknownMembers, UrlConstraint,
};
pub use flow::{FlowLabel, PolicyPack};
pub use issuer::Algorithm;
pub use limits::Limits;
pub use notifications::NotifiedOf;
pub use output::{ContentKind, Output};
pub use pins::PinRule;
pub use sandbox::{SandboxLimits, SandboxMode, SandboxPreset};
pub use tenant_tools::{Binding, OnForeign, OnUntyped, TenantHeader};

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::quantity::{ByteSize, Count, Quantity, bytes, count, gib, kib, mib};

/// What an identifier of a tenant or an upstream looks like: the rule of `cardea_domain`.
const SLUG: &str = "^[a-z0-9][a-z0-9-]{0,62}$";

const SLUG_IN_WORDS: &str = "1 to 63 of a-z, 0-9 and `-`, not beginning with `-`";

/// More threads gain nothing for a proxy, and each holds memory.
pub(crate) const WORKERS_MAX: Count = count(64);

/// The settings of a Cardea gateway.
///
/// Paths are relative to the folder of the file.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(
    title = "cardea.yaml",
    extend("required" = ["tenants", "issuers", "policies"])
)]
pub(crate) struct RawConfig {
    /// The address and port for MCP clients. Loopback by default: a gateway that nobody has set up
    /// yet must not be open to a network.
    #[schemars(extend("x-expected" = "an address and a port such as `127.0.0.1:8808`"))]
    pub(crate) listen: String,

    /// The origin under which clients reach the gateway, without a path or a slash at the end. Tokens
    /// are accepted for resources below it only (RFC 8707), so it must be what clients use. Plain
    /// `http` is for loopback hosts, unless `allow_plain_http` is set.
    #[schemars(extend("x-default" = "`http://`, or `https://` with `tls`, and `listen`"))]
    pub(crate) public_url: Option<String>,

    /// Allows plain `http` to and from hosts that are not loopback. Tokens and data then travel
    /// readable by everybody on the way; for private networks that encrypt by themselves.
    pub(crate) allow_plain_http: bool,

    /// The address and port of `/metrics`, `/healthz` and `/readyz`, which ask for no token. Without
    /// it there are none.
    #[schemars(extend(
        "x-expected" = "an address and a port such as `127.0.0.1:8809`",
        "x-default" = "off",
    ))]
    pub(crate) admin_listen: Option<String>,

    /// Values of the `Host` header to accept besides those of `public_url` and `listen`: `host`, for
    /// any port, or `host:port`. Other values are refused, against DNS rebinding.
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) allowed_hosts: Vec<String>,

    /// Values of the `Origin` header to accept besides that of `public_url`. Other web pages are
    /// refused.
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) allowed_origins: Vec<String>,

    /// TLS at `listen`. Without it the gateway speaks plain HTTP there: on loopback, or behind a proxy
    /// that ends TLS.
    pub(crate) tls: Option<RawTls>,

    /// Proxies in front of the gateway, as networks such as `10.0.0.0/8` or single addresses. From them
    /// alone `Client-Cert` (RFC 9440) and `Forwarded` or `X-Forwarded-For` are taken; whoever else sends
    /// `Client-Cert` is refused.
    #[schemars(inner(length(min = 1)), extend("uniqueItems" = true))]
    pub(crate) trusted_proxies: Vec<String>,

    /// Proofs of possession.
    pub(crate) dpop: RawDpop,

    /// Threads that serve requests.
    #[schemars(extend("x-minimum" = 1, "x-maximum" = WORKERS_MAX.bound(), "x-default" = "number of cores"))]
    pub(crate) workers: Option<Count>,

    /// The folder for keys and audit logs. It is made when it is not there.
    #[schemars(length(min = 1))]
    pub(crate) state_dir: String,

    /// The tenants: hard boundaries between organisations behind one gateway. The keys are their
    /// ids.
    #[schemars(extend(
        "minProperties" = 1,
        "propertyNames" = slug("a tenant id"),
    ))]
    pub(crate) tenants: BTreeMap<String, RawTenant>,

    /// Whose tokens are accepted, and for which tenants. `[]` where each tenant has issuers of its
    /// own, or the `authorization_server` is the only one.
    pub(crate) issuers: Vec<RawIssuer>,

    /// The authorization server that is built in. Its tokens are accepted for every tenant.
    #[schemars(extend("x-default" = "off"))]
    pub(crate) authorization_server: Option<RawAuthorizationServer>,

    /// The MCP servers behind the gateway that tenants share the settings of. The keys are their ids,
    /// which are part of the URLs that clients use. Each tenant has connections, processes and
    /// sessions of its own there.
    #[schemars(extend("propertyNames" = slug("an upstream id")))]
    pub(crate) upstreams: BTreeMap<String, RawUpstream>,

    /// Cedar policies that hold for every tenant: files, or folders whose `*.cedar` files are read.
    /// What no policy permits is denied. `[]` where each tenant has policies of its own.
    #[schemars(inner(length(min = 1)), extend("uniqueItems" = true))]
    pub(crate) policies: Vec<String>,

    /// Policies that come with the gateway and hold for every tenant, besides `policies`.
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) packs: Vec<PolicyPack>,

    /// What people and agents of every tenant may ask for; the keys are its ids. Nobody has it until
    /// somebody says yes. Needs the `authorization_server`, where those who decide log in.
    #[schemars(extend("propertyNames" = slug("an entitlement's id")))]
    pub(crate) entitlements: BTreeMap<String, RawEntitlement>,

    /// What the calls of each tenant may use at most. The keys are names of your choice, which refusals and records say.
    #[schemars(extend("propertyNames" = slug("a budget's id")))]
    pub(crate) budgets: BTreeMap<String, RawBudget>,

    /// What one request, connection or upstream may cost at most.
    pub(crate) limits: RawLimits,

    /// The record of every call.
    pub(crate) audit: RawAudit,

    /// What the gateway tells about itself.
    pub(crate) telemetry: RawTelemetry,
}

impl Default for RawConfig {
    fn default() -> Self {
        Self {
            listen: "127.0.0.1:8808".to_owned(),
            public_url: None,
            allow_plain_http: false,
            admin_listen: None,
            allowed_hosts: Vec::new(),
            allowed_origins: Vec::new(),
            tls: None,
            trusted_proxies: Vec::new(),
            dpop: RawDpop::default(),
            workers: None,
            state_dir: ".state".to_owned(),
            tenants: BTreeMap::new(),
            issuers: Vec::new(),
            authorization_server: None,
            upstreams: BTreeMap::new(),
            policies: Vec::new(),
            packs: Vec::new(),
            entitlements: BTreeMap::new(),
            budgets: BTreeMap::new(),
            limits: RawLimits::default(),
            audit: RawAudit::default(),
            telemetry: RawTelemetry::default(),
        }
    }
}

/// Each tenant has an audit log of its own: a thread and two open files.
pub(crate) const TENANTS_MAX: usize = 1_000;

/// A file per call would be no log.
pub(crate) const ROTATE_MIN: ByteSize = kib(4);

/// What is still practical to copy and to verify.
pub(crate) const ROTATE_MAX: ByteSize = gib(16);

/// No record is larger than the largest message that makes sense.
pub(crate) const ARGUMENTS_MAX: ByteSize = mib(16);

/// The record of every call.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Audit")]
pub(crate) struct RawAudit {
    /// The folder of the logs, relative to `state_dir`.
    #[schemars(length(min = 1))]
    pub(crate) dir: String,

    /// The size at which a log file is closed and the next begun. Small enough to ship and to verify
    /// one by one.
    #[schemars(extend("x-minimum" = ROTATE_MIN.bound(), "x-maximum" = ROTATE_MAX.bound()))]
    pub(crate) rotate_bytes: ByteSize,

    /// What a record holds of a call's arguments: all of them, or a digest that proves which they
    /// were without holding them.
    pub(crate) arguments: ArgumentsInAudit,

    /// How much of the arguments of one call a record holds; the rest is represented by its digest.
    /// Bounds what a caller can make the log grow by.
    #[schemars(extend("x-minimum" = bytes(0).bound(), "x-maximum" = ARGUMENTS_MAX.bound()))]
    pub(crate) arguments_bytes_max: ByteSize,
}

impl Default for RawAudit {
    fn default() -> Self {
        Self {
            dir: "audit".to_owned(),
            rotate_bytes: mib(64),
            arguments: ArgumentsInAudit::Full,
            arguments_bytes_max: kib(4),
        }
    }
}

/// What a record holds of a call's arguments.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum ArgumentsInAudit {
    /// The arguments themselves, up to the limit.
    Full,
    /// Only their digest.
    Digest,
}

/// What the gateway tells about itself.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Telemetry")]
pub(crate) struct RawTelemetry {
    /// Where traces go, by OTLP over HTTP: `http://127.0.0.1:4318`.
    #[schemars(extend("x-default" = "off"))]
    pub(crate) otlp_endpoint: Option<String>,

    /// How log lines look.
    pub(crate) log_format: LogFormat,

    /// The least severe log lines that are written.
    pub(crate) log_level: LogLevel,

    /// The name under which traces and metrics appear.
    #[schemars(length(min = 1, max = 255))]
    pub(crate) service_name: String,
}

impl Default for RawTelemetry {
    fn default() -> Self {
        Self {
            otlp_endpoint: None,
            log_format: LogFormat::Text,
            log_level: LogLevel::Info,
            service_name: "cardea".to_owned(),
        }
    }
}

/// How log lines look.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LogFormat {
    /// For people.
    Text,
    /// For collectors, one object per line.
    Json,
}

/// The least severe log lines that are written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum LogLevel {
    /// None at all.
    Off,
    /// What needs somebody now.
    Error,
    /// What needs somebody some time.
    Warn,
    /// What happens once or seldom.
    Info,
    /// What happens for each call.
    Debug,
    /// What happens within a call.
    Trace,
}

impl LogLevel {
    /// The name, as filters of log lines spell it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Off => "off",
            Self::Error => "error",
            Self::Warn => "warn",
            Self::Info => "info",
            Self::Debug => "debug",
            Self::Trace => "trace",
        }
    }
}

fn slug(what: &str) -> serde_json::Value {
    serde_json::json!({
        "pattern": SLUG,
        "x-expected": format!("{what}: {SLUG_IN_WORDS}"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    use cardea_domain::{TenantId, UpstreamId};
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn ids_of_the_schema_are_those_of_the_domain(id in "[a-zA-Z0-9_.-]{0,3}|[a-z-]{62,65}|\\PC{0,3}") {
            let allowed = jsonschema::draft202012::is_valid(&slug("an id"), &id.as_str().into());
            prop_assert_eq!(allowed, TenantId::parse(&id).is_ok());
            prop_assert_eq!(allowed, UpstreamId::parse(&id).is_ok());
        }
    }
}
