//! Notes which transaction carries a step. It is accepted before any node knows it and verified when one does; a
//! transaction that is visible already is verified at once.

use std::time::Duration;

use chrono::TimeDelta;
use ids::{IntentId, StepId, TxHash, UserId};
use sqlx::PgConnection;
use tokio::{sync::Notify, time::timeout};

use crate::{
    change::write_change,
    conclude::{Seen, Sight, conclude_step},
    error::Error,
    intent::Fact,
    model::{Candidate, Intent, Judgement, PendingCollection, Source, Status, Step, StepStatus},
    observe::Lens,
    pending_collection::tell_catalog,
    prepare::Tools,
    store::{self, Settled},
};

const CANDIDATES_MAX: usize = 16;
/// Hashes of a step that nobody has seen: each of them is asked for until it is given up.
const UNSEEN_MAX: usize = 5;
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

/// The step that is meant, and its place among the intent's steps.
struct Place {
    step: Step,
    is_last: bool,
}

pub(crate) async fn track_tx(tools: &Tools, woken: &Notify, ask: &TrackAsk) -> Result<Intent, Error> {
    let found = store::find_of_user(&tools.db, ask.user_id, ask.intent_id).await?;
    let intent = found.ok_or(Error::NotFound("intent"))?;
    let place = find_step(tools, ask).await?;
    let known = store::list_candidates(&tools.db, ask.intent_id).await?;
    if is_known(&known, &place.step, ask.tx_hash) {
        return Ok(intent);
    }
    let seen = look(tools, &intent, &place, ask.tx_hash).await;
    if let Sight::Other(words) = seen.sight {
        return Err(Error::Mismatch(words));
    }

    let mut tx = tools.db.begin().await?;
    let before = store::lock_intent(&mut tx, ask.intent_id).await?.ok_or(Error::NotFound("intent"))?;
    let known = store::list_candidates(&mut *tx, ask.intent_id).await?;
    if is_known(&known, &place.step, ask.tx_hash) {
        return Ok(before);
    }
    accepts(before.status, &place, seen.candidate.judgement)?;
    require_room(&known, &seen.candidate)?;
    // What was refused is judged anew: the chain may say something else now.
    store::delete_refused(&mut tx, place.step.step_id, ask.tx_hash).await?;
    if !store::insert_candidate(&mut tx, &before, &seen.as_known(), Source::Reported, &seen.act).await? {
        return Err(elsewhere());
    }
    let now = store::clock(&mut *tx).await?;
    let mut after = before.clone();
    if take_in(&mut tx, &mut after, &place, &seen).await? || after != before {
        write_change(&mut tx, &before, &mut after, "tracked", now).await?;
    }
    let is_ours_to_tell = after.pending == PendingCollection::PutDue;
    let settled = Settled {
        pending: after.pending,
        next_look_at: Some(now),
        claimed_until: is_ours_to_tell.then_some(now + CLAIM),
    };
    store::settle(&mut tx, ask.intent_id, &settled).await?;
    launch::failpoint("orch.track_uncommitted");
    tx.commit().await?;
    launch::failpoint("orch.tracked");
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

/// What the report changes: the intent where it is about the last step, else the step; true if the step was written.
async fn take_in(
    tx: &mut PgConnection,
    after: &mut Intent,
    place: &Place,
    seen: &Seen,
) -> Result<bool, Error> {
    if !place.is_last {
        let state = conclude_step(std::slice::from_ref(seen), after.required_confirmations);
        // What other hashes of the step have come to counts, as it stands under the lock.
        let steps = store::list_steps(&mut *tx, after.intent_id).await?;
        let now = steps.iter().find(|step| step.step_id == place.step.step_id).map(|step| step.status);
        let is_open = matches!(now, Some(StepStatus::Submitted | StepStatus::Mined | StepStatus::Done));
        if is_open && now.is_some_and(|now| !state.is_further_than(now)) {
            return Ok(false);
        }
        store::update_step(tx, place.step.step_id, &state).await?;
        return Ok(true);
    }
    let tx_hash = seen.candidate.tx_hash;
    after.apply(&match seen.candidate.judgement {
        Judgement::Verified => Fact::Waiting(tx_hash),
        Judgement::Unseen | Judgement::Refused => Fact::Named(tx_hash),
    });
    Ok(false)
}

async fn find_step(tools: &Tools, ask: &TrackAsk) -> Result<Place, Error> {
    let steps = store::list_steps(&tools.db, ask.intent_id).await?;
    let count = steps.len();
    let is_transaction = |step: &Step| step.transaction().is_some();
    if ask.step_id.is_none() && steps.iter().filter(|step| is_transaction(step)).count() > 1 {
        return Err(Error::field("step_id", "the intent has several transactions"));
    }
    let is_meant = |step: &Step| match ask.step_id {
        Some(step_id) => step.step_id == step_id,
        None => is_transaction(step),
    };
    let mut places = steps.into_iter().enumerate();
    let (position, step) = places.find(|(_, step)| is_meant(step)).ok_or(Error::NotFound("step"))?;
    if !is_transaction(&step) {
        return Err(Error::field("step_id", "the step is a signature, and has no transaction"));
    }
    Ok(Place { step, is_last: position + 1 == count })
}

/// The same hash for the same step again: the same answer again, unless it was refused.
fn is_known(known: &[Candidate], step: &Step, tx_hash: TxHash) -> bool {
    let mut of_hash = known.iter().filter(|known| known.step_id == step.step_id && known.tx_hash == tx_hash);
    of_hash.any(|known| known.judgement != Judgement::Refused)
}

/// Whether the step takes one more hash.
fn require_room(known: &[Candidate], new: &Candidate) -> Result<(), Error> {
    let of_step =
        || known.iter().filter(|known| known.step_id == new.step_id && known.tx_hash != new.tx_hash);
    let unseen = of_step().filter(|known| known.judgement == Judgement::Unseen).count();
    if of_step().count() >= CANDIDATES_MAX || (new.judgement == Judgement::Unseen && unseen >= UNSEEN_MAX) {
        return Err(Error::Conflict("too many transactions were reported for this step".to_owned()));
    }
    Ok(())
}

fn elsewhere() -> Error {
    Error::Mismatch("it carries another intent".to_owned())
}

/// What can be seen of it now. A chain that does not answer is asked by the tracker later.
async fn look(tools: &Tools, intent: &Intent, place: &Place, tx_hash: TxHash) -> Seen {
    let looking = async {
        let chain = tools.chains.get(intent.chain_id).await.ok()?;
        let lens = Lens::new(&tools.db, &chain.node, intent).await.ok()?;
        lens.see(&place.step, tx_hash).await.ok()
    };
    let seen = timeout(LOOK_WITHIN, looking).await.ok().flatten();
    let (sight, act) = seen.unwrap_or((Sight::Unseen, String::new()));
    let (judgement, nonce) = match &sight {
        Sight::Waiting { nonce } | Sight::Mined { nonce, .. } => (Judgement::Verified, *nonce),
        Sight::Other(_) => (Judgement::Refused, None),
        Sight::Unseen | Sight::Unheard | Sight::Visible | Sight::Superseded { .. } => {
            (Judgement::Unseen, None)
        }
    };
    let candidate = Candidate::new(place.step.step_id, tx_hash, judgement, nonce);
    Seen { candidate, is_new: true, sight, act, taker: None, asked_at: None }
}

/// Whether a state takes one more hash. What is over is opened again by a transaction that is seen to be ours alone.
fn accepts(status: Status, place: &Place, judgement: Judgement) -> Result<(), Error> {
    let is_proven = judgement == Judgement::Verified && place.is_last;
    match status {
        Status::Prepared | Status::Submitted | Status::Dropped => Ok(()),
        Status::Expired | Status::Cancelled | Status::Replaced if is_proven => Ok(()),
        Status::Expired => Err(Error::Expired),
        status => Err(Error::Conflict(format!("the intent is {}", status.as_str()))),
    }
}
