//! Whose tokens count as their holder's, and the TLS by which holders may show themselves.

use std::sync::Arc;

use anyhow::Context as _;
use cardea_config as config;
use cardea_config::Config;
use cardea_domain::Clock;
use cardea_gateway::{Bindings, ClientAuthorities, Tls, TlsFiles, TrustedProxies};
use cardea_identity::{Algorithm, Dpop, DpopSettings, Holders, RequiredBinding};

use super::Lasting;

/// The check of proofs at one endpoint: the one from before, with all that it remembers, unless its settings
/// changed.
pub(super) fn dpop(
    config: &Config,
    purpose: &str,
    lasting: &Lasting,
    before: Option<&Arc<Dpop>>,
) -> anyhow::Result<Arc<Dpop>> {
    let settings = DpopSettings {
        require_nonce: config.dpop.require_nonce,
        iat_window: config.dpop.iat_window,
        algorithms: algorithms(&config.dpop.algorithms)?,
    };
    if let Some(before) = before.filter(|dpop| *dpop.settings() == settings) {
        return Ok(Arc::clone(before));
    }
    let dpop = Dpop::new(settings, &lasting.sealing, purpose, lasting.clock.clone());
    Ok(Arc::new(dpop))
}

/// What tenants demand of their tokens.
pub(super) fn holders(config: &Config, dpop: &Arc<Dpop>, clock: &Clock) -> Holders {
    let required = config.required_bindings.iter().map(|(tenant, required)| {
        let required = match required {
            config::RequiredBinding::Any => RequiredBinding::Any,
            config::RequiredBinding::Dpop => RequiredBinding::Dpop,
            config::RequiredBinding::Certificate => RequiredBinding::Certificate,
        };
        (tenant.clone(), required)
    });
    Holders::new(Arc::clone(dpop), required.collect(), clock.clone())
}

/// What clients are told of binding.
pub(super) fn bindings(config: &Config) -> Bindings {
    let algorithms = config.dpop.algorithms.iter();
    let asks_for_certificates = config.tls.as_ref().is_some_and(|tls| tls.clients.is_some());
    let demands_dpop =
        |tenant| config.required_bindings.get(tenant) == Some(&config::RequiredBinding::Dpop);
    Bindings {
        algorithms: algorithms.map(|a| a.as_str().to_owned()).collect(),
        dpop_required: config.tenants.keys().all(demands_dpop),
        certificates: asks_for_certificates || !config.trusted_proxies.is_empty(),
    }
}

/// TLS for new connections, from the files as they are now.
pub(crate) fn tls(config: &Config, clock: &Clock) -> anyhow::Result<Option<Arc<Tls>>> {
    let Some(wanted) = &config.tls else {
        return Ok(None);
    };
    let files = TlsFiles {
        certificate: wanted.certificate.clone(),
        key: wanted.key.clone(),
        clients: wanted.clients.as_ref().map(|clients| ClientAuthorities {
            ca_file: clients.ca_file.clone(),
            spiffe: clients.spiffe.clone(),
            required: clients.required,
        }),
    };
    let tls = Tls::load(&files, clock).context("`tls`")?;
    Ok(Some(Arc::new(tls)))
}

pub(super) fn proxies(config: &Config) -> TrustedProxies {
    TrustedProxies::new(config.trusted_proxies.clone())
}

fn algorithms(configured: &[config::Algorithm]) -> anyhow::Result<Vec<Algorithm>> {
    let parsed = configured.iter().map(|algorithm| {
        let parsed = algorithm.as_str().parse::<Algorithm>();
        parsed.context("an algorithm is not known")
    });
    parsed.collect()
}
