//! What holds for the tools of an upstream that serves several tenants, and who calls it.

use std::{collections::BTreeSet, time::Duration};

use crate::{Binding, OnForeign, OnUntyped};

/// What a tenant is called upstream.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum TenantValue {
    /// A text without control characters, and without blanks around it.
    Text(String),
    /// A whole number that a double holds exactly.
    Number(i64),
}

impl TenantValue {
    /// As it stands in a header or a table.
    #[must_use]
    pub fn text(&self) -> String {
        match self {
            Self::Text(text) => text.clone(),
            Self::Number(number) => number.to_string(),
        }
    }
}

/// What holds for the calls of one tool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ToolRules {
    /// The arguments that name the tenant; none is within another.
    pub arguments: Vec<ArgumentRule>,
    /// Headers that carry the tenant's value, by their names in lower case.
    pub headers: BTreeSet<String>,
    /// What its results may hold.
    pub results: Option<ResultRules>,
}

/// One argument that names the tenant.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ArgumentRule {
    /// A JSON pointer; `*` is every element of an array.
    pub at: String,
    /// What is done about it.
    pub binding: Binding,
}

/// What the results of a tool may hold.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ResultRules {
    /// JSON pointers to the values that say whose a row is, at least one; `*` is every element of an
    /// array, `**` at the beginning any depth.
    pub at: Vec<String>,
    /// The columns that say it in tables; none means the last names of `at`.
    pub columns: Vec<String>,
    /// What becomes of a row that is not the tenant's.
    pub foreign: OnForeign,
    /// What becomes of content that cannot be read as rows.
    pub untyped: OnUntyped,
}

/// A signed statement of who calls, sent with each request.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UpstreamIdentity {
    /// Its `aud`.
    pub audience: String,
    /// How long it is good for.
    pub ttl: Duration,
    /// The header that carries it, in lower case; `None` where there are no headers.
    pub header: Option<String>,
}
