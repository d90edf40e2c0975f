//! What it costs to read a message, with `serde_json` skipping the same text as a yardstick.
//!
//! `cargo bench -p cardea-mcp`. Compare within one run only.

#![allow(
    clippy::unwrap_used,
    reason = "a bench that cannot run has nothing to say"
)]

use std::fmt;

use bytes::Bytes;
use cardea_mcp::{
    Limits, Message, list,
    method::List,
    sse::{Event, Parser},
};
use divan::{Bencher, black_box, counter::BytesCount};
use serde::de::IgnoredAny;

fn main() {
    divan::main();
}

/// The messages that are read.
#[derive(Clone, Copy)]
enum Sample {
    /// A `tools/call` of the modern era, as hosts send it.
    Call300B,
    /// A result with one text of many short lines, as a file's content is.
    Result10K,
    /// The same, of a large file.
    Result1M,
    /// A result of many small values instead of one long text.
    Structured1M,
}

const SAMPLES: [Sample; 4] = [
    Sample::Call300B,
    Sample::Result10K,
    Sample::Result1M,
    Sample::Structured1M,
];

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.pad(match self {
            Self::Call300B => "call_300_b",
            Self::Result10K => "result_10_kb",
            Self::Result1M => "result_1_mb",
            Self::Structured1M => "structured_1_mb",
        })
    }
}

impl Sample {
    fn text(self) -> Bytes {
        match self {
            Self::Call300B => call(),
            Self::Result10K => result(10_000),
            Self::Result1M => result(1_000_000),
            Self::Structured1M => structured(1_000_000),
        }
    }
}

fn call() -> Bytes {
    let text = concat!(
        r#"{"jsonrpc":"2.0","id":42,"method":"tools/call","params":{"name":"read_file","arguments":"#,
        r#"{"path":"/srv/handbook/returns.md"},"_meta":{"#,
        r#""io.modelcontextprotocol/protocolVersion":"2026-07-28","#,
        r#""io.modelcontextprotocol/clientCapabilities":{"elicitation":{}},"#,
        r#""io.modelcontextprotocol/clientInfo":{"name":"host","version":"1.2.3"}}}}"#,
    );
    Bytes::from_static(text.as_bytes())
}

fn result(bytes: usize) -> Bytes {
    let line = r"The customer may return \u201cunopened\u201d goods within thirty days.\n";
    let text = line.repeat(bytes / line.len());
    format!(
        r#"{{"jsonrpc":"2.0","id":42,"result":{{"content":[{{"type":"text","text":"{text}"}}],"isError":false}}}}"#
    )
    .into()
}

fn structured(bytes: usize) -> Bytes {
    let row =
        r#"{"id":10234,"name":"Ada Lovelace","active":true,"balance":-12.5,"tags":["a","b"]}"#;
    let rows = vec![row; bytes / row.len()].join(",");
    format!(
        r#"{{"jsonrpc":"2.0","id":42,"result":{{"content":[],"structuredContent":{{"rows":[{rows}]}}}}}}"#
    )
    .into()
}

/// The whole check: UTF-8, JSON, depth, duplicate keys, envelope.
#[divan::bench(args = SAMPLES)]
fn message_parse(bencher: Bencher, sample: Sample) {
    let text = sample.text();
    bencher
        .counter(BytesCount::of_slice(&text[..]))
        .bench_local(|| Message::parse(black_box(&text).clone(), &Limits::default()).unwrap());
}

/// The yardstick: is it JSON? Neither duplicate keys nor depth, and nothing is remembered.
#[divan::bench(args = SAMPLES)]
fn serde_json_ignored(bencher: Bencher, sample: Sample) {
    let text = sample.text();
    bencher
        .counter(BytesCount::of_slice(&text[..]))
        .bench_local(|| serde_json::from_slice::<IgnoredAny>(black_box(&text)).unwrap());
}

/// A stream of one event, read and written, in chunks as large as HTTP frames are by default.
#[divan::bench(args = SAMPLES)]
fn sse_read_and_write(bencher: Bencher, sample: Sample) {
    const FRAME_BYTES: usize = 16_384;
    let stream = Event::message(sample.text()).encode();
    bencher
        .counter(BytesCount::of_slice(&stream[..]))
        .bench_local(|| {
            let mut parser = Parser::new(16 << 20);
            for chunk in black_box(&stream).chunks(FRAME_BYTES) {
                parser.feed(chunk);
                if let Some(event) = parser.next_event().unwrap() {
                    return event.encode();
                }
            }
            Bytes::new()
        });
}

/// A list of 200 tools of 1 KB each, of which every other one is hidden; reading it comes on top.
#[divan::bench]
fn list_filter_200_tools(bencher: Bencher) {
    let description = "What it does, in words for a model. ".repeat(20);
    let tool = |n: usize| {
        format!(
            r#"{{"name":"tool_{n}","description":"{description}","inputSchema":{{"type":"object","properties":{{"path":{{"type":"string"}},"limit":{{"type":"integer","minimum":1}}}},"required":["path"]}}}}"#
        )
    };
    let tools: Vec<_> = (0..200).map(tool).collect();
    let text = format!(
        r#"{{"jsonrpc":"2.0","id":1,"result":{{"tools":[{}],"cacheScope":"public","ttlMs":60000}}}}"#,
        tools.join(",")
    );
    let message = Message::parse(text.clone().into(), &Limits::default()).unwrap();
    bencher.counter(BytesCount::of_str(&text)).bench_local(|| {
        let mut shown = false;
        let out = list::filter(black_box(&message), List::Tools, |_| {
            shown = !shown;
            shown
        });
        let out = out.unwrap();
        assert_eq!((out.kept, out.hidden), (100, 100));
        out
    });
}
