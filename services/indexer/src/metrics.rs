//! What `/metrics` says of chains. Alerts stand on progress: lag, and seconds since something was last gained.

use std::{
    collections::BTreeMap,
    sync::{LazyLock, Mutex, PoisonError},
    time::Duration,
};

use chains::Chains;
use ids::ChainId;
use prometheus::{
    GaugeVec, HistogramVec, IntCounterVec, IntGauge, register_gauge_vec, register_histogram_vec,
    register_int_counter_vec, register_int_gauge,
};

use crate::{
    decode::{Fact, Reading},
    error::Error,
    model::BlockRef,
    progress::{Progress, State},
    record::ReadBlock,
};

const ONCE: &str = "each metric is registered once";

static ENABLED: LazyLock<IntGauge> = LazyLock::new(|| {
    let help = "Chains that the registry has enabled, as this process has heard.";
    register_int_gauge!("indexer_enabled_chains", help).expect(ONCE)
});
static FOLLOWING: LazyLock<GaugeVec> = LazyLock::new(|| {
    let help = "1 where this process reads the chain, 0 where it stands by for another one.";
    register_gauge_vec!("indexer_following", help, &["chain"]).expect(ONCE)
});
static HEAD_LAG: LazyLock<GaugeVec> = LazyLock::new(|| {
    register_gauge_vec!(
        "indexer_head_lag_blocks",
        "Blocks between the head and what is committed.",
        &["chain"]
    )
    .expect(ONCE)
});
static HEAD_LAG_SECONDS: LazyLock<GaugeVec> = LazyLock::new(|| {
    let help = "Seconds between the times of the head and of the newest committed block.";
    register_gauge_vec!("indexer_head_lag_seconds", help, &["chain"]).expect(ONCE)
});
static SINCE_COMMIT: LazyLock<GaugeVec> = LazyLock::new(|| {
    register_gauge_vec!(
        "indexer_seconds_since_last_commit",
        "Seconds since blocks were committed.",
        &["chain"]
    )
    .expect(ONCE)
});
static SINCE_PROGRESS: LazyLock<GaugeVec> = LazyLock::new(|| {
    let help = "Seconds since blocks were committed or the node said that there are none.";
    register_gauge_vec!("indexer_seconds_since_progress", help, &["chain"]).expect(ONCE)
});
static SINCE_HEAD: LazyLock<GaugeVec> = LazyLock::new(|| {
    let help = "Seconds since the chain's head was another one.";
    register_gauge_vec!("indexer_seconds_since_head_moved", help, &["chain"]).expect(ONCE)
});
static BLOCK_TIME: LazyLock<GaugeVec> = LazyLock::new(|| {
    let help = "Seconds that a block of the chain usually takes, as the registry says.";
    register_gauge_vec!("indexer_block_time_seconds", help, &["chain"]).expect(ONCE)
});
static INDEXED: LazyLock<GaugeVec> = LazyLock::new(|| {
    register_gauge_vec!("indexer_indexed_block", "Height of the newest committed block.", &["chain"])
        .expect(ONCE)
});
static HALTED: LazyLock<GaugeVec> = LazyLock::new(|| {
    register_gauge_vec!(
        "indexer_halted",
        "1 where the chain has stopped until an operator has looked at it.",
        &["chain"]
    )
    .expect(ONCE)
});
static ENDPOINT_UP: LazyLock<GaugeVec> = LazyLock::new(|| {
    let help = "1 where an endpoint of a chain that this process follows is in use, 0 where it was left.";
    register_gauge_vec!("indexer_endpoint_up", help, &["chain", "host"]).expect(ONCE)
});
static JOBS: LazyLock<GaugeVec> = LazyLock::new(|| {
    let help = "Pieces of work: queued and running ones, and those that ended within the last hour.";
    register_gauge_vec!("indexer_jobs", help, &["chain", "state"]).expect(ONCE)
});
static BLOCKS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("indexer_blocks_total", "Blocks that became canonical.", &["chain"])
        .expect(ONCE)
});
static EVENTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("indexer_events_total", "Events that were told, by kind.", &["chain", "kind"])
        .expect(ONCE)
});
static REORGS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("indexer_reorgs_total", "Reorganisations that were followed.", &["chain"])
        .expect(ONCE)
});
static DEEP_REORGS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    let help = "Reorganisations that took more than 16 blocks back.";
    register_int_counter_vec!("indexer_deep_reorgs_total", help, &["chain"]).expect(ONCE)
});
static REORG_DEPTH: LazyLock<HistogramVec> = LazyLock::new(|| {
    let help = "Blocks that a reorganisation took back.";
    let buckets = vec![1.0, 2.0, 3.0, 5.0, 8.0, 16.0, 32.0, 64.0, 128.0];
    register_histogram_vec!("indexer_reorg_depth", help, &["chain"], buckets).expect(ONCE)
});
static COMMIT_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    let help = "Time that it took to store and commit what was read.";
    let buckets = vec![0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 0.5, 1.0, 2.5, 5.0, 10.0];
    register_histogram_vec!("indexer_commit_seconds", help, &["chain"], buckets).expect(ONCE)
});
static BLOCK_TO_COMMIT: LazyLock<HistogramVec> = LazyLock::new(|| {
    let help = "Time between a block's own and its commit, for blocks that were read at the head.";
    let buckets = vec![0.25, 0.5, 1.0, 1.5, 2.0, 3.0, 5.0, 8.0, 13.0, 21.0, 34.0, 60.0, 120.0];
    register_histogram_vec!("indexer_block_to_commit_seconds", help, &["chain"], buckets).expect(ONCE)
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

/// Deeper than this is worth a look wherever it happens: most chains never get there.
const DEEP: usize = 16;
/// So near the head a block counts as read when it came.
const AT_HEAD: u64 = 3;

/// Counts a block with its logs when it is committed for the first time.
pub(crate) fn count_logs(chain_id: ChainId, block: &ReadBlock) {
    let chain = chain_id.to_string();
    BLOCKS.with_label_values(&[chain.as_str()]).inc();
    for log in &block.logs {
        let reading = match &log.reading {
            Reading::Known { facts, .. } => {
                for (_, fact) in facts {
                    EVENTS.with_label_values(&[chain.as_str(), kind(fact)]).inc();
                }
                "known"
            }
            Reading::Unknown => "unknown",
            Reading::Malformed { .. } => "malformed",
        };
        LOGS.with_label_values(&[chain.as_str(), reading]).inc();
        if reading != "known" {
            UNKNOWN.with_label_values(&[chain.as_str()]).inc();
        }
    }
}

fn kind(fact: &Fact) -> &'static str {
    match fact {
        Fact::Created { .. } => "created",
        Fact::Updated(_) => "updated",
        Fact::Minted(_) => "minted",
        Fact::Transferred(_) => "transferred",
        Fact::Burned(_) => "burned",
        Fact::Metadata(_) => "metadata",
        Fact::Approval(_) => "approval",
        Fact::OrderValidated(_) => "validated",
        Fact::OrderFilled(_) => "fulfilled",
        Fact::OrderCancelled(_) => "cancelled",
        Fact::CounterIncremented(_) => "counter",
        Fact::Payment(_) => "payment",
    }
}

/// What was read up to `last` is committed, which took so long.
pub(crate) fn observe_commit(chain_id: ChainId, last: BlockRef, head: BlockRef, took: Duration) {
    let chain = chain_id.to_string();
    COMMIT_SECONDS.with_label_values(&[chain.as_str()]).observe(took.as_secs_f64());
    if last.number + AT_HEAD >= head.number {
        let age = (chrono::Utc::now() - last.time).as_seconds_f64();
        BLOCK_TO_COMMIT.with_label_values(&[chain.as_str()]).observe(age.max(0.0));
    }
}

/// So many blocks were taken back.
pub(crate) fn count_reorg(chain_id: ChainId, depth: usize) {
    let chain = chain_id.to_string();
    REORGS.with_label_values(&[chain.as_str()]).inc();
    REORG_DEPTH.with_label_values(&[chain.as_str()]).observe(depth as f64);
    if depth > DEEP {
        DEEP_REORGS.with_label_values(&[chain.as_str()]).inc();
    }
}

pub(crate) fn count_failure(chain_id: ChainId, err: &Error) {
    let cause = match err {
        Error::Store(_) => "database",
        Error::Raw(_) | Error::RawTimeout(_) => "raw store",
        Error::Node(_) => "node",
        Error::Inconsistent(_) => "inconsistent",
        Error::LeaseLost | Error::Stale => "lease",
        Error::NotRetractable | Error::Halted(_) => "halted",
        _ => "other",
    };
    FAILURES.with_label_values(&[chain_id.to_string().as_str(), cause]).inc();
}

/// A gauge that is set as a whole: a series is there as long as it is shown, and is never missing in between, however
/// many read at once.
struct Whole {
    gauge: &'static LazyLock<GaugeVec>,
    shown: Mutex<BTreeMap<Vec<String>, f64>>,
}

impl Whole {
    const fn of(gauge: &'static LazyLock<GaugeVec>) -> Whole {
        Whole { gauge, shown: Mutex::new(BTreeMap::new()) }
    }

    fn show(&self, values: BTreeMap<Vec<String>, f64>) {
        let mut shown = self.shown.lock().unwrap_or_else(PoisonError::into_inner);
        for (labels, value) in &values {
            let labels: Vec<&str> = labels.iter().map(String::as_str).collect();
            self.gauge.with_label_values(&labels).set(*value);
        }
        for gone in shown.keys().filter(|labels| !values.contains_key(*labels)) {
            let labels: Vec<&str> = gone.iter().map(String::as_str).collect();
            // It was set, so it is there.
            let _ = self.gauge.remove_label_values(&labels);
        }
        *shown = values;
    }
}

static WHOLE_JOBS: Whole = Whole::of(&JOBS);
/// What is told of each chain.
static WHOLES: [Whole; 10] = [
    Whole::of(&FOLLOWING),
    Whole::of(&BLOCK_TIME),
    Whole::of(&ENDPOINT_UP),
    Whole::of(&HEAD_LAG),
    Whole::of(&HEAD_LAG_SECONDS),
    Whole::of(&HALTED),
    Whole::of(&INDEXED),
    Whole::of(&SINCE_COMMIT),
    Whole::of(&SINCE_PROGRESS),
    Whole::of(&SINCE_HEAD),
];

/// How many pieces of work there are, by chain and state.
pub(crate) fn show_jobs(counts: &[(ChainId, String, i64)]) {
    let labels =
        |(chain_id, state, _): &(ChainId, String, i64)| vec![chain_id.to_string(), state.to_lowercase()];
    WHOLE_JOBS.show(counts.iter().map(|one| (labels(one), one.2 as f64)).collect());
}

/// Before `/metrics` is read.
pub(crate) fn refresh(progress: &Progress, chains: &Chains) {
    let mut values: [BTreeMap<Vec<String>, f64>; WHOLES.len()] = Default::default();
    let [
        following,
        block_time,
        endpoint_up,
        lag,
        lag_seconds,
        halted,
        indexed,
        since_commit,
        since_progress,
        since_head,
    ] = &mut values;
    let known = chains.now();
    if let Some(known) = &known {
        let enabled = || known.chains.values().filter(|chain| chain.is_enabled);
        ENABLED.set(i64::try_from(enabled().count()).unwrap_or(i64::MAX));
        for chain in enabled() {
            let name = chain.chain_id.to_string();
            // What is counted from one on would not have grown when it first happens.
            for counter in [&*REORGS, &*DEEP_REORGS] {
                let _ = counter.with_label_values(&[name.as_str()]);
            }
            following.insert(vec![name.clone()], 0.0);
            block_time.insert(vec![name], chain.block_time.as_secs_f64());
        }
    }
    for (chain_id, seen) in progress.all() {
        // What the others know of the chain they say themselves.
        if seen.state == State::StandingBy {
            continue;
        }
        let labels = || vec![chain_id.to_string()];
        following.insert(labels(), 1.0);
        let followed = known.as_ref().and_then(|known| known.chains.get(&chain_id));
        // A socket is asked nothing.
        let asked = followed.into_iter().flat_map(|chain| chain.node.health()).filter(|one| !one.is_socket);
        for endpoint in asked {
            // Several endpoints of one host are up where one of them is.
            let up = endpoint_up.entry(vec![chain_id.to_string(), endpoint.host]).or_default();
            *up = up.max(f64::from(u8::from(endpoint.left.is_none())));
        }
        lag.insert(labels(), seen.lag() as f64);
        lag_seconds.insert(labels(), seen.lag_seconds());
        halted.insert(labels(), f64::from(u8::from(seen.state == State::Halted)));
        if let Some(block) = seen.indexed {
            indexed.insert(labels(), block.number as f64);
        }
        if let Some(at) = seen.committed_at {
            since_commit.insert(labels(), at.elapsed().as_secs_f64());
        }
        if matches!(seen.state, State::Starting | State::Following) {
            since_progress.insert(labels(), seen.since_progress().as_secs_f64());
        }
        if seen.state == State::Following {
            since_head.insert(labels(), seen.since_head_moved().as_secs_f64());
        }
    }
    for (whole, values) in WHOLES.iter().zip(values) {
        whole.show(values);
    }
}

#[cfg(test)]
mod tests {
    use prometheus::{Opts, core::Collector};

    use super::*;

    static TRIED: LazyLock<GaugeVec> =
        LazyLock::new(|| GaugeVec::new(Opts::new("tried", "tried"), &["chain"]).unwrap());

    #[test]
    fn a_series_is_there_for_as_long_as_it_is_shown_and_never_missing_in_between() {
        static WHOLE: Whole = Whole::of(&TRIED);
        let show = |chains: &[&str]| {
            WHOLE.show(chains.iter().map(|chain| (vec![(*chain).to_owned()], 1.0)).collect());
        };
        let series = || TRIED.collect().iter().map(|family| family.get_metric().len()).sum::<usize>();
        show(&["a", "b"]);
        assert_eq!(series(), 2);
        let stop = std::sync::atomic::AtomicBool::new(false);
        std::thread::scope(|scope| {
            scope.spawn(|| {
                while !stop.load(std::sync::atomic::Ordering::Relaxed) {
                    show(&["a", "b"]);
                }
            });
            for _ in 0..2000 {
                assert_eq!(series(), 2);
            }
            stop.store(true, std::sync::atomic::Ordering::Relaxed);
        });
        show(&["b"]);
        assert_eq!(series(), 1);
    }

    #[test]
    fn only_a_deep_reorganisation_is_counted_as_one() {
        let chain_id = ChainId::new(4_242).unwrap();
        let deep = DEEP_REORGS.with_label_values(&[chain_id.to_string().as_str()]);
        count_reorg(chain_id, DEEP);
        assert_eq!(deep.get(), 0);
        count_reorg(chain_id, DEEP + 1);
        assert_eq!(deep.get(), 1);
    }
}
