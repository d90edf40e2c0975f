//! What a session costs that does nothing: memory with all of them held, less memory before the first.

use std::time::Duration;

use anyhow::{Context, Result, ensure};
use cardea_bench::{
    message::Era,
    process::Tree,
    report::IdleReport,
    session::{Session, Target},
};
use tokio::time;

use crate::LoadArgs;

/// All sessions must be open by then.
const OPEN_TIMEOUT: Duration = Duration::from_secs(120);

/// Opens the sessions, each on its own connection, holds them, reads the memory, ends them.
pub(crate) async fn run(args: &LoadArgs) -> Result<IdleReport> {
    let target = args.target()?;
    ensure!(
        Era::of(&target.protocol) == Era::Legacy,
        "`{}` has no sessions that could be idle",
        target.protocol
    );
    let pid = args.pid.context("--idle needs --pid")?;
    let rss_before_kib = Tree::of(pid)?.rss_kib();
    let sessions = time::timeout(OPEN_TIMEOUT, open(&target, args.connections));
    let sessions = sessions
        .await
        .context("opening the sessions takes too long")??;
    time::sleep(Duration::from_secs_f64(args.seconds)).await;
    let rss_held_kib = Tree::of(pid)?.rss_kib();
    let count = sessions.len();
    for session in sessions {
        session
            .close()
            .await
            .context("the server ended a connection that it should have held")?;
    }
    let bytes_per_session = (rss_held_kib as f64 - rss_before_kib as f64) * 1024.0 / count as f64;
    Ok(IdleReport {
        sessions: count,
        rss_before_kib,
        rss_held_kib,
        bytes_per_session,
    })
}

async fn open(target: &Target, count: usize) -> Result<Vec<Session>> {
    let mut sessions = Vec::with_capacity(count);
    for number in 0..count {
        sessions.push(
            Session::open(target)
                .await
                .with_context(|| format!("session {number} of {count}"))?,
        );
    }
    Ok(sessions)
}
