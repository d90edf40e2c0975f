//! What the calls of a tenant may use at most, in a stretch of time or at once.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::access::pattern;
use crate::quantity::{ByteSize, Count, Quantity, Timespan, count, gib, hours, kib, mins, secs};

/// The shortest stretch: less is no rate but a pause between two calls.
pub(crate) const WITHIN_MIN: Timespan = secs(1);
/// Counts are in memory, and no process lives much longer.
pub(crate) const WITHIN_MAX: Timespan = hours(31 * 24);
/// More than a gateway makes in the longest stretch is no bound.
pub(crate) const CALLS_IN_BUDGET_MAX: Count = count(1_000_000_000);
/// More calls than these are never under way at once.
pub(crate) const CONCURRENT_MAX: Count = count(1_000_000);
/// Less is no answer.
pub(crate) const BYTES_IN_BUDGET_MIN: ByteSize = kib(1);
pub(crate) const BYTES_IN_BUDGET_MAX: ByteSize = gib(1024 * 1024);

/// What calls may use at most. Each call counts once, however it is sent; what is over a budget is refused until enough of it
/// has become old. Of several budgets that a call counts in, all have to have room.
#[derive(Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields, default)]
#[schemars(rename = "Budget")]
pub(crate) struct RawBudget {
    /// What is counted apart: each person (`subject`), each agent (`actor`), each tool, resource or prompt (`tool`), or each
    /// combination of them. Without it all calls of the tenant count together.
    #[schemars(extend("uniqueItems" = true))]
    pub(crate) per: Vec<BudgetPer>,

    /// The upstreams whose calls count; `*` in a pattern is any text.
    #[schemars(length(min = 1), extend("items" = pattern(63)))]
    pub(crate) upstreams: Vec<String>,

    /// The tools whose calls count. Without it everything counts that is asked of a server: calls of tools, reads of resources,
    /// prompts, completions, tasks. The handshake and lists never count.
    #[schemars(extend("items" = pattern(255)))]
    pub(crate) tools: Vec<String>,

    /// The agents whose calls count, by patterns of their names. Without it those of all.
    #[schemars(extend("items" = pattern(2048)))]
    pub(crate) actors: Vec<String>,

    /// How many calls may begin in every stretch of `within`.
    #[schemars(extend("x-minimum" = count(1).bound(), "x-maximum" = CALLS_IN_BUDGET_MAX.bound(), "x-default" = "no limit"))]
    pub(crate) calls: Option<Count>,

    /// How many bytes the answers may have together in every stretch of `within`. An answer that would be over it is withheld.
    #[schemars(extend("x-minimum" = BYTES_IN_BUDGET_MIN.bound(), "x-maximum" = BYTES_IN_BUDGET_MAX.bound(), "x-default" = "no limit"))]
    pub(crate) bytes: Option<ByteSize>,

    /// The stretch of time that calls and bytes are counted in.
    #[schemars(extend("x-minimum" = WITHIN_MIN.bound(), "x-maximum" = WITHIN_MAX.bound()))]
    pub(crate) within: Timespan,

    /// How many calls may be under way at once.
    #[schemars(extend("x-minimum" = count(1).bound(), "x-maximum" = CONCURRENT_MAX.bound(), "x-default" = "no limit"))]
    pub(crate) concurrent: Option<Count>,
}

/// What a budget is counted apart for.
#[derive(
    Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize, JsonSchema,
)]
#[serde(rename_all = "lowercase")]
#[schemars(inline)]
pub enum BudgetPer {
    /// Each person.
    Subject,
    /// Each agent.
    Actor,
    /// Each tool, resource or prompt of each upstream.
    Tool,
}

impl Default for RawBudget {
    fn default() -> Self {
        Self {
            per: Vec::new(),
            upstreams: vec!["*".to_owned()],
            tools: Vec::new(),
            actors: Vec::new(),
            calls: None,
            bytes: None,
            within: mins(1),
            concurrent: None,
        }
    }
}
