//! What the broker edge counts, in the process's one registry.

use std::sync::LazyLock;

use prometheus::{
    Gauge, HistogramVec, IntCounterVec, IntGauge, register_gauge, register_histogram_vec,
    register_int_counter_vec, register_int_gauge,
};

const ONCE: &str = "each metric is registered once";

macro_rules! metric {
    ($name:ident: $kind:ty = $make:expr) => {
        pub(crate) static $name: LazyLock<$kind> = LazyLock::new(|| $make.expect(ONCE));
    };
}

metric!(PUBLISHED: IntCounterVec = register_int_counter_vec!(
    "bus_published_total", "Messages handed to the broker, by how that ended.", &["exchange", "result"]));
metric!(CONSUMED: IntCounterVec = register_int_counter_vec!(
    "bus_consumed_total", "Messages received, by how that ended.", &["queue", "result"]));
metric!(HANDLER_SECONDS: HistogramVec = register_histogram_vec!(
    "bus_handler_seconds", "Time that a handler took for a message.", &["queue"]));
metric!(DEAD: IntCounterVec = register_int_counter_vec!(
    "bus_dead_total", "Messages and elements put into a dead queue.", &["queue", "reason"]));
metric!(UNROUTABLE: IntCounterVec = register_int_counter_vec!(
    "outbox_unroutable_total", "Messages that no queue took; they stay in the outbox.", &["exchange"]));
metric!(UNSENT: IntGauge = register_int_gauge!("outbox_unsent", "Rows of the outbox that are not sent."));
metric!(OLDEST_UNSENT_SECONDS: Gauge = register_gauge!(
    "outbox_oldest_unsent_seconds", "Age of the oldest row of the outbox that is not sent."));
