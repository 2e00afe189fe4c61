//! One look at one intent: what the chain, the catalog and the clock say of it now, taken in by one transaction.

use chrono::TimeDelta;
use ids::IntentId;
use sqlx::PgPool;

use crate::{
    chains::Chains,
    change::write_change,
    intent::Fact,
    model::{Candidate, Intent, Judgement, Status, is_catalogued, now},
    observe::{Observed, observe},
    peers::Peers,
    pending_collection::tell_catalog,
    store::{self, Settled, Statuses},
};

/// What the tracker works with.
#[derive(Clone)]
pub(crate) struct Follower {
    pub(crate) db: PgPool,
    pub(crate) chains: Chains,
    pub(crate) peers: Peers,
    pub(crate) statuses: Statuses,
    pub(crate) drop_after: TimeDelta,
}

/// Looks once. The caller holds the claim on the row; the look gives it back.
pub(crate) async fn look(follower: &Follower, intent_id: IntentId) -> anyhow::Result<()> {
    let db = &follower.db;
    let Some(intent) = store::find_intent(db, intent_id).await? else { return Ok(()) };
    let candidates = store::list_candidates(db, intent_id).await?;
    let told = tell_catalog(&follower.peers, &intent).await;
    let observed = look_at_chain(follower, &intent, &candidates).await?;

    let mut tx = db.begin().await?;
    let Some(mut before) = store::lock_intent(&mut tx, intent_id).await? else { return Ok(()) };
    let now = now();
    let is_same = before.revision == intent.revision
        && store::list_candidates(&mut *tx, intent_id).await?.len() == candidates.len();
    if !is_same {
        // Somebody else changed it while we looked: what was seen may not be all there is.
        let settled = Settled { pending: before.pending, next_look_at: Some(now), claimed_until: None };
        store::settle(&mut tx, intent_id, &settled).await?;
        tx.commit().await?;
        return Ok(());
    }
    if before.pending == intent.pending {
        before.pending = told;
    }
    for (tx_hash, judgement, nonce) in &observed.judged {
        store::judge(&mut tx, intent_id, *tx_hash, *judgement, *nonce).await?;
    }
    let mut after = before.clone();
    for fact in &observed.facts {
        after.apply(fact);
    }
    if let Some(tx_hash) = after.tx_hash.filter(|_| after.block.is_some()) {
        let said = store::list_catalogued(&mut *tx, after.chain_id, tx_hash).await?;
        let is_there = is_catalogued(&after, &said);
        after.apply(&if is_there { Fact::Catalogued(now) } else { Fact::Uncatalogued });
    }
    let is_open = candidates.iter().any(|candidate| {
        let judged = observed.judged.iter().find(|(tx_hash, ..)| *tx_hash == candidate.tx_hash);
        judged.map_or(candidate.judgement, |(_, judgement, _)| *judgement) == Judgement::Unseen
    });
    if now >= after.deadline_at && !is_open {
        after.apply(&Fact::TimePassed);
    }
    let is_changed = after.looks_other_than(&before);
    if is_changed {
        let cause = cause(&before, &after);
        write_change(&mut tx, &before, &mut after, cause, now).await?;
    } else if after != before {
        // What only the tracker needs to remember is no news for anybody.
        store::update_intent(&mut tx, &after).await?;
    }
    let settled =
        Settled { pending: after.pending, next_look_at: after.next_look(now, is_open), claimed_until: None };
    store::settle(&mut tx, intent_id, &settled).await?;
    tx.commit().await?;
    if is_changed {
        follower.statuses.put(&after);
        tracing::info!(
            intent.id = %intent_id, intent.from = before.status.as_str(), intent.to = after.status.as_str(),
            "an intent moved"
        );
    }
    Ok(())
}

async fn look_at_chain(
    follower: &Follower,
    intent: &Intent,
    candidates: &[Candidate],
) -> anyhow::Result<Observed> {
    let hashes: Vec<_> = candidates.iter().map(|candidate| candidate.tx_hash).collect();
    if hashes.is_empty() || intent.status == Status::Failed {
        return Ok(Observed::default());
    }
    let steps = store::list_steps(&follower.db, intent.intent_id).await?;
    // An intent has one transaction so far; with more of them each look would take the first that is not done.
    let Some(step) = steps.first() else { return Ok(Observed::default()) };
    let chain = follower.chains.get(intent.chain_id).await?;
    let taken = store::list_taken(&follower.db, intent, &hashes).await?;
    let clock = (now(), follower.drop_after);
    Ok(observe(&chain.node, intent, step, candidates, &taken, clock).await?)
}

fn cause(before: &Intent, after: &Intent) -> &'static str {
    match after.status {
        status if status == before.status => "seen again",
        Status::Expired => "its time passed",
        Status::Ready => "catalogued",
        _ => "seen on the chain",
    }
}
