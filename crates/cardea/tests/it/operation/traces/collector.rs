//! A collector of spans: OTLP over HTTP, read as far as the tests need it.

use crate::support::*;

/// Takes everything that is posted to it.
pub(super) struct Collector(Echo);

/// One span.
#[derive(Debug, Default, Clone)]
pub(super) struct Span {
    pub(super) trace: String,
    pub(super) id: String,
    pub(super) parent: String,
    pub(super) name: String,
    pub(super) service: String,
    pub(super) start_ns: u64,
    pub(super) end_ns: u64,
    pub(super) is_error: bool,
    attributes: Vec<(String, String)>,
}

impl Collector {
    pub(super) async fn start() -> Self {
        let echo = Echo::start().await.unwrap();
        echo.on("POST", |_| Reply::bytes(200, "application/x-protobuf", ""));
        Self(echo)
    }

    /// What stands in the configuration.
    pub(super) fn url(&self) -> String {
        format!("http://{}", self.0.address())
    }

    /// Every span so far.
    pub(super) fn spans(&self) -> Vec<Span> {
        let mut spans = Vec::new();
        for seen in self.0.seen() {
            assert_eq!(seen.path, "/v1/traces");
            assert_eq!(
                seen.header("content-type").as_deref(),
                Some("application/x-protobuf")
            );
            spans.extend(read_request(&seen.body));
        }
        spans
    }

    /// The span of a trace, once it is there.
    pub(super) async fn span(&self, trace: &str) -> Span {
        until(&format!("a span of trace {trace}"), async || {
            self.spans().into_iter().find(|span| span.trace == trace)
        })
        .await
    }

    /// Any span, once there is one.
    pub(super) async fn some_span(&self) -> Span {
        until("a span", async || self.spans().into_iter().next()).await
    }
}

impl Span {
    pub(super) fn attribute(&self, name: &str) -> &str {
        let found = self.attributes.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value.as_str())
    }
}

/// `ExportTraceServiceRequest` of opentelemetry-proto 1.x, by its field numbers.
fn read_request(bytes: &[u8]) -> Vec<Span> {
    let mut spans = Vec::new();
    for resource_spans in messages(bytes, 1) {
        let resource = messages(resource_spans, 1).next().unwrap_or_default();
        let service = attributes(resource, 1)
            .into_iter()
            .find(|(key, _)| key == "service.name");
        for scope_spans in messages(resource_spans, 2) {
            for span in messages(scope_spans, 2) {
                let mut span = read_span(span);
                span.service = service.clone().unwrap_or_default().1;
                spans.push(span);
            }
        }
    }
    spans
}

fn read_span(bytes: &[u8]) -> Span {
    let mut span = Span {
        attributes: attributes(bytes, 9),
        ..Span::default()
    };
    for (number, value) in fields(bytes) {
        match (number, value) {
            (1, Field::Bytes(id)) => span.trace = hex(id),
            (2, Field::Bytes(id)) => span.id = hex(id),
            (4, Field::Bytes(id)) => span.parent = hex(id).trim_start_matches('0').to_owned(),
            (5, Field::Bytes(name)) => span.name = text(name),
            (7, Field::Number(ns)) => span.start_ns = ns,
            (8, Field::Number(ns)) => span.end_ns = ns,
            // Status { code = 3 }: 2 is an error.
            (15, Field::Bytes(status)) => {
                let code = fields(status).into_iter().find(|(number, _)| *number == 3);
                span.is_error = matches!(code, Some((_, Field::Number(2))));
            }
            _ => {}
        }
    }
    span
}

/// The attributes (`KeyValue { key = 1, value = 2 { string_value = 1 } }`) in this field.
fn attributes(bytes: &[u8], number: u64) -> Vec<(String, String)> {
    let pair = |pair| {
        let key = messages(pair, 1).next().map(text).unwrap_or_default();
        let value = messages(pair, 2).next().unwrap_or_default();
        (key, messages(value, 1).next().map(text).unwrap_or_default())
    };
    messages(bytes, number).map(pair).collect()
}

enum Field<'a> {
    Number(u64),
    Bytes(&'a [u8]),
}

/// The fields of a message, by number.
fn fields(mut bytes: &[u8]) -> Vec<(u64, Field<'_>)> {
    let mut fields = Vec::new();
    while !bytes.is_empty() {
        let key = varint(&mut bytes);
        let value = match key & 7 {
            0 => Field::Number(varint(&mut bytes)),
            1 => Field::Number(u64::from_le_bytes(take(&mut bytes, 8).try_into().unwrap())),
            2 => {
                let length = usize::try_from(varint(&mut bytes)).unwrap();
                Field::Bytes(take(&mut bytes, length))
            }
            5 => {
                let word = u32::from_le_bytes(take(&mut bytes, 4).try_into().unwrap());
                Field::Number(word.into())
            }
            kind => panic!("wire type {kind}"),
        };
        fields.push((key >> 3, value));
    }
    fields
}

fn messages(bytes: &[u8], wanted: u64) -> impl Iterator<Item = &[u8]> {
    fields(bytes)
        .into_iter()
        .filter_map(move |(number, value)| match value {
            Field::Bytes(bytes) if number == wanted => Some(bytes),
            _ => None,
        })
}

fn varint(bytes: &mut &[u8]) -> u64 {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let byte = take(bytes, 1)[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte < 0x80 {
            break;
        }
    }
    value
}

fn take<'a>(bytes: &mut &'a [u8], count: usize) -> &'a [u8] {
    let (taken, rest) = bytes.split_at(count);
    *bytes = rest;
    taken
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8(bytes.to_vec()).unwrap()
}
