//! W3C trace context, for the edges that carry it across a wire that is not gRPC.
use std::collections::HashMap;

use opentelemetry::{Context, global};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

const HEADER: &str = "traceparent";

/// The `traceparent` of the current span; `None` outside of any trace.
pub fn current_traceparent() -> Option<String> {
    let mut carrier = HashMap::new();
    global::get_text_map_propagator(|p| p.inject_context(&Span::current().context(), &mut carrier));
    carrier.remove(HEADER)
}

/// Makes `span` a child of the span that wrote `traceparent`. Text that is no `traceparent` changes nothing.
pub fn continue_from(traceparent: &str, span: &Span) {
    let carrier = HashMap::from([(HEADER.to_owned(), traceparent.to_owned())]);
    let parent = global::get_text_map_propagator(|p| p.extract_with_context(&Context::new(), &carrier));
    // Without a telemetry layer (most tests) there is nothing to attach to.
    let _ = span.set_parent(parent);
}

#[cfg(test)]
mod tests {
    use opentelemetry::trace::TracerProvider;
    use opentelemetry_sdk::{propagation::TraceContextPropagator, trace::SdkTracerProvider};
    use tracing_subscriber::layer::SubscriberExt;

    use super::{continue_from, current_traceparent};

    #[test]
    fn a_trace_goes_on_under_the_same_id_and_a_new_span() {
        opentelemetry::global::set_text_map_propagator(TraceContextPropagator::new());
        let tracer = SdkTracerProvider::builder().build().tracer("test");
        let subscriber =
            tracing_subscriber::registry().with(tracing_opentelemetry::layer().with_tracer(tracer));
        tracing::subscriber::with_default(subscriber, || {
            assert_eq!(current_traceparent(), None, "outside of a span there is no trace");
            let first =
                tracing::info_span!("publish").in_scope(current_traceparent).expect("a span is a trace");
            let span = tracing::info_span!("consume");
            continue_from(&first, &span);
            let second = span.in_scope(current_traceparent).expect("a span is a trace");
            let parts = |text: &str| text.split('-').map(str::to_owned).collect::<Vec<_>>();
            let (first, second) = (parts(&first), parts(&second));
            assert_eq!(first[1], second[1], "the trace is the same");
            assert_ne!(first[2], second[2], "the span is another");

            let lost = tracing::info_span!("consume");
            continue_from("nonsense", &lost);
            assert!(lost.in_scope(current_traceparent).is_some(), "a new trace begins");
        });
    }
}
