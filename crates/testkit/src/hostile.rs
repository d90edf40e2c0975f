//! An HTTP server whose every byte is scripted: what no server of a library can be made to send.
//!
//! A closure gets each request ([`Received`]) and says what to do with the connection ([`Script`]): send these bytes,
//! drip them, send them without end, wait, hang up. Without a closing step the connection is kept and serves the next
//! request. Everything that arrives is remembered, and so is every client that went away before its script was over.

use std::{
    net::SocketAddr,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, Instant},
};

use anyhow::{Context, bail};
use hyper::body::Bytes;
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::watch,
    task::JoinSet,
};

use crate::{
    echo::Gate,
    listen::{Running, bind_loopback},
};

/// A request as it came.
#[derive(Debug, Clone)]
pub struct Received {
    /// `POST`, `GET`, `DELETE`.
    pub method: String,
    /// Path and query.
    pub path: String,
    /// Names as they were spelt, in their order.
    pub headers: Vec<(String, String)>,
    /// The whole body.
    pub body: Bytes,
}

impl Received {
    /// The first value of a header.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers
            .iter()
            .find(|(n, _)| n.eq_ignore_ascii_case(name))
            .map(|(_, value)| value.as_str())
    }

    /// The body as text.
    #[must_use]
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// The body as JSON; null when it is none.
    #[must_use]
    pub fn json(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The JSON-RPC id, as JSON text.
    #[must_use]
    pub fn id(&self) -> String {
        self.json()["id"].to_string()
    }

    /// The JSON-RPC method; empty for a response or a bare request.
    #[must_use]
    pub fn rpc(&self) -> String {
        self.json()["method"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// `params.name`.
    #[must_use]
    pub fn name(&self) -> String {
        let json = self.json();
        json["params"]["name"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }
}

#[derive(Debug, Clone)]
enum Step {
    Send(Bytes),
    Drip(Bytes, Duration),
    Endless(Bytes),
    Until(Gate),
    Close,
}

/// What to do with a connection after a request, step by step.
#[derive(Debug, Clone, Default)]
pub struct Script(Vec<Step>);

impl Script {
    /// Nothing yet; alone it leaves the request unanswered and the connection open.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// A whole response with these extra header lines (each ending in CRLF) and a length.
    #[must_use]
    pub fn response(status: &str, headers: &str, body: impl AsRef<[u8]>) -> Self {
        let body = body.as_ref();
        let head = format!(
            "HTTP/1.1 {status}\r\n{headers}Content-Length: {}\r\n\r\n",
            body.len()
        );
        Self::new().send(head).send(Bytes::copy_from_slice(body))
    }

    /// A JSON response with status 200.
    #[must_use]
    pub fn json(body: impl AsRef<[u8]>) -> Self {
        Self::response("200 OK", "Content-Type: application/json\r\n", body)
    }

    /// The head of an event stream, whose end is the connection's.
    #[must_use]
    pub fn stream() -> Self {
        Self::new()
            .send("HTTP/1.1 200 OK\r\nContent-Type: text/event-stream\r\nConnection: close\r\n\r\n")
    }

    /// Accepts a notification.
    #[must_use]
    pub fn accepted() -> Self {
        Self::response("202 Accepted", "", "")
    }

    /// Sends these bytes.
    #[must_use]
    pub fn send(self, bytes: impl Into<Bytes>) -> Self {
        self.then(Step::Send(bytes.into()))
    }

    /// Sends one event with this data.
    #[must_use]
    pub fn event(self, data: &str) -> Self {
        self.send(format!("data: {data}\n\n"))
    }

    /// Sends one event with a position and this data.
    #[must_use]
    pub fn event_at(self, id: &str, data: &str) -> Self {
        self.send(format!("id: {id}\ndata: {data}\n\n"))
    }

    /// Sends these bytes one by one, with a pause after each.
    #[must_use]
    pub fn drip(self, bytes: impl Into<Bytes>, pause: Duration) -> Self {
        self.then(Step::Drip(bytes.into(), pause))
    }

    /// Sends these bytes again and again until the client has enough.
    #[must_use]
    pub fn endless(self, bytes: impl Into<Bytes>) -> Self {
        self.then(Step::Endless(bytes.into()))
    }

    /// Waits until the test says so, or the client goes away.
    #[must_use]
    pub fn until(self, gate: &Gate) -> Self {
        self.then(Step::Until(gate.clone()))
    }

    /// Says nothing more until the client goes away.
    #[must_use]
    pub fn hang(self) -> Self {
        self.until(&Gate::closed()).close()
    }

    /// Closes the connection.
    #[must_use]
    pub fn close(self) -> Self {
        self.then(Step::Close)
    }

    fn then(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }
}

/// What the server has seen so far.
#[derive(Debug, Clone, Default)]
pub struct Seen {
    /// Every request, in the order of arrival.
    pub requests: Vec<Received>,
    /// Clients that went away before their script was over.
    pub gone: usize,
    /// Connections that were opened.
    pub connections: usize,
    /// Bytes of responses that were written.
    pub bytes: usize,
}

/// A scripted server on a port of its own, which stops when this value is dropped.
#[derive(Debug)]
pub struct Hostile {
    address: SocketAddr,
    seen: Arc<Diary>,
    _running: Running,
}

#[derive(Debug)]
struct Diary {
    seen: Mutex<Seen>,
    changed: watch::Sender<()>,
}

impl Diary {
    fn note(&self, change: impl FnOnce(&mut Seen)) {
        change(&mut self.seen.lock().unwrap_or_else(PoisonError::into_inner));
        self.changed.send_replace(());
    }
}

impl Hostile {
    /// Starts a server on an ephemeral port of the loopback interface that does with each request what `act` says.
    ///
    /// # Errors
    /// When no port can be bound.
    pub async fn start(
        act: impl Fn(&Received) -> Script + Send + Sync + 'static,
    ) -> anyhow::Result<Self> {
        let (listener, address) = bind_loopback().await?;
        Ok(Self::on(listener, address, act))
    }

    /// The same on a listener that is there already.
    pub fn on(
        listener: TcpListener,
        address: SocketAddr,
        act: impl Fn(&Received) -> Script + Send + Sync + 'static,
    ) -> Self {
        let seen = Arc::new(Diary {
            seen: Mutex::default(),
            changed: watch::Sender::new(()),
        });
        let running = Running::spawn(serve(listener, Arc::clone(&seen), Arc::new(act)));
        Self {
            address,
            seen,
            _running: running,
        }
    }

    /// The endpoint's URL, such as `http://127.0.0.1:40123/mcp`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it has seen so far.
    #[must_use]
    pub fn seen(&self) -> Seen {
        self.seen
            .seen
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .clone()
    }

    /// The requests so far with this JSON-RPC method.
    #[must_use]
    pub fn calls(&self, rpc: &str) -> Vec<Received> {
        let seen = self.seen();
        seen.requests
            .into_iter()
            .filter(|r| r.rpc() == rpc)
            .collect()
    }

    /// Waits until `enough` of what it has seen.
    ///
    /// # Errors
    /// When that is not so within `within`; the error says `what` was waited for.
    pub async fn wait(
        &self,
        what: &str,
        within: Duration,
        enough: impl Fn(&Seen) -> bool,
    ) -> anyhow::Result<Seen> {
        let mut changes = self.seen.changed.subscribe();
        let deadline = Instant::now() + within;
        loop {
            let seen = self.seen();
            if enough(&seen) {
                return Ok(seen);
            }
            let left = deadline.saturating_duration_since(Instant::now());
            match tokio::time::timeout(left, changes.changed()).await {
                Ok(changed) => changed.context("the server is gone")?,
                Err(_) => bail!("the upstream did not see {what} within {within:?}: {seen:#?}"),
            }
        }
    }
}

async fn serve<A>(listener: TcpListener, diary: Arc<Diary>, act: Arc<A>) -> anyhow::Result<()>
where
    A: Fn(&Received) -> Script + Send + Sync + 'static,
{
    let mut connections = JoinSet::new();
    loop {
        let (stream, _) = tokio::select! {
            accepted = listener.accept() => accepted.context("the listener broke")?,
            Some(_) = connections.join_next() => continue,
        };
        stream.set_nodelay(true)?;
        diary.note(|seen| seen.connections += 1);
        let (diary, act) = (Arc::clone(&diary), Arc::clone(&act));
        // A client that breaks off is what many scripts are about; the diary says so.
        connections.spawn(async move { converse(stream, &diary, &*act).await.unwrap_or_default() });
    }
}

async fn converse(
    mut stream: TcpStream,
    diary: &Diary,
    act: &(impl Fn(&Received) -> Script + Sync),
) -> anyhow::Result<()> {
    let mut buffer = Vec::new();
    while let Some(request) = receive(&mut stream, &mut buffer).await? {
        diary.note(|seen| seen.requests.push(request.clone()));
        let script = act(&request);
        match play(&mut stream, diary, script).await {
            Ok(After::Next) => {}
            Ok(After::Close) => return Ok(()),
            Err(error) => {
                diary.note(|seen| seen.gone += 1);
                return Err(error);
            }
        }
    }
    Ok(())
}

/// The next request; `None` when the client closed the connection instead.
async fn receive(stream: &mut TcpStream, buffer: &mut Vec<u8>) -> anyhow::Result<Option<Received>> {
    let end = loop {
        if let Some(at) = buffer.windows(4).position(|w| w == b"\r\n\r\n") {
            break at;
        }
        if stream.read_buf(buffer).await? == 0 {
            return Ok(None);
        }
    };
    let head = String::from_utf8(buffer.drain(..end + 4).collect())?;
    let mut lines = head.lines();
    let mut first = lines.next().unwrap_or_default().split(' ');
    let (method, path) = (first.next(), first.next());
    let headers: Vec<(String, String)> = lines
        .filter_map(|line| line.split_once(':'))
        .map(|(name, value)| (name.to_owned(), value.trim().to_owned()))
        .collect();
    let length = headers
        .iter()
        .find(|(name, _)| name.eq_ignore_ascii_case("content-length"))
        .map_or(Ok(0), |(_, value)| value.parse::<usize>())?;
    while buffer.len() < length {
        if stream.read_buf(buffer).await? == 0 {
            bail!("the request's body broke off");
        }
    }
    Ok(Some(Received {
        method: method.unwrap_or_default().to_owned(),
        path: path.unwrap_or_default().to_owned(),
        headers,
        body: buffer.drain(..length).collect::<Vec<u8>>().into(),
    }))
}

enum After {
    Next,
    Close,
}

async fn play(stream: &mut TcpStream, diary: &Diary, script: Script) -> anyhow::Result<After> {
    if script.0.is_empty() {
        return wait_for_the_end(stream).await;
    }
    for step in script.0 {
        match step {
            Step::Send(bytes) => write(stream, diary, &bytes).await?,
            Step::Drip(bytes, pause) => {
                for byte in bytes.chunks(1) {
                    write(stream, diary, byte).await?;
                    tokio::select! {
                        () = tokio::time::sleep(pause) => {}
                        gone = wait_for_the_end(stream) => return gone,
                    }
                }
            }
            Step::Endless(bytes) => loop {
                write(stream, diary, &bytes).await?;
            },
            Step::Until(gate) => {
                tokio::select! {
                    () = gate.passed() => {}
                    gone = wait_for_the_end(stream) => return gone,
                }
            }
            Step::Close => {
                let _ = stream.shutdown().await;
                return Ok(After::Close);
            }
        }
    }
    Ok(After::Next)
}

async fn write(stream: &mut TcpStream, diary: &Diary, bytes: &[u8]) -> anyhow::Result<()> {
    stream.write_all(bytes).await?;
    diary.note(|seen| seen.bytes += bytes.len());
    Ok(())
}

/// Returns, with an error, when the client is gone; it sends nothing while it waits for an answer.
async fn wait_for_the_end(stream: &mut TcpStream) -> anyhow::Result<After> {
    let mut byte = [0];
    match stream.read(&mut byte).await {
        Ok(0) => bail!("the client went away"),
        Ok(_) => bail!("the client sent something before it was answered"),
        Err(error) => Err(error).context("the client broke off"),
    }
}
