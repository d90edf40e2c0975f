//! `cardea serve`: wires the rooms together, listens, reloads, drains.

use std::{io::Write as _, path::Path, sync::Arc, time::Duration};

use anyhow::Context as _;
use cardea_config::Config;
use cardea_domain::Clock;
use cardea_gateway::{Asked, Gateway, Listeners, Metrics, Parts, Sealer};
use tokio::signal::unix::{SignalKind, signal};
use tokio_util::task::AbortOnDropHandle;

use crate::{
    reload::{Reloader, Watch},
    telemetry,
    wiring::{self, Lasting, Partitions},
};

/// How soon what an administrator does in another process is known here.
const TEND_EVERY: Duration = Duration::from_secs(2);

pub(super) fn run(path: &Path) -> anyhow::Result<()> {
    let config = super::load(path)?;
    telemetry::logs(&config.telemetry);
    // One thread for signals, reloads and export; calls have their own (see the gateway).
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(serve(config))
}

async fn serve(config: Config) -> anyhow::Result<()> {
    let clock = Clock::system();
    // Before anything is read, so that no change is missed while the gateway starts.
    let mut watch = Watch::begin(&config);
    let mut partitions = Partitions::new(&clock);
    // The lock on the gateway's own log keeps a second gateway from all of them, and from everything else of the first.
    let ledger = partitions.own(&config)?;
    let lasting = Arc::new(Lasting::open(&config, &clock).await?);
    let config = lasting.with_added(config).await?;
    for warning in config.warnings.iter() {
        tracing::warn!("{}", warning.to_string().trim_end());
    }
    let built = wiring::build(&config, &lasting, &mut partitions, None)?;
    let spans = telemetry::spans(&config.telemetry)?;
    let gateway = Gateway::new(Parts {
        world: built.world,
        ledger,
        sealer: Sealer::new(&lasting.sealing)?,
        asked: Asked::new(&lasting.sealing)?,
        metrics: Metrics::default(),
        clock: clock.clone(),
        spans: spans
            .clone()
            .map(|s| s as Arc<dyn cardea_gateway::SpanSink>),
    });
    lasting.part(&gateway, built.receivers).await;
    wiring::sandbox::look(&config).await;
    // Before it can be seen to be ready: whoever waits for that may send one at once.
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let serving = Listeners::bind(config.listen, config.admin_listen, config.workers)?
        .serve(&gateway)
        .context("the gateway cannot start")?;
    announce(&config, &serving);
    let drain_timeout = config.limits.drain_timeout;
    let mut reloader = Reloader::new(
        Arc::clone(&gateway),
        config,
        built.kept,
        Arc::clone(&lasting),
        partitions,
    );
    let watched = Arc::clone(&lasting);
    let _watching =
        AbortOnDropHandle::new(tokio::spawn(async move { watched.watch_store().await }));
    let mut tending = tokio::time::interval(TEND_EVERY);
    tending.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = terminate.recv() => break,
            _ = interrupt.recv() => break,
            _ = hang_up.recv() => reloader.reload(&mut watch).await,
            () = watch.changed() => reloader.reload(&mut watch).await,
            _ = tending.tick() => {
                let are_others = lasting.tend(&gateway).await;
                reloader.take_over(are_others, &mut watch).await;
                gateway.tell_of_strangers().await;
            }
        }
    }
    tracing::info!(within_ms = drain_timeout.as_millis(), "draining");
    tokio::task::spawn_blocking(move || serving.drain(drain_timeout)).await?;
    gateway.tell_of_strangers().await;
    reloader.end();
    if let Some(spans) = spans {
        // Its export runs on this runtime, so the runtime must not wait for it on its own thread.
        tokio::task::spawn_blocking(move || spans.shutdown()).await?;
    }
    tracing::info!("stopped");
    Ok(())
}

fn announce(config: &Config, serving: &cardea_gateway::Serving) {
    tracing::info!(
        listen = %serving.address().map(|a| a.to_string()).unwrap_or_default(),
        admin = %serving.admin_address().map(|a| a.to_string()).unwrap_or_default(),
        workers = config.workers,
        tenants = config.tenants.len(),
        upstreams = config.upstreams.len(),
        "serving at {}/mcp/{{upstream}}",
        config.public_origin(),
    );
    // Programs that start the gateway wait for this line or for /readyz.
    let _ = std::io::stdout().flush();
}
