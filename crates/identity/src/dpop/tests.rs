use std::time::Duration;

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    rsa::{KeyPair as RsaKeyPair, KeySize},
    signature::{
        ECDSA_P256_SHA256_FIXED_SIGNING, ECDSA_P384_SHA384_FIXED_SIGNING, EcdsaKeyPair,
        Ed25519KeyPair, KeyPair as _, RSA_PSS_SHA256,
    },
};
use serde_json::{Value, json};

use super::*;

/// RFC 9449, figure 2: a proof for the token endpoint.
const RFC_PROOF_TOKEN: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiItQndDM0VTYzZhY2MybFRjIiwiaHRtIjoiUE9TVCIsImh0dSI6Imh0dHBzOi8vc2VydmVyLmV4YW1wbGUuY29tL3Rva2VuIiwiaWF0IjoxNTYyMjYyNjE2fQ.2-GxA6T8lP4vfrg8v-FdWP0A0zdrj8igiMLvqRMUvwnQg4PtFLbdLXiOSsX0x7NVY-FNyJK70nfbV37xRZT3Lg";
/// RFC 9449, figure 12: a proof for a protected resource, with its token.
const RFC_PROOF_RESOURCE: &str = "eyJ0eXAiOiJkcG9wK2p3dCIsImFsZyI6IkVTMjU2IiwiandrIjp7Imt0eSI6IkVDIiwieCI6Imw4dEZyaHgtMzR0VjNoUklDUkRZOXpDa0RscEJoRjQyVVFVZldWQVdCRnMiLCJ5IjoiOVZFNGpmX09rX282NHpiVFRsY3VOSmFqSG10NnY5VERWclUwQ2R2R1JEQSIsImNydiI6IlAtMjU2In19.eyJqdGkiOiJlMWozVl9iS2ljOC1MQUVCIiwiaHRtIjoiR0VUIiwiaHR1IjoiaHR0cHM6Ly9yZXNvdXJjZS5leGFtcGxlLm9yZy9wcm90ZWN0ZWRyZXNvdXJjZSIsImlhdCI6MTU2MjI2MjYxOCwiYXRoIjoiZlVIeU8ycjJaM0RaNTNFc05yV0JiMHhXWG9hTnk1OUlpS0NBcWtzbVFFbyJ9.2oW9RP35yRqzhrtNP86L-Ey71EOptxRimPPToA1plemAgR6pxHF8y6-yqyVnmcw6Fy1dqd-jfxSYoMxhAJpLjA";
const RFC_TOKEN: &str = "Kz~8mXK1EalYznwH-LC-1fBAo.4Ljp~zsPE_NeO.gxU";
const RFC_JKT: &str = "0ZcOCORZNYy-DWpqq30jZyJGHTN0d2HglBV3uiguA4I";

const NOW_S: u64 = 1_800_000_000;
const URI: &str = "https://gw.example.com/mcp/files";
const TOKEN: &str = "some-token";

fn settings() -> DpopSettings {
    DpopSettings {
        require_nonce: false,
        iat_window: Duration::from_secs(60),
        algorithms: vec![
            Algorithm::ES256,
            Algorithm::ES384,
            Algorithm::EdDSA,
            Algorithm::PS256,
        ],
    }
}

/// A check that began an hour ago, so that its memory covers every proof.
fn desk_with(change: impl FnOnce(&mut DpopSettings)) -> (Dpop, Clock) {
    let clock = Clock::manual((NOW_S - 3600) * 1000);
    let mut settings = settings();
    change(&mut settings);
    let dpop = Dpop::new(settings, &[7; 32], "resource", clock.clone());
    clock.advance(Duration::from_secs(3600));
    (dpop, clock)
}

fn desk() -> Dpop {
    desk_with(|_| {}).0
}

fn sha256_of(token: &str) -> [u8; 32] {
    digest(&SHA256, token.as_bytes())
        .as_ref()
        .try_into()
        .unwrap()
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}

/// A P-256 key of a client.
struct Key(EcdsaKeyPair);

impl Key {
    fn new() -> Self {
        Self(EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap())
    }

    fn jwk(&self) -> Value {
        let point = self.0.public_key().as_ref();
        json!({"kty": "EC", "crv": "P-256", "x": encode(&point[1..33]), "y": encode(&point[33..])})
    }

    fn header(&self) -> Value {
        json!({"typ": "dpop+jwt", "alg": "ES256", "jwk": self.jwk()})
    }

    fn thumbprint(&self) -> Thumbprint {
        ProofKey::read(&self.jwk().to_string(), Algorithm::ES256)
            .unwrap()
            .thumbprint()
    }

    fn sign(&self, header: &Value, claims: &Value) -> String {
        let signed = signing_input(header, claims);
        let signature = self.0.sign(&SystemRandom::new(), signed.as_bytes());
        format!("{signed}.{}", encode(signature.unwrap()))
    }

    /// Whether a proof with these claims is accepted for [`URI`] and [`TOKEN`].
    fn prove(&self, dpop: &Dpop, claims: &Value) -> Result<Proof, ProofError> {
        dpop.check(&self.sign(&self.header(), claims), &self.request())
    }

    fn request(&self) -> ProofFor<'static> {
        ProofFor {
            method: "POST",
            uri: URI,
            token: Some(BoundToken {
                sha256: sha256_of(TOKEN),
                key: self.thumbprint(),
            }),
        }
    }
}

fn signing_input(header: &Value, claims: &Value) -> String {
    format!(
        "{}.{}",
        encode(header.to_string()),
        encode(claims.to_string())
    )
}

fn claims(jti: &str) -> Value {
    json!({"jti": jti, "htm": "POST", "htu": URI, "iat": NOW_S, "ath": encode(sha256_of(TOKEN))})
}

fn with(name: &str, value: Value) -> Value {
    let mut claims = claims("a");
    claims[name] = value;
    claims
}

fn reason(result: Result<Proof, ProofError>) -> String {
    match result {
        Err(ProofError::Invalid(reason)) => reason.into_owned(),
        other => panic!("{other:?}"),
    }
}

#[test]
fn the_proofs_of_the_standard_are_accepted_for_what_they_say_and_nothing_else() {
    let jkt = Thumbprint::parse(RFC_JKT).unwrap();
    let at = |unix_s: u64| {
        let clock = Clock::manual((unix_s - 3600) * 1000);
        let dpop = Dpop::new(settings(), &[7; 32], "resource", clock.clone());
        clock.advance(Duration::from_secs(3600));
        dpop
    };
    let at_token = ProofFor {
        method: "POST",
        uri: "https://server.example.com/token",
        token: None,
    };
    let proof = at(1_562_262_616).check(RFC_PROOF_TOKEN, &at_token).unwrap();
    assert_eq!(proof.key(), jkt);
    let token = BoundToken {
        sha256: sha256_of(RFC_TOKEN),
        key: jkt,
    };
    let at_resource = ProofFor {
        method: "GET",
        uri: "https://resource.example.org/protectedresource",
        token: Some(token),
    };
    let dpop = at(1_562_262_618);
    assert_eq!(
        dpop.check(RFC_PROOF_RESOURCE, &at_resource).unwrap().key(),
        jkt
    );
    for wrong in [
        ProofFor {
            method: "POST",
            ..at_resource
        },
        ProofFor {
            uri: "https://resource.example.org/other",
            ..at_resource
        },
        ProofFor {
            token: Some(BoundToken {
                sha256: sha256_of("other"),
                ..token
            }),
            ..at_resource
        },
    ] {
        let refused = at(1_562_262_618).check(RFC_PROOF_RESOURCE, &wrong);
        assert!(matches!(refused, Err(ProofError::Invalid(_))), "{wrong:?}");
    }
    // Neither can be used where the other belongs.
    let crossed = at(1_562_262_616).check(RFC_PROOF_TOKEN, &at_resource);
    assert!(matches!(crossed, Err(ProofError::Invalid(_))));
}

#[test]
fn keys_of_every_allowed_kind_prove_and_only_with_their_own_algorithm() {
    let p384 = EcdsaKeyPair::generate(&ECDSA_P384_SHA384_FIXED_SIGNING).unwrap();
    let ed = Ed25519KeyPair::generate().unwrap();
    let rsa = RsaKeyPair::generate(KeySize::Rsa2048).unwrap();
    let random = SystemRandom::new();
    let point = p384.public_key().as_ref().to_vec();
    // SEQUENCE { INTEGER modulus, INTEGER 65537 }: two heads of 4 bytes and a zero before the modulus.
    let rsa_public = rsa.public_key().as_ref().to_vec();
    let jwks = [
        (
            "ES384",
            json!({"kty": "EC", "crv": "P-384", "x": encode(&point[1..49]), "y": encode(&point[49..])}),
        ),
        (
            "EdDSA",
            json!({"kty": "OKP", "crv": "Ed25519", "x": encode(ed.public_key())}),
        ),
        (
            "PS256",
            json!({"kty": "RSA", "n": encode(&rsa_public[9..265]), "e": "AQAB"}),
        ),
    ];
    let sign = |alg: &str, text: &str| match alg {
        "ES384" => p384
            .sign(&random, text.as_bytes())
            .unwrap()
            .as_ref()
            .to_vec(),
        "EdDSA" => ed.sign(text.as_bytes()).as_ref().to_vec(),
        _ => {
            let mut signature = vec![0; rsa.public_modulus_len()];
            rsa.sign(&RSA_PSS_SHA256, &random, text.as_bytes(), &mut signature)
                .unwrap();
            signature
        }
    };
    let dpop = desk();
    let at_token = ProofFor {
        method: "POST",
        uri: URI,
        token: None,
    };
    for (alg, jwk) in &jwks {
        for called in ["ES256", "ES384", "EdDSA", "PS256", "RS256", "HS256", "none"] {
            let header = json!({"typ": "dpop+jwt", "alg": called, "jwk": jwk});
            let signed = signing_input(&header, &claims("a"));
            let proof = format!("{signed}.{}", encode(sign(alg, &signed)));
            let accepted = dpop.check(&proof, &at_token);
            assert_eq!(
                accepted.is_ok(),
                called == *alg,
                "{alg} called {called}: {accepted:?}"
            );
        }
    }
}

#[test]
fn a_proof_counts_once() {
    let (dpop, clock) = desk_with(|_| {});
    let key = Key::new();
    let proof = key.sign(&key.header(), &claims("a"));
    dpop.check(&proof, &key.request()).unwrap();
    for _ in 0..60 {
        let again = reason(dpop.check(&proof, &key.request()));
        assert!(again.contains("used before"), "{again}");
        clock.advance(Duration::from_secs(1));
    }
    clock.advance(Duration::from_secs(1));
    assert!(reason(dpop.check(&proof, &key.request())).contains("`iat`"));
    // What is refused for another reason uses nothing up.
    let (dpop, _) = desk_with(|_| {});
    let stranger = Key::new();
    assert_eq!(
        dpop.check(&proof, &stranger.request()).unwrap_err(),
        ProofError::OtherKey
    );
    dpop.check(&proof, &key.request()).unwrap();
}

#[test]
fn every_claim_has_to_fit() {
    let (dpop, key) = (desk(), Key::new());
    key.prove(&dpop, &claims("good")).unwrap();
    for (name, value, why) in [
        ("htm", json!("GET"), "`htm`"),
        ("htm", json!("post"), "`htm`"),
        ("htu", json!("https://gw.example.com/mcp/other"), "`htu`"),
        ("htu", json!(format!("{URI}?x")), "`htu`"),
        ("htu", json!("http://gw.example.com/mcp/files"), "`htu`"),
        ("iat", json!(NOW_S - 61), "`iat`"),
        ("iat", json!(NOW_S + 6), "`iat`"),
        ("iat", json!(-1), "`iat`"),
        ("iat", json!(1e300), "`iat`"),
        ("iat", json!("now"), "claims"),
        ("exp", json!(NOW_S), "`exp`"),
        ("nbf", json!(NOW_S + 6), "`nbf`"),
        ("jti", json!(""), "`jti`"),
        ("jti", json!("x".repeat(257)), "`jti`"),
        ("jti", json!(7), "claims"),
        ("ath", json!(encode(sha256_of("other"))), "`ath`"),
        ("ath", json!(""), "`ath`"),
        ("ath", Value::Null, "`ath`"),
    ] {
        let refused = reason(key.prove(&dpop, &with(name, value.clone())));
        assert!(refused.contains(why), "{name} {value}: {refused}");
    }
    for name in ["jti", "htm", "htu", "iat", "ath"] {
        let mut claims = claims("a");
        claims.as_object_mut().unwrap().remove(name);
        reason(key.prove(&dpop, &claims));
    }
    for iat in [NOW_S - 60, NOW_S + 5] {
        let mut claims = with("iat", json!(iat));
        claims["jti"] = json!(format!("at {iat}"));
        key.prove(&dpop, &claims).unwrap();
    }
}

#[test]
fn every_part_of_the_header_has_to_fit() {
    let (dpop, key) = (desk(), Key::new());
    let other = Key::new();
    let mut private = key.jwk();
    private["d"] = json!(encode([1; 32]));
    let mut null_private = key.jwk();
    null_private["d"] = Value::Null;
    let mut short = key.jwk();
    short["x"] = json!(encode([1; 31]));
    let mut off_curve = key.jwk();
    off_curve["y"] = json!(encode([1; 32]));
    let mut of_rs256 = key.jwk();
    of_rs256["alg"] = json!("RS256");
    let mut changes = vec![
        ("typ", json!("jwt"), "`typ`"),
        ("typ", json!("at+jwt"), "`typ`"),
        ("typ", json!("DPoP+JWT"), "`typ`"),
        ("alg", json!("none"), "`alg`"),
        ("alg", json!("HS256"), "`alg`"),
        ("alg", json!("RS256"), "`alg`"),
        ("alg", json!("ES384"), "`jwk`"),
        ("crit", json!(["x"]), "`crit`"),
        ("jwk", private, "private"),
        ("jwk", null_private, "private"),
        (
            "jwk",
            json!({"kty": "oct", "k": "AAAA"}),
            "private or shared",
        ),
        ("jwk", short, "`jwk`"),
        ("jwk", of_rs256, "`jwk`"),
        ("jwk", json!({}), "`jwk`"),
        ("jwk", json!("x"), "`jwk`"),
    ];
    changes.push(("jwk", off_curve, "another key"));
    changes.push(("jwk", other.jwk(), "another key"));
    for (name, value, why) in changes {
        let mut header = key.header();
        header[name] = value.clone();
        let refused = match dpop.check(&key.sign(&header, &claims("a")), &key.request()) {
            Err(ProofError::OtherKey) => "another key".to_owned(),
            refused => reason(refused),
        };
        assert!(refused.contains(why), "{name} {value}: {refused}");
    }
    for name in ["typ", "alg", "jwk"] {
        let mut header = key.header();
        header.as_object_mut().unwrap().remove(name);
        reason(dpop.check(&key.sign(&header, &claims("a")), &key.request()));
    }
    // Its own key in the header, another one's signature.
    let signed_by_other = other.sign(&key.header(), &claims("a"));
    assert!(reason(dpop.check(&signed_by_other, &key.request())).contains("signature"));
}

#[test]
fn a_proof_that_was_changed_is_none() {
    let (dpop, key) = (desk(), Key::new());
    let proof = key.sign(&key.header(), &claims("a"));
    for at in (0..proof.len()).step_by(5) {
        let mut changed = proof.clone().into_bytes();
        changed[at] = if changed[at] == b'A' { b'B' } else { b'A' };
        let changed = String::from_utf8(changed).unwrap();
        assert!(dpop.check(&changed, &key.request()).is_err(), "byte {at}");
    }
    for wrong in [
        String::new(),
        "a.b".to_owned(),
        "a.b.c.d".to_owned(),
        format!("{proof}."),
        format!("{proof}="),
        format!("{proof},{proof}"),
        "A".repeat(PROOF_BYTES_MAX + 1),
    ] {
        assert!(dpop.check(&wrong, &key.request()).is_err(), "{wrong}");
    }
    dpop.check(&proof, &key.request()).unwrap();
}

#[test]
fn a_claim_that_is_there_twice_is_refused() {
    let (dpop, key) = (desk(), Key::new());
    let text = claims("a")
        .to_string()
        .replacen('{', "{\"htm\":\"GET\",", 1);
    let signed = format!("{}.{}", encode(key.header().to_string()), encode(text));
    let signature = key.0.sign(&SystemRandom::new(), signed.as_bytes()).unwrap();
    let proof = format!("{signed}.{}", encode(signature));
    assert!(reason(dpop.check(&proof, &key.request())).contains("duplicate"));
}

#[test]
fn where_nonces_are_required_only_a_fresh_own_one_will_do() {
    let (dpop, clock) = desk_with(|settings| settings.require_nonce = true);
    let key = Key::new();
    let nonce = dpop.nonce();
    let elsewhere = Dpop::new(settings(), &[8; 32], "resource", clock.clone()).nonce();
    let of_token = Dpop::new(settings(), &[7; 32], "token", clock.clone()).nonce();
    for wrong in [
        Value::Null,
        json!(""),
        json!("guess"),
        json!(elsewhere),
        json!(of_token),
    ] {
        let refused = key.prove(&dpop, &with("nonce", wrong.clone())).unwrap_err();
        assert_eq!(refused, ProofError::NonceNeeded, "{wrong}");
    }
    let prove = |jti: &str| {
        let mut claims = with("nonce", json!(nonce));
        claims["iat"] = clock.unix_s().into();
        claims["jti"] = jti.into();
        key.prove(&dpop, &claims)
    };
    assert!(!prove("young").unwrap().nonce_is_due());
    clock.advance(Duration::from_secs(200));
    assert!(prove("old").unwrap().nonce_is_due());
    clock.advance(Duration::from_secs(101));
    assert_eq!(prove("too old").unwrap_err(), ProofError::NonceNeeded);
}

#[test]
fn a_nonce_that_is_wrong_is_refused_also_where_none_is_required() {
    let (dpop, key) = (desk(), Key::new());
    let refused = key
        .prove(&dpop, &with("nonce", json!("guess")))
        .unwrap_err();
    assert_eq!(refused, ProofError::NonceNeeded);
}

/// A proof that was used just before a restart must not be good once more after it.
#[test]
fn a_restart_forgets_no_proof() {
    let clock = Clock::manual(NOW_S * 1000);
    let key = Key::new();
    let before = Dpop::new(settings(), &[7; 32], "resource", clock.clone());
    let old_nonce = before.nonce();
    let same_second = Dpop::new(settings(), &[7; 32], "resource", clock.clone());
    let made = |jti: &str, iat_s: u64, nonce: Option<&str>| {
        let mut claims = claims(jti);
        claims["iat"] = iat_s.into();
        if let Some(nonce) = nonce {
            claims["nonce"] = nonce.into();
        }
        key.sign(&key.header(), &claims)
    };
    let check = |dpop: &Dpop, proof: &str| dpop.check(proof, &key.request());
    let at_once = made("at once", NOW_S, Some(&old_nonce));
    check(&before, &at_once).unwrap();
    assert_eq!(
        check(&same_second, &at_once).unwrap_err(),
        ProofError::NonceNeeded
    );
    clock.advance(Duration::from_secs(10));
    // The client's clock is ahead by as much as is allowed.
    let plain = made("plain", NOW_S + 15, None);
    let with_nonce = made("nonce", NOW_S + 10, Some(&old_nonce));
    check(&before, &plain).unwrap();
    check(&before, &with_nonce).unwrap();

    let after = Dpop::new(settings(), &[7; 32], "resource", clock.clone());
    for used in [&plain, &with_nonce] {
        assert_eq!(check(&after, used).unwrap_err(), ProofError::NonceNeeded);
    }
    let new_nonce = after.nonce();
    check(&after, &made("fresh", NOW_S + 10, Some(&new_nonce))).unwrap();
    clock.advance(Duration::from_secs(6));
    assert_eq!(check(&after, &plain).unwrap_err(), ProofError::NonceNeeded);
    check(&after, &made("later", NOW_S + 16, None)).unwrap();
}

mod properties {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn no_text_is_taken_for_a_proof_or_ends_the_process(text in "\\PC{0,200}") {
            let key = Key::new();
            prop_assert!(desk().check(&text, &key.request()).is_err());
        }

        #[test]
        fn no_header_and_claims_of_somebody_else_end_the_process(
            header in "\\PC{0,80}", claims in "\\PC{0,80}", signature in proptest::collection::vec(any::<u8>(), 0..80),
        ) {
            let proof = format!("{}.{}.{}", encode(header), encode(claims), encode(signature));
            prop_assert!(desk().check(&proof, &Key::new().request()).is_err());
        }
    }
}
