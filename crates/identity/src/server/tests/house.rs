//! A server with one account, and those who talk to it.

use std::{
    collections::{BTreeMap, BTreeSet},
    pin::Pin,
    sync::{Arc, Mutex},
    time::Duration,
};

use ::http::{Method, Request, Response, StatusCode, header};
use bytes::Bytes;
use cardea_domain::{ActorId, Clock, SubjectId, TenantId};
use serde_json::Value;
use tempfile::TempDir;
use url::form_urlencoded;

use crate::{
    Algorithm, Dpop, DpopSettings, Revocations, SigningKeys,
    server::{
        Accounts, AuthorizationServer, Certificates, ClientAuthentication, ConfiguredClient, Event,
        Journal, JournalDown, Peer, PublishedKeys, ServerSettings, State,
    },
};

pub(super) const ORIGIN: &str = "https://gw.example.com";
pub(super) const REDIRECT: &str = "http://127.0.0.1:5000/callback";
pub(super) const PASSWORD: &str = "correct horse battery";
/// RFC 7636 appendix B.
pub(super) const VERIFIER: &str = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
pub(super) const CHALLENGE: &str = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";

pub(super) struct House {
    pub(super) server: AuthorizationServer,
    pub(super) clock: Clock,
    pub(super) revocations: Arc<Revocations>,
    pub(super) accounts: Accounts,
    pub(super) state: Arc<State>,
    pub(super) journal: Notes,
    folder: TempDir,
}

/// Events by name, or a log that is full.
#[derive(Default)]
pub(super) struct Notes {
    events: Mutex<Vec<String>>,
    pub(super) is_down: std::sync::atomic::AtomicBool,
}

impl Journal for Notes {
    fn record<'a>(
        &'a self,
        event: &'a Event<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), JournalDown>> + Send + 'a>> {
        let is_down = self.is_down.load(std::sync::atomic::Ordering::SeqCst);
        if !is_down {
            let who = event
                .who
                .map(|who| format!("{} {}", who.tenant, who.subject));
            let line = format!(
                "{} {} {}",
                event.name,
                who.unwrap_or_default(),
                event.detail
            );
            self.events.lock().unwrap().push(line);
        }
        Box::pin(async move { if is_down { Err(JournalDown) } else { Ok(()) } })
    }
}

impl House {
    /// Tenants `acme` and `globex`; Ada of `acme`; a public client `app` and one with keys, `robot`.
    pub(super) async fn open() -> Self {
        Self::open_with_proofs(|_| {}).await
    }

    pub(super) async fn with(change: impl FnOnce(&mut ServerSettings)) -> Self {
        Self::with_proofs(change, |_| {}).await
    }

    /// As [`House::open`], with other rules for proofs.
    pub(super) async fn open_with_proofs(proofs: impl FnOnce(&mut DpopSettings)) -> Self {
        let house = Self::with_proofs(|_| {}, proofs).await;
        house.add_ada().await;
        house
    }

    pub(super) async fn add_ada(&self) {
        let (acme, ada) = (tenant("acme"), SubjectId::parse("ada").unwrap());
        let link = self.accounts.add(&acme, &ada, &["dev".into()]).await;
        self.set_up(&link.unwrap(), "ada").await;
    }

    async fn with_proofs(
        change: impl FnOnce(&mut ServerSettings),
        change_proofs: impl FnOnce(&mut DpopSettings),
    ) -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Clock::manual(1_795_000_000_000);
        let keys = Arc::new(SigningKeys::open(folder.path(), clock.clone()).unwrap());
        let revocations = Arc::<Revocations>::default();
        let state = State::open(
            folder.path(),
            Arc::clone(&keys),
            Arc::clone(&revocations),
            clock.clone(),
        );
        let state = Arc::new(state.await.unwrap());
        let app = |id: &str| ConfiguredClient {
            id: ActorId::parse(id).unwrap(),
            name: Some("The App".into()),
            redirect_uris: vec![REDIRECT.into(), "https://app.example.com/cb".into()],
            authentication: ClientAuthentication::None,
            tenants: Some(BTreeSet::from([tenant("acme")])),
            unattended: None,
            introspects: BTreeSet::new(),
        };
        let robot = ConfiguredClient {
            // The gateway's own keys serve as the robot's: what counts is that it has some.
            authentication: ClientAuthentication::PrivateKeyJwt(PublishedKeys::Document(
                keys.jwks().to_string(),
            )),
            unattended: Some((tenant("acme"), SubjectId::parse("ada").unwrap())),
            introspects: BTreeSet::from([format!("{ORIGIN}/mcp/files")]),
            redirect_uris: Vec::new(),
            ..app("robot")
        };
        let mut settings = ServerSettings {
            origin: ORIGIN.into(),
            tenants: BTreeSet::from([tenant("acme"), tenant("globex")]),
            access_token_s: 600,
            grant_s: 30 * 86_400,
            clients: vec![app("app"), app("other"), robot],
            documents: true,
            private_hosts: BTreeMap::new(),
            certificates: Certificates::Never,
            registration: false,
            local_accounts: true,
            login: Vec::new(),
        };
        change(&mut settings);
        let mut proofs = DpopSettings {
            require_nonce: false,
            iat_window: Duration::from_secs(60),
            algorithms: vec![Algorithm::ES256],
        };
        change_proofs(&mut proofs);
        let dpop = Arc::new(Dpop::new(proofs, &[7; 32], "token", clock.clone()));
        Self {
            server: AuthorizationServer::new(settings, dpop, Arc::clone(&state)).unwrap(),
            accounts: Accounts::open(folder.path(), clock.clone()).await.unwrap(),
            clock,
            revocations,
            state,
            journal: Notes::default(),
            folder,
        }
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Response<Bytes> {
        self.send_from([127, 0, 0, 1], request).await
    }

    pub(super) async fn send_from(
        &self,
        address: [u8; 4],
        request: Request<Bytes>,
    ) -> Response<Bytes> {
        let peer = Peer {
            address: address.into(),
            certificate: None,
        };
        self.server.serve(request, peer, &self.journal).await
    }

    pub(super) async fn post(&self, path: &str, fields: &[(&str, &str)]) -> (StatusCode, Value) {
        let reply = self.send(form(path, fields, None)).await;
        let document = serde_json::from_slice(reply.body()).unwrap_or_default();
        (reply.status(), document)
    }

    /// A person with their browser sets a password by a link.
    pub(super) async fn set_up(&self, link: &str, subject: &str) {
        let mut jar = Jar::default();
        let page = jar.get(self, link).await;
        assert_eq!(page.status(), StatusCode::OK);
        let secret = link.split_once('=').unwrap().1;
        let fields = [
            ("form", hidden(&page, "form")),
            ("link", secret.to_owned()),
            ("subject", subject.to_owned()),
            ("password", PASSWORD.to_owned()),
            ("again", PASSWORD.to_owned()),
        ];
        let done = jar.post(self, "/setup", &fields).await;
        assert_eq!(done.status(), StatusCode::OK, "{done:?}");
    }

    /// From the authorization request to the code, with whatever is asked on the way.
    pub(super) async fn code(&self, jar: &mut Jar, request: &str) -> String {
        let answer = self.answer(jar, request, "allow").await;
        param(&answer, "code").unwrap_or_else(|| panic!("no code: {answer}"))
    }

    /// Where the browser is sent in the end.
    pub(super) async fn answer(&self, jar: &mut Jar, request: &str, decision: &str) -> String {
        let mut to = location(&jar.get(self, request).await);
        if to.contains("/login?") {
            to = location(&self.log_in(jar, &to, "ada", PASSWORD).await);
        }
        let page = jar.get(self, &to).await;
        if page.status() == StatusCode::SEE_OTHER {
            return location(&page);
        }
        let fields = [
            ("form", hidden(&page, "form")),
            ("next", hidden(&page, "next")),
            ("decision", decision.to_owned()),
            ("remember", "yes".to_owned()),
        ];
        location(&jar.post(self, "/consent", &fields).await)
    }

    pub(super) async fn log_in(
        &self,
        jar: &mut Jar,
        to: &str,
        subject: &str,
        password: &str,
    ) -> Response<Bytes> {
        let page = jar.get(self, to).await;
        let fields = [
            ("form", hidden(&page, "form")),
            ("next", hidden(&page, "next")),
            ("tenant", "acme".to_owned()),
            ("subject", subject.to_owned()),
            ("password", password.to_owned()),
        ];
        jar.post(self, "/login", &fields).await
    }

    /// A first pair of tokens for `app`.
    pub(super) async fn tokens(&self) -> Value {
        let mut jar = Jar::default();
        let code = self.code(&mut jar, &request("app", &[])).await;
        let (status, tokens) = self.redeem(&code, &[]).await;
        assert_eq!(status, StatusCode::OK, "{tokens}");
        tokens
    }

    pub(super) async fn redeem(&self, code: &str, changes: &[(&str, &str)]) -> (StatusCode, Value) {
        let mut fields = BTreeMap::from([
            ("grant_type", "authorization_code"),
            ("client_id", "app"),
            ("code", code),
            ("redirect_uri", REDIRECT),
            ("code_verifier", VERIFIER),
        ]);
        fields.extend(changes.iter().copied());
        let fields: Vec<_> = fields.into_iter().collect();
        self.post("/token", &fields).await
    }

    pub(super) fn folder(&self) -> &std::path::Path {
        self.folder.path()
    }

    pub(super) fn events(&self, name: &str) -> usize {
        let events = self.journal.events.lock().unwrap();
        let begins = |line: &&String| line.split(' ').next() == Some(name);
        events.iter().filter(begins).count()
    }
}

/// A browser's cookies.
#[derive(Default, Clone)]
pub(super) struct Jar(BTreeMap<String, String>);

impl Jar {
    pub(super) async fn get(&mut self, house: &House, to: &str) -> Response<Bytes> {
        let path = to.strip_prefix(ORIGIN).unwrap_or(to);
        let request = Request::get(path).header(header::COOKIE, self.line());
        let reply = house.send(request.body(Bytes::new()).unwrap()).await;
        self.keep(&reply);
        reply
    }

    pub(super) async fn post(
        &mut self,
        house: &House,
        path: &str,
        fields: &[(&str, String)],
    ) -> Response<Bytes> {
        let fields: Vec<_> = fields.iter().map(|(k, v)| (*k, v.as_str())).collect();
        let reply = house.send(form(path, &fields, Some(&self.line()))).await;
        self.keep(&reply);
        reply
    }

    pub(super) fn take_from(&mut self, other: &Self, name: &str) {
        self.0
            .extend(other.0.get(name).map(|v| (name.to_owned(), v.clone())));
    }

    pub(super) fn line(&self) -> String {
        let pairs: Vec<_> = self.0.iter().map(|(k, v)| format!("{k}={v}")).collect();
        pairs.join("; ")
    }

    fn keep(&mut self, reply: &Response<Bytes>) {
        for cookie in reply.headers().get_all(header::SET_COOKIE) {
            let cookie = cookie.to_str().unwrap();
            for wanted in ["Secure", "HttpOnly", "SameSite=Lax", "Path=/"] {
                assert!(cookie.contains(wanted), "{cookie}");
            }
            let (name, rest) = cookie.split_once('=').unwrap();
            assert!(name.starts_with("__Host-"));
            let value = rest.split(';').next().unwrap();
            self.0.insert(name.to_owned(), value.to_owned());
        }
    }
}

pub(super) fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

pub(super) fn form(path: &str, fields: &[(&str, &str)], cookies: Option<&str>) -> Request<Bytes> {
    let body = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(fields)
        .finish();
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(path)
        .header(header::CONTENT_TYPE, "application/x-www-form-urlencoded");
    if let Some(cookies) = cookies.filter(|c| !c.is_empty()) {
        request = request.header(header::COOKIE, cookies);
    }
    request.body(Bytes::from(body)).unwrap()
}

/// An authorization request of `client`, with parameters changed, or taken out by an empty value.
pub(super) fn request(client: &str, changes: &[(&str, &str)]) -> String {
    let mut parameters = BTreeMap::from([
        ("response_type", "code"),
        ("client_id", client),
        ("redirect_uri", REDIRECT),
        ("code_challenge", CHALLENGE),
        ("code_challenge_method", "S256"),
        ("state", "st&te=1"),
        ("scope", "mcp offline_access"),
    ]);
    parameters.extend(changes.iter().copied());
    parameters.retain(|_, value| !value.is_empty());
    let query = form_urlencoded::Serializer::new(String::new())
        .extend_pairs(parameters)
        .finish();
    format!("/authorize?{query}")
}

pub(super) fn location(reply: &Response<Bytes>) -> String {
    let location = reply.headers().get(header::LOCATION);
    let location = location.unwrap_or_else(|| panic!("no redirect: {reply:?}"));
    location.to_str().unwrap().to_owned()
}

pub(super) fn param(url: &str, name: &str) -> Option<String> {
    let url = url::Url::parse(url).unwrap();
    let found = url.query_pairs().find(|(known, _)| known == name);
    found.map(|(_, value)| value.into_owned())
}

/// The value of the last hidden field of this name.
pub(super) fn hidden(page: &Response<Bytes>, name: &str) -> String {
    let text = std::str::from_utf8(page.body()).unwrap();
    let mark = format!("name=\"{name}\" value=\"");
    let (_, rest) = text
        .rsplit_once(&mark)
        .unwrap_or_else(|| panic!("no `{name}`: {text}"));
    rest.split('"').next().unwrap().to_owned()
}

pub(super) fn claims(token: &Value) -> Value {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    let part = token.as_str().unwrap().split('.').nth(1).unwrap();
    serde_json::from_slice(&URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}
