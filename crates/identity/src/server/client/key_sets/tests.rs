use serde_json::json;

use super::*;

const AT: &str = "https://a.example/keys";

fn at(text: &str) -> Option<KeysAt> {
    KeysAt::parse(text, |_| Reach::Public)
}

fn set(ids: &[&str]) -> KeySet {
    let key = |id: &&str| {
        // RFC 7517, appendix A.1.
        json!({"kty": "EC", "crv": "P-256", "kid": id, "use": "sig",
            "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
            "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM"})
    };
    let keys: Vec<_> = ids.iter().map(key).collect();
    KeySet::parse(&json!({ "keys": keys }).to_string()).unwrap()
}

fn wanted(id: &str) -> Wanted<'_> {
    Wanted::Key(Some(id))
}

#[test]
fn keys_are_fetched_over_https_from_a_named_host() {
    assert!(at(AT).is_some());
    assert!(at("https://a.example:8443/keys?v=1").is_some());
    for bad in [
        "http://a.example/keys",
        "https://127.0.0.1/keys",
        "https://[::1]/keys",
        "https://2130706433/keys",
        "https://user@a.example/keys",
        "https://a.example/keys#x",
        "file:///etc/passwd",
        "/keys",
        "",
    ] {
        assert!(at(bad).is_none(), "{bad}");
    }
    assert!(at(&format!("https://a.example/{}", "x".repeat(URL_BYTES_MAX))).is_none());
}

#[test]
fn unknown_keys_and_failures_cost_one_fetch_in_half_a_minute() {
    let at = at(AT).unwrap();
    let mut seen = Seen::default();
    assert!(seen.is_due(&wanted("a"), 1000));
    seen.accept(Ok((set(&["a"]), None)), &at, &wanted("a"), 1000);
    assert!(!seen.is_due(&wanted("a"), 1001));
    // A rotation is followed at once, a made-up key once.
    assert!(seen.is_due(&wanted("b"), 1001));
    seen.accept(Ok((set(&["a", "b"]), None)), &at, &wanted("b"), 1001);
    assert!(seen.is_due(&wanted("made-up"), 1001));
    seen.accept(Ok((set(&["a", "b"]), None)), &at, &wanted("made-up"), 1001);
    for n in 0..10_000 {
        assert!(!seen.is_due(&wanted(&format!("made-up-{n}")), 1001 + GAP_S - 1));
    }
    assert!(
        !seen.is_due(&wanted("b"), 1002),
        "what is known is not asked for"
    );
    assert!(seen.is_due(&wanted("made-up"), 1001 + GAP_S));
    seen.accept(Err("down".into()), &at, &wanted("made-up"), 1001 + GAP_S);
    assert!(!seen.is_due(&wanted("made-up"), 1001 + 2 * GAP_S - 1));
}

#[test]
fn what_is_old_is_asked_for_again_and_what_cannot_be_had_ends_after_a_day() {
    let at = at(AT).unwrap();
    let mut seen = Seen::default();
    for (keep_s, fresh_s) in [
        (None, 600),
        (Some(0), 60),
        (Some(3600), 3600),
        (Some(u64::MAX), 86_400),
    ] {
        let keep = keep_s.map(Duration::from_secs);
        seen.accept(Ok((set(&["a"]), keep)), &at, &wanted("a"), 1000);
        assert!(!seen.is_due(&wanted("a"), 1000 + fresh_s - 1), "{keep_s:?}");
        assert!(seen.is_due(&wanted("a"), 1000 + fresh_s), "{keep_s:?}");
    }
    seen.accept(Err("down".into()), &at, &wanted("a"), 90_000);
    assert!(seen.usable(1000 + STALE_MAX_S - 1).is_some());
    assert!(seen.usable(1000 + STALE_MAX_S).is_none());
    // A key that its client took back is gone with the next answer.
    seen.accept(Ok((set(&["b"]), None)), &at, &wanted("a"), 100_000);
    assert!(seen.usable(100_000).unwrap().key(Some("a")).is_none());
}

#[test]
fn a_set_without_ids_has_its_certificates_and_no_symmetric_key_counts() {
    let der = STANDARD
        .decode(crate::certificate::RFC_9440.trim_matches(':'))
        .unwrap();
    let certificate = ClientCertificate::from_der(&der).unwrap();
    let text = json!({"keys": [{"kty": "EC", "x5c": [STANDARD.encode(&der)]}]}).to_string();
    let set = KeySet::parse(&text).unwrap();
    assert!(set.has(&Wanted::Certificate(certificate.thumbprint())));
    assert!(!set.has(&Wanted::Certificate(Thumbprint::new([0; 32]))));
    assert!(!set.has(&Wanted::Key(None)));
    for bad in [
        json!({"keys": []}),
        json!({"keys": [{"kty": "oct", "k": "AAAA", "kid": "a"}]}),
        json!({"keys": [{"kty": "EC", "x5c": ["AAAA"]}]}),
        json!({"keys": [{"kty": "EC", "x5c": ["?"]}]}),
        json!([]),
    ] {
        assert!(KeySet::parse(&bad.to_string()).is_err(), "{bad}");
    }
}
