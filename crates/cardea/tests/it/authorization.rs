//! From the first start to a tool call: the link in the log, a login, a consent, tokens, their end.
//!
//! What the server says and refuses in each case is tried in the identity room, where the clock can
//! be turned; here is the binary with its log, its records and its streams.

//!
//! | module | what it shows |
//! |---|---|
//! | `keys` | tokens that are bound to a proof or a certificate when they are issued |
//! | `confidential` | clients that show who they are, by published keys and by certificates |
//! | `documents` | clients that are known by a document, fetched from a live host |

mod confidential;
mod documents;
mod keys;

use std::collections::BTreeMap;

use cardea_testkit::dpop::Prover;

use crate::support::*;

pub(crate) const REDIRECT: &str = "http://127.0.0.1:5000/callback";
const PASSWORD: &str = "correct horse battery";
/// RFC 7636 appendix B.
const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

/// A gateway whose only issuer is its own server, with one client that is known beforehand.
async fn stage() -> (Echo, Gateway) {
    let server = json!({"clients": [{"id": "app", "redirect_uris": [REDIRECT]}]});
    stage_with(server, |setup| setup).await
}

async fn stage_with(server: Value, change: impl FnOnce(Setup) -> Setup) -> (Echo, Gateway) {
    let echo = Echo::start().await.unwrap();
    let setup = setup()
        .http_upstream(UPSTREAM, &echo.url())
        .policy(PERMIT_ALL)
        .set("issuers", json!([]))
        .set("authorization_server", server);
    (echo, change(setup).start().await.unwrap())
}

#[tokio::test]
async fn a_first_account_is_set_up_by_the_link_in_the_log_and_its_client_calls_a_tool() {
    let (_echo, gateway) = stage().await;
    let refused = ask(&tool_call(1, json!({}))).send(gateway.address()).await;
    assert_eq!(refused.status, 401);
    let challenge = refused.header("www-authenticate").unwrap();
    assert!(challenge.contains("scope=\"mcp\""), "{challenge}");
    let path = "/.well-known/oauth-protected-resource/mcp/echo";
    let metadata = Ask::get(path).send(gateway.address()).await.json();
    let issuer = metadata["authorization_servers"][0].as_str().unwrap();
    let path = "/.well-known/oauth-authorization-server";
    let server = Ask::get(path).send(gateway.address()).await.json();
    assert_eq!(server["issuer"], issuer);
    assert_eq!(server["code_challenge_methods_supported"], json!(["S256"]));

    let mut browser = Browser::default();
    browser.set_up(&gateway).await;
    let tokens = browser.tokens(&gateway).await;
    let token = tokens["access_token"].as_str().unwrap();
    let answer = ask(&tool_call(2, json!({})))
        .bearer(token)
        .send(gateway.address())
        .await;
    assert_eq!(answer.status, 200, "{}", answer.text());

    let records = records_in(&gateway, Some(TENANT));
    for (event, subject) in [
        ("password_set", "ada"),
        ("login", "ada"),
        ("consent_given", "ada"),
        ("token_issued", "ada"),
    ] {
        let found = records
            .iter()
            .find(|r| r["event"]["name"] == event || r["event"] == event);
        let found = found.unwrap_or_else(|| panic!("no record of {event}: {records:#?}"));
        assert_eq!(found["subject"], subject, "{found:#}");
    }
    let call = records.iter().find(|r| r["kind"] == "outcome").unwrap();
    assert_eq!(
        (&call["actor"], &call["subject"]),
        (&json!("app"), &json!("ada"))
    );
    assert_eq!(call["run_source"], "token");
    sound_records(&gateway);
    let text = records.iter().map(Value::to_string).collect::<String>();
    for secret in [PASSWORD, token, tokens["refresh_token"].as_str().unwrap()] {
        assert!(!text.contains(secret), "a secret is in the log");
    }
}

#[tokio::test]
async fn a_revoked_token_is_refused_at_once_and_its_open_stream_ends() {
    let (_echo, gateway) = stage().await;
    let mut browser = Browser::default();
    browser.set_up(&gateway).await;
    let tokens = browser.tokens(&gateway).await;
    let token = tokens["access_token"].as_str().unwrap();
    let listen = modern(
        "listens",
        "subscriptions/listen",
        json!({"notifications": {}}),
    );
    let mut open = ask(&listen).bearer(token).open(gateway.address()).await;
    assert_eq!(open.status, 200);
    assert!(open.message().await.unwrap().is_some());

    let fields = [("client_id", "app"), ("token", token)];
    let revoked = form("/revoke", &fields).send(gateway.address()).await;
    assert_eq!(revoked.status, 200, "{}", revoked.text());

    bounded("the end of the stream", async {
        while open.message().await.unwrap().is_some() {}
    })
    .await;
    let refused = ask(&tool_call(2, json!({})))
        .bearer(token)
        .send(gateway.address())
        .await;
    assert_eq!(refused.status, 401);
    let record = record(&gateway, "denial", &call_id(&refused)).await;
    assert_eq!(
        record["denial"]["detail"], "it was taken back",
        "{record:#}"
    );
}

#[tokio::test]
async fn another_host_and_too_much_are_refused() {
    let (_echo, gateway) = stage().await;
    let foreign = Ask::get("/device").set("host", "evil.example");
    assert_eq!(foreign.send(gateway.address()).await.status, 403);
    let huge = "x".repeat(70_000);
    let answer = form("/token", &[("grant_type", &huge)])
        .send(gateway.address())
        .await;
    assert_eq!(answer.status, 413);
    assert_eq!(
        answer.json()["error"],
        "invalid_request",
        "{}",
        answer.text()
    );
}

/// The link for the first account is made anew at each start: one that is refused must leave the first gateway's alone.
#[tokio::test]
async fn a_second_gateway_on_the_same_state_touches_nothing_of_the_first() {
    let (_echo, gateway) = stage().await;
    let second = tokio::process::Command::new(binary())
        .args(["serve", "--config"])
        .arg(gateway.config())
        .output();
    let second = bounded("the second gateway", second).await.unwrap();
    assert!(!second.status.success());
    let told = String::from_utf8_lossy(&second.stderr);
    assert!(told.contains("is in use"), "{told}");
    Browser::default().set_up(&gateway).await;
}

/// Cookies, and the forms that a person fills in.
#[derive(Default)]
pub(crate) struct Browser(BTreeMap<String, String>);

impl Browser {
    pub(crate) async fn set_up(&mut self, gateway: &Gateway) {
        let log = gateway.log();
        let (_, link) = log.split_once("/setup?link=").expect("a link in the log");
        let link: String = link.chars().take_while(|c| !c.is_whitespace()).collect();
        let page = self.get(gateway, &format!("/setup?link={link}")).await;
        let fields = [
            ("form", hidden(&page, "form").as_str()),
            ("link", &link),
            ("subject", "ada"),
            ("password", PASSWORD),
            ("again", PASSWORD),
        ]
        .map(|(name, value)| (name, value.to_owned()));
        let done = self.post(gateway, "/setup", &fields).await;
        assert_eq!(done.status, 200, "{}", done.text());
    }

    /// Follows a page of another room to its login, and back.
    pub(crate) async fn enter(&mut self, gateway: &Gateway, page: &str) -> Answer {
        let to = location(&self.get(gateway, page).await);
        let form_page = self.get(gateway, &to).await;
        let fields = [
            ("form", hidden(&form_page, "form")),
            ("next", hidden(&form_page, "next")),
            ("subject", "ada".to_owned()),
            ("password", PASSWORD.to_owned()),
        ];
        let mut answer = self.post(gateway, "/login", &fields).await;
        while answer.status == 303 {
            answer = self.get(gateway, &location(&answer)).await;
        }
        answer
    }

    pub(crate) async fn tokens(&mut self, gateway: &Gateway) -> Value {
        let code = self.code(gateway, "app").await;
        let answer = redeem(&code, "app", &[]).send(gateway.address()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        answer.json()
    }

    /// A code for this client, after a yes; and after a login, where nobody is logged in.
    async fn code(&mut self, gateway: &Gateway, client: &str) -> String {
        self.code_for(gateway, &request(client, &gateway.url(UPSTREAM)))
            .await
    }

    async fn code_for(&mut self, gateway: &Gateway, request: &str) -> String {
        let back = self.allow(gateway, request).await;
        let back = url::Url::parse(&back).unwrap();
        let code = back.query_pairs().find(|(name, _)| name == "code");
        code.unwrap().1.into_owned()
    }

    /// An access token for the gateway's own API, bound to this key.
    pub(crate) async fn api_token(&mut self, gateway: &Gateway, prover: &Prover) -> String {
        let origin = format!("http://{}", gateway.address());
        let resource = format!("{origin}/api/v1");
        let asked = request("cardea-cli", &resource);
        let code = self.code_for(gateway, &asked).await;
        let proof = prover.proof("POST", &format!("{origin}/token"), "", None);
        let redeemed = redeem(&code, "cardea-cli", &[]).set("dpop", proof);
        let answer = redeemed.send(gateway.address()).await;
        assert_eq!(answer.status, 200, "{}", answer.text());
        assert_eq!(answer.json()["scope"], "access offline_access");
        answer.json()["access_token"].as_str().unwrap().to_owned()
    }

    /// What is said to whoever asks for such a token and shows no key.
    pub(crate) async fn api_token_without_key(&mut self, gateway: &Gateway) -> Value {
        let resource = format!("http://{}/api/v1", gateway.address());
        let asked = request("cardea-cli", &resource);
        let code = self.code_for(gateway, &asked).await;
        let redeemed = redeem(&code, "cardea-cli", &[]);
        redeemed.send(gateway.address()).await.json()
    }

    /// The cookies as they are sent.
    pub(crate) fn cookies(&self) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.join("; ")
    }

    /// Says yes to an authorization request; where the browser is sent then.
    pub(crate) async fn allow(&mut self, gateway: &Gateway, request: &str) -> String {
        let mut to = location(&self.get(gateway, request).await);
        if to.contains("/login?") {
            let page = self.get(gateway, &to).await;
            let fields = [
                ("form", hidden(&page, "form")),
                ("next", hidden(&page, "next")),
                ("subject", "ada".to_owned()),
                ("password", PASSWORD.to_owned()),
            ];
            to = location(&self.post(gateway, "/login", &fields).await);
        }
        let page = self.get(gateway, &to).await;
        let fields = [
            ("form", hidden(&page, "form")),
            ("next", hidden(&page, "next")),
            ("decision", "allow".to_owned()),
        ];
        location(&self.post(gateway, "/consent", &fields).await)
    }

    pub(crate) async fn get(&mut self, gateway: &Gateway, to: &str) -> Answer {
        let path = match url::Url::parse(to) {
            Ok(url) => format!("{}?{}", url.path(), url.query().unwrap_or_default()),
            Err(_) => to.to_owned(),
        };
        self.exchange(gateway, Ask::get(&path)).await
    }

    async fn post(&mut self, gateway: &Gateway, path: &str, fields: &[(&str, String)]) -> Answer {
        let fields: Vec<_> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        self.exchange(gateway, form(path, &fields)).await
    }

    /// Sends a form of a page of the console, with these fields.
    pub(crate) async fn submit(
        &mut self,
        gateway: &Gateway,
        path: &str,
        page: &Answer,
        fields: &[(&str, &str)],
    ) -> Answer {
        let token = hidden(page, "form");
        let fields: Vec<_> = fields.iter().copied().chain([("form", &*token)]).collect();
        let origin = format!("http://{}", gateway.address());
        self.exchange(gateway, form(path, &fields).set("origin", origin))
            .await
    }

    pub(crate) async fn exchange(&mut self, gateway: &Gateway, ask: Ask) -> Answer {
        let answer = ask
            .set("cookie", self.cookies())
            .send(gateway.address())
            .await;
        for cookie in answer.headers.get_all("set-cookie") {
            let (pair, guards) = cookie.to_str().unwrap().split_once(';').unwrap();
            // On loopback without TLS, as here, Safari drops cookies that ask for TLS.
            assert!(
                !pair.starts_with("__Host-") && !guards.contains("Secure"),
                "{cookie:?}"
            );
            let (name, value) = pair.split_once('=').unwrap();
            self.0.insert(name.to_owned(), value.to_owned());
        }
        answer
    }
}

/// An authorization request of this client for a resource.
fn request(client: &str, resource: &str) -> String {
    let query = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs([
            ("response_type", "code"),
            ("client_id", client),
            ("redirect_uri", REDIRECT),
            ("code_challenge", CHALLENGE),
            ("code_challenge_method", "S256"),
            ("scope", "mcp access offline_access"),
            ("resource", resource),
        ])
        .finish();
    format!("/authorize?{query}")
}

/// A token request with this code.
fn redeem(code: &str, client: &str, more: &[(&str, &str)]) -> Ask {
    let mut fields = vec![
        ("grant_type", "authorization_code"),
        ("client_id", client),
        ("redirect_uri", REDIRECT),
        ("code", code),
        ("code_verifier", VERIFIER),
    ];
    fields.extend_from_slice(more);
    form("/token", &fields)
}

pub(crate) fn form(path: &str, fields: &[(&str, &str)]) -> Ask {
    let body = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    Ask::post(path, body).set("content-type", "application/x-www-form-urlencoded")
}

fn location(answer: &Answer) -> String {
    let location = answer.header("location");
    location.unwrap_or_else(|| panic!("no redirect: {} {}", answer.status, answer.text()))
}

/// The value of the last hidden field of this name.
fn hidden(page: &Answer, name: &str) -> String {
    let text = page.text();
    let mark = format!("name=\"{name}\" value=\"");
    let (_, rest) = text
        .rsplit_once(&mark)
        .unwrap_or_else(|| panic!("no `{name}`: {text}"));
    rest.split('"').next().unwrap().to_owned()
}
