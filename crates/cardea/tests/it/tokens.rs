//! Tokens that must not be accepted, and what a client is told then.
//!
//! | module | what it shows |
//! |---|---|
//! | `forged` | signatures, algorithms and headers that try to bring their own key |
//! | `claims` | times, audience, and who the token says it is for |
//! | `carriage` | how a token is sent, and where it must never end up |
//! | `discovery` | where keys are found, and where they are not |
//! | `keys` | rotation, bursts of unknown keys, an identity provider that is down |
//! | `challenge` | what 401 and 403 tell a client |

mod carriage;
mod challenge;
mod claims;
mod discovery;
mod forged;
mod keys;

use cardea_testkit::identity_provider::IdentityProvider;

use crate::support::*;

/// A gateway that trusts two identity providers: the first names the tenant in a claim, the second speaks for
/// `globex` alone. Both name their first key alike. Everything is permitted, at two upstreams which are one server.
struct Trust {
    echo: Echo,
    gateway: Gateway,
    idp: IdentityProvider,
    second: IdentityProvider,
}

impl Trust {
    async fn start() -> Self {
        Self::with(|setup| setup).await
    }

    async fn with(change: impl FnOnce(Setup) -> Setup) -> Self {
        let echo = Echo::start().await.unwrap();
        let idp = IdentityProvider::start().await.unwrap();
        let second = IdentityProvider::start().await.unwrap();
        let of_globex = json!({ "issuer": second.issuer(), "tenant": "globex" });
        let everywhere =
            |url: &str| json!({ "tenants": [TENANT, "globex"], "http": { "url": url } });
        let setup = setup()
            .tenant("globex")
            .set("issuers", json!([idp.entry(), of_globex]))
            .upstream(UPSTREAM, everywhere(&echo.url()))
            .upstream("other", everywhere(&echo.url()))
            .policy(PERMIT_ALL);
        Self {
            gateway: change(setup).start().await.unwrap(),
            echo,
            idp,
            second,
        }
    }

    /// The claims of a good token of the first provider for [`UPSTREAM`].
    fn claims(&self) -> Value {
        self.idp.claims(TENANT, "ada", &self.gateway.url(UPSTREAM))
    }

    /// The same with one claim replaced, or taken away by `Null`.
    fn claims_with(&self, name: &str, value: Value) -> Value {
        let mut claims = self.claims();
        match value {
            Value::Null => claims.as_object_mut().unwrap().remove(name),
            value => claims
                .as_object_mut()
                .unwrap()
                .insert(name.to_owned(), value),
        };
        claims
    }

    /// A call without a token.
    fn ask(&self) -> Ask {
        ask(&tool_call(1, json!({})))
    }

    async fn send(&self, ask: Ask) -> Answer {
        ask.send(self.gateway.address()).await
    }

    async fn call(&self, token: &str) -> Answer {
        self.send(self.ask().bearer(token)).await
    }

    /// The call must succeed: without this, a refusal elsewhere might have any reason.
    async fn accepts(&self, what: &str, token: &str) {
        let answer = self.call(token).await;
        assert_eq!(answer.status, 200, "{what}: {}", answer.text());
        assert!(
            answer.json()["result"].is_object(),
            "{what}: {}",
            answer.text()
        );
    }

    /// The call must be refused with this code, for this reason, which only the record says.
    async fn refuses(&self, what: &str, token: &str, code: &str, reason: &str) {
        let answer = self.call(token).await;
        self.is_refusal(what, &answer, code, reason).await;
    }

    async fn is_refusal(&self, what: &str, answer: &Answer, code: &str, reason: &str) {
        let text = answer.text();
        assert_eq!(answer.status, 401, "{what}: {text}");
        assert_eq!(
            answer.json()["error"]["data"]["code"],
            code,
            "{what}: {text}"
        );
        assert!(
            answer.header("www-authenticate").is_some(),
            "{what}: no challenge"
        );
        let record = record(&self.gateway, "denial", &call_id(answer)).await;
        let denial = &record["denial"];
        assert_eq!(denial["code"], code, "{what}");
        let detail = denial["detail"].as_str().unwrap_or_default();
        // Of a good token for another resource it is known whose it is; of all others nobody was proven.
        let subject = match detail.starts_with("issued for") {
            true => json!("ada"),
            false => Value::Null,
        };
        assert_eq!(record["subject"], subject, "{what}");
        assert!(
            detail.contains(reason),
            "{what}: `{detail}` does not say `{reason}`"
        );
        assert!(
            reason.is_empty() || !text.contains(reason),
            "{what}: told to the client: {text}"
        );
    }
}

const INVALID: &str = "E_TOKEN_INVALID";
