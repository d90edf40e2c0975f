//! Logging in, keeping it, and using it from several launches.

use cardea_testkit::authority::Authority;

use super::*;

/// Follows the redirects as a browser would, with nobody in front of it.
const BROWSER: &str = concat!(
    env!("CARGO_MANIFEST_DIR"),
    "/../../tools/connect/browser.mjs"
);

/// A gateway that trusts an authorization server.
struct Office {
    authority: Authority,
    stage: Stage,
    url: String,
    home: Home,
}

impl Office {
    /// Access tokens live for `life_s`.
    async fn open(life_s: u64) -> Self {
        Self::with(life_s, |setup| setup).await
    }

    async fn with(life_s: u64, change: impl FnOnce(Setup) -> Setup) -> Self {
        let authority = Authority::start(life_s).await.unwrap();
        let echo = Echo::start().await.unwrap();
        let setup = setup()
            .set("issuers", json!([authority.entry()]))
            .http_upstream(UPSTREAM, &echo.url())
            .policy(PERMIT_ALL);
        let gateway = change(setup).start().await.unwrap();
        let url = gateway.url(UPSTREAM);
        Self {
            authority,
            stage: Stage {
                echo,
                gateway,
                token: String::new(),
            },
            url,
            home: Home::new(),
        }
    }

    async fn login(&self, arguments: &[&str]) -> String {
        let mut login = self.home.cardea("login", &self.url);
        login.args(arguments).env("BROWSER", BROWSER);
        let output = bounded("the login", login.output()).await.unwrap();
        let complaints = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{complaints}");
        String::from_utf8(output.stdout).unwrap()
    }

    /// Launches a host that makes one call, and gives the run that the gateway recorded for it.
    async fn run_of_a_launch(&self, id: &str) -> String {
        let mut host = self.home.launch(&self.url);
        let answer = host.ask(&tool_call(id, json!({}))).await;
        assert!(answer["result"].is_object(), "{answer}");
        host.close().await;
        let record = self.stage.record_by_id("outcome", &json!(id)).await;
        record["run"].as_str().unwrap().to_owned()
    }
}

#[tokio::test]
async fn a_browser_login_is_kept_privately_and_each_launch_is_a_new_run() {
    let office = Office::open(600).await;
    let told = office.login(&[]).await;
    assert!(
        told.starts_with(&format!("logged in to {}", office.url)),
        "{told}"
    );
    assert_eq!(exposed(&office.home.store()), Vec::<String>::new());
    let kept = fs::read_to_string(office.home.store().join(file_name(&office.url))).unwrap();
    assert!(kept.contains("\"refresh_token\": \"refresh-"), "{kept}");
    assert!(kept.contains("\"access_token\": null"), "{kept}");

    let asked = &office.authority.seen("/authorize")[0];
    assert_eq!(asked["resource"], office.url);
    assert_eq!(asked["code_challenge_method"], "S256");
    let redeemed = &office.authority.seen("/token")[0];
    assert_eq!(redeemed["resource"], office.url);

    let first = office.run_of_a_launch("a").await;
    let second = office.run_of_a_launch("b").await;
    assert_ne!(first, second);
    let refreshed = office.authority.seen("/token");
    assert!(
        refreshed[1..]
            .iter()
            .all(|form| form["cardea_run"] == "new"),
        "{refreshed:?}"
    );
    assert_eq!(office.authority.reused(), 0);
}

#[tokio::test]
async fn a_device_login_works_without_a_browser() {
    let office = Office::open(600).await;
    let told = office.login(&["--device"]).await;
    assert!(told.contains("logged in"), "{told}");
    assert!(office.authority.seen("/authorize").is_empty());
    assert_eq!(office.authority.seen("/device")[0]["resource"], office.url);
    office.run_of_a_launch("a").await;
}

#[tokio::test]
async fn launches_at_once_do_not_use_up_each_others_refresh_token() {
    let office = Office::open(600).await;
    office.login(&[]).await;
    let mut hosts: Vec<Host> = (0..5).map(|_| office.home.launch(&office.url)).collect();
    for host in &mut hosts {
        host.send(&tool_call(1, json!({}))).await;
    }
    for host in &mut hosts {
        let answer = host.next().await;
        assert!(answer["result"].is_object(), "{answer}");
    }
    assert_eq!(office.authority.reused(), 0);
    // The login is whole after it.
    office.run_of_a_launch("last").await;
}

#[tokio::test]
async fn a_launch_that_is_killed_while_it_renews_leaves_no_lock() {
    let office = Office::open(600).await;
    office.login(&[]).await;
    office.authority.hold_tokens(true);
    let mut killed = office.home.launch(&office.url);
    killed.send(&tool_call(1, json!({}))).await;
    until("a request for a token", async || {
        (office.authority.seen("/token").len() == 2).then_some(())
    })
    .await;
    killed.child.kill().await.unwrap();
    // What the killed one asked for is never granted: its connection is gone.
    let mut next = office.home.launch(&office.url);
    next.send(&tool_call(2, json!({}))).await;
    until("a second request for a token", async || {
        (office.authority.seen("/token").len() == 3).then_some(())
    })
    .await;
    office.authority.hold_tokens(false);
    let answer = next.next().await;
    assert!(
        answer["result"].is_object() || answer["error"].is_object(),
        "{answer}"
    );
    next.close().await;
}

#[tokio::test]
async fn a_token_is_renewed_before_it_ends() {
    // Renewed from 30 seconds before its end, so each call of a token of 20 seconds renews it.
    let office = Office::open(20).await;
    office.login(&[]).await;
    let mut host = office.home.launch(&office.url);
    for id in 0..3 {
        let answer = host.ask(&tool_call(id, json!({}))).await;
        assert!(answer["result"].is_object(), "{answer}");
    }
    host.close().await;
    let forms = office.authority.seen("/token");
    assert!(forms.len() >= 4, "{forms:?}");
    assert_eq!(office.authority.reused(), 0);
    // The first one begins a run, the others go on with it.
    assert_eq!(forms[1]["cardea_run"], "new");
    assert!(
        forms[2..]
            .iter()
            .all(|form| form["cardea_run"].starts_with("run-")),
        "{forms:?}"
    );
}

#[tokio::test]
async fn a_login_that_others_can_read_is_not_used() {
    let office = Office::open(600).await;
    office.login(&[]).await;
    let file = office.home.store().join(file_name(&office.url));
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    let mut host = office.home.launch(&office.url);
    let answer = host.ask(&tool_call(1, json!({}))).await;
    assert_eq!(
        answer["error"]["data"]["code"], "E_CONNECT_STORE",
        "{answer}"
    );
    host.close().await;
    assert_eq!(office.authority.seen("/token").len(), 1, "nothing was sent");
}

#[tokio::test]
async fn logging_out_ends_the_login_there_and_here() {
    let office = Office::open(600).await;
    office.login(&[]).await;
    let kept = fs::read_to_string(office.home.store().join(file_name(&office.url))).unwrap();
    let mut logout = office.home.cardea("logout", &office.url);
    let output = bounded("the logout", logout.output()).await.unwrap();
    assert!(output.status.success(), "{output:?}");
    let revoked = &office.authority.seen("/revoke")[0];
    assert!(
        kept.contains(&format!("\"{}\"", revoked["token"])),
        "{revoked:?}"
    );
    assert!(!office.home.store().join(file_name(&office.url)).exists());
    let mut host = office.home.launch(&office.url);
    let answer = host.ask(&tool_call(1, json!({}))).await;
    assert_eq!(answer["error"]["data"]["code"], "E_CONNECT_LOGIN_NEEDED");
    host.close().await;
}

#[tokio::test]
async fn a_login_that_was_ended_elsewhere_asks_for_a_new_one() {
    let office = Office::open(600).await;
    office.login(&[]).await;
    // Somebody else uses the refresh token up; then it is worth nothing to anybody.
    let kept = fs::read_to_string(office.home.store().join(file_name(&office.url))).unwrap();
    let kept: Value = serde_json::from_str(&kept).unwrap();
    office.run_of_a_launch("a").await;
    let file = office.home.store().join(file_name(&office.url));
    fs::write(&file, kept.to_string()).unwrap();
    let mut host = office.home.launch(&office.url);
    for id in 1..3 {
        let answer = host.ask(&tool_call(id, json!({}))).await;
        assert_eq!(
            answer["error"]["data"]["code"], "E_CONNECT_LOGIN_NEEDED",
            "{answer}"
        );
    }
    host.close().await;
    assert_eq!(office.authority.reused(), 1);
}

#[tokio::test]
async fn tokens_are_bound_to_a_key_where_that_is_offered_and_nonces_are_answered() {
    let strict = |setup: Setup| setup.set("dpop", json!({"require_nonce": true}));
    let office = Office::with(600, strict).await;
    office.authority.bind_tokens();
    let told = office.login(&[]).await;
    assert!(
        told.contains("bound to a key of this installation"),
        "{told}"
    );
    let asked = &office.authority.seen("/authorize")[0];
    let key = asked.get("dpop_jkt").expect("the key's thumbprint");

    let mut host = office.home.launch(&office.url);
    host.handshake().await;
    for id in 1..4 {
        let answer = host.ask(&legacy(id, "tools/list", json!({}))).await;
        assert!(answer["result"].is_object(), "{answer}");
    }
    host.close().await;
    let record = office.stage.record_by_id("outcome", &json!(3)).await;
    assert_eq!(record["binding"]["dpop"], **key, "{record}");
    office.run_of_a_launch("modern").await;
}
