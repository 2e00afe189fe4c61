//! What a transaction should offer for gas now. A chain is asked once a block, however many ask here.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex as SyncMutex, PoisonError},
    time::Duration,
};

use chrono::{DateTime, Utc};
use evm::{Fees, NodeError};
use ids::ChainId;
use sqlx::PgPool;
use tokio::{
    sync::Mutex,
    time::{Instant, timeout},
};

use crate::{
    error::Error,
    model::GasPolicy,
    nodes::Nodes,
    observe_fees::observe_fees,
    price::{Price, PricePolicy, gwei_of_wei},
    snapshot::Snapshots,
    store,
};

/// A fast chain is not asked more often than this, and what a slow one said is not kept longer than that.
const KEPT_LEAST: Duration = Duration::from_millis(250);
const KEPT_MOST: Duration = Duration::from_secs(15);
/// For all questions together: less than a caller waits.
const ASKED_FOR: Duration = Duration::from_secs(4);
/// A chain that did not answer is not asked again at once.
const AWAY_FOR: Duration = Duration::from_secs(1);
const WRITTEN_EVERY: Duration = Duration::from_secs(15);
const WRITE_PATIENCE: Duration = Duration::from_secs(5);

/// What a chain said last; clones share it.
#[derive(Clone, Default)]
pub(crate) struct FeeWatch(Arc<SyncMutex<HashMap<ChainId, Arc<Mutex<Seen>>>>>);

#[derive(Default)]
struct Seen {
    fees: Option<(Instant, DateTime<Utc>, Fees)>,
    failed_at: Option<Instant>,
    written_at: Option<Instant>,
}

/// The suggestion, and when the chain was asked.
pub(crate) struct Suggestion {
    pub(crate) base_fee: u128,
    pub(crate) price: Price,
    pub(crate) observed_at: DateTime<Utc>,
}

impl FeeWatch {
    pub(crate) async fn suggest_fees(
        &self,
        db: &PgPool,
        snapshots: &Snapshots,
        nodes: &Nodes,
        chain_id: ChainId,
    ) -> Result<Suggestion, Error> {
        let snapshot = snapshots.current().await?.snapshot;
        let node = nodes.get(chain_id, &snapshot)?;
        let chain = snapshot.find(chain_id).ok_or(Error::ChainUnknown(chain_id))?;
        let policy = chain.gas_policy.clone().unwrap_or_else(GasPolicy::usual);
        let policy = PricePolicy::parse(&policy)
            .ok_or_else(|| sqlx::Error::Decode("a gas policy that no rule lets in".into()))?;
        let block_time = chain.block_time();
        let kept_for = block_time.clamp(KEPT_LEAST, KEPT_MOST);

        let seen =
            Arc::clone(self.0.lock().unwrap_or_else(PoisonError::into_inner).entry(chain_id).or_default());
        // Who asks while the chain is being asked waits for that one answer.
        let mut seen = seen.lock().await;
        let (observed_at, fees) = match seen.fees {
            Some((at, observed_at, fees)) if at.elapsed() < kept_for => (observed_at, fees),
            _ if seen.failed_at.is_some_and(|at| at.elapsed() < AWAY_FOR) => {
                return Err(Error::ChainAway { chain_id, source: None });
            }
            _ => match timeout(ASKED_FOR, observe_fees(&node, block_time)).await {
                Ok(Ok(fees)) => {
                    let observed_at = Utc::now();
                    seen.fees = Some((Instant::now(), observed_at, fees));
                    if seen.written_at.is_none_or(|at| at.elapsed() >= WRITTEN_EVERY) {
                        seen.written_at = Some(Instant::now());
                        tokio::spawn(write_down(db.clone(), chain_id, fees.base_fee));
                    }
                    (observed_at, fees)
                }
                Ok(Err(err)) => {
                    seen.failed_at = Some(Instant::now());
                    return Err(Error::ChainAway { chain_id, source: Some(err) });
                }
                Err(_) => {
                    seen.failed_at = Some(Instant::now());
                    let source = Some(NodeError::Timeout(ASKED_FOR));
                    return Err(Error::ChainAway { chain_id, source });
                }
            },
        };
        Ok(Suggestion { base_fee: fees.base_fee, price: policy.price(fees), observed_at })
    }
}

/// For people who look at the policy; nothing is lost with it.
async fn write_down(db: PgPool, chain_id: ChainId, base_fee: u128) {
    let gwei = gwei_of_wei(base_fee);
    let written = timeout(WRITE_PATIENCE, store::set_observed(&db, chain_id, &gwei)).await;
    if !matches!(written, Ok(Ok(()))) {
        tracing::debug!(chain.id = %chain_id, "the base fee that was seen is not written down");
    }
}
