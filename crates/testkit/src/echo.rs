//! A small scripted MCP upstream: answers any method in both eras, and remembers every request it saw.
//!
//! What it says by itself is in `echo/canned.rs`; [`Echo::on`] scripts other answers by method.

mod canned;
mod reply;

use std::{
    collections::HashMap,
    convert::Infallible,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use http::{HeaderMap, Method, Request, Response};
use http_body_util::BodyExt;
use hyper::{
    body::{Bytes, Incoming},
    service::service_fn,
};
use serde_json::Value;

pub use self::reply::{Gate, Reply};
use crate::{
    listen::{Running, bind_loopback, serve_http},
    wait::until,
};

/// A scripted upstream at work; it stops when this value is dropped.
#[derive(Debug)]
pub struct Echo {
    address: SocketAddr,
    shared: Arc<Shared>,
    _running: Running,
}

/// A request as it arrived.
#[derive(Debug, Clone)]
pub struct Seen {
    /// The HTTP method.
    pub http: Method,
    /// Path and query.
    pub path: String,
    /// All headers.
    pub headers: HeaderMap,
    /// The whole body.
    pub body: Bytes,
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Vec<Seen>>,
    scripts: Mutex<HashMap<String, Script>>,
}

type Script = Arc<dyn Fn(&Seen) -> Reply + Send + Sync>;

impl Echo {
    /// Starts on an ephemeral port of the loopback interface, in the runtime of the caller.
    ///
    /// # Errors
    /// When no port is free.
    pub async fn start() -> anyhow::Result<Self> {
        let (listener, address) = bind_loopback().await?;
        let shared = Arc::new(Shared::default());
        let served = shared.clone();
        let service = service_fn(move |request| answer(served.clone(), request));
        Ok(Self {
            address,
            shared,
            _running: Running::spawn(serve_http(listener, service)),
        })
    }

    /// The endpoint, such as `http://127.0.0.1:40123/mcp`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("http://{}/mcp", self.address)
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers `method` from now on by `script`. Besides the protocol's methods there are `response` for what a client
    /// answers, and `GET` and `DELETE` for requests without a message.
    pub fn on(&self, method: &str, script: impl Fn(&Seen) -> Reply + Send + Sync + 'static) {
        let mut scripts = self.shared.scripts.lock().unwrap();
        scripts.insert(method.to_owned(), Arc::new(script));
    }

    /// Every request so far, oldest first.
    #[must_use]
    pub fn seen(&self) -> Vec<Seen> {
        self.shared.seen.lock().unwrap().clone()
    }

    /// The requests so far with this method.
    #[must_use]
    pub fn seen_of(&self, method: &str) -> Vec<Seen> {
        let mut seen = self.seen();
        seen.retain(|seen| seen.method() == method);
        seen
    }

    /// Waits until at least `count` requests with this method were seen.
    pub async fn wait_for(&self, method: &str, count: usize) -> Vec<Seen> {
        until(&format!("{count} x `{method}` upstream"), async || {
            Some(self.seen_of(method)).filter(|seen| seen.len() >= count)
        })
        .await
    }

    /// Forgets what was seen.
    pub fn forget(&self) {
        self.shared.seen.lock().unwrap().clear();
    }
}

impl Seen {
    /// The message, or `Null` when there is none.
    #[must_use]
    pub fn message(&self) -> Value {
        serde_json::from_slice(&self.body).unwrap_or_default()
    }

    /// The message's method, `response`, or the HTTP method when there is no message.
    #[must_use]
    pub fn method(&self) -> String {
        let message = self.message();
        match message["method"].as_str() {
            Some(method) => method.to_owned(),
            None if message.is_object() => "response".to_owned(),
            None => self.http.to_string(),
        }
    }

    /// A header as text.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<String> {
        let value = self.headers.get(name)?.as_bytes();
        Some(String::from_utf8_lossy(value).into_owned())
    }

    /// Whether the message is of the modern era.
    #[must_use]
    pub fn is_modern(&self) -> bool {
        self.message()["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"].is_string()
    }
}

impl std::fmt::Debug for Shared {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Shared").finish_non_exhaustive()
    }
}

async fn answer(
    shared: Arc<Shared>,
    request: Request<Incoming>,
) -> Result<Response<reply::ReplyBody>, Infallible> {
    let (head, body) = request.into_parts();
    // A body that breaks off is remembered as empty.
    let body = body
        .collect()
        .await
        .map(|b| b.to_bytes())
        .unwrap_or_default();
    let seen = Seen {
        http: head.method,
        path: head.uri.to_string(),
        headers: head.headers,
        body,
    };
    shared.seen.lock().unwrap().push(seen.clone());
    let script = shared.scripts.lock().unwrap().get(&seen.method()).cloned();
    let reply = match script {
        Some(script) => script(&seen),
        None => canned::reply(&seen),
    };
    Ok(reply.respond().await)
}
