//! `cardea sandbox measure`: what a box costs on this machine, against a plain child, in turns within one run.

use std::{
    io::Write as _,
    path::Path,
    process::Stdio,
    time::{Duration, Instant},
};

use anyhow::{Context as _, ensure};
use cardea_sandbox::{Cgroup, Control, Launcher, Profile, Program, Sandboxed, Spec, plan};
use serde_json::json;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, AsyncWrite, AsyncWriteExt as _, BufReader},
    process::{Child, Command},
};

use crate::cli::MeasureArgs;

/// A program that is on every machine, starts at once and says back what it hears.
const PROGRAM: &str = "cat";

/// A message of a usual size for a call.
const LINE_BYTES: usize = 256;

/// Of each pair, in turns, so that whatever else the machine does hits both.
const ROUNDS: usize = 20;

pub(super) async fn run(args: &MeasureArgs) -> anyhow::Result<()> {
    let spec = spec()?;
    let (plain, boxed) = starts(&spec, args.starts.max(1)).await?;
    let (plain_call, boxed_call) = calls(&spec, args.calls.max(ROUNDS)).await?;
    let ms = |time: Duration| time.as_secs_f64() * 1e3;
    let us = |time: Duration| time.as_secs_f64() * 1e6;
    let added = boxed.saturating_sub(plain);
    let ratio = boxed_call.as_secs_f64() / plain_call.as_secs_f64().max(f64::MIN_POSITIVE);
    let text = if args.json {
        let document = json!({
            "start_ms": {"plain": ms(plain), "boxed": ms(boxed), "added": ms(added)},
            "call_us": {"plain": us(plain_call), "boxed": us(boxed_call), "ratio": ratio},
            "starts": args.starts, "calls": args.calls,
        });
        format!("{document}\n")
    } else {
        format!(
            "start   plain {:7.2} ms   boxed {:7.2} ms   added {:.2} ms   (medians of {} each)\n\
             call    plain {:7.2} us   boxed {:7.2} us   ratio {ratio:.2}      (medians over {} each)\n",
            ms(plain),
            ms(boxed),
            ms(added),
            args.starts,
            us(plain_call),
            us(boxed_call),
            args.calls,
        )
    };
    std::io::stdout().lock().write_all(text.as_bytes())?;
    Ok(())
}

/// From the order to start to the first line back.
async fn starts(spec: &Spec, count: usize) -> anyhow::Result<(Duration, Duration)> {
    let (mut plain, mut boxed) = (Vec::new(), Vec::new());
    // The first of each finds cold caches.
    for _ in 0..=count {
        let started = Instant::now();
        let mut server = Server::plain(spec)?;
        server.exchange().await?;
        plain.push(started.elapsed());
        server.end().await?;
        let started = Instant::now();
        let mut server = Server::boxed(spec).await?;
        server.exchange().await?;
        boxed.push(started.elapsed());
        server.end().await?;
    }
    Ok((median(plain.split_off(1)), median(boxed.split_off(1))))
}

/// A line there and back.
async fn calls(spec: &Spec, count: usize) -> anyhow::Result<(Duration, Duration)> {
    let (mut plain, mut boxed) = (Server::plain(spec)?, Server::boxed(spec).await?);
    let (mut plain_times, mut boxed_times) = (Vec::new(), Vec::new());
    for _ in 0..ROUNDS {
        for (server, times) in [
            (&mut plain, &mut plain_times),
            (&mut boxed, &mut boxed_times),
        ] {
            for _ in 0..count / ROUNDS {
                let started = Instant::now();
                server.exchange().await?;
                times.push(started.elapsed());
            }
        }
    }
    plain.end().await?;
    boxed.end().await?;
    Ok((median(plain_times), median(boxed_times)))
}

fn spec() -> anyhow::Result<Spec> {
    let program = Program {
        command: PROGRAM,
        args: &[],
        env: &[],
        cwd: Path::new("/"),
        path: "/usr/bin:/bin".as_ref(),
    };
    Ok(plan(&Profile::bare(), &program)?)
}

struct Server {
    child: Child,
    /// Of a box: kept until it has ended.
    _around: Option<(Control, Option<Cgroup>)>,
    input: Box<dyn AsyncWrite + Unpin>,
    output: BufReader<Box<dyn AsyncRead + Unpin>>,
}

impl Server {
    fn plain(spec: &Spec) -> anyhow::Result<Self> {
        let mut child = Command::new(&spec.program)
            .env_clear()
            .current_dir("/")
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .process_group(0)
            .kill_on_drop(true)
            .spawn()?;
        let input = child.stdin.take().context("there is no input")?;
        let output = child.stdout.take().context("there is no output")?;
        Ok(Self {
            child,
            _around: None,
            input: Box::new(input),
            output: BufReader::new(Box::new(output)),
        })
    }

    async fn boxed(spec: &Spec) -> anyhow::Result<Self> {
        let Sandboxed {
            child,
            stdin,
            stdout,
            control,
            cgroup,
            ..
        } = Launcher::default().start(spec).await?;
        Ok(Self {
            child,
            _around: Some((control, cgroup)),
            input: Box::new(stdin),
            output: BufReader::new(Box::new(stdout)),
        })
    }

    async fn exchange(&mut self) -> anyhow::Result<()> {
        let mut line = vec![b'x'; LINE_BYTES];
        line.push(b'\n');
        self.input.write_all(&line).await?;
        self.input.flush().await?;
        let mut back = Vec::with_capacity(line.len());
        self.output.read_until(b'\n', &mut back).await?;
        ensure!(back == line, "`{PROGRAM}` did not say back what it heard");
        Ok(())
    }

    async fn end(mut self) -> anyhow::Result<()> {
        drop(self.input);
        self.child.wait().await?;
        Ok(())
    }
}

fn median(mut times: Vec<Duration>) -> Duration {
    times.sort_unstable();
    times.get(times.len() / 2).copied().unwrap_or_default()
}
