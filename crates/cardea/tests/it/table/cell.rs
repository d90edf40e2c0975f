//! One cell of the table: sending it, and what is expected of it.

use std::{
    fmt,
    sync::atomic::{AtomicU64, Ordering},
};

use cardea_testkit::{
    dpop::Prover,
    identity_provider::{IdentityProvider, Key, unix_s, unsigned},
};

use super::{
    Token,
    rows::{Fate, Row, Shape},
};
use crate::{binding, support::*};

/// To Ada everything is permitted at the upstream of her tenant, to everybody of the other tenant everything anywhere.
const POLICY: &str = r#"
    @id("ada") permit(
        principal in Cardea::Subject::"demo/ada",
        action,
        resource
    );
    @id("globex") permit(principal in Cardea::Tenant::"globex", action, resource);
"#;

/// A gateway of two tenants that trusts two identity providers, one of which is down; the upstream is of the first tenant.
pub(super) struct Stand {
    pub(super) echo: Echo,
    gateway: Gateway,
    idp: IdentityProvider,
    /// Another one, which has never answered.
    away: IdentityProvider,
    stranger: Key,
    prover: Prover,
    thief: Prover,
    nonce: String,
    runs: AtomicU64,
}

/// A method in an era with a token.
pub(super) struct Cell {
    pub(super) row: &'static Row,
    pub(super) is_modern: bool,
    pub(super) token: Token,
}

/// What became of a cell.
pub(super) struct Found {
    pub(super) answer: Answer,
    /// The call's id, as the records have it.
    pub(super) call: String,
    records: Vec<Value>,
}

impl Stand {
    pub(super) async fn start() -> Self {
        let echo = Echo::start().await.unwrap();
        let idp = IdentityProvider::start().await.unwrap();
        let away = IdentityProvider::start().await.unwrap();
        away.down(true);
        let gateway = setup()
            .tenant("globex")
            .set("issuers", json!([idp.entry(), away.entry()]))
            .http_upstream(UPSTREAM, &echo.url())
            .policy(POLICY)
            .start()
            .await
            .unwrap();
        let prover = Prover::new();
        let mut stand = Self {
            echo,
            gateway,
            stranger: Key::es256("stranger"),
            prover,
            thief: Prover::new(),
            nonce: String::new(),
            idp,
            away,
            runs: AtomicU64::new(1),
        };
        let token = stand.token(Token::Bound).unwrap_or_default();
        stand.nonce = binding::nonce(&stand.gateway, &stand.prover, &token).await;
        stand
    }

    pub(super) async fn run(&self, cell: &Cell) -> Found {
        self.run_at(cell, PATH).await
    }

    pub(super) async fn run_at(&self, cell: &Cell, path: &str) -> Found {
        let run = self.runs.fetch_add(1, Ordering::Relaxed);
        // By its trace a call is found whose answer names no call id.
        let trace = format!("{run:032x}");
        let mut ask = cell
            .ask(path)
            .set("traceparent", format!("00-{trace}-00000000000000ff-01"));
        if let Some(token) = self.token(cell.token) {
            ask = self.present(ask, cell, path, &token);
        }
        let answer = ask.send(self.gateway.address()).await;
        let named = answer.json()["error"]["data"]["call"]
            .as_str()
            .map(str::to_owned);
        let records = records(&self.gateway);
        let of_trace = |record: &&Value| record["trace"] == *trace;
        let call = named
            .or_else(|| Some(records.iter().find(of_trace)?["call"].as_str()?.to_owned()))
            .unwrap_or_else(|| panic!("{cell}: no record; {} {}", answer.status, answer.text()));
        Found {
            records: records.into_iter().filter(|r| r["call"] == *call).collect(),
            answer,
            call,
        }
    }

    fn token(&self, token: Token) -> Option<String> {
        let audience = self.gateway.url(UPSTREAM);
        let mut claims = self.idp.claims(TENANT, "ada", &audience);
        Some(match token {
            Token::None => return None,
            Token::Expired => {
                claims["iat"] = (unix_s() - 700).into();
                claims["exp"] = (unix_s() - 100).into();
                self.idp.token(&claims)
            }
            Token::WrongAudience => {
                claims["aud"] = "https://elsewhere.example/mcp/echo".into();
                self.idp.token(&claims)
            }
            Token::WrongIssuer => {
                claims["iss"] = "https://elsewhere.example".into();
                self.stranger.token(&claims)
            }
            Token::AlgNone => unsigned(&json!({ "alg": "none", "typ": "at+jwt" }), &claims),
            Token::IssuerAway => self.away.token(&self.away.claims(TENANT, "ada", &audience)),
            Token::OtherTenant => self
                .idp
                .token(&self.idp.claims("globex", "eve", &self.any())),
            Token::NotPermitted => self.idp.token(&self.idp.claims(TENANT, "bob", &self.any())),
            Token::Permitted => self.idp.token(&claims),
            Token::Bound | Token::BoundAsBearer | Token::BoundByOther => {
                claims["cnf"] = json!({ "jkt": self.prover.thumbprint() });
                self.idp.token(&claims)
            }
        })
    }

    fn present(&self, ask: Ask, cell: &Cell, path: &str, token: &str) -> Ask {
        let prover = match cell.token {
            Token::Bound => &self.prover,
            Token::BoundByOther => &self.thief,
            _ => return ask.bearer(token),
        };
        let method = match cell.row.shape {
            Shape::Bare(method) => method,
            _ => "POST",
        };
        let url = format!("http://{}{path}", self.gateway.address());
        ask.set("authorization", format!("DPoP {token}"))
            .set("dpop", prover.proof(method, &url, token, Some(&self.nonce)))
    }

    /// The audience of tokens that are good for every upstream.
    fn any(&self) -> String {
        format!("http://{}/mcp", self.gateway.address())
    }
}

impl Cell {
    fn ask(&self, path: &str) -> Ask {
        if let Shape::Bare(method) = self.row.shape {
            let version = if self.is_modern { MODERN } else { LEGACY };
            return Ask::new(method, path)
                .set("accept", "text/event-stream")
                .set("mcp-protocol-version", version);
        }
        let message = self.row.message(ID, self.is_modern);
        if self.is_modern {
            Ask::modern(path, &message).set("mcp-protocol-version", MODERN)
        } else {
            Ask::message(path, &message).set("mcp-protocol-version", LEGACY)
        }
    }

    /// Whether it goes upstream.
    pub(super) fn is_served(&self) -> bool {
        let refused = matches!(self.row.fate(self.is_modern), Fate::Refused(..));
        matches!(self.token, Token::Permitted | Token::Bound) && !refused
    }

    /// Whether the policies say no to it; what does not exist for the tenant they are not asked about.
    fn is_decided(&self) -> bool {
        let refused = matches!(self.row.fate(self.is_modern), Fate::Refused(..));
        self.token == Token::NotPermitted && !refused
    }

    /// Everything that is not as the table says.
    pub(super) fn mistakes(&self, found: &Found) -> Vec<String> {
        let mut differ = Differ(self, Vec::new());
        match self.expected() {
            Expected::Served(fate) => differ.served(fate, found),
            Expected::Refused(refusal) => differ.refused(&refusal, found),
        }
        differ.1
    }

    fn expected(&self) -> Expected {
        let fate = self.row.fate(self.is_modern);
        let unauthorized = |code| Refusal {
            status: 401,
            rpc: -31403,
            code,
            id: Value::Null,
        };
        Expected::Refused(match (self.token, fate) {
            (Token::None, _) => unauthorized("E_TOKEN_MISSING"),
            (Token::Expired, _) => unauthorized("E_TOKEN_EXPIRED"),
            (Token::WrongAudience | Token::WrongIssuer | Token::AlgNone, _) => {
                unauthorized("E_TOKEN_INVALID")
            }
            (Token::IssuerAway, _) => Refusal {
                status: 503,
                rpc: -31503,
                code: "E_ISSUER_UNREACHABLE",
                id: Value::Null,
            },
            (Token::BoundAsBearer | Token::BoundByOther, _) => unauthorized("E_TOKEN_BINDING"),
            // What the era does not have is so for everybody.
            (_, Fate::Refused(status, rpc, code)) => Refusal {
                status,
                rpc,
                code,
                id: self.id(),
            },
            (Token::Permitted | Token::Bound, fate) => return Expected::Served(fate),
            (Token::OtherTenant | Token::NotPermitted, _) => self.not_permitted(),
        })
    }

    /// A refusal without an id to answer to has to be told by the status.
    fn not_permitted(&self) -> Refusal {
        let is_extension = self.row.name.contains("acme");
        let (status, rpc, code) = match (is_extension, self.is_modern) {
            (true, true) => (404, -32601, "E_METHOD_UNKNOWN"),
            (true, false) => (200, -32601, "E_METHOD_UNKNOWN"),
            (false, _) => (200, -31403, "E_POLICY_DENIED"),
        };
        let status = match (status, self.row.shape) {
            (200, Shape::Request) => 200,
            (200, _) => 403,
            (status, _) => status,
        };
        Refusal {
            status,
            rpc,
            code,
            id: self.id(),
        }
    }

    /// Only a request is answered under its id: the id of a response is the server's.
    fn id(&self) -> Value {
        match self.row.shape {
            Shape::Request => ID.into(),
            _ => Value::Null,
        }
    }
}

/// The JSON-RPC id of every message.
const ID: &str = "cell";

enum Expected {
    Served(Fate),
    Refused(Refusal),
}

struct Refusal {
    status: u16,
    rpc: i64,
    code: &'static str,
    id: Value,
}

/// Gathers what differs.
struct Differ<'a>(&'a Cell, Vec<String>);

impl Differ<'_> {
    fn check(&mut self, what: &str, found: impl Into<Value>, expected: impl Into<Value>) {
        let (found, expected) = (found.into(), expected.into());
        if found != expected {
            let cell = self.0;
            self.1
                .push(format!("{cell}: {what} is {found}, not {expected}"));
        }
    }

    fn refused(&mut self, expected: &Refusal, found: &Found) {
        let body = found.answer.json();
        self.check("the status", found.answer.status, expected.status);
        self.check(
            "the JSON-RPC code",
            body["error"]["code"].clone(),
            expected.rpc,
        );
        self.check(
            "the code",
            body["error"]["data"]["code"].clone(),
            expected.code,
        );
        self.check("the id", body["id"].clone(), expected.id.clone());
        let challenged = found.answer.headers.contains_key("www-authenticate");
        self.check("a challenge", challenged, expected.status == 401);
        self.check("the number of records", found.records.len(), 1);
        let record = found.records.first().cloned().unwrap_or_default();
        self.check("the record's kind", record["kind"].clone(), "denial");
        self.check(
            "the record's code",
            record["denial"]["code"].clone(),
            expected.code,
        );
        self.check(
            "the decision",
            record["decision"].clone(),
            match self.0.is_decided() {
                true => json!({"effect": "deny", "policies": [], "epoch": 1}),
                false => Value::Null,
            },
        );
        self.check(
            "the decision's time",
            record["decision_us"].is_u64(),
            self.0.is_decided(),
        );
        let subject = match self.0.token {
            Token::OtherTenant => json!("eve"),
            Token::NotPermitted => json!("bob"),
            // A wrong audience is that of a good token, though not for this.
            Token::Permitted | Token::Bound | Token::WrongAudience => json!("ada"),
            // Who somebody says to be without a good token is not recorded as if it were known.
            _ => Value::Null,
        };
        self.check("the record's subject", record["subject"].clone(), subject);
    }

    fn served(&mut self, fate: Fate, found: &Found) {
        let answer = &found.answer;
        let (status, word) = match fate {
            Fate::Result => (200, "result"),
            Fate::Accepted => (202, "accepted"),
            Fate::Ended => (200, "accepted"),
            Fate::Stream => (200, "closed"),
            Fate::Refused(..) => unreachable!("`expected` made it a refusal"),
        };
        self.check("the status", answer.status, status);
        if fate == Fate::Result {
            self.check("the id", answer.json()["id"].clone(), ID);
            self.check("a result", answer.json()["result"].is_object(), true);
        } else if fate == Fate::Stream {
            self.check("events", answer.events().len(), 1);
        } else {
            self.check("the body", answer.text(), "");
        }
        let kinds: Vec<&str> = found
            .records
            .iter()
            .filter_map(|r| r["kind"].as_str())
            .collect();
        let expected: &[&str] = match self.0.row.intent {
            true => &["intent", "outcome"],
            false => &["outcome"],
        };
        self.check("the records", json!(kinds), json!(expected));
        let outcome = found.records.last().cloned().unwrap_or_default();
        self.check("the outcome", outcome["response"]["outcome"].clone(), word);
        self.check(
            "the recorded status",
            outcome["response"]["status"].clone(),
            status,
        );
        self.check(
            "the decision",
            outcome["decision"].clone(),
            json!({"effect": "permit", "policies": ["ada"], "epoch": 1}),
        );
        for record in &found.records {
            self.check("the decision's time", record["decision_us"].is_u64(), true);
        }
        self.check("the subject", outcome["subject"].clone(), "ada");
        self.check("the actor", outcome["actor"].clone(), "bot");
        self.check("the tenant", outcome["tenant"].clone(), TENANT);
        self.check("the upstream", outcome["upstream"].clone(), UPSTREAM);
        self.check("the method", outcome["method"].clone(), self.0.row.name);
    }
}

impl fmt::Display for Cell {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let era = if self.is_modern { "modern" } else { "legacy" };
        write!(f, "{} ({era}) x {:?}", self.row.name, self.token)
    }
}
