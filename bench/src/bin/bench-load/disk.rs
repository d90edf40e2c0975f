//! What the disk itself takes for the least an audit record needs: append and fdatasync.

use std::{
    fs::{self, OpenOptions},
    io::Write as _,
    path::Path,
    time::Instant,
};

use anyhow::{Context, Result, ensure};
use cardea_bench::{report::SyncReport, stats::Durations};

/// Appends `count` times `bytes` bytes to a new file in `dir`, each followed by fdatasync; the file is removed.
pub(crate) fn run(dir: &Path, count: u64, bytes: usize) -> Result<SyncReport> {
    ensure!(
        (1..=1_000_000).contains(&count),
        "--count must be 1 to 1000000"
    );
    ensure!(
        (1..=1 << 20).contains(&bytes),
        "--bytes must be 1 to 1048576"
    );
    let path = dir.join(format!("fsync-{}.tmp", std::process::id()));
    let measured = append(&path, count, &vec![b'x'; bytes]);
    let removed = fs::remove_file(&path).with_context(|| format!("removing `{}`", path.display()));
    let sorted = measured?.sorted();
    removed?;
    Ok(SyncReport {
        count,
        bytes,
        p50_us: sorted.quantile_us(0.50),
        p99_us: sorted.quantile_us(0.99),
        max_us: sorted.max_us(),
    })
}

fn append(path: &Path, count: u64, record: &[u8]) -> Result<Durations> {
    let file = OpenOptions::new().create_new(true).append(true).open(path);
    let mut file = file.with_context(|| format!("creating `{}`", path.display()))?;
    let mut durations = Durations::default();
    for _ in 0..count {
        let start = Instant::now();
        file.write_all(record)?;
        file.sync_data()?;
        durations.record(start.elapsed());
    }
    Ok(durations)
}
