//! Flow control of each tenant: labels by the configuration, and what its runs have seen.

use std::{
    collections::{BTreeMap, HashMap},
    sync::Arc,
};

use anyhow::Context as _;
use cardea_config::{Config, FlowLabel, Tenant};
use cardea_domain::{Clock, TenantId};
use cardea_flow::Labels;
use cardea_gateway::{Runs, TenantFlow};
use parking_lot::Mutex;

/// What the runs of each tenant have seen: opened once, and the same in every world.
#[derive(Default)]
pub(crate) struct Flows {
    opened: Mutex<BTreeMap<TenantId, Arc<Runs>>>,
}

/// The folder below `state_dir` in which it is kept which runs have seen untrusted content.
const FOLDER: &str = "runs";

impl Flows {
    /// What one world sees of a tenant's flow.
    pub(super) fn of(
        &self,
        config: &Config,
        id: &TenantId,
        tenant: &Tenant,
        clock: &Clock,
    ) -> anyhow::Result<TenantFlow> {
        let mut labels = HashMap::new();
        for ((of, upstream), tools) in &config.flow_labels.tools {
            if of != id {
                continue;
            }
            let mut of_upstream = HashMap::new();
            for (tool, words) in tools {
                let words = words.iter().copied().map(FlowLabel::as_str);
                of_upstream.insert(tool.clone(), Labels::of_words(words)?);
            }
            labels.insert(upstream.clone(), of_upstream);
        }
        Ok(TenantFlow {
            labels,
            trusted_hosts: tenant.trusted_hosts.clone(),
            runs: self.runs(config, id, clock)?,
        })
    }

    fn runs(&self, config: &Config, id: &TenantId, clock: &Clock) -> anyhow::Result<Arc<Runs>> {
        let mut opened = self.opened.lock();
        if let Some(runs) = opened.get(id) {
            return Ok(Arc::clone(runs));
        }
        let file = config.state_dir.join(FOLDER).join(format!("{id}.runs"));
        let runs = Runs::open_file(&file, clock.clone())
            .with_context(|| format!("what runs have seen cannot be kept in {}", file.display()))?;
        let runs = Arc::new(runs);
        opened.insert(id.clone(), Arc::clone(&runs));
        Ok(runs)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn labels_of_the_configuration_are_those_of_flow_control() {
        assert_eq!(FlowLabel::ALL.map(FlowLabel::as_str), Labels::WORDS);
    }
}
