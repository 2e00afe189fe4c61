//! The figures of the gRPC edge. No ids as labels: service, method, target and code only.
use std::sync::LazyLock;

use prometheus::{
    HistogramOpts, HistogramVec, IntCounterVec, IntGaugeVec, Opts, register_histogram_vec,
    register_int_counter_vec, register_int_gauge_vec,
};

const SECONDS: &[f64] = &[0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0];

pub(crate) static HANDLED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("grpc_server_handled_total", "Calls answered, by code.", &["service", "method", "code"])
});
pub(crate) static HANDLING: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram("grpc_server_handling_seconds", "Time until the answer began.", &["service", "method"])
});
pub(crate) static ASKED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let labels = &["target", "service", "method", "code"];
    counter("grpc_client_handled_total", "Calls made, by code.", labels)
});
pub(crate) static ASKING: LazyLock<HistogramVec> = LazyLock::new(|| {
    histogram("grpc_client_handling_seconds", "Time until the answer began.", &["target", "method"])
});
pub(crate) static IN_FLIGHT: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("grpc_client_in_flight", "Calls in flight per target.", &["target"]));
pub(crate) static BREAKER: LazyLock<IntGaugeVec> =
    LazyLock::new(|| gauge("grpc_client_breaker_state", "0 closed, 1 half-open, 2 open.", &["target"]));
pub(crate) static ACCEPT_ERRORS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("grpc_server_accept_errors_total", "Connections that did not come about.", &["kind"])
});
pub(crate) static RELOADS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    counter("tls_reloads_total", "Certificate files read again after a change.", &["result"])
});
pub(crate) static NOT_AFTER: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    gauge("tls_certificate_not_after_seconds", "When the certificate in use ends.", &["service"])
});

fn counter(name: &str, help: &str, labels: &[&str]) -> IntCounterVec {
    register_int_counter_vec!(Opts::new(name, help), labels).expect("each name is registered once, here")
}

fn gauge(name: &str, help: &str, labels: &[&str]) -> IntGaugeVec {
    register_int_gauge_vec!(Opts::new(name, help), labels).expect("each name is registered once, here")
}

fn histogram(name: &str, help: &str, labels: &[&str]) -> HistogramVec {
    let opts = HistogramOpts::new(name, help).buckets(SECONDS.to_vec());
    register_histogram_vec!(opts, labels).expect("each name is registered once, here")
}

/// `OK`, `NOT_FOUND`: as gRPC writes its codes.
pub(crate) fn code_name(code: tonic::Code) -> &'static str {
    use tonic::Code as C;
    match code {
        C::Ok => "OK",
        C::Cancelled => "CANCELLED",
        C::Unknown => "UNKNOWN",
        C::InvalidArgument => "INVALID_ARGUMENT",
        C::DeadlineExceeded => "DEADLINE_EXCEEDED",
        C::NotFound => "NOT_FOUND",
        C::AlreadyExists => "ALREADY_EXISTS",
        C::PermissionDenied => "PERMISSION_DENIED",
        C::ResourceExhausted => "RESOURCE_EXHAUSTED",
        C::FailedPrecondition => "FAILED_PRECONDITION",
        C::Aborted => "ABORTED",
        C::OutOfRange => "OUT_OF_RANGE",
        C::Unimplemented => "UNIMPLEMENTED",
        C::Internal => "INTERNAL",
        C::Unavailable => "UNAVAILABLE",
        C::DataLoss => "DATA_LOSS",
        C::Unauthenticated => "UNAUTHENTICATED",
    }
}
