//! rmcp's client against one endpoint: lists the tools, calls one, calls one that must be refused.
//!
//! Its HTTP transport without a TLS stack of its own speaks over a Unix socket, so a relay ([`Relay`]) stands between
//! that and the endpoint's port.

use std::{net::SocketAddr, process::Stdio, time::Duration};

use anyhow::Context;
use rmcp::{
    RoleClient,
    model::{CallToolRequestParams, JsonObject, ProtocolVersion},
    service::{ClientLifecycleMode, ClientServiceExt, ServiceError},
    transport::{
        IntoTransport, StreamableHttpClientTransport,
        streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use tempfile::TempDir;
use tokio::{
    net::{TcpStream, UnixListener},
    process::Command,
};
use tokio_util::task::AbortOnDropHandle;

/// How the client finds out which era the server is of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// The handshake; the client's default.
    Legacy,
    /// `server/discover`, and the handshake when that fails.
    Auto,
    /// `server/discover` alone.
    Modern,
}

/// What the client saw.
#[derive(Debug, Clone)]
pub struct Report {
    /// The negotiated version.
    pub protocol: String,
    /// The names of the tools.
    pub tools: Vec<String>,
    /// The answer of the tool that was called.
    pub text: String,
    /// The JSON-RPC code with which the other tool was refused.
    pub denied: Option<i32>,
}

/// The longest that the whole takes on a busy machine.
const WITHIN: Duration = Duration::from_secs(60);

/// Drives one client through one session.
///
/// # Errors
/// When connecting, listing or the permitted call fails, or all of it takes too long.
pub async fn drive(
    url: &str,
    address: SocketAddr,
    token: &str,
    mode: Mode,
    call: (&str, JsonObject),
    denied: &str,
) -> anyhow::Result<Report> {
    tokio::time::timeout(
        WITHIN,
        drive_unbounded(url, address, token, mode, call, denied),
    )
    .await
    .context("rmcp's client hangs")?
}

/// Drives one client through one session with a server that it launches.
///
/// # Errors
/// As [`drive`], and when the server cannot be launched.
pub async fn drive_child(
    mut command: Command,
    mode: Mode,
    call: (&str, JsonObject),
    denied: &str,
) -> anyhow::Result<Report> {
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()?;
    let pipes = child.stdout.take().zip(child.stdin.take());
    let pipes = pipes.context("the server has no pipes")?;
    tokio::time::timeout(WITHIN, session(pipes, mode, call, denied))
        .await
        .context("rmcp's client hangs")?
}

async fn drive_unbounded(
    url: &str,
    address: SocketAddr,
    token: &str,
    mode: Mode,
    call: (&str, JsonObject),
    denied: &str,
) -> anyhow::Result<Report> {
    let relay = Relay::start(address)?;
    let config = StreamableHttpClientTransportConfig::with_uri(url).auth_header(token);
    let transport =
        StreamableHttpClientTransport::from_unix_socket_with_config(&relay.path(), config);
    session(transport, mode, call, denied).await
}

async fn session<T, E, A>(
    transport: T,
    mode: Mode,
    (tool, arguments): (&str, JsonObject),
    denied: &str,
) -> anyhow::Result<Report>
where
    T: IntoTransport<RoleClient, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    let modern = vec![ProtocolVersion::V_2026_07_28];
    let lifecycle = match mode {
        Mode::Legacy => ClientLifecycleMode::Initialize,
        Mode::Auto => ClientLifecycleMode::Auto {
            preferred_versions: modern,
            legacy_version: None,
        },
        Mode::Modern => ClientLifecycleMode::Discover {
            preferred_versions: modern,
        },
    };
    let client = ().serve_with_lifecycle(transport, lifecycle).await?;
    let info = client
        .peer_info()
        .context("the server said nothing of itself")?;
    let protocol = info.protocol_version.to_string();
    let tools = client.list_all_tools().await?;
    let request = CallToolRequestParams::new(tool.to_owned()).with_arguments(arguments);
    let answer = serde_json::to_value(client.call_tool(request).await?)?;
    let refused = client
        .call_tool(CallToolRequestParams::new(denied.to_owned()))
        .await;
    let report = Report {
        protocol,
        tools: tools.iter().map(|tool| tool.name.to_string()).collect(),
        text: answer["content"][0]["text"]
            .as_str()
            .unwrap_or_default()
            .to_owned(),
        denied: match refused {
            Err(ServiceError::McpError(error)) => Some(error.code.0),
            Err(error) => return Err(error.into()),
            Ok(_) => None,
        },
    };
    client.cancel().await?;
    Ok(report)
}

/// A Unix socket whose connections go on to a port; it closes when this value is dropped.
struct Relay {
    folder: TempDir,
    _task: AbortOnDropHandle<()>,
}

const SOCKET_NAME: &str = "relay";

impl Relay {
    fn start(address: SocketAddr) -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let listener = UnixListener::bind(folder.path().join(SOCKET_NAME))?;
        let task = tokio::spawn(async move {
            while let Ok((mut client, _)) = listener.accept().await {
                tokio::spawn(async move {
                    let Ok(mut server) = TcpStream::connect(address).await else {
                        return;
                    };
                    // What breaks on one side shows on the other.
                    let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
                });
            }
        });
        Ok(Self {
            folder,
            _task: AbortOnDropHandle::new(task),
        })
    }

    fn path(&self) -> String {
        self.folder.path().join(SOCKET_NAME).display().to_string()
    }
}
