//! The closed loop: each connection calls, checks the answer, calls again.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU8, Ordering},
    },
    time::{Duration, Instant},
};

use anyhow::{Context, Result};
use cardea_bench::{
    process::{Tree, machine_busy_seconds},
    report::LoadReport,
    session::{Session, Target},
    stats::Durations,
    text,
};
use tokio::{task::JoinSet, time};

use crate::LoadArgs;

/// All sessions must be open by then.
const OPEN_TIMEOUT: Duration = Duration::from_secs(60);
/// A call that is still unanswered so long after the end has failed.
const STUCK_TIMEOUT: Duration = Duration::from_secs(15);
/// Pause of a connection that could not be opened again.
const REOPEN_PAUSE: Duration = Duration::from_millis(100);

/// No hop on one core has served more with a proof in each call.
const CALLS_PER_SECOND_MAX: f64 = 8_000.0;

const WARMING: u8 = 0;
const MEASURING: u8 = 1;
const OVER: u8 = 2;

/// What all connections share.
struct Run {
    phase: AtomicU8,
    target: Target,
    filler: String,
}

/// What one connection has seen.
#[derive(Default)]
struct Seen {
    measured: Durations,
    answered: u64,
    errors: u64,
    first_error: Option<String>,
}

/// Opens all sessions, warms up, measures, closes.
pub(crate) async fn run(args: &LoadArgs) -> Result<LoadReport> {
    let run = Arc::new(Run {
        phase: AtomicU8::new(WARMING),
        target: args.target()?,
        filler: text::filler(args.size),
    });
    let mut sessions = Vec::with_capacity(args.connections);
    time::timeout(OPEN_TIMEOUT, async {
        for _ in 0..args.connections {
            let mut session = Session::open(&run.target).await?;
            session.find_tool().await?;
            session.prove_ahead(proofs_ahead(args))?;
            sessions.push(session);
        }
        anyhow::Ok(())
    })
    .await
    .context("opening the sessions takes too long")??;

    let mut connections = JoinSet::new();
    for (number, session) in sessions.into_iter().enumerate() {
        connections.spawn(call_until_over(Arc::clone(&run), number, session));
    }
    time::sleep(Duration::from_secs_f64(args.warmup)).await;
    let before = Costs::read(args)?;
    run.phase.store(MEASURING, Ordering::Relaxed);
    time::sleep(Duration::from_secs_f64(args.seconds)).await;
    run.phase.store(OVER, Ordering::Relaxed);
    let after = Costs::read(args)?;
    let seen = gather(connections).await;
    Ok(report(args, seen, &before, &after))
}

/// Proofs for each connection: what one hop is known to serve, and some more.
fn proofs_ahead(args: &LoadArgs) -> usize {
    let seconds = args.warmup + args.seconds;
    (CALLS_PER_SECOND_MAX * seconds) as usize / args.connections + 1
}

async fn call_until_over(run: Arc<Run>, number: usize, session: Session) -> Seen {
    let mut seen = Seen::default();
    let mut session = Some(session);
    let mut count = 0_u64;
    while run.phase.load(Ordering::Relaxed) != OVER {
        let Some(open) = session.as_mut() else {
            session = reopen(&run.target, &mut seen).await;
            continue;
        };
        count += 1;
        let message = format!("connection {number} call {count} ");
        let start = Instant::now();
        match open.call(&message, &run.filler).await {
            Ok(()) => {
                seen.answered += 1;
                if run.phase.load(Ordering::Relaxed) == MEASURING {
                    seen.measured.record(start.elapsed());
                }
            }
            Err(error) => {
                seen.failed(&error);
                session = None;
            }
        }
    }
    if let Some(session) = session {
        // Measured already: that a session cannot be ended takes nothing from it.
        let _closed = session.close().await;
    }
    seen
}

async fn reopen(target: &Target, seen: &mut Seen) -> Option<Session> {
    match Session::open(target).await {
        Ok(session) => Some(session),
        Err(error) => {
            seen.failed(&error);
            time::sleep(REOPEN_PAUSE).await;
            None
        }
    }
}

impl Seen {
    fn failed(&mut self, error: &anyhow::Error) {
        self.errors += 1;
        self.first_error.get_or_insert_with(|| format!("{error:#}"));
    }

    fn add(&mut self, other: Seen) {
        self.measured.append(other.measured);
        self.answered += other.answered;
        self.errors += other.errors;
        self.first_error = self.first_error.take().or(other.first_error);
    }
}

/// Adds up the connections; those which do not come to an end count as one error each.
async fn gather(mut connections: JoinSet<Seen>) -> Seen {
    let mut all = Seen::default();
    let deadline = time::Instant::now() + STUCK_TIMEOUT;
    while let Ok(Some(ended)) = time::timeout_at(deadline, connections.join_next()).await {
        match ended {
            Ok(seen) => all.add(seen),
            Err(error) => all.failed(&error.into()),
        }
    }
    for _ in 0..connections.len() {
        all.failed(&anyhow::anyhow!("a call was never answered"));
    }
    all
}

/// What everything has used up to a moment.
struct Costs {
    at: Instant,
    under_test_cpu_s: Option<f64>,
    under_test_rss_kib: Option<u64>,
    /// CPU seconds of all processes that belong to the measurement.
    known_cpu_s: f64,
    machine_cpu_s: f64,
}

impl Costs {
    fn read(args: &LoadArgs) -> Result<Self> {
        let under_test = args.pid.map(Tree::of).transpose()?;
        let under_test_cpu_s = under_test.as_ref().map(Tree::cpu_seconds);
        let mut known_cpu_s =
            Tree::of(std::process::id())?.cpu_seconds() + under_test_cpu_s.unwrap_or(0.0);
        for pid in args.known_pid.iter().filter(|pid| Some(**pid) != args.pid) {
            known_cpu_s += Tree::of(*pid)?.cpu_seconds();
        }
        let under_test_rss_kib = under_test.as_ref().map(Tree::rss_kib);
        let machine_cpu_s = machine_busy_seconds()?;
        Ok(Self {
            at: Instant::now(),
            under_test_cpu_s,
            under_test_rss_kib,
            known_cpu_s,
            machine_cpu_s,
        })
    }
}

fn report(args: &LoadArgs, seen: Seen, before: &Costs, after: &Costs) -> LoadReport {
    let seconds = (after.at - before.at).as_secs_f64();
    let requests = seen.measured.count();
    let per_call = |cpu_s: f64| cpu_s * 1e6 / requests.max(1) as f64;
    let under_test_cpu_s = after
        .under_test_cpu_s
        .zip(before.under_test_cpu_s)
        .map(|(after, before)| after - before);
    let others_cpu_s =
        (after.machine_cpu_s - before.machine_cpu_s) - (after.known_cpu_s - before.known_cpu_s);
    let sorted = seen.measured.sorted();
    LoadReport {
        connections: args.connections,
        size: args.size,
        protocol: args.protocol.clone(),
        seconds,
        requests,
        requests_total: seen.answered,
        errors: seen.errors,
        first_error: seen.first_error,
        rps: requests as f64 / seconds,
        p50_us: sorted.quantile_us(0.50),
        p90_us: sorted.quantile_us(0.90),
        p99_us: sorted.quantile_us(0.99),
        max_us: sorted.max_us(),
        cpu_us_per_call: under_test_cpu_s.map(per_call),
        rss_kib: after.under_test_rss_kib,
        other_cores: (others_cpu_s / seconds).max(0.0),
    }
}
