//! The MCP servers behind the gateway.

use std::{borrow::Cow, collections::BTreeMap};

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::{Deserialize, Serialize, Serializer};

use super::{
    Constraint, Output, PinRule, RawIdentity, RawSandbox, RawTenantValue, RawTool,
    RawUpstreamLimits, Schemas,
};

/// The portable form of a variable's name (POSIX XBD section 8.1).
const VARIABLE: &str = "^[A-Za-z_][A-Za-z0-9_]*$";

/// A field name of HTTP (RFC 9110 section 5.1).
pub(super) const HEADER: &str = "^[!#$%&'*+.^_`|~0-9A-Za-z-]+$";

/// An MCP server: either a command that the gateway starts or a URL that it calls.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Upstream", extend("required" = ["tenants"]))]
pub(crate) struct RawUpstream {
    /// The tenants for which the server exists at all; what they may do there is for the policies.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub(crate) tenants: Vec<String>,

    /// A command that is started for each session and talked to by standard input and output.
    pub(crate) stdio: Option<RawStdio>,

    /// A server that is called by Streamable HTTP.
    pub(crate) http: Option<RawHttp>,

    /// What each tenant is called there, as a text or a number: its id, unless given.
    pub(crate) tenant_values: BTreeMap<String, RawTenantValue>,

    /// What holds for its tools, by their names; `"*"` for those without rules of their own.
    pub(crate) tools: BTreeMap<String, RawTool>,

    /// How far the schemas are held to that the server lists for its tools.
    pub(crate) schemas: Schemas,

    /// How far what it says of its tools, prompts, resource templates and itself needs somebody's approval before agents
    /// see it: `approve`, `first` or `off`.
    pub(crate) pins: PinRule,

    /// What the arguments of its tools have to be beyond that. Each takes away; none allows what another refuses.
    pub(crate) constraints: Vec<Constraint>,

    /// What the results of its tools may hold. Each takes away; kinds of content that the protocol does not know are refused
    /// in any case.
    pub(crate) outputs: Vec<Output>,

    /// The roots of a client that it may see, where a policy lets it ask: folders such as `file:///srv/work`, with all below
    /// them. A step that is `*` is any one. Others are left out of the answer.
    #[schemars(extend("uniqueItems" = true, "x-default" = "all", "items" = {
        "type": "string",
        "minLength": 1,
        "x-expected": "the address of a folder such as `file:///srv/work`",
    }))]
    pub(crate) roots: Option<Vec<String>>,

    /// Tells the server who calls, signed by the gateway. Off unless given; `{}` is enough.
    pub(crate) identity: Option<RawIdentity>,

    /// A YAML file with the labels of its tools, for flow control: `tool: [untrusted, private, read-only]`. A tool that it does not
    /// name has every dangerous label. `cardea flow labels` suggests one.
    #[schemars(length(min = 1))]
    pub(crate) labels: Option<String>,

    /// The box that its processes run in, where it is a command: what they see, reach and use up besides what their runtime needs.
    /// Without it they run in a strict box and see none of your files.
    pub(crate) sandbox: RawSandbox,
    /// A JSON file with its answer to `tools/list`, for policies that read arguments: they are checked against its schemas.
    /// Without it, no policy may read arguments of its tools. What the server lists itself can only make such a policy deny.
    #[schemars(length(min = 1))]
    pub(crate) definitions: Option<String>,

    /// Limits of this upstream; what is not given is as in `limits`.
    pub(crate) limits: RawUpstreamLimits,
}

/// A command that is started for each session.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Stdio", extend("required" = ["command"]))]
pub(crate) struct RawStdio {
    /// The program: a path, or a name that is looked up in `PATH`. No shell is involved.
    #[schemars(length(min = 1))]
    pub(crate) command: String,

    /// Its arguments. Not for secrets: every user of the machine can read them.
    pub(crate) args: Vec<String>,

    /// Its environment variables; those of the gateway are not inherited. Values are texts, or references
    /// `{env: NAME}` and `{file: PATH}`, which secrets must be.
    #[schemars(extend("propertyNames" = {
        "pattern": VARIABLE,
        "x-expected": "a name of letters, digits and `_`",
    }))]
    pub(crate) env: BTreeMap<String, RawSecret>,

    /// The folder in which it runs.
    #[schemars(length(min = 1))]
    pub(crate) cwd: Option<String>,
}

/// A server that is called by Streamable HTTP.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Http", extend("required" = ["url"]))]
pub(crate) struct RawHttp {
    /// The server's MCP endpoint. `https`, except on loopback or with `allow_plain_http`.
    pub(crate) url: String,

    /// Headers to send with each request. Values are texts, or references `{env: NAME}` and
    /// `{file: PATH}`, which secrets must be.
    #[schemars(extend("propertyNames" = {
        "pattern": HEADER,
        "x-expected": "the name of an HTTP header",
    }))]
    pub(crate) headers: BTreeMap<String, RawSecret>,

    /// A PEM file with certificate authorities to trust for this server besides the public ones; with `spiffe_id` in the
    /// place of them.
    #[schemars(length(min = 1))]
    pub(crate) ca_file: Option<String>,

    /// Keys that the server's certificate may have, as `sha256/` and the SHA-256 of the SubjectPublicKeyInfo in base64. It
    /// has to be signed by a trusted authority all the same. Name the next key too, before it is used.
    #[schemars(inner(regex(pattern = "^sha256/[A-Za-z0-9+/]{43}=$")), extend("uniqueItems" = true))]
    pub(crate) spki_pins: Vec<String>,

    /// The SPIFFE ID that the server's certificate must have, such as `spiffe://example.org/crm`; its host's name is not looked
    /// at then. Needs `ca_file`, the bundle of the trust domain.
    #[schemars(length(max = 2048), regex(pattern = "^spiffe://[a-z0-9._-]+/[^?#]+$"))]
    pub(crate) spiffe_id: Option<String>,

    /// What the gateway shows of its own where the server asks for a certificate.
    pub(crate) client_certificate: Option<RawClientIdentity>,
}

/// A certificate of the gateway's own.
#[derive(Default, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "ClientIdentity", extend("required" = ["certificate", "key"]))]
pub(crate) struct RawClientIdentity {
    /// A PEM file with the certificate chain, the own one first.
    #[schemars(length(min = 1))]
    pub(crate) certificate: String,

    /// A PEM file with its key.
    #[schemars(length(min = 1))]
    pub(crate) key: String,
}

/// A text, or where to find it.
#[derive(Deserialize)]
#[serde(untagged)]
pub(crate) enum RawSecret {
    Plain(String),
    Reference(RawReference),
}

/// Where to find a text: exactly one of both.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawReference {
    pub(crate) env: Option<String>,
    pub(crate) file: Option<String>,
}

impl Serialize for RawSecret {
    /// Only defaults are ever written, and this type is in none of them.
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.serialize_str("[secret]")
    }
}

impl JsonSchema for RawSecret {
    fn schema_name() -> Cow<'static, str> {
        "Secret".into()
    }

    // By hand and flat: alternatives would be explained as "none of them fits".
    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "description": "A text, or where to find it: `{env: NAME}` or `{file: PATH}`.",
            "type": ["string", "object"],
            "properties": {
                "env": {
                    "description": "The environment variable of the gateway that holds the text.",
                    "type": "string",
                    "pattern": VARIABLE,
                    "x-expected": "the name of an environment variable",
                },
                "file": {
                    "description": "The file that holds the text; a line break at its end does not count.",
                    "type": "string",
                    "minLength": 1,
                },
            },
            "additionalProperties": false,
            "minProperties": 1,
            "maxProperties": 1,
            "x-type": "text or reference",
            "x-expected": "text, `{env: NAME}` or `{file: PATH}`",
        })
    }
}
