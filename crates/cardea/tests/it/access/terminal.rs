//! The commands about access, as they are typed: against a running gateway, with a login of their own.

use std::{
    path::PathBuf,
    process::{Output, Stdio},
};

use tempfile::TempDir;
use tokio::{
    io::{AsyncBufReadExt as _, BufReader},
    process::{Child, Command},
};

use super::{
    deciding::{act, approve, decided_by_ada, origin, request_of},
    *,
};
use crate::authorization::Browser;

/// A person's terminal.
struct Terminal {
    home: TempDir,
}

impl Terminal {
    fn new() -> Self {
        Self {
            home: tempfile::tempdir().unwrap(),
        }
    }

    fn store(&self) -> PathBuf {
        self.home.path().join("store")
    }

    /// `cardea` with these arguments.
    fn command(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(binary());
        command
            .args(arguments)
            .env("CARDEA_STORE", self.store())
            .env_remove("CARDEA_GATEWAY")
            .env_remove("CARDEA_URL")
            .env_remove("BROWSER")
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .kill_on_drop(true);
        command
    }

    async fn run(&self, arguments: &[&str]) -> Output {
        let running = self.command(arguments).output();
        bounded(&format!("{arguments:?}"), running).await.unwrap()
    }

    /// What a command prints that does what it should.
    async fn says(&self, arguments: &[&str]) -> String {
        let output = self.run(arguments).await;
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{arguments:?}: {complaints}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// The document that a command prints.
    async fn document(&self, arguments: &[&str]) -> Value {
        let arguments: Vec<_> = arguments.iter().copied().chain(["--json"]).collect();
        let text = self.says(&arguments).await;
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}"))
    }

    /// The exit status of a command that does not, and what it says then.
    async fn fails(&self, arguments: &[&str]) -> (i32, String) {
        let output = self.run(arguments).await;
        let complaints = String::from_utf8(output.stderr).unwrap();
        (output.status.code().unwrap(), complaints)
    }

    /// A command that waits for a person, once it has said where.
    async fn waits(&self, arguments: &[&str]) -> (Child, String) {
        let mut child = self.command(arguments).spawn().unwrap();
        let mut lines = BufReader::new(child.stderr.take().unwrap()).lines();
        let said = bounded("the page's address", async {
            loop {
                let line = lines.next_line().await.unwrap().expect("an address");
                if let Some(at) = line.find("http") {
                    return line[at..].split_whitespace().next().unwrap().to_owned();
                }
            }
        })
        .await;
        // Whoever reads no more is told nothing more; the pipe stays open.
        tokio::spawn(async move { while let Ok(Some(_)) = lines.next_line().await {} });
        (child, said)
    }

    /// Logs in, with the person at this browser.
    async fn log_in(&self, gateway: &Gateway, browser: &mut Browser) {
        let login = ["login", &origin(gateway), "--no-browser"];
        let (child, address) = self.waits(&login).await;
        let back = browser.allow(gateway, &address).await;
        let back = url::Url::parse(&back).unwrap();
        let to = std::net::SocketAddr::from(([127, 0, 0, 1], back.port().unwrap()));
        let query = format!("{}?{}", back.path(), back.query().unwrap());
        let page = Ask::get(&query).set("host", to.to_string());
        assert_eq!(page.send(to).await.status, 200);
        let output = ended(child).await;
        let told = String::from_utf8(output.stdout).unwrap();
        assert!(
            output.status.success() && told.contains("scopes: access"),
            "{told}"
        );
        assert!(
            told.contains("bound to a key of this installation"),
            "{told}"
        );
    }
}

async fn ended(child: Child) -> Output {
    bounded("the end of a command", child.wait_with_output())
        .await
        .unwrap()
}

/// A gateway at which Ada decides and administers, her browser, and her terminal with a login.
async fn scene(more: Value) -> (Stage, Browser, Terminal) {
    let (stage, mut browser) = decided_by_ada(more).await;
    listed(&stage).await;
    let terminal = Terminal::new();
    terminal.log_in(&stage.gateway, &mut browser).await;
    (stage, browser, terminal)
}

async fn pending(stage: &Stage, id: u64) -> (Value, String) {
    let call = delete(id, json!({ "id": id }));
    let request = request_of(&stage.call(&call).await.json());
    (call, request)
}

#[tokio::test]
async fn a_person_is_brought_to_the_page_waits_there_and_the_call_goes_through() {
    let (stage, mut browser, terminal) = scene(json!({})).await;
    let (call, request) = pending(&stage, 7).await;
    let list = terminal.says(&["requests", "--decide"]).await;
    assert!(
        list.starts_with("REQUEST") && list.contains(&request),
        "{list}"
    );
    assert!(
        list.contains("echo/delete") && list.contains("one call in "),
        "{list}"
    );
    let one = terminal.says(&["requests", &request]).await;
    assert!(one.contains(r#"arguments      {"id":7}"#), "{one}");

    let (waiting, page) = terminal.waits(&["approve", &request, "--no-browser"]).await;
    assert_eq!(
        page,
        format!("{}/console/requests/{request}", origin(&stage.gateway))
    );
    assert_eq!(browser.get(&stage.gateway, &page).await.status, 200);
    approve(&mut browser, &stage.gateway, &request).await;
    let output = ended(waiting).await;
    assert_eq!(output.status.code(), Some(0));
    let told = String::from_utf8(output.stdout).unwrap();
    assert!(told.starts_with("approved: grant "), "{told}");
    let made = stage.call(&call).await.json();
    assert!(
        made["result"]["isError"] != true && made["error"].is_null(),
        "{made}"
    );

    let grants = terminal
        .document(&["grants", "--state", "any", "--tool", "delete"])
        .await;
    assert_eq!(grants["items"][0]["request"], *request, "{grants}");
    assert_eq!(grants["items"][0]["state"], "exhausted", "{grants}");
    sound_records(&stage.gateway);
}

#[tokio::test]
async fn a_program_with_the_login_cannot_approve_whatever_it_sends() {
    let (stage, _browser, terminal) = scene(json!({})).await;
    let (_, request) = pending(&stage, 7).await;
    // There is no option for it, and waiting does not decide.
    let (status, said) = terminal.fails(&["approve", &request, "--yes"]).await;
    assert_eq!(status, 2, "{said}");
    let wait = ["approve", &request, "--no-browser", "--timeout", "1s"];
    let (status, said) = terminal.fails(&wait).await;
    assert_eq!(status, 8, "{said}");
    let still = terminal.document(&["requests", &request]).await;
    assert_eq!(still["state"], "pending", "{still}");
}

#[tokio::test]
async fn a_no_goes_at_once_and_whoever_waits_learns_of_it() {
    let (stage, _browser, terminal) = scene(json!({})).await;
    let (_, request) = pending(&stage, 7).await;
    let (waiting, _) = terminal.waits(&["approve", &request, "--no-browser"]).await;
    let said = terminal
        .says(&["deny", &request, "--reason", "not today"])
        .await;
    assert_eq!(said, format!("request {request} is refused\n"));
    let output = ended(waiting).await;
    assert_eq!(output.status.code(), Some(7));
    let shown = terminal.says(&["requests", &request]).await;
    assert!(
        shown.contains("decided        refuse by person ada through cardea-cli: not today"),
        "{shown}"
    );
    let (status, said) = terminal.fails(&["approve", &request, "--no-browser"]).await;
    assert_eq!(status, 6, "{said}");
    let (status, said) = terminal.fails(&["deny", &request]).await;
    assert_eq!(status, 6, "{said}");
    let record = records_in(&stage.gateway, Some(TENANT));
    let record = record
        .iter()
        .find(|r| r["event"]["name"] == "access_refused");
    let record = record.unwrap().to_string();
    assert!(record.contains("person ada through cardea-cli"), "{record}");
}

#[tokio::test]
async fn a_grant_is_asked_for_beforehand_extended_seen_and_revoked() {
    let more = json!({ "bound_to": "agent", "kinds": ["time"], "duration_max": "1h" });
    let (stage, mut browser, terminal) = scene(more).await;
    let asked = terminal
        .document(&[
            "request",
            UPSTREAM,
            "delete",
            "--actor",
            "bot",
            "--kind",
            "time",
            "--for",
            "10m",
            "--reason",
            "spring cleaning",
            "--ticket",
            "OPS-7",
            "--arguments",
            r#"{"id":1}"#,
        ])
        .await;
    let request = asked["id"].as_str().unwrap();
    assert_eq!(asked["terms"]["duration_s"], 600, "{asked}");
    assert_eq!(asked["reason"]["author"], "program", "{asked}");
    approve(&mut browser, &stage.gateway, request).await;
    let served = stage.call(&delete(1, json!({ "id": 1 }))).await.json();
    assert!(served["result"]["isError"] != true, "{served}");

    let grants = terminal.document(&["grants", "--actor", "bot"]).await;
    let grant = grants["items"][0]["id"].as_str().unwrap().to_owned();
    let before = grants["items"][0]["expires"].as_str().unwrap().to_owned();
    let who = terminal.says(&["who-can", UPSTREAM, "delete"]).await;
    let mut lines = who.lines();
    assert!(lines.next().unwrap().starts_with("WHY"), "{who}");
    assert!(lines.next().unwrap().contains(&grant), "{who}");
    assert!(lines.next().unwrap().contains("may ask"), "{who}");

    let more = terminal
        .says(&["request", "--extend", &grant, "--for", "30m"])
        .await;
    let extension = more.split_whitespace().nth(1).unwrap();
    approve(&mut browser, &stage.gateway, extension).await;
    let grants = terminal.document(&["grants"]).await;
    assert_eq!(grants["items"][0]["id"], *grant);
    assert!(
        grants["items"][0]["expires"].as_str().unwrap() > before.as_str(),
        "{grants}"
    );

    let said = terminal.says(&["revoke", &grant]).await;
    assert_eq!(said, format!("grant {grant} is revoked\n"));
    let (status, said) = terminal.fails(&["revoke", &grant]).await;
    assert_eq!(status, 6, "{said}");
    assert_eq!(terminal.says(&["grants"]).await, "no grants\n");
    let said = terminal
        .says(&["revoke", "--tool", "echo/delete", "--reason", "over"])
        .await;
    assert_eq!(said, "0 grants are revoked\n");
}

#[tokio::test]
async fn one_command_stops_a_tenant_and_a_person_starts_it_again() {
    let roles = json!({ "demo": { "roles": { "administrators": { "subjects": ["ada"] } } } });
    let stage = Stage::with(|setup| {
        setup
            .policy(PERMIT_ALL)
            .set("authorization_server", json!({}))
            .set("tenants", roles)
    })
    .await;
    let mut browser = Browser::default();
    browser.set_up(&stage.gateway).await;
    browser.enter(&stage.gateway, "/console").await;
    let terminal = Terminal::new();
    terminal.log_in(&stage.gateway, &mut browser).await;
    assert_eq!(terminal.says(&["locks"]).await, "nothing is locked\n");
    terminal
        .says(&["lock", "--tenant", "--reason", "an incident"])
        .await;
    let refused = stage.call(&tool_call(1, json!({}))).await.json();
    assert_eq!(
        refused["error"]["data"]["code"], "E_ACCESS_LOCKED",
        "{refused}"
    );
    let locks = terminal.document(&["locks"]).await;
    let id = locks["items"][0]["id"].as_str().unwrap().to_owned();

    let (waiting, page) = terminal
        .waits(&["unlock", "--tenant", "--no-browser"])
        .await;
    assert_eq!(
        page,
        format!("{}/console/locks?id={id}", origin(&stage.gateway))
    );
    let shown = browser.get(&stage.gateway, &page).await;
    assert!(
        shown.text().contains(&format!("/console/locks/{id}/lift")),
        "{}",
        shown.text()
    );
    let lift = Ask::new("DELETE", &format!("/api/v1/locks/{id}"));
    let lift = lift.set("origin", origin(&stage.gateway));
    assert_eq!(browser.exchange(&stage.gateway, lift).await.status, 204);
    let output = ended(waiting).await;
    assert_eq!(output.status.code(), Some(0));
    assert_eq!(output.stdout, format!("lifted: {id}\n").into_bytes());
    let served = stage.call(&tool_call(2, json!({}))).await.json();
    assert!(served["result"].is_object(), "{served}");
    let (status, said) = terminal
        .fails(&["unlock", "--tenant", "--no-browser"])
        .await;
    assert_eq!(status, 5, "{said}");
}

#[tokio::test]
async fn scopes_are_locked_for_a_time_and_say_why() {
    let (stage, _browser, terminal) = scene(json!({})).await;
    for (option, name) in [
        ("--subject", "bob"),
        ("--actor", "bot"),
        ("--upstream", UPSTREAM),
        ("--tool", "echo/delete"),
        ("--run", "a-run"),
    ] {
        let lock = [
            "lock",
            option,
            name,
            "--reason",
            "an incident",
            "--for",
            "5m",
        ];
        let lock = terminal.document(&lock).await;
        assert_eq!(lock["kind"], option[2..], "{lock}");
        assert!(
            lock["expires"].is_string() && lock["reason"] == "an incident",
            "{lock}"
        );
    }
    let list = terminal.says(&["locks"]).await;
    assert_eq!(list.lines().count(), 6, "{list}");
    let (status, _) = terminal
        .fails(&["lock", "--tool", "delete", "--reason", "x"])
        .await;
    assert_eq!(status, 2);
    let (status, _) = terminal.fails(&["lock", "--tenant"]).await;
    assert_eq!(status, 2, "a reason is needed");
    let refused = stage.call(&delete(9, json!({}))).await.json();
    assert_eq!(
        refused["error"]["data"]["code"], "E_ACCESS_LOCKED",
        "{refused}"
    );
}

#[tokio::test]
async fn only_words_that_a_person_wrote_at_a_page_justify() {
    let (stage, mut browser, terminal) = scene(json!({ "justification": "person" })).await;
    let (_, request) = pending(&stage, 7).await;
    let why = ["justify", &request, "--reason", "because the model says so"];
    terminal.says(&why).await;
    let path = format!("/api/v1/requests/{request}/approve");
    let ask = Ask::message(&path, &json!({})).set("origin", origin(&stage.gateway));
    let refused = browser.exchange(&stage.gateway, ask).await.json();
    assert_eq!(refused["code"], "E_JUSTIFICATION_MISSING", "{refused}");
    let shown = terminal.says(&["requests", &request]).await;
    assert!(
        shown.contains("because the model says so (by a program in their name)"),
        "{shown}"
    );
    let said = terminal.says(&["cancel", &request]).await;
    assert_eq!(said, format!("request {request} is cancelled\n"));

    let (_, request) = pending(&stage, 8).await;
    let path = format!("/api/v1/requests/{request}/justify");
    act(
        &mut browser,
        &stage.gateway,
        &path,
        json!({ "reason": "the release" }),
    )
    .await;
    approve(&mut browser, &stage.gateway, &request).await;
}

#[tokio::test]
async fn failures_have_the_exit_status_that_the_reference_lists() {
    let terminal = Terminal::new();
    let (status, said) = terminal.fails(&["requests"]).await;
    assert_eq!(status, 3, "{said}");
    assert!(said.contains("cardea login"), "{said}");
    let (stage, mut browser) = decided_by_ada(json!({})).await;
    let gateway = origin(&stage.gateway);
    let (status, said) = terminal.fails(&["requests", "--gateway", &gateway]).await;
    assert_eq!(status, 3, "{said}");
    assert!(
        said.contains(&format!("run `cardea login {gateway}`")),
        "{said}"
    );

    terminal.log_in(&stage.gateway, &mut browser).await;
    let none = "01a215b6-b238-72a4-86c8-c440fa4b120d";
    for (arguments, status) in [
        (&["requests", none][..], 5),
        (&["deny", none], 5),
        (&["revoke", none], 5),
        (&["request", UPSTREAM, "nothing", "--actor", "bot"], 5),
        (&["requests", "NOT AN ID"], 2),
        (&["requests", "--gateway", "http://example.com"], 2),
        (&["requests", "--gateway", "http://127.0.0.1:1"], 1),
        (&["revoke", "--subject", "ada"], 2),
        (&["revoke"], 2),
        (&["request", "--for", "90s", "--extend", none], 2),
    ] {
        let (found, said) = terminal.fails(arguments).await;
        assert_eq!(found, status, "{arguments:?}: {said}");
        assert!(!said.is_empty(), "{arguments:?}");
    }
    let (status, said) = terminal.fails(&["requests", none, "--json"]).await;
    let problem: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(
        (status, &problem["code"]),
        (5, &json!("E_NOT_FOUND")),
        "{said}"
    );

    let said = terminal.says(&["logout", &gateway]).await;
    assert!(said.starts_with("logged out of"), "{said}");
    let (status, _) = terminal.fails(&["requests"]).await;
    assert_eq!(status, 3);
}

#[tokio::test]
async fn shells_complete_every_command() {
    let terminal = Terminal::new();
    for shell in ["bash", "zsh", "fish"] {
        let script = terminal.says(&["completions", shell]).await;
        for command in ["who-can", "approve", "unlock", "connect"] {
            assert!(script.contains(command), "{shell}: {command}");
        }
    }
}
