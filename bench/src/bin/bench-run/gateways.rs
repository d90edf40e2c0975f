//! The gateways that are compared: with bearer tokens, with tokens bound to a DPoP key, over mutual TLS; and with fewer
//! and more checks of arguments and results.
//!
//! Bearer and DPoP go to one process, each other to one of its own; all but one are idle while that is measured.

use std::path::Path;

use anyhow::Result;
use cardea_bench::dpop::Prover;
use tokio::time;

use crate::{
    files::{self, Checks, Shape},
    rounds::{Hop, Target},
    stand::Gateway,
};

/// Right after its start a gateway asks for nonces, since it cannot know which proofs were used before.
const NONCES_ASKED_FOR: time::Duration = time::Duration::from_secs(7);

/// The gateways, and tokens that are bound.
#[derive(Debug)]
pub(crate) struct Gateways {
    pub(crate) plain: Gateway,
    pub(crate) tls: Gateway,
    unchecked: Gateway,
    constrained: Gateway,
    flow: Gateway,
    dpop: Bound,
    mtls: Bound,
}

#[derive(Debug)]
struct Bound {
    token: String,
    /// How the load generator shows the key.
    arguments: Vec<String>,
}

impl Gateways {
    /// Starts them and makes the keys.
    pub(crate) async fn start(dir: &Path, program: &Path, upstream_port: u16) -> Result<Self> {
        let key = dir.join("dpop.pk8");
        let thumbprint = Prover::create(&key)?.thumbprint();
        let pems = files::write_certificates(dir)?;
        let start = async |name: &str, tls, checks| {
            let shape = Shape { tls, checks };
            Gateway::start(&dir.join(name), program, upstream_port, shape).await
        };
        let plain = start("cardea", None, Checks::Schemas).await?;
        let tls = start("cardea-tls", Some(&pems), Checks::Schemas).await?;
        let unchecked = start("cardea-unchecked", None, Checks::Off).await?;
        let constrained = start("cardea-constrained", None, Checks::Constraints).await?;
        let flow = start("cardea-flow", None, Checks::Flow).await?;
        time::sleep(NONCES_ASKED_FOR).await;
        let text = |path: &Path| path.display().to_string();
        let certificate = text(&pems.client);
        Ok(Self {
            dpop: Bound {
                token: plain.token(&["--jkt", &thumbprint])?,
                arguments: vec!["--dpop-key".to_owned(), text(&key)],
            },
            mtls: Bound {
                token: tls.token(&["--certificate", &certificate])?,
                arguments: [
                    ("--ca-file", text(&pems.authority)),
                    ("--certificate", certificate),
                    ("--key", text(&pems.client_key)),
                ]
                .into_iter()
                .flat_map(|(flag, value)| [flag.to_owned(), value])
                .collect(),
            },
            plain,
            tls,
            unchecked,
            constrained,
            flow,
        })
    }

    /// What is measured.
    pub(crate) fn targets(&self) -> [Target<'_>; 6] {
        let target = |hop, gateway: &Gateway, bearer, arguments: &[String]| Target {
            hop,
            url: gateway.url(),
            pid: gateway.pid(),
            bearer: Some(bearer),
            arguments: arguments.to_vec(),
        };
        let Self {
            plain,
            tls,
            unchecked,
            constrained,
            flow,
            dpop,
            mtls,
        } = self;
        [
            target(Hop::Cardea, plain, plain.bearer.as_str(), &[]),
            target(Hop::Dpop, plain, dpop.token.as_str(), &dpop.arguments),
            target(Hop::Mtls, tls, mtls.token.as_str(), &mtls.arguments),
            target(Hop::Unchecked, unchecked, &unchecked.bearer, &[]),
            target(Hop::Constrained, constrained, &constrained.bearer, &[]),
            target(Hop::Flow, flow, &flow.bearer, &[]),
        ]
    }

    /// Tokens that must not work: a bound one without its key.
    pub(crate) fn stolen(&self) -> &str {
        &self.dpop.token
    }
}
