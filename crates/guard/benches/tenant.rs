//! What it costs to shape arguments and to filter results.
//!
//! `cargo bench -p cardea-guard`. Compare within one run only.

#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot run has nothing to say"
)]

use bytes::Bytes;
use cardea_domain::TenantId;
use cardea_guard::tenant::{
    ArgumentRule, Binding, Guard, OnForeign, OnUntyped, Pointer, ResultRules, Rules, TenantValue,
    Tool,
};
use cardea_mcp::{Limits, Message};
use divan::{Bencher, black_box, counter::BytesCount};

fn main() {
    divan::main();
}

fn guard(paths: &[&str]) -> Guard {
    let paths = paths
        .iter()
        .map(|p| Pointer::for_results(p).unwrap())
        .collect();
    let tool = Tool {
        arguments: vec![ArgumentRule {
            at: Pointer::for_arguments("/filter/org").unwrap(),
            binding: Binding::Force,
        }],
        headers: Vec::new(),
        results: Some(ResultRules::new(
            paths,
            &[],
            OnForeign::Drop,
            OnUntyped::Refuse,
        )),
    };
    let tenant = TenantId::parse("acme").unwrap();
    let values = [(tenant.clone(), TenantValue::of_text("org-17"))];
    let rules = Rules::new(values, [("list".to_owned(), tool)]);
    rules.of(&tenant, "list").unwrap().unwrap()
}

const ARGUMENTS: &str =
    r#"{"query":"all recent issues","limit":50,"filter":{"state":"open","org":"globex"}}"#;

#[divan::bench]
fn shape_80_b(bencher: Bencher) {
    let guard = guard(&["/issues/*/org"]);
    bencher
        .counter(BytesCount::of_str(ARGUMENTS))
        .bench_local(|| guard.shape(Some(black_box(ARGUMENTS))).unwrap());
}

/// How a server writes the same rows.
#[derive(Debug, Clone, Copy)]
enum Form {
    Structured,
    TextJson,
    Csv,
    Markdown,
}

const FORMS: [Form; 4] = [Form::Structured, Form::TextJson, Form::Csv, Form::Markdown];

const TITLE: &str = "The printer on the third floor prints upside down since Monday";

/// 1000 rows, every `nth` of another tenant (0: none).
fn result(form: Form, nth: usize) -> Message {
    let row = |n: usize| {
        let org = if nth > 0 && n.is_multiple_of(nth) {
            "globex"
        } else {
            "org-17"
        };
        match form {
            Form::Structured | Form::TextJson => {
                format!(r#"{{"id":{n},"org":"{org}","title":"{TITLE}"}}"#)
            }
            Form::Csv => format!("{n},{org},{TITLE}\n"),
            Form::Markdown => format!("| {n} | {org} | {TITLE} |\n"),
        }
    };
    let rows: Vec<_> = (0..1000).map(row).collect();
    let text = match form {
        Form::Structured | Form::TextJson => format!(r#"{{"issues":[{}]}}"#, rows.join(",")),
        Form::Csv => format!("id,org,title\n{}", rows.concat()),
        Form::Markdown => format!("| id | org | title |\n|---|---|---|\n{}", rows.concat()),
    };
    let result = match form {
        Form::Structured => format!(r#"{{"content":[],"structuredContent":{text}}}"#),
        _ => serde_json::json!({"content": [{"type": "text", "text": text}]}).to_string(),
    };
    let text = format!(r#"{{"jsonrpc":"2.0","id":1,"result":{result}}}"#);
    Message::parse(Bytes::from(text), &Limits { depth_max: 256 }).unwrap()
}

/// Nothing is to go: the usual case.
#[divan::bench(args = FORMS)]
fn filter_1000_own_rows(bencher: Bencher, form: Form) {
    let guard = guard(&["/issues/*/org"]);
    let message = result(form, 0);
    bencher
        .counter(BytesCount::of_slice(&message.text()[..]))
        .bench_local(|| {
            let filtered = guard.filter(black_box(&message)).unwrap();
            assert!(filtered.text.is_none());
        });
}

/// Every tenth row goes.
#[divan::bench(args = FORMS)]
fn filter_1000_rows_100_foreign(bencher: Bencher, form: Form) {
    let guard = guard(&["/issues/*/org"]);
    let message = result(form, 10);
    bencher
        .counter(BytesCount::of_slice(&message.text()[..]))
        .bench_local(|| {
            let filtered = guard.filter(black_box(&message)).unwrap();
            assert_eq!(filtered.foreign, 100);
        });
}

/// At any depth: every member is looked at.
#[divan::bench]
fn filter_1000_own_rows_at_any_depth(bencher: Bencher) {
    let guard = guard(&["/**/org"]);
    let message = result(Form::Structured, 0);
    bencher
        .counter(BytesCount::of_slice(&message.text()[..]))
        .bench_local(|| guard.filter(black_box(&message)).unwrap());
}
