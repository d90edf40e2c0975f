//! Logs to standard error, spans to an OTLP collector.

use std::{
    borrow::Cow,
    sync::Arc,
    time::{Duration, UNIX_EPOCH},
};

use anyhow::Context as _;
use bytes::Bytes;
use cardea_config::{LogFormat, Telemetry};
use cardea_gateway::{SpanData, SpanSink};
use http::{Request, Response};
use http_body_util::{BodyExt as _, Full, Limited};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::{
    client::legacy::{Client, connect::HttpConnector},
    rt::TokioExecutor,
};
use opentelemetry::{
    InstrumentationScope, KeyValue, SpanId, TraceFlags, TraceId,
    trace::{SpanContext, SpanKind, Status, TraceState},
};
use opentelemetry_http::{HttpClient, HttpError};
use opentelemetry_otlp::{WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::{
    Resource,
    trace::{BatchSpanProcessor, SpanEvents, SpanLinks, SpanProcessor},
};
use tracing_subscriber::EnvFilter;

/// Writes logs from now on; `RUST_LOG` goes before the configured level.
pub(crate) fn logs(telemetry: &Telemetry) {
    let level = telemetry.log_level.as_str();
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(level));
    let builder = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false);
    let done = match telemetry.log_format {
        LogFormat::Text => builder.with_target(false).try_init(),
        LogFormat::Json => builder.json().try_init(),
    };
    // It fails when logging is set up already, which is as good.
    drop(done);
}

/// Writes what a host should keep: warnings, or what `RUST_LOG` says. Never to standard output.
pub(crate) fn host_logs() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("warn"));
    let done = tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(false)
        .with_target(false)
        .try_init();
    drop(done);
}

/// Exports spans in batches.
pub(crate) struct Spans {
    processor: BatchSpanProcessor,
    scope: InstrumentationScope,
}

/// The exporter, where the configuration names a collector.
pub(crate) fn spans(telemetry: &Telemetry) -> anyhow::Result<Option<Arc<Spans>>> {
    let Some(endpoint) = &telemetry.otlp_endpoint else {
        return Ok(None);
    };
    let endpoint = format!("{}/v1/traces", endpoint.as_str().trim_end_matches('/'));
    let exporter = opentelemetry_otlp::SpanExporter::builder()
        .with_http()
        .with_http_client(Export::new()?)
        .with_endpoint(endpoint)
        .build()
        .context("the OTLP exporter cannot be made")?;
    let mut processor = BatchSpanProcessor::builder(exporter).build();
    let resource = Resource::builder()
        .with_service_name(telemetry.service_name.clone())
        .build();
    processor.set_resource(&resource);
    Ok(Some(Arc::new(Spans {
        processor,
        scope: InstrumentationScope::builder("cardea")
            .with_version(env!("CARGO_PKG_VERSION"))
            .build(),
    })))
}

impl Spans {
    /// Exports what is waiting.
    pub(crate) fn shutdown(&self) {
        if let Err(error) = self.processor.shutdown() {
            tracing::warn!(%error, "some spans were not exported");
        }
    }
}

impl SpanSink for Spans {
    fn span(&self, span: SpanData) {
        let start = UNIX_EPOCH + Duration::from_micros(span.start_us);
        let flags = if span.context.sampled {
            TraceFlags::SAMPLED
        } else {
            TraceFlags::default()
        };
        self.processor.on_end(opentelemetry_sdk::trace::SpanData {
            span_context: SpanContext::new(
                TraceId::from_bytes(span.context.trace_id),
                SpanId::from_bytes(span.context.span_id),
                flags,
                false,
                TraceState::default(),
            ),
            parent_span_id: span.parent.map_or(SpanId::INVALID, SpanId::from_bytes),
            parent_span_is_remote: span.parent.is_some(),
            span_kind: SpanKind::Server,
            name: Cow::Owned(span.name),
            start_time: start,
            end_time: start + Duration::from_micros(span.duration_us),
            attributes: span
                .attributes
                .into_iter()
                .map(|(key, value)| KeyValue::new(key, value))
                .collect(),
            dropped_attributes_count: 0,
            events: SpanEvents::default(),
            links: SpanLinks::default(),
            status: if span.error {
                Status::error("")
            } else {
                Status::Unset
            },
            instrumentation_scope: self.scope.clone(),
        });
    }
}

/// The exporter's HTTP client, over the one HTTP and TLS stack of the house.
#[derive(Debug)]
struct Export {
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
    /// The exporter calls from a thread of its own; connections live on this runtime.
    runtime: tokio::runtime::Handle,
}

/// A collector's answer is a few bytes.
const ANSWER_BYTES_MAX: usize = 64 * 1024;
const EXPORT_TIMEOUT: Duration = Duration::from_secs(10);

impl Export {
    fn new() -> anyhow::Result<Self> {
        let connector = HttpsConnectorBuilder::new()
            .with_provider_and_webpki_roots(rustls::crypto::aws_lc_rs::default_provider())?
            .https_or_http()
            .enable_http1()
            .build();
        Ok(Self {
            client: Client::builder(TokioExecutor::new()).build(connector),
            runtime: tokio::runtime::Handle::try_current()?,
        })
    }
}

#[async_trait::async_trait]
impl HttpClient for Export {
    async fn send_bytes(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let client = self.client.clone();
        let exchange = async move {
            let answer = client.request(request.map(Full::new)).await?;
            let (head, body) = answer.into_parts();
            let body = Limited::new(body, ANSWER_BYTES_MAX).collect().await?;
            Ok::<_, HttpError>(Response::from_parts(head, body.to_bytes()))
        };
        self.runtime
            .spawn(async move { tokio::time::timeout(EXPORT_TIMEOUT, exchange).await })
            .await??
    }
}
