//! Fetching what a stranger names, without becoming the stranger's messenger.

use std::{collections::BTreeMap, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use bytes::Bytes;
use cardea_domain::is_public;
use http::{Request, StatusCode, header};
use http_body_util::{BodyExt as _, Empty, Limited};
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use rustls::{ClientConfig, pki_types::ServerName};
use tokio::net::{TcpStream, lookup_host};
use tokio_rustls::TlsConnector;
use url::Url;

use crate::{
    FetchError,
    fetch::{max_age, tls},
};

/// What to fetch.
pub(super) struct Errand<'a> {
    /// An `https` address with this host.
    pub(super) url: &'a Url,
    pub(super) host: &'a str,
    pub(super) reach: Reach,
    pub(super) bytes_max: usize,
}

/// How far a fetch may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(in crate::server) enum Reach {
    /// Public addresses, whatever the host is called.
    Public,
    /// Also the hosts that an administrator named, wherever they are.
    Named,
}

/// Fetches documents of strangers: `https` only, no redirects, from public addresses only. The
/// address is looked up once, judged, and connected to: a name cannot change between the two.
pub(in crate::server) struct Guarded {
    public: Arc<ClientConfig>,
    /// Hosts that may be anywhere, since an administrator named them.
    private: BTreeMap<String, Arc<ClientConfig>>,
}

/// A person waits for the page meanwhile.
const FETCH_TIMEOUT: Duration = Duration::from_secs(5);

/// So that a second address is tried within the time of the whole.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// More are no host's, but a way to make the gateway knock at many doors.
const ADDRESSES_MAX: usize = 8;

impl Guarded {
    /// Fetches from public addresses, and from `hosts` wherever they are, each with the authorities
    /// of its own file.
    ///
    /// # Errors
    /// [`FetchError::Ca`] when a file holds no usable certificate.
    pub(in crate::server) fn new(
        hosts: &BTreeMap<String, Option<PathBuf>>,
    ) -> Result<Self, FetchError> {
        let mut private = BTreeMap::new();
        for (host, ca_file) in hosts {
            private.insert(host.clone(), Arc::new(tls(ca_file.as_deref())?));
        }
        Ok(Self {
            public: Arc::new(tls(None)?),
            private,
        })
    }

    /// The document and how long it may be kept, or why there is none.
    pub(super) async fn get(
        &self,
        errand: &Errand<'_>,
    ) -> Result<(Bytes, Option<Duration>), String> {
        tokio::time::timeout(FETCH_TIMEOUT, self.get_unbounded(errand))
            .await
            .map_err(|_| "no answer in time".to_owned())?
    }

    async fn get_unbounded(
        &self,
        errand: &Errand<'_>,
    ) -> Result<(Bytes, Option<Duration>), String> {
        let Errand {
            url,
            host,
            reach,
            bytes_max,
        } = *errand;
        let port = url.port_or_known_default().unwrap_or(443);
        let private = match reach {
            Reach::Public => None,
            Reach::Named => self.private.get(host),
        };
        let found = lookup_host((host, port)).await.map_err(text)?;
        let stream = connect(&choose(found, private.is_some())?).await?;
        let name = ServerName::try_from(host.to_owned()).map_err(text)?;
        let config = Arc::clone(private.unwrap_or(&self.public));
        let stream = TlsConnector::from(config)
            .connect(name, stream)
            .await
            .map_err(text)?;
        let (mut sender, connection) = http1::Builder::new()
            .max_buf_size(16 * 1024)
            .handshake(TokioIo::new(stream))
            .await
            .map_err(text)?;
        let target = match url.query() {
            Some(query) => format!("{}?{query}", url.path()),
            None => url.path().to_owned(),
        };
        // The connection ends with this fetch, which has a time of its own.
        let authority = match url.port() {
            Some(port) => format!("{host}:{port}"),
            None => host.to_owned(),
        };
        let request = Request::get(target)
            .header(header::HOST, authority)
            .header(header::ACCEPT, "application/json")
            .body(Empty::<Bytes>::new())
            .map_err(text)?;
        let exchange = async {
            let answer = sender.send_request(request).await.map_err(text)?;
            if answer.status() != StatusCode::OK {
                return Err(format!("status {}", answer.status().as_u16()));
            }
            let keep = answer
                .headers()
                .get(header::CACHE_CONTROL)
                .and_then(|v| v.to_str().ok())
                .and_then(max_age);
            let body = Limited::new(answer.into_body(), bytes_max)
                .collect()
                .await
                .map_err(|e| e.to_string())?;
            Ok((body.to_bytes(), keep))
        };
        tokio::pin!(exchange);
        tokio::pin!(connection);
        tokio::select! {
            done = &mut exchange => done,
            ended = &mut connection => match ended {
                // What was read before the end may already be the whole answer.
                Ok(()) => exchange.await,
                Err(error) => Err(error.to_string()),
            },
        }
    }
}

/// The addresses to try, if every one of them may be gone to: a name with an inner and a public
/// address is somebody's trick.
fn choose(
    found: impl Iterator<Item = SocketAddr>,
    is_private_allowed: bool,
) -> Result<Vec<SocketAddr>, String> {
    let mut found: Vec<SocketAddr> = found.collect();
    if !is_private_allowed && !found.iter().all(|address| is_public(address.ip())) {
        return Err("its host has an address that is not public".into());
    }
    found.truncate(ADDRESSES_MAX);
    match found.is_empty() {
        true => Err("its host has no address".to_owned()),
        false => Ok(found),
    }
}

/// The first address that takes the connection: a host may be reached by IPv4 alone, or IPv6 alone.
async fn connect(addresses: &[SocketAddr]) -> Result<TcpStream, String> {
    let mut refused = String::new();
    for address in addresses {
        match tokio::time::timeout(CONNECT_TIMEOUT, TcpStream::connect(address)).await {
            Ok(Ok(stream)) => return Ok(stream),
            Ok(Err(error)) => refused = error.to_string(),
            Err(_) => "no connection in time".clone_into(&mut refused),
        }
    }
    Err(refused)
}

fn text(error: impl std::fmt::Display) -> String {
    error.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn addresses(texts: &[&str]) -> std::vec::IntoIter<SocketAddr> {
        let parsed: Vec<_> = texts.iter().map(|t| t.parse().unwrap()).collect();
        parsed.into_iter()
    }

    #[test]
    fn one_inner_address_among_public_ones_is_enough_to_refuse() {
        assert!(choose(addresses(&["1.1.1.1:443"]), false).is_ok());
        for bad in [
            &["10.0.0.1:443"][..],
            &["1.1.1.1:443", "127.0.0.1:443"],
            &["[::1]:443", "1.1.1.1:443"],
            &[],
        ] {
            assert!(choose(addresses(bad), false).is_err(), "{bad:?}");
        }
        assert!(choose(addresses(&["10.0.0.1:443"]), true).is_ok());
    }

    #[tokio::test]
    async fn a_name_that_leads_home_is_not_connected_to() {
        let guarded = Guarded::new(&BTreeMap::new()).unwrap();
        let url = Url::parse("https://localhost:1/c.json").unwrap();
        for reach in [Reach::Public, Reach::Named] {
            let errand = Errand {
                url: &url,
                host: "localhost",
                reach,
                bytes_max: 1,
            };
            let error = guarded.get(&errand).await.unwrap_err();
            assert!(error.contains("not public"), "{error}");
        }
    }
}
