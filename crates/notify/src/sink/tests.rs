//! A sink and a real receiver, over real sockets.

use std::{collections::VecDeque, convert::Infallible, net::SocketAddr, time::Duration};

use aws_lc_rs::hmac;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use cardea_domain::TenantId;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt as _, Full};
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use parking_lot::Mutex;
use rustls::RootCertStore;
use tokio::{net::TcpListener, sync::Notify};

use super::*;
use crate::Kind;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const START_MS: u64 = 1_795_000_000_000;

/// What a receiver does with one request.
#[derive(Debug, Clone)]
enum Does {
    Take,
    Refuse(u16, Option<&'static str>),
    Redirect(String),
    Nothing,
}

struct Inbox {
    address: SocketAddr,
    does: Mutex<VecDeque<Does>>,
    got: Mutex<Vec<(HeaderMap, Bytes)>>,
    came: Notify,
}

impl Inbox {
    /// Does these, one after the other, and then takes everything.
    async fn open(does: Vec<Does>) -> Arc<Self> {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let inbox = Arc::new(Self {
            address: listener.local_addr().unwrap(),
            does: Mutex::new(does.into()),
            got: Mutex::default(),
            came: Notify::new(),
        });
        let of = Arc::clone(&inbox);
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let of = Arc::clone(&of);
                let serve = service_fn(move |request| {
                    let of = Arc::clone(&of);
                    async move { Ok::<_, Infallible>(of.answer(request).await) }
                });
                let connection =
                    http1::Builder::new().serve_connection(TokioIo::new(stream), serve);
                tokio::spawn(connection);
            }
        });
        inbox
    }

    async fn answer(&self, request: Request<Incoming>) -> Response<Full<Bytes>> {
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        self.got.lock().push((head.headers, body));
        self.came.notify_waiters();
        let does = self.does.lock().pop_front().unwrap_or(Does::Take);
        let mut answer = Response::new(Full::from("thanks"));
        match does {
            Does::Take => {}
            Does::Refuse(status, after) => {
                *answer.status_mut() = StatusCode::from_u16(status).unwrap();
                if let Some(after) = after {
                    answer
                        .headers_mut()
                        .insert("retry-after", after.parse().unwrap());
                }
            }
            Does::Redirect(to) => {
                *answer.status_mut() = StatusCode::TEMPORARY_REDIRECT;
                answer.headers_mut().insert("location", to.parse().unwrap());
            }
            Does::Nothing => std::future::pending().await,
        }
        answer
    }

    fn url(&self) -> Url {
        format!("http://{}/hook", self.address).parse().unwrap()
    }

    fn count(&self) -> usize {
        self.got.lock().len()
    }
}

/// Remembers how notices ended.
#[derive(Default)]
struct Ends {
    all: Mutex<Vec<(String, End)>>,
    dropped: Mutex<usize>,
    retried: Mutex<usize>,
    one: Notify,
}

impl Watcher for Ends {
    fn retries(&self, _: &str) {
        *self.retried.lock() += 1;
    }

    fn ended<'a>(
        &'a self,
        _: &'a str,
        notice: &'a Notice,
        end: End,
    ) -> Pin<Box<dyn Future<Output = ()> + Send + 'a>> {
        self.all.lock().push((notice.id.clone(), end));
        self.one.notify_one();
        Box::pin(async {})
    }

    fn dropped(&self, _: &str, _: &Notice) {
        *self.dropped.lock() += 1;
    }
}

impl Ends {
    async fn wait(&self, count: usize) {
        let all = async {
            while self.all.lock().len() < count {
                self.one.notified().await;
            }
        };
        let waited = tokio::time::timeout(Duration::from_secs(20), all).await;
        assert!(waited.is_ok(), "{:?}", self.all.lock());
    }
}

fn quick() -> Pace {
    Pace {
        wait_first: Duration::from_millis(10),
        wait_max: Duration::from_millis(50),
        tries_max: 4,
        timeout: Duration::from_secs(20),
    }
}

fn tls() -> ClientConfig {
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(RootCertStore::empty())
        .with_no_client_auth()
}

fn sink(receiver: Receiver, pace: Pace, clock: &Clock) -> (Sink, Arc<Ends>) {
    let ends = Arc::<Ends>::default();
    let settings = SinkSettings {
        name: "ops".into(),
        receiver,
        topics: BTreeSet::from([Topic::Requests]),
        tls: tls(),
        pace,
        clock: clock.clone(),
    };
    let watcher: Arc<dyn Watcher> = Arc::<Ends>::clone(&ends);
    (Sink::start(settings, watcher), ends)
}

fn webhook(inbox: &Inbox) -> Receiver {
    Receiver::Webhook(inbox.url(), SigningSecret::parse(SECRET).unwrap())
}

fn notice(id: &str) -> Arc<Notice> {
    Arc::new(Notice {
        id: id.into(),
        kind: Kind::Requested,
        tenant: TenantId::parse("acme").unwrap(),
        at_ms: START_MS,
        until_ms: START_MS + 3_600_000,
        title: "Access is asked for",
        words: Vec::new(),
        said: Vec::new(),
        page: Some("https://mcp.example.com/console/requests/q-1".into()),
    })
}

/// As the specification says, by another hand than the sink's.
fn is_signed(headers: &HeaderMap, body: &[u8]) -> bool {
    let of = |name: &str| headers[name].to_str().unwrap().to_owned();
    let key = STANDARD
        .decode(SECRET.trim_start_matches("whsec_"))
        .unwrap();
    let key = hmac::Key::new(hmac::HMAC_SHA256, &key);
    let text = [
        of("webhook-id").as_bytes(),
        b".",
        of("webhook-timestamp").as_bytes(),
        b".",
        body,
    ]
    .concat();
    let signature = of("webhook-signature");
    let tag = STANDARD
        .decode(signature.strip_prefix("v1,").unwrap())
        .unwrap();
    hmac::verify(&key, &text, &tag).is_ok()
}

#[tokio::test]
async fn a_receiver_that_refuses_first_gets_it_signed_anew_under_the_same_id() {
    let inbox = Inbox::open(vec![Does::Refuse(503, None), Does::Refuse(404, None)]).await;
    let clock = Clock::manual(START_MS);
    let (sink, ends) = sink(webhook(&inbox), quick(), &clock);
    sink.offer(&notice("q-1.requested"));
    ends.wait(1).await;
    assert_eq!(
        *ends.all.lock(),
        [("q-1.requested".to_owned(), End::Delivered)]
    );
    assert_eq!(*ends.retried.lock(), 2);
    let got = inbox.got.lock().clone();
    assert_eq!(got.len(), 3);
    for (headers, body) in &got {
        assert_eq!(headers["webhook-id"], "q-1.requested");
        assert_eq!(headers["webhook-timestamp"], "1795000000");
        assert!(is_signed(headers, body));
        assert!(!is_signed(headers, b"{}"), "another body is not signed");
    }
}

#[tokio::test]
async fn what_a_receiver_never_takes_is_given_up_and_the_next_one_is_told() {
    let refuses = vec![Does::Refuse(500, Some("0")); 4];
    let inbox = Inbox::open(refuses).await;
    let (sink, ends) = sink(webhook(&inbox), quick(), &Clock::manual(START_MS));
    sink.offer(&notice("n-1"));
    ends.wait(1).await;
    sink.offer(&notice("n-2"));
    ends.wait(2).await;
    let ends = ends.all.lock().clone();
    assert_eq!(ends[0], ("n-1".to_owned(), End::GivenUp));
    assert_eq!(ends[1], ("n-2".to_owned(), End::Delivered));
    assert_eq!(inbox.count(), 5);
}

#[tokio::test]
async fn a_redirect_is_not_followed_and_gone_is_the_end() {
    let other = Inbox::open(Vec::new()).await;
    let to = other.url().to_string();
    let inbox = Inbox::open(vec![Does::Redirect(to), Does::Refuse(410, None)]).await;
    let (sink, ends) = sink(webhook(&inbox), quick(), &Clock::manual(START_MS));
    sink.offer(&notice("n-1"));
    ends.wait(1).await;
    assert_eq!(ends.all.lock()[0].1, End::GivenUp);
    assert_eq!((inbox.count(), other.count()), (2, 0));
}

#[tokio::test]
async fn a_receiver_that_does_not_answer_holds_up_neither_who_offers_nor_what_comes_after() {
    let inbox = Inbox::open(vec![Does::Nothing]).await;
    let pace = Pace {
        timeout: Duration::from_millis(500),
        ..quick()
    };
    let (sink, ends) = sink(webhook(&inbox), pace, &Clock::manual(START_MS));
    sink.offer(&notice("slow"));
    while inbox.count() == 0 {
        inbox.came.notified().await;
    }
    sink.offer(&notice("next"));
    ends.wait(2).await;
    let ends = ends.all.lock().clone();
    assert_eq!(ends[0], ("next".to_owned(), End::Delivered));
    // The second try of the first one was answered.
    assert_eq!(ends[1], ("slow".to_owned(), End::Delivered));
}

#[tokio::test]
async fn a_full_queue_drops_counts_and_never_waits() {
    let inbox = Inbox::open(vec![Does::Nothing; 64]).await;
    let (sink, ends) = sink(webhook(&inbox), Pace::default(), &Clock::manual(START_MS));
    for n in 0..QUEUE_MAX + 50 {
        sink.offer(&notice(&format!("n-{n}")));
    }
    // Nobody else ran meanwhile, so that nothing has left the queue.
    assert_eq!(*ends.dropped.lock(), 50);
}

#[tokio::test]
async fn what_nobody_needs_any_more_is_not_sent() {
    let inbox = Inbox::open(Vec::new()).await;
    let clock = Clock::manual(START_MS);
    clock.advance(Duration::from_secs(3600));
    let (sink, ends) = sink(webhook(&inbox), quick(), &clock);
    sink.offer(&notice("n-1"));
    ends.wait(1).await;
    assert_eq!(ends.all.lock()[0].1, End::Stale);
    assert_eq!(inbox.count(), 0);
}

#[tokio::test]
async fn slack_and_teams_get_their_forms_and_no_signature() {
    for make in [Receiver::Slack, Receiver::Teams] {
        let inbox = Inbox::open(Vec::new()).await;
        let (sink, ends) = sink(make(inbox.url()), quick(), &Clock::manual(START_MS));
        sink.offer(&notice("n-1"));
        ends.wait(1).await;
        let (headers, body) = inbox.got.lock()[0].clone();
        assert_eq!(headers["content-type"], "application/json");
        assert!(!headers.contains_key("webhook-signature"));
        let body: serde_json::Value = serde_json::from_slice(&body).unwrap();
        assert!(body["blocks"].is_array() || body["attachments"].is_array());
    }
}

#[tokio::test]
async fn a_sink_that_is_dropped_tries_no_more() {
    let inbox = Inbox::open(vec![Does::Refuse(500, None); 64]).await;
    let pace = Pace {
        tries_max: 1000,
        ..quick()
    };
    let (sink, ends) = sink(webhook(&inbox), pace, &Clock::manual(START_MS));
    sink.offer(&notice("n-1"));
    while inbox.count() < 2 {
        inbox.came.notified().await;
    }
    drop(sink);
    // Its task and all its tries hold the watcher; once they are gone nobody else does.
    let gone = async {
        while Arc::strong_count(&ends) > 1 {
            tokio::task::yield_now().await;
        }
    };
    tokio::time::timeout(Duration::from_secs(20), gone)
        .await
        .unwrap();
    assert!(ends.all.lock().is_empty());
}
