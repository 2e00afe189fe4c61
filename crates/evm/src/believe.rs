//! Whose head is believed. An endpoint may be behind, and one may tell of blocks that nobody else will ever have: no
//! endpoint is left on another one's bare word.

use std::{
    sync::Arc,
    time::{Duration, Instant, SystemTime},
};

use alloy::primitives::U64;
use serde::{Deserialize, de::DeserializeOwned};
use serde_json::{Value, json};
use tokio::time::{sleep, timeout};

use crate::{
    Node, NodeError,
    live::{Live, Reason},
    read::WireHeader,
    wire::{self, Failure},
};

/// A question of the node's own that takes longer than this is no sign of health.
pub(crate) const WITHIN: Duration = Duration::from_secs(2);
/// Behind one address may be several nodes, and the one that is asked next a moment behind.
const CONFIRMED_AGAIN_AFTER: Duration = Duration::from_millis(500);
/// A header comes with the hashes of all its transactions, and who asks may read less than that.
pub(crate) const ANSWER_BYTES: usize = 4 * 1024 * 1024;
/// So much faster than usual may blocks come.
const HASTE: u64 = 4;

/// What a head is worth as far as its own endpoint and what was told lately show.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    /// About where the chain is known to be.
    Fresh,
    /// Farther ahead of that than chains go in so short a time.
    Jump,
    /// Behind it.
    Behind,
    /// Nothing speaks against it, but it is time to hear another endpoint.
    Unheard,
}

/// Between a head and an endpoint that is far behind it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Verdict {
    Believed,
    Refuted,
    /// The other one does not answer.
    Open,
}

#[derive(Deserialize)]
struct Block {
    number: U64,
}

impl Node {
    /// Whether one head is so far behind another one that it matters.
    pub(crate) fn is_far_behind(&self, number: u64, than: u64) -> bool {
        number.saturating_add(self.inner.tolerance()) < than
    }

    /// How a head stands to what was told of lately. One that is far ahead, its endpoint has to have.
    pub(crate) async fn stand(
        &self,
        live: &Live,
        number: u64,
        is_comparison: bool,
    ) -> Result<Standing, Failure> {
        let known = self.inner.highest_head(Instant::now());
        if known.is_none_or(|known| self.is_far_behind(known, number)) {
            self.confirm(live, number).await?;
            if known.is_some() {
                return Ok(Standing::Jump);
            }
        }
        let is_due = live.saw_head(number, Instant::now()) && !is_comparison;
        Ok(match known {
            Some(known) if self.is_far_behind(number, known) => Standing::Behind,
            _ if is_due => Standing::Unheard,
            _ => Standing::Fresh,
        })
    }

    /// An endpoint has the block that it says is the newest. That it is the same one is not asked: it may be another one
    /// a moment later.
    pub(crate) async fn confirm(&self, live: &Live, number: u64) -> Result<(), Failure> {
        let params = json!([U64::from(number), false]);
        for is_again in [false, true] {
            if is_again {
                sleep(CONFIRMED_AGAIN_AFTER).await;
            }
            live.charge(Instant::now());
            let found: Option<Block> =
                wire::ask(&live.endpoint, "eth_getBlockByNumber", &params, self.own_limit())
                    .await
                    .map_err(Failure::blaming_endpoint)?;
            match found {
                Some(block) if block.number.to::<u64>() == number => return Ok(()),
                Some(_) => return Err(NodeError::Lie("another block than its own head").into()),
                None => {}
            }
        }
        Err(NodeError::Lie("a head that the endpoint does not have").into())
    }

    /// Whether a head far ahead of all that was told of is the chain's: a second endpoint is asked. Where none answers,
    /// there is nobody else to believe.
    pub(crate) async fn is_believed(&self, live: &Arc<Live>, number: u64, deadline: Instant) -> bool {
        let now = Instant::now();
        let others: Vec<_> = self.inner.all();
        for other in others.iter().filter(|other| !other.is_same(live) && other.left(now).is_none()) {
            match self.settle((live, number), other, deadline).await {
                Verdict::Believed => break,
                Verdict::Refuted => return false,
                Verdict::Open => {}
            }
        }
        live.saw_head(number, Instant::now());
        true
    }

    /// Leaves the wrong one of two whose heads are far apart; false where that is the one with the higher head.
    pub(crate) async fn outruns(
        &self,
        (high, number): (&Arc<Live>, u64),
        low: &Arc<Live>,
        deadline: Instant,
    ) -> bool {
        if low.is_same(high) || low.left(Instant::now()) == Some(Reason::Lagging) {
            return true;
        }
        self.settle((high, number), low, deadline).await != Verdict::Refuted
    }

    /// The higher head is the chain's where the other endpoint has that block, or a third one, or where the other one's
    /// own head is so old that as many blocks may have come since. An endpoint that is behind without excuse is left,
    /// and so is one whose head is not believed.
    async fn settle(&self, (high, number): (&Arc<Live>, u64), low: &Arc<Live>, deadline: Instant) -> Verdict {
        let latest = json!(["latest", false]);
        let Some(head) = self.peek::<WireHeader>(low, "eth_getBlockByNumber", &latest, deadline).await else {
            return Verdict::Open;
        };
        let told: u64 = head.number.to();
        if !self.is_far_behind(told, number) {
            return Verdict::Believed;
        }
        let is_true = match self.has(low, number, deadline).await {
            None => return Verdict::Open,
            Some(true) => true,
            Some(false) if self.may_have_come_since(&head, number) => true,
            Some(false) => self.has_another([high, low], number, deadline).await,
        };
        if is_true {
            self.leave(low, Reason::Lagging, "", "behind what another endpoint says");
            return Verdict::Believed;
        }
        self.leave(high, Reason::Lying, "", "a head that no other endpoint has");
        Verdict::Refuted
    }

    /// Whether so many blocks may have come since an endpoint's head was made.
    pub(crate) fn may_have_come_since(&self, head: &WireHeader, number: u64) -> bool {
        let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        let age = now.saturating_sub(Duration::from_secs(head.timestamp.to()));
        let usual =
            u64::try_from(age.as_millis() / self.inner.block_time().as_millis().max(1)).unwrap_or(u64::MAX);
        let most = usual.saturating_mul(HASTE).saturating_add(self.inner.tolerance());
        number.saturating_sub(head.number.to()) <= most
    }

    async fn has_another(&self, than: [&Arc<Live>; 2], number: u64, deadline: Instant) -> bool {
        let now = Instant::now();
        for third in self.inner.all() {
            let is_third = !than.iter().any(|live| live.is_same(&third)) && third.left(now).is_none();
            if is_third && self.has(&third, number, deadline).await == Some(true) {
                return true;
            }
        }
        false
    }

    /// Whether an endpoint has a block; None where it does not say.
    pub(crate) async fn has(&self, live: &Live, number: u64, deadline: Instant) -> Option<bool> {
        let params = json!([U64::from(number), false]);
        let found: Option<Block> = self.peek(live, "eth_getBlockByNumber", &params, deadline).await?;
        Some(found.is_some_and(|block| block.number.to::<u64>() == number))
    }

    /// A question of the node's own. None where there is no room for it, or no answer soon.
    pub(crate) async fn peek<T: DeserializeOwned>(
        &self,
        live: &Live,
        method: &str,
        params: &Value,
        deadline: Instant,
    ) -> Option<T> {
        let now = Instant::now();
        live.admit(now).ok()?;
        let within = WITHIN.min(self.limits.endpoint).min(deadline.saturating_duration_since(now));
        let asked = timeout(within, async {
            self.inner.prove_chain(live, self.own_limit()).await.ok()?;
            wire::ask(&live.endpoint, method, params, self.own_limit()).await.ok()
        });
        asked.await.ok()?
    }

    fn own_limit(&self) -> usize {
        self.limits.answer_bytes.max(ANSWER_BYTES)
    }
}
