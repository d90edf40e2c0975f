//! `cardea check`: every mistake in the configuration and the policies, at once.

use std::{collections::BTreeSet, io::Write as _, path::Path};

use anyhow::anyhow;
use cardea_config::{Config, Issuer, diagnostic::Diagnostics};

use cardea_domain::Clock;

use crate::{
    policies::{self, Compiled},
    wiring::{added, holders, notifications, sandbox},
};

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
    let config = added::of_store(config)?;
    let mut found = config.warnings.clone();
    let compiled = match policies::compile(&config, None) {
        Ok(compiled) => compiled,
        Err(mistakes) => {
            found.extend(mistakes);
            return refuse(&found);
        }
    };
    // Certificates and keys are no text of the configuration, but whoever checks it wants to know.
    holders::tls(&config, &Clock::system())?;
    notifications::receivers(&config)?;
    let mut out = std::io::stdout().lock();
    if !found.is_empty() {
        writeln!(out, "{found}")?;
    }
    for (upstream, error) in sandbox::unplannable(&config) {
        writeln!(
            out,
            "warning: the sandbox of upstream `{}` cannot be put up on this machine: {error}\n",
            upstream.id
        )?;
    }
    write!(out, "{}", summary(&config, &compiled))?;
    Ok(())
}

/// What there is in all, and what tenants have of their own.
fn summary(config: &Config, policies: &Compiled) -> String {
    let own_policies = policies.tenants.values().map(|(own, _)| own);
    let shared: BTreeSet<_> = config
        .upstreams
        .values()
        .filter(|upstream| !upstream.is_own)
        .map(|upstream| &upstream.id)
        .collect();
    let own_upstreams = config.upstreams.values().filter(|u| u.is_own).count();
    let mut text = format!(
        "ok: {} tenants, {} issuers, {} upstreams, {} policies\n",
        config.tenants.len(),
        config.issuers.len(),
        shared.len() + own_upstreams,
        policies.shared + own_policies.sum::<usize>(),
    );
    for (of, rules) in &policies.rules {
        text.push_str(&format!(
            "  requests are decided by {} rules of {} before people are asked\n",
            rules.len(),
            of.file.display()
        ));
    }
    for (tenant, (own_policies, _)) in &policies.tenants {
        let issuers = config.issuers.iter().filter(
            |issuer| matches!(issuer, Issuer::External(i) if i.owner.as_ref() == Some(tenant)),
        );
        let upstreams = config.upstreams.values();
        let upstreams = upstreams.filter(|u| u.is_own && u.tenant == *tenant);
        let (issuers, upstreams) = (issuers.count(), upstreams.count());
        if issuers + upstreams + own_policies > 0 {
            text.push_str(&format!(
                "  {tenant} of its own: {issuers} issuers, {upstreams} upstreams, {own_policies} policies\n"
            ));
        }
    }
    text
}

fn refuse(mistakes: &Diagnostics) -> anyhow::Result<()> {
    Err(anyhow!("{}", mistakes.to_string().trim_end()))
}
