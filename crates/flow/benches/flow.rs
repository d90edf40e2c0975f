//! What flow control costs for each call: learning a result, and looking at a call.

use cardea_flow::{Call, Labels, Request, Run};
use divan::Bencher;
use serde_json::{Value, json};

fn main() {
    divan::main();
}

fn call(arguments: &str) -> Call<'_> {
    Call {
        tool: "send_email",
        labels: Labels {
            untrusted: true,
            external: true,
            ..Labels::NONE
        },
        arguments,
    }
}

fn result(bytes: usize) -> Value {
    let text = "Please look at www.example.org and write to jane@example.org about the report. ";
    json!({"content": [{"type": "text", "text": text.repeat(bytes / text.len() + 1)}]})
}

#[divan::bench(args = [1 << 10, 16 << 10, 256 << 10])]
fn learn_a_result(bencher: Bencher<'_, '_>, bytes: usize) {
    let result = result(bytes);
    bencher.bench(|| {
        let mut run = Run::default();
        run.learn(&call("{}"), None, &result);
        run.entries()
    });
}

#[divan::bench(args = [1 << 10, 256 << 10])]
fn look_at_a_call(bencher: Bencher<'_, '_>, bytes: usize) {
    let mut run = Run::default();
    run.learn(&call("{}"), None, &result(bytes));
    let arguments = r#"{"to":["bob@example.com"],"subject":"The report","body":"Dear Bob, here is what I think of it."}"#;
    let request = Request::of("Write to bob@example.com about the report");
    bencher.bench(|| run.facts(&call(arguments), Some(&request)));
}

#[divan::bench]
fn read_a_request() -> Request {
    Request::of(
        "Please invite Dora to the workspace. You can find her email on her website, www.example.org.",
    )
}

/// Text that nobody has seen: words by chance, as many different ones as a long document has.
fn fresh(bytes: usize, seed: &mut u64) -> Value {
    let mut text = String::with_capacity(bytes + 16);
    while text.len() < bytes {
        // Marsaglia's xorshift.
        *seed ^= *seed << 13;
        *seed ^= *seed >> 7;
        *seed ^= *seed << 17;
        let word = *seed % 20_000;
        let end = if seed.is_multiple_of(12) { ". " } else { " " };
        text.extend(
            format!("{word:x}")
                .bytes()
                .map(|b| char::from(b'a' + b % 26)),
        );
        text.push_str(end);
    }
    json!({"content": [{"type": "text", "text": text}]})
}

/// As an agent that reads on and on: each result is new, and the run has seen much.
#[divan::bench(args = [1 << 10, 10 << 10])]
fn learn_a_new_result_in_a_long_run(bencher: Bencher<'_, '_>, bytes: usize) {
    let mut seed = 0x5eed;
    let mut long = Run::default();
    while long.entries() < 100_000 {
        long.learn(&call("{}"), None, &fresh(10 << 10, &mut seed));
    }
    bencher
        .with_inputs(|| (long.clone(), fresh(bytes, &mut seed)))
        .bench_local_values(|(mut run, result)| {
            run.learn(&call("{}"), None, &result);
            run
        });
}

/// As an agent that reads a page again.
#[divan::bench(args = [1 << 10, 16 << 10, 256 << 10])]
fn learn_a_result_again(bencher: Bencher<'_, '_>, bytes: usize) {
    let result = result(bytes);
    let mut run = Run::default();
    run.learn(&call("{}"), None, &result);
    bencher.bench_local(|| run.learn(&call("{}"), None, &result));
}
