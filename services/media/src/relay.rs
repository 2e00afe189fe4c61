//! Tells what changed: publishes the messages that wait inside assets, then clears them there.
//!
//! Who changes an asset rings; the sweep finds what a process that died, or a broker that was away, left untold.

use std::{sync::LazyLock, time::Duration};

use bus::Bus;
use events::{Message, media};
use ids::AssetId;
use prometheus::{IntCounterVec, register_int_counter_vec};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::{
    model::{Asset, Unsent},
    store::Store,
};

/// More rings than this are left to the sweep.
const RINGS: usize = 1024;
const SWEEP_EVERY: Duration = Duration::from_secs(5);
const SWEEP_ASSETS: i64 = 200;
/// At a stop, a round under way still ends and what was just written still goes out, each within this.
const LAST_ROUND: Duration = Duration::from_secs(3);

static RELAYED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "media_relayed_total",
        "Messages about assets that were published.",
        &["result"]
    )
    .expect("the name is registered once")
});

/// Wakes the relay for one asset.
#[derive(Clone)]
pub(crate) struct Bell(mpsc::Sender<AssetId>);

pub(crate) fn bell() -> (Bell, mpsc::Receiver<AssetId>) {
    let (sender, receiver) = mpsc::channel(RINGS);
    (Bell(sender), receiver)
}

impl Bell {
    pub(crate) fn ring(&self, asset_id: AssetId) {
        // Full: the sweep comes by.
        let _ = self.0.try_send(asset_id);
    }
}

/// Relays until told to stop. No failure of a store or of the broker ends it.
pub(crate) async fn relay(
    store: Store,
    bus: Bus,
    mut rung: mpsc::Receiver<AssetId>,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut sweeps = tokio::time::interval(SWEEP_EVERY);
    sweeps.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let late = async {
        stopping.cancelled().await;
        tokio::time::sleep(LAST_ROUND).await;
    };
    tokio::pin!(late);
    while !stopping.is_cancelled() {
        let woken = async {
            tokio::select! {
                Some(asset_id) = rung.recv() => Some(asset_id),
                _ = sweeps.tick() => None,
            }
        };
        let Some(woken) = stopping.run_until_cancelled(woken).await else { break };
        let round = async {
            match woken {
                Some(asset_id) => tell_one(&store, &bus, asset_id).await,
                None => sweep(&store, &bus).await,
            }
        };
        // A round under way is finished at a stop: what is sent but not cleared would go out again.
        tokio::select! {
            told = round => if let Err(err) = told {
                tracing::warn!(error = %err, "cannot relay changes of assets");
            },
            () = &mut late => return Ok(()),
        }
    }
    let _ = tokio::time::timeout(LAST_ROUND, sweep(&store, &bus)).await;
    Ok(())
}

async fn tell_one(store: &Store, bus: &Bus, asset_id: AssetId) -> Result<(), mongodb::error::Error> {
    match store.find_asset(asset_id).await? {
        Some(asset) => tell(store, bus, &[asset]).await.map(|_| ()),
        None => Ok(()),
    }
}

async fn sweep(store: &Store, bus: &Bus) -> Result<(), mongodb::error::Error> {
    loop {
        let assets = store.list_unsent(SWEEP_ASSETS).await?;
        let is_all = assets.len() < SWEEP_ASSETS as usize;
        // After a failure the next sweep tries again, not this one for ever.
        if !tell(store, bus, &assets).await? || is_all {
            return Ok(());
        }
    }
}

/// Whether everything was told.
async fn tell(store: &Store, bus: &Bus, assets: &[Asset]) -> Result<bool, mongodb::error::Error> {
    let waiting: Vec<(AssetId, &Unsent)> =
        assets.iter().flat_map(|asset| asset.outbox.iter().map(|unsent| (asset.asset_id, unsent))).collect();
    let messages: Vec<Message> = waiting.iter().map(|(_, unsent)| message(unsent)).collect();
    let results = bus.publish(&messages).await;
    let mut is_all_told = true;
    for ((asset_id, unsent), result) in waiting.into_iter().zip(results) {
        match result {
            Ok(()) => {
                RELAYED.with_label_values(&["confirmed"]).inc();
                launch::failpoint("media.relayed_uncleared");
                store.clear_sent(asset_id, unsent.revision).await?;
            }
            Err(err) => {
                is_all_told = false;
                RELAYED.with_label_values(&["failed"]).inc();
                tracing::warn!(asset.id = %asset_id, error = %err, "a change of an asset was not published");
            }
        }
    }
    Ok(is_all_told)
}

fn message(unsent: &Unsent) -> Message {
    let mut message = media::upserted(&unsent.fact);
    message.envelope.traceparent.clone_from(&unsent.traceparent);
    message
}
