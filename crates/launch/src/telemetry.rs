//! Logs, traces and panics of a process, installed once at its start.
use opentelemetry::{KeyValue, global, trace::TracerProvider};
use opentelemetry_otlp::WithExportConfig;
use opentelemetry_sdk::{Resource, propagation::TraceContextPropagator, trace::SdkTracerProvider};
use prometheus::{IntGaugeVec, Opts};
use tracing::level_filters::LevelFilter;
use tracing_subscriber::{
    EnvFilter, Layer, filter::Targets, fmt::format::JsonFields, layer::SubscriberExt, util::SubscriberInitExt,
};

use crate::{Settings, logs::JsonLines};

pub(crate) const VERSION: &str = env!("CARGO_PKG_VERSION");
/// Set by the image build; empty on a developer's machine.
const COMMIT: Option<&str> = option_env!("VITRINE_COMMIT");

/// Holds what must be flushed before the process ends.
#[derive(Debug)]
pub(crate) struct Telemetry {
    tracer: SdkTracerProvider,
}

impl Telemetry {
    pub(crate) fn flush(self) {
        if let Err(err) = self.tracer.shutdown() {
            eprintln!(
                "{{\"level\":\"WARN\",\"message\":\"spans were not flushed\",\"error\":{:?}}}",
                err.to_string()
            );
        }
    }
}

pub(crate) fn install(service: &'static str, settings: &Settings) -> anyhow::Result<Telemetry> {
    let filter = EnvFilter::builder()
        .parse(&settings.log)
        .map_err(|err| anyhow::anyhow!("process.log: not a log filter: {err}"))?;

    let resource = Resource::builder()
        .with_service_name(service)
        .with_attribute(KeyValue::new("service.namespace", "vitrine"))
        .with_attribute(KeyValue::new("service.version", VERSION))
        .build();
    let mut tracer = SdkTracerProvider::builder().with_resource(resource);
    if let Some(url) = &settings.otlp_url {
        let exporter =
            opentelemetry_otlp::SpanExporter::builder().with_tonic().with_endpoint(url.as_str()).build()?;
        tracer = tracer.with_batch_exporter(exporter);
    }
    let tracer = tracer.build();
    global::set_text_map_propagator(TraceContextPropagator::new());
    global::set_tracer_provider(tracer.clone());

    // Spans are made whatever the log filter says: a trace id must travel on from a service that logs only warnings.
    // The exporter's own calls are kept out, they would trace themselves.
    let spans = Targets::new().with_default(LevelFilter::INFO).with_targets(
        ["opentelemetry", "opentelemetry_sdk", "opentelemetry_otlp", "tonic", "h2", "hyper"]
            .map(|target| (target, LevelFilter::OFF)),
    );
    let lines = tracing_subscriber::fmt::layer()
        .fmt_fields(JsonFields::new())
        .event_format(JsonLines { service })
        .with_writer(std::io::stdout);
    tracing_subscriber::registry()
        .with(tracing_opentelemetry::layer().with_tracer(tracer.tracer("vitrine")).with_filter(spans))
        .with(lines.with_filter(filter))
        .try_init()?;

    log_panics();
    count_build(service)?;
    Ok(Telemetry { tracer })
}

fn log_panics() {
    std::panic::set_hook(Box::new(|panic| {
        let message = panic.payload_as_str().unwrap_or("a panic without text");
        let place = panic.location().map(ToString::to_string).unwrap_or_default();
        tracing::error!(panic = message, location = place, "panicked");
    }));
}

fn count_build(service: &str) -> anyhow::Result<()> {
    let help = "Constant 1; the labels say what runs here.";
    let gauge = IntGaugeVec::new(Opts::new("build_info", help), &["service", "version", "commit"])?;
    gauge.with_label_values(&[service, VERSION, COMMIT.unwrap_or("")]).set(1);
    prometheus::register(Box::new(gauge))?;
    Ok(())
}
