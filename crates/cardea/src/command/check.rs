//! `cardea check`: every mistake in the configuration and the policies, at once.

use std::{io::Write as _, path::Path};

use anyhow::anyhow;
use cardea_config::diagnostic::Diagnostics;

use cardea_domain::Clock;

use crate::{policies, wiring::holders};

pub(super) fn run(path: &Path) -> anyhow::Result<()> {
    let config = match cardea_config::load(path) {
        Ok(config) => config,
        Err(mut mistakes) => {
            if let Some(inspected) = cardea_config::inspect(path) {
                mistakes.extend(policies::mistakes(&inspected));
            }
            return refuse(&mistakes);
        }
    };
    let mut found = config.warnings.clone();
    let policies = match policies::compile(&config, 0) {
        Ok(policies) => policies,
        Err(mistakes) => {
            found.extend(mistakes);
            return refuse(&found);
        }
    };
    // Certificates and keys are no text of the configuration, but whoever checks it wants to know.
    holders::tls(&config, &Clock::system())?;
    let mut out = std::io::stdout().lock();
    if !found.is_empty() {
        writeln!(out, "{found}")?;
    }
    writeln!(
        out,
        "ok: {} tenants, {} issuers, {} upstreams, {} policies",
        config.tenants.len(),
        config.issuers.len(),
        config.upstreams.len(),
        policies.len(),
    )?;
    Ok(())
}

fn refuse(mistakes: &Diagnostics) -> anyhow::Result<()> {
    Err(anyhow!("{}", mistakes.to_string().trim_end()))
}
