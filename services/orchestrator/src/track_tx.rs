//! Notes which transaction carries a step. It is accepted before any node knows it and verified when one does; a
//! transaction that is visible already is verified at once.

use std::time::Duration;

use chrono::TimeDelta;
use ids::{IntentId, StepId, TxHash, UserId};
use tokio::{sync::Notify, time::timeout};

use crate::{
    change::write_change,
    error::Error,
    intent::Fact,
    model::{Candidate, Intent, Judgement, PendingCollection, Source, Status, Step, now},
    observe::{Sight, see},
    pending_collection::tell_catalog,
    prepare::Tools,
    store::{self, Settled},
};

const CANDIDATES_MAX: usize = 16;
const LOOK_WITHIN: Duration = Duration::from_millis(1500);
/// How long the tracker leaves the row to this call, which tells the catalog.
const CLAIM: TimeDelta = TimeDelta::seconds(4);

/// Which transaction, of which step.
pub(crate) struct TrackAsk {
    pub(crate) user_id: UserId,
    pub(crate) intent_id: IntentId,
    /// The only transaction step where none is named.
    pub(crate) step_id: Option<StepId>,
    pub(crate) tx_hash: TxHash,
}

pub(crate) async fn track_tx(tools: &Tools, woken: &Notify, ask: &TrackAsk) -> Result<Intent, Error> {
    let found = store::find_of_user(&tools.db, ask.user_id, ask.intent_id).await?;
    let intent = found.ok_or(Error::NotFound("intent"))?;
    let step = find_step(tools, ask).await?;
    let known = store::list_candidates(&tools.db, ask.intent_id).await?;
    if let Some(answer) = answer_known(&known, &step, ask.tx_hash) {
        return answer.map(|()| intent);
    }
    let sight = look(tools, &intent, &step, ask.tx_hash).await;
    let (judgement, nonce) = match sight {
        Sight::Other => return Err(Error::Mismatch),
        Sight::Waiting { nonce } | Sight::Mined { nonce, .. } => (Judgement::Verified, nonce),
        Sight::Unseen => (Judgement::Unseen, None),
    };

    let mut tx = tools.db.begin().await?;
    let before = store::lock_intent(&mut tx, ask.intent_id).await?.ok_or(Error::NotFound("intent"))?;
    let known = store::list_candidates(&mut *tx, ask.intent_id).await?;
    if let Some(answer) = answer_known(&known, &step, ask.tx_hash) {
        return answer.map(|()| before);
    }
    accepts(before.status, judgement)?;
    if known.len() >= CANDIDATES_MAX {
        return Err(Error::Conflict("too many transactions were reported for this intent".to_owned()));
    }
    let candidate = Candidate { step_id: step.step_id, tx_hash: ask.tx_hash, judgement, nonce };
    if !store::insert_candidate(&mut tx, &before, &candidate, Source::Reported).await? {
        // It carries another intent already.
        return Err(Error::Mismatch);
    }
    let now = now();
    let mut after = before.clone();
    after.apply(&match judgement {
        Judgement::Verified => Fact::Waiting(ask.tx_hash),
        Judgement::Unseen | Judgement::Refused => Fact::Named(ask.tx_hash),
    });
    if after != before {
        write_change(&mut tx, &before, &mut after, "tracked", now).await?;
    }
    let is_ours_to_tell = after.pending == PendingCollection::PutDue;
    let settled = Settled {
        pending: after.pending,
        next_look_at: Some(now),
        claimed_until: is_ours_to_tell.then_some(now + CLAIM),
    };
    store::settle(&mut tx, ask.intent_id, &settled).await?;
    tx.commit().await?;
    tools.statuses.put(&after);

    if is_ours_to_tell {
        // A catalog that does not answer is told by the tracker later.
        let told = tell_catalog(&tools.peers, &after).await;
        store::release_told(&tools.db, ask.intent_id, after.pending, told).await?;
        after.pending = told;
    }
    woken.notify_one();
    Ok(after)
}

async fn find_step(tools: &Tools, ask: &TrackAsk) -> Result<Step, Error> {
    let mut steps = store::list_steps(&tools.db, ask.intent_id).await?;
    match ask.step_id {
        Some(step_id) => {
            steps.into_iter().find(|step| step.step_id == step_id).ok_or(Error::NotFound("step"))
        }
        None if steps.len() == 1 => steps.pop().ok_or(Error::NotFound("step")),
        None => Err(Error::field("step_id", "the intent has several steps")),
    }
}

/// The same hash for the same step again: the same answer again.
fn answer_known(known: &[Candidate], step: &Step, tx_hash: TxHash) -> Option<Result<(), Error>> {
    let candidate = known.iter().find(|known| known.step_id == step.step_id && known.tx_hash == tx_hash)?;
    Some(match candidate.judgement {
        Judgement::Refused => Err(Error::Mismatch),
        Judgement::Unseen | Judgement::Verified => Ok(()),
    })
}

/// A chain that does not answer now is asked by the tracker later.
async fn look(tools: &Tools, intent: &Intent, step: &Step, tx_hash: TxHash) -> Sight {
    let looking = async {
        let chain = tools.chains.get(intent.chain_id).await.ok()?;
        see(&chain.node, intent, step, tx_hash).await.ok()
    };
    timeout(LOOK_WITHIN, looking).await.ok().flatten().unwrap_or(Sight::Unseen)
}

/// Whether a state takes one more hash. What is over is opened again by a transaction that is seen to be ours alone.
fn accepts(status: Status, judgement: Judgement) -> Result<(), Error> {
    let is_proven = judgement == Judgement::Verified;
    match status {
        Status::Prepared | Status::Submitted | Status::Dropped => Ok(()),
        Status::Expired if is_proven => Ok(()),
        Status::Expired => Err(Error::Expired),
        Status::Cancelled if is_proven => Ok(()),
        status => Err(Error::Conflict(format!("the intent is {}", status.as_str()))),
    }
}
