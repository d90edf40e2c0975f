//! Proofs of possession: the key that tokens are bound to, used (RFC 9449).

use std::collections::HashMap;

use cardea_domain::Clock;
use http::{HeaderMap, HeaderName};
use parking_lot::Mutex;
use serde_json::json;
use url::Url;

use crate::{
    ConnectError, address,
    jws::{self, PublicJwk, SigningKey},
};

/// `DPoP`.
pub(crate) const DPOP: HeaderName = HeaderName::from_static("dpop");
/// `DPoP-Nonce`.
pub(crate) const NONCE: HeaderName = HeaderName::from_static("dpop-nonce");

/// Nonces are remembered per server: the authorization server's and the resource's.
const NONCES_MAX: usize = 8;

/// A nonce longer than this is no nonce.
const NONCE_BYTES_MAX: usize = 1024;

/// A key and the nonces that servers asked for with it.
#[derive(Debug)]
pub(crate) struct Prover {
    key: SigningKey,
    jwk: PublicJwk,
    /// By origin.
    nonces: Mutex<HashMap<String, String>>,
    clock: Clock,
}

impl Prover {
    /// A prover with the P-256 key in `pkcs8`.
    pub(crate) fn new(pkcs8: &[u8], clock: Clock) -> Result<Self, ConnectError> {
        let key = SigningKey::from_pkcs8(pkcs8)?;
        let jwk = key
            .public_jwk()
            .ok_or(ConnectError::Crypto("the key is not P-256"))?;
        Ok(Self {
            key,
            jwk,
            nonces: Mutex::new(HashMap::new()),
            clock,
        })
    }

    /// The key's thumbprint: `jkt`, and `dpop_jkt` in an authorization request.
    pub(crate) fn thumbprint(&self) -> String {
        self.jwk.thumbprint()
    }

    /// A proof for one request; with the token that goes along, where one does.
    pub(crate) fn proof(
        &self,
        method: &str,
        url: &Url,
        token: Option<&str>,
    ) -> Result<String, ConnectError> {
        let mut htu = url.clone();
        htu.set_query(None);
        htu.set_fragment(None);
        let mut claims = json!({
            "jti": jws::random()?,
            "htm": method,
            "htu": htu.as_str(),
            "iat": self.clock.unix_s(),
        });
        if let Some(claims) = claims.as_object_mut() {
            if let Some(token) = token {
                claims.insert("ath".into(), json!(jws::sha256(token)));
            }
            if let Some(nonce) = self.nonces.lock().get(&address::origin(url)) {
                claims.insert("nonce".into(), json!(nonce));
            }
        }
        let header = json!({"typ": "dpop+jwt", "jwk": self.jwk.value()});
        self.key.sign(header, &claims)
    }

    /// Keeps the nonce of an answer; true where it names one.
    pub(crate) fn learn(&self, url: &Url, headers: &HeaderMap) -> bool {
        let Some(nonce) = headers.get(NONCE).and_then(|v| v.to_str().ok()) else {
            return false;
        };
        if nonce.len() > NONCE_BYTES_MAX {
            return false;
        }
        let mut nonces = self.nonces.lock();
        if nonces.len() >= NONCES_MAX {
            nonces.clear();
        }
        nonces.insert(address::origin(url), nonce.to_owned());
        true
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    fn claims(proof: &str) -> serde_json::Value {
        jws::peek(proof).unwrap()
    }

    #[test]
    fn a_proof_names_the_request_the_token_and_the_nonce_of_that_server() {
        let (_, pkcs8) = SigningKey::generate().unwrap();
        let clock = Clock::manual(1_000_000);
        let prover = Prover::new(&pkcs8, clock.clone()).unwrap();
        let url = Url::parse("https://gw.example.com/mcp/files?x=1").unwrap();
        let first = claims(&prover.proof("POST", &url, Some("token")).unwrap());
        assert_eq!(first["htm"], "POST");
        assert_eq!(first["htu"], "https://gw.example.com/mcp/files");
        assert_eq!(first["iat"], 1000);
        assert_eq!(first["ath"], jws::sha256("token"));
        assert!(first.get("nonce").is_none());

        let mut headers = HeaderMap::new();
        headers.insert(NONCE, "n1".parse().unwrap());
        assert!(prover.learn(&url, &headers));
        assert!(!prover.learn(&url, &HeaderMap::new()), "none is named");
        clock.advance(Duration::from_secs(5));
        let second = claims(&prover.proof("GET", &url, None).unwrap());
        assert_eq!(second["nonce"], "n1");
        assert_eq!(second["iat"], 1005);
        assert!(second.get("ath").is_none());
        assert_ne!(first["jti"], second["jti"]);

        let other = Url::parse("https://as.example.com/token").unwrap();
        let third = claims(&prover.proof("POST", &other, None).unwrap());
        assert!(
            third.get("nonce").is_none(),
            "a nonce stays with its server"
        );
    }
}
