//! Appending a message twice is not an error: the second time changes nothing.

use std::sync::LazyLock;

use events::Envelope;
use prometheus::{IntCounterVec, register_int_counter_vec};

use crate::store::{Appended, Entry, Log};

static APPENDED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "subs_deliveries_total",
        "Messages brought to the delivery stream, by what became of them.",
        &["topic", "result"]
    )
    .expect("the name is registered once")
});

pub(crate) async fn append(log: &Log, topic: &'static str, envelope: &Envelope) -> anyhow::Result<()> {
    let revision = match (&envelope.partitionkey, &envelope.sequence) {
        (Some(partition), Some(sequence)) => {
            sequence.parse().ok().map(|revision| (partition.as_str(), revision))
        }
        _ => None,
    };
    let envelope_json = serde_json::to_string(envelope)?;
    let appended =
        log.append(Entry { topic, event_id: &envelope.id, revision, envelope_json: &envelope_json }).await?;
    let result = match appended {
        Appended::At(_) => "appended",
        Appended::Duplicate => "duplicate",
        Appended::Stale => "stale",
    };
    APPENDED.with_label_values(&[topic, result]).inc();
    tracing::debug!(event.id = %envelope.id, topic, result, "delivery appended");
    Ok(())
}
