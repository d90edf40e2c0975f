//! Tools that serve several tenants from one server: arguments that name the caller's tenant, and
//! results that hold nothing of another.
//!
//! The path: configuration -> [`Rules`] -> [`Rules::of`] one call -> [`Guard`]. Before the call
//! [`Guard::shape`] gives the arguments as they go upstream; after it [`Guard::filter`] gives the
//! result as it goes downstream.
//!
//! What a check of results can do: it believes the label of a row. A server that writes tenant
//! A's label on tenant B's row is not found out, and neither is a hostile one that hides a row in
//! the title of another. It is a wall against mistakes, which are what leaks.

mod arguments;
mod pointer;
mod results;
mod value;

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use cardea_domain::TenantId;

pub use arguments::{ArgumentRefused, ArgumentRule, Binding};
pub(crate) use pointer::Segment;
pub use pointer::{InvalidPointer, Pointer};
pub use results::{Filtered, OnForeign, OnUntyped, ResultRefused, ResultRules};
pub use value::TenantValue;

/// What holds for the calls of one tool.
#[derive(Debug, Default)]
pub struct Tool {
    /// What its arguments must say of the tenant, in the order of application.
    pub arguments: Vec<ArgumentRule>,
    /// Headers, by their names in lower case, that carry the tenant's value upstream.
    pub headers: Vec<String>,
    /// What its results may hold.
    pub results: Option<ResultRules>,
}

/// What holds for the tools of one upstream.
#[derive(Debug, Default)]
pub struct Rules {
    values: BTreeMap<TenantId, TenantValue>,
    tools: HashMap<String, Arc<Tool>>,
}

/// The name under which rules for all tools without rules of their own stand.
pub const ANY_TOOL: &str = "*";

impl Rules {
    /// Rules for these tools, with what each tenant is called upstream.
    #[must_use]
    pub fn new(
        values: impl IntoIterator<Item = (TenantId, TenantValue)>,
        tools: impl IntoIterator<Item = (String, Tool)>,
    ) -> Self {
        Self {
            values: values.into_iter().collect(),
            tools: tools
                .into_iter()
                .map(|(name, tool)| (name, Arc::new(tool)))
                .collect(),
        }
    }

    /// What holds for a call of this tool by this tenant; `None` when nothing does.
    ///
    /// # Errors
    /// [`NoValue`] when the tool has rules and the tenant no name upstream.
    pub fn of(&self, tenant: &TenantId, tool: &str) -> Result<Option<Guard>, NoValue> {
        let Some(rules) = self.tools.get(tool).or_else(|| self.tools.get(ANY_TOOL)) else {
            return Ok(None);
        };
        let value = self.values.get(tenant).ok_or(NoValue)?;
        Ok(Some(Guard {
            tool: Arc::clone(rules),
            value: value.clone(),
        }))
    }

    /// Whether the results of any tool are checked: then nothing of the server may come by another
    /// way than a checked result.
    #[must_use]
    pub fn check_results(&self) -> bool {
        self.tools.values().any(|tool| tool.results.is_some())
    }
}

/// The tenant is not named upstream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the tenant has no name upstream")]
pub struct NoValue;

/// What holds for one call.
#[derive(Debug, Clone)]
pub struct Guard {
    tool: Arc<Tool>,
    value: TenantValue,
}

impl Guard {
    /// Whether arguments or headers of the call are the gateway's to set or to check.
    #[must_use]
    pub fn shapes(&self) -> bool {
        !self.tool.arguments.is_empty()
    }

    /// Whether the result is checked.
    #[must_use]
    pub fn filters(&self) -> bool {
        self.tool.results.is_some()
    }

    /// The arguments as they go upstream; `None` when they are right as they are. Without
    /// arguments the caller sent none.
    ///
    /// # Errors
    /// [`ArgumentRefused`] when they name another tenant, none where one must be named, or could be
    /// read to do so.
    pub fn shape(&self, arguments: Option<&str>) -> Result<Option<String>, ArgumentRefused> {
        arguments::shape(arguments, &self.tool.arguments, &self.value)
    }

    /// The headers that the call carries upstream, with their value.
    pub fn headers(&self) -> impl Iterator<Item = (&str, &str)> {
        let names = self.tool.headers.iter();
        names.map(|name| (name.as_str(), self.value.text()))
    }

    /// The result without what is not this tenant's.
    ///
    /// # Errors
    /// [`ResultRefused`] when nothing of it may be seen.
    pub fn filter(&self, message: &cardea_mcp::Message) -> Result<Filtered, ResultRefused> {
        match &self.tool.results {
            Some(rules) => results::filter(message, rules, &self.value),
            None => Ok(Filtered::default()),
        }
    }
}
