//! The gateways that are compared: with bearer tokens, with tokens bound to a DPoP key, over mutual TLS.
//!
//! Bearer and DPoP go to one process, TLS to another, which is idle while the first is measured.

use std::path::Path;

use anyhow::Result;
use cardea_bench::dpop::Prover;
use tokio::time;

use crate::{
    files,
    rounds::{Hop, Target},
    stand::Gateway,
};

/// Right after its start a gateway asks for nonces, since it cannot know which proofs were used before.
const NONCES_ASKED_FOR: time::Duration = time::Duration::from_secs(7);

/// Both gateways, and tokens that are bound.
#[derive(Debug)]
pub(crate) struct Gateways {
    pub(crate) plain: Gateway,
    pub(crate) tls: Gateway,
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
    /// Starts both and makes the keys.
    pub(crate) async fn start(dir: &Path, program: &Path, upstream_port: u16) -> Result<Self> {
        let key = dir.join("dpop.pk8");
        let thumbprint = Prover::create(&key)?.thumbprint();
        let pems = files::write_certificates(dir)?;
        let plain = Gateway::start(&dir.join("cardea"), program, upstream_port, None).await?;
        let tls =
            Gateway::start(&dir.join("cardea-tls"), program, upstream_port, Some(&pems)).await?;
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
        })
    }

    /// What is measured.
    pub(crate) fn targets(&self) -> [Target<'_>; 3] {
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
            dpop,
            mtls,
        } = self;
        [
            target(Hop::Cardea, plain, plain.bearer.as_str(), &[]),
            target(Hop::Dpop, plain, dpop.token.as_str(), &dpop.arguments),
            target(Hop::Mtls, tls, mtls.token.as_str(), &mtls.arguments),
        ]
    }

    /// Tokens that must not work: a bound one without its key.
    pub(crate) fn stolen(&self) -> &str {
        &self.dpop.token
    }
}
