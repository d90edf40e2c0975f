//! Random traffic that one seed makes: every method of both eras, sessions, streams, cursors, mistakes.
//!
//! A [`Step`] says what is sent; whoever takes it, a [`Client`] of either tenant, sends the same bytes but for its token
//! and what the gateway gave it.

use std::collections::HashMap;

use super::mask::mask;
use crate::{
    support::*,
    table::{ROWS, Shape},
};

/// One thing that a client does.
#[derive(Debug, Clone)]
pub(super) enum Step {
    /// A row of the table of methods.
    Row {
        row: usize,
        is_modern: bool,
        upstream: &'static str,
        id: u64,
    },
    /// A tool, in either era.
    Tool {
        name: &'static str,
        is_modern: bool,
        upstream: &'static str,
        id: u64,
        token: u64,
    },
    /// A list from a cursor.
    List {
        cursor: &'static str,
        is_modern: bool,
        upstream: &'static str,
    },
    /// A tool whose definition may ask for a header, without that header.
    Mirrored { upstream: &'static str },
    /// The handshake; the session is used from then on.
    Open { upstream: &'static str },
    /// The session's own stream, read to its end; or from its last position on.
    Stream {
        upstream: &'static str,
        resumes: bool,
    },
    /// A stream that the client leaves after its first event.
    Leave { upstream: &'static str },
    /// A tool of the process that the gateway starts.
    Process {
        tool: &'static str,
        value: u64,
        id: u64,
    },
    /// What cannot be right.
    Wrong(Wrong),
    /// New policies of the tenant's own, put in place.
    Reload,
}

/// A request that is refused.
#[derive(Debug, Clone, Copy)]
pub(super) enum Wrong {
    Token,
    NoToken,
    /// A session of the other tenant's, or none that anybody has.
    Session,
    /// A stream from a position of the other tenant's, or none that anybody has.
    Position,
    Body,
    /// An upstream that nobody has.
    Nowhere,
    /// An upstream that the other tenant alone has.
    Foreign,
    Version,
}

/// A source of numbers that a seed determines (splitmix64).
#[derive(Debug)]
pub(super) struct Dice(pub(super) u64);

impl Dice {
    pub(super) fn below(&mut self, bound: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((z ^ (z >> 31)) % bound as u64).unwrap()
    }

    fn pick<T: Copy>(&mut self, among: &[T]) -> T {
        among[self.below(among.len())]
    }

    fn small(&mut self) -> u64 {
        self.below(4) as u64
    }
}

const TOOLS: [&str; 7] = [
    "echo", "secret", "delete", "fail", "progress", "region", "unknown",
];

/// The steps of one seed. Each kind is there, however the dice fall.
pub(super) fn plan(dice: &mut Dice, steps: usize) -> Vec<Step> {
    let mut plan = Vec::new();
    for row in 0..ROWS.len() {
        for is_modern in [false, true] {
            plan.push(Step::Row {
                row,
                is_modern,
                upstream: dice.pick(&["tickets", "files"]),
                id: dice.small(),
            });
        }
    }
    while plan.len() < steps {
        plan.push(step(dice));
    }
    // A shuffle that the seed determines (Fisher and Yates).
    for last in (1..plan.len()).rev() {
        let other = dice.below(last + 1);
        plan.swap(last, other);
    }
    // What the other tenant lists in between is not to change what this one knows of its tools.
    for upstream in ["files", "tickets"] {
        plan.push(Step::List {
            cursor: "",
            is_modern: true,
            upstream,
        });
        plan.push(Step::Mirrored { upstream });
    }
    // What the other tenant was given is worth what is made up.
    for upstream in ["tickets", "files"] {
        plan.push(Step::Open { upstream });
        plan.push(Step::Stream {
            upstream,
            resumes: false,
        });
    }
    plan.extend([Wrong::Session, Wrong::Position, Wrong::Foreign].map(Step::Wrong));
    plan
}

fn step(dice: &mut Dice) -> Step {
    let upstream = dice.pick(&["tickets", "files"]);
    let is_modern = dice.below(2) == 0;
    match dice.below(20) {
        0..=4 => Step::Tool {
            name: dice.pick(&TOOLS),
            is_modern,
            upstream,
            id: dice.small(),
            token: dice.small(),
        },
        5 | 6 => Step::List {
            cursor: dice.pick(&["", "page-2"]),
            is_modern,
            upstream,
        },
        7 => Step::Mirrored { upstream },
        8 | 9 => Step::Open { upstream },
        10 | 11 => Step::Stream {
            upstream,
            resumes: dice.below(2) == 0,
        },
        12 => Step::Leave { upstream },
        13..=15 => Step::Process {
            tool: dice.pick(&["remember", "recall", "slow", "echo", "region"]),
            value: dice.small(),
            id: dice.small(),
        },
        16..=18 => Step::Wrong(dice.pick(&[
            Wrong::Token,
            Wrong::NoToken,
            Wrong::Session,
            Wrong::Position,
            Wrong::Body,
            Wrong::Nowhere,
            Wrong::Foreign,
            Wrong::Version,
        ])),
        _ => Step::Reload,
    }
}

/// A caller of one tenant, with what the gateway gave it.
#[derive(Debug, Clone)]
pub(super) struct Client {
    address: std::net::SocketAddr,
    token: String,
    /// Told apart from other tenants' in what it says of itself.
    name: &'static str,
    sessions: HashMap<&'static str, String>,
    positions: HashMap<&'static str, String>,
    /// A session and a position of the other tenant's at `tickets`.
    foreign: [Option<String>; 2],
}

impl Client {
    pub(super) fn new(gateway: &Gateway, token: String, name: &'static str) -> Self {
        Self {
            address: gateway.address(),
            token,
            name,
            sessions: HashMap::new(),
            positions: HashMap::new(),
            foreign: [None, None],
        }
    }

    /// Gets to know what the other tenant's client was given.
    pub(super) fn learn(&mut self, other: &Self) {
        self.foreign =
            [&other.sessions, &other.positions].map(|given| given.get("tickets").cloned());
    }

    /// Takes a step; gives what came back, without what is random by design.
    pub(super) async fn take(&mut self, step: &Step) -> String {
        let answer = match step {
            Step::Open { upstream } => {
                let answer = self.send(self.ask(step)).await;
                if let Some(session) = answer.header("mcp-session-id") {
                    self.sessions.insert(upstream, session);
                }
                answer
            }
            Step::Stream { upstream, .. } => {
                let answer = self.send(self.ask(step)).await;
                let text = answer.text();
                let last = text
                    .lines()
                    .rev()
                    .find_map(|line| line.strip_prefix("id: "));
                if let Some(position) = last {
                    self.positions.insert(upstream, position.to_owned());
                }
                answer
            }
            Step::Leave { .. } => {
                let mut open = self.ask(step).open(self.address).await;
                let event = open.event_text().await.unwrap();
                return self.masked(open.status, &open.headers, &event.unwrap_or_default());
            }
            _ => self.send(self.ask(step)).await,
        };
        self.masked(answer.status, &answer.headers, &answer.text())
    }

    async fn send(&self, ask: Ask) -> Answer {
        ask.send(self.address).await
    }

    fn masked(&self, status: u16, headers: &http::HeaderMap, body: &str) -> String {
        let mut lines: Vec<String> = headers
            .iter()
            .filter(|(name, _)| *name != "date")
            .map(|(name, value)| {
                let sealed = name == "mcp-session-id";
                let value = if sealed {
                    "<sealed>"
                } else {
                    value.to_str().unwrap()
                };
                format!("{name}: {value}")
            })
            .collect();
        lines.sort();
        let text = format!("{status}\n{}\n\n{body}", lines.join("\n"));
        mask(&text, &self.address.to_string())
    }

    fn ask(&self, step: &Step) -> Ask {
        let path = |upstream: &str| format!("/mcp/{upstream}");
        match step {
            Step::Row {
                row,
                is_modern,
                upstream,
                id,
            } => {
                let (row, version) = (&ROWS[*row], if *is_modern { MODERN } else { LEGACY });
                let path = path(upstream);
                let ask = match row.shape {
                    Shape::Bare(method) => {
                        Ask::new(method, &path).set("accept", "text/event-stream")
                    }
                    _ => {
                        let message = row.message(&id.to_string(), *is_modern);
                        match is_modern {
                            true => Ask::modern(&path, &message),
                            false => Ask::message(&path, &message),
                        }
                    }
                };
                self.own(ask.set("mcp-protocol-version", version))
            }
            Step::Tool {
                name,
                is_modern,
                upstream,
                id,
                token,
            } => {
                let params = json!({
                    "name": name,
                    "arguments": {"of": self.name},
                    "_meta": {"progressToken": token},
                });
                self.message(
                    &path(upstream),
                    *is_modern,
                    *id,
                    "tools/call",
                    params,
                    upstream,
                )
            }
            Step::List {
                cursor,
                is_modern,
                upstream,
            } => {
                let params = match *cursor {
                    "" => json!({}),
                    cursor => json!({"cursor": cursor}),
                };
                self.message(
                    &path(upstream),
                    *is_modern,
                    7,
                    "tools/list",
                    params,
                    upstream,
                )
            }
            Step::Mirrored { upstream } => {
                let params = json!({"name": "region", "arguments": {"name": "west"}});
                self.message(&path(upstream), true, 7, "tools/call", params, upstream)
            }
            Step::Open { upstream } => {
                let client = json!({"name": "c", "version": "1"});
                let params =
                    json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client});
                let message = legacy(1, "initialize", params);
                self.own(Ask::message(&path(upstream), &message))
            }
            Step::Stream { upstream, resumes } => {
                let ask = self.stream(upstream);
                match self.positions.get(upstream).filter(|_| *resumes) {
                    Some(position) => ask.set("last-event-id", position),
                    None => ask,
                }
            }
            Step::Leave { upstream } => self.stream(upstream),
            Step::Process { tool, value, id } => {
                let arguments = json!({"value": format!("{} {value}", self.name), "ms": 30});
                let params = json!({
                    "name": tool,
                    "arguments": arguments,
                    "_meta": {"progressToken": id},
                });
                self.message("/mcp/notes", true, *id, "tools/call", params, "")
            }
            Step::Wrong(wrong) => self.wrong(*wrong),
            Step::Reload => unreachable!("not sent"),
        }
    }

    fn message(
        &self,
        path: &str,
        is_modern: bool,
        id: u64,
        method: &str,
        params: Value,
        upstream: &str,
    ) -> Ask {
        if is_modern {
            return self.own(Ask::modern(path, &modern(id, method, params)));
        }
        let ask = Ask::message(path, &legacy(id, method, params));
        let ask = self.own(ask.set("mcp-protocol-version", LEGACY));
        match self.sessions.get(upstream) {
            Some(session) => ask.set("mcp-session-id", session),
            None => ask,
        }
    }

    fn stream(&self, upstream: &str) -> Ask {
        let ask = Ask::get(&format!("/mcp/{upstream}"))
            .set("accept", "text/event-stream")
            .set("mcp-protocol-version", LEGACY);
        match self.sessions.get(upstream) {
            Some(session) => self.own(ask.set("mcp-session-id", session)),
            None => self.own(ask),
        }
    }

    fn wrong(&self, wrong: Wrong) -> Ask {
        let call = tool_call(3, json!({"of": self.name}));
        let tickets = Ask::modern("/mcp/tickets", &call);
        match wrong {
            Wrong::Token => tickets.bearer("not-a-token"),
            Wrong::NoToken => tickets,
            Wrong::Session => {
                let list = Ask::message("/mcp/tickets", &legacy(3, "tools/list", json!({})));
                let list = list.set("mcp-protocol-version", LEGACY);
                let session = self.foreign[0].as_deref().unwrap_or("not-a-session");
                self.own(list.set("mcp-session-id", session))
            }
            Wrong::Position => {
                let position = self.foreign[1].as_deref().unwrap_or("not-a-position");
                self.stream("tickets").set("last-event-id", position)
            }
            Wrong::Body => self.own(tickets.body("{")),
            Wrong::Nowhere => self.own(Ask::modern("/mcp/nowhere", &call)),
            Wrong::Foreign => self.own(Ask::modern("/mcp/vault", &call)),
            Wrong::Version => self.own(tickets.set("mcp-protocol-version", "2031-01-01")),
        }
    }

    fn own(&self, ask: Ask) -> Ask {
        ask.bearer(&self.token)
    }

    /// A call that the other tenant's server answers only once it may.
    pub(super) fn hold(&self, id: u64) -> Ask {
        let params = json!({"name": "hold", "arguments": {"of": self.name}});
        self.message("/mcp/files", true, id, "tools/call", params, "files")
    }

    /// A subscription that begins only once it may; it is a stream all the time.
    pub(super) fn hold_stream(&self, id: u64) -> Ask {
        let params = json!({"notifications": {"toolsListChanged": true}, "hold": true});
        self.message(
            "/mcp/files",
            true,
            id,
            "subscriptions/listen",
            params,
            "files",
        )
    }
}
