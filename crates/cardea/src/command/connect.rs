//! `cardea connect`: the MCP server that a host launches.

use anyhow::Context as _;
use cardea_connect::{Bridge, Credentials, Enterprise, Grant};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::sync::CancellationToken;

use super::login::{person, runtime, secret_file, settings};
use crate::{cli::login::ConnectArgs, telemetry};

pub(super) fn run(args: ConnectArgs) -> anyhow::Result<()> {
    telemetry::host_logs();
    let grant = grant(&args)?;
    let settings = settings(
        cardea_connect::server_url(&args.url)?,
        &args.store,
        Some(&args.client),
        grant,
        args.person.no_browser,
    )?;
    let bridge = Bridge::new(Credentials::new(settings)?);
    let runtime = runtime()?;
    let ended = runtime.block_on(async {
        let stop = CancellationToken::new();
        let mut terminate = signal(SignalKind::terminate())?;
        let mut interrupt = signal(SignalKind::interrupt())?;
        let stopping = stop.clone();
        tokio::spawn(async move {
            tokio::select! {
                _ = terminate.recv() => {}
                _ = interrupt.recv() => {}
            }
            stopping.cancel();
        });
        bridge
            .run(tokio::io::stdin(), tokio::io::stdout(), stop)
            .await
    });
    // A thread may still wait for the host's next line, and nothing can wake it.
    runtime.shutdown_background();
    ended.context("the connection to the host broke")
}

fn grant(args: &ConnectArgs) -> anyhow::Result<Grant> {
    if args.client_credentials {
        return Ok(Grant::ClientCredentials);
    }
    if let Some(file) = &args.workload_token_file {
        return Ok(Grant::Workload(file.clone()));
    }
    if let (Some(id_token_file), Some(endpoint), Some(client_id)) = (
        &args.id_token_file,
        &args.idp_token_endpoint,
        &args.idp_client_id,
    ) {
        let secret = args.idp_client_secret_file.as_deref();
        return Ok(Grant::Enterprise(Enterprise {
            token_endpoint: cardea_connect::server_url(endpoint)?,
            client_id: client_id.clone(),
            client_secret: secret.map(secret_file).transpose()?,
            id_token_file: id_token_file.clone(),
        }));
    }
    Ok(match args.interactive {
        true => person(&args.person),
        false => Grant::Stored,
    })
}
