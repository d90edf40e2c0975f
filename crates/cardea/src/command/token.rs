//! `cardea token`: a token for development, and nothing else on standard output.

use std::{io::Write as _, path::Path};

use anyhow::{Context as _, bail};
use cardea_config::Issuer;
use cardea_domain::{ActorId, Clock, KeyBinding, SubjectId, TenantId, Thumbprint, UpstreamId};
use cardea_identity::{ClientCertificate, EmbeddedIssuer, MintRequest};
use rustls::pki_types::{CertificateDer, pem::PemObject as _};

use crate::{cli::TokenArgs, wiring};

pub(super) fn run(args: &TokenArgs) -> anyhow::Result<()> {
    let config = super::load(&args.config.config)?;
    let tenant = TenantId::parse(&args.tenant)?;
    let tenants = config.issuers.iter().find_map(|issuer| match issuer {
        Issuer::Embedded(embedded) => Some(&embedded.tenants),
        Issuer::External(_) => None,
    });
    let Some(tenants) = tenants else {
        bail!("the configuration has no embedded issuer; add `- embedded: true` to `issuers`");
    };
    if !tenants.contains(&tenant) {
        let known: Vec<&str> = tenants.iter().map(TenantId::as_str).collect();
        bail!(
            "the embedded issuer signs for no tenant `{tenant}`; it signs for: {}",
            known.join(", ")
        );
    }
    let edge = wiring::edge(&config, None);
    let audience = match &args.upstream {
        Some(upstream) => {
            let upstream = UpstreamId::parse(upstream)?;
            if !config.upstreams_of(&tenant).any(|id| *id == upstream) {
                let known: Vec<&str> = config
                    .upstreams_of(&tenant)
                    .map(UpstreamId::as_str)
                    .collect();
                bail!(
                    "the tenant `{tenant}` has no upstream `{upstream}`; it has: {}",
                    known.join(", ")
                );
            }
            edge.upstream_resource(upstream.as_str())
        }
        None => edge.resource(),
    };
    let clock = Clock::system();
    let keys = wiring::signing_keys(&config, &clock)?;
    let issuer = EmbeddedIssuer::new(&config.public_origin(), keys);
    let token = issuer.mint(
        &MintRequest {
            tenant,
            subject: SubjectId::parse(&args.subject)?,
            actor: ActorId::parse(&args.actor)?,
            groups: args.groups.clone(),
            task: args.task.clone(),
            binding: KeyBinding {
                dpop: args.jkt,
                certificate: args
                    .certificate
                    .as_deref()
                    .map(of_certificate)
                    .transpose()?,
            },
            audience,
            ttl_s: args.ttl.as_secs(),
        },
        &clock,
    )?;
    writeln!(std::io::stdout(), "{token}")?;
    Ok(())
}

/// The thumbprint of the certificate in a PEM file.
fn of_certificate(path: &Path) -> anyhow::Result<Thumbprint> {
    let der = CertificateDer::from_pem_file(path)
        .with_context(|| format!("`{}` holds no certificate in PEM", path.display()))?;
    Ok(ClientCertificate::from_der(&der)?.thumbprint())
}
