//! One look at one intent: what the chain, the catalog and the clock say of it now, taken in by one transaction.

use std::time::Duration;

use chrono::{DateTime, TimeDelta, Utc};
use ids::IntentId;
use sqlx::{PgConnection, PgPool};
use tokio::time::timeout;

use crate::{
    chains::Chains,
    change::write_change,
    conclude::{Seen, StepState},
    intent::{Fact, Outlook},
    look_at_order::{Order, look_at_order},
    model::{Candidate, Intent, Judgement, PendingCollection, Source, Status, Step, Word, catalogued},
    observe::{Observed, Question, observe},
    peers::Peers,
    pending_collection::tell_catalog,
    store::{self, Settled, Statuses},
};

/// For a chain, or a service, that does not answer.
const LOOK_WITHIN: Duration = Duration::from_secs(8);

/// What the tracker works with.
#[derive(Clone)]
pub(crate) struct Follower {
    pub(crate) db: PgPool,
    pub(crate) chains: Chains,
    pub(crate) peers: Peers,
    pub(crate) statuses: Statuses,
    pub(crate) drop_after: TimeDelta,
}

/// What was stored when the look began.
struct Known {
    intent: Intent,
    steps: Vec<Step>,
    candidates: Vec<Candidate>,
    /// When it began, by the database's clock.
    now: DateTime<Utc>,
}

/// What the world said; nothing of it where it did not answer.
struct Heard {
    pending: PendingCollection,
    order: Order,
    observed: Option<Observed>,
}

/// Looks once. The caller holds the claim on the row; the look gives it back.
pub(crate) async fn look(follower: &Follower, intent_id: IntentId) -> anyhow::Result<()> {
    let db = &follower.db;
    let Some(intent) = store::find_intent(db, intent_id).await? else { return Ok(()) };
    let (steps, candidates) =
        (store::list_steps(db, intent_id).await?, store::list_candidates(db, intent_id).await?);
    let known = Known { intent, steps, candidates, now: store::clock(db).await? };
    let heard = ask_around(follower, &known).await;
    launch::failpoint("orch.look_unwritten");

    let mut tx = db.begin().await?;
    let Some(before) = store::lock_intent(&mut tx, intent_id).await? else { return Ok(()) };
    let now = store::clock(&mut *tx).await?;
    let is_same = before.revision == known.intent.revision
        && store::list_candidates(&mut *tx, intent_id).await?.len() == known.candidates.len();
    if !is_same {
        // Somebody else changed it while we looked: what was seen may not be all there is.
        let settled = Settled { pending: before.pending, next_look_at: Some(now), claimed_until: None };
        store::settle(&mut tx, intent_id, &settled).await?;
        tx.commit().await?;
        return Ok(());
    }
    let after = take_in(&mut tx, before.clone(), &known, &heard, now).await?;
    launch::failpoint("orch.look_uncommitted");
    tx.commit().await?;
    launch::failpoint("orch.look_committed");
    if after.revision != before.revision {
        follower.statuses.put(&after);
        tracing::info!(
            intent.id = %intent_id, intent.from = before.status.as_str(), intent.to = after.status.as_str(),
            "an intent moved"
        );
    }
    Ok(())
}

/// Everybody at once, so that none of them keeps the others waiting.
async fn ask_around(follower: &Follower, known: &Known) -> Heard {
    let intent_id = known.intent.intent_id;
    let chain = timeout(LOOK_WITHIN, look_at_chain(follower, known));
    let order = timeout(LOOK_WITHIN, look_at_order(follower, &known.intent, &known.steps, known.now));
    let (pending, order, observed) = tokio::join!(tell_catalog(&follower.peers, &known.intent), order, chain);
    let observed = match observed {
        Ok(Ok(observed)) => Some(observed),
        Ok(Err(err)) => {
            tracing::warn!(intent.id = %intent_id, error = %format!("{err:#}"), "cannot look at a chain");
            None
        }
        Err(_) => {
            tracing::warn!(intent.id = %intent_id, "a look at a chain takes too long");
            None
        }
    };
    Heard { pending, order: order.unwrap_or(Order::Unheard), observed }
}

/// Writes what was learned under the lock of the row; gives the intent as it is now.
async fn take_in(
    tx: &mut PgConnection,
    mut before: Intent,
    known: &Known,
    heard: &Heard,
    now: DateTime<Utc>,
) -> anyhow::Result<Intent> {
    if before.pending == known.intent.pending {
        before.pending = heard.pending;
    }
    let nothing = Observed::default();
    let observed = heard.observed.as_ref().unwrap_or(&nothing);
    write_judgements(tx, &before, observed).await?;
    let mut after = before.clone();
    match &heard.order {
        Order::Stored(order_id) => drop(after.apply(&Fact::Stored(*order_id))),
        Order::Declined(words) => drop(after.apply(&Fact::Declined(words.clone()))),
        Order::Over => drop(after.apply(&Fact::TimePassed)),
        Order::Told => after.is_order_due = false,
        Order::Nothing | Order::Unheard => {}
    }
    for fact in &observed.facts {
        after.apply(fact);
    }
    if let Some(tx_hash) = after.tx_hash.filter(|_| after.block.is_some()) {
        let said = store::list_catalogued(&mut *tx, after.chain_id, tx_hash).await?;
        match catalogued(&after, &said) {
            Word::There => drop(after.apply(&Fact::Catalogued(now))),
            Word::Removed => drop(after.apply(&Fact::Uncatalogued)),
            Word::Unsaid => {}
        }
    }
    let is_open = has_open(known, observed);
    if now >= after.deadline_at && after.status == Status::Prepared && !is_open {
        after.apply(&Fact::TimePassed);
    }
    let moved = write_steps(tx, known, observed).await?;
    if after.looks_other_than(&before) || moved.is_some() {
        let cause = moved.filter(|_| after.status == before.status);
        let cause = cause.unwrap_or_else(|| cause_of(&before, &after).to_owned());
        write_change(tx, &before, &mut after, &cause, now).await?;
    } else if after != before {
        // What only the tracker needs to remember is no news for anybody.
        store::update_intent(tx, &after).await?;
    }
    let is_step_open = earlier(known).any(|step| {
        let now = observed.steps.iter().find(|(step_id, _)| *step_id == step.step_id);
        now.map_or_else(|| state_of(step).is_open(), |(_, state)| state.is_open())
    });
    let outlook = Outlook { is_open: is_open || is_step_open, is_settled: observed.is_settled };
    let mut next_look_at = after.next_look(now, outlook);
    let is_unheard = heard.observed.as_ref().is_none_or(|observed| observed.is_partial);
    if is_unheard || matches!(heard.order, Order::Unheard) {
        // Who does not answer is asked the more rarely the longer that goes on.
        next_look_at = next_look_at.map(|at| at.max(now + after.patience(now)));
    }
    let settled = Settled { pending: after.pending, next_look_at, claimed_until: None };
    store::settle(tx, after.intent_id, &settled).await?;
    Ok(after)
}

async fn write_judgements(tx: &mut PgConnection, intent: &Intent, observed: &Observed) -> anyhow::Result<()> {
    for seen in &observed.seen {
        if seen.is_new {
            store::delete_refused(tx, seen.candidate.step_id, seen.candidate.tx_hash).await?;
            let is_ours =
                store::insert_candidate(tx, intent, &seen.as_known(), Source::Nonce, &seen.act).await?;
            anyhow::ensure!(is_ours, "the transaction was taken for another intent meanwhile");
        } else if let Some(learned) = seen.learned() {
            store::update_candidate(tx, &learned, &seen.act).await?;
        }
    }
    Ok(())
}

/// Writes where the earlier steps are; in words, what moved.
async fn write_steps(
    tx: &mut PgConnection,
    known: &Known,
    observed: &Observed,
) -> Result<Option<String>, sqlx::Error> {
    let mut moved = None;
    for (position, step) in earlier(known).enumerate() {
        let seen = observed.steps.iter().find(|(step_id, _)| *step_id == step.step_id);
        if let Some((step_id, state)) = seen.filter(|(_, state)| *state != state_of(step)) {
            store::update_step(tx, *step_id, state).await?;
            moved = Some(format!("step {} is {}", position + 1, state.status.as_str()));
        }
    }
    Ok(moved)
}

fn earlier(known: &Known) -> impl Iterator<Item = &Step> {
    known.steps.split_last().into_iter().flat_map(|(_, earlier)| earlier)
}

fn state_of(step: &Step) -> StepState {
    StepState { status: step.status, tx_hash: step.tx_hash, problem: step.problem.clone() }
}

/// Whether a hash that is in no block may still carry the last step.
fn has_open(known: &Known, observed: &Observed) -> bool {
    let last = known.steps.last().map(|step| step.step_id);
    let of_last = known.candidates.iter().filter(|candidate| Some(candidate.step_id) == last);
    of_last.into_iter().any(|candidate| {
        let seen = observed.seen.iter().find(|seen| seen.candidate == *candidate);
        seen.map_or(candidate.judgement == Judgement::Unseen, Seen::is_open)
    })
}

async fn look_at_chain(follower: &Follower, known: &Known) -> anyhow::Result<Observed> {
    if known.candidates.is_empty() {
        return Ok(Observed::default());
    }
    let chain = follower.chains.get(known.intent.chain_id).await?;
    let question = Question {
        intent: &known.intent,
        steps: &known.steps,
        candidates: &known.candidates,
        reorg_depth: chain.reorg_depth,
        now: known.now,
        drop_after: follower.drop_after,
    };
    observe(&follower.db, &chain.node, &question).await
}

fn cause_of(before: &Intent, after: &Intent) -> &'static str {
    match after.status {
        status if status == before.status => "seen again",
        Status::Expired => "its time passed",
        Status::Ready if after.kind.is_signed() => "the order is stored",
        Status::Failed if after.kind.is_signed() => "the catalog declined the order",
        Status::Ready => "catalogued",
        _ => "seen on the chain",
    }
}
