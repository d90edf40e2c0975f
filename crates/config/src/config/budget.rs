//! The checked settings of what calls may use.

use std::{collections::BTreeSet, time::Duration};

use crate::BudgetPer;

/// What calls may use at most; at least one of `calls`, `bytes` and `concurrent` is there. `*` in a pattern is any text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Budget {
    /// What is counted apart, besides the tenant.
    pub per: BTreeSet<BudgetPer>,
    /// Patterns of upstreams, at least one.
    pub upstreams: Vec<String>,
    /// Patterns of tools; none means everything that is asked of a server.
    pub tools: Vec<String>,
    /// Patterns of agents; none means all.
    pub actors: Vec<String>,
    /// How many calls may begin in every stretch of `within`.
    pub calls: Option<u64>,
    /// How many bytes answers may have together in every stretch of `within`.
    pub bytes: Option<u64>,
    /// The stretch.
    pub within: Duration,
    /// How many calls may be under way at once.
    pub concurrent: Option<u64>,
}
