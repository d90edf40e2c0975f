use std::{fs, os::unix::fs::PermissionsExt as _, path::PathBuf};

use super::*;
use crate::protocol::text_of;

/// A gateway without a server, and a program that could be one.
struct Workshop {
    gateway: Gateway,
    token: String,
    program: PathBuf,
    folder: tempfile::TempDir,
}

impl Workshop {
    async fn open() -> Self {
        let gateway = setup().policy(PERMIT_ALL).start().await.unwrap();
        let token = token(&gateway, "ada", "bot").await;
        let folder = tempfile::tempdir().unwrap();
        let definitions = folder.path().join("definitions.json");
        let server =
            PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("../testkit/servers/changing_stdio.py");
        let program = folder.path().join("my-server");
        let script = format!(
            "#!/bin/sh\necho started >>'{}'\nexec {} '{}' --era modern --definitions '{}' \"$@\"\n",
            folder.path().join("started").display(),
            crate::stdio::python(),
            server.display(),
            definitions.display(),
        );
        fs::write(&program, script).unwrap();
        fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
        let workshop = Self {
            gateway,
            token,
            program,
            folder,
        };
        workshop.shows("Says it.");
        workshop
    }

    /// How its processes describe their tool from now on.
    fn shows(&self, description: &str) {
        let shown = json!({ "tools": [tool("echo", description)] });
        // Whole at once, as a process may read it at any time.
        let new = self.folder.path().join("definitions.new");
        fs::write(&new, shown.to_string()).unwrap();
        fs::rename(new, self.folder.path().join("definitions.json")).unwrap();
    }

    fn spec(&self) -> String {
        format!("exec:{}", self.program.display())
    }

    fn starts(&self) -> usize {
        let started = fs::read_to_string(self.folder.path().join("started"));
        started.unwrap_or_default().lines().count()
    }

    async fn call(&self, token: &str) -> Answer {
        let ask = Ask::modern("/mcp/my-server", &call_of("echo")).bearer(token);
        ask.send(self.gateway.address()).await
    }
}

#[tokio::test]
async fn an_added_server_is_started_once_it_is_approved_and_not_when_it_has_changed() {
    let workshop = Workshop::open().await;
    let gateway = &workshop.gateway;
    let unboxed = ["--sandbox", "off"];
    let spec = workshop.spec();
    let plain = ["--env", "NAME=text:a b"];
    let added = document(gateway, &[&["add", &spec][..], &unboxed, &plain].concat()).await;
    assert_eq!(added["added"], "my-server", "{added}");
    until("a record of it", async || {
        events(gateway, "server_added").pop()
    })
    .await;
    let refused = workshop.call(&workshop.token).await;
    assert!(refusal(&refused).is_some(), "{}", refused.text());
    assert_eq!(workshop.starts(), 0, "nothing of it ran");
    let list = document(gateway, &["list"]).await;
    assert_eq!(list["servers"][0]["server_approved"], false, "{list}");

    // The server first, so that what it says can be read, and then that.
    let diff = server(gateway, &["diff", "my-server"]).await;
    let told = String::from_utf8_lossy(&diff.stdout);
    assert!(told.contains("`my-server` itself waits"), "{told}");
    let alone = ["approve", "my-server", "--reason", "it is mine"];
    let approved = document(gateway, &alone).await;
    assert_eq!(approved["approved"][0]["items"], json!([]), "{approved}");
    let approve = ["approve", "my-server", "echo", "--reason", "it is mine"];
    let approved = document(gateway, &approve).await;
    assert_eq!(
        approved["approved"][0]["items"][0]["what"], "echo",
        "{approved}"
    );
    until("a call that goes through", async || {
        let answer = workshop.call(&workshop.token).await;
        (refusal(&answer).is_none() && text_of(&answer) == "called echo").then_some(())
    })
    .await;
    until("a record of it", async || {
        events(gateway, "server_approved").pop()
    })
    .await;

    // Somebody writes to the program: processes that run go on, and none is started any more.
    let mut script = fs::read_to_string(&workshop.program).unwrap();
    script.push_str("# evil\n");
    fs::write(&workshop.program, script).unwrap();
    let starts = workshop.starts();
    let other = token(gateway, "ada", "other-bot").await;
    let refused = workshop.call(&other).await;
    assert_eq!(
        refusal(&refused).as_deref(),
        Some("E_UPSTREAM_IDENTITY"),
        "{}",
        refused.text()
    );
    assert_eq!(workshop.starts(), starts);

    // Added again as it is now, it needs another approval; what was approved of its definitions stays.
    document(
        gateway,
        &["add", &spec, "--replace", unboxed[0], unboxed[1]],
    )
    .await;
    until("its end", async || {
        let answer = workshop.call(&workshop.token).await;
        (refusal(&answer).as_deref() == Some("E_UPSTREAM_IDENTITY")).then_some(())
    })
    .await;
    assert_eq!(workshop.starts(), starts);
    let approve = ["approve", "--all", "my-server", "--reason", "it is mine"];
    document(gateway, &approve).await;
    until("a call that goes through", async || {
        let answer = workshop.call(&other).await;
        refusal(&answer).is_none().then_some(())
    })
    .await;

    // Another version, approved at once: what it says is waited for, not what the one before it said.
    workshop.shows("Says it to somebody else.");
    let again = ["add", &spec, "--replace", unboxed[0], unboxed[1]];
    document(gateway, &again).await;
    let approved = document(gateway, &approve).await;
    assert_eq!(
        approved["approved"][0]["items"][0]["what"], "echo",
        "{approved}"
    );

    document(gateway, &["remove", "my-server", "--reason", "not needed"]).await;
    until("its end", async || {
        let answer = workshop.call(&other).await;
        (refusal(&answer).as_deref() == Some("E_POLICY_DENIED")).then_some(())
    })
    .await;
}

#[tokio::test]
async fn arguments_that_name_what_a_box_does_not_show_are_told() {
    let stage = stage("approve", json!([])).await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().to_str().unwrap();
    for (box_of, unseen) in [(&[][..], json!([path])), (&["--read", path], json!([]))] {
        let add = [
            "add",
            "exec:/bin/cat",
            "--name",
            "reader",
            "--replace",
            "--json",
        ];
        let add = [&add[..], box_of, &["--", path]].concat();
        let added = server(&stage.gateway, &add).await;
        let added: Value = serde_json::from_slice(&added.stdout).unwrap();
        assert_eq!(added["unseen"], unseen, "{added}");
    }
}

#[tokio::test]
async fn no_added_server_is_shown_the_gateways_own_or_may_write_what_steers_it() {
    let stage = stage("approve", json!([])).await;
    let folder = stage.gateway.folder();
    let at = |name: &str| folder.join(name).to_str().unwrap().to_owned();
    std::os::unix::fs::symlink(folder.join("state"), folder.join("elsewhere")).unwrap();
    for (option, path, code) in [
        ("--read", at(""), 7),
        ("--read", at("state/keys"), 7),
        ("--read", at("elsewhere/keys"), 7),
        ("--write", at("state"), 7),
        ("--write", at("policies"), 7),
        ("--write", at("cardea.yaml"), 7),
        ("--exec", at("state"), 7),
        ("--read", at("policies"), 0),
    ] {
        let add = ["add", "exec:/bin/cat", "--name", "reader", "--replace"];
        let output = server(&stage.gateway, &[&add[..], &[option, &path]].concat()).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{option} {path}: {said}");
    }
}

#[tokio::test]
async fn whoever_approves_a_server_that_does_not_run_is_told_why() {
    let stage = stage("approve", json!([])).await;
    let add = [
        "add",
        "exec:/bin/false",
        "--name",
        "broken",
        "--sandbox",
        "off",
    ];
    document(&stage.gateway, &add).await;
    let approve = ["approve", "--all", "broken", "--reason", "it is fine"];
    let told = server(&stage.gateway, &approve).await;
    let complaint = String::from_utf8_lossy(&told.stderr);
    assert_eq!(told.status.code(), Some(1), "{complaint}");
    assert!(
        complaint.contains("could not look at `broken`: E_UPSTREAM_CLOSED"),
        "{complaint}"
    );
    assert!(complaint.contains("approved `broken`"), "{complaint}");
    let diff = server(&stage.gateway, &["diff", "broken"]).await;
    let told = String::from_utf8_lossy(&diff.stdout);
    assert!(told.contains("could not look at `broken`"), "{told}");
    let shown = document(&stage.gateway, &["show", "broken"]).await;
    let why = shown["failed"].as_str().unwrap_or_default();
    assert!(why.contains("E_UPSTREAM_CLOSED"), "{shown}");
}

#[tokio::test]
async fn what_is_no_server_or_a_taken_name_is_not_added() {
    let stage = stage("approve", json!([])).await;
    for (args, code, says) in [
        (&["add", "npm:left-pad"][..], 2, "a version is missing"),
        (&["add", "npm:left-pad@latest"], 2, "one version"),
        (&["add", "sh -c evil"], 2, "names no server"),
        (&["add", "exec:relative"], 2, "must be absolute"),
        (&["add", "exec:/no/such/program"], 5, "cannot be used"),
        (
            &["add", "https://mcp.example.com/mcp", "--name", "echo"],
            2,
            "has a server `echo` already",
        ),
        (
            &["add", "https://mcp.example.com/mcp", "--name", "Not A Name"],
            2,
            "--name",
        ),
        (
            &["add", "https://mcp.example.com/mcp", "--spki-pin", "x"],
            2,
            "is no pin",
        ),
        (
            &["add", "exec:/bin/true", "--env", "A=secret"],
            2,
            "is no variable",
        ),
        (
            &["add", "exec:/bin/true", "--env", "API_TOKEN=text:x"],
            2,
            "`API_TOKEN` is no variable",
        ),
        (&["remove", "echo", "--reason", "x"], 5, "was added here"),
    ] {
        let output = server(&stage.gateway, args).await;
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {said}");
        assert!(said.contains(says), "{args:?}: {said}");
    }
    let looks = ["add", "https://mcp.example.com/mcp", "--name", "ech0"];
    let added = document(&stage.gateway, &looks).await;
    assert_eq!(
        added["looks_like"],
        json!(["echo"]),
        "a digit stands for a letter"
    );
}

/// What no API and no message of the protocol may ever do.
#[tokio::test]
async fn no_request_names_a_command() {
    let gateway = setup()
        .set("authorization_server", json!({}))
        .policy(PERMIT_ALL)
        .start()
        .await
        .unwrap();
    let document = Ask::get("/api/v1/openapi.json")
        .send(gateway.address())
        .await
        .text();
    for word in ["\"command\"", "\"args\"", "\"exec\"", "\"spec\""] {
        assert!(!document.contains(word), "{word} in the API");
    }
}
