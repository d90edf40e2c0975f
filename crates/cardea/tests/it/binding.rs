//! Tokens that are bound to keys: worth nothing without the key, and nothing to somebody with another one.
//!
//! | module | what it shows |
//! |---|---|
//! | `proofs` | what a DPoP proof must be, claim by claim |
//! | `replays` | a proof counts once: over connections, workers, reloads and restarts |
//! | `presented` | scheme, challenge, nonce, metadata, record, session |
//! | `certificates` | client certificates in the handshake, and tokens that are bound to them |
//! | `files` | certificates and authorities are exchanged while connections stay open |
//! | `proxies` | what is believed of whom |
//! | `required` | tenants that take no plain bearer tokens |

mod certificates;
mod files;
mod presented;
mod proofs;
mod proxies;
mod replays;
mod required;

use cardea_testkit::{dpop::Prover, identity_provider::IdentityProvider};

use crate::support::*;

/// A gateway with an upstream behind it, an identity provider whose tokens can say anything, and a client's key.
struct Bound {
    echo: Echo,
    gateway: Gateway,
    idp: IdentityProvider,
    prover: Prover,
}

impl Bound {
    async fn start() -> Self {
        Self::with(|setup| setup).await
    }

    async fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let echo = Echo::start().await.unwrap();
        let idp = IdentityProvider::start().await.unwrap();
        let setup = setup()
            .set("issuers", json!([idp.entry()]))
            .http_upstream(UPSTREAM, &echo.url())
            .http_upstream("other", &echo.url())
            .policy(PERMIT_ALL);
        Self {
            gateway: change(setup).start().await.unwrap(),
            echo,
            idp,
            prover: Prover::new(),
        }
    }

    fn url(&self) -> String {
        self.gateway.url(UPSTREAM)
    }

    /// A token of Ada's with this `cnf`; `Null` for none.
    fn token(&self, cnf: Value) -> String {
        let whole = self.url();
        let whole = whole.strip_suffix("/echo").unwrap();
        let mut claims = self.idp.claims(TENANT, "ada", whole);
        if !cnf.is_null() {
            claims["cnf"] = cnf;
        }
        self.idp.token(&claims)
    }

    /// A token that is bound to the client's key.
    fn bound_token(&self) -> String {
        self.token(json!({ "jkt": self.prover.thumbprint() }))
    }

    /// A nonce of the gateway's: right after its start it asks for one, since it cannot know what was used before.
    async fn nonce(&self) -> String {
        nonce(&self.gateway, &self.prover, &self.bound_token()).await
    }

    /// Claims of a proof that is good for [`PATH`].
    async fn claims(&self, token: &str) -> Value {
        let mut claims = self.prover.claims("POST", &self.url(), token);
        claims["nonce"] = self.nonce().await.into();
        claims
    }

    async fn send(&self, ask: Ask) -> Answer {
        ask.send(self.gateway.address()).await
    }

    /// A call that must be refused like this: by this code, and by this error in the challenge of this scheme.
    async fn refuses(
        &self,
        what: &str,
        ask: Ask,
        (scheme, error, code): (&str, &str, &str),
    ) -> Value {
        let before = self.echo.seen().len();
        let answer = self.send(ask).await;
        let text = answer.text();
        assert_eq!(answer.status, 401, "{what}: {text}");
        assert_eq!(
            answer.json()["error"]["data"]["code"],
            code,
            "{what}: {text}"
        );
        let challenges = challenges(&answer);
        let used = challenges
            .iter()
            .find(|challenge| challenge.starts_with(scheme));
        let used = used.unwrap_or_else(|| panic!("{what}: {challenges:?}"));
        assert!(
            used.contains(&format!("error=\"{error}\"")),
            "{what}: {used}"
        );
        let with_error = challenges.iter().filter(|c| c.contains("error="));
        assert_eq!(with_error.count(), 1, "{what}: {challenges:?}");
        assert_eq!(self.echo.seen().len(), before, "{what}: it arrived");
        let record = record(&self.gateway, "denial", &call_id(&answer)).await;
        assert_eq!(record["denial"]["code"], code, "{what}");
        assert_eq!(record["subject"], Value::Null, "{what}: nobody was proven");
        record
    }
}

/// A call of a tool.
fn call() -> Ask {
    ask(&tool_call(1, json!({})))
}

/// A call with a token in the scheme `DPoP`, and with these proofs.
fn call_with(token: &str, proofs: &[&str]) -> Ask {
    let ask = call().set("authorization", format!("DPoP {token}"));
    proofs.iter().fold(ask, |ask, proof| ask.add("dpop", proof))
}

/// The challenges of an answer, one for each header line.
fn challenges(answer: &Answer) -> Vec<String> {
    let values = answer.headers.get_all("www-authenticate").iter();
    values
        .map(|value| value.to_str().unwrap().to_owned())
        .collect()
}

/// A nonce of the gateway's, by a proof with one that is not.
pub(crate) async fn nonce(gateway: &Gateway, prover: &Prover, token: &str) -> String {
    let url = gateway.url(UPSTREAM);
    let proof = prover.proof("POST", &url, token, Some("not-a-nonce"));
    let answer = call_with(token, &[&proof]).send(gateway.address()).await;
    assert_eq!(answer.status, 401, "{}", answer.text());
    let offered = answer.header("dpop-nonce");
    offered.unwrap_or_else(|| panic!("no nonce: {}", answer.text()))
}

fn is_served(answer: &Answer) -> bool {
    answer.status == 200 && answer.json()["result"].is_object()
}

const BINDING: (&str, &str, &str) = ("DPoP ", "invalid_token", "E_TOKEN_BINDING");
const AS_BEARER: (&str, &str, &str) = ("Bearer ", "invalid_token", "E_TOKEN_BINDING");
const PROOF: (&str, &str, &str) = ("DPoP ", "invalid_dpop_proof", "E_PROOF_INVALID");
const NONCE: (&str, &str, &str) = ("DPoP ", "use_dpop_nonce", "E_PROOF_NONCE");
