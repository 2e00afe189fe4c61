//! Contract accounts are asked again: what a contract answered at the sign-in can stop being true, because an owner was
//! removed or a module added. A key's signature stays what it was and is never asked about.

use std::{
    collections::BTreeMap,
    time::{Duration, Instant},
};

use chrono::{DateTime, TimeDelta, Utc};
use futures::{StreamExt, TryStreamExt, stream};
use ids::SessionId;
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    contract::{Contracts, Verdict},
    error::{Error, Refused},
    revoke_sessions::tell,
    store::{self, Asked, Mirror},
};

/// How long an answer counts at a refresh.
const FRESH: TimeDelta = TimeDelta::minutes(5);
/// How long a session goes on while its chain cannot be asked, and how old an answer may become while nobody refreshes.
const TRUSTED: TimeDelta = TimeDelta::hours(1);
const EVERY: Duration = Duration::from_secs(5);
const BATCH: i64 = 50;
/// What is left then waits for the next turn.
const TURN_ENDS_AFTER: Duration = Duration::from_secs(20);
/// The last question of a turn has to end before.
const LEASE: TimeDelta = TimeDelta::seconds(60);
const LEASE_NAME: &str = "ask again";
const CHAINS_AT_ONCE: usize = 4;
/// How far an endpoint may be behind the one that answered before. What is older says nothing of now.
const BLOCKS_BEHIND_MAX: i64 = 64;

/// How far a session's signature is still believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Trust {
    /// Nobody needs to be asked.
    Fresh,
    /// To be asked; if nobody answers, it goes on.
    Fading,
    /// To be asked, and nothing goes on without an answer.
    Gone,
}

impl Trust {
    /// By the method that checked the signature, and when it last did.
    pub(crate) fn of(method: &str, verified_at: DateTime<Utc>, now: DateTime<Utc>) -> Trust {
        match now - verified_at {
            _ if method == "eoa" => Trust::Fresh,
            age if age < FRESH => Trust::Fresh,
            age if age < TRUSTED => Trust::Fading,
            _ => Trust::Gone,
        }
    }
}

impl Asked {
    fn trust(&self) -> Trust {
        Trust::of(&self.method, self.verified_at, self.now)
    }
}

/// Asks contracts about sessions.
#[derive(Clone)]
pub(crate) struct Asker {
    db: PgPool,
    mirror: Mirror,
    contracts: Contracts,
}

impl Asker {
    pub(crate) fn new(db: PgPool, mirror: Mirror, contracts: Contracts) -> Asker {
        Asker { db, mirror, contracts }
    }

    /// Fails if the contract takes its signature back, which ends the session, or if it has not been heard for too long.
    pub(crate) async fn ask_again(&self, session_id: SessionId) -> Result<(), Error> {
        let Some(asked) = store::find_proof(&self.db, session_id).await? else {
            return Err(Refused::RefreshExpired.into());
        };
        match self.ask(&asked).await {
            Ok(Verdict::Accepted(..)) => Ok(()),
            Ok(Verdict::Refused { .. }) => Err(Refused::RefreshExpired.into()),
            // Only where the chain is away: whoever keeps it busy must not get around the question.
            Err(Error::Unavailable(_)) if asked.trust() != Trust::Gone => Ok(()),
            Err(err) => Err(err),
        }
    }

    /// Asks, and does what the answer means. Fails with nothing done where the chain could not be asked.
    async fn ask(&self, asked: &Asked) -> Result<Verdict, Error> {
        let verdict = match asked.account_id.parse() {
            Ok(account) => self.contracts.check(&account, &asked.message, &asked.signature).await?,
            Err(_) => Verdict::Refused { as_of: None },
        };
        if verdict.as_of().is_some_and(|block| block < asked.block_number - BLOCKS_BEHIND_MAX) {
            tracing::warn!(session.id = %asked.session_id, chain.id = asked.chain_id, "a chain answers as of long ago");
            return Err(Error::Unavailable("chain"));
        }
        match &verdict {
            Verdict::Accepted(_, proof) => {
                store::mark_verified(&self.db, asked.session_id, proof).await?;
            }
            Verdict::Refused { .. } => {
                let mut tx = self.db.begin().await?;
                let reason = "signature_withdrawn";
                let ended = store::revoke_by_ids(&mut tx, asked.user_id, &[asked.session_id], reason).await?;
                let revocation = tell(&mut tx, asked.user_id, ended, reason).await?;
                tx.commit().await?;
                self.mirror.sessions_revoked(&revocation);
            }
        }
        Ok(verdict)
    }

    /// Asks about sessions that nobody refreshes, until told to stop. Of several processes one does.
    pub(crate) async fn run(self, stopping: CancellationToken) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                () = tokio::time::sleep(EVERY) => {}
            }
            let turn = stopping.run_until_cancelled(self.turn()).await;
            if let Some(Err(err)) = turn {
                tracing::warn!(error = &err as &dyn std::error::Error, "could not ask contracts again");
            }
        }
    }

    /// One look at all that is due, for a bounded time.
    async fn turn(&self) -> Result<(), Error> {
        if !store::take_lease(&self.db, LEASE_NAME, LEASE).await? {
            return Ok(());
        }
        let looked = self.look().await;
        store::end_lease(&self.db, LEASE_NAME).await?;
        looked
    }

    /// Chains are asked beside each other, and one that gives no answer is left alone until the next look. It begins
    /// behind the session that got none then.
    async fn look(&self) -> Result<(), Error> {
        let (began, began_at) = (Instant::now(), store::clock(&self.db).await?);
        let mut left = Vec::new();
        while began.elapsed() < TURN_ENDS_AFTER {
            let batch = store::list_due_proofs(&self.db, TRUSTED, began_at, &left, BATCH).await?;
            if batch.is_empty() {
                break;
            }
            let mut by_chain: BTreeMap<String, Vec<Asked>> = BTreeMap::new();
            for due in batch {
                by_chain.entry(due.chain_id.clone()).or_default().push(due);
            }
            let asking = by_chain.into_iter().map(|(chain_id, due)| async move {
                let is_answering = self.ask_all(&due, began).await?;
                Ok::<_, Error>((!is_answering).then_some(chain_id))
            });
            let away: Vec<_> = stream::iter(asking).buffer_unordered(CHAINS_AT_ONCE).try_collect().await?;
            left.extend(away.into_iter().flatten());
        }
        Ok(())
    }

    /// Whether the sessions' chain answers.
    async fn ask_all(&self, due: &[Asked], began: Instant) -> Result<bool, Error> {
        for due in due {
            if began.elapsed() >= TURN_ENDS_AFTER {
                break;
            }
            match self.ask(due).await {
                Ok(_) => {}
                Err(Error::Unavailable(_)) => {
                    store::mark_asked(&self.db, due.session_id).await?;
                    return Ok(false);
                }
                Err(Error::Busy) => return Ok(false),
                Err(err) => return Err(err),
            }
        }
        Ok(true)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_never_asked_and_a_contract_is_believed_for_an_hour() {
        let now = Utc::now();
        let at = |method, minutes| Trust::of(method, now - TimeDelta::minutes(minutes), now);
        assert_eq!(at("eoa", 100_000), Trust::Fresh);
        assert_eq!((at("eip1271", 4), at("eip1271", 5)), (Trust::Fresh, Trust::Fading));
        assert_eq!((at("erc6492", 59), at("erc6492", 60)), (Trust::Fading, Trust::Gone));
    }
}
