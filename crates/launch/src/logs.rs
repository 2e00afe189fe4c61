//! A log line is one JSON object: when, how loud, from where, one fixed sentence, its fields, and the trace it is part of.
//!
//! JSON also keeps control characters of foreign text from forging lines.
use std::fmt;

use chrono::{SecondsFormat, Utc};
use opentelemetry::trace::get_active_span;
use serde_json::{Map, Value};
use tracing::{
    Event, Subscriber,
    field::{Field, Visit},
};
use tracing_subscriber::{
    fmt::{FmtContext, FormatEvent, FormatFields, FormattedFields, format::Writer},
    registry::LookupSpan,
};

/// Names that a field of an event may not take over.
const OURS: [&str; 7] = ["timestamp", "level", "target", "service", "span", "trace_id", "span_id"];

pub(crate) struct JsonLines {
    pub(crate) service: &'static str,
}

impl<S, N> FormatEvent<S, N> for JsonLines
where
    S: Subscriber + for<'a> LookupSpan<'a>,
    N: for<'a> FormatFields<'a> + 'static,
{
    fn format_event(
        &self,
        ctx: &FmtContext<'_, S, N>,
        mut out: Writer<'_>,
        event: &Event<'_>,
    ) -> fmt::Result {
        let meta = event.metadata();
        let mut line = Map::new();
        line.insert("timestamp".into(), Utc::now().to_rfc3339_opts(SecondsFormat::Micros, true).into());
        line.insert("level".into(), meta.level().as_str().into());
        line.insert("target".into(), meta.target().into());
        line.insert("message".into(), Value::Null);

        // Fields of the spans around the event, outermost first, so that the nearest wins.
        if let Some(scope) = ctx.event_scope() {
            for span in scope.from_root() {
                line.insert("span".into(), span.name().into());
                let extensions = span.extensions();
                let Some(fields) = extensions.get::<FormattedFields<N>>() else { continue };
                if let Ok(Value::Object(fields)) = serde_json::from_str(&fields.fields) {
                    fields.into_iter().for_each(|(key, value)| put(&mut line, &key, value));
                }
            }
        }
        event.record(&mut Fields(&mut line));
        line.insert("service".into(), self.service.into());
        get_active_span(|span| {
            let context = span.span_context();
            if context.is_valid() {
                line.insert("trace_id".into(), context.trace_id().to_string().into());
                line.insert("span_id".into(), context.span_id().to_string().into());
            }
        });
        let text = serde_json::to_string(&line).map_err(|_| fmt::Error)?;
        writeln!(out, "{text}")
    }
}

fn put(line: &mut Map<String, Value>, key: &str, value: Value) {
    // Fields for the exporter (`otel.name`, `otel.kind`) say nothing to a reader of logs.
    if key.starts_with("otel.") || key.starts_with("log.") {
        return;
    }
    let key = if OURS.contains(&key) { format!("field.{key}") } else { key.to_owned() };
    line.insert(key, value);
}

struct Fields<'a>(&'a mut Map<String, Value>);

impl Visit for Fields<'_> {
    fn record_f64(&mut self, field: &Field, value: f64) {
        put(self.0, field.name(), value.into());
    }

    fn record_i64(&mut self, field: &Field, value: i64) {
        put(self.0, field.name(), value.into());
    }

    fn record_u64(&mut self, field: &Field, value: u64) {
        put(self.0, field.name(), value.into());
    }

    fn record_bool(&mut self, field: &Field, value: bool) {
        put(self.0, field.name(), value.into());
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        put(self.0, field.name(), value.into());
    }

    fn record_debug(&mut self, field: &Field, value: &dyn fmt::Debug) {
        put(self.0, field.name(), format!("{value:?}").into());
    }
}

#[cfg(test)]
mod tests {
    use std::{
        io::Write,
        sync::{Arc, Mutex},
    };

    use tracing_subscriber::{fmt::format::JsonFields, layer::SubscriberExt};

    use super::JsonLines;

    #[derive(Clone, Default)]
    struct Sink(Arc<Mutex<Vec<u8>>>);

    impl Write for Sink {
        fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
            self.0.lock().expect("no writer panics").extend_from_slice(bytes);
            Ok(bytes.len())
        }

        fn flush(&mut self) -> std::io::Result<()> {
            Ok(())
        }
    }

    fn logged(log: impl FnOnce()) -> Vec<serde_json::Value> {
        let sink = Sink::default();
        let writer = sink.clone();
        let layer = tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines { service: "wallet" })
            .with_writer(move || writer.clone());
        tracing::subscriber::with_default(tracing_subscriber::registry().with(layer), log);
        let text =
            String::from_utf8(sink.0.lock().expect("no writer panics").clone()).expect("logs are UTF-8");
        text.lines().map(|line| serde_json::from_str(line).expect("a line is one JSON object")).collect()
    }

    #[test]
    fn a_line_has_its_sentence_its_fields_and_those_of_the_spans_around_it() {
        let lines = logged(|| {
            let _outer = tracing::info_span!("call", request_id = "r1", wide = 1).entered();
            let _inner = tracing::info_span!("verb", wide = 2).entered();
            tracing::info!(count = 3, "scanned range");
        });
        assert_eq!(lines.len(), 1);
        assert_eq!(lines[0]["message"], "scanned range");
        assert_eq!(lines[0]["service"], "wallet");
        assert_eq!((&lines[0]["count"], &lines[0]["wide"]), (&3.into(), &2.into()));
        assert_eq!((&lines[0]["request_id"], &lines[0]["span"]), (&"r1".into(), &"verb".into()));
    }

    #[test]
    fn a_line_inside_a_span_names_its_trace() {
        use opentelemetry::trace::TracerProvider;
        let tracer = opentelemetry_sdk::trace::SdkTracerProvider::builder().build().tracer("test");
        let sink = Sink::default();
        let writer = sink.clone();
        let lines = tracing_subscriber::fmt::layer()
            .fmt_fields(JsonFields::new())
            .event_format(JsonLines { service: "wallet" })
            .with_writer(move || writer.clone());
        let subscriber = tracing_subscriber::registry()
            .with(tracing_opentelemetry::layer().with_tracer(tracer))
            .with(lines);
        tracing::subscriber::with_default(subscriber, || {
            tracing::info_span!("call").in_scope(|| tracing::info!("linked a wallet"));
        });
        let text =
            String::from_utf8(sink.0.lock().expect("no writer panics").clone()).expect("logs are UTF-8");
        let line: serde_json::Value = serde_json::from_str(&text).expect("a line is one JSON object");
        assert_eq!(line["trace_id"].as_str().map(str::len), Some(32));
        assert_eq!(line["span_id"].as_str().map(str::len), Some(16));
    }

    #[test]
    fn foreign_text_can_neither_forge_a_line_nor_the_service() {
        let lines =
            logged(|| tracing::info!(service = "auth", name = "a\n{\"level\":\"ERROR\"}\u{1b}[31m", "named"));
        assert_eq!(lines.len(), 1, "a line break in a field does not make a second line");
        assert_eq!((&lines[0]["service"], &lines[0]["field.service"]), (&"wallet".into(), &"auth".into()));
    }
}
