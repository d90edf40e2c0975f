//! What the modules share: a gateway with an upstream behind it, messages of both eras, the audit records.
//!
//! [`Stage::start`] gives a running gateway that permits everything, an [`Echo`] behind it as [`UPSTREAM`], and a
//! token; [`Stage::with`] changes the set-up before. Requests are [`Ask`]s, sent to `stage.gateway.address()`.

use std::{
    fs,
    path::{Path, PathBuf},
};

use cardea_audit::{Partition, verify};
pub(crate) use cardea_testkit::{
    cardea::{Gateway, Setup, TENANT, TokenFor},
    echo::{Echo, Gate, Reply, Seen},
    http_client::{Answer, Ask, Open, exchange},
    wait::{DEADLINE, bounded, lived, until, until_within},
};
pub(crate) use serde_json::{Value, json};

/// The id of the [`Echo`] on a [`Stage`].
pub(crate) const UPSTREAM: &str = "echo";

/// Where clients of [`UPSTREAM`] send their messages.
pub(crate) const PATH: &str = "/mcp/echo";

/// Everything, by a policy with an id.
pub(crate) const PERMIT_ALL: &str = r#"@id("permit-all") permit(principal, action, resource);"#;

/// The version of the modern era.
pub(crate) const MODERN: &str = "2026-07-28";

/// The last version of the legacy era.
pub(crate) const LEGACY: &str = "2025-11-25";

/// A set-up that starts the binary that was built with these tests, or the one in `CARDEA_BIN`.
pub(crate) fn setup() -> Setup {
    match std::env::var_os("CARDEA_BIN") {
        Some(_) => Setup::new(),
        None => Setup::new().binary(binary()),
    }
}

/// The binary that was built with these tests.
pub(crate) fn binary() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_cardea"))
}

/// A gateway with one upstream behind it, and a token of Ada's agent for it.
pub(crate) struct Stage {
    pub(crate) echo: Echo,
    pub(crate) gateway: Gateway,
    pub(crate) token: String,
}

impl Stage {
    /// Everything is permitted.
    pub(crate) async fn start() -> Self {
        Self::with(|setup| setup.policy(PERMIT_ALL)).await
    }

    /// With a changed set-up; without a policy in it nothing is permitted.
    pub(crate) async fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let echo = Echo::start().await.unwrap();
        let setup = setup().http_upstream(UPSTREAM, &echo.url());
        let gateway = change(setup).start().await.unwrap();
        let token = token(&gateway, "ada", "bot").await;
        Self {
            echo,
            gateway,
            token,
        }
    }

    /// A message for [`UPSTREAM`] with the token, in the era that the message is of.
    pub(crate) fn ask(&self, message: &Value) -> Ask {
        ask(message).bearer(&self.token)
    }

    /// Sends a message and waits for the whole answer.
    pub(crate) async fn call(&self, message: &Value) -> Answer {
        self.ask(message).send(self.gateway.address()).await
    }

    /// Every audit record so far, oldest first.
    pub(crate) fn records(&self) -> Vec<Value> {
        records(&self.gateway)
    }

    /// The record of this kind (`intent`, `outcome`, `denial`, `event`) of a call, once it is there.
    pub(crate) async fn record(&self, kind: &str, call: &str) -> Value {
        record(&self.gateway, kind, call).await
    }

    /// The record of this kind of the call with this JSON-RPC id, once it is there.
    pub(crate) async fn record_by_id(&self, kind: &str, id: &Value) -> Value {
        until(&format!("a record `{kind}` of request {id}"), async || {
            self.records()
                .into_iter()
                .find(|record| record["kind"] == kind && record["id"] == *id)
        })
        .await
    }
}

/// A token for [`TENANT`], good for ten minutes and every upstream.
/// What a server got over HTTP, under the id that its client gave it, as that spelt it.
pub(crate) fn as_sent(arrived: &[u8], raw_id: &str) -> String {
    let text = std::str::from_utf8(arrived).unwrap();
    let message: Value = serde_json::from_str(text).unwrap();
    let id = message["id"].to_string();
    assert!(
        id.starts_with("\"g") && id != raw_id,
        "no id of the gateway's own: {text}"
    );
    text.replacen(&id, raw_id, 1)
}

pub(crate) async fn token(gateway: &Gateway, subject: &str, actor: &str) -> String {
    token_of(gateway, TENANT, subject, actor).await
}

/// A token for any tenant of the configuration.
pub(crate) async fn token_of(
    gateway: &Gateway,
    tenant: &str,
    subject: &str,
    actor: &str,
) -> String {
    let request = TokenFor {
        tenant,
        subject,
        actor,
        ..TokenFor::default()
    };
    gateway.token(request).await.unwrap()
}

/// A message for [`UPSTREAM`], in the era that the message is of.
pub(crate) fn ask(message: &Value) -> Ask {
    let meta = &message["params"]["_meta"]["io.modelcontextprotocol/protocolVersion"];
    if meta.is_string() {
        Ask::modern(PATH, message)
    } else {
        Ask::message(PATH, message).set("mcp-protocol-version", LEGACY)
    }
}

/// A request of the legacy era.
pub(crate) fn legacy<I: Into<Value>>(id: I, method: &str, params: Value) -> Value {
    json!({ "jsonrpc": "2.0", "id": id.into(), "method": method, "params": params })
}

/// The handshake of the era with sessions, from a client that offers nothing.
pub(crate) fn initialize<I: Into<Value>>(id: I) -> Value {
    let client = json!({"name": "c", "version": "1"});
    let params = json!({"protocolVersion": LEGACY, "capabilities": {}, "clientInfo": client});
    legacy(id, "initialize", params)
}

/// A request of the modern era, with the metadata that each one carries.
pub(crate) fn modern<I: Into<Value>>(id: I, method: &str, params: Value) -> Value {
    let mut message = legacy(id, method, params);
    let meta = &mut message["params"]["_meta"];
    meta["io.modelcontextprotocol/protocolVersion"] = MODERN.into();
    meta["io.modelcontextprotocol/clientCapabilities"] = json!({});
    message
}

/// A call of the tool `echo` in the modern era.
pub(crate) fn tool_call(id: impl Into<Value>, arguments: Value) -> Value {
    modern(
        id,
        "tools/call",
        json!({ "name": "echo", "arguments": arguments }),
    )
}

/// Every audit record so far, of all logs, oldest first; a line that is not yet whole is left out.
pub(crate) fn records(gateway: &Gateway) -> Vec<Value> {
    let mut records = Vec::new();
    let mut folder = PathBuf::new();
    let mut latest = String::new();
    for file in audit_files(gateway) {
        if file.parent() != Some(&folder) {
            folder = file.parent().unwrap().to_owned();
            latest.clear();
        }
        for record in records_of(&file) {
            // Each log is in order already, also where two records were handed over at once.
            latest = latest.max(record["time"].as_str().unwrap().to_owned());
            records.push((latest.clone(), record));
        }
    }
    records.sort_by(|(a, _), (b, _)| a.cmp(b));
    records.into_iter().map(|(_, record)| record).collect()
}

/// The records of one tenant's log, or of the gateway's own.
pub(crate) fn records_in(gateway: &Gateway, tenant: Option<&str>) -> Vec<Value> {
    let files = files_in(&audit_folder(gateway, tenant));
    files.iter().flat_map(|file| records_of(file)).collect()
}

fn records_of(file: &Path) -> Vec<Value> {
    let text = fs::read_to_string(file).unwrap();
    let whole = text.rfind('\n').map_or("", |end| &text[..end]);
    let parsed = whole.lines().map(serde_json::from_str);
    parsed
        .map(|record| record.expect("a record is JSON"))
        .collect()
}

/// The folder of a tenant's audit log, or of the gateway's own.
pub(crate) fn audit_folder(gateway: &Gateway, tenant: Option<&str>) -> PathBuf {
    let folder = gateway.folder().join("state/audit");
    match tenant {
        Some(tenant) => folder.join("tenants").join(tenant),
        None => folder,
    }
}

/// Every audit log must be whole; gives how many records they hold together.
pub(crate) fn sound_records(gateway: &Gateway) -> u64 {
    let mut records = 0;
    for log in Partition::all(&audit_folder(gateway, None)).unwrap() {
        let report = verify(&log.dir).unwrap();
        assert!(report.is_sound(), "{}: {:#?}", log.owner, report.problems);
        records += report.records;
    }
    records
}

/// The files of all audit logs, each log's oldest first: the gateway's own, then those of tenants.
pub(crate) fn audit_files(gateway: &Gateway) -> Vec<PathBuf> {
    let own = audit_folder(gateway, None);
    let mut folders = vec![own.clone()];
    if let Ok(tenants) = fs::read_dir(own.join("tenants")) {
        folders.extend(tenants.map(|entry| entry.unwrap().path()));
    }
    folders.sort();
    folders.iter().flat_map(|folder| files_in(folder)).collect()
}

fn files_in(folder: &Path) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(folder) else {
        return Vec::new();
    };
    let mut files: Vec<_> = entries.map(|entry| entry.unwrap().path()).collect();
    files.retain(|file| {
        file.extension()
            .is_some_and(|extension| extension == "jsonl")
    });
    files.sort();
    files
}

/// The record of this kind of a call, once it is there.
pub(crate) async fn record(gateway: &Gateway, kind: &str, call: &str) -> Value {
    until(&format!("a record `{kind}` of call {call}"), async || {
        records(gateway)
            .into_iter()
            .find(|record| record["kind"] == kind && record["call"] == call)
    })
    .await
}

/// The call id in the error that an answer carries.
pub(crate) fn call_id(answer: &Answer) -> String {
    let call = answer.json()["error"]["data"]["call"]
        .as_str()
        .map(str::to_owned);
    call.unwrap_or_else(|| panic!("no call id in {} {}", answer.status, answer.text()))
}

/// The samples of a metric with this name and these labels, added up.
pub(crate) async fn metric(gateway: &Gateway, name: &str, labels: &[&str]) -> f64 {
    let answer = Ask::get("/metrics").send(gateway.admin_address()).await;
    assert_eq!(answer.status, 200, "{}", answer.text());
    let text = answer.text();
    let samples = text.lines().filter(|line| {
        let named = line
            .strip_prefix(name)
            .is_some_and(|rest| rest.starts_with(['{', ' ']));
        named && labels.iter().all(|label| line.contains(label))
    });
    samples
        .filter_map(|line| line.rsplit(' ').next()?.parse::<f64>().ok())
        .sum()
}
