//! Looks at a chain for the transactions that may carry an intent's steps, and says what was learned. Writes nothing.

use std::{collections::HashMap, time::Duration};

use alloy::{
    eips::BlockId,
    primitives::{self, B256, keccak256},
    rpc::types::TransactionRequest,
};
use chrono::{DateTime, TimeDelta, Utc};
use evm::{Node, NodeError, Receipt};
use futures::{StreamExt, TryStreamExt, stream};
use ids::{StepId, TxHash};
use sqlx::PgPool;
use tokio::{
    sync::OnceCell,
    time::{Instant, timeout_at},
};

use crate::{
    conclude::{Held, Seen, Sight, StepState, conclude, conclude_step},
    find_taker::{Used, find_taker},
    intent::{End, Fact, Inclusion, Taker},
    model::{Candidate, Intent, Judgement, Problem, Status, Step, StepStatus, Transaction},
    outcome::{Carried, carried, mismatch, of_logs},
    read_token::is_contract,
    revert, store,
};

/// Hashes that are asked for at once.
const AT_ONCE: usize = 8;
/// How long a look asks; less than a look may take as a whole.
const ASKS_FOR: Duration = Duration::from_millis(6500);
/// How often one is asked for at least that no node has shown.
const RARELY: TimeDelta = TimeDelta::minutes(10);

/// What a look at the chain brought.
#[derive(Debug, Default)]
pub(crate) struct Observed {
    /// For the last step, and with it for the intent.
    pub(crate) facts: Vec<Fact>,
    /// Of every step.
    pub(crate) seen: Vec<Seen>,
    /// Of the steps before the last one.
    pub(crate) steps: Vec<(StepId, StepState)>,
    /// Whether the transaction's block is deeper than reorganisations reach.
    pub(crate) is_settled: bool,
    /// Whether somebody did not answer in time.
    pub(crate) is_partial: bool,
}

/// What is asked about.
pub(crate) struct Question<'a> {
    pub(crate) intent: &'a Intent,
    pub(crate) steps: &'a [Step],
    pub(crate) candidates: &'a [Candidate],
    pub(crate) reorg_depth: u32,
    pub(crate) now: DateTime<Utc>,
    pub(crate) drop_after: TimeDelta,
}

/// A look through one node, which remembers what it has asked.
pub(crate) struct Lens<'a> {
    db: &'a PgPool,
    node: &'a Node,
    intent: &'a Intent,
    head: u64,
    /// When it stops asking; what it has heard by then counts.
    until: Instant,
    is_contract: OnceCell<bool>,
    used: HashMap<u64, Used>,
}

impl<'a> Lens<'a> {
    pub(crate) async fn new(
        db: &'a PgPool,
        node: &'a Node,
        intent: &'a Intent,
    ) -> Result<Lens<'a>, NodeError> {
        let until = Instant::now() + ASKS_FOR;
        let head = node.block_number().await?;
        Ok(Lens { db, node, intent, head, until, is_contract: OnceCell::new(), used: HashMap::new() })
    }

    /// Looks for one hash; also says whose act it is, where it is ours.
    pub(crate) async fn see(&self, step: &Step, tx_hash: TxHash) -> Result<(Sight, String), NodeError> {
        let hash = B256::from(tx_hash);
        let (receipt, transaction) = tokio::join!(self.node.receipt(hash), self.node.transaction(hash));
        let (receipt, transaction) = (receipt?, transaction?);
        let (Some(prepared), Some(seen)) = (step.transaction(), transaction) else {
            // A node that knows the receipt and not the transaction is in the middle of something.
            return Ok((Sight::Unseen, String::new()));
        };
        if let Some(receipt) = &receipt
            && self.is_deep(receipt)
        {
            // What is as deep as this ends things: a receipt of a block that is not the chain's ends nothing.
            match self.node.header_by_number(receipt.block_number).await? {
                Some(header) if header.hash == receipt.block_hash => {}
                Some(_) => return Ok((Sight::Unseen, String::new())),
                None => return Ok((Sight::Unheard, String::new())),
            }
        }
        let Some(words) = mismatch(&seen, prepared) else {
            let nonce = Some(seen.nonce);
            let sight = match receipt {
                Some(receipt) => {
                    let inclusion = Box::new(self.include(step, prepared, &receipt).await);
                    Sight::Mined { inclusion, nonce }
                }
                None => Sight::Waiting { nonce },
            };
            return Ok((sight, String::new()));
        };
        if !self.is_contract(prepared.from.into()).await? {
            return Ok((Sight::Other(words), String::new()));
        }
        let act = act_of(prepared);
        // What a contract account does is carried by somebody else's transaction; its logs will tell.
        let Some(receipt) = receipt else { return Ok((Sight::Visible, act)) };
        let end = match carried(&receipt, &seen, self.intent, prepared) {
            Carried::Done => of_logs(&receipt.logs, self.intent, prepared.to),
            Carried::Failed(problem) => End::Reverted(problem),
            // In another block it may do something else.
            Carried::Not(_) if !self.is_deep(&receipt) => return Ok((Sight::Visible, act)),
            Carried::Not(words) => return Ok((Sight::Other(words), act)),
        };
        Ok((Sight::Mined { inclusion: Box::new(self.inclusion(&receipt, end)), nonce: None }, act))
    }

    /// Whether the wallet is a contract account; asked of the chain only where nobody knew when it was prepared.
    async fn is_contract(&self, account: primitives::Address) -> Result<bool, NodeError> {
        if let Some(is_contract) = self.intent.is_contract_account {
            return Ok(is_contract);
        }
        let asking = self.is_contract.get_or_try_init(async || is_contract(self.node, account).await);
        asking.await.copied()
    }

    /// How many blocks there are from this one on.
    fn confirmations(&self, block: u64) -> u32 {
        u32::try_from(self.head.saturating_sub(block) + 1).unwrap_or(u32::MAX)
    }

    fn is_deep(&self, receipt: &Receipt) -> bool {
        self.confirmations(receipt.block_number) >= self.intent.required_confirmations
    }

    fn inclusion(&self, receipt: &Receipt, end: End) -> Inclusion {
        Inclusion {
            tx_hash: receipt.transaction_hash.into(),
            block: (receipt.block_number, receipt.block_hash.into()),
            confirmations: self.confirmations(receipt.block_number),
            end,
        }
    }

    async fn include(&self, step: &Step, prepared: &Transaction, receipt: &Receipt) -> Inclusion {
        let block = (receipt.block_number, receipt.block_hash.into());
        let tx_hash = TxHash::from(receipt.transaction_hash);
        let known = match (&self.intent.problem, &step.problem) {
            (Some(problem), _) if self.intent.block == Some(block) => Some(problem),
            (_, Some(problem)) if step.status == StepStatus::Failed && step.tx_hash == Some(tx_hash) => {
                Some(problem)
            }
            _ => None,
        };
        let end = match (receipt.is_success, known) {
            (true, _) => of_logs(&receipt.logs, self.intent, prepared.to),
            (false, Some(problem)) => End::Reverted(problem.clone()),
            (false, None) => End::Reverted(reason(self.node, prepared, receipt.block_number).await),
        };
        self.inclusion(receipt, end)
    }

    /// What used a nonce; `known` is what was found to have used it before.
    async fn used(
        &mut self,
        account: primitives::Address,
        nonce: u64,
        known: Option<TxHash>,
    ) -> Result<Used, NodeError> {
        if let Some(used) = self.used.get(&nonce) {
            return Ok(used.clone());
        }
        let mut used = Used::No;
        if let Some(hash) = known.map(B256::from) {
            let (receipt, found) = tokio::join!(self.node.receipt(hash), self.node.transaction(hash));
            if let (Some(receipt), Some(found)) = (receipt?, found?) {
                // A node on a lost branch still has the receipt.
                let header = self.node.header_by_number(receipt.block_number).await?;
                if header.is_some_and(|header| header.hash == receipt.block_hash) {
                    used = Used::By(receipt.block_number, found);
                }
            }
        }
        if used == Used::No {
            let deep =
                self.head.saturating_sub(u64::from(self.intent.required_confirmations.saturating_sub(1)));
            used = find_taker(self.node, (account, nonce), (self.head, deep)).await?;
        }
        self.used.insert(nonce, used.clone());
        Ok(used)
    }

    /// Looks for all hashes of a step. One that waits under a nonce that is used waits no more; what used the nonce may
    /// be the same call under another hash.
    async fn see_all(
        &mut self,
        step: &Step,
        candidates: &[Candidate],
        (now, drop_after): (DateTime<Utc>, TimeDelta),
    ) -> anyhow::Result<Vec<Seen>> {
        let of_step = |candidate: &Candidate| {
            candidate.step_id == step.step_id && candidate.judgement != Judgement::Refused
        };
        let mut asked: Vec<(usize, Candidate)> =
            candidates.iter().cloned().enumerate().filter(|(_, candidate)| of_step(candidate)).collect();
        // What is proven comes first, in case that time ends.
        asked.sort_by_key(|(place, candidate)| (candidate.judgement != Judgement::Verified, *place));
        let lens = &*self;
        let looking = stream::iter(asked).map(|(place, candidate)| async move {
            let seen = lens.see_candidate(step, candidate, (now, drop_after)).await?;
            Ok::<_, sqlx::Error>((place, seen))
        });
        let mut all: Vec<(usize, Seen)> = looking.buffered(AT_ONCE).try_collect().await?;
        all.sort_by_key(|(place, _)| *place);
        let mut all: Vec<Seen> = all.into_iter().map(|(_, seen)| seen).collect();
        let Some(prepared) = step.transaction() else { return Ok(all) };
        for (tx_hash, nonce) in self.supersede(prepared, &mut all).await? {
            let candidate = Candidate::new(step.step_id, tx_hash, Judgement::Verified, Some(nonce));
            let until = self.until;
            let (sight, act) = match timeout_at(until, self.see(step, tx_hash)).await {
                Ok(Ok(seen)) => seen,
                _ => (Sight::Unheard, String::new()),
            };
            // As long as no node shows it, it is searched for again.
            if matches!(sight, Sight::Waiting { .. } | Sight::Mined { .. } | Sight::Superseded { .. }) {
                all.push(Seen { candidate, is_new: true, sight, act, taker: None, asked_at: None });
            } else {
                for seen in all.iter_mut().filter(|seen| seen.candidate.nonce == Some(nonce)) {
                    seen.sight = Sight::Unheard;
                }
            }
        }
        Ok(all)
    }

    /// Looks for one hash that was named; a node that does not answer is nothing that was learned.
    async fn see_candidate(
        &self,
        step: &Step,
        candidate: Candidate,
        (now, drop_after): (DateTime<Utc>, TimeDelta),
    ) -> Result<Seen, sqlx::Error> {
        let mut seen = Seen {
            candidate,
            is_new: false,
            sight: Sight::Unseen,
            act: String::new(),
            taker: None,
            asked_at: None,
        };
        let is_never_seen = seen.candidate.judgement == Judgement::Unseen && seen.candidate.block.is_none();
        let age = seen.candidate.reported_at.map_or(TimeDelta::zero(), |at| now - at);
        if is_never_seen && age >= drop_after {
            let pause = (age / 10).min(RARELY);
            if seen.candidate.asked_at.is_some_and(|asked_at| now - asked_at < pause) {
                return Ok(seen);
            }
            seen.asked_at = Some(now);
        }
        let tx_hash = seen.candidate.tx_hash;
        (seen.sight, seen.act) = match timeout_at(self.until, self.see(step, tx_hash)).await {
            Ok(Ok(said)) => said,
            Ok(Err(err)) => {
                tracing::debug!(intent.id = %self.intent.intent_id, error = %err, "cannot look for a transaction");
                (Sight::Unheard, String::new())
            }
            Err(_) => (Sight::Unheard, String::new()),
        };
        let is_ours = matches!(seen.sight, Sight::Waiting { .. } | Sight::Mined { .. });
        let is_news = is_ours && seen.candidate.judgement != Judgement::Verified;
        if is_news && self.is_elsewhere(tx_hash, &seen.act).await? {
            seen.sight = Sight::Other("it carries another intent".to_owned());
        }
        Ok(seen)
    }

    /// Marks what can come no more; gives the same call's other hashes, which nobody has named.
    async fn supersede(
        &mut self,
        prepared: &Transaction,
        all: &mut [Seen],
    ) -> anyhow::Result<Vec<(TxHash, u64)>> {
        let mined: HashMap<u64, u32> = all
            .iter()
            .filter_map(|seen| match &seen.sight {
                Sight::Mined { nonce: Some(nonce), inclusion } => Some((*nonce, inclusion.confirmations)),
                _ => None,
            })
            .collect();
        let named: Vec<TxHash> = all.iter().map(|seen| seen.candidate.tx_hash).collect();
        let mut found: Vec<(TxHash, u64)> = Vec::new();
        for seen in all {
            let nonce = match seen.sight {
                Sight::Unseen => seen.candidate.nonce,
                Sight::Waiting { nonce } => nonce,
                _ => None,
            };
            let Some(nonce) = nonce else { continue };
            if let Some(confirmations) = mined.get(&nonce).copied() {
                // Another hash of the same call is in a block, which is all that counts.
                seen.sight = Sight::Superseded { by: Taker::Other, confirmations, nonce };
                continue;
            }
            let until = self.until;
            let used =
                match timeout_at(until, self.used(prepared.from.into(), nonce, seen.candidate.taker)).await {
                    Ok(Ok(used)) => used,
                    _ => {
                        seen.sight = Sight::Unheard;
                        continue;
                    }
                };
            let (block, by) = match used {
                Used::No => continue,
                Used::By(_, taker) if taker.hash == B256::from(seen.candidate.tx_hash) => continue,
                Used::By(block, taker) => {
                    let tx_hash = TxHash::from(taker.hash);
                    let is_same_call = mismatch(&taker, prepared).is_none();
                    if !is_same_call {
                        seen.taker = Some(tx_hash);
                    } else if !found.contains(&(tx_hash, nonce)) && !self.is_elsewhere(tx_hash, "").await? {
                        found.push((tx_hash, nonce));
                    }
                    let is_empty =
                        taker.to == Some(taker.from) && taker.value.is_zero() && taker.input.is_empty();
                    (block, if is_empty { Taker::Cancelling } else { Taker::Other })
                }
                Used::Before(block) => (block, Taker::Other),
            };
            seen.sight = Sight::Superseded { by, confirmations: self.confirmations(block), nonce };
        }
        found.retain(|(tx_hash, _)| !named.contains(tx_hash));
        Ok(found)
    }

    /// Whether the transaction is proven to carry another intent.
    pub(crate) async fn is_elsewhere(&self, tx_hash: TxHash, act: &str) -> Result<bool, sqlx::Error> {
        store::is_taken(self.db, self.intent, tx_hash, act).await
    }

    async fn held(&self) -> Result<Held, NodeError> {
        let Some((number, hash)) = self.intent.block else { return Ok(Held::Nowhere) };
        Ok(match self.node.header_by_number(number).await? {
            Some(header) if header.hash == B256::from(hash) => Held::Stands,
            Some(_) => Held::Lost,
            None => Held::Unknown,
        })
    }

    /// Where an earlier step is now; None where that cannot be said.
    async fn conclude_earlier(&self, step: &Step, seen: &[Seen]) -> Option<StepState> {
        let state = conclude_step(seen, self.intent.required_confirmations);
        let is_partial = seen.iter().any(|seen| seen.sight == Sight::Unheard);
        if seen.is_empty() || (is_partial && !state.is_further_than(step.status)) {
            return None;
        }
        if step.status != StepStatus::Done || state.status == StepStatus::Done {
            return Some(state);
        }
        // What is done stays done, unless its block is proven to be lost: nodes lag.
        let done =
            seen.iter().map(|seen| &seen.candidate).find(|known| Some(known.tx_hash) == step.tx_hash)?;
        let Some((number, hash)) = done.block else { return Some(state) };
        let asking = timeout_at(self.until, self.node.header_by_number(number));
        let header = asking.await.ok()?.ok().flatten()?;
        (header.hash != B256::from(hash)).then_some(state)
    }

    /// How deep the block is that held the transaction.
    fn depth(&self) -> u64 {
        self.intent.block.map_or(0, |(number, _)| (self.head + 1).saturating_sub(number))
    }
}

/// Looks for everything.
pub(crate) async fn observe(db: &PgPool, node: &Node, question: &Question<'_>) -> anyhow::Result<Observed> {
    let Question { intent, steps, candidates, reorg_depth, now, drop_after } = *question;
    let mut lens = Lens::new(db, node, intent).await?;
    let mut observed = Observed::default();
    let Some((last, earlier)) = steps.split_last() else { return Ok(observed) };
    let held = lens.held().await?;
    // What is done and stands is only watched until it is too deep to fall.
    let is_watched = intent.status == Status::Ready && held == Held::Stands;
    if !is_watched && last.transaction().is_some() {
        let seen = lens.see_all(last, candidates, (now, drop_after)).await?;
        observed.facts = conclude(intent, &seen, held, (now, drop_after));
        observed.seen.extend(seen);
    }
    observed.is_settled = held == Held::Stands && lens.depth() >= u64::from(reorg_depth);
    for step in earlier {
        let seen = lens.see_all(step, candidates, (now, drop_after)).await?;
        if let Some(state) = lens.conclude_earlier(step, &seen).await {
            observed.steps.push((step.step_id, state));
        }
        observed.seen.extend(seen);
    }
    observed.is_partial = observed.seen.iter().any(|seen| seen.sight == Sight::Unheard);
    Ok(observed)
}

/// Whose act in a transaction it is: that of an account that does just this.
fn act_of(prepared: &Transaction) -> String {
    let value = prepared.value.to_be_bytes::<32>();
    let to = primitives::Address::from(prepared.to);
    let call = keccak256([to.as_slice(), &value, &prepared.data].concat());
    format!("{}/{call}", prepared.from)
}

/// Why it reverted, found by calling it again on the state before its block, then on the one after.
async fn reason(node: &Node, prepared: &Transaction, block: u64) -> Problem {
    let request = TransactionRequest::default()
        .from(prepared.from.into())
        .to(prepared.to.into())
        .value(prepared.value)
        .input(prepared.data.clone().into());
    for number in [block.saturating_sub(1), block] {
        if let Err(err) = node.call(&request, BlockId::number(number), None).await
            && err.is_revert()
        {
            return revert::decode(err.revert_data());
        }
    }
    let message = "the transaction reverted, and why is not known any more".to_owned();
    Problem { code: "TX_WILL_FAIL".to_owned(), message }
}
