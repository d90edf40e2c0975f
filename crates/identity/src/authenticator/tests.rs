mod tenants;

use std::{sync::Arc, time::Duration};

use cardea_domain::{ActorId, Code, KeyBinding, RunSource, SubjectId, TenantId};

use super::*;
use crate::{
    ClaimPaths, Confirmed, EmbeddedIssuer, Fetcher, KeySource, MintRequest, RunHints, SigningKeys,
    TenantRule, verified::IdleRun,
};

const NOW_MS: u64 = 1_800_000_000_000;
const RESOURCE: &str = "https://gw.example.com/mcp";

struct House {
    issuer: EmbeddedIssuer,
    keys: Arc<SigningKeys>,
    authenticator: Authenticator,
    clock: Clock,
    _folder: tempfile::TempDir,
}

fn settings(keys: &Arc<SigningKeys>) -> IssuerSettings {
    let acme = TenantId::parse("acme").unwrap();
    IssuerSettings {
        issuer: "https://gw.example.com".into(),
        advertised: true,
        keys: KeySource::Own(Arc::clone(keys)),
        algorithms: vec![Algorithm::ES256],
        audiences: Vec::new(),
        tenant: TenantRule::Claim {
            pointer: "/tenant".into(),
            tenants: [("acme".to_owned(), acme)].into(),
        },
        claims: ClaimPaths {
            groups: Some("/groups".into()),
            ..ClaimPaths::default()
        },
        typ: Some("at+jwt".into()),
        scopes: Vec::new(),
        required: Vec::new(),
    }
}

fn house(change: impl FnOnce(&mut IssuerSettings)) -> House {
    let folder = tempfile::tempdir().unwrap();
    let clock = Clock::manual(NOW_MS);
    let keys = Arc::new(SigningKeys::open(folder.path(), clock.clone()).unwrap());
    let issuer = EmbeddedIssuer::new("https://gw.example.com", Arc::clone(&keys));
    let mut settings = settings(&keys);
    change(&mut settings);
    House {
        authenticator: authenticator(vec![settings], &clock),
        issuer,
        keys,
        clock,
        _folder: folder,
    }
}

fn authenticator(entries: Vec<IssuerSettings>, clock: &Clock) -> Authenticator {
    let issuer = TrustedIssuer::new(entries, clock, None).unwrap();
    Authenticator::new([Arc::new(issuer)], clock.clone(), None)
}

fn mint(house: &House, tenant: &str, ttl_s: u64) -> String {
    mint_by(&house.issuer, house, tenant, ttl_s)
}

fn mint_by(issuer: &EmbeddedIssuer, house: &House, tenant: &str, ttl_s: u64) -> String {
    let request = MintRequest {
        tenant: TenantId::parse(tenant).unwrap(),
        subject: SubjectId::parse("ada").unwrap(),
        actor: ActorId::parse("bot").unwrap(),
        groups: vec!["ops".into(), "dev".into(), "ops".into()],
        task: Some("summarise".into()),
        binding: KeyBinding::NONE,
        audience: RESOURCE.into(),
        ttl_s,
    };
    issuer.mint(&request, &house.clock).unwrap()
}

#[tokio::test]
async fn a_minted_token_names_its_principal_and_each_one_is_a_new_run() {
    let house = house(|_| {});
    let mut runs = Vec::new();
    for _ in 0..2 {
        let token = mint(&house, "acme", 600);
        let verified = house.authenticator.verify(&token).await.unwrap();
        verified.for_audience(&[RESOURCE]).unwrap();
        let confirmed = Confirmed::new(verified, false);
        let principal = confirmed.principal(RunHints::default(), NOW_MS).unwrap();
        assert_eq!(principal.tenant.as_str(), "acme");
        assert_eq!(principal.subject.as_str(), "ada");
        assert_eq!(principal.actor.as_str(), "bot");
        let groups: Vec<&str> = principal.groups.iter().map(AsRef::as_ref).collect();
        assert_eq!(groups, ["dev", "ops"]);
        assert_eq!(principal.task.as_deref(), Some("summarise"));
        assert_eq!(principal.run_source, RunSource::Token);
        runs.push(principal.run);
    }
    assert_ne!(runs[0], runs[1]);
}

#[tokio::test]
async fn a_remembered_token_ends_at_its_second() {
    let house = house(|_| {});
    let token = mint(&house, "acme", 60);
    for _ in 0..2 {
        assert!(house.authenticator.verify(&token).await.is_ok());
    }
    house.clock.advance(Duration::from_secs(59));
    assert!(house.authenticator.verify(&token).await.is_ok());
    house.clock.advance(Duration::from_secs(1));
    let denial = house.authenticator.verify(&token).await.unwrap_err();
    assert_eq!(denial.code, Code::TokenExpired);
}

#[tokio::test]
async fn a_token_of_another_audience_tenant_type_or_algorithm_is_refused() {
    let house_ = house(|_| {});
    let token = mint(&house_, "acme", 60);
    let verified = house_.authenticator.verify(&token).await.unwrap();
    for other in ["https://gw.example.com/mcp/", "https://gw.example.com", ""] {
        assert!(verified.for_audience(&[other]).is_err(), "{other}");
    }
    assert!(
        house_
            .authenticator
            .verify(&mint(&house_, "globex", 60))
            .await
            .is_err()
    );
    let strict = house(|s| s.typ = Some("other+jwt".into()));
    assert!(
        strict
            .authenticator
            .verify(&mint(&strict, "acme", 60))
            .await
            .is_err()
    );
    let narrow = house(|s| s.algorithms = vec![Algorithm::RS256]);
    assert!(
        narrow
            .authenticator
            .verify(&mint(&narrow, "acme", 60))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_changed_byte_anywhere_is_refused() {
    let house = house(|_| {});
    let token = mint(&house, "acme", 60);
    for at in (0..token.len()).step_by(7) {
        let mut changed = token.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(
            house.authenticator.verify(&changed).await.is_err(),
            "byte {at}"
        );
    }
}

#[tokio::test]
async fn a_missing_scope_is_told_apart_from_a_bad_token() {
    let house = house(|s| s.scopes = vec!["mcp".into()]);
    let verified = house
        .authenticator
        .verify(&mint(&house, "acme", 60))
        .await
        .unwrap();
    assert_eq!(
        verified.with_scopes().unwrap_err().code,
        Code::ScopeInsufficient
    );
}

/// Keys where nobody listens.
fn nowhere() -> KeySource {
    KeySource::Jwks {
        url: "http://127.0.0.1:1/jwks".into(),
        fetcher: Fetcher::new(None).unwrap(),
    }
}

#[tokio::test]
async fn keys_that_cannot_be_had_refuse_and_say_so_in_the_record_only() {
    let house = house(|s| s.keys = nowhere());
    let denial = house
        .authenticator
        .verify(&mint(&house, "acme", 60))
        .await
        .unwrap_err();
    assert_eq!(denial.code, Code::IssuerUnreachable);
    assert!(denial.code.retryable());
    assert!(denial.detail.unwrap().contains("cannot be had"));
    assert!(!denial.message.contains("keys"));
}

#[tokio::test]
async fn a_hidden_issuer_that_is_away_looks_like_one_that_nobody_knows() {
    let house = house(|s| {
        s.advertised = false;
        s.keys = nowhere();
    });
    let told = async |token: String| {
        let denial = house.authenticator.verify(&token).await.unwrap_err();
        (denial.code, denial.message, denial.help)
    };
    let unknown = EmbeddedIssuer::new("https://unknown.example.com", Arc::clone(&house.keys));
    let (away, unknown) = (
        mint(&house, "acme", 60),
        mint_by(&unknown, &house, "acme", 60),
    );
    for _ in ["good", "ended"] {
        assert_eq!(told(away.clone()).await, told(unknown.clone()).await);
        house.clock.advance(Duration::from_secs(61));
    }
}

#[tokio::test]
async fn a_token_that_has_ended_is_said_to_be_even_when_it_cannot_be_checked() {
    let house = house(|s| s.keys = nowhere());
    let token = mint(&house, "acme", 60);
    house.clock.advance(Duration::from_secs(61));
    let denial = house.authenticator.verify(&token).await.unwrap_err();
    assert_eq!(denial.code, Code::TokenExpired);
}

#[test]
fn an_idle_run_ends_after_thirty_silent_minutes() {
    let run = IdleRun::default();
    let minutes = |m: u64| NOW_MS + m * 60_000;
    let first = run.touch(minutes(0));
    assert_eq!(run.touch(minutes(20)), first);
    assert_eq!(run.touch(minutes(45)), first);
    assert_ne!(run.touch(minutes(76)), first);
}

#[tokio::test]
async fn own_keys_rotate_under_the_authenticator_and_a_retired_ones_tokens_end() {
    let house = house(|_| {});
    let old = mint(&house, "acme", 400 * 86_400);
    assert!(house.authenticator.verify(&old).await.is_ok());
    // Once to publish the next key, once to sign with it, once to retire the first.
    for seconds in [crate::PERIOD_S, crate::LEAD_S + 3600] {
        house.clock.advance(Duration::from_secs(seconds));
        house.keys.tend().unwrap();
        let new = mint(&house, "acme", 600);
        assert!(house.authenticator.verify(&new).await.is_ok());
        assert!(house.authenticator.verify(&old).await.is_ok());
    }
    house.clock.advance(Duration::from_secs(crate::RETAIN_S));
    house.keys.tend().unwrap();
    let denial = house.authenticator.verify(&old).await.unwrap_err();
    assert_eq!(denial.code, Code::TokenInvalid);
}
