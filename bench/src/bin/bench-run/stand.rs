//! The processes: started pinned to a core, waited for, stopped when dropped.

use std::{
    fs::{self, File},
    net::TcpListener,
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::{Duration, Instant},
};

use anyhow::{Context, Result, bail, ensure};
use cardea_bench::{http::Connection, process::Tree};
use tokio::{net::TcpStream, time};

use crate::files::{self, GatewayPorts, Shape};

/// The core of the load generator and the upstream.
pub(crate) const LOAD_CPU: &str = "0";
/// The core of what is measured.
pub(crate) const HOP_CPU: &str = "1";
/// A process that does not answer by then has failed to start.
const START_TIMEOUT: Duration = Duration::from_secs(20);
/// A process that has not ended by then is killed.
const STOP_TIMEOUT: Duration = Duration::from_secs(10);
const POLL: Duration = Duration::from_millis(20);

/// The actor whose calls are measured, and one for whom there is no policy.
const ACTOR: &str = "bench-agent";
const STRANGER: &str = "stranger";

/// A process that is stopped when this is dropped, and by the kernel when this program is killed.
#[derive(Debug)]
pub(crate) struct Running {
    child: Child,
    log: PathBuf,
}

impl Running {
    /// Starts `program` pinned to `cpu`; what it prints goes to a file named after it in `dir`.
    fn start(dir: &Path, cpu: &str, program: &Path, args: &[&str]) -> Result<Self> {
        let name = program.file_name().context("no program")?;
        let log = dir.join(name).with_extension("log");
        let output = File::options().create(true).append(true).open(&log)?;
        let child = Command::new("taskset")
            .args(["-c", cpu, "setpriv", "--pdeathsig", "TERM", "--"])
            .arg(program)
            .args(args)
            .current_dir(dir)
            .stdin(Stdio::null())
            .stdout(output.try_clone()?)
            .stderr(output)
            .spawn()
            .context("starting taskset and setpriv (both are in util-linux)")?;
        Ok(Self { child, log })
    }

    /// The process itself: taskset and setpriv have become it.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    async fn listens(&mut self, port: u16) -> Result<()> {
        let deadline = Instant::now() + START_TIMEOUT;
        while TcpStream::connect(("127.0.0.1", port)).await.is_err() {
            self.still_starting(deadline)?;
            time::sleep(POLL).await;
        }
        Ok(())
    }

    fn still_starting(&mut self, deadline: Instant) -> Result<()> {
        let failure = match self.child.try_wait()? {
            Some(status) => format!("it ended with {status}"),
            None if Instant::now() > deadline => {
                format!("it is not ready after {} s", START_TIMEOUT.as_secs())
            }
            None => return Ok(()),
        };
        bail!(
            "{failure}; it printed:\n{}",
            fs::read_to_string(&self.log).unwrap_or_default()
        );
    }

    #[expect(
        clippy::disallowed_methods,
        reason = "the end: whether called from drop or between measurements, nothing else is to run meanwhile"
    )]
    fn stop(&mut self) {
        // An ended process's id may by now be somebody else's.
        if !matches!(self.child.try_wait(), Ok(None)) {
            return;
        }
        // TERM first, so that nginx's master takes its worker along and the gateway ends its log in order.
        let _asked = Command::new("kill")
            .args(["-TERM", &self.pid().to_string()])
            .status();
        let deadline = Instant::now() + STOP_TIMEOUT;
        while matches!(self.child.try_wait(), Ok(None)) && Instant::now() < deadline {
            thread::sleep(POLL);
        }
        let _ended_already = self.child.kill();
        let _ended_already = self.child.wait();
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.stop();
    }
}

/// The upstream and nginx in front of it.
#[derive(Debug)]
pub(crate) struct Stand {
    pub(crate) upstream: Running,
    pub(crate) upstream_port: u16,
    pub(crate) nginx: Running,
    pub(crate) nginx_port: u16,
}

impl Stand {
    /// Starts both and waits until they listen.
    pub(crate) async fn start(dir: &Path, upstream_args: &[String]) -> Result<Self> {
        let nginx_program = find_nginx()?;
        let (upstream_port, nginx_port) = (free_port()?, free_port()?);
        let listen = format!("127.0.0.1:{upstream_port}");
        let mut args = vec!["--listen", &listen];
        args.extend(upstream_args.iter().map(String::as_str));
        let mut upstream = Running::start(dir, LOAD_CPU, &sibling("bench-upstream")?, &args)?;
        upstream
            .listens(upstream_port)
            .await
            .context("bench-upstream")?;

        files::write_nginx_conf(dir, nginx_port, upstream_port)?;
        let prefix = dir
            .to_str()
            .context("the working directory's name is not text")?;
        let args = ["-p", prefix, "-c", "nginx.conf", "-e", "nginx-error.log"];
        let mut nginx = Running::start(dir, HOP_CPU, &nginx_program, &args)?;
        nginx.listens(nginx_port).await.context("nginx")?;
        Ok(Self {
            upstream,
            upstream_port,
            nginx,
            nginx_port,
        })
    }
}

/// The gateway with its configuration and two tokens of its own issuer.
#[derive(Debug)]
pub(crate) struct Gateway {
    process: Running,
    program: PathBuf,
    dir: PathBuf,
    ports: GatewayPorts,
    scheme: &'static str,
    pub(crate) bearer: String,
    pub(crate) bearer_stranger: String,
}

impl Gateway {
    /// Writes configuration and policies, starts the gateway, waits until it is ready, gets the tokens.
    pub(crate) async fn start(
        dir: &Path,
        program: &Path,
        upstream_port: u16,
        shape: Shape<'_>,
    ) -> Result<Self> {
        let program = program
            .canonicalize()
            .with_context(|| format!("no gateway at `{}`", program.display()))?;
        let dir = dir.to_owned();
        fs::create_dir(&dir)?;
        let ports = GatewayPorts {
            clients: free_port()?,
            admin: free_port()?,
        };
        files::write_gateway_config(&dir, ports, upstream_port, shape)?;
        let process = serve(&dir, &program, ports).await.context("cardea")?;
        let (bearer, bearer_stranger) = (
            token(&dir, &program, ACTOR, &[])?,
            token(&dir, &program, STRANGER, &[])?,
        );
        Ok(Self {
            process,
            program,
            dir,
            ports,
            scheme: if shape.tls.is_some() { "https" } else { "http" },
            bearer,
            bearer_stranger,
        })
    }

    /// The same gateway with the same state in a new process.
    pub(crate) async fn restart(mut self) -> Result<Self> {
        self.process.stop();
        self.process = serve(&self.dir, &self.program, self.ports)
            .await
            .context("cardea, started again")?;
        Ok(self)
    }

    /// The MCP endpoint.
    pub(crate) fn url(&self) -> String {
        format!(
            "{}://127.0.0.1:{}/mcp/echo",
            self.scheme, self.ports.clients
        )
    }

    /// A further token of the measured actor.
    pub(crate) fn token(&self, arguments: &[&str]) -> Result<String> {
        token(&self.dir, &self.program, ACTOR, arguments)
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// Resident memory in MiB.
    pub(crate) fn rss_mb(&self) -> Result<f64> {
        Ok(Tree::of(self.pid())?.rss_kib() as f64 / 1024.0)
    }

    /// Size of everything in the state directory.
    pub(crate) fn state_bytes(&self) -> u64 {
        bytes_below(&self.dir.join("state"))
    }
}

async fn serve(dir: &Path, program: &Path, ports: GatewayPorts) -> Result<Running> {
    let mut process = Running::start(dir, HOP_CPU, program, &["serve", "--config", "cardea.yaml"])?;
    process.listens(ports.clients).await?;
    let deadline = Instant::now() + START_TIMEOUT;
    while !is_ready(ports.admin).await {
        process.still_starting(deadline)?;
        time::sleep(POLL).await;
    }
    Ok(process)
}

async fn is_ready(admin: u16) -> bool {
    let authority = format!("127.0.0.1:{admin}");
    let request = format!("GET /readyz HTTP/1.1\r\nHost: {authority}\r\n\r\n");
    let Ok(mut connection) = Connection::open(&authority, None).await else {
        return false;
    };
    connection
        .exchange(request.as_bytes())
        .await
        .is_ok_and(|answer| answer.status == 200)
}

fn token(dir: &Path, program: &Path, actor: &str, further: &[&str]) -> Result<String> {
    let who = [
        "--tenant",
        "bench",
        "--subject",
        "ada",
        "--actor",
        actor,
        "--ttl",
        "60m",
    ];
    let command = Command::new(program)
        .args(["token", "--config", "cardea.yaml"])
        .args(who)
        .args(further)
        .current_dir(dir)
        .output()?;
    let told = String::from_utf8_lossy(&command.stderr);
    ensure!(command.status.success(), "no token for `{actor}`: {told}");
    Ok(String::from_utf8(command.stdout)?.trim().to_owned())
}

fn find_nginx() -> Result<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    // System directories are often not in the PATH of a user.
    let folders =
        std::env::split_paths(&path).chain(["/usr/sbin".into(), "/usr/local/sbin".into()]);
    folders
        .map(|folder| folder.join("nginx"))
        .find(|program| program.is_file())
        .context("nginx is not installed, and the comparison needs it: apt-get install nginx-light")
}

/// A program built beside this one.
pub(crate) fn sibling(name: &str) -> Result<PathBuf> {
    let program = std::env::current_exe()?.with_file_name(name);
    ensure!(
        program.is_file(),
        "`{}` is not built: cargo build --release -p cardea-bench",
        program.display()
    );
    Ok(program)
}

/// A port of the loopback on which nothing listens. That nobody else takes it before it is used is not certain; then
/// the process that was to have it says so and the run ends.
fn free_port() -> Result<u16> {
    Ok(TcpListener::bind("127.0.0.1:0")?.local_addr()?.port())
}

fn bytes_below(dir: &Path) -> u64 {
    let entries = fs::read_dir(dir).into_iter().flatten().flatten();
    let size = |entry: fs::DirEntry| match entry.metadata() {
        Ok(meta) if meta.is_dir() => bytes_below(&entry.path()),
        Ok(meta) => meta.len(),
        Err(_) => 0,
    };
    entries.map(size).sum()
}
