//! The API by every credential: a session cookie, a token for it, a token of an agent, proofs that are missing or wrong.
//!
//! The routes are those of the API's own document: a route that is new has to be in the table.

use cardea_testkit::dpop::Prover;

use super::{
    deciding::{decided_by_ada, origin},
    *,
};
use crate::authorization::Browser;

/// What each credential gets: none, a cookie, a token, both at once, a token of an agent as a bearer,
/// that token with a proof; and of a token for the API: as a bearer, without a proof, with the proof of
/// another key, for another method, for another address, used before.
type Row = (&'static str, &'static str, [u16; 12]);

const READ: [u16; 12] = [401, 200, 200, 400, 401, 401, 401, 401, 401, 401, 401, 401];
const CHANGE: [u16; 12] = READ;
const MAKE: [u16; 12] = [401, 201, 201, 400, 401, 401, 401, 401, 401, 401, 401, 401];
/// Things that do not exist: what is asked is looked at only once it is known who asks.
const UNKNOWN: [u16; 12] = [401, 404, 404, 400, 401, 401, 401, 401, 401, 401, 401, 401];
/// A person does it on a page.
const PAGE: [u16; 12] = [401, 404, 403, 400, 401, 401, 401, 401, 401, 401, 401, 401];

#[rustfmt::skip]
const ROWS: &[Row] = &[
    ("get", "/api/v1/openapi.json", [200; 12]),
    ("get", "/api/v1/overview", READ),
    ("get", "/api/v1/requests", READ),
    ("post", "/api/v1/requests", MAKE),
    ("get", "/api/v1/requests/{id}", UNKNOWN),
    ("post", "/api/v1/requests/{id}/approve", PAGE),
    ("post", "/api/v1/requests/{id}/refuse", UNKNOWN),
    ("post", "/api/v1/requests/{id}/justify", UNKNOWN),
    ("post", "/api/v1/requests/{id}/cancel", UNKNOWN),
    ("get", "/api/v1/grants", READ),
    ("post", "/api/v1/grants/{id}/revoke", UNKNOWN),
    ("post", "/api/v1/grants/{id}/release", UNKNOWN),
    ("post", "/api/v1/grants/{id}/extend", UNKNOWN),
    ("post", "/api/v1/revocations", CHANGE),
    ("get", "/api/v1/reach", READ),
    ("get", "/api/v1/agents", READ),
    ("get", "/api/v1/explain", READ),
    ("get", "/api/v1/locks", READ),
    ("post", "/api/v1/locks", MAKE),
    ("delete", "/api/v1/locks/{id}", PAGE),
    ("get", "/api/v1/servers", READ),
    ("get", "/api/v1/events", READ),
];

#[derive(Debug, Clone, Copy)]
enum By {
    Nothing,
    Cookie,
    Token,
    Both,
    AgentAsBearer,
    AgentWithProof,
    AsBearer,
    NoProof,
    OtherKey,
    OtherMethod,
    OtherAddress,
    Replayed,
}

const ALL: [By; 12] = [
    By::Nothing,
    By::Cookie,
    By::Token,
    By::Both,
    By::AgentAsBearer,
    By::AgentWithProof,
    By::AsBearer,
    By::NoProof,
    By::OtherKey,
    By::OtherMethod,
    By::OtherAddress,
    By::Replayed,
];

/// Somebody with everything that they could show.
struct Visitor {
    browser: Browser,
    own: Prover,
    other: Prover,
    token: String,
    /// A token of an agent of the same person, bound to the same key.
    of_agent: String,
    nonce: String,
}

impl Visitor {
    async fn arrive(stage: &Stage, mut browser: Browser) -> Self {
        let (own, other) = (Prover::new(), Prover::new());
        let gateway = &stage.gateway;
        let token = browser.api_token(gateway, &own).await;
        let request = TokenFor {
            tenant: TENANT,
            subject: "ada",
            actor: "bot",
            jkt: Some(&own.thumbprint()),
            ..TokenFor::default()
        };
        let of_agent = gateway.token(request).await.unwrap();
        let url = format!("{}/api/v1/overview", origin(gateway));
        let asked = Ask::get("/api/v1/overview")
            .set("authorization", format!("DPoP {token}"))
            .set("dpop", own.proof("GET", &url, &token, Some("none")))
            .send(gateway.address())
            .await;
        let challenges = asked.headers.get_all("www-authenticate").iter();
        let told = challenges
            .map(|c| c.to_str().unwrap())
            .collect::<Vec<_>>()
            .join(", ");
        assert!(
            told.contains("use_dpop_nonce") && told.contains("scope=\"access\""),
            "{told}"
        );
        let nonce = asked.header("dpop-nonce").expect("a nonce");
        Self {
            browser,
            own,
            other,
            token,
            of_agent,
            nonce,
        }
    }

    async fn try_route(&self, gateway: &Gateway, method: &str, path: &str, by: By) -> Answer {
        let method = method.to_ascii_uppercase();
        let path = path.replace("{id}", "01a215b6-b238-72a4-86c8-c440fa4b120d");
        let url = format!("{}{path}", origin(gateway));
        // What it needs; a proof is over the address without it (RFC 9449, section 4.2).
        let path = match path.ends_with("/explain") {
            true => format!("{path}?subject=ada&actor=bot&upstream={UPSTREAM}&tool=delete"),
            false => path,
        };
        let nonce = Some(self.nonce.as_str());
        let dpop = |token: &str, prover: &Prover, method: &str, url: &str| {
            let proof = prover.proof(method, url, token, nonce);
            (format!("DPoP {token}"), Some(proof))
        };
        let (token, own) = (self.token.as_str(), &self.own);
        let (authorization, proof) = match by {
            By::Nothing | By::Cookie => (String::new(), None),
            By::Token | By::Both | By::Replayed => dpop(token, own, &method, &url),
            By::AgentAsBearer => (format!("Bearer {}", self.of_agent), None),
            By::AgentWithProof => dpop(&self.of_agent, own, &method, &url),
            By::AsBearer => (format!("Bearer {token}"), None),
            By::NoProof => (format!("DPoP {token}"), None),
            By::OtherKey => dpop(token, &self.other, &method, &url),
            By::OtherMethod => dpop(token, own, "PATCH", &url),
            By::OtherAddress => dpop(token, own, &method, &format!("{url}/x")),
        };
        let ask = || {
            let mut ask = match method.as_str() {
                "POST" => Ask::message(&path, &body(&path)),
                method => Ask::new(method, &path),
            };
            if !authorization.is_empty() {
                ask = ask.set("authorization", &authorization);
            }
            if let Some(proof) = &proof {
                ask = ask.set("dpop", proof);
            }
            ask
        };
        match by {
            By::Cookie | By::Both => {
                let own = ask().set("origin", origin(gateway));
                self.start(gateway, own, true).await
            }
            By::Replayed => {
                self.start(gateway, ask(), false).await;
                self.start(gateway, ask(), false).await
            }
            _ => self.start(gateway, ask(), false).await,
        }
    }

    /// A stream of events does not end by itself: its head is enough.
    async fn start(&self, gateway: &Gateway, ask: Ask, cookies: bool) -> Answer {
        let ask = match cookies {
            true => ask.set("cookie", self.browser.cookies()),
            false => ask,
        };
        let open = ask.open(gateway.address()).await;
        Answer {
            status: open.status,
            headers: open.headers.clone(),
            body: bytes::Bytes::new(),
        }
    }
}

/// What a route takes, so that only who asks matters.
fn body(path: &str) -> Value {
    match path.rsplit('/').next() {
        Some("requests") => {
            json!({ "actor": "bot", "upstream": UPSTREAM, "name": "delete", "grant": "time" })
        }
        Some("justify") => json!({ "reason": "because" }),
        Some("revocations") => json!({ "kind": "run", "name": "none", "reason": "test" }),
        Some("locks") => json!({ "kind": "run", "name": "none", "reason": "test" }),
        _ => json!({}),
    }
}

#[tokio::test]
async fn every_route_of_the_api_gives_every_credential_what_the_table_says() {
    let more = json!({ "bound_to": "agent", "kinds": ["time"] });
    let (stage, browser) = decided_by_ada(more).await;
    listed(&stage).await;
    let visitor = Visitor::arrive(&stage, browser).await;
    let mut wrong = Vec::new();
    for (method, path, expected) in ROWS {
        for (by, expected) in ALL.into_iter().zip(expected) {
            let answer = visitor.try_route(&stage.gateway, method, path, by).await;
            if answer.status != *expected {
                wrong.push(format!(
                    "{method} {path} by {by:?}: {} instead of {expected}",
                    answer.status
                ));
            }
        }
    }
    assert_eq!(wrong, Vec::<String>::new());
    sound_records(&stage.gateway);
}

#[tokio::test]
async fn the_table_has_every_route_of_the_api_and_no_other() {
    let (stage, _) = decided_by_ada(json!({})).await;
    let document = Ask::get("/api/v1/openapi.json")
        .send(stage.gateway.address())
        .await
        .json();
    let mut described = Vec::new();
    for (path, operations) in document["paths"].as_object().unwrap() {
        for method in operations.as_object().unwrap().keys() {
            described.push((method.clone(), path.clone()));
        }
    }
    let mut rows: Vec<_> = ROWS
        .iter()
        .map(|(method, path, _)| ((*method).to_owned(), (*path).to_owned()))
        .collect();
    described.sort();
    rows.sort();
    assert_eq!(described, rows);
}

#[tokio::test]
async fn a_token_for_the_api_calls_no_tool_and_whoever_tries_is_recorded() {
    let (stage, browser) = decided_by_ada(json!({})).await;
    let visitor = Visitor::arrive(&stage, browser).await;
    let url = stage.gateway.url(UPSTREAM);
    let refused = ask(&tool_call("over", json!({})))
        .set("authorization", format!("DPoP {}", visitor.token))
        .set(
            "dpop",
            visitor
                .own
                .proof("POST", &url, &visitor.token, Some(&visitor.nonce)),
        )
        .send(stage.gateway.address())
        .await;
    assert_eq!(refused.status, 401, "{}", refused.text());
    assert_eq!(refused.json()["error"]["data"]["code"], "E_TOKEN_INVALID");
    assert!(stage.echo.seen_of("tools/call").is_empty());

    // The other way round, the record names whose agent it was.
    let over = Ask::get("/api/v1/overview").bearer(&stage.token);
    assert_eq!(over.send(stage.gateway.address()).await.status, 401);
    let record = until("a record of the refusal", async || {
        let records = records_in(&stage.gateway, Some(TENANT));
        records
            .into_iter()
            .find(|r| r["event"]["name"] == "api_refused")
    })
    .await;
    let text = record.to_string();
    assert!(
        text.contains("\"ada\"") && text.contains("\"bot\""),
        "{text}"
    );
    assert!(!text.contains(&stage.token), "{text}");
}

#[tokio::test]
async fn only_a_person_with_a_key_gets_a_token_for_the_api() {
    let (stage, mut browser) = decided_by_ada(json!({})).await;
    let refused = browser.api_token_without_key(&stage.gateway).await;
    assert_eq!(refused["error"], "invalid_dpop_proof", "{refused}");
    let metadata = Ask::get("/.well-known/oauth-protected-resource/api/v1")
        .send(stage.gateway.address())
        .await
        .json();
    assert_eq!(metadata["dpop_bound_access_tokens_required"], true);
    assert_eq!(metadata["scopes_supported"], json!(["access"]));
    assert_eq!(
        metadata["resource"],
        format!("{}/api/v1", origin(&stage.gateway))
    );
}
