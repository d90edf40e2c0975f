//! rmcp's client with its own OAuth flow: discovers, registers, has a person log in, calls a tool.

use std::{
    path::{Path, PathBuf},
    time::Duration,
};

use anyhow::{Context, bail};
use rmcp::{
    ServiceExt,
    model::{CallToolRequestParams, JsonObject},
    service::{RoleClient, RunningService},
    transport::{
        AuthClient, AuthorizationManager, AuthorizationRequest, StreamableHttpClientTransport,
        auth::OAuthState, streamable_http_client::StreamableHttpClientTransportConfig,
    },
};
use serde::Serialize;
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    process::Command,
    task::JoinSet,
};

/// What the client is to do.
#[derive(Debug, Clone)]
pub(crate) struct Wish {
    /// The MCP endpoint.
    pub(crate) url: String,
    /// A program that is started with the address to open, and ends when the person has nothing more to do there.
    pub(crate) browser: PathBuf,
    /// An id that was registered beforehand.
    pub(crate) client_id: Option<String>,
    /// Where the client's metadata document is.
    pub(crate) client_metadata_url: Option<String>,
    /// The loopback port that the browser comes back to; 0 for any.
    pub(crate) redirect_port: u16,
    /// The tool to call.
    pub(crate) call: String,
    /// Its arguments.
    pub(crate) arguments: JsonObject,
    /// An endpoint that the token is not for.
    pub(crate) elsewhere: Option<String>,
    /// Whether to wait for the end of the token, and to call again.
    pub(crate) refresh: bool,
}

/// What happened, in the words of `../../README.md`.
#[derive(Debug, Clone, Default, Serialize)]
pub(crate) struct Report {
    client: String,
    registered: Option<&'static str>,
    client_id: Option<String>,
    protocol: Option<String>,
    scopes: Option<Vec<String>>,
    authorizations: u32,
    result_text: Option<String>,
    elsewhere: Option<Value>,
    refreshed: Option<bool>,
    /// What was begun last.
    #[serde(skip)]
    doing: &'static str,
    /// What went wrong.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(crate) error: Option<Value>,
}

/// As in `Cargo.toml`.
const CLIENT: &str = "rmcp 3.11.0";

/// Between two looks at whether a token has ended.
const LOOK: Duration = Duration::from_millis(250);

/// The headers of a browser that comes back.
const REQUEST_BYTES_MAX: usize = 32 * 1024;

type Session = RunningService<RoleClient, ()>;

/// Does what is wished; what the client refused to do is the report's `error`.
pub(crate) async fn drive(wish: &Wish, within: Duration) -> Report {
    let mut report = Report {
        client: CLIENT.to_owned(),
        ..Report::default()
    };
    let result = tokio::time::timeout(within, logged_in(wish, &mut report)).await;
    if let Err(error) = result.unwrap_or_else(|_| bail!("no end within {} s", within.as_secs())) {
        report.error = Some(
            json!({"code": null, "message": format!("{error:#}"), "as": "exception", "while": report.doing}),
        );
    }
    report
}

async fn logged_in(wish: &Wish, report: &mut Report) -> anyhow::Result<()> {
    let manager = authorize(wish, report).await?;
    let (client_id, _) = manager.get_credentials().await?;
    report.registered = Some(wish.registered(&client_id));
    report.client_id = Some(client_id);
    report.scopes = Some(manager.get_current_scopes().await);

    let client = AuthClient::new(reqwest::Client::new(), manager);
    let token = client.get_access_token().await?;
    report.doing = "the session begins";
    let config = StreamableHttpClientTransportConfig::with_uri(wish.url.as_str());
    let transport = StreamableHttpClientTransport::with_client(client.clone(), config);
    let session = ().serve(transport).await?;
    let server = session
        .peer_info()
        .context("the server said nothing of itself")?;
    report.protocol = Some(server.protocol_version.to_string());
    report.doing = "it calls the tool";
    report.result_text = Some(wish.call(&session).await?);
    if let Some(elsewhere) = &wish.elsewhere {
        report.doing = "it shows its token where that is not for";
        report.elsewhere = Some(presented(elsewhere, &token).await?);
    }
    if wish.refresh {
        report.doing = "it waits for the end of its token";
        while presented(&wish.url, &token).await?["status"] != 401 {
            tokio::time::sleep(LOOK).await;
        }
        report.doing = "it calls the tool with a new token";
        report.result_text = Some(wish.call(&session).await?);
        report.refreshed = Some(client.get_access_token().await? != token);
    }
    report.doing = "the session ends";
    session.cancel().await?;
    Ok(())
}

/// From nothing to a token: everything but the browser and the way back is rmcp's.
async fn authorize(wish: &Wish, report: &mut Report) -> anyhow::Result<AuthorizationManager> {
    let listener = TcpListener::bind(("127.0.0.1", wish.redirect_port)).await?;
    let redirect = format!(
        "http://127.0.0.1:{}/callback",
        listener.local_addr()?.port()
    );
    let mut request = AuthorizationRequest::new(redirect.as_str()).with_client_name("Real client");
    if let Some(id) = &wish.client_id {
        request = request.with_preregistered_client(id);
    }
    if let Some(url) = &wish.client_metadata_url {
        request = request.with_client_metadata_url(url);
    }
    report.doing = "it looks for the authorization server";
    let mut state = OAuthState::new(wish.url.as_str(), None).await?;
    state.start_authorization(request).await?;
    let address = state.get_authorization_url().await?;
    report.authorizations += 1;
    report.doing = "the person is in the browser";
    let (query, ()) = tokio::try_join!(answer(&listener), open(&wish.browser, &address))?;
    report.doing = "it gets its token";
    state
        .handle_callback_url(&format!("{redirect}?{query}"))
        .await?;
    state
        .into_authorization_manager()
        .context("rmcp is not authorized after the callback")
}

async fn open(browser: &Path, address: &str) -> anyhow::Result<()> {
    let opened = Command::new(browser).arg(address).output().await?;
    if !opened.status.success() {
        bail!(
            "the browser failed: {}",
            String::from_utf8_lossy(&opened.stderr)
        );
    }
    Ok(())
}

/// The query with which the browser comes back.
async fn answer(listener: &TcpListener) -> anyhow::Result<String> {
    let mut asks = JoinSet::new();
    loop {
        // A browser also opens connections that it may need, closes some of them unused, and asks for an icon. No pattern
        // may stand for the query alone: what does not match one is not looked at again until the next connection.
        tokio::select! {
            accepted = listener.accept() => {
                let (mut browser, _) = accepted?;
                asks.spawn(async move { asked(&mut browser).await });
            }
            Some(ended) = asks.join_next() => {
                if let Some(query) = ended? {
                    return Ok(query);
                }
            }
        }
    }
}

async fn asked(browser: &mut TcpStream) -> Option<String> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        let is_open = browser.read_buf(&mut head).await.ok()? > 0;
        if !is_open || head.len() > REQUEST_BYTES_MAX {
            return None;
        }
    }
    let text = "You can close this page.\n";
    let reply = format!(
        "HTTP/1.1 200 OK\r\ncontent-type: text/plain\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{text}",
        text.len()
    );
    browser.write_all(reply.as_bytes()).await.ok()?;
    let head = String::from_utf8(head).ok()?;
    let (path, query) = head.split(' ').nth(1)?.split_once('?')?;
    (path == "/callback").then(|| query.to_owned())
}

/// How an endpoint takes a bare bearer token.
async fn presented(url: &str, token: &str) -> anyhow::Result<Value> {
    let message = json!({"jsonrpc": "2.0", "id": 1, "method": "ping"});
    let request = reqwest::Client::new()
        .post(url)
        .bearer_auth(token)
        .header("accept", "application/json, text/event-stream")
        .header("content-type", "application/json")
        .body(message.to_string());
    let response = request.send().await?;
    let challenge = response.headers().get("www-authenticate");
    let challenge = challenge.and_then(|value| value.to_str().ok());
    Ok(json!({"status": response.status().as_u16(), "www_authenticate": challenge}))
}

impl Wish {
    async fn call(&self, session: &Session) -> anyhow::Result<String> {
        let request =
            CallToolRequestParams::new(self.call.clone()).with_arguments(self.arguments.clone());
        let result = serde_json::to_value(session.call_tool(request).await?)?;
        let text = result["content"][0]["text"].as_str();
        text.map(str::to_owned)
            .with_context(|| format!("the tool answered {result}"))
    }

    /// How the client came by its id.
    fn registered(&self, id: &str) -> &'static str {
        if self.client_id.as_deref() == Some(id) {
            "pre-registered"
        } else if self.client_metadata_url.as_deref() == Some(id) {
            "document"
        } else {
            "dynamic"
        }
    }
}
