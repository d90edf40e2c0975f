//! The client's side: `cardea login`, and `cardea connect` as hosts launch it.
//!
//! | module | what it shows |
//! |---|---|
//! | `hosts` | real hosts of other people through `cardea connect`, in every mode that they have |
//! | `bridge` | bytes survive both ways, sessions end, calls are cancelled, errors are answers |
//! | `login` | browser and device, files, refresh by several launches at once, logout |

mod bridge;
mod hosts;
mod login;

use std::{fs, os::unix::fs::PermissionsExt as _, path::Path, process::Stdio};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, AsyncWriteExt as _, BufReader, Lines},
    process::{Child, ChildStdin, ChildStdout},
};

use crate::support::*;

/// The folder of logins of one test.
struct Home(TempDir);

impl Home {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn store(&self) -> std::path::PathBuf {
        self.0.path().join("store")
    }

    /// Keeps a token as a login would that cannot be renewed.
    fn keep(&self, url: &str, token: &str) {
        let record = json!({
            "version": 1, "server": url, "resource": url, "issuer": "http://127.0.0.1:1",
            "token_endpoint": "http://127.0.0.1:1/token", "revocation_endpoint": null,
            "client": {"id": "cardea-cli", "origin": "built-in", "secret": null, "auth_method": "none",
                "redirect_port": null},
            "key": null, "scopes": [], "access_token": token, "bound": false, "expires_at_s": null,
            "refresh_token": null,
        });
        fs::create_dir_all(self.store()).unwrap();
        fs::set_permissions(self.store(), fs::Permissions::from_mode(0o700)).unwrap();
        let file = self.store().join(file_name(url));
        fs::write(&file, record.to_string()).unwrap();
        fs::set_permissions(&file, fs::Permissions::from_mode(0o600)).unwrap();
    }

    /// `cardea` with a command, for the server at `url`.
    fn cardea(&self, command: &str, url: &str) -> tokio::process::Command {
        let mut cardea = tokio::process::Command::new(binary());
        cardea
            .args([command, "--url", url, "--store"])
            .arg(self.store())
            .env_remove("BROWSER")
            .kill_on_drop(true);
        cardea
    }

    /// `cardea connect` with a pipe each way.
    fn launch(&self, url: &str) -> Host {
        let mut connect = self.cardea("connect", url);
        // A trace would show a token, if anything does.
        connect.env(
            "RUST_LOG",
            "trace,hyper=off,hyper_util=off,rustls=off,mio=off",
        );
        Host::start(connect)
    }
}

/// The name that the store gives to the login for a server.
fn file_name(url: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let digest = aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, url.as_bytes());
    format!("127.0.0.1-{}.json", &URL_SAFE_NO_PAD.encode(digest)[..16])
}

/// A host with its server launched.
struct Host {
    child: Child,
    input: Option<ChildStdin>,
    output: Lines<BufReader<ChildStdout>>,
    /// Read all the while: a full pipe would hold the server up.
    complaints: tokio::task::JoinHandle<String>,
}

impl Host {
    fn start(mut connect: tokio::process::Command) -> Self {
        let mut child = connect
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let mut errors = child.stderr.take().unwrap();
        Self {
            input: child.stdin.take(),
            output: BufReader::new(child.stdout.take().unwrap()).lines(),
            complaints: tokio::spawn(async move {
                let mut complaints = String::new();
                errors.read_to_string(&mut complaints).await.unwrap();
                complaints
            }),
            child,
        }
    }

    /// Sends one line as it is.
    async fn send_line(&mut self, line: &str) {
        let input = self.input.as_mut().unwrap();
        input.write_all(line.as_bytes()).await.unwrap();
        input.write_all(b"\n").await.unwrap();
    }

    async fn send(&mut self, message: &Value) {
        self.send_line(&message.to_string()).await;
    }

    /// The next message, which must be the whole of its line.
    async fn next(&mut self) -> Value {
        serde_json::from_str(&self.next_line().await).expect("only messages on standard output")
    }

    async fn next_line(&mut self) -> String {
        bounded("a line of the server", self.output.next_line())
            .await
            .unwrap()
            .expect("the server has not ended")
    }

    /// Sends a request and waits for its answer; what comes before it is dropped.
    async fn ask(&mut self, message: &Value) -> Value {
        self.send(message).await;
        loop {
            let next = self.next().await;
            if next["id"] == message["id"] && next.get("method").is_none() {
                return next;
            }
        }
    }

    async fn handshake(&mut self) -> Value {
        let initialize = legacy(
            0,
            "initialize",
            json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": {"name": "h", "version": "1"}}),
        );
        let opened = self.ask(&initialize).await;
        self.send(&json!({"jsonrpc": "2.0", "method": "notifications/initialized"}))
            .await;
        opened
    }

    /// Closes the input and waits for the end; what it wrote to standard error meanwhile.
    async fn close(mut self) -> String {
        drop(self.input.take());
        self.end().await
    }

    async fn end(&mut self) -> String {
        let complaints = bounded("the end of standard error", &mut self.complaints)
            .await
            .unwrap();
        let status = bounded("the end of the server", self.child.wait())
            .await
            .unwrap();
        assert!(status.success(), "{status}: {complaints}");
        complaints
    }
}

/// Everything in a folder that is not for its owner alone.
fn exposed(folder: &Path) -> Vec<String> {
    let entries = fs::read_dir(folder).unwrap().map(|e| e.unwrap().path());
    let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o777;
    let mut found: Vec<String> = entries
        .filter(|path| mode(path) != 0o600)
        .map(|path| path.display().to_string())
        .collect();
    if mode(folder) != 0o700 {
        found.push(folder.display().to_string());
    }
    found
}
