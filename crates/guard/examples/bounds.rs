//! What hostile schemas, patterns, statements, forms and documents cost the guard; see `make eval-bounds`.
//!
//! Each is made to be expensive elsewhere. For each the time that it took here, what became of it, and by how much the most
//! memory that the process ever had has grown (`VmHWM`, Linux).

#![allow(
    clippy::unwrap_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "it measures, and a failure ends it"
)]

use std::{fs, time::Instant};

use cardea_guard::{
    constraint::{Check, Constraint, Constraints, Selector, SqlRule, Whose},
    elicitation::secret_asked_for,
    output,
    schema::{Schema, UnknownMembers},
};
use cardea_mcp::json;
use serde_json::{Map, Value, json};

fn main() {
    say("what", "time", "memory", "what became of it");
    let mut worst_ms = 0.0;
    for (what, bomb) in bombs() {
        let before_kib = peak_kib();
        let begun = Instant::now();
        let became = bomb();
        let ms = begun.elapsed().as_secs_f64() * 1000.0;
        worst_ms = f64::max(worst_ms, ms);
        let mib = (peak_kib().saturating_sub(before_kib)) / 1024;
        say(
            what,
            &format!("{ms:.1} ms"),
            &format!("+{mib} MiB"),
            &became,
        );
    }
    let sum =
        json!({ "worst_ms": (worst_ms * 10.0).round() / 10.0, "peak_mib": peak_kib() / 1024 });
    println!("{sum}");
}

type Bomb = Box<dyn FnOnce() -> String>;

fn bomb(work: impl FnOnce() -> String + 'static) -> Bomb {
    Box::new(work)
}

fn bombs() -> Vec<(&'static str, Bomb)> {
    let schema = |schema: Value, value: Value| -> Bomb {
        let text = schema.to_string();
        bomb(move || checked(&text, &value))
    };
    vec![
        (
            "`$ref` that doubles at each of 40 levels",
            schema(doubling(40), json!(1)),
        ),
        (
            "a schema that is a tree of 2^12 alternatives",
            schema(tree(12), json!("x")),
        ),
        (
            "recursive `anyOf` over 60 levels of arrays",
            schema(recursive(), nested(60)),
        ),
        (
            "`uniqueItems` over 2,000 objects of 100 members",
            schema(
                json!({ "uniqueItems": true }),
                (0..2000).map(wide).collect(),
            ),
        ),
        (
            "`((a+)+)+$` against 60,000 letters",
            schema(
                json!({ "pattern": "((a+)+)+$" }),
                json!("a".repeat(60_000) + "!"),
            ),
        ),
        (
            "a pattern that is large once compiled",
            schema(json!({ "pattern": "(\\p{L}{1,100}){1,100}" }), json!("a")),
        ),
        (
            "a schema of 10 MB",
            schema(json!({ "description": "x".repeat(10 << 20) }), json!(1)),
        ),
        ("a schema 100,000 levels deep", bomb(deep_schema)),
        ("a document 10,000,000 levels deep", bomb(deep_document)),
        (
            "a result of 50 MB in one text",
            bomb(|| result(1, 50_000_000)),
        ),
        (
            "a result of 50 MB in 500,000 blocks",
            bomb(|| result(500_000, 60)),
        ),
        (
            "a statement of brackets",
            bomb(|| statement(&"(".repeat(16_000))),
        ),
        (
            "a statement of 8,000 operators",
            bomb(|| statement(&format!("a{}", "=a".repeat(8_000)))),
        ),
        ("a form of 16 MB", bomb(form)),
    ]
}

fn checked(schema: &str, value: &Value) -> String {
    match Schema::compile(schema, UnknownMembers::Refuse) {
        Err(error) => format!("unusable: {error}"),
        Ok(schema) => match schema.check(value) {
            Ok(()) => "passes".to_owned(),
            Err(violation) => format!("refused: {}", violation.keyword),
        },
    }
}

fn doubling(levels: usize) -> Value {
    let mut defs = Map::new();
    for level in 0..levels {
        let next = json!({ "$ref": format!("#/$defs/d{}", level + 1) });
        defs.insert(format!("d{level}"), json!({ "allOf": [next, next] }));
    }
    defs.insert(format!("d{levels}"), json!({ "type": "integer" }));
    json!({ "$defs": defs, "$ref": "#/$defs/d0" })
}

fn tree(levels: usize) -> Value {
    match levels {
        0 => json!({ "const": 1 }),
        _ => {
            let below = tree(levels - 1);
            json!({ "anyOf": [below, below] })
        }
    }
}

fn recursive() -> Value {
    let items = json!({ "items": { "$ref": "#/$defs/a" } });
    json!({ "$ref": "#/$defs/a", "$defs": { "a": { "anyOf": [items, items, { "const": 1 }] } } })
}

fn nested(levels: usize) -> Value {
    (0..levels).fold(json!("x"), |value, _| json!([value]))
}

fn wide(n: usize) -> Value {
    let mut members: Map<_, _> = (0..100).map(|i| (format!("m{i}"), json!("same"))).collect();
    members.insert("m99".to_owned(), json!(n));
    Value::Object(members)
}

fn deep_schema() -> String {
    let text = "{\"not\":".repeat(100_000) + "true" + &"}".repeat(100_000);
    checked(&text, &json!(1))
}

fn deep_document() -> String {
    let text = "[".repeat(10_000_000);
    let limits = json::Limits { depth_max: 256 };
    match json::check(&text, &limits) {
        Ok(_) => panic!("it is too deep"),
        Err(error) => format!("refused: {error}"),
    }
}

fn result(blocks: usize, bytes: usize) -> String {
    let block = json!({ "type": "text", "text": "x".repeat(bytes) }).to_string();
    let text = format!("{{\"content\":[{}]}}", vec![block; blocks].join(","));
    match output::check(&[], &text) {
        Ok(()) => "passes".to_owned(),
        Err(refused) => format!("refused: {refused}"),
    }
}

fn statement(condition: &str) -> String {
    let rule = Constraint {
        at: Selector::parse("/q").unwrap(),
        required: true,
        whose: Whose::All,
        checks: vec![Check::Sql(SqlRule::default())],
    };
    let arguments = json!({ "q": format!("SELECT a FROM t WHERE {condition}") });
    match Constraints::new(vec![rule]).check(&arguments, []) {
        Ok(_) => "passes".to_owned(),
        Err(refused) => format!("refused: {refused}"),
    }
}

fn form() -> String {
    let words = "so many words of no meaning ".repeat(600_000);
    let form = json!({ "message": words, "requestedSchema": { "type": "object" } });
    match secret_asked_for(&form) {
        None => "passes".to_owned(),
        Some(what) => format!("refused: {what}"),
    }
}

/// The most memory that the process has had so far.
fn peak_kib() -> u64 {
    let status = fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find(|line| line.starts_with("VmHWM:"));
    let digits = line.and_then(|line| line.split_whitespace().nth(1));
    digits.and_then(|digits| digits.parse().ok()).unwrap_or(0)
}

fn say(what: &str, time: &str, memory: &str, became: &str) {
    let became: String = became.chars().take(90).collect();
    let line = format!("{what:<52} {time:>12} {memory:>10}  {became}");
    println!("{line}");
}
