//! W3C trace context: read, continued, handed on. Where spans go is the wiring's business.

use std::ops::Range;

use aws_lc_rs::rand;
use cardea_domain::{Action, Denial};
use cardea_mcp::{Message, header, json::Level, meta};
use http::{HeaderMap, HeaderValue};

use crate::{
    facts::{Facts, Outcome},
    way::{Authorised, Resolved},
    world::Gateway,
};

/// A position in a trace (W3C Trace Context, level 1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// 16 bytes, not all zero.
    pub trace_id: [u8; 16],
    /// The span that the next one is a child of; 8 bytes.
    pub span_id: [u8; 8],
    /// Whether spans are to be kept.
    pub sampled: bool,
}

/// One finished call, as a span.
#[derive(Debug, Clone)]
pub struct SpanData {
    /// The trace and the span's own id.
    pub context: TraceContext,
    /// The caller's span, where there was one.
    pub parent: Option<[u8; 8]>,
    /// `tools/call echo`.
    pub name: String,
    /// Start, in microseconds since the Unix epoch.
    pub start_us: u64,
    /// Duration in microseconds.
    pub duration_us: u64,
    /// Whether the call failed or was refused.
    pub error: bool,
    /// Attributes by OpenTelemetry's names.
    pub attributes: Vec<(&'static str, String)>,
}

/// Takes finished spans. Called on the way of a call: it must not block.
pub trait SpanSink: Send + Sync {
    /// Takes one span.
    fn span(&self, span: SpanData);
}

impl TraceContext {
    /// The context that a request carries: in `_meta` (2026-07-28), else in the headers.
    pub(crate) fn of(headers: &HeaderMap, message: Option<&Message>) -> Option<Self> {
        let in_meta = message.and_then(|m| m.meta_str(meta::TRACEPARENT));
        match in_meta {
            Some(text) => Self::parse(&text),
            None => headers
                .get(header::TRACEPARENT)
                .and_then(|v| v.to_str().ok())
                .and_then(Self::parse),
        }
    }

    /// Reads a `traceparent`.
    #[must_use]
    pub fn parse(text: &str) -> Option<Self> {
        let mut parts = text.split('-');
        let (version, trace, span, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        if version.len() != 2 || version == "ff" || (version == "00" && parts.next().is_some()) {
            return None;
        }
        let flags: [u8; 1] = hex(flags)?;
        let context = Self {
            trace_id: hex(trace)?,
            span_id: hex(span)?,
            sampled: flags.first().is_some_and(|f| f & 1 == 1),
        };
        (context.trace_id != [0; 16] && context.span_id != [0; 8]).then_some(context)
    }

    /// A new span: in `parent`'s trace, or in a new one.
    pub(crate) fn child(parent: Option<&Self>) -> Option<Self> {
        let mut span_id = [0; 8];
        rand::fill(&mut span_id).ok()?;
        let trace_id = match parent {
            Some(parent) => parent.trace_id,
            None => {
                let mut trace_id = [0; 16];
                rand::fill(&mut trace_id).ok()?;
                trace_id
            }
        };
        Some(Self {
            trace_id,
            span_id,
            sampled: parent.is_none_or(|p| p.sampled),
        })
    }

    /// The context as a `traceparent`, 55 characters.
    #[must_use]
    pub fn traceparent(&self) -> String {
        let flags = if self.sampled { "01" } else { "00" };
        format!(
            "00-{}-{}-{flags}",
            text(&self.trace_id),
            text(&self.span_id)
        )
    }
}

impl Gateway {
    /// Begins the call's own span, where spans are kept.
    pub(crate) fn continue_trace(&self, resolved: &mut Resolved) {
        if self.spans.is_none() {
            return;
        }
        let facts = resolved.facts_mut();
        facts.parent_span = facts.trace.map(|t| t.span_id);
        facts.trace = TraceContext::child(facts.trace.as_ref());
    }

    /// What is replaced of a message as it goes upstream, so that it names the span that is its parent now.
    pub(crate) fn trace_edit(
        &self,
        call: &Authorised,
        message: &Message,
    ) -> Option<(Range<usize>, String)> {
        self.spans.as_ref()?;
        let ours = call.call().facts().and_then(|f| f.trace)?;
        let span = message.span(Level::Meta, meta::TRACEPARENT)?;
        Some((span, format!("\"{}\"", ours.traceparent())))
    }

    pub(crate) fn trace_headers(&self, call: &Authorised, headers: &mut HeaderMap) {
        let theirs = call.headers();
        let ours = call.call().facts().and_then(|f| f.trace);
        if let (Some(_), Some(ours)) = (&self.spans, ours) {
            if let Ok(value) = HeaderValue::from_str(&ours.traceparent()) {
                headers.insert(header::TRACEPARENT, value);
            }
        } else if let Some(value) = theirs.get(header::TRACEPARENT) {
            headers.insert(header::TRACEPARENT, value.clone());
        }
        if let Some(value) = theirs.get(header::TRACESTATE) {
            headers.insert(header::TRACESTATE, value.clone());
        }
    }

    /// Hands the finished call's span on.
    pub(crate) fn trace(&self, facts: &Facts, outcome: &Outcome) {
        let failed = outcome.denial.is_some() || outcome.rpc_code.is_some() || outcome.is_error;
        self.span(facts, outcome.word, failed);
    }

    pub(crate) fn trace_refusal(&self, facts: &Facts, denial: &Denial) {
        self.span(facts, denial.code.as_str(), true);
    }

    fn span(&self, facts: &Facts, outcome: &'static str, error: bool) {
        let (Some(sink), Some(context)) = (&self.spans, facts.trace) else {
            return;
        };
        if !context.sampled {
            return;
        }
        let target = facts.target.as_ref().and_then(|t| t.name());
        let mut attributes = vec![
            ("mcp.method.name", facts.method.to_string()),
            ("cardea.outcome", outcome.to_owned()),
            ("cardea.call", facts.call.clone()),
        ];
        if let Some(upstream) = &facts.upstream {
            attributes.push(("cardea.upstream", upstream.to_string()));
        }
        if let Some(principal) = &facts.principal {
            attributes.push(("cardea.tenant", principal.tenant.to_string()));
            attributes.push(("cardea.run", principal.run.to_string()));
        }
        if let (Some(Action::CallTool), Some(name)) = (facts.action, target) {
            attributes.push(("gen_ai.tool.name", name.to_owned()));
        }
        sink.span(SpanData {
            context,
            parent: facts.parent_span,
            name: match target {
                Some(target) => format!("{} {target}", facts.method),
                None => facts.method.to_string(),
            },
            start_us: facts.started_us,
            duration_us: facts.elapsed_us(),
            error,
            attributes,
        });
    }
}

fn text(bytes: &[u8]) -> String {
    bytes
        .iter()
        .fold(String::with_capacity(32), |mut out, byte| {
            out.push(char::from_digit(u32::from(byte >> 4), 16).unwrap_or('0'));
            out.push(char::from_digit(u32::from(byte & 15), 16).unwrap_or('0'));
            out
        })
}

fn hex<const N: usize>(text: &str) -> Option<[u8; N]> {
    let digits = text.as_bytes();
    if digits.len() != 2 * N {
        return None;
    }
    let mut out = [0; N];
    for (byte, pair) in out.iter_mut().zip(digits.chunks_exact(2)) {
        for digit in pair {
            // Upper-case digits are not valid in a traceparent.
            let value = match digit {
                b'0'..=b'9' => digit - b'0',
                b'a'..=b'f' => digit - b'a' + 10,
                _ => return None,
            };
            *byte = *byte << 4 | value;
        }
    }
    Some(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn traceparents_are_read_and_written() {
        let text = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = TraceContext::parse(text).unwrap();
        assert_eq!(context.traceparent(), text);
        let child = TraceContext::child(Some(&context)).unwrap();
        assert_eq!(child.trace_id, context.trace_id);
        assert_ne!(child.span_id, context.span_id);
        for bad in [
            "",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
            "00-00000000000000000000000000000000-b7ad6b7169203331-01",
            "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
            "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
            "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-x",
        ] {
            assert_eq!(TraceContext::parse(bad), None, "{bad}");
        }
    }
}
