use std::{collections::BTreeSet, os::unix::fs::PermissionsExt as _, time::Duration};

use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};
use serde_json::Value;
use tempfile::TempDir;

use super::*;

const START_S: u64 = 1_795_000_000;

struct Desk {
    folder: TempDir,
    clock: Clock,
    keys: SigningKeys,
}

impl Desk {
    fn open() -> Self {
        let folder = TempDir::new().unwrap();
        let clock = Clock::manual(START_S * 1000);
        let keys = SigningKeys::open(folder.path(), clock.clone()).unwrap();
        Self {
            folder,
            clock,
            keys,
        }
    }

    fn pass(&self, seconds: u64) {
        self.clock.advance(Duration::from_secs(seconds));
        self.keys.tend().unwrap();
    }

    fn signing_kid(&self) -> String {
        kid(&self.keys.sign("at+jwt", &json!({"sub": "ada"})).unwrap())
    }

    fn published(&self) -> BTreeSet<String> {
        let set: Value = serde_json::from_str(&self.keys.jwks()).unwrap();
        let keys = set["keys"].as_array().unwrap().iter();
        keys.map(|key| key["kid"].as_str().unwrap().to_owned())
            .collect()
    }
}

fn kid(token: &str) -> String {
    jsonwebtoken::decode_header(token).unwrap().kid.unwrap()
}

#[test]
fn what_is_signed_verifies_with_what_is_published() {
    let desk = Desk::open();
    let token = desk.keys.sign("txn+jwt", &json!({"sub": "ada"})).unwrap();
    let set: JwkSet = serde_json::from_str(&desk.keys.jwks()).unwrap();
    let key = DecodingKey::from_jwk(set.find(&kid(&token)).unwrap()).unwrap();
    let mut validation = Validation::new(Algorithm::ES256);
    validation.required_spec_claims.clear();
    validation.validate_exp = false;
    let read = jsonwebtoken::decode::<Value>(&token, &key, &validation).unwrap();
    assert_eq!(read.header.typ.as_deref(), Some("txn+jwt"));
    assert_eq!(read.claims["sub"], "ada");
}

#[test]
fn a_new_key_is_published_a_lead_before_it_signs_and_the_old_one_outlives_its_tokens() {
    let desk = Desk::open();
    let first = desk.signing_kid();
    assert_eq!(desk.published(), BTreeSet::from([first.clone()]));

    // The first period began before the gateway did.
    let left = PERIOD_S - START_S % PERIOD_S;
    desk.pass(left - LEAD_S - 1);
    assert_eq!(desk.published().len(), 1, "too early");
    let generation = desk.keys.generation();
    desk.pass(1);
    assert_eq!(desk.published().len(), 2, "published");
    assert_ne!(desk.keys.generation(), generation);
    desk.pass(LEAD_S - 1);
    assert_eq!(desk.signing_kid(), first, "published, and not signing yet");
    desk.pass(3600);
    let second = desk.signing_kid();
    assert_ne!(second, first);
    assert!(
        desk.published().contains(&first),
        "its tokens are still good"
    );

    desk.pass(RETAIN_S);
    assert_eq!(desk.published(), BTreeSet::from([second.clone()]));
    for _ in 0..36 {
        desk.pass(PERIOD_S / 3);
        assert!(desk.published().contains(&desk.signing_kid()));
        assert!(desk.published().len() <= 3);
    }
    assert!(!desk.published().contains(&second));
}

#[test]
fn after_a_long_pause_the_next_key_is_still_published_before_it_signs() {
    let desk = Desk::open();
    let first = desk.signing_kid();
    desk.pass(10 * PERIOD_S);
    assert_eq!(desk.signing_kid(), first);
    assert_eq!(desk.published().len(), 2);
    desk.pass(LEAD_S + 3600);
    assert_ne!(desk.signing_kid(), first);
}

#[test]
fn another_process_signs_with_the_same_key_and_a_restart_keeps_it() {
    let desk = Desk::open();
    let other = SigningKeys::open(desk.folder.path(), desk.clock.clone()).unwrap();
    let token = other.sign("at+jwt", &json!({})).unwrap();
    assert_eq!(kid(&token), desk.signing_kid());
    assert_eq!(other.jwks(), desk.keys.jwks());
}

#[test]
fn the_single_key_of_earlier_versions_becomes_the_first() {
    let folder = TempDir::new().unwrap();
    let single = folder.path().join("keys/embedded-es256.pk8");
    let pkcs8 = key_file::read_or_make(&single, key::generate).unwrap();
    let kid_before = SigningKey::read(0, &pkcs8).unwrap().kid;
    let clock = Clock::manual(START_S * 1000);
    let keys = SigningKeys::open(folder.path(), clock).unwrap();
    assert_eq!(kid(&keys.sign("at+jwt", &json!({})).unwrap()), kid_before);
    assert!(!single.exists(), "a second copy would outlive its rotation");
}

#[test]
fn only_the_owner_can_read_a_key_and_what_is_no_key_is_named() {
    let desk = Desk::open();
    let folder = desk.folder.path().join("keys/signing");
    for entry in fs::read_dir(&folder).unwrap() {
        let mode = entry.unwrap().metadata().unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
    let bad = folder.join("2000000000.pk8");
    fs::write(&bad, b"not a key").unwrap();
    fs::set_permissions(&bad, fs::Permissions::from_mode(0o600)).unwrap();
    let error = desk.keys.tend().unwrap_err().to_string();
    assert!(
        error.contains("2000000000.pk8 is not a signing key"),
        "{error}"
    );
    assert_eq!(desk.published().len(), 1, "the old set goes on");
}
