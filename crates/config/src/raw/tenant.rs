//! The tenants, and what each of them has of its own.
//!
//! A tenant's own issuers and upstreams are spelled like those of the gateway, but for the keys that
//! say which tenants they are for.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::{Deserialize, Serialize};
use serde_json::Value;

use super::{
    ArgumentsInAudit, PolicyPack, RawAgent, RawBudget, RawEntitlement, RawIssuer, RawNotification,
    RawRequiredBinding, RawRoles, RawTenantLimits, RawUpstream, access::pattern, slug,
};
use crate::quantity::ByteSize;

/// One tenant, and what it has of its own; `{}` where it has nothing.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Tenant")]
pub(crate) struct RawTenant {
    /// Whose tokens are accepted for this tenant alone.
    pub(crate) issuers: Vec<RawOwnIssuer>,

    /// MCP servers that exist for this tenant alone. Another tenant may have one with the same id.
    #[schemars(extend("propertyNames" = slug("an upstream id")))]
    pub(crate) upstreams: BTreeMap<String, RawOwnUpstream>,

    /// Cedar policies that hold for this tenant alone, besides those of the gateway: files, or
    /// folders whose `*.cedar` files are read.
    #[schemars(inner(length(min = 1)), extend("uniqueItems" = true))]
    pub(crate) policies: Vec<String>,

    /// Policies that come with the gateway and hold for this tenant, besides the `packs` of the gateway.
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) packs: Vec<PolicyPack>,

    /// Agents whose hosts are trusted to say, in `_meta`, which run a call belongs to and what the person asked for. A client
    /// that a model controls must not be among them.
    #[schemars(inner(length(min = 1)), extend("uniqueItems" = true))]
    pub(crate) trusted_hosts: Vec<String>,

    /// What may be asked for in this tenant alone, besides the `entitlements` of the gateway.
    #[schemars(extend("propertyNames" = slug("an entitlement's id")))]
    pub(crate) entitlements: BTreeMap<String, RawEntitlement>,

    /// What the calls of this tenant may use at most, besides the `budgets` of the gateway.
    #[schemars(extend("propertyNames" = slug("a budget's id")))]
    pub(crate) budgets: BTreeMap<String, RawBudget>,

    /// Where this tenant is, by a name of the IANA time zone database such as `Europe/Berlin`: what rules
    /// that decide about requests call local.
    #[schemars(length(min = 1, max = 64), extend("x-default" = "UTC"))]
    pub(crate) time_zone: Option<String>,

    /// Who is told of requests, decisions, grants and locks of this tenant. The keys are names of your
    /// choice.
    #[schemars(extend("propertyNames" = slug("a receiver's id")))]
    pub(crate) notifications: BTreeMap<String, RawNotification>,

    /// What is known of agents. The keys are their names, as tokens have them; `*` in one is any text, and all that
    /// fit an agent count.
    #[schemars(extend("propertyNames" = pattern(2048)))]
    pub(crate) agents: BTreeMap<String, RawAgent>,

    /// Who may do what in this tenant's console.
    pub(crate) roles: RawRoles,

    /// Whether every token of this tenant must be bound to a key, so that a stolen one is worth
    /// nothing: `dpop` to a key that signs a proof for each request, `certificate` to the client's
    /// certificate, `true` to either.
    pub(crate) require_binding: RawRequiredBinding,

    /// What this tenant may cost at most.
    pub(crate) limits: RawTenantLimits,

    /// The record of this tenant's calls, which is a log of its own.
    pub(crate) audit: RawTenantAudit,
}

/// The record of one tenant's calls; what is not given is as in `audit`.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "TenantAudit")]
pub(crate) struct RawTenantAudit {
    /// The size at which a log file is closed and the next begun.
    pub(crate) rotate_bytes: Option<ByteSize>,
    /// What a record holds of a call's arguments.
    pub(crate) arguments: Option<ArgumentsInAudit>,
    /// How much of the arguments of one call a record holds.
    pub(crate) arguments_bytes_max: Option<ByteSize>,
}

/// An issuer that speaks for one tenant, since it stands below it.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RawOwnIssuer(pub(crate) RawIssuer);

/// An upstream of one tenant, since it stands below it.
#[derive(Serialize, Deserialize)]
#[serde(transparent)]
pub(crate) struct RawOwnUpstream(pub(crate) RawUpstream);

impl JsonSchema for RawOwnIssuer {
    fn schema_name() -> Cow<'static, str> {
        "OwnIssuer".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let keys = [
            "embedded",
            "tenants",
            "tenant",
            "tenant_claim",
            "tenant_values",
        ];
        let words = "As an entry of the top-level `issuers`, without `embedded`, `tenants`, `tenant`, \
                     `tenant_claim` and `tenant_values`: it speaks for the tenant that it stands below.";
        without(RawIssuer::json_schema(generator), &keys, words)
    }
}

impl JsonSchema for RawOwnUpstream {
    fn schema_name() -> Cow<'static, str> {
        "OwnUpstream".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let words = "As an entry of the top-level `upstreams`, without `tenants`: it exists for the \
                     tenant that it stands below.";
        without(RawUpstream::json_schema(generator), &["tenants"], words)
    }
}

/// A schema that lacks some keys of another, described as such.
fn without(mut schema: Schema, keys: &[&str], words: &str) -> Schema {
    let is_gone = |name: &Value| keys.iter().any(|key| name == key);
    if let Some(Value::Object(properties)) = schema.get_mut("properties") {
        properties.retain(|name, _| !keys.contains(&name.as_str()));
    }
    if let Some(Value::Array(required)) = schema.get_mut("required") {
        required.retain(|name| !is_gone(name));
    }
    schema.insert("description".to_owned(), words.into());
    // The reference does not repeat the keys.
    schema.insert("x-described-elsewhere".to_owned(), true.into());
    schema
}
