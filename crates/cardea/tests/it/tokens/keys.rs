//! Rotation, bursts of unknown keys, an identity provider that is down.
//!
//! Where hours have to pass, the identity room is asked directly, with a clock that the test turns; its fetches are
//! real ones all the same.

use std::{sync::Arc, time::Duration};

use cardea_domain::{Clock, Code, TenantId};
use cardea_identity::{
    Algorithm, Authenticator, ClaimPaths, Fetcher, IssuerSettings, KeySource, TenantRule,
    TrustedIssuer,
};
use cardea_testkit::identity_provider::{IdentityProvider, Key};
use futures_util::future::join_all;

use super::{INVALID, Trust};
use crate::support::*;

/// Unknown keys are asked for again after 30 s; a busy machine may take as much once more.
const ROTATED_WITHIN: Duration = Duration::from_secs(60);

#[tokio::test]
async fn a_new_key_is_found_and_the_old_ones_tokens_end_without_a_restart() {
    let trust = Trust::start().await;
    let old = trust.idp.token(&trust.claims());
    trust.accepts("the first key's", &old).await;
    assert_eq!(trust.idp.key_fetches(), 1);

    let next = Key::rs256("next");
    trust.idp.publish(&[&next]);
    let new = next.token(&trust.claims());
    until_within(ROTATED_WITHIN, "the new key is found", async || {
        (trust.call(&new).await.status == 200).then_some(())
    })
    .await;
    trust
        .refuses(
            "the old key's, though remembered",
            &old,
            INVALID,
            "unknown `kid`",
        )
        .await;
    assert_eq!(
        trust.idp.key_fetches(),
        2,
        "asked more often than once in 30 s"
    );
}

#[tokio::test]
async fn a_burst_of_unknown_keys_costs_the_provider_nothing() {
    let trust = Trust::start().await;
    trust
        .accepts("a good token", &trust.idp.token(&trust.claims()))
        .await;
    let claims = trust.claims();
    let burst = (0..300).map(async |n| {
        let token = trust
            .idp
            .key()
            .named(&format!("unknown-{n}"))
            .token(&claims);
        trust.call(&token).await.status
    });
    let statuses = join_all(burst).await;
    assert!(statuses.iter().all(|status| *status == 401), "{statuses:?}");
    assert!(
        trust.idp.key_fetches() <= 2,
        "{} fetches",
        trust.idp.key_fetches()
    );
    trust
        .accepts("a good token still", &trust.idp.token(&claims))
        .await;
}

#[tokio::test]
async fn ten_thousand_unknown_keys_cost_at_most_one_further_fetch() {
    let desk = Desk::open().await;
    desk.accepts(desk.idp.key()).await;
    assert_eq!(desk.idp.key_fetches(), 1);
    desk.clock.advance(Duration::from_secs(31));
    let claims = desk.claims();
    let burst = (0..10_000).map(async |n| {
        let token = desk.idp.key().named(&format!("unknown-{n}")).token(&claims);
        desk.authenticator.verify(&token).await.is_err()
    });
    let refused = bounded("10,000 refusals", join_all(burst)).await;
    assert!(refused.into_iter().all(|refused| refused));
    assert_eq!(desk.idp.key_fetches(), 2);
    desk.accepts(desk.idp.key()).await;
}

#[tokio::test]
async fn a_key_that_was_taken_back_ends_its_tokens_when_the_set_is_due() {
    let desk = Desk::open().await;
    desk.idp.max_age(120);
    let token = desk.token(desk.idp.key());
    assert!(desk.authenticator.verify(&token).await.is_ok());
    desk.idp.publish(&[&Key::es256("next")]);
    desk.clock.advance(Duration::from_secs(119));
    assert!(
        desk.authenticator.verify(&token).await.is_ok(),
        "its set is still good"
    );
    desk.clock.advance(Duration::from_secs(2));
    let denial = desk.authenticator.verify(&token).await.unwrap_err();
    assert_eq!(denial.code, Code::TokenInvalid);
}

#[tokio::test]
async fn a_provider_that_asks_for_no_caching_is_not_asked_for_every_token() {
    let desk = Desk::open().await;
    desk.idp.max_age(0);
    for _ in 0..50 {
        desk.accepts(desk.idp.key()).await;
    }
    assert_eq!(desk.idp.key_fetches(), 1);
    desk.clock.advance(Duration::from_secs(61));
    desk.accepts(desk.idp.key()).await;
    assert_eq!(desk.idp.key_fetches(), 2);
}

#[tokio::test]
async fn the_last_good_keys_go_on_while_the_provider_is_down_but_not_for_ever() {
    let desk = Desk::open().await;
    desk.accepts(desk.idp.key()).await;
    let remembered = desk.token(desk.idp.key());
    assert!(desk.authenticator.verify(&remembered).await.is_ok());
    desk.idp.down(true);
    for _ in 0..23 {
        desk.clock.advance(Duration::from_secs(3600));
        desk.accepts(desk.idp.key()).await;
    }
    desk.clock.advance(Duration::from_secs(3601));
    let fresh = desk.token(desk.idp.key());
    let denial = desk.authenticator.verify(&fresh).await.unwrap_err();
    assert_eq!(denial.code, Code::IssuerUnreachable, "{denial:?}");
    assert!(desk.authenticator.verify(&remembered).await.is_err());

    desk.idp.down(false);
    desk.clock.advance(Duration::from_secs(1));
    desk.accepts(desk.idp.key()).await;
}

#[tokio::test]
async fn a_set_without_a_usable_key_does_not_replace_one_with_keys() {
    let desk = Desk::open().await;
    desk.accepts(desk.idp.key()).await;
    for set in [
        vec![],
        vec![json!({ "kty": "oct", "k": "AAAA", "kid": "first" })],
    ] {
        desk.idp.publish_documents(set);
        desk.clock.advance(Duration::from_secs(3600));
        desk.accepts(desk.idp.key()).await;
    }
}

#[tokio::test]
async fn the_gateway_serves_while_its_provider_is_down_and_starts_without_it() {
    let trust = Trust::start().await;
    trust.idp.down(true);
    let refused = trust.call(&trust.idp.token(&trust.claims())).await;
    // Nothing is wrong with the token: nobody should log in again over this.
    assert_eq!(refused.status, 503, "{}", refused.text());
    assert_eq!(refused.header("retry-after").as_deref(), Some("1"));
    assert_eq!(refused.header("www-authenticate"), None);
    let code = &refused.json()["error"]["data"]["code"];
    assert_eq!(code, "E_ISSUER_UNREACHABLE");
    let record = record(&trust.gateway, "denial", &call_id(&refused)).await;
    assert_eq!(
        record["denial"]["detail"],
        format!("the keys of `{}` cannot be had", trust.idp.issuer())
    );
    assert_eq!(record["subject"], Value::Null);
    // The second provider is up: its callers notice nothing.
    let audience = trust.gateway.url(UPSTREAM);
    let claims = trust.second.claims("globex", "eve", &audience);
    trust
        .accepts("the other provider's", &trust.second.token(&claims))
        .await;
    trust.second.down(true);
    let claims = trust.second.claims("globex", "mallory", &audience);
    trust
        .accepts("by its last good keys", &trust.second.token(&claims))
        .await;
}

/// The identity room alone, with a provider and a clock that the test turns.
struct Desk {
    authenticator: Authenticator,
    idp: IdentityProvider,
    clock: Clock,
}

impl Desk {
    async fn open() -> Self {
        let idp = IdentityProvider::start().await.unwrap();
        let clock = Clock::manual(Clock::system().unix_ms());
        let fetcher = Fetcher::new(None).unwrap();
        let settings = IssuerSettings {
            issuer: idp.issuer().to_owned(),
            advertised: true,
            keys: KeySource::Jwks {
                url: idp.jwks_url(),
                fetcher,
            },
            algorithms: vec![Algorithm::ES256],
            audiences: Vec::new(),
            tenant: TenantRule::Fixed(TenantId::parse(TENANT).unwrap()),
            claims: ClaimPaths::default(),
            typ: Some("at+jwt".into()),
            scopes: Vec::new(),
            required: Vec::new(),
        };
        Self {
            authenticator: Authenticator::new(
                TrustedIssuer::new(vec![settings], &clock, None).map(Arc::new),
                clock.clone(),
                None,
            ),
            idp,
            clock,
        }
    }

    /// Claims that are good for two days from now on the test's clock.
    fn claims(&self) -> Value {
        let mut claims = self.idp.claims(TENANT, "ada", "anything");
        let now = self.clock.unix_s();
        claims["iat"] = now.into();
        claims["exp"] = (now + 2 * 86_400).into();
        claims
    }

    fn token(&self, key: &Key) -> String {
        key.token(&self.claims())
    }

    /// A token that was never seen before must be accepted.
    async fn accepts(&self, key: &Key) {
        let verified = self.authenticator.verify(&self.token(key)).await;
        assert!(verified.is_ok(), "{:?}", verified.unwrap_err());
    }
}
