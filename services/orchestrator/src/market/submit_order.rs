//! Takes the signature of a listing or an offer: what would make the order one that cannot be filled is found before it
//! is stored. The signature is kept first, and told to the catalog after that, so that a process that is lost in between
//! loses nothing: the tracker goes on.

use chrono::TimeDelta;
use ids::{Address, IntentId, UserId};
use tokio::sync::Notify;

use super::{
    check_signature::{SIGNATURE_MAX, check_signature},
    order::{Side, Terms, order_hash, parse_typed_data, signing_hash},
    put_order::put_order,
    read_chain::{is_approved, read_counter, read_holding, read_purse, read_times},
    read_order::read_on_chain,
    require_exchange::require_exchange,
};
use crate::{
    ask::Standard,
    chains::Chain,
    change::write_change,
    error::Error,
    intent::Fact,
    model::{Act, Intent, Status, Step, now},
    prepare::{Prepared, Tools},
    store::{self, Settled},
};

/// How long the tracker leaves the row to this call, which tells the catalog.
const CLAIM: TimeDelta = TimeDelta::seconds(4);

/// Whose signature, of which intent.
pub(crate) struct SubmitAsk {
    pub(crate) user_id: UserId,
    pub(crate) intent_id: IntentId,
    pub(crate) signature: Vec<u8>,
}

pub(crate) async fn submit_order(tools: &Tools, woken: &Notify, ask: &SubmitAsk) -> Result<Prepared, Error> {
    if ask.signature.is_empty() || ask.signature.len() > SIGNATURE_MAX {
        return Err(Error::field("signature", "must be 1 to 8192 bytes"));
    }
    let found = store::find_of_user(&tools.db, ask.user_id, ask.intent_id).await?;
    let intent = found.ok_or(Error::NotFound("intent"))?;
    let steps = store::list_steps(&tools.db, ask.intent_id).await?;
    let Some(Step { act: Act::Sign(typed_data), signature: kept, .. }) = steps.last() else {
        return Err(Error::Conflict("the intent's last step is no signature".to_owned()));
    };
    let unreadable = || Error::NotFound("order");
    let (components, exchange) = parse_typed_data(typed_data).ok_or_else(unreadable)?;
    let terms = Terms::of(&components).ok_or_else(unreadable)?;
    accepts(intent.status)?;
    if intent.status == Status::Prepared && intent.deadline_at <= now() {
        // The tracker says so in a moment.
        return Err(Error::Expired);
    }

    let chain = tools.chains.get_enabled(intent.chain_id).await?;
    let hash = signing_hash(&components, intent.chain_id, exchange);
    let signature = check_signature(&chain, terms.maker, hash, &ask.signature).await?;
    let signature = signature.ok_or_else(|| {
        Error::refused("SIGNATURE_INVALID", format!("{} did not sign this order", terms.maker))
    })?;
    if let Some(kept) = kept {
        return answer_kept(tools, woken, (intent, steps.clone()), *kept == signature).await;
    }
    if require_exchange(tools, &chain).await? != exchange {
        return Err(Error::refused(
            "ORDER_INVALID",
            "the chain has another exchange since this was prepared",
        ));
    }
    let counter = read_counter(&chain, exchange, terms.maker).await?;
    if counter != components.counter {
        return Err(Error::refused(
            "ORDER_CANCELLED",
            "all orders of the wallet were cancelled since this was prepared",
        ));
    }
    let order = (order_hash(&components), terms.quantity);
    tokio::try_join!(
        require_untouched(&chain, exchange, order, &terms),
        require_means(&chain, exchange, &terms, &steps)
    )?;
    if let (Side::Offer, Some(currency)) = (terms.side, terms.currency) {
        // Before anybody hears of the offer: what its maker has from now on is told, and what changed between the look
        // above and this is seen by another one. Without it the offer would be shown as one that can be paid for good.
        tools.peers.follow_payer(intent.chain_id, currency, terms.maker).await?;
        require_means(&chain, exchange, &terms, &steps).await?;
    }

    let Some(before) = keep(tools, ask.intent_id, &signature).await? else {
        // Another call was faster.
        let intent = store::find_intent(&tools.db, ask.intent_id).await?.ok_or(Error::NotFound("intent"))?;
        let steps = store::list_steps(&tools.db, ask.intent_id).await?;
        let is_same = steps.last().is_some_and(|step| step.signature.as_ref() == Some(&signature));
        return answer_kept(tools, woken, (intent, steps), is_same).await;
    };
    launch::failpoint("orch.order_signed");
    tell(tools, woken, before).await
}

/// The same signature again gets the same answer again; what is not told yet is told now.
async fn answer_kept(
    tools: &Tools,
    woken: &Notify,
    (intent, steps): (Intent, Vec<Step>),
    is_same: bool,
) -> Result<Prepared, Error> {
    match (is_same, intent.status) {
        (false, _) => Err(Error::Conflict("the order has another signature already".to_owned())),
        (true, Status::Submitted) => tell(tools, woken, intent).await,
        (true, _) => Ok(Prepared { intent, steps }),
    }
}

/// Tells the catalog, and notes that it knows. A catalog that does not answer is told by the tracker later.
async fn tell(tools: &Tools, woken: &Notify, intent: Intent) -> Result<Prepared, Error> {
    let steps = store::list_steps(&tools.db, intent.intent_id).await?;
    let intent = match put_order(&tools.peers, &intent, &steps).await {
        Ok(order_id) => {
            launch::failpoint("orch.order_put");
            note(tools, intent.intent_id, (&Fact::Stored(order_id), "stored")).await?
        }
        Err(Error::OrderRefused(words)) => {
            note(tools, intent.intent_id, (&Fact::Declined(words), "declined by the catalog")).await?
        }
        Err(err) => {
            tracing::warn!(intent.id = %intent.intent_id, error = %err, "an order waits to be told to the catalog");
            woken.notify_one();
            intent
        }
    };
    let steps = store::list_steps(&tools.db, intent.intent_id).await?;
    Ok(Prepared { intent, steps })
}

/// Keeps the signature and moves the intent on; None where one is kept already.
async fn keep(tools: &Tools, intent_id: IntentId, signature: &[u8]) -> Result<Option<Intent>, Error> {
    let mut tx = tools.db.begin().await?;
    let before = store::lock_intent(&mut tx, intent_id).await?.ok_or(Error::NotFound("intent"))?;
    let mut after = before.clone();
    if !after.apply(&Fact::Signed) {
        let steps = store::list_steps(&mut *tx, intent_id).await?;
        if steps.last().is_some_and(|step| step.signature.is_some()) {
            return Ok(None);
        }
        accepts(before.status)?;
        return Err(Error::Conflict(format!("the intent is {}", before.status.as_str())));
    }
    let now = store::clock(&mut *tx).await?;
    store::keep_signature(&mut tx, intent_id, signature).await?;
    write_change(&mut tx, &before, &mut after, "signed", now).await?;
    let settled =
        Settled { pending: after.pending, next_look_at: Some(now + CLAIM), claimed_until: Some(now + CLAIM) };
    store::settle(&mut tx, intent_id, &settled).await?;
    tx.commit().await?;
    tools.statuses.put(&after);
    Ok(Some(after))
}

/// Writes what the catalog said.
async fn note(tools: &Tools, intent_id: IntentId, (fact, cause): (&Fact, &str)) -> Result<Intent, Error> {
    let mut tx = tools.db.begin().await?;
    let before = store::lock_intent(&mut tx, intent_id).await?.ok_or(Error::NotFound("intent"))?;
    let mut after = before.clone();
    if !after.apply(fact) {
        return Ok(before);
    }
    let now = store::clock(&mut *tx).await?;
    write_change(&mut tx, &before, &mut after, cause, now).await?;
    // The tracker decides whether an approval before it is still to be followed.
    let settled = Settled { pending: after.pending, next_look_at: Some(now), claimed_until: None };
    store::settle(&mut tx, intent_id, &settled).await?;
    tx.commit().await?;
    tools.statuses.put(&after);
    Ok(after)
}

/// Whether a state takes a signature, or has taken one.
fn accepts(status: Status) -> Result<(), Error> {
    match status {
        Status::Prepared | Status::Submitted | Status::Ready => Ok(()),
        Status::Expired => Err(Error::Expired),
        status => Err(Error::Conflict(format!("the intent is {}", status.as_str()))),
    }
}

/// Whether the order can still be filled at all.
async fn require_untouched(
    chain: &Chain,
    exchange: Address,
    order: (ids::OrderHash, amounts::U256),
    terms: &Terms,
) -> Result<(), Error> {
    let (on_chain, times) = tokio::try_join!(read_on_chain(chain, exchange, order), read_times(chain))?;
    if on_chain.is_cancelled {
        return Err(Error::refused("ORDER_CANCELLED", "the order is cancelled already"));
    }
    if !on_chain.filled.is_zero() {
        return Err(Error::refused("ORDER_FILLED", "the order is filled already"));
    }
    if times.latest() >= terms.ends_at {
        return Err(Error::refused("ORDER_EXPIRED", "the order is over already"));
    }
    Ok(())
}

/// Whether the maker has what is promised, and the exchange may take it.
async fn require_means(chain: &Chain, exchange: Address, terms: &Terms, steps: &[Step]) -> Result<(), Error> {
    let is_allowed = match (terms.side, terms.token_id, terms.currency) {
        (Side::Listing, Some(token_id), _) => {
            let token = (terms.contract, token_id);
            let (held, approved) = tokio::try_join!(
                read_holding(chain, terms.standard, token, terms.maker),
                is_approved(chain, terms.standard, token, (terms.maker, exchange)),
            )?;
            if held < terms.quantity {
                return Err(Error::refused(
                    "NOT_OWNER",
                    format!("{} has {held} of token {token_id}", terms.maker),
                ));
            }
            approved
        }
        (Side::Offer, _, Some(currency)) => {
            let purse = read_purse(chain, currency, (terms.maker, exchange)).await?;
            let purse =
                purse.ok_or_else(|| Error::refused("ORDER_INVALID", "the currency is no ERC-20 contract"))?;
            if purse.balance < terms.price {
                let message = format!("{} has {} of {currency}", terms.maker, purse.balance);
                return Err(Error::refused("INSUFFICIENT_BALANCE", message));
            }
            purse.allowance >= terms.price
        }
        _ => return Err(Error::refused("ORDER_INVALID", "the order is not one that can be filled here")),
    };
    if is_allowed {
        return Ok(());
    }
    let approved = if terms.side == Side::Listing { Some(terms.contract) } else { terms.currency };
    let is_planned = steps.iter().any(|step| step.transaction().map(|sent| sent.to) == approved);
    let of_one = match (terms.side, terms.standard, terms.token_id) {
        (Side::Listing, Standard::Erc721, Some(token_id)) => format!(" of token {token_id}"),
        _ => String::new(),
    };
    let message = match is_planned {
        true => {
            "the exchange is not approved yet: send the steps before this one, then sign again".to_owned()
        }
        false => format!(
            "the exchange is not approved any more: prepareApprove{of_one} gives the approval, then sign again"
        ),
    };
    Err(Error::refused("NOT_APPROVED", message))
}
