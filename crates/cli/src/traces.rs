//! Traces, sent to a collector by OTLP over HTTP where one is named. Without one, no span is ever made.

mod bounded;
mod collector;

use std::time::Duration;

use anyhow::{Context, bail};
use opentelemetry::trace::TracerProvider;
use opentelemetry::{KeyValue, global};
use opentelemetry_otlp::{Protocol, SpanExporter, WithExportConfig, WithHttpConfig};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::{Sampler, SdkTracerProvider};
use tracing::Level;
use tracing_subscriber::Layer;
use tracing_subscriber::filter::Targets;

use crate::log::Listener;
use crate::settings::{Ratio, TelemetrySettings, variable};
use bounded::Bounded;
use collector::Collector;

/// How long the last spans may take to be sent.
const FLUSH_TIMEOUT: Duration = Duration::from_secs(5);

/// The most spans that wait to be sent, as the SDK would have it.
const WAITING_MAX: usize = 2048;

/// The way to a collector, if one is named.
pub(crate) struct Traces(Option<SdkTracerProvider>);

impl Traces {
    /// Prepares the way. The endpoint is that of the settings, or for traces alone `OTEL_EXPORTER_OTLP_TRACES_ENDPOINT`;
    /// the SDK reads some other variables from the environment.
    ///
    /// # Errors
    ///
    /// If a variable can't be followed. Whether a collector is there is not asked.
    pub(crate) fn start(settings: &TelemetrySettings) -> anyhow::Result<Self> {
        let variable = variable()?;
        if variable("OTEL_SDK_DISABLED").is_some_and(|disabled| disabled.eq_ignore_ascii_case("true")) {
            return Ok(Self(None));
        }
        let of_all = settings.otlp_endpoint.as_deref();
        let of_all = of_all.map(|base| format!("{}/v1/traces", base.trim_end_matches('/')));
        let endpoint = variable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT").or(of_all);
        let Some(endpoint) = endpoint else { return Ok(Self(None)) };
        check_protocol(&variable)?;
        let sampler =
            sampler(variable("OTEL_TRACES_SAMPLER").as_deref(), settings.trace_ratio.unwrap_or(Ratio::ALL))?;
        let waiting_max = match variable("OTEL_BSP_MAX_QUEUE_SIZE") {
            None => WAITING_MAX,
            Some(given) => given
                .parse()
                .context("OTEL_BSP_MAX_QUEUE_SIZE is no number of spans\nhint: 2048 is the default")?,
        };
        let exporter = SpanExporter::builder()
            .with_http()
            .with_protocol(Protocol::HttpBinary)
            .with_http_client(Collector::at(&endpoint)?)
            .with_endpoint(endpoint)
            .build()
            .context("traces can't be sent\nhint: check the OTEL_EXPORTER_OTLP_ variables")?;
        global::set_text_map_propagator(TraceContextPropagator::new());
        let provider = SdkTracerProvider::builder()
            .with_span_processor(Bounded::new(exporter, waiting_max))
            .with_sampler(sampler)
            .with_resource(resource(&variable))
            .build();
        Ok(Self(Some(provider)))
    }

    /// What makes spans of what is traced, to listen beside the log.
    pub(crate) fn listener(&self) -> Option<Listener> {
        let tracer = self.0.as_ref()?.tracer("selfsame");
        let layer = tracing_opentelemetry::layer()
            .with_tracer(tracer)
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_tracked_inactivity(false);
        // Spans alone: what the log says stays there.
        Some(layer.with_filter(Targets::new().with_target("selfsame_trace", Level::INFO)).boxed())
    }

    /// Sends what has not been sent, within [`FLUSH_TIMEOUT`].
    pub(crate) async fn flush(self) {
        let Some(provider) = self.0 else { return };
        let flushed =
            tokio::task::spawn_blocking(move || provider.shutdown_with_timeout(FLUSH_TIMEOUT)).await;
        if !matches!(flushed, Ok(Ok(()))) {
            tracing::warn!("the last traces could not be sent");
        }
    }
}

/// There is one protocol; to speak it to a port of another would lose every span.
fn check_protocol(variable: &impl Fn(&str) -> Option<String>) -> anyhow::Result<()> {
    let given =
        variable("OTEL_EXPORTER_OTLP_TRACES_PROTOCOL").or_else(|| variable("OTEL_EXPORTER_OTLP_PROTOCOL"));
    if given.is_some_and(|given| given != "http/protobuf") {
        bail!(
            "OTEL_EXPORTER_OTLP_PROTOCOL asks for a protocol that traces can't be sent by\n\
             hint: http/protobuf is the one there is; collectors listen for it on port 4318"
        );
    }
    Ok(())
}

/// Which traces are kept, by the names of the specification.
fn sampler(named: Option<&str>, ratio: Ratio) -> anyhow::Result<Sampler> {
    let of_all = Sampler::TraceIdRatioBased(ratio.value());
    let below_callers = |sampler| Sampler::ParentBased(Box::new(sampler));
    Ok(match named {
        None | Some("parentbased_traceidratio") => below_callers(of_all),
        Some("traceidratio") => of_all,
        Some("always_on") => Sampler::AlwaysOn,
        Some("always_off") => Sampler::AlwaysOff,
        Some("parentbased_always_on") => below_callers(Sampler::AlwaysOn),
        Some("parentbased_always_off") => below_callers(Sampler::AlwaysOff),
        Some(_) => bail!(
            "OTEL_TRACES_SAMPLER names no sampler that is known here\n\
             hint: parentbased_traceidratio is the default, and its share is --trace-ratio"
        ),
    })
}

/// What every span is of. `OTEL_SERVICE_NAME` and `OTEL_RESOURCE_ATTRIBUTES` beat our name.
fn resource(variable: &impl Fn(&str) -> Option<String>) -> Resource {
    let version = KeyValue::new("service.version", env!("CARGO_PKG_VERSION"));
    let resource = Resource::builder().with_attribute(version);
    let attributes = std::env::var("OTEL_RESOURCE_ATTRIBUTES").unwrap_or_default();
    let named = attributes.split(',').any(|attribute| attribute.trim_start().starts_with("service.name="));
    match variable("OTEL_SERVICE_NAME") {
        Some(name) => resource.with_service_name(name).build(),
        None if named => resource.build(),
        None => resource.with_service_name("selfsame").build(),
    }
}
