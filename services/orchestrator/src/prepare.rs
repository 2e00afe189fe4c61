//! What all preparations share: the same request gives the same intent, and the intent is stored with its steps, its
//! audit row and its fact in one transaction. How the steps are tried and priced is in `simulate.rs`.

use chrono::TimeDelta;
use ids::{Address, IntentId, TokenId, UserId};
use serde::Serialize;
use serde_json::Value;
use sqlx::PgPool;
use uuid::Uuid;

use crate::{
    ask::{Violation, request_hash},
    chains::{Chain, Chains},
    change::write_first,
    error::Error,
    market::Exchanges,
    model::{Intent, Kind, PendingCollection, Status, Step, now},
    peers::Peers,
    read_token::is_contract,
    store,
};

/// Who asks, and under which key.
pub(crate) struct Asker {
    pub(crate) user_id: UserId,
    pub(crate) session_id: Option<String>,
    pub(crate) request_id: String,
}

/// What a preparation needs.
#[derive(Clone)]
pub(crate) struct Tools {
    pub(crate) db: PgPool,
    pub(crate) chains: Chains,
    pub(crate) peers: Peers,
    pub(crate) statuses: store::Statuses,
    pub(crate) intent_ttl: TimeDelta,
    pub(crate) gas_margin_percent: u32,
    /// What a collection may ask for its creator at most.
    pub(crate) royalty_max_bps: u16,
    /// The exchanges that were found to be what the registry says.
    pub(crate) exchanges: Exchanges,
}

/// An intent with what is to be signed.
#[derive(Debug, Clone, PartialEq)]
pub(crate) struct Prepared {
    pub(crate) intent: Intent,
    pub(crate) steps: Vec<Step>,
}

/// What was prepared under this key before. The same ask gets it again, another one is refused.
pub(crate) async fn find_prepared(
    db: &PgPool,
    asker: &Asker,
    hash: &[u8],
) -> Result<Option<Prepared>, Error> {
    let Some(intent) = store::find_by_request(db, asker.user_id, &asker.request_id).await? else {
        return Ok(None);
    };
    if intent.request_hash != hash {
        return Err(Error::RequestReused);
    }
    let steps = store::list_steps(db, intent.intent_id).await?;
    Ok(Some(Prepared { intent, steps }))
}

/// Fails with all that is wrong, if anything is.
pub(crate) fn require_valid(violations: Vec<Violation>) -> Result<(), Error> {
    if violations.is_empty() { Ok(()) } else { Err(Error::Invalid(violations)) }
}

/// The chain gave no answer that could be used.
pub(crate) fn unreachable_node(err: &evm::NodeError) -> Error {
    tracing::warn!(error = %err, "the chain gave no answer");
    Error::Unavailable("the chain")
}

/// What an intent is about.
pub(crate) struct Subject {
    pub(crate) intent_id: IntentId,
    pub(crate) kind: Kind,
    pub(crate) from: Address,
    pub(crate) preview_address: Option<Address>,
    pub(crate) salt: Option<ids::Hash32>,
    pub(crate) contract: Option<Address>,
    pub(crate) token_ids: Vec<TokenId>,
    pub(crate) order_id: Option<Uuid>,
    /// Whether READY waits for the catalog's word on the contract.
    pub(crate) awaits_catalog: bool,
}

impl Subject {
    /// A fresh intent of a wallet, about nothing yet, that the chain's word alone makes READY.
    pub(crate) fn of(kind: Kind, from: Address) -> Subject {
        Subject {
            intent_id: IntentId::new(),
            kind,
            from,
            preview_address: None,
            salt: None,
            contract: None,
            token_ids: Vec::new(),
            order_id: None,
            awaits_catalog: false,
        }
    }
}

/// A fresh intent that waits for its signature.
fn draft(asker: &Asker, ask: &impl Serialize, chain: &Chain, subject: Subject, ttl: TimeDelta) -> Intent {
    let now = now();
    Intent {
        intent_id: subject.intent_id,
        kind: subject.kind,
        chain_id: chain.chain_id,
        created_by: asker.user_id,
        session_id: asker.session_id.clone(),
        from: subject.from,
        preview_address: subject.preview_address,
        salt: subject.salt,
        request_id: asker.request_id.clone(),
        request_hash: request_hash(ask),
        payload: serde_json::to_value(ask).unwrap_or(Value::Null),
        required_confirmations: chain.confirmations,
        deadline_at: now + ttl,
        created_at: now,
        updated_at: now,
        revision: 1,
        status: Status::Prepared,
        tx_hash: None,
        problem: None,
        contract: subject.contract,
        token_ids: subject.token_ids,
        confirmations: None,
        block: None,
        unseen_since: None,
        catalogued_at: None,
        pending: PendingCollection::None,
        order_id: subject.order_id,
        awaits_catalog: subject.awaits_catalog,
        is_order_due: false,
        is_contract_account: None,
    }
}

/// Stores the intent, or answers with the one that another call stored under the same key meanwhile.
pub(crate) async fn store_prepared(
    tools: &Tools,
    asker: &Asker,
    (ask, chain): (&impl Serialize, &Chain),
    subject: Subject,
    steps: Vec<Step>,
) -> Result<Prepared, Error> {
    let intent = draft(asker, ask, chain, subject, tools.intent_ttl);
    let mut prepared = Prepared { intent, steps };
    prepared.intent.is_contract_account = tell_contract_account(tools, &prepared.intent).await;
    let mut tx = tools.db.begin().await?;
    // One clock tells all times of a row, whichever process writes it.
    let skew = store::clock(&mut *tx).await? - prepared.intent.created_at;
    prepared.intent.created_at += skew;
    prepared.intent.updated_at += skew;
    prepared.intent.deadline_at += skew;
    if !store::insert_intent(&mut tx, &prepared.intent).await? {
        tx.rollback().await?;
        let winner = find_prepared(&tools.db, asker, &prepared.intent.request_hash).await?;
        return winner.ok_or(Error::Conflict("the request id was taken meanwhile".to_owned()));
    }
    for (position, step) in (0..).zip(&prepared.steps) {
        store::insert_step(&mut tx, &prepared.intent, position, step).await?;
    }
    write_first(&mut tx, &prepared.intent).await?;
    launch::failpoint("orch.intent_inserted");
    tx.commit().await?;
    tools.statuses.put(&prepared.intent);
    tools.peers.note_intent(&prepared.intent).await;
    Ok(prepared)
}

/// Whether the wallet is a contract account: one that has code, or that wallet keeps as one though it has none yet.
async fn tell_contract_account(tools: &Tools, intent: &Intent) -> Option<bool> {
    let code = async {
        let chain = tools.chains.get(intent.chain_id).await.ok()?;
        is_contract(&chain.node, intent.from.into()).await.ok()
    };
    let kept = tools.peers.is_contract_wallet(intent.created_by, intent.from);
    match tokio::join!(code, kept) {
        (Some(true), _) | (_, Some(true)) => Some(true),
        (Some(false), Some(false)) => Some(false),
        _ => None,
    }
}
