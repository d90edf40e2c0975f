//! The end of a browser login: one request to this computer (RFC 8252, section 7.3).

use std::{convert::Infallible, net::Ipv4Addr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{body::Incoming, server::conn::http1, service::service_fn};
use hyper_util::rt::{TokioIo, TokioTimer};
use parking_lot::Mutex;
use tokio::{net::TcpListener, sync::oneshot, task::JoinSet};
use url::form_urlencoded;

use crate::ConnectError;

/// Waits on a port of 127.0.0.1 for the browser to come back.
#[derive(Debug)]
pub(crate) struct Listener {
    tcp: TcpListener,
    port: u16,
}

/// What the browser brought.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(crate) struct Callback {
    pub(crate) code: Option<String>,
    pub(crate) iss: Option<String>,
    pub(crate) error: Option<String>,
    pub(crate) error_description: Option<String>,
}

/// The path of the redirect.
const PATH: &str = "/callback";

/// Time to find one's password, and to register a second factor.
pub(crate) const LOGIN_MINUTES_MAX: u64 = 10;

/// Browsers open a few; nobody else has a reason to.
const CONNECTIONS_MAX: usize = 16;

/// A head on a local connection is there at once.
const HEAD_TIMEOUT: Duration = Duration::from_secs(5);

/// After this the page may not have reached the browser, which shows its own error then.
const FAREWELL: Duration = Duration::from_secs(2);

const PAGE: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Cardea</title>\
<h1>You can close this window</h1><p>Cardea has what it needs. Go back to where you started the login.</p></html>";
const ASTRAY: &str = "<!doctype html><html lang=\"en\"><meta charset=\"utf-8\"><title>Cardea</title>\
<h1>This is not the login that is open</h1><p>Start again from the terminal.</p></html>";

type Waiting = Arc<Mutex<Option<oneshot::Sender<Callback>>>>;

impl Listener {
    /// A listener on `preferred`, where that is free, else on any port.
    pub(crate) async fn bind(preferred: Option<u16>) -> Result<Self, ConnectError> {
        let failed = |e: std::io::Error| ConnectError::Transport {
            url: "http://127.0.0.1".into(),
            reason: e.to_string(),
        };
        let tcp = match preferred {
            Some(port) => TcpListener::bind((Ipv4Addr::LOCALHOST, port)).await.ok(),
            None => None,
        };
        let tcp = match tcp {
            Some(tcp) => tcp,
            None => TcpListener::bind((Ipv4Addr::LOCALHOST, 0))
                .await
                .map_err(failed)?,
        };
        let port = tcp.local_addr().map_err(failed)?.port();
        Ok(Self { tcp, port })
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Where the authorization server sends the browser.
    pub(crate) fn redirect_uri(&self) -> String {
        format!("http://127.0.0.1:{}{PATH}", self.port)
    }

    /// The request that carries `state`; others are turned away and do not end the wait.
    ///
    /// # Errors
    /// [`ConnectError::LoginTimeout`].
    pub(crate) async fn callback(self, state: &str) -> Result<Callback, ConnectError> {
        let limit = Duration::from_secs(LOGIN_MINUTES_MAX * 60);
        tokio::time::timeout(limit, self.serve(state))
            .await
            .unwrap_or(Err(ConnectError::LoginTimeout(LOGIN_MINUTES_MAX)))
    }

    async fn serve(self, state: &str) -> Result<Callback, ConnectError> {
        let (sender, mut receiver) = oneshot::channel();
        let waiting: Waiting = Arc::new(Mutex::new(Some(sender)));
        let state: Arc<str> = state.into();
        let mut connections = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                callback = &mut receiver => {
                    let farewell = async { while connections.join_next().await.is_some() {} };
                    let _ = tokio::time::timeout(FAREWELL, farewell).await;
                    return callback.map_err(|_| ConnectError::LoginTimeout(LOGIN_MINUTES_MAX));
                }
                Some(_) = connections.join_next() => {}
                accepted = self.tcp.accept(), if connections.len() < CONNECTIONS_MAX => {
                    let Ok((stream, _)) = accepted else { continue };
                    let (waiting, state) = (Arc::clone(&waiting), Arc::clone(&state));
                    let service = service_fn(move |request| {
                        let answer = answer(&request, &state, &waiting);
                        async move { Ok::<_, Infallible>(answer) }
                    });
                    connections.spawn(async move {
                        let _ = http1::Builder::new()
                            .timer(TokioTimer::new())
                            .header_read_timeout(HEAD_TIMEOUT)
                            .keep_alive(false)
                            .serve_connection(TokioIo::new(stream), service)
                            .await;
                    });
                }
            }
        }
    }
}

fn answer(request: &Request<Incoming>, state: &str, waiting: &Waiting) -> Response<Full<Bytes>> {
    if request.method() != Method::GET || request.uri().path() != PATH {
        return page(StatusCode::NOT_FOUND, ASTRAY);
    }
    let Some(callback) = read(request.uri().query().unwrap_or_default(), state) else {
        return page(StatusCode::BAD_REQUEST, ASTRAY);
    };
    // The first one that knows the state is the one.
    let Some(sender) = waiting.lock().take() else {
        return page(StatusCode::BAD_REQUEST, ASTRAY);
    };
    let _ = sender.send(callback);
    page(StatusCode::OK, PAGE)
}

/// The parameters of the redirect, when it carries `state` and nothing twice.
fn read(query: &str, state: &str) -> Option<Callback> {
    let mut callback = Callback::default();
    let mut came = None;
    for (name, value) in form_urlencoded::parse(query.as_bytes()) {
        let member = match &*name {
            "state" => &mut came,
            "code" => &mut callback.code,
            "iss" => &mut callback.iss,
            "error" => &mut callback.error,
            "error_description" => &mut callback.error_description,
            _ => continue,
        };
        if member.replace(value.into_owned()).is_some() {
            return None;
        }
    }
    let came = came?;
    aws_lc_rs::constant_time::verify_slices_are_equal(came.as_bytes(), state.as_bytes())
        .ok()
        .map(|()| callback)
}

fn page(status: StatusCode, text: &'static str) -> Response<Full<Bytes>> {
    let mut page = Response::new(Full::new(Bytes::from_static(text.as_bytes())));
    *page.status_mut() = status;
    for (name, value) in [
        (header::CONTENT_TYPE, "text/html; charset=utf-8"),
        (
            header::CONTENT_SECURITY_POLICY,
            "default-src 'none'; frame-ancestors 'none'",
        ),
        (header::REFERRER_POLICY, "no-referrer"),
        (header::CACHE_CONTROL, "no-store"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        page.headers_mut()
            .insert(name, http::HeaderValue::from_static(value));
    }
    page
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_open_logins_state_is_taken_and_nothing_twice() {
        let read = |query| read(query, "st");
        let good = read("code=c&state=st&iss=https%3A%2F%2Fas").unwrap();
        assert_eq!(good.code.as_deref(), Some("c"));
        assert_eq!(good.iss.as_deref(), Some("https://as"));
        for bad in [
            "code=c",
            "code=c&state=other",
            "code=c&state=st&state=st",
            "code=c&code=d&state=st",
            "",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
    }
}
