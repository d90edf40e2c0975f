//! What the check of one DPoP proof costs: signature, digests, JSON, and the note that it was used.
//!
//! `cargo bench -p cardea-identity`. Compare within one run only.

#![allow(
    clippy::unwrap_used,
    clippy::indexing_slicing,
    reason = "a bench that cannot run has nothing to say"
)]

use std::{
    sync::atomic::{AtomicU64, Ordering},
    time::Duration,
};

use aws_lc_rs::{
    digest::{SHA256, digest},
    rand::SystemRandom,
    signature::{ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair as _},
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use cardea_domain::{Clock, Thumbprint};
use cardea_identity::{Algorithm, BoundToken, Dpop, DpopSettings, ProofFor};
use divan::Bencher;

const NOW_S: u64 = 1_800_000_000;
const URL: &str = "https://gw.example.com/mcp/files";
const TOKEN: &str = "an-access-token";

fn main() {
    divan::main();
}

/// A client with a P-256 key.
struct Client {
    pair: EcdsaKeyPair,
    made: AtomicU64,
}

impl Client {
    fn new() -> Self {
        Self {
            pair: EcdsaKeyPair::generate(&ECDSA_P256_SHA256_FIXED_SIGNING).unwrap(),
            made: AtomicU64::new(0),
        }
    }

    fn x_and_y(&self) -> (String, String) {
        let point = self.pair.public_key().as_ref();
        (encode(&point[1..33]), encode(&point[33..65]))
    }

    fn proof(&self) -> String {
        let (x, y) = self.x_and_y();
        let jti = self.made.fetch_add(1, Ordering::Relaxed);
        let ath = encode(sha256(TOKEN));
        let header = format!(
            r#"{{"typ":"dpop+jwt","alg":"ES256","jwk":{{"kty":"EC","crv":"P-256","x":"{x}","y":"{y}"}}}}"#
        );
        let claims =
            format!(r#"{{"jti":"{jti}","htm":"POST","htu":"{URL}","iat":{NOW_S},"ath":"{ath}"}}"#);
        let signed = format!("{}.{}", encode(header), encode(claims));
        let signature = self.pair.sign(&SystemRandom::new(), signed.as_bytes());
        format!("{signed}.{}", encode(signature.unwrap()))
    }

    fn request(&self) -> ProofFor<'static> {
        let (x, y) = self.x_and_y();
        let canonical = format!(r#"{{"crv":"P-256","kty":"EC","x":"{x}","y":"{y}"}}"#);
        let token = BoundToken {
            sha256: sha256(TOKEN),
            key: Thumbprint::new(sha256(&canonical)),
        };
        ProofFor {
            method: "POST",
            uri: URL,
            token: Some(token),
        }
    }
}

#[divan::bench]
fn a_new_proof(bencher: Bencher<'_, '_>) {
    let clock = Clock::manual((NOW_S - 3600) * 1000);
    let settings = DpopSettings {
        require_nonce: false,
        iat_window: Duration::from_secs(60),
        algorithms: vec![Algorithm::ES256],
    };
    let dpop = Dpop::new(settings, &[7; 32], "resource", clock.clone());
    clock.advance(Duration::from_secs(3600));
    let client = Client::new();
    let request = client.request();
    bencher
        .with_inputs(|| client.proof())
        .bench_refs(|proof| dpop.check(proof, &request).unwrap());
}

fn sha256(text: &str) -> [u8; 32] {
    let mut hash = [0; 32];
    hash.copy_from_slice(digest(&SHA256, text.as_bytes()).as_ref());
    hash
}

fn encode(bytes: impl AsRef<[u8]>) -> String {
    URL_SAFE_NO_PAD.encode(bytes)
}
