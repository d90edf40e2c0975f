//! What holds for the tools of an upstream that serves several tenants, and who calls it.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize};

use crate::quantity::{Quantity, Timespan, mins, secs};

use super::upstream::HEADER;

/// A JSON pointer (RFC 6901); `*` and `**` as steps are told apart later.
pub(super) const POINTER: &str = "^(/([^/~]|~[01])*)+$";

/// A token of this life is a bearer credential for longer than a call takes.
pub(crate) const IDENTITY_TTL_MAX: Timespan = mins(10);
/// Clocks differ by seconds.
pub(crate) const IDENTITY_TTL_MIN: Timespan = secs(5);

/// What holds for the calls of one tool.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Tool", extend("minProperties" = 1))]
pub(crate) struct RawTool {
    /// The arguments that name the tenant.
    #[schemars(length(min = 1))]
    pub(crate) arguments: Vec<RawArgument>,

    /// Headers that carry the tenant's value upstream with each call of the tool, by their names.
    #[schemars(extend("propertyNames" = {
        "pattern": HEADER,
        "x-expected": "the name of an HTTP header",
    }))]
    pub(crate) headers: BTreeMap<String, TenantHeader>,

    /// What the tool's results may hold. Without it they are not looked at.
    pub(crate) results: Option<RawResults>,
}

/// One argument that names the tenant.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Argument", extend("required" = ["at", "tenant"]))]
pub(crate) struct RawArgument {
    /// A JSON pointer to the argument (RFC 6901), such as `/org`. `*` is every element of an array:
    /// `/items/*/org`.
    #[schemars(extend("pattern" = POINTER, "x-expected" = "a JSON pointer such as `/filter/org`"))]
    pub(crate) at: String,

    /// `force` sets it, whatever the caller wrote. `check` refuses the call unless it is there and
    /// the tenant's. `default` sets it when it is absent or null, and is as `check` otherwise.
    pub(crate) tenant: Binding,
}

impl Default for RawArgument {
    fn default() -> Self {
        Self {
            at: String::new(),
            tenant: Binding::Check,
        }
    }
}

/// What is done about an argument that names the tenant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum Binding {
    /// It is set, whatever the caller wrote.
    Force,
    /// It must be there and be the tenant's.
    Check,
    /// It is set when it is absent, and must be the tenant's otherwise.
    Default,
}

/// What a header says.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
#[schemars(inline)]
pub enum TenantHeader {
    /// What the tenant is called upstream.
    TenantValue,
}

/// What the results of a tool may hold.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Results", extend("required" = ["at"]))]
pub(crate) struct RawResults {
    /// JSON pointers to the values that say whose a row is, such as `/issues/*/org`. `*` is every
    /// element of an array, `/**/org` every member `org` at any depth. The row is the nearest element
    /// of an array around the value.
    #[schemars(
        length(min = 1),
        extend("uniqueItems" = true, "items" = {
            "type": "string",
            "pattern": POINTER,
            "x-expected": "a JSON pointer such as `/issues/*/org`",
        })
    )]
    pub(crate) at: Vec<String>,

    /// The columns that say it in tables: CSV, TSV, Markdown, aligned text. Without regard to case.
    #[schemars(
        inner(length(min = 1)),
        extend("uniqueItems" = true, "x-default" = "the last names in `at`")
    )]
    pub(crate) columns: Vec<String>,

    /// What becomes of a row that is another tenant's, or does not say whose it is: `drop` leaves it
    /// out, `refuse` refuses the whole result.
    pub(crate) foreign: OnForeign,

    /// What becomes of content that cannot be read as rows, such as prose or images: `refuse`
    /// refuses the whole result, `drop` leaves the block of content out.
    pub(crate) untyped: OnUntyped,
}

impl Default for RawResults {
    fn default() -> Self {
        Self {
            at: Vec::new(),
            columns: Vec::new(),
            foreign: OnForeign::Drop,
            untyped: OnUntyped::Refuse,
        }
    }
}

/// What becomes of a row that is not the tenant's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum OnForeign {
    /// It is left out.
    Drop,
    /// The whole result is refused.
    Refuse,
}

/// What becomes of content that cannot be read as rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum OnUntyped {
    /// The whole result is refused.
    Refuse,
    /// The block of content is left out.
    Drop,
}

/// What a tenant is called upstream.
#[derive(Clone, Serialize, Deserialize)]
#[serde(untagged)]
pub(crate) enum RawTenantValue {
    Number(i64),
    Text(String),
}

impl JsonSchema for RawTenantValue {
    fn schema_name() -> Cow<'static, str> {
        "TenantValue".into()
    }

    fn inline_schema() -> bool {
        true
    }

    // By hand and flat: alternatives would be explained as "none of them fits".
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": ["string", "integer"],
            "minimum": -9_007_199_254_740_991_i64,
            "maximum": 9_007_199_254_740_991_i64,
            "minLength": 1,
            "maxLength": 255,
            "x-type": "text or whole number",
            "x-expected": "a text or a whole number",
        })
    }
}

/// A signed statement of who calls, sent with each request.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Identity")]
pub(crate) struct RawIdentity {
    /// The `aud` of the statement: what the server calls itself.
    #[schemars(
        length(min = 1, max = 2048),
        extend("x-default" = "`http.url`; for `stdio` the upstream's id")
    )]
    pub(crate) audience: Option<String>,

    /// How long a statement is good for. A server needs it only until it has looked at it.
    #[schemars(extend("x-minimum" = IDENTITY_TTL_MIN.bound(), "x-maximum" = IDENTITY_TTL_MAX.bound()))]
    pub(crate) ttl: Timespan,

    /// The header that carries it, beside `_meta`. Not for `stdio`.
    #[schemars(extend("pattern" = HEADER, "x-expected" = "the name of an HTTP header"))]
    pub(crate) header: String,
}

impl Default for RawIdentity {
    fn default() -> Self {
        Self {
            audience: None,
            ttl: secs(60),
            header: "Txn-Token".to_owned(),
        }
    }
}
