//! Traces, to a collector that the environment names in the variables of OpenTelemetry.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::Context;
use opentelemetry::trace::TracerProvider;
use opentelemetry_otlp::{Protocol, SpanExporter as Otlp, WithExportConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::error::OTelSdkResult;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, SdkTracerProvider, SpanData, SpanExporter,
};
use tokio::runtime::{Builder, Runtime};
use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::{Layer, Registry};

/// Where the collector is, the more special one first.
const ENDPOINTS: [&str; 2] = ["OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT"];

/// Spans that wait to be sent; further ones are dropped.
const QUEUE: usize = 4096;

/// How long the last of them have, at the end.
const FAREWELL: Duration = Duration::from_secs(5);

/// Seconds between two warnings that they cannot be sent.
const WARN_EVERY: u64 = 60;

/// Traces under way. Those that wait are sent when this is dropped.
pub(super) struct Traces(SdkTracerProvider);

/// A layer that takes what happens, and what sends it on.
pub(super) type Begun = (Box<dyn Layer<Registry> + Send + Sync>, Traces);

/// Begin to send traces, if there is anybody to send them to.
///
/// # Errors
/// An address that cannot be sent to.
pub(super) fn begin() -> anyhow::Result<Option<Begun>> {
    let set = |name: &&str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
    let Some(variable) = ENDPOINTS.into_iter().find(|name| set(name)) else { return Ok(None) };
    let address = std::env::var(variable).with_context(|| format!("{variable} is no text"))?;
    // The address itself is not repeated: it may hold a password.
    anyhow::ensure!(
        address.get(..7).is_some_and(|scheme| scheme.eq_ignore_ascii_case("http://")),
        "{variable} must begin with http://: traces are sent without TLS, to a collector on the \
         same machine or in the same network, which can send them on with it"
    );
    let exporter = Otlp::builder().with_http().with_protocol(Protocol::HttpBinary).build();
    let exporter = exporter.with_context(|| format!("{variable} cannot be used"))?;
    let runtime = Builder::new_current_thread().enable_all().build().context("threads")?;
    let config = BatchConfigBuilder::default().with_max_queue_size(QUEUE).build();
    let exporter = Apart { exporter, runtime, warned: AtomicU64::new(0) };
    let processor = BatchSpanProcessor::builder(exporter).with_batch_config(config).build();
    let resource = Resource::builder();
    let resource = match std::env::var_os("OTEL_SERVICE_NAME") {
        Some(_) => resource,
        None => resource.with_service_name("portcullis"),
    };
    let provider = SdkTracerProvider::builder()
        .with_span_processor(processor)
        .with_resource(resource.build())
        .build();
    let layer = tracing_opentelemetry::layer()
        .with_tracer(provider.tracer("portcullis"))
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_level(false)
        .with_tracked_inactivity(false)
        .with_context_activation(false);
    // Spans of ours alone: what is logged may name addresses, and what others log is theirs.
    let ours = filter_fn(|it| it.is_span() && it.target().starts_with("portcullis"));
    Ok(Some((layer.with_filter(ours).boxed(), Traces(provider))))
}

impl Drop for Traces {
    fn drop(&mut self) {
        if let Err(error) = self.0.shutdown_with_timeout(FAREWELL) {
            tracing::warn!(%error, "the last traces were not sent");
        }
    }
}

/// Sends on the thread of whoever asks, which is one for this alone: neither do traces wait for
/// requests, nor requests for traces.
#[derive(Debug)]
struct Apart {
    exporter: Otlp,
    runtime: Runtime,
    /// When somebody was warned last, in seconds since 1970.
    warned: AtomicU64,
}

impl SpanExporter for Apart {
    async fn export(&self, batch: Vec<SpanData>) -> OTelSdkResult {
        let sent = self.runtime.block_on(self.exporter.export(batch));
        if let Err(error) = &sent {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
            let due = |warned: u64| (now >= warned.saturating_add(WARN_EVERY)).then_some(now);
            if self.warned.fetch_update(Ordering::Relaxed, Ordering::Relaxed, due).is_ok() {
                tracing::warn!(%error, "traces cannot be sent");
            }
        }
        sent
    }

    fn shutdown_with_timeout(&self, time: Duration) -> OTelSdkResult {
        self.exporter.shutdown_with_timeout(time)
    }

    fn set_resource(&mut self, resource: &Resource) {
        self.exporter.set_resource(resource);
    }
}
