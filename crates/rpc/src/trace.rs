//! W3C trace context in the headers of a call.
use http::{HeaderMap, HeaderName, HeaderValue};
use opentelemetry::{
    Context, global,
    propagation::{Extractor, Injector},
};
use tracing::Span;
use tracing_opentelemetry::OpenTelemetrySpanExt;

struct Headers<'a>(&'a HeaderMap);
struct HeadersMut<'a>(&'a mut HeaderMap);

impl Extractor for Headers<'_> {
    fn get(&self, key: &str) -> Option<&str> {
        self.0.get(key)?.to_str().ok()
    }

    fn keys(&self) -> Vec<&str> {
        self.0.keys().map(HeaderName::as_str).collect()
    }
}

impl Injector for HeadersMut<'_> {
    fn set(&mut self, key: &str, value: String) {
        if let (Ok(name), Ok(value)) = (HeaderName::try_from(key), HeaderValue::try_from(value)) {
            self.0.insert(name, value);
        }
    }
}

/// Makes `span` a child of the caller's span.
pub(crate) fn continue_from(headers: &HeaderMap, span: &Span) {
    let parent =
        global::get_text_map_propagator(|p| p.extract_with_context(&Context::new(), &Headers(headers)));
    // Without a telemetry layer (most tests) there is nothing to attach to.
    let _ = span.set_parent(parent);
}

pub(crate) fn carry(headers: &mut HeaderMap, span: &Span) {
    global::get_text_map_propagator(|p| p.inject_context(&span.context(), &mut HeadersMut(headers)));
}
