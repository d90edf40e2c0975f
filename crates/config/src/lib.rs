//! Configuration: one file to typed, checked settings, or every mistake in it at once.
//!
//! What it is: YAML in, [`Config`] out, with each value checked alone and against the others. What
//! is wrong is reported like a compiler does it: file, line, column, what was expected, and the
//! nearest name that would be right. The JSON Schema and the reference are generated from the same
//! types.
//! What it is not: it opens no port and knows no policy. Nothing here changes after loading; a new
//! configuration is a new value.
//!
//! The data's path: text -> `yaml` (strict YAML, the place of each value) -> `structure` (against
//! the schema) -> `raw` (as written) -> `check` (as meant) -> [`Config`]. Mistakes of all stages are
//! gathered; a later stage looks at what the earlier one found right.
//!
//! Entry points: [`load`], [`json_schema`], [`reference()`], [`diagnostic`].

#![cfg_attr(
    test,
    allow(
        clippy::unwrap_used,
        clippy::expect_used,
        clippy::indexing_slicing,
        clippy::panic,
        reason = "a failed test is a panic"
    )
)]

mod check;
mod claim;
mod config;
pub mod diagnostic;
mod load;
mod quantity;
mod raw;
mod reference;
mod schema;
mod secret;
mod structure;
mod yaml;

pub use check::{
    definitions, load_definitions,
    upstream::{NO_UPSTREAM, spki_pin},
};
pub use claim::ClaimPointer;
pub use config::{
    Agent, AllowedHost, ApprovalStage, ArgumentRule, Audit, AuthorizationServer, Budget,
    CertificateName, Client, ClientAuthentication, ClientCertificates, ClientKeys, Config,
    Definitions, Dpop, EmbeddedIssuer, Entitled, Entitlement, ExternalIssuer, FlowLabels, Http,
    Issuer, KeySource, Login, LoginCredential, Need, Notification, People, PolicyFiles, Receiver,
    RequiredBinding, ResultRules, Roles, RuleFile, Sandbox, Stdio, Telemetry, Tenant, TenantSource,
    TenantValue, Tls, ToolRules, Transport, Upstream, UpstreamIdentity,
};
pub use load::{Inspected, InspectedTenant, inspect, load, load_constraints, load_with, load_yaml};
pub use raw::{
    AddressClass, Algorithm, ArgumentsInAudit, AskBy, Binding, BudgetPer, Constraint, ContentKind,
    FlowLabel, GrantBinding, GrantKind, Justification, Limits, LogFormat, LogLevel, NotifiedOf,
    OnForeign, OnUntyped, Output, PathConstraint, PinRule, PolicyPack, ProgramConstraint,
    SandboxLimits, SandboxMode, SandboxPreset, SchemaCheck, Schemas, SqlConstraint, SqlDialect,
    SqlVerb, TenantHeader, UnknownMembers, UrlConstraint,
};
pub use reference::reference;
pub use schema::json_schema;
pub use secret::Secret;
