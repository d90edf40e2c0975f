//! One MCP client on one connection: opens, calls `echo`, closes.

use std::{fmt::Write as _, sync::Arc};

use anyhow::{Context, Result, ensure};
use serde::Deserialize;

use crate::{
    dpop::Prover,
    http::{Connection, Endpoint},
    message::{Era, Expected, check_echo, read_result, write_request},
    tls::Tls,
};

/// Whom to call and how.
#[derive(Clone, Debug)]
pub struct Target {
    /// The MCP endpoint.
    pub endpoint: Endpoint,
    /// Protocol revision asked for.
    pub protocol: String,
    /// Access token, if any.
    pub bearer: Option<String>,
    /// The key that the token is bound to; without one it is a bearer token.
    pub prover: Option<Arc<Prover>>,
    /// The certificate to connect with.
    pub tls: Option<Tls>,
    /// Further headers as `Name: value`.
    pub headers: Vec<String>,
    /// The name under which the tool is shown.
    pub tool: String,
}

/// A client that has opened its session (or, in the modern era, has found out that it is understood).
#[derive(Debug)]
pub struct Session {
    era: Era,
    target: Target,
    connection: Connection,
    /// What this session's proofs are told apart by, how many it made, and those made ahead.
    name: String,
    proofs: u64,
    ahead: Vec<String>,
    /// Headers which all requests have, session included.
    head: String,
    session: Option<String>,
    id: u64,
    body: String,
    request: Vec<u8>,
}

#[derive(Deserialize)]
struct Initialized {
    #[serde(rename = "protocolVersion")]
    protocol: String,
}

#[derive(Deserialize)]
struct Discovered {
    #[serde(rename = "supportedVersions")]
    versions: Vec<String>,
}

#[derive(Deserialize)]
struct Tools {
    tools: Vec<Tool>,
}

#[derive(Deserialize)]
struct Tool {
    name: String,
}

impl Session {
    /// Connects and opens: `initialize` and `notifications/initialized`, or `server/discover`.
    ///
    /// # Errors
    /// When the server refuses or answers what the protocol does not allow.
    pub async fn open(target: &Target) -> Result<Self> {
        let connection = Connection::open(&target.endpoint.authority, target.tls.as_ref()).await?;
        let mut session = Self {
            era: Era::of(&target.protocol),
            target: target.clone(),
            connection,
            name: unique_name(),
            proofs: 0,
            ahead: Vec::new(),
            head: common_head(target),
            session: None,
            id: 0,
            body: String::new(),
            request: Vec::new(),
        };
        match session.era {
            Era::Legacy => session.initialize().await.context("initialize")?,
            Era::Modern => session.discover().await.context("server/discover")?,
        }
        Ok(session)
    }

    /// Makes the proofs of the next calls; what is called beyond them signs as it goes.
    ///
    /// # Errors
    /// When the machine has no randomness.
    pub fn prove_ahead(&mut self, calls: usize) -> Result<()> {
        if self.target.prover.is_some() {
            let proofs = (0..calls).map(|_| self.sign("POST"));
            self.ahead = proofs.collect::<Result<_>>()?;
        }
        Ok(())
    }

    fn sign(&mut self, method: &str) -> Result<String> {
        let (Some(prover), Some(token)) = (&self.target.prover, &self.target.bearer) else {
            return Ok(String::new());
        };
        self.proofs += 1;
        let Endpoint {
            scheme,
            authority,
            path,
        } = &self.target.endpoint;
        let url = format!("{scheme}://{authority}{path}");
        prover.proof(
            method,
            &url,
            token,
            &format!("{}-{}", self.name, self.proofs),
        )
    }

    /// The header with the proof of the next request; nothing for a bearer token.
    fn proof(&mut self, method: &str) -> Result<String> {
        if self.target.prover.is_none() {
            return Ok(String::new());
        }
        let ahead = (method == "POST").then(|| self.ahead.pop()).flatten();
        let proof = match ahead {
            Some(proof) => proof,
            None => self.sign(method)?,
        };
        Ok(format!("DPoP: {proof}\r\n"))
    }

    /// Makes sure that the tool is offered.
    ///
    /// # Errors
    /// When it is not on the first page of the list.
    pub async fn find_tool(&mut self) -> Result<()> {
        self.write("tools/list", None, "")?;
        let answer = self.connection.exchange(&self.request).await?;
        let found: Tools = read_result(&answer, self.id).context("tools/list")?;
        let tool = &self.target.tool;
        ensure!(
            found.tools.iter().any(|each| each.name == *tool),
            "tool `{tool}` is not in the list"
        );
        Ok(())
    }

    /// Calls `echo` and checks all of the answer. `message` must need no escaping.
    ///
    /// # Errors
    /// When the call fails or anything in the answer is not what was asked for.
    pub async fn call(&mut self, message: &str, filler: &str) -> Result<()> {
        let (tool, size) = (self.target.tool.clone(), filler.len());
        let members =
            format!(r#""name":"{tool}","arguments":{{"message":"{message}","size":{size}}}"#);
        self.write("tools/call", Some(&tool), &members)?;
        let answer = self.connection.exchange(&self.request).await?;
        check_echo(
            &answer,
            Expected {
                era: self.era,
                id: self.id,
                message,
                filler,
            },
        )
    }

    /// Ends the session if there is one; a server that does not let clients end sessions is left alone.
    ///
    /// # Errors
    /// When the connection breaks.
    pub async fn close(mut self) -> Result<()> {
        if self.session.is_some() {
            let proof = self.proof("DELETE")?;
            self.request.clear();
            self.request.extend_from_slice(
                format!("DELETE {}{proof}Content-Length: 0\r\n\r\n", self.head).as_bytes(),
            );
            self.connection.exchange(&self.request).await?;
        }
        Ok(())
    }

    async fn initialize(&mut self) -> Result<()> {
        let protocol = &self.target.protocol;
        let members = format!(
            r#""protocolVersion":"{protocol}","capabilities":{{}},"clientInfo":{{"name":"cardea-bench","version":"1"}}"#
        );
        self.write("initialize", None, &members)?;
        let answer = self.connection.exchange(&self.request).await?;
        let result: Initialized = read_result(&answer, self.id)?;
        self.session = answer.session;
        let _infallible = write!(self.head, "MCP-Protocol-Version: {}\r\n", result.protocol);
        if let Some(session) = &self.session {
            let _infallible = write!(self.head, "Mcp-Session-Id: {session}\r\n");
        }
        self.body.clear();
        self.body
            .push_str(r#"{"jsonrpc":"2.0","method":"notifications/initialized"}"#);
        self.write_head("notifications/initialized", None)?;
        let status = self.connection.exchange(&self.request).await?.status;
        ensure!(
            status == 202,
            "status {status} to notifications/initialized"
        );
        Ok(())
    }

    async fn discover(&mut self) -> Result<()> {
        let _infallible = write!(
            self.head,
            "MCP-Protocol-Version: {}\r\n",
            self.target.protocol
        );
        self.write("server/discover", None, "")?;
        let answer = self.connection.exchange(&self.request).await?;
        let result: Discovered = read_result(&answer, self.id)?;
        let protocol = &self.target.protocol;
        ensure!(
            result.versions.contains(protocol),
            "the server does not speak `{protocol}`"
        );
        Ok(())
    }

    /// Makes the next request ready to be sent.
    fn write(&mut self, method: &str, name: Option<&str>, members: &str) -> Result<()> {
        self.id += 1;
        write_request(&mut self.body, self.era, self.id, method, members);
        self.write_head(method, name)
    }

    fn write_head(&mut self, method: &str, name: Option<&str>) -> Result<()> {
        let proof = self.proof("POST")?;
        let mut head = format!("POST {}{proof}", self.head);
        if self.era == Era::Modern {
            let _infallible = write!(head, "Mcp-Method: {method}\r\n");
            if let Some(name) = name {
                let _infallible = write!(head, "Mcp-Name: {name}\r\n");
            }
        }
        let _infallible = write!(head, "Content-Length: {}\r\n\r\n", self.body.len());
        self.request.clear();
        self.request.extend_from_slice(head.as_bytes());
        self.request.extend_from_slice(self.body.as_bytes());
        Ok(())
    }
}

/// From the path on: request line and the headers which do not change.
fn common_head(target: &Target) -> String {
    let Endpoint {
        authority, path, ..
    } = &target.endpoint;
    let mut head = format!(
        "{path} HTTP/1.1\r\nHost: {authority}\r\nContent-Type: application/json\r\nAccept: application/json, text/event-stream\r\n"
    );
    if let Some(bearer) = &target.bearer {
        let scheme = match target.prover {
            Some(_) => "DPoP",
            None => "Bearer",
        };
        let _infallible = write!(head, "Authorization: {scheme} {bearer}\r\n");
    }
    for header in &target.headers {
        let _infallible = write!(head, "{header}\r\n");
    }
    head
}

/// Apart from all other sessions of this and other processes.
fn unique_name() -> String {
    use std::sync::atomic::{AtomicU64, Ordering};
    static SESSIONS: AtomicU64 = AtomicU64::new(0);
    let number = SESSIONS.fetch_add(1, Ordering::Relaxed);
    format!("{}-{number}", std::process::id())
}
