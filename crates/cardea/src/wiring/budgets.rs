//! What the calls of a tenant may use, by the configuration.

use anyhow::Context as _;
use cardea_access::Pattern;
use cardea_config::{self as config, BudgetPer};
use cardea_gateway::{Budget, Per};

/// The budgets of one tenant.
pub(super) fn budgets(tenant: &config::Tenant) -> anyhow::Result<Vec<Budget>> {
    let all = tenant.budgets.iter();
    all.map(|(id, wanted)| budget(id, wanted).with_context(|| format!("budget `{id}`")))
        .collect()
}

fn budget(id: &str, wanted: &config::Budget) -> anyhow::Result<Budget> {
    let per = wanted.per.iter().map(|per| match per {
        BudgetPer::Subject => Per::Subject,
        BudgetPer::Actor => Per::Actor,
        BudgetPer::Tool => Per::Tool,
    });
    Ok(Budget {
        id: id.into(),
        per: per.collect(),
        upstreams: patterns(&wanted.upstreams)?,
        tools: patterns(&wanted.tools)?,
        actors: patterns(&wanted.actors)?,
        calls: wanted.calls,
        bytes: wanted.bytes,
        within: wanted.within,
        concurrent: wanted.concurrent,
    })
}

fn patterns(texts: &[String]) -> anyhow::Result<Vec<Pattern>> {
    Ok(texts
        .iter()
        .map(|text| Pattern::parse(text))
        .collect::<Result<_, _>>()?)
}
