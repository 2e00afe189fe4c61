//! What `/metrics` says of chains. Alerts stand on progress: lag in blocks and seconds since the last commit.

use std::sync::LazyLock;

use ids::ChainId;
use prometheus::{
    GaugeVec, IntCounterVec, IntGaugeVec, register_gauge_vec, register_int_counter_vec,
    register_int_gauge_vec,
};

use crate::{
    decode::Reading,
    error::Error,
    progress::{Progress, State},
    record::ReadBlock,
};

const ONCE: &str = "each metric is registered once";

static HEAD_LAG: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!(
        "indexer_head_lag_blocks",
        "Blocks between the head and what is committed.",
        &["chain"]
    )
    .expect(ONCE)
});
static SINCE_COMMIT: LazyLock<GaugeVec> = LazyLock::new(|| {
    register_gauge_vec!(
        "indexer_seconds_since_last_commit",
        "Seconds since blocks were committed.",
        &["chain"]
    )
    .expect(ONCE)
});
static INDEXED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!("indexer_indexed_block", "Height of the newest committed block.", &["chain"])
        .expect(ONCE)
});
static HALTED: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!(
        "indexer_halted",
        "1 where a reorganisation was deeper than the window.",
        &["chain"]
    )
    .expect(ONCE)
});
static REORGS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("indexer_reorgs_total", "Reorganisations that were followed.", &["chain"])
        .expect(ONCE)
});
static LOGS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Logs of followed contracts, by what they said: known, unknown, malformed.";
    register_int_counter_vec!("indexer_logs_total", help, &["chain", "reading"]).expect(ONCE)
});
static UNKNOWN: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Logs of followed contracts that were kept without being understood.";
    register_int_counter_vec!("indexer_unknown_logs_total", help, &["chain"]).expect(ONCE)
});
static FAILURES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "indexer_interruptions_total",
        "Interruptions of a worker, by cause.",
        &["chain", "cause"]
    )
    .expect(ONCE)
});

/// Counts the logs of a block that is committed for the first time.
pub(crate) fn count_logs(chain_id: ChainId, block: &ReadBlock) {
    let chain = chain_id.to_string();
    for log in &block.logs {
        let reading = match log.reading {
            Reading::Known { .. } => "known",
            Reading::Unknown => "unknown",
            Reading::Malformed { .. } => "malformed",
        };
        LOGS.with_label_values(&[chain.as_str(), reading]).inc();
        if reading != "known" {
            UNKNOWN.with_label_values(&[chain.as_str()]).inc();
        }
    }
}

pub(crate) fn count_reorg(chain_id: ChainId) {
    REORGS.with_label_values(&[chain_id.to_string().as_str()]).inc();
}

pub(crate) fn count_failure(chain_id: ChainId, err: &Error) {
    let cause = match err {
        Error::Store(_) => "database",
        Error::Raw(_) | Error::RawTimeout(_) => "raw store",
        Error::Node(_) => "node",
        Error::Inconsistent(_) => "inconsistent",
        Error::LeaseLost | Error::Stale => "lease",
        Error::NotRetractable | Error::Halted(_) => "halted",
        Error::Stored(_) | Error::BadInput { .. } => "other",
    };
    FAILURES.with_label_values(&[chain_id.to_string().as_str(), cause]).inc();
}

/// Before `/metrics` is read.
pub(crate) fn refresh(progress: &Progress) {
    for gauge in [&*HEAD_LAG, &*INDEXED, &*HALTED] {
        gauge.reset();
    }
    SINCE_COMMIT.reset();
    for (chain_id, seen) in progress.all() {
        let chain = chain_id.to_string();
        let labels = [chain.as_str()];
        if seen.state == State::StandingBy {
            continue;
        }
        HEAD_LAG.with_label_values(&labels).set(seen.lag().cast_signed());
        HALTED.with_label_values(&labels).set(i64::from(seen.state == State::Halted));
        if let Some(indexed) = seen.indexed {
            INDEXED.with_label_values(&labels).set(indexed.number.cast_signed());
        }
        if let Some(at) = seen.committed_at {
            SINCE_COMMIT.with_label_values(&labels).set(at.elapsed().as_secs_f64());
        }
    }
}
