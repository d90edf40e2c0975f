//! `cardea policy`: what policies say, without a gateway.

mod asking;
mod explain;
mod simulate;
mod table;
mod test;
mod types;

use std::collections::BTreeMap;

use anyhow::{anyhow, bail};
use cardea_config::Config;
use cardea_domain::TenantId;

use super::Failure;
use crate::{
    cli::PolicyCommand,
    policies::{self, Set},
    wiring::added,
};

pub(super) fn run(command: &PolicyCommand) -> anyhow::Result<()> {
    match command {
        PolicyCommand::Schema(args) => types::run(args),
        PolicyCommand::Explain(args) => explain::run(args),
        PolicyCommand::Test(args) => test::run(args),
        PolicyCommand::Simulate(args) => simulate::run(args),
    }
}

/// A configuration with its compiled policies.
struct House {
    config: Config,
    tenants: BTreeMap<TenantId, Set>,
}

impl House {
    fn open(path: &std::path::Path) -> anyhow::Result<Self> {
        let wrong = |mistakes: String| Failure::wrong_use(&anyhow!("{}", mistakes.trim_end()));
        let config = cardea_config::load(path).map_err(|mistakes| wrong(mistakes.to_string()))?;
        // Policies may speak of servers that were added at a terminal, too.
        let config = added::of_store(config)?;
        let compiled = policies::compile(&config, None);
        let compiled = compiled.map_err(|mistakes| wrong(mistakes.to_string()))?;
        let tenants = compiled.tenants.into_iter();
        Ok(Self {
            config,
            tenants: tenants.map(|(id, (_, set))| (id, set)).collect(),
        })
    }

    /// The tenant of this name; the only one where none was named.
    fn tenant(&self, named: Option<&str>) -> anyhow::Result<(&TenantId, &Set)> {
        let mut all = self.tenants.iter();
        let known = || {
            let names: Vec<_> = self.tenants.keys().map(ToString::to_string).collect();
            names.join(", ")
        };
        match (named, all.next(), all.next()) {
            (None, Some(only), None) => Ok(only),
            (None, ..) => bail!("there are several tenants; name one of: {}", known()),
            (Some(name), ..) => {
                let found = self.tenants.iter().find(|(id, _)| id.as_str() == name);
                found.ok_or_else(|| anyhow!("there is no tenant `{name}`; there are: {}", known()))
            }
        }
    }
}
