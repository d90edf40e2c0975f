//! What the arguments of tools may say, and how far the schemas of servers are held to.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use serde_json::{Number, Value};

use super::tenant_tools::POINTER;

/// An absolute path; `..` and the like are told apart later.
const ROOT: &str = "^/[^\\\\\\x00-\\x1f]*$";
/// A host or `*.` and a domain, in lower case.
const HOST: &str = "^(\\*\\.)?([a-z0-9_]([a-z0-9_-]*[a-z0-9_])?\\.)*[a-z0-9_]([a-z0-9_-]*[a-z0-9_])?$|^\\[[0-9a-f:.]+\\]$";
/// A table, maybe with its schema before it.
const TABLE: &str = "^[^.\\s'\"`;]+(\\.[^.\\s'\"`;]+){0,2}$";
/// A URL's scheme (RFC 3986, section 3.1), in lower case.
const SCHEME: &str = "^[a-z][a-z0-9+.-]*$";

/// How far the schemas are held to that a server lists for its tools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Schemas")]
pub struct Schemas {
    /// Whether arguments have to be as the tool's `inputSchema` says. A tool whose schema cannot be used cannot be
    /// called then.
    pub arguments: SchemaCheck,

    /// Whether results have to be as the tool's `outputSchema` says, where it has one.
    pub results: SchemaCheck,

    /// What becomes of members of arguments that the schema does not name, where it does not say itself that there may
    /// be others: `refuse` or `allow`.
    pub unknown_members: UnknownMembers,
}

impl Default for Schemas {
    fn default() -> Self {
        Self {
            arguments: SchemaCheck::Check,
            results: SchemaCheck::Check,
            unknown_members: UnknownMembers::Refuse,
        }
    }
}

/// Whether a schema is held to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum SchemaCheck {
    /// What breaks it is refused.
    Check,
    /// It is not looked at.
    Ignore,
}

/// What becomes of members that a schema does not name.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum UnknownMembers {
    /// They are refused.
    Refuse,
    /// They pass.
    Allow,
}

/// What an argument has to be. Each of a list takes away; of several checks in one all have to hold.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Constraint", extend("required" = ["at"]))]
pub struct Constraint {
    /// The tools it is for, by their names; without it all tools of the upstream.
    #[schemars(inner(length(min = 1)), extend("uniqueItems" = true))]
    pub tools: Vec<String>,

    /// A JSON pointer to the argument (RFC 6901), such as `/path`. `*` is every element of an array: `/files/*/path`.
    #[schemars(extend("pattern" = POINTER, "x-expected" = "a JSON pointer such as `/filter/path`"))]
    pub at: String,

    /// Whether the argument has to be there.
    pub required: bool,

    /// For whom it is: the members of any of these groups. Without it for everybody.
    #[schemars(inner(length(min = 1)), extend("uniqueItems" = true))]
    pub groups: Vec<String>,

    /// For whom it is not: the members of any of these groups.
    #[schemars(inner(length(min = 1)), extend("uniqueItems" = true))]
    pub except_groups: Vec<String>,

    /// It is one of these values.
    #[serde(rename = "enum")]
    #[schemars(length(min = 1), extend("items" = {
        "type": ["string", "number", "boolean"],
        "x-type": "text, number or truth value",
        "x-expected": "a text, a number, `true` or `false`",
    }))]
    pub exact: Vec<Value>,

    /// It is a string that this regular expression (ECMA-262, without lookaround and backreferences) matches as a whole.
    #[schemars(length(min = 1, max = 4096))]
    pub pattern: Option<String>,

    /// It is a number of at least this.
    #[schemars(extend("x-type" = "number"))]
    pub minimum: Option<Number>,

    /// It is a number of at most this.
    #[schemars(extend("x-type" = "number"))]
    pub maximum: Option<Number>,

    /// It is a string of at least so many characters, or an array of at least so many elements.
    pub length_min: Option<u64>,

    /// It is a string of at most so many characters, or an array of at most so many elements.
    pub length_max: Option<u64>,

    /// It is a path under roots.
    pub path: Option<PathConstraint>,

    /// It is a URL that may be called.
    pub url: Option<UrlConstraint>,

    /// It is one SQL statement that may be run.
    pub sql: Option<SqlConstraint>,

    /// It is safe as an argument of a program, also by way of a shell. `{}` is enough.
    pub program_argument: Option<ProgramConstraint>,
}

/// Paths under roots, in POSIX spelling, decided by their text.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "PathConstraint", extend("required" = ["roots"]))]
pub struct PathConstraint {
    /// The folders that paths have to be under, or be.
    #[schemars(length(min = 1), extend("uniqueItems" = true, "items" = {
        "type": "string",
        "pattern": ROOT,
        "x-expected": "an absolute path such as `/srv/files`",
    }))]
    pub roots: Vec<String>,

    /// Whether relative paths are admitted: they mean what is below the folder that the server runs in.
    pub relative: bool,

    /// Whether steps below the root may begin with a dot, as hidden files do.
    pub hidden: bool,

    /// The endings that a file may have, such as `md`; without it any.
    #[schemars(extend("uniqueItems" = true, "items" = {
        "type": "string",
        "pattern": "^[a-z0-9]+$",
        "x-expected": "an ending in lower case without the dot, such as `md`",
    }))]
    pub extensions: Vec<String>,

    /// Whether links are followed to see where a path leads. That is looked up in the gateway's own file system, so it is
    /// for servers that see the same one. A link that is made after the look is not seen.
    pub follow_links: bool,
}

/// URLs that a server may call.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "UrlConstraint")]
pub struct UrlConstraint {
    /// The schemes, in lower case.
    #[schemars(length(min = 1), extend("uniqueItems" = true, "items" = {
        "type": "string",
        "pattern": SCHEME,
        "x-expected": "a scheme such as `https`",
    }))]
    pub schemes: Vec<String>,

    /// The hosts: names, addresses, or `*.example.com` for every host below. Without it any.
    #[schemars(extend("uniqueItems" = true, "items" = {
        "type": "string",
        "pattern": HOST,
        "x-expected": "a host such as `api.example.com` or `*.example.com`, in lower case",
    }))]
    pub hosts: Vec<String>,

    /// The ports. Without it the scheme's own.
    #[schemars(extend("uniqueItems" = true), inner(range(min = 1)))]
    pub ports: Vec<u16>,

    /// Which addresses a host may have: `public` refuses loopback, private and local networks and what is reserved; `any`
    /// asks nothing. Names are looked up at the time of the call.
    pub addresses: AddressClass,

    /// The networks that a host's addresses have to be in, such as `10.20.0.0/16`, in place of `addresses`.
    #[schemars(inner(length(min = 1)), extend("uniqueItems" = true))]
    pub networks: Vec<String>,
}

impl Default for UrlConstraint {
    fn default() -> Self {
        Self {
            schemes: vec!["https".to_owned()],
            hosts: Vec::new(),
            ports: Vec::new(),
            addresses: AddressClass::Public,
            networks: Vec::new(),
        }
    }
}

/// Which addresses a host may have.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum AddressClass {
    /// Those that the whole internet can reach.
    Public,
    /// Any.
    Any,
}

/// SQL statements that may be run: one at a time, without comments.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "SqlConstraint")]
pub struct SqlConstraint {
    /// The database's own SQL.
    pub dialect: SqlDialect,

    /// What statements may do, their subqueries included.
    #[schemars(length(min = 1), extend("uniqueItems" = true))]
    pub statements: Vec<SqlVerb>,

    /// The tables that they may name: `orders`, or `shop.orders` where they have to be spelt so. Without it any but
    /// those that the database keeps of itself.
    #[schemars(length(min = 1), extend("uniqueItems" = true, "items" = {
        "type": "string",
        "pattern": TABLE,
        "x-expected": "a table such as `orders` or `shop.orders`",
    }))]
    pub tables: Option<Vec<String>>,

    /// Functions that they may call, in lower case, beside the common ones that have no effects and tell nothing of the server.
    #[schemars(extend("uniqueItems" = true, "items" = {
        "type": "string",
        "pattern": "^[a-z0-9_.]+$",
        "x-expected": "a function's name in lower case",
    }))]
    pub functions: Vec<String>,

    /// Whether `UNION`, `EXCEPT` and `INTERSECT` are admitted.
    pub set_operations: bool,

    /// Whether conditions are admitted that are the same for each row, such as `1=1`.
    pub constant_conditions: bool,
}

impl Default for SqlConstraint {
    fn default() -> Self {
        Self {
            dialect: SqlDialect::Generic,
            statements: vec![SqlVerb::Select],
            tables: None,
            functions: Vec::new(),
            set_operations: false,
            constant_conditions: false,
        }
    }
}

/// Whose SQL.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum SqlDialect {
    /// What most databases understand.
    Generic,
    /// The standard's.
    Ansi,
    /// PostgreSQL's.
    Postgresql,
    /// MySQL's and MariaDB's.
    Mysql,
    /// SQLite's.
    Sqlite,
    /// SQL Server's.
    Mssql,
    /// DuckDB's.
    Duckdb,
}

/// What a statement does.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum SqlVerb {
    /// It reads.
    Select,
    /// It adds rows.
    Insert,
    /// It changes rows.
    Update,
    /// It removes rows.
    Delete,
}

/// Free of signs that shells read as more than themselves, and no option.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "ProgramConstraint")]
pub struct ProgramConstraint {
    /// Whether it may begin with a dash, as options do.
    pub leading_dash: bool,

    /// Whether it may be a command: begin with the name of a well-known program.
    pub commands: bool,

    /// Whether it may hold blanks.
    pub blanks: bool,
}

impl Default for ProgramConstraint {
    fn default() -> Self {
        Self {
            leading_dash: false,
            commands: false,
            blanks: true,
        }
    }
}

/// Constraints in a file of their own, to be tried out.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct RawConstraintFile {
    pub(crate) constraints: Vec<Constraint>,
}

/// Its schema, with the definitions of the configuration's.
pub(crate) fn file_schema(definitions: &Value) -> Value {
    let mut root = BTreeMap::new();
    root.insert("$defs", definitions.clone());
    root.insert("type", "object".into());
    root.insert("required", serde_json::json!(["constraints"]));
    root.insert("additionalProperties", false.into());
    root.insert(
        "properties",
        serde_json::json!({"constraints": {
            "description": "The constraints.",
            "type": "array",
            "minItems": 1,
            "items": {"$ref": "#/$defs/Constraint"},
        }}),
    );
    root.into_iter()
        .map(|(key, value)| (key.to_owned(), value))
        .collect::<serde_json::Map<_, _>>()
        .into()
}
