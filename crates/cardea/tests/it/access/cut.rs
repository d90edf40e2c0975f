//! How long it takes until calls under way are cut, and that no client can put it off.
//!
//! `make eval-revocation` runs it with more calls, more rounds and an optimised gateway, and with a bound on the time.

#![allow(
    clippy::print_stdout,
    reason = "what was measured is for whoever asked to measure"
)]

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use cardea_testkit::http_client::Ask;
use futures_util::future::join_all;
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _, Interest},
    net::{TcpSocket, TcpStream},
};

use super::{
    deciding::{act, approve, decided_by_ada, origin, request_of},
    *,
};
use crate::authorization::Browser;

/// A number from the environment.
fn number(name: &str, default: usize) -> usize {
    let given = std::env::var(name).ok();
    given.and_then(|n| n.parse().ok()).unwrap_or(default)
}

/// Calls whose clients read nothing, in each round.
const SLOW: usize = 4;

/// More than all buffers between a server and a client hold.
const FLOOD_EVENTS: usize = 512;

/// Bytes of the server's that count how many of them are left.
struct Counted {
    text: Bytes,
    left: Arc<AtomicUsize>,
}

impl AsRef<[u8]> for Counted {
    fn as_ref(&self) -> &[u8] {
        &self.text
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.left.fetch_sub(1, Ordering::SeqCst);
    }
}

/// What ends the calls under way.
#[derive(Clone, Copy)]
enum Command {
    Revoke,
    Lock,
}

impl Command {
    fn name(self) -> &'static str {
        match self {
            Self::Revoke => "revoke",
            Self::Lock => "lock",
        }
    }
}

/// A tool whose calls wait at the gate, stream without an answer, or flood, as their arguments say.
fn scripted(echo: &Echo, gate: &Gate, left: &Arc<AtomicUsize>) {
    let (held, left) = (gate.clone(), Arc::clone(left));
    let open = std::sync::Mutex::new(Vec::new());
    let message = json!({ "jsonrpc": "2.0", "method": "notifications/message",
        "params": { "level": "info", "data": "x".repeat(64 * 1024) } });
    let flood = Bytes::from(format!("data: {message}\n\n"));
    echo.on("tools/call", move |seen| {
        let how = seen.message()["params"]["arguments"]["how"].clone();
        if how == "wait" {
            return Reply::result(seen, &json!({ "content": [] })).after(&held);
        }
        let (events, reply) = Reply::channel();
        let small = json!({ "jsonrpc": "2.0", "method": "notifications/message",
            "params": { "level": "info", "data": "begun" } });
        events
            .send(Ok(format!("data: {small}\n\n").into()))
            .unwrap();
        if how == "flood" {
            left.fetch_add(FLOOD_EVENTS, Ordering::SeqCst);
            for _ in 0..FLOOD_EVENTS {
                let part = Counted {
                    text: flood.clone(),
                    left: Arc::clone(&left),
                };
                events.send(Ok(Bytes::from_owner(part))).unwrap();
            }
        }
        open.lock().unwrap().push(events);
        reply
    });
}

/// A client that reads its head and then nothing, with a small buffer.
async fn slow(stage: &Stage, id: &str) -> TcpStream {
    let call = delete(id, json!({ "how": "flood" }));
    let socket = TcpSocket::new_v4().unwrap();
    socket.set_recv_buffer_size(4096).unwrap();
    let mut stream = socket.connect(stage.gateway.address()).await.unwrap();
    let body = call.to_string();
    let head = format!(
        "POST {PATH} HTTP/1.1\r\nhost: {}\r\nauthorization: Bearer {}\r\ncontent-type: application/json\r\naccept: application/json, \
         text/event-stream\r\nmcp-protocol-version: {MODERN}\r\nmcp-method: tools/call\r\nmcp-name: delete\r\ncontent-length: {}\r\n\r\n",
        stage.gateway.address(),
        stage.token,
        body.len(),
    );
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.write_all(body.as_bytes()).await.unwrap();
    let mut status = [0; 12];
    stream.read_exact(&mut status).await.unwrap();
    assert_eq!(&status, b"HTTP/1.1 200");
    stream
}

/// One call that a client follows to its last byte; gives when that came, and the code that it ended with.
async fn follow(ask: Ask, address: SocketAddr) -> (Instant, Value) {
    let mut open = ask.try_open(address).await.unwrap();
    let mut text = String::new();
    while let Some(chunk) = open.chunk().await.unwrap() {
        text.push_str(&String::from_utf8_lossy(&chunk));
    }
    let ended = Instant::now();
    let last = text.rsplit("data: ").next().unwrap_or_default();
    let last: Value = serde_json::from_str(last.trim()).unwrap_or_else(|e| panic!("{e}: {text}"));
    (ended, last["error"]["data"]["code"].clone())
}

struct Round<'a> {
    stage: &'a Stage,
    browser: &'a mut Browser,
    calls: usize,
    number: usize,
    left: &'a AtomicUsize,
}

impl Round<'_> {
    /// The time from the command to the last byte of each call, of those too whose clients do not read.
    async fn run(&mut self, command: Command) -> Vec<Duration> {
        let (stage, calls) = (self.stage, self.calls);
        self.have_grant().await;
        stage.echo.forget();
        let followed: Vec<_> = (0..calls)
            .map(|n| {
                let how = if n % 2 == 0 { "wait" } else { "stream" };
                let id = format!("{}-{n}", self.number);
                let ask = stage.ask(&delete(id, json!({ "how": how })));
                tokio::spawn(follow(ask, stage.gateway.address()))
            })
            .collect();
        let mut slow_ones = Vec::new();
        for n in 0..SLOW {
            slow_ones.push(slow(stage, &format!("{}-slow-{n}", self.number)).await);
        }
        stage.echo.wait_for("tools/call", calls + SLOW).await;
        self.buffers_are_full().await;

        let broken = slow_ones.into_iter().map(|stream| {
            tokio::spawn(async move {
                let what = "the end of a connection that nobody reads";
                bounded(what, stream.ready(Interest::ERROR)).await.unwrap();
                Instant::now()
            })
        });
        let broken: Vec<_> = broken.collect();
        tokio::task::yield_now().await;
        let (path, body) = self.prepare(command).await;
        let began = Instant::now();
        let said = act(self.browser, &stage.gateway, &path, body).await.json();
        let code = match command {
            Command::Revoke => "E_ACCESS_ENDED",
            Command::Lock => "E_ACCESS_LOCKED",
        };
        let mut took = Vec::new();
        for ended in join_all(followed).await {
            let (ended, said) = ended.unwrap();
            assert_eq!(said, code);
            took.push(ended.duration_since(began));
        }
        for ended in bounded("all connections", join_all(broken)).await {
            took.push(ended.unwrap().duration_since(began));
        }
        if let Command::Lock = command {
            self.put_right(&said).await;
        }
        took
    }

    async fn have_grant(&mut self) {
        let refused = self
            .stage
            .call(&delete("ask", json!({ "how": "ask" })))
            .await
            .json();
        if refused["error"].is_null() && refused["result"]["isError"] != true {
            panic!("a grant was left: {refused}");
        }
        approve(self.browser, &self.stage.gateway, &request_of(&refused)).await;
    }

    /// Until the server has stopped to send, since nobody takes it.
    async fn buffers_are_full(&self) {
        let (mut before, mut same) = (usize::MAX, 0);
        until("full buffers", async || {
            let left = self.left.load(Ordering::SeqCst);
            same = if left == before { same + 1 } else { 0 };
            before = left;
            (same >= 20).then_some(())
        })
        .await;
        assert!(before > 0, "the flood was too short to fill all buffers");
    }

    /// What the console's API is asked to do.
    async fn prepare(&mut self, command: Command) -> (String, Value) {
        match command {
            Command::Revoke => {
                let path = self.active_grant().await;
                (path, json!({ "reason": "enough" }))
            }
            Command::Lock => {
                let lock = json!({ "kind": "tenant", "reason": "stop" });
                ("/api/v1/locks".to_owned(), lock)
            }
        }
    }

    /// The path by which the one grant that is active is revoked.
    async fn active_grant(&mut self) -> String {
        let active = "/api/v1/grants?state=active";
        let grants = self.browser.get(&self.stage.gateway, active).await.json();
        let grant = grants["items"][0]["id"].as_str();
        let grant = grant.unwrap_or_else(|| panic!("{grants}"));
        format!("/api/v1/grants/{grant}/revoke")
    }

    /// Lifts the lock, and ends the grant that can be used again.
    async fn put_right(&mut self, lock: &Value) {
        let gateway = &self.stage.gateway;
        let id = lock["id"].as_str().unwrap_or_else(|| panic!("{lock}"));
        let path = format!("/api/v1/locks/{id}");
        let lift = Ask::new("DELETE", &path).set("origin", origin(gateway));
        let lifted = self.browser.exchange(gateway, lift).await;
        assert!(lifted.status < 300, "{} {}", lifted.status, lifted.text());
        let path = self.active_grant().await;
        act(self.browser, gateway, &path, json!({ "reason": "next" })).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_command_cuts_every_call_under_way_also_those_whose_clients_do_not_read() {
    let calls = number("CARDEA_REVOCATION_CALLS", 24);
    let rounds = number("CARDEA_REVOCATION_ROUNDS", 1);
    let (stage, mut browser) = decided_by_ada(json!({ "kinds": ["time"] })).await;
    listed(&stage).await;
    let (gate, left) = (Gate::closed(), Arc::<AtomicUsize>::default());
    scripted(&stage.echo, &gate, &left);
    let mut all = Vec::new();
    for command in [Command::Revoke, Command::Lock] {
        let mut took = Vec::new();
        for number in 0..rounds {
            let mut round = Round {
                stage: &stage,
                browser: &mut browser,
                calls,
                number,
                left: &left,
            };
            took.extend(round.run(command).await);
        }
        took.sort();
        println!("{:6}  {}", command.name(), figures(&took));
        all.extend(took);
    }
    gate.open();
    all.sort();
    let worst = at(&all, 99);
    println!(
        "{}",
        json!({ "calls": calls, "unread": SLOW, "rounds": 2 * rounds, "measured": all.len(), "p50_ms": ms(at(&all, 50)),
            "p99_ms": ms(worst), "max_ms": ms(all[all.len() - 1]) })
    );
    let bound = number("CARDEA_REVOCATION_P99_MS", 10_000);
    assert!(
        worst < Duration::from_millis(bound as u64),
        "p99 is {worst:?}"
    );
    sound_records(&stage.gateway);
}

fn figures(sorted: &[Duration]) -> String {
    let (p50, p99) = (ms(at(sorted, 50)), ms(at(sorted, 99)));
    format!("{} calls  p50 {p50:.1} ms  p99 {p99:.1} ms", sorted.len())
}

/// The value that so many in a hundred are not above.
fn at(sorted: &[Duration], percent: usize) -> Duration {
    sorted[(sorted.len() * percent).div_ceil(100).saturating_sub(1)]
}

fn ms(duration: Duration) -> f64 {
    (duration.as_secs_f64() * 10_000.0).round() / 10.0
}
