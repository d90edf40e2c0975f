//! A console for a browser to look at: the real pages, login and access room over a store that is
//! filled with as many rows as the argument says, every text in them an attack on the page.
//!
//! `stand ROWS` prints one line of JSON (`origin`, and a one-time link for each person), serves
//! until its input ends, and writes to nothing but a folder of its own.

#![allow(
    clippy::unwrap_used,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "it stands beside the tests, and is never shipped"
)]

use std::{
    collections::{BTreeMap, BTreeSet},
    convert::Infallible,
    io::Read as _,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use bytes::Bytes;
use cardea_access::{
    Access, AccessRequest, Asker, Author, BoundTo, Entitlement, Entitlements, Justification, Kind,
    Moment, Need, NewLock, NewRequest, Pattern, Reason, Requesters, Resource, ResourceKind, Scope,
    Stage,
};
use cardea_console::{
    Body, Console, ConsoleSettings, Explained, ExplainedPolicy, LOGIN_AGE_MAX_S, Minute, People,
    Roles, Rooms, Ruling, ServerFacts, Standing, Subject, SupposedCall,
};
use cardea_domain::{
    Action, ActorId, Clock, EntitlementId, KeyBinding, RunId, RunSource, SubjectId, Target,
    TenantId, ToolName, UpstreamId,
};
use cardea_identity::{
    Algorithm, AuthorizationServer, Dpop, DpopSettings, Revocations, SigningKeys,
    server::{self, Accounts, ServerSettings, State},
};
use cardea_registry::{
    Connection, DefinitionKind, Entry, Registrar, Sighting, StdioServer, digest_of,
};
use cardea_store::Store;
use futures_util::StreamExt as _;
use http::{Request, Response};
use http_body_util::{BodyExt as _, StreamBody, combinators::UnsyncBoxBody};
use hyper::{body::Frame, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::net::TcpListener;

/// What a model or a server could write to take the page over.
const PAYLOAD: &str =
    "\"'><script>alert(1)</script><img src=x onerror=alert(1)> \u{202e}evil\u{200b}";

/// Ada asks, Ben and Bea approve, Cleo administers.
const PEOPLE: [&str; 4] = ["ada", "ben", "bea", "cleo"];

struct Stand {
    console: Console,
    authorization: Arc<AuthorizationServer>,
    rooms: Furnished,
}

struct Furnished {
    tenant: TenantId,
    access: Arc<Access>,
    entitlements: Entitlements,
    registrar: Arc<Registrar>,
}

/// Writes nothing down.
struct Quiet;

#[tokio::main(flavor = "current_thread")]
async fn main() {
    let rows: u32 = std::env::args()
        .nth(1)
        .unwrap_or_default()
        .parse()
        .unwrap_or(3);
    let folder = tempfile::tempdir().unwrap();
    let listener = TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0)))
        .await
        .unwrap();
    let origin = format!("http://{}", listener.local_addr().unwrap());
    // A minute passes before each row is written, and the last one is written now.
    let began_ms = Clock::system().unix_ms() - u64::from(rows) * STEP_MS;
    let clock = Clock::manual(began_ms);
    let stand = Arc::new(stand(folder.path(), &origin, &clock).await);
    stand.rooms.fill(rows, &clock).await;
    let accounts = Accounts::open(folder.path(), clock).await.unwrap();
    let mut links = BTreeMap::new();
    for who in PEOPLE {
        let link = accounts
            .add(&stand.rooms.tenant, &subject(who), &[])
            .await
            .unwrap();
        links.insert(who, format!("{origin}{link}"));
    }
    println!("{}", json!({"origin": origin, "links": links}));
    let serving = tokio::spawn(serve(listener, stand));
    let input = tokio::task::spawn_blocking(|| std::io::stdin().read_to_end(&mut Vec::new()));
    input.await.unwrap().unwrap();
    serving.abort();
}

/// Slow enough for every limit of how often one may ask.
const STEP_MS: u64 = 100;

async fn stand(folder: &std::path::Path, origin: &str, clock: &Clock) -> Stand {
    let tenant = TenantId::parse("demo").unwrap();
    let keys = Arc::new(SigningKeys::open(folder, clock.clone()).unwrap());
    let revocations = Arc::<Revocations>::default();
    let state = State::open(folder, keys, revocations, clock.clone())
        .await
        .unwrap();
    let store = Store::open(&folder.join("cardea.db")).await.unwrap();
    let settings = ServerSettings {
        origin: origin.to_owned(),
        tenants: BTreeSet::from([tenant.clone()]),
        access_token_s: 600,
        grant_s: 86_400,
        clients: Vec::new(),
        documents: false,
        private_hosts: BTreeMap::new(),
        certificates: server::Certificates::Never,
        registration: false,
        local_accounts: true,
        login: Vec::new(),
    };
    let proofs = DpopSettings {
        require_nonce: false,
        iat_window: Duration::from_secs(60),
        algorithms: vec![Algorithm::ES256],
    };
    let dpop = Arc::new(Dpop::new(proofs, &[7; 32], "token", clock.clone()));
    let authorization =
        Arc::new(AuthorizationServer::new(settings, dpop, Arc::new(state)).unwrap());
    let registrar = Arc::new(Registrar::new(store.clone(), clock.clone()));
    let access = Access::open(store, tenant.clone(), clock.clone(), Arc::new(Quiet))
        .await
        .unwrap();
    let administrators = People {
        subjects: BTreeSet::from([subject("cleo")]),
        ..People::default()
    };
    let roles = Roles {
        administrators,
        ..Roles::default()
    };
    let settings = ConsoleSettings {
        origin: origin.to_owned(),
        roles: BTreeMap::from([(tenant.clone(), roles)]),
        login_age_max_s: LOGIN_AGE_MAX_S,
    };
    Stand {
        console: Console::new(settings, Arc::clone(&authorization), clock.clone()),
        authorization,
        rooms: Furnished {
            tenant,
            access,
            entitlements: Entitlements::new(vec![entitlement()]).unwrap(),
            registrar,
        },
    }
}

impl Furnished {
    /// What the server says, with markup and what hides text in it: half of it approved, and then changed.
    async fn show(&self, rows: u32) {
        let files = UpstreamId::parse("files").unwrap();
        let rows = rows.min(300);
        for text in ["Reads.", PAYLOAD] {
            let sightings = (0..rows).map(|n| {
                let name = format!("tool_{n}{PAYLOAD}");
                let raw = json!({"name": name, "description": text}).to_string();
                Sighting {
                    kind: DefinitionKind::Tool,
                    digest: digest_of(&raw),
                    raw: raw.into(),
                    name,
                }
            });
            let (of, held) = (&self.tenant, sightings.collect());
            let server = Connection::Stdio(StdioServer::default());
            let entry = Entry::new(of.clone(), files.clone(), server);
            self.registrar.saw(&entry, held).await.unwrap();
            let view = self.registrar.view(of).await.unwrap();
            let half = view.quarantined.iter().step_by(2);
            let choices: Vec<_> = half.filter_map(|held| held.choice()).collect();
            if text == "Reads." && rows > 0 {
                let approving = self
                    .registrar
                    .approve(of, &files, &choices, PAYLOAD, PAYLOAD);
                approving.await.unwrap();
            }
        }
    }

    /// Requests of many agents, of which every second is approved; a lock where there are rows.
    async fn fill(&self, rows: u32, clock: &Clock) {
        for n in 0..rows {
            clock.advance(Duration::from_millis(STEP_MS));
            let request = self.ask(n).await;
            if n % 2 == 1 {
                let rule =
                    self.access
                        .approve_automatically(&self.entitlements, &request.id, "a-rule");
                rule.await.unwrap();
            }
        }
        self.show(rows).await;
        if rows > 0 {
            let cleo = subject("cleo");
            let lock = NewLock {
                scope: Scope::Actor(ActorId::parse("agent-that-went-wrong").unwrap()),
                reason: PAYLOAD,
                by: (&cleo).into(),
                expires_ms: None,
            };
            self.access.lock(lock).await.unwrap();
        }
    }

    async fn ask(&self, n: u32) -> Arc<AccessRequest> {
        let name: String = PAYLOAD.chars().filter(|c| !c.is_control()).collect();
        // So many people that each stays within what one may ask for.
        let who = match n / 50 {
            0 => subject("ada"),
            more => subject(&format!("ada-{more}")),
        };
        let actor = ActorId::parse(&format!("agent-{n} {name}")).unwrap();
        let run = RunId::parse(&format!("run-{n} {name}")).unwrap();
        let upstream = UpstreamId::parse("files").unwrap();
        let target = Target::Tool(ToolName::parse(&format!("write_file {name}")).unwrap());
        let arguments =
            json!({"path": format!("/srv/reports/{n}"), PAYLOAD: [PAYLOAD, {"deep": [n]}]});
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
            kind: Some(if n.is_multiple_of(3) {
                Kind::Calls
            } else {
                Kind::Once
            }),
            arguments: Some(&arguments.to_string()),
            constraint: None,
            duration: None,
            calls_max: None,
            tool_digest: Some([3; 32]),
            policies: [7; 32],
            reason: Some(Reason {
                text: PAYLOAD.to_owned(),
                author: Author::Model,
                beside: None,
            }),
            ticket: None,
            model: Some(&name),
            client: Some(&name),
            extends: None,
        };
        self.access.ask(&self.entitlements, &new).await.unwrap()
    }
}

impl Rooms for Furnished {
    fn access(&self, tenant: &TenantId) -> Option<Arc<Access>> {
        (*tenant == self.tenant).then(|| Arc::clone(&self.access))
    }

    fn entitlements(&self, tenant: &TenantId) -> Option<Entitlements> {
        (*tenant == self.tenant).then(|| self.entitlements.clone())
    }

    fn minutes(&self, _: &TenantId) -> Vec<Minute> {
        let minute = |n: u64| Minute {
            calls: n * 7 % 23,
            denials: n * 5 % 7,
        };
        (0..60).map(minute).collect()
    }

    fn policies(&self, _: &TenantId) -> [u8; 32] {
        [7; 32]
    }

    fn ruling(&self, _: &TenantId, _: &AccessRequest) -> Ruling {
        Ruling::Forbids(vec![PAYLOAD.to_owned()])
    }

    fn registrar(&self, _: &TenantId) -> Option<Arc<Registrar>> {
        Some(Arc::clone(&self.registrar))
    }

    fn servers(&self, tenant: &TenantId) -> Vec<ServerFacts> {
        let files = (*tenant == self.tenant).then(|| ServerFacts {
            id: UpstreamId::parse("files").unwrap(),
            transport: "stdio",
            pins: "approve",
            identity: vec![("Starts", PAYLOAD.to_owned())],
            labels: BTreeMap::new(),
        });
        files.into_iter().collect()
    }

    fn explain(&self, _: &TenantId, call: &SupposedCall<'_>) -> Option<Explained> {
        Some(Explained {
            decision: "not permitted",
            is_grantable: true,
            policies: vec![ExplainedPolicy {
                id: PAYLOAD.to_owned(),
                effect: "permit",
                outcome: match call.arguments {
                    Some(_) => "not met",
                    None => "depends on arguments",
                },
                detail: Some(PAYLOAD.to_owned()),
            }],
            ..Explained::default()
        })
    }

    fn standing(&self, _: &TenantId, _: &UpstreamId, _: Option<&str>) -> Vec<Standing> {
        vec![Standing {
            id: PAYLOAD.to_owned(),
            who: "principal in Cardea::Group::\"acme/ops\"".to_owned(),
            what: "resource".to_owned(),
            conditions: Vec::new(),
        }]
    }

    fn subject(&self, _: &TenantId, _: &UpstreamId, _: &Target) -> Subject {
        let description = Some(format!("Writes a file.\n{PAYLOAD}"));
        Subject {
            is_shown: true,
            description,
            digest: Some([3; 32]),
            arguments: vec!["path".to_owned(), PAYLOAD.to_owned()],
            asserted: vec!["changes nothing"],
            labels: Some(cardea_console::Labelled::Nothing),
        }
    }
}

async fn serve(listener: TcpListener, stand: Arc<Stand>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            continue;
        };
        let stand = Arc::clone(&stand);
        let answer = service_fn(move |request| {
            let stand = Arc::clone(&stand);
            async move { Ok::<_, Infallible>(stand.answer(request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
    }
}

type Reply = Response<UnsyncBoxBody<Bytes, Infallible>>;

impl Stand {
    async fn answer(&self, request: Request<hyper::body::Incoming>) -> Reply {
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let body = body
            .collect()
            .await
            .map(|body| body.to_bytes())
            .unwrap_or_default();
        let request = Request::from_parts(head, body);
        if !Console::has(&path) {
            let peer = server::Peer {
                address: [127, 0, 0, 1].into(),
                certificate: None,
            };
            let reply = self.authorization.serve(request, peer, &Quiet).await;
            return reply.map(|text| http_body_util::Full::new(text).boxed_unsync());
        }
        let reply = self.console.serve(request, None, &self.rooms).await;
        reply.map(|body| match body {
            Body::Whole(text) => http_body_util::Full::new(text).boxed_unsync(),
            Body::Events(events) => {
                StreamBody::new(events.map(|text| Ok(Frame::data(text)))).boxed_unsync()
            }
        })
    }
}

impl cardea_access::Journal for Quiet {
    fn record<'a>(
        &'a self,
        _: &'a cardea_access::Event<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), cardea_access::JournalDown>> + Send + 'a>> {
        Box::pin(async { Ok(()) })
    }
}

impl server::Journal for Quiet {
    fn record<'a>(
        &'a self,
        _: &'a server::Event<'a>,
    ) -> Pin<Box<dyn Future<Output = Result<(), server::JournalDown>> + Send + 'a>> {
        Box::pin(async { Ok(()) })
    }
}

fn subject(id: &str) -> SubjectId {
    SubjectId::parse(id).unwrap()
}

fn entitlement() -> Entitlement {
    let any = || Pattern::parse("*").unwrap();
    Entitlement {
        id: EntitlementId::parse("write-reports").unwrap(),
        description: Some("Write reports that were asked for".into()),
        requesters: Requesters {
            subjects: vec![any()],
            ..Requesters::default()
        },
        resources: vec![Resource {
            upstream: any(),
            kind: ResourceKind::Tool,
            name: any(),
        }],
        constraint: None,
        kinds: vec![Kind::Once, Kind::Calls, Kind::Time],
        duration_max: Duration::from_secs(3600),
        calls_max: Some(20),
        bytes_max: None,
        rate: None,
        stages: vec![Stage {
            need: Need::Any,
            users: vec![subject("ben"), subject("bea")],
            groups: Vec::new(),
        }],
        second_person: true,
        bound_to: BoundTo::Agent,
        hidden: false,
        justification: Justification::default(),
        hold: None,
    }
}
