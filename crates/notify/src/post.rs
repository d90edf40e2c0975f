//! One try: a bounded POST, of whose answer only the status counts.

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode, Uri, header};
use http_body_util::Full;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::{TokioExecutor, TokioTimer},
};
use jiff::fmt::rfc2822;
use rustls::ClientConfig;

/// A receiver's address and the way there. Redirects are answers like others: nothing follows them.
#[derive(Debug)]
pub(crate) struct Post {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    uri: Uri,
    timeout: Duration,
}

/// What came of a try.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Answer {
    /// The receiver has it.
    Taken,
    /// The receiver wants nothing any more.
    Gone,
    /// Not now.
    Failed {
        /// Why; without the address, which may be a secret.
        why: String,
        /// How long the receiver wants to be left alone.
        retry_after: Option<Duration>,
    },
}

/// Below what servers keep idle connections for (Node: 5 s).
const IDLE_MAX: Duration = Duration::from_secs(4);

impl Post {
    pub(crate) fn new(uri: Uri, tls: ClientConfig, timeout: Duration) -> Self {
        let connector = HttpsConnectorBuilder::new()
            .with_tls_config(tls)
            .https_or_http()
            .enable_http1()
            .build();
        let client = Client::builder(TokioExecutor::new())
            .pool_max_idle_per_host(1)
            .pool_timer(TokioTimer::new())
            .pool_idle_timeout(IDLE_MAX)
            .build(connector);
        Self {
            client,
            uri,
            timeout,
        }
    }

    /// Sends it at `now_s`, in seconds since the Unix epoch.
    pub(crate) async fn send(&self, headers: HeaderMap, body: Bytes, now_s: u64) -> Answer {
        let mut request = Request::new(Full::from(body));
        *request.method_mut() = http::Method::POST;
        *request.uri_mut() = self.uri.clone();
        *request.headers_mut() = headers;
        let sent = tokio::time::timeout(self.timeout, self.client.request(request));
        match sent.await {
            // The body is not read: whatever a receiver says in it, nothing is done with it.
            Ok(Ok(answer)) => judge(answer.status(), answer.headers(), now_s),
            Ok(Err(error)) => failed(with_sources(&error)),
            Err(_) => failed(format!("no answer within {} s", self.timeout.as_secs_f32())),
        }
    }
}

fn judge(status: StatusCode, headers: &HeaderMap, now_s: u64) -> Answer {
    if status.is_success() {
        return Answer::Taken;
    }
    if status == StatusCode::GONE {
        return Answer::Gone;
    }
    Answer::Failed {
        why: format!("status {}", status.as_u16()),
        retry_after: retry_after(headers, now_s),
    }
}

fn failed(why: String) -> Answer {
    Answer::Failed {
        why,
        retry_after: None,
    }
}

/// Seconds, or a date (RFC 9110 section 10.2.3).
fn retry_after(headers: &HeaderMap, now_s: u64) -> Option<Duration> {
    let text = headers.get(header::RETRY_AFTER)?.to_str().ok()?.trim();
    if let Ok(seconds) = text.parse() {
        return Some(Duration::from_secs(seconds));
    }
    let then = rfc2822::DateTimeParser::new().parse_timestamp(text).ok()?;
    let then_s = u64::try_from(then.as_second()).ok()?;
    then_s.checked_sub(now_s).map(Duration::from_secs)
}

fn with_sources(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut source = error.source();
    while let Some(inner) = source {
        text.push_str(": ");
        text.push_str(&inner.to_string());
        source = inner.source();
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW_S: u64 = 1_795_000_000;

    fn answer(status: u16, after: Option<&str>) -> Answer {
        let mut headers = HeaderMap::new();
        if let Some(after) = after {
            headers.insert(header::RETRY_AFTER, after.parse().unwrap());
        }
        judge(StatusCode::from_u16(status).unwrap(), &headers, NOW_S)
    }

    #[test]
    fn only_a_success_is_one_and_only_gone_is_the_end() {
        assert_eq!(answer(200, None), Answer::Taken);
        assert_eq!(answer(202, None), Answer::Taken);
        assert_eq!(answer(410, None), Answer::Gone);
        for other in [301, 302, 307, 400, 401, 404, 429, 500, 503] {
            assert!(
                matches!(answer(other, None), Answer::Failed { .. }),
                "{other}"
            );
        }
    }

    #[test]
    fn seconds_and_dates_are_understood_and_nothing_else() {
        let after = |text| match answer(503, Some(text)) {
            Answer::Failed { retry_after, .. } => retry_after,
            other => panic!("{other:?}"),
        };
        assert_eq!(after("7"), Some(Duration::from_secs(7)));
        let far = after("Fri, 31 Dec 2100 23:59:59 GMT").unwrap();
        assert!(far > Duration::from_secs(365 * 24 * 3600));
        assert_eq!(after("Wed, 21 Oct 2015 07:28:00 GMT"), None);
        assert_eq!(after("soon"), None);
        assert_eq!(after("-3"), None);
    }
}
