//! The gateway's binary as a child process, with a configuration folder of its own.
//!
//! [`Setup`] gathers the configuration, [`Gateway`] is the running child: it is killed, and its folder removed, when
//! the value is dropped.

use std::{
    env, fs,
    net::SocketAddr,
    path::{Path, PathBuf},
    process::{Child, Command, ExitStatus, Stdio},
    time::{Duration, Instant},
};

use anyhow::{Context, bail, ensure};
use http::{Request, StatusCode, header};
use http_body_util::Empty;
use hyper::{body::Bytes, client::conn::http1};
use hyper_util::rt::TokioIo;
use serde_json::{Map, Value, json};
use tempfile::TempDir;
use tokio::net::TcpStream;
use tokio_util::task::AbortOnDropHandle;

use crate::ports::Port;

/// The tenant that every [`Setup`] begins with.
pub const TENANT: &str = "demo";

/// Names the binary to start instead of the workspace's debug build.
const BINARY_VARIABLE: &str = "CARDEA_BIN";

/// The child's output, in its folder.
const LOG_NAME: &str = "gateway.log";

/// A debug build on a busy machine starts well within this.
const READY_WITHIN: Duration = Duration::from_secs(60);

/// Between two looks at whether the gateway is ready.
const READY_POLL: Duration = Duration::from_millis(50);

/// Minting a token touches one key file.
const TOKEN_WITHIN: Duration = Duration::from_secs(60);

/// The configuration of a gateway to be started.
#[derive(Debug, Clone)]
pub struct Setup {
    binary: Option<PathBuf>,
    config: Map<String, Value>,
    policies: Vec<String>,
    files: Vec<(String, String)>,
    environment: Vec<(String, String)>,
    shell: Option<String>,
}

impl Setup {
    /// One tenant ([`TENANT`]), the embedded issuer, no upstream, and no policy: nothing is allowed.
    #[must_use]
    pub fn new() -> Self {
        let config = json!({
            "state_dir": "state",
            "tenants": { TENANT: {} },
            "issuers": [{ "embedded": true }],
            "allowed_hosts": [],
            "upstreams": {},
            "policies": ["policies"],
        });
        let Value::Object(config) = config else {
            unreachable!("the literal is an object")
        };
        Self {
            binary: None,
            config,
            policies: Vec::new(),
            files: Vec::new(),
            environment: Vec::new(),
            shell: None,
        }
    }

    /// Starts this binary instead of the one [`binary`] finds.
    #[must_use]
    pub fn binary(mut self, path: &Path) -> Self {
        self.binary = Some(path.to_owned());
        self
    }

    /// Adds a tenant.
    #[must_use]
    pub fn tenant(mut self, id: &str) -> Self {
        self.config["tenants"][id] = json!({});
        self
    }

    /// Accepts `authority`, a host or `host:port`, as the `Host` of a request.
    #[must_use]
    pub fn allowed_host(mut self, authority: &str) -> Self {
        self.config["allowed_hosts"]
            .as_array_mut()
            .expect("`new` makes it an array")
            .push(authority.into());
        self
    }

    /// Adds an upstream of [`TENANT`] that is reached at `url`.
    #[must_use]
    pub fn http_upstream(self, id: &str, url: &str) -> Self {
        self.upstream(id, json!({ "tenants": [TENANT], "http": { "url": url } }))
    }

    /// Adds an upstream of [`TENANT`] that the gateway starts itself, by an absolute path.
    #[must_use]
    pub fn stdio_upstream(self, id: &str, command: &Path, args: &[&str]) -> Self {
        self.upstream(
            id,
            json!({ "tenants": [TENANT], "stdio": { "command": command, "args": args } }),
        )
    }

    /// Adds an upstream with a configuration of any shape.
    ///
    /// Scripted servers answer what they do not list: without `schemas` of its own an upstream is not held to any.
    #[must_use]
    pub fn upstream(mut self, id: &str, config: Value) -> Self {
        self.config["upstreams"][id] = config;
        self
    }

    /// Sets a member of an upstream that there is already.
    #[must_use]
    pub fn change_upstream(mut self, id: &str, member: &str, value: Value) -> Self {
        self.config["upstreams"][id][member] = value;
        self
    }

    /// Drops every policy so far for this one.
    #[must_use]
    pub fn only_policy(mut self, cedar: &str) -> Self {
        self.policies = vec![cedar.to_owned()];
        self
    }

    /// Adds a file of Cedar policies.
    #[must_use]
    pub fn policy(mut self, cedar: &str) -> Self {
        self.policies.push(cedar.to_owned());
        self
    }

    /// Puts a file beside the configuration.
    #[must_use]
    pub fn file(mut self, name: &str, content: &str) -> Self {
        self.files.push((name.to_owned(), content.to_owned()));
        self
    }

    /// Sets a member of the configuration that has no method here.
    #[must_use]
    pub fn set(mut self, member: &str, value: Value) -> Self {
        self.config.insert(member.to_owned(), value);
        self
    }

    /// Sets a variable of the gateway's environment.
    #[must_use]
    pub fn env(mut self, name: &str, value: &str) -> Self {
        self.environment.push((name.to_owned(), value.to_owned()));
        self
    }

    /// Runs these commands in the shell that the gateway then takes the place of, such as `ulimit -f 64`.
    #[must_use]
    pub fn shell(mut self, commands: &str) -> Self {
        self.shell = Some(commands.to_owned());
        self
    }

    /// Writes the folder, starts the binary on two free ports, and waits until it is ready.
    ///
    /// # Errors
    /// When the binary is not there, ends by itself or is not ready in time; the error ends with its log.
    pub async fn start(self) -> anyhow::Result<Gateway> {
        let ports = [Port::reserve()?, Port::reserve()?];
        let [listen, admin] = ports.each_ref().map(Port::address);
        let folder = tempfile::tempdir()?;
        let binary = self.binary.clone().map_or_else(binary, Ok)?;
        let (environment, shell) = (self.environment.clone(), self.shell.clone());
        let scheme = self.scheme();
        let launch = Launch {
            config: self.write(folder.path(), listen, admin)?,
            log: folder.path().join(LOG_NAME),
            binary,
            environment,
            shell,
        };
        let mut gateway = Gateway {
            child: launch.spawn()?,
            folder,
            launch,
            scheme,
            listen,
            admin,
            _ports: ports,
        };
        gateway.wait_until_ready().await?;
        Ok(gateway)
    }

    /// How the gateway is reached.
    fn scheme(&self) -> &'static str {
        match self.config.contains_key("tls") {
            true => "https",
            false => "http",
        }
    }

    fn write(
        mut self,
        folder: &Path,
        listen: SocketAddr,
        admin: SocketAddr,
    ) -> anyhow::Result<PathBuf> {
        let scheme = self.scheme();
        for (member, value) in [
            ("listen", listen.to_string()),
            ("admin_listen", admin.to_string()),
            ("public_url", format!("{scheme}://{listen}")),
        ] {
            self.config.entry(member).or_insert(value.into());
        }
        // Most tests look for the record of each refusal, and make many in a second.
        let limits = self.config.entry("limits").or_insert_with(|| json!({}));
        if let Value::Object(limits) = limits {
            let refusals = "refusals_recorded_per_address_max";
            limits.entry(refusals).or_insert_with(|| json!(100_000));
        }
        let policies = folder.join("policies");
        fs::create_dir(&policies)?;
        for (index, policy) in self.policies.iter().enumerate() {
            fs::write(policies.join(format!("{index}.cedar")), policy)?;
        }
        for (name, content) in &self.files {
            fs::write(folder.join(name), content)?;
        }
        hold_to_no_schema(&mut self.config);
        leave_unboxed(&mut self.config);
        // JSON is YAML.
        let config = folder.join("cardea.yaml");
        fs::write(&config, serde_json::to_string_pretty(&self.config)?)?;
        Ok(config)
    }
}

impl Default for Setup {
    fn default() -> Self {
        Self::new()
    }
}

/// Who a token is for.
#[derive(Debug, Clone, Copy, Default)]
pub struct TokenFor<'a> {
    /// The tenant's id.
    pub tenant: &'a str,
    /// The person.
    pub subject: &'a str,
    /// The agent.
    pub actor: &'a str,
    /// The person's groups.
    pub groups: &'a [&'a str],
    /// What the person asked the agent to do.
    pub task: Option<&'a str>,
    /// How long it lives, such as `10m`.
    pub ttl: Option<&'a str>,
    /// The thumbprint of the DPoP key that it is bound to.
    pub jkt: Option<&'a str>,
}

/// A gateway that was ready when it was made.
#[derive(Debug)]
pub struct Gateway {
    // Declared before the folder, so that the child is gone when the folder goes.
    child: OwnedChild,
    folder: TempDir,
    launch: Launch,
    scheme: &'static str,
    listen: SocketAddr,
    admin: SocketAddr,
    _ports: [Port; 2],
}

impl Gateway {
    /// The endpoint of `upstream`, such as `http://127.0.0.1:40123/mcp/suite`.
    #[must_use]
    pub fn url(&self, upstream: &str) -> String {
        format!("{}://{}/mcp/{upstream}", self.scheme, self.listen)
    }

    /// Where agents connect.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.listen
    }

    /// Where metrics and health are.
    #[must_use]
    pub fn admin_address(&self) -> SocketAddr {
        self.admin
    }

    /// The folder of the configuration, the policies (`policies/`) and the state (`state/`).
    #[must_use]
    pub fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The configuration file.
    #[must_use]
    pub fn config(&self) -> &Path {
        &self.launch.config
    }

    /// The process id of the child.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.child.0.id()
    }

    /// The file that the gateway's standard output and error go to.
    #[must_use]
    pub fn log_file(&self) -> PathBuf {
        self.launch.log.clone()
    }

    /// What the gateway has written so far.
    #[must_use]
    pub fn log(&self) -> String {
        fs::read_to_string(self.log_file()).unwrap_or_default()
    }

    /// Mints a token by `cardea token`.
    ///
    /// # Errors
    /// When the command fails, takes too long or prints something else than one word.
    pub async fn token(&self, request: TokenFor<'_>) -> anyhow::Result<String> {
        let mut command = tokio::process::Command::new(&self.launch.binary);
        command
            .arg("token")
            .arg("--config")
            .arg(&self.launch.config)
            .envs(
                self.launch
                    .environment
                    .iter()
                    .map(|(name, value)| (name, value)),
            )
            .stdin(Stdio::null())
            .kill_on_drop(true);
        command.args([
            "--tenant",
            request.tenant,
            "--subject",
            request.subject,
            "--actor",
            request.actor,
        ]);
        for group in request.groups {
            command.args(["--group", group]);
        }
        for (flag, value) in [
            ("--task", request.task),
            ("--ttl", request.ttl),
            ("--jkt", request.jkt),
        ] {
            if let Some(value) = value {
                command.args([flag, value]);
            }
        }
        let output = tokio::time::timeout(TOKEN_WITHIN, command.output())
            .await
            .context("`cardea token` hangs")??;
        let complaint = String::from_utf8_lossy(&output.stderr);
        ensure!(
            output.status.success(),
            "`cardea token` failed with {}: {complaint}",
            output.status
        );
        let token = String::from_utf8(output.stdout)?.trim().to_owned();
        ensure!(
            !token.is_empty() && !token.contains(char::is_whitespace),
            "`cardea token` printed no token"
        );
        Ok(token)
    }

    /// Sends the child a signal by its name, such as `TERM`.
    ///
    /// # Errors
    /// When there is no `kill`, or no such process any more.
    pub fn signal(&self, name: &str) -> anyhow::Result<()> {
        let status = Command::new("kill")
            .args([format!("-{name}"), self.pid().to_string()])
            .status()?;
        ensure!(status.success(), "kill -{name} failed");
        Ok(())
    }

    /// Waits for the child to end by itself or by a signal.
    ///
    /// # Errors
    /// When it has not within `within`; the error ends with its log.
    pub async fn ended(&mut self, within: Duration) -> anyhow::Result<ExitStatus> {
        let deadline = Instant::now() + within;
        loop {
            if let Some(status) = self.child.0.try_wait()? {
                return Ok(status);
            }
            if Instant::now() >= deadline {
                bail!("the gateway is there after {within:?}:\n{}", self.log());
            }
            tokio::time::sleep(READY_POLL).await;
        }
    }

    /// Kills the child as a power cut would: nothing of it runs on.
    ///
    /// # Errors
    /// When it cannot be waited for.
    pub fn kill(&mut self) -> anyhow::Result<()> {
        self.child.0.kill()?;
        self.child.0.wait()?;
        Ok(())
    }

    /// Starts a new child in the place of one that ended, with the same folder and addresses, and waits until it is
    /// ready.
    ///
    /// # Errors
    /// As [`Setup::start`].
    pub async fn start_again(&mut self) -> anyhow::Result<()> {
        self.child = self.launch.spawn()?;
        self.wait_until_ready().await
    }

    async fn wait_until_ready(&mut self) -> anyhow::Result<()> {
        let deadline = Instant::now() + READY_WITHIN;
        while Instant::now() < deadline {
            if let Some(status) = self.child.0.try_wait()? {
                bail!("the gateway ended with {status}:\n{}", self.log());
            }
            if matches!(status_of(self.admin, "/readyz").await, Ok(StatusCode::OK)) {
                return Ok(());
            }
            tokio::time::sleep(READY_POLL).await;
        }
        bail!(
            "the gateway is not ready after {} s:\n{}",
            READY_WITHIN.as_secs(),
            self.log()
        )
    }
}

/// How the child is started, the first time and again.
#[derive(Debug)]
struct Launch {
    binary: PathBuf,
    config: PathBuf,
    log: PathBuf,
    environment: Vec<(String, String)>,
    shell: Option<String>,
}

impl Launch {
    fn spawn(&self) -> anyhow::Result<OwnedChild> {
        let log = fs::File::options()
            .create(true)
            .append(true)
            .open(&self.log)?;
        let mut command = match &self.shell {
            None => Command::new(&self.binary),
            Some(commands) => {
                let mut command = Command::new("sh");
                command
                    .arg("-c")
                    .arg(format!("{commands}\nexec \"$0\" \"$@\""))
                    .arg(&self.binary);
                command
            }
        };
        command
            .args(["serve", "--config"])
            .arg(&self.config)
            .envs(self.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(log.try_clone()?)
            .stderr(log)
            .spawn()
            .map(OwnedChild)
            .with_context(|| format!("cannot start `{}`", self.binary.display()))
    }
}

/// A child that does not outlive this value.
#[derive(Debug)]
struct OwnedChild(Child);

impl Drop for OwnedChild {
    fn drop(&mut self) {
        // It may have ended by itself; then both fail, which is fine.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// The binary under test: `CARDEA_BIN`, or the workspace's debug build.
///
/// # Errors
/// When there is no such file.
pub fn binary() -> anyhow::Result<PathBuf> {
    let binary = match env::var_os(BINARY_VARIABLE) {
        Some(path) => PathBuf::from(path),
        None => Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/debug/cardea"),
    };
    binary.canonicalize().with_context(|| {
        format!(
            "`{}` is not there; build it by `cargo build -p cardea` or set {BINARY_VARIABLE}",
            binary.display()
        )
    })
}

async fn status_of(address: SocketAddr, path: &str) -> anyhow::Result<StatusCode> {
    let stream = TcpStream::connect(address).await?;
    let (mut sender, connection) = http1::handshake(TokioIo::new(stream)).await?;
    let _connection = AbortOnDropHandle::new(tokio::spawn(connection));
    let request = Request::get(path)
        .header(header::HOST, address.to_string())
        .body(Empty::<Bytes>::new())?;
    let response = tokio::time::timeout(READY_POLL * 20, sender.send_request(request)).await??;
    Ok(response.status())
}

/// Adds to each upstream of a configuration that does not speak of schemas or pins that its tools are held to none, and
/// need no approval: scripted servers answer what they do not list.
pub fn hold_to_no_schema(config: &mut Map<String, Value>) {
    for_each_upstream(config, |upstream| {
        let none = || json!({ "arguments": "ignore", "results": "ignore" });
        upstream.entry("schemas").or_insert_with(none);
        // What they answer is what each test is about.
        upstream.entry("pins").or_insert_with(|| "off".into());
    });
}

/// Adds to each upstream of a configuration that is a command and does not speak of a sandbox that it has none: scripted
/// servers write down what happens to them where the test looks.
pub fn leave_unboxed(config: &mut Map<String, Value>) {
    for_each_upstream(config, |upstream| {
        if upstream.contains_key("stdio") {
            let none = || json!({ "mode": "off" });
            upstream.entry("sandbox").or_insert_with(none);
        }
    });
}

/// Those that tenants share and those of each tenant.
fn for_each_upstream(config: &mut Map<String, Value>, change: impl Fn(&mut Map<String, Value>)) {
    let each = |upstreams: Option<&mut Value>| {
        let upstreams = upstreams.and_then(Value::as_object_mut);
        let upstreams = upstreams.into_iter().flat_map(|all| all.values_mut());
        upstreams.filter_map(Value::as_object_mut).for_each(&change);
    };
    each(config.get_mut("upstreams"));
    let tenants = config.get_mut("tenants").and_then(Value::as_object_mut);
    for tenant in tenants.into_iter().flat_map(|tenants| tenants.values_mut()) {
        each(tenant.get_mut("upstreams"));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn written_setup_names_its_addresses_and_keeps_what_was_set() {
        let folder = tempfile::tempdir().unwrap();
        let [listen, admin] = [1, 2].map(|port| SocketAddr::from(([127, 0, 0, 1], port)));
        let setup = Setup::new()
            .tenant("other")
            .allowed_host("localhost:1")
            .http_upstream("suite", "http://127.0.0.1:2/mcp")
            .policy("permit(principal, action, resource);")
            .set("public_url", "http://elsewhere".into());

        let file = setup.write(folder.path(), listen, admin).unwrap();

        let written: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
        assert_eq!(written["listen"], json!(listen.to_string()));
        assert_eq!(written["admin_listen"], json!(admin.to_string()));
        assert_eq!(written["public_url"], json!("http://elsewhere"));
        assert_eq!(written["tenants"], json!({ "demo": {}, "other": {} }));
        assert_eq!(written["allowed_hosts"], json!(["localhost:1"]));
        assert_eq!(
            written["upstreams"]["suite"],
            json!({
                "tenants": ["demo"],
                "http": { "url": "http://127.0.0.1:2/mcp" },
                "schemas": { "arguments": "ignore", "results": "ignore" },
                "pins": "off",
            })
        );
        let policy = fs::read_to_string(folder.path().join("policies/0.cedar")).unwrap();
        assert_eq!(policy, "permit(principal, action, resource);");
    }

    #[tokio::test]
    async fn gateway_that_ends_by_itself_is_an_error() {
        let error = Setup::new()
            .binary(Path::new("/bin/false"))
            .start()
            .await
            .unwrap_err();
        assert!(
            error
                .to_string()
                .starts_with("the gateway ended with exit status: 1"),
            "{error:#}"
        );
    }
}
