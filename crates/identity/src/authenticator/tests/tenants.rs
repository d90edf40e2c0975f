//! Exactly one tenant: several entries of one issuer, and claims that name several tenants.

use serde_json::{Value, json};

use super::*;

fn tenant(id: &str) -> TenantId {
    TenantId::parse(id).unwrap()
}

/// An entry of the issuer: what a token must carry, and the tenant it then is for.
fn entry(house: &House, required: &[(&str, &str)], rule: TenantRule) -> IssuerSettings {
    IssuerSettings {
        tenant: rule,
        required: required
            .iter()
            .map(|(claim, text)| ((*claim).to_owned(), (*text).to_owned()))
            .collect(),
        ..settings(&house.keys)
    }
}

fn fixed(id: &str) -> TenantRule {
    TenantRule::Fixed(tenant(id))
}

fn orgs(values: &[(&str, &str)]) -> TenantRule {
    TenantRule::Claim {
        pointer: "/orgs".into(),
        tenants: values
            .iter()
            .map(|(value, id)| ((*value).to_owned(), tenant(id)))
            .collect(),
    }
}

fn token(house: &House, more: Value) -> String {
    let now = house.clock.unix_s();
    let mut claims = json!({
        "iss": "https://gw.example.com", "aud": RESOURCE, "sub": "ada", "client_id": "bot",
        "exp": now + 600,
    });
    let claims_map = claims.as_object_mut().unwrap();
    claims_map.extend(more.as_object().unwrap().clone());
    house.keys.sign("at+jwt", &claims).unwrap()
}

/// The tenant, or the detail of the refusal.
async fn verified(
    house: &House,
    entries: &[IssuerSettings],
    more: Value,
) -> Result<String, String> {
    let authenticator = authenticator(entries.to_vec(), &house.clock);
    let token = token(house, more);
    match authenticator.verify(&token).await {
        Ok(verified) => Ok(verified.tenant().to_string()),
        Err(denial) => {
            assert_eq!(denial.code, Code::TokenInvalid);
            assert_eq!(denial.message, "the access token is not valid here");
            Err(denial.detail.unwrap_or_default().to_string())
        }
    }
}

#[tokio::test]
async fn a_token_must_match_exactly_one_entry_of_its_issuer() {
    let house = house(|_| {});
    let entries = [
        entry(&house, &[("/org", "a")], fixed("acme")),
        entry(
            &house,
            &[("/org", "b"), ("/env/name", "live")],
            fixed("globex"),
        ),
        entry(&house, &[("/partner", "yes")], fixed("initech")),
    ];
    let live = json!({"name": "live"});
    let cases = [
        (json!({"org": "a"}), Ok("acme")),
        (json!({"org": "b", "env": live}), Ok("globex")),
        (json!({"org": "b"}), Err("none of 3 entries")),
        (json!({"org": "c"}), Err("none of 3 entries")),
        (json!({}), Err("none of 3 entries")),
        // Only the exact text counts.
        (json!({"org": ["a"]}), Err("none of 3 entries")),
        (json!({"org": "A"}), Err("none of 3 entries")),
        (json!({"org": "a", "partner": "yes"}), Err("two entries")),
    ];
    for (claims, expected) in cases {
        let found = verified(&house, &entries, claims.clone()).await;
        match expected {
            Ok(tenant) => assert_eq!(found.as_deref(), Ok(tenant), "{claims}"),
            Err(why) => assert!(
                found.as_ref().is_err_and(|e| e.contains(why)),
                "{claims} {found:?}"
            ),
        }
    }
}

#[tokio::test]
async fn a_claim_that_names_two_tenants_is_refused() {
    let house = house(|_| {});
    let one = [entry(
        &house,
        &[],
        orgs(&[("o1", "acme"), ("o2", "acme"), ("o3", "globex")]),
    )];
    let cases = [
        (json!("o1"), Ok("acme")),
        (json!(["o1"]), Ok("acme")),
        // Two names of one tenant, and one that nobody here knows.
        (json!(["o1", "o2", "elsewhere"]), Ok("acme")),
        (json!(["o1", "o3"]), Err("more than one tenant")),
        (json!(["elsewhere"]), Err("not a known tenant")),
        (json!([]), Err("not a known tenant")),
        (json!(["o1", 7]), Err("no string")),
        (json!({"o1": true}), Err("no string")),
    ];
    for (orgs, expected) in cases {
        let found = verified(&house, &one, json!({"orgs": orgs})).await;
        match expected {
            Ok(tenant) => assert_eq!(found.as_deref(), Ok(tenant), "{orgs}"),
            Err(why) => assert!(
                found.as_ref().is_err_and(|e| e.contains(why)),
                "{orgs} {found:?}"
            ),
        }
    }
}

#[tokio::test]
async fn a_claim_that_names_a_tenant_of_each_of_two_entries_is_refused() {
    let house = house(|_| {});
    let entries = [
        entry(&house, &[], orgs(&[("o1", "acme")])),
        entry(&house, &[], orgs(&[("o2", "globex")])),
    ];
    let found = verified(&house, &entries, json!({"orgs": ["o1", "o2"]})).await;
    assert!(
        found.as_ref().is_err_and(|e| e.contains("two entries")),
        "{found:?}"
    );
    let found = verified(&house, &entries, json!({"orgs": ["o2", "o9"]})).await;
    assert_eq!(found.as_deref(), Ok("globex"));
}

#[tokio::test]
async fn what_one_entry_accepts_is_not_what_another_does() {
    let house = house(|_| {});
    let strict = entry(&house, &[("/org", "a")], fixed("acme"));
    let lenient = IssuerSettings {
        typ: None,
        ..entry(&house, &[("/org", "b")], fixed("globex"))
    };
    let authenticator = authenticator(vec![strict, lenient], &house.clock);
    for (org, is_good) in [("a", false), ("b", true)] {
        let now = house.clock.unix_s();
        let claims = json!({"iss": "https://gw.example.com", "aud": RESOURCE, "sub": "ada",
            "client_id": "bot", "exp": now + 600, "org": org});
        let token = house.keys.sign("JWT", &claims).unwrap();
        assert_eq!(authenticator.verify(&token).await.is_ok(), is_good, "{org}");
    }
}

#[tokio::test]
async fn a_change_of_the_entries_is_felt_at_once_and_the_run_goes_on() {
    let house = house(|_| {});
    let issuer = |rule: TenantRule| {
        let entries = vec![entry(&house, &[], rule)];
        Arc::new(TrustedIssuer::new(entries, &house.clock, None).unwrap())
    };
    let new = |issuer: &Arc<TrustedIssuer>, before: Option<&Authenticator>| {
        Authenticator::new([Arc::clone(issuer)], house.clock.clone(), before)
    };
    let (acme, globex) = (issuer(fixed("acme")), issuer(fixed("globex")));
    let token = token(&house, json!({}));
    let run = |verified: &Verified| {
        let confirmed = Confirmed::new(verified.clone(), false);
        let principal = confirmed.principal(RunHints::default(), house.clock.unix_ms());
        principal.unwrap().run
    };
    let before = new(&acme, None);
    let first = before.verify(&token).await.unwrap();
    assert_eq!(first.tenant(), &tenant("acme"));
    let began = run(&first);
    house.clock.advance(Duration::from_secs(60));

    let same = new(&acme, Some(&before)).verify(&token).await.unwrap();
    let changed = new(&globex, Some(&before)).verify(&token).await.unwrap();

    assert_eq!(
        (same.tenant(), changed.tenant()),
        (&tenant("acme"), &tenant("globex"))
    );
    assert_eq!((run(&same), run(&changed)), (began.clone(), began));
}
