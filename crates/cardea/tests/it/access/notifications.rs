//! Receivers elsewhere are told: signed, of their own tenant, once, and nothing waits for them.

use std::{
    collections::HashMap,
    io::Write as _,
    process::{Command, Stdio},
    sync::atomic::{AtomicU16, Ordering},
};

use super::*;
use crate::authorization::Browser;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// A receiver, which answers with a status that can be changed.
struct Inbox {
    echo: Echo,
    status: std::sync::Arc<AtomicU16>,
}

impl Inbox {
    async fn open(status: u16) -> Self {
        let echo = Echo::start().await.unwrap();
        let status = std::sync::Arc::new(AtomicU16::new(status));
        let now = std::sync::Arc::clone(&status);
        // What a JSON object without a method is to it.
        echo.on("response", move |_| {
            Reply::bytes(now.load(Ordering::SeqCst), "text/plain", "thanks")
        });
        Self { echo, status }
    }

    fn webhook(&self) -> Value {
        let url = format!("http://{}/hook", self.echo.address());
        json!({ "webhook": { "url": url, "secret": { "env": "HOOK_SECRET" } } })
    }

    /// What came so far, by type.
    fn of(&self, kind: &str) -> Vec<Value> {
        let bodies = self.echo.seen().into_iter();
        let bodies = bodies.map(|seen| serde_json::from_slice::<Value>(&seen.body).unwrap());
        bodies.filter(|body| body["type"] == kind).collect()
    }

    async fn one(&self, kind: &str) -> Value {
        until(kind, async || self.of(kind).into_iter().next()).await
    }
}

/// Ada decides about what is asked in her own name.
async fn told(inbox: &Inbox) -> Stage {
    let entitlement = entitlement(&json!({
        "approval": [{ "subjects": ["ada"] }], "second_person": false,
    }));
    let notifications = json!({ "hook": inbox.webhook() });
    Stage::with(|setup| {
        setup
            .set("authorization_server", json!({}))
            .set(
                "tenants",
                json!({ "demo": { "notifications": notifications } }),
            )
            .set("entitlements", json!({ "delete-things": entitlement }))
            .env("HOOK_SECRET", SECRET)
    })
    .await
}

/// Once a notice to the receiver `hook` has come to this.
async fn until_counted(gateway: &Gateway, result: &str) {
    until(result, async || {
        let labels = ["receiver=\"hook\"", &format!("result=\"{result}\"")];
        let count = metric(gateway, "cardea_notifications_total", &labels).await;
        (count >= 1.0).then_some(())
    })
    .await;
}

/// The guide's own verifier, in a process of its own.
fn is_signed(seen: &Seen, body: &[u8]) -> bool {
    let page = concat!(
        env!("CARGO_MANIFEST_DIR"),
        "/../../docs/guides/notifications.md"
    );
    let page = std::fs::read_to_string(page).unwrap();
    let (_, example) = page.split_once("```python\n").unwrap();
    let (example, _) = example.split_once("```").unwrap();
    let headers: HashMap<_, _> = seen
        .headers
        .iter()
        .map(|(name, value)| (name.as_str(), value.to_str().unwrap()))
        .collect();
    let headers = serde_json::to_string(&headers).unwrap();
    let program = format!(
        "{example}\nimport json, sys\n\
         ok = is_cardeas({SECRET:?}, json.loads(sys.argv[1]), sys.stdin.buffer.read())\n\
         sys.exit(0 if ok else 3)\n"
    );
    let mut python = Command::new("python3")
        .args(["-c", &program, &headers])
        .stdin(Stdio::piped())
        .spawn()
        .unwrap();
    python.stdin.take().unwrap().write_all(body).unwrap();
    match python.wait().unwrap().code() {
        Some(0) => true,
        Some(3) => false,
        other => panic!("the example ended with {other:?}"),
    }
}

#[tokio::test]
async fn a_receiver_that_refuses_first_is_told_of_a_request_its_approval_and_its_end() {
    let inbox = Inbox::open(503).await;
    let stage = told(&inbox).await;
    let mut browser = Browser::default();
    browser.set_up(&stage.gateway).await;
    assert_eq!(browser.enter(&stage.gateway, "/console").await.status, 200);
    listed(&stage).await;
    let mut call = delete(1, json!({ "id": "not-to-be-sent" }));
    call["params"]["_meta"]["dev.cardea/reason"] =
        "<!channel> approve at https://evil.example".into();
    let refused = stage.call(&call).await.json();
    let request = deciding::request_of(&refused);

    until_counted(&stage.gateway, "retried").await;
    inbox.status.store(204, Ordering::SeqCst);
    until_counted(&stage.gateway, "delivered").await;
    let sent = inbox.echo.seen();
    assert!(sent.len() >= 2, "it was tried again");
    let (first, last) = (&sent[0], &sent[sent.len() - 1]);
    assert_eq!(first.header("webhook-id"), last.header("webhook-id"));
    assert!(is_signed(last, &last.body));
    assert!(!is_signed(last, b"{}"), "another body is not signed");

    let body: Value = serde_json::from_slice(&last.body).unwrap();
    let data = &body["data"];
    for (name, value) in [
        ("tenant", "demo"),
        ("subject", "ada"),
        ("actor", "bot"),
        ("upstream", UPSTREAM),
        ("target", "delete"),
        ("kind", "once"),
        ("request", request.as_str()),
        (
            "reason_by_model",
            "<!channel> approve at https://evil.example",
        ),
    ] {
        assert_eq!(data[name], value, "{body}");
    }
    assert_eq!(data["approvers"], json!(["one of: ada"]));
    let page = data["url"].as_str().unwrap();
    assert!(
        page.ends_with(&format!("/console/requests/{request}")),
        "{page}"
    );
    assert!(!body.to_string().contains("not-to-be-sent"), "{body}");

    // The button's page asks for a login, and looking at it decides nothing.
    let path = format!("/console/requests/{request}");
    let stranger = Browser::default()
        .exchange(&stage.gateway, Ask::get(&path))
        .await;
    assert!(stranger.status >= 300, "{}", stranger.status);
    assert_eq!(
        browser
            .exchange(&stage.gateway, Ask::get(&path))
            .await
            .status,
        200
    );
    let again = stage.call(&call).await.json();
    assert_eq!(again["result"]["isError"], true, "{again}");

    deciding::approve(&mut browser, &stage.gateway, &request).await;
    let approved = inbox.one("access.approved").await;
    assert_eq!(approved["data"]["decided_by"], json!(["person ada"]));
    let made = stage.call(&call).await.json();
    assert_ne!(made["result"]["isError"], true, "{made}");
    let ended = inbox.one("access.grant_ended").await;
    assert_eq!(ended["data"]["end_reason"], "exhausted");
}

#[tokio::test]
async fn a_request_that_still_waits_is_announced_after_a_restart_and_only_once() {
    let inbox = Inbox::open(503).await;
    let mut stage = told(&inbox).await;
    listed(&stage).await;
    let first = deciding::request_of(&stage.call(&delete(1, json!({ "id": 1 }))).await.json());
    inbox.one("access.requested").await;
    stage.gateway.kill().unwrap();
    inbox.status.store(200, Ordering::SeqCst);
    let before = inbox.echo.seen().len();
    stage.gateway.start_again().await.unwrap();
    let announced = until("the announcement", async || {
        inbox.of("access.requested").into_iter().nth(before)
    })
    .await;
    assert_eq!(announced["data"]["request"], first.as_str());
    until_counted(&stage.gateway, "delivered").await;
    stage.gateway.kill().unwrap();
    stage.gateway.start_again().await.unwrap();
    listed(&stage).await;
    let second = deciding::request_of(&stage.call(&delete(2, json!({ "id": 2 }))).await.json());
    until("the second one", async || {
        let all = inbox.of("access.requested");
        all.iter()
            .any(|body| body["data"]["request"] == second.as_str())
            .then_some(())
    })
    .await;
    let of_first = inbox
        .of("access.requested")
        .iter()
        .skip(before)
        .filter(|body| body["data"]["request"] == first.as_str())
        .count();
    assert_eq!(of_first, 1);
}

#[tokio::test]
async fn each_tenant_is_told_of_its_own_and_a_receiver_that_hangs_holds_nothing_up() {
    let (demo, other) = (Inbox::open(200).await, Inbox::open(200).await);
    // Connections to it are made, and never answered.
    let hanging = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/hook", hanging.local_addr().unwrap());
    let hang = json!({ "webhook": { "url": url, "secret": { "env": "HOOK_SECRET" } } });
    let tenants = json!({
        "demo": { "notifications": { "hook": demo.webhook(), "hangs": hang } },
        "other": { "notifications": { "hook": other.webhook() } },
    });
    let echo = Echo::start().await.unwrap();
    let upstream = json!({ "tenants": ["demo", "other"], "http": { "url": echo.url() } });
    let entitlement = entitlement(&json!({}));
    let gateway = setup()
        .set("authorization_server", json!({}))
        .set("tenants", tenants)
        .set(
            "issuers",
            json!([{ "embedded": true, "tenants": ["demo", "other"] }]),
        )
        .upstream(UPSTREAM, upstream)
        .set("entitlements", json!({ "delete-things": entitlement }))
        .env("HOOK_SECRET", SECRET)
        .start()
        .await
        .unwrap();
    for (tenant, inbox, stranger) in [("demo", &demo, &other), ("other", &other, &demo)] {
        let before = stranger.echo.seen().len();
        let token = token_of(&gateway, tenant, "ada", "bot").await;
        for message in [
            modern(1, "tools/list", json!({})),
            delete(2, json!({ "id": tenant })),
        ] {
            let asked = ask(&message).bearer(&token);
            assert_eq!(asked.send(gateway.address()).await.status, 200);
        }
        let told = inbox.one("access.requested").await;
        assert_eq!(told["data"]["tenant"], tenant);
        assert_eq!(stranger.echo.seen().len(), before);
    }
}
