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
