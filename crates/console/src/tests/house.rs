//! A console with two tenants, five people, and agents that ask.

use std::{
    collections::BTreeMap,
    pin::Pin,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use cardea_access::{
    Access, AccessRequest, Asker, Author, Entitlements, Event, Kind, Moment, NewRequest, Reason,
};
use cardea_domain::{
    Action, ActorId, Clock, GrantId, KeyBinding, RunId, RunSource, SubjectId, Target, TenantId,
    ToolName, UpstreamId,
};
use cardea_identity::{
    ApiHolder, AuthorizationServer, Revocations, SigningKeys,
    server::{Person, State},
};
use cardea_registry::{
    Connection, DefinitionKind, Entry, Registrar, Sighting, StdioServer, digest_of,
};
use cardea_store::{LoginSession, SecretHash, Store};
use http::{HeaderMap, Method, Request, header};
use serde_json::Value;
use tempfile::TempDir;

use super::furniture::{any, authorization, entitlement, other, people};
use crate::{
    Body, Console, ConsoleSettings, Explained, ExplainedPolicy, LOGIN_AGE_MAX_S, Minute, Reply,
    Roles, Rooms, Ruling, ServerFacts, Standing, Subject, SupposedCall,
};

pub(super) const ORIGIN: &str = "https://gw.example.com";

pub(super) struct House {
    pub(super) console: Console,
    pub(super) rooms: Arc<Furnished>,
    pub(super) clock: Clock,
    store: Store,
    pub(super) authorization: Arc<AuthorizationServer>,
    asked: AtomicU64,
    _folder: TempDir,
}

/// What each tenant has.
pub(super) struct Furnished {
    access: BTreeMap<TenantId, Arc<Access>>,
    pub(super) entitlements: Entitlements,
    pub(super) description: String,
    pub(super) registrar: Arc<Registrar>,
}

/// Writes nothing down.
struct Quiet;

impl cardea_access::Journal for Quiet {
    fn record<'a>(
        &'a self,
        _: &'a Event<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), cardea_access::JournalDown>> + Send + 'a>> {
        Box::pin(async { Ok(()) })
    }
}

/// A tool that its server has not shown since the gateway began.
pub(super) const NOT_LISTED_YET: &str = "not_listed_yet";

impl Rooms for Furnished {
    fn access(&self, tenant: &TenantId) -> Option<Arc<Access>> {
        self.access.get(tenant).cloned()
    }

    fn entitlements(&self, tenant: &TenantId) -> Option<Entitlements> {
        self.access.get(tenant).map(|_| self.entitlements.clone())
    }

    fn minutes(&self, _: &TenantId) -> Vec<Minute> {
        vec![
            Minute {
                calls: 2,
                denials: 1
            };
            60
        ]
    }

    fn policies(&self, _: &TenantId) -> [u8; 32] {
        [7; 32]
    }

    fn ruling(&self, _: &TenantId, _: &AccessRequest) -> Ruling {
        Ruling::Silent
    }

    fn registrar(&self, _: &TenantId) -> Option<Arc<Registrar>> {
        Some(Arc::clone(&self.registrar))
    }

    fn servers(&self, tenant: &TenantId) -> Vec<ServerFacts> {
        let files = ServerFacts {
            id: UpstreamId::parse("files").unwrap(),
            transport: "stdio",
            pins: "approve",
            identity: vec![("Starts", "/usr/bin/files".to_owned())],
            labels: BTreeMap::new(),
        };
        match tenant.as_str() {
            "acme" => vec![files],
            _ => Vec::new(),
        }
    }

    fn explain(&self, _: &TenantId, call: &SupposedCall<'_>) -> Option<Explained> {
        Some(Explained {
            decision: "not permitted",
            is_grantable: true,
            policies: vec![ExplainedPolicy {
                id: "a-policy".to_owned(),
                effect: "permit",
                outcome: match call.arguments {
                    Some(_) => "not met",
                    None => "depends on arguments",
                },
                detail: Some("when { context.args.path like \"/public/*\" }".to_owned()),
            }],
            ..Explained::default()
        })
    }

    fn standing(&self, _: &TenantId, _: &UpstreamId, _: Option<&str>) -> Vec<Standing> {
        vec![Standing {
            id: "a-policy".to_owned(),
            who: "principal in Cardea::Group::\"acme/ops\"".to_owned(),
            what: "resource".to_owned(),
            conditions: Vec::new(),
        }]
    }

    fn subject(&self, _: &TenantId, _: &UpstreamId, target: &Target) -> Subject {
        if target.name() == Some(NOT_LISTED_YET) {
            return Subject::default();
        }
        Subject {
            is_shown: true,
            description: Some(self.description.clone()),
            digest: Some([3; 32]),
            arguments: vec!["path".to_owned(), "mode".to_owned()],
            asserted: vec!["changes nothing"],
            labels: Some(crate::Labelled::As(vec!["external"])),
        }
    }
}

/// Somebody at the door, by their cookie.
#[derive(Debug, Clone)]
pub(super) struct Visitor {
    cookie: Option<String>,
}

impl House {
    /// A definition of `files` that waits; gives its digest as it is typed.
    pub(super) async fn shows(&self, name: &str, raw: &str) -> String {
        let sighting = Sighting {
            kind: DefinitionKind::Tool,
            name: name.to_owned(),
            raw: raw.into(),
            digest: digest_of(raw),
        };
        let digest = cardea_registry::digest_text(&sighting.digest.unwrap());
        let entry = Entry::new(
            TenantId::parse("acme").unwrap(),
            UpstreamId::parse("files").unwrap(),
            Connection::Stdio(StdioServer::default()),
        );
        let registrar = &self.rooms.registrar;
        registrar.saw(&entry, vec![sighting]).await.unwrap();
        digest
    }
}

impl House {
    /// Of `acme`: Ada, whose agents ask; Ben and Bea, who approve; Cleo, who administers; Dora, who
    /// audits; Eve, who is nobody in particular. Of `globex`: Zoe, who administers there.
    pub(super) async fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Clock::manual(1_795_000_000_000);
        let keys = Arc::new(SigningKeys::open(folder.path(), clock.clone()).unwrap());
        let revocations = Arc::<Revocations>::default();
        let state = State::open(folder.path(), keys, revocations, clock.clone())
            .await
            .unwrap();
        let store = Store::open(&folder.path().join("cardea.db")).await.unwrap();
        let authorization = Arc::new(authorization(Arc::new(state), &clock));
        let mut access = BTreeMap::new();
        for id in ["acme", "globex"] {
            let opened = Access::open(store.clone(), tenant(id), clock.clone(), Arc::new(Quiet));
            access.insert(tenant(id), opened.await.unwrap());
        }
        let rooms = Furnished {
            access,
            entitlements: Entitlements::new(vec![entitlement("writing"), other()]).unwrap(),
            registrar: Arc::new(Registrar::new(store.clone(), clock.clone())),
            description: "Writes a file.".into(),
        };
        let named = |administrator: &str, auditor: &str| Roles {
            administrators: people(&[administrator], &[]),
            auditors: people(&[auditor], &["auditors"]),
        };
        let roles = BTreeMap::from([
            (tenant("acme"), named("cleo", "dora")),
            (tenant("globex"), named("zoe", "zoe")),
        ]);
        let settings = ConsoleSettings {
            origin: ORIGIN.into(),
            roles,
            login_age_max_s: LOGIN_AGE_MAX_S,
        };
        Self {
            console: Console::new(settings, Arc::clone(&authorization), clock.clone()),
            rooms: Arc::new(rooms),
            clock,
            store,
            authorization,
            asked: AtomicU64::new(0),
            _folder: folder,
        }
    }

    /// The entitlement that Ben decides about covers everything from now on, and is the only one.
    pub(super) fn hand_reading_to_writers(&mut self) {
        let mut all = entitlement("writing");
        all.resources[0].name = any();
        let rooms = Arc::get_mut(&mut self.rooms).unwrap();
        rooms.entitlements = Entitlements::new(vec![all]).unwrap();
    }

    /// Nothing is approved before the person in whose name it is asked has said why.
    pub(super) fn want_words_of_a_person(&mut self) {
        let mut all = entitlement("writing");
        all.justification.by_person = true;
        let rooms = Arc::get_mut(&mut self.rooms).unwrap();
        rooms.entitlements = Entitlements::new(vec![all]).unwrap();
    }

    pub(super) fn access(&self) -> Arc<Access> {
        self.rooms.access(&tenant("acme")).unwrap()
    }

    /// Logs somebody in, now.
    pub(super) async fn log_in(&self, of: &str, who: &str, groups: &[&str]) -> Visitor {
        let person = Person {
            tenant: tenant(of),
            subject: subject(who),
            groups: groups.iter().map(|group| (*group).to_owned()).collect(),
            auth_time_s: self.clock.unix_s(),
            acr: None,
            amr: Vec::new(),
            provider: None,
        };
        let now_s = self.clock.unix_s();
        self.store
            .add_account(&person.tenant, &person.subject, &person.groups, now_s)
            .await
            .unwrap();
        self.store
            .set_password(&person.tenant, &person.subject, "$argon2id$none", 0)
            .await
            .unwrap();
        let cookie = format!("{of}-{who}-{}", self.asked.fetch_add(1, Ordering::SeqCst));
        let mut hash = [0; 32];
        hash.copy_from_slice(
            aws_lc_rs::digest::digest(&aws_lc_rs::digest::SHA256, cookie.as_bytes()).as_ref(),
        );
        let session = LoginSession {
            tenant: person.tenant.clone(),
            subject: person.subject.clone(),
            login: serde_json::to_string(&person).unwrap(),
            expires_s: now_s + 12 * 3600,
        };
        self.store
            .begin_session(&SecretHash::new(hash), &session)
            .await
            .unwrap();
        Visitor {
            cookie: Some(format!("{}={cookie}", self.authorization.session_cookie())),
        }
    }

    /// An agent of Ada's asks for one call.
    pub(super) async fn asks(&self, change: impl FnOnce(&mut Wish)) -> AccessRequest {
        self.clock.advance(Duration::from_secs(10));
        let n = self.asked.fetch_add(1, Ordering::SeqCst);
        let mut wish = Wish {
            subject: "ada".into(),
            actor: format!("agent-{n}"),
            run: format!("run-{n}"),
            tool: "write_file".into(),
            arguments: format!("{{\"path\":\"/tmp/{n}\",\"mode\":1.0e2}}"),
            kind: Kind::Once,
            reason: "I need it.".into(),
            model: "model-1".into(),
            duration: None,
        };
        change(&mut wish);
        let (who, actor) = (subject(&wish.subject), ActorId::parse(&wish.actor).unwrap());
        let run = RunId::parse(&wish.run).unwrap();
        let upstream = UpstreamId::parse("files").unwrap();
        let target = Target::Tool(ToolName::parse(&wish.tool).unwrap());
        let new = NewRequest {
            moment: Moment::Ahead,
            asker: Asker {
                subject: &who,
                groups: &[],
                actor: &actor,
                run: Some(&run),
                run_source: Some(RunSource::Token),
                binding: Some(KeyBinding::NONE),
                chain: &[],
                through: None,
            },
            action: Action::CallTool,
            upstream: &upstream,
            target: &target,
            kind: Some(wish.kind),
            arguments: Some(&wish.arguments),
            constraint: None,
            duration: wish.duration,
            calls_max: None,
            tool_digest: Some([3; 32]),
            policies: [7; 32],
            reason: Some(Reason {
                text: wish.reason.clone(),
                author: Author::Model,
                beside: None,
            }),
            ticket: None,
            model: Some(&wish.model),
            client: Some("a client"),
            extends: None,
        };
        let request = self
            .access()
            .ask(&self.rooms.entitlements, &new)
            .await
            .unwrap();
        AccessRequest::clone(&request)
    }

    /// A grant of Ada's agent.
    pub(super) async fn grants(&self) -> GrantId {
        let short = |wish: &mut Wish| {
            wish.kind = Kind::Time;
            wish.duration = Some(Duration::from_secs(300));
        };
        let request = self.asks(short).await;
        let access = self.access();
        let decided = access.approve_automatically(&self.rooms.entitlements, &request.id, "a-rule");
        decided.await.unwrap().state.grant().unwrap().clone()
    }

    /// The token of a login's forms.
    pub(super) fn token(&self, visitor: &Visitor) -> String {
        self.authorization
            .form_token(&visitor.headers(), "console")
            .unwrap_or_default()
    }

    pub(super) async fn get(&self, visitor: &Visitor, to: &str) -> Reply {
        self.send(visitor.request(Method::GET, to, &[], "")).await
    }

    /// As a script of the console's own origin.
    pub(super) async fn call(
        &self,
        visitor: &Visitor,
        method: Method,
        to: &str,
        body: &Value,
    ) -> Reply {
        let headers = [
            ("content-type", "application/json"),
            ("sec-fetch-site", "same-origin"),
            ("origin", ORIGIN),
        ];
        let body = if body.is_null() {
            String::new()
        } else {
            body.to_string()
        };
        self.send(visitor.request(method, to, &headers, &body))
            .await
    }

    /// As a form of a page that was shown to this login.
    pub(super) async fn submit(&self, visitor: &Visitor, to: &str, fields: &str) -> Reply {
        let token = self.token(visitor);
        let headers = [
            ("content-type", "application/x-www-form-urlencoded"),
            ("origin", ORIGIN),
        ];
        self.send(visitor.request(
            Method::POST,
            to,
            &headers,
            &format!("form={token}&{fields}"),
        ))
        .await
    }

    pub(super) async fn send(&self, request: Request<Bytes>) -> Reply {
        self.console.serve(request, None, &*self.rooms).await
    }

    /// As a program with a token of the person's.
    pub(super) async fn program(
        &self,
        holder: &ApiHolder,
        method: Method,
        to: &str,
        body: &Value,
    ) -> Reply {
        let headers = [("content-type", "application/json")];
        let body = match body.is_null() {
            true => String::new(),
            false => body.to_string(),
        };
        let request = Visitor::nobody().request(method, to, &headers, &body);
        let token = Some(Ok(holder.clone()));
        self.console.serve(request, token, &*self.rooms).await
    }

    /// A token of somebody's, for a program, who logged in for it long ago.
    pub(super) fn holder(&self, of: &str, who: &str, groups: &[&str]) -> ApiHolder {
        ApiHolder {
            person: Person {
                tenant: tenant(of),
                subject: subject(who),
                groups: groups.iter().map(|group| (*group).to_owned()).collect(),
                auth_time_s: self.clock.unix_s() - 30 * 86_400,
                acr: None,
                amr: Vec::new(),
                provider: None,
            },
            program: ActorId::parse("cardea-cli").unwrap(),
        }
    }
}

/// What is asked for.
pub(super) struct Wish {
    pub(super) subject: String,
    pub(super) actor: String,
    pub(super) run: String,
    pub(super) tool: String,
    pub(super) arguments: String,
    pub(super) kind: Kind,
    pub(super) reason: String,
    pub(super) model: String,
    /// As long as the entitlement allows when absent.
    pub(super) duration: Option<Duration>,
}

impl Visitor {
    pub(super) fn nobody() -> Self {
        Self { cookie: None }
    }

    pub(super) fn is_nobody(&self) -> bool {
        self.cookie.is_none()
    }

    fn headers(&self) -> HeaderMap {
        let cookie = self
            .cookie
            .iter()
            .map(|cookie| (header::COOKIE, cookie.parse().unwrap()));
        cookie.collect()
    }

    pub(super) fn request(
        &self,
        method: Method,
        to: &str,
        headers: &[(&str, &str)],
        body: &str,
    ) -> Request<Bytes> {
        let mut request = Request::builder().method(method).uri(to);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        request.headers_mut().unwrap().extend(self.headers());
        request.body(Bytes::from(body.to_owned())).unwrap()
    }
}

/// What a reply says.
pub(super) fn text(reply: &Reply) -> &str {
    let Body::Whole(text) = reply.body() else {
        panic!("{reply:?}")
    };
    std::str::from_utf8(text).unwrap()
}

pub(super) fn document(reply: &Reply) -> Value {
    serde_json::from_str(text(reply)).unwrap_or_else(|error| panic!("{error}: {reply:?}"))
}

pub(super) fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

pub(super) fn subject(id: &str) -> SubjectId {
    SubjectId::parse(id).unwrap()
}
