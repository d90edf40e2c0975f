//! What it costs to sign a statement of who calls, and what of that is the signature.
//!
//! `cargo bench -p cardea-identity --bench signing`. Compare within one run only.

#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot run has nothing to say"
)]

use cardea_domain::Clock;
use cardea_identity::SigningKeys;
use divan::{Bencher, black_box};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

/// As the gateway states it of a tool call.
fn claims() -> Value {
    json!({
        "iss": "https://mcp.example.com", "aud": "https://tickets.example.com/mcp",
        "iat": 1_795_000_000, "exp": 1_795_000_060,
        "txn": "01a20a7e-fab8-7401-a5a1-b3b2c7947758", "sub": "ada@example.com",
        "act": {"sub": "agent"}, "scope": "tools/call",
        "tctx": {
            "tenant": "acme", "upstream": "tickets", "method": "tools/call", "tool": "list_issues",
            "args_sha256": "RBNvo1WzZ4oRRq0W9-hknpT7T8If536DEMBg9hyq_4o",
            "run": "01a20a7e-f518-75d7-afda-24106db8ff75",
        },
        "rctx": {"protocol": "2026-07-28", "run_source": "token"},
    })
}

#[divan::bench]
fn sign_a_statement(bencher: Bencher) {
    let folder = tempfile::tempdir().unwrap();
    let keys = SigningKeys::open(folder.path(), Clock::system()).unwrap();
    let claims = claims();
    bencher.bench_local(|| keys.sign("txntoken+jwt", black_box(&claims)).unwrap());
}

/// The yardstick: the same claims as text, unsigned.
#[divan::bench]
fn write_the_claims(bencher: Bencher) {
    let claims = claims();
    bencher.bench_local(|| black_box(&claims).to_string());
}
