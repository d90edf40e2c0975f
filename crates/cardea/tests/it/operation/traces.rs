//! Trace contexts are continued, spans are exported.

mod collector;

use self::collector::{Collector, Span};
use super::*;

const TRACE: &str = "0af7651916cd43dd8448eb211c80319c";
const PARENT: &str = "b7ad6b7169203331";

fn traceparent(flags: &str) -> String {
    format!("00-{TRACE}-{PARENT}-{flags}")
}

/// A stage whose gateway exports to a collector.
async fn traced() -> (Stage, Collector) {
    let collector = Collector::start().await;
    let telemetry = json!({ "otlp_endpoint": collector.url(), "service_name": "hinge" });
    let stage = Stage::with(|setup| {
        setup
            .policy(PERMIT_ALL)
            .set("telemetry", telemetry)
            .env("OTEL_BSP_SCHEDULE_DELAY", "50")
    })
    .await;
    (stage, collector)
}

/// The parts of the `traceparent` that the upstream saw: trace, span, flags.
fn parts(traceparent: &str) -> [&str; 3] {
    let parts: Vec<&str> = traceparent.split('-').collect();
    let [version, trace, span, flags] = parts[..] else {
        panic!("{traceparent}")
    };
    assert_eq!(version, "00");
    [trace, span, flags]
}

#[tokio::test]
async fn a_trace_in_the_header_goes_on_upstream_with_the_gateways_span() {
    let (stage, collector) = traced().await;
    let call = legacy(
        "traced",
        "tools/call",
        json!({ "name": "echo", "arguments": {} }),
    );
    let ask = stage
        .ask(&call)
        .set("traceparent", traceparent("01"))
        .set("tracestate", "a=b");
    assert_eq!(ask.send(stage.gateway.address()).await.status, 200);
    let seen = stage.echo.seen_of("tools/call").remove(0);
    let header = seen.header("traceparent").unwrap();
    let [trace, ours, flags] = parts(&header);
    assert_eq!((trace, flags), (TRACE, "01"));
    assert_ne!(ours, PARENT);
    assert_eq!(seen.header("tracestate").as_deref(), Some("a=b"));

    let span = collector.span(TRACE).await;
    assert_eq!(span.id, ours);
    assert_eq!(span.parent, PARENT);
    assert_eq!(span.name, "tools/call echo");
    assert_eq!(span.service, "hinge");
    assert_eq!(span.attribute("mcp.method.name"), "tools/call");
    assert_eq!(span.attribute("gen_ai.tool.name"), "echo");
    assert_eq!(span.attribute("cardea.tenant"), "demo");
    assert_eq!(span.attribute("cardea.upstream"), "echo");
    assert_eq!(span.attribute("cardea.outcome"), "result");
    assert!(
        span.start_ns > 0 && span.end_ns >= span.start_ns,
        "{span:?}"
    );
    let record = stage.record_by_id("outcome", &json!("traced")).await;
    assert_eq!(record["trace"], TRACE);
    assert_eq!(
        span.attribute("cardea.call"),
        record["call"].as_str().unwrap()
    );
}

#[tokio::test]
async fn a_trace_in_the_metadata_goes_on_there_and_all_other_bytes_stay() {
    let (stage, collector) = traced().await;
    let mut call = tool_call("traced", json!({ "x": [1.50, " "], "y": "\u{e9}" }));
    call["params"]["_meta"]["traceparent"] = traceparent("01").into();
    // The header says something else: the metadata is what the protocol defines.
    let other = "00-11111111111111111111111111111111-2222222222222222-01";
    let text = call.to_string();
    let ask = stage
        .ask(&call)
        .set("traceparent", other)
        .body(text.clone());
    assert_eq!(ask.send(stage.gateway.address()).await.status, 200);
    let seen = stage.echo.seen_of("tools/call").remove(0);
    let message = seen.message();
    let meta = message["params"]["_meta"]["traceparent"].as_str().unwrap();
    let [trace, ours, _] = parts(meta);
    assert_eq!(trace, TRACE);
    assert_ne!(ours, PARENT);
    assert_eq!(seen.header("traceparent").as_deref(), Some(meta));
    let back = as_sent(&seen.body, "\"traced\"").replace(meta, &traceparent("01"));
    assert_eq!(back, text);
    let span = collector.span(TRACE).await;
    assert_eq!((span.id.as_str(), span.parent.as_str()), (ours, PARENT));
}

#[tokio::test]
async fn a_call_without_a_trace_begins_one() {
    let (stage, collector) = traced().await;
    let call = tool_call("fresh", json!({}));
    let text = call.to_string();
    assert_eq!(stage.call(&call).await.status, 200);
    let seen = stage.echo.seen_of("tools/call").remove(0);
    let header = seen.header("traceparent").unwrap();
    let [trace, ours, flags] = parts(&header);
    assert_eq!(flags, "01");
    assert_eq!(
        as_sent(&seen.body, "\"fresh\""),
        text,
        "nothing is added to the body"
    );
    let span = collector.span(trace).await;
    assert_eq!((span.id.as_str(), span.parent.as_str()), (ours, ""));
}

#[tokio::test]
async fn a_trace_that_is_not_kept_is_passed_on_and_not_exported() {
    let (stage, collector) = traced().await;
    let ask = stage
        .ask(&tool_call(1, json!({})))
        .set("traceparent", traceparent("00"));
    assert_eq!(ask.send(stage.gateway.address()).await.status, 200);
    let seen = stage.echo.seen_of("tools/call").remove(0);
    let header = seen.header("traceparent").unwrap();
    assert_eq!(parts(&header)[0], TRACE);
    assert_eq!(parts(&header)[2], "00");
    // A later one that is kept shows that there was time for both.
    stage.call(&tool_call(2, json!({}))).await;
    collector.some_span().await;
    assert!(collector.spans().iter().all(|span| span.trace != TRACE));
}

#[tokio::test]
async fn a_refusal_is_a_span_with_an_error() {
    let (stage, collector) = traced().await;
    let ask = Ask::modern("/mcp/nowhere", &tool_call(1, json!({})))
        .bearer(&stage.token)
        .set("traceparent", traceparent("01"));
    assert_eq!(
        ask.send(stage.gateway.address()).await.json()["error"]["code"],
        -31403
    );
    let span = collector.span(TRACE).await;
    assert_eq!(span.attribute("cardea.outcome"), "E_POLICY_DENIED");
    assert!(span.is_error, "{span:?}");
    // The span that the client sees as its child is the gateway's own, not the client's.
    assert_ne!(span.id, PARENT);
    assert_eq!(span.parent, PARENT);
}

#[tokio::test]
async fn a_malformed_trace_is_not_continued() {
    let (stage, collector) = traced().await;
    for bad in [
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "evil",
    ] {
        stage.echo.forget();
        let ask = stage.ask(&tool_call(1, json!({}))).set("traceparent", bad);
        assert_eq!(ask.send(stage.gateway.address()).await.status, 200, "{bad}");
        let seen = stage.echo.seen_of("tools/call").remove(0);
        let header = seen.header("traceparent").unwrap();
        assert_ne!(parts(&header)[0], TRACE, "{bad}");
        let span: Span = collector.span(parts(&header)[0]).await;
        assert_eq!(span.parent, "", "{bad}");
    }
}

#[tokio::test]
async fn spans_that_wait_are_exported_when_the_gateway_ends() {
    let collector = Collector::start().await;
    let telemetry = json!({ "otlp_endpoint": collector.url() });
    let mut stage = Stage::with(|setup| {
        setup
            .policy(PERMIT_ALL)
            .set("telemetry", telemetry)
            .env("OTEL_BSP_SCHEDULE_DELAY", "3600000")
    })
    .await;
    let ask = stage
        .ask(&tool_call(1, json!({})))
        .set("traceparent", traceparent("01"));
    ask.send(stage.gateway.address()).await;
    assert!(collector.spans().is_empty());
    stage.gateway.signal("TERM").unwrap();
    assert!(stage.gateway.ended(DEADLINE).await.unwrap().success());
    assert_eq!(collector.spans().len(), 1, "{}", stage.gateway.log());
}

#[tokio::test]
async fn a_collector_that_is_down_costs_no_call() {
    let telemetry = json!({ "otlp_endpoint": "http://127.0.0.1:9" });
    let mut stage = Stage::with(|setup| {
        setup
            .policy(PERMIT_ALL)
            .set("telemetry", telemetry)
            .env("OTEL_BSP_SCHEDULE_DELAY", "50")
    })
    .await;
    for n in 0..20 {
        assert_eq!(stage.call(&tool_call(n, json!({}))).await.status, 200);
    }
    stage.gateway.signal("TERM").unwrap();
    assert!(stage.gateway.ended(DEADLINE).await.unwrap().success());
}

#[tokio::test]
async fn without_a_collector_a_trace_passes_as_it_is() {
    let stage = Stage::start().await;
    let mut call = tool_call("plain", json!({}));
    call["params"]["_meta"]["traceparent"] = traceparent("01").into();
    let text = call.to_string();
    let ask = stage
        .ask(&call)
        .body(text.clone())
        .set("traceparent", traceparent("01"));
    ask.set("tracestate", "a=b")
        .send(stage.gateway.address())
        .await;
    let seen = stage.echo.seen_of("tools/call").remove(0);
    assert_eq!(seen.header("traceparent"), Some(traceparent("01")));
    assert_eq!(seen.header("tracestate").as_deref(), Some("a=b"));
    assert_eq!(as_sent(&seen.body, "\"plain\""), text);
    assert_eq!(
        stage.record_by_id("outcome", &json!("plain")).await["trace"],
        TRACE
    );
}
