//! What it costs to compile a tool's schema once, and to check arguments by schema and constraints with each call.
//!
//! `cargo bench -p cardea-guard --bench schema`. Compare within one run only.

#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot run has nothing to say"
)]

use cardea_guard::{
    constraint::{Check, Constraint, Constraints, PathRule, Selector, SqlRule, UrlRule, Whose},
    schema::{Schema, UnknownMembers},
};
use divan::{Bencher, black_box};
use serde_json::{Value, json};

fn main() {
    divan::main();
}

fn schema() -> String {
    json!({
        "type": "object",
        "required": ["path"],
        "properties": {
            "path": {"type": "string", "minLength": 1},
            "encoding": {"enum": ["utf-8", "latin-1"]},
            "range": {"type": "object", "properties": {"from": {"type": "integer", "minimum": 0}, "to": {"type": "integer"}}},
            "tags": {"type": "array", "items": {"type": "string", "pattern": "^[a-z-]+$"}, "uniqueItems": true},
            "mode": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        },
    })
    .to_string()
}

const ARGUMENTS: &str = r#"{"path":"/srv/files/report.md","encoding":"utf-8","range":{"from":0,"to":120},"tags":["draft","new"],"mode":null}"#;

#[divan::bench]
fn compile_a_schema(bencher: Bencher<'_, '_>) {
    let text = schema();
    bencher.bench(|| Schema::compile(black_box(&text), UnknownMembers::Refuse));
}

#[divan::bench]
fn parse_arguments(bencher: Bencher<'_, '_>) {
    bencher.bench(|| serde_json::from_str::<Value>(black_box(ARGUMENTS)));
}

#[divan::bench]
fn check_arguments_by_schema(bencher: Bencher<'_, '_>) {
    let schema = Schema::compile(&schema(), UnknownMembers::Refuse).unwrap();
    let arguments: Value = serde_json::from_str(ARGUMENTS).unwrap();
    bencher.bench(|| schema.check(black_box(&arguments)));
}

fn one(check: Check) -> Constraints {
    Constraints::new(vec![Constraint {
        at: Selector::parse("/v").unwrap(),
        required: true,
        whose: Whose::All,
        checks: vec![check],
    }])
}

#[divan::bench]
fn check_a_path(bencher: Bencher<'_, '_>) {
    let constraints = one(Check::Path(PathRule::under(["/srv/files"]).unwrap()));
    let arguments = json!({"v": "/srv/files/2026/report.md"});
    bencher.bench(|| constraints.check(black_box(&arguments), []));
}

#[divan::bench]
fn check_a_url(bencher: Bencher<'_, '_>) {
    let constraints = one(Check::Url(UrlRule::default()));
    let arguments = json!({"v": "https://api.example.com/v1/items?page=2"});
    bencher.bench(|| constraints.check(black_box(&arguments), []));
}

#[divan::bench]
fn check_a_statement(bencher: Bencher<'_, '_>) {
    let constraints = one(Check::Sql(SqlRule::default()));
    let arguments = json!({"v": "SELECT c.name, SUM(o.total) FROM orders o JOIN customers c ON c.id = o.customer WHERE o.day > '2026-01-01' GROUP BY c.name"});
    bencher.bench(|| constraints.check(black_box(&arguments), []));
}
