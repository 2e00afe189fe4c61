//! The approvals in force of an owner. The first page, which everybody asks for, is cached.

use std::{
    hash::{BuildHasher, RandomState},
    sync::Arc,
};

use ids::{Address, ChainId};
use sqlx::PgPool;
use tokio::sync::Mutex;

use crate::{
    error::Error,
    model::Approval,
    page::{Page, Position, one_more},
    store::{self, ApprovalsCache, Found},
};

/// The largest page; the cached one has it, and others are cut from it.
pub(crate) const PAGE_MAX: usize = 100;
const STRIPES: usize = 64;

/// Reads approvals through the cache; of those who miss the same page at once, one asks the database.
#[derive(Clone)]
pub(crate) struct Approvals {
    db: PgPool,
    cache: ApprovalsCache,
    reading: Arc<[Mutex<()>; STRIPES]>,
    stripe: RandomState,
}

impl Approvals {
    pub(crate) fn of(db: PgPool, cache: ApprovalsCache) -> Approvals {
        let reading = Arc::new(std::array::from_fn(|_| Mutex::new(())));
        Approvals { db, cache, reading, stripe: RandomState::new() }
    }

    /// A page of an owner's approvals, after a position.
    pub(crate) async fn list(
        &self,
        owner: Address,
        chain_id: ChainId,
        after: Position,
        size: usize,
    ) -> Result<Page<Approval>, Error> {
        let rows = if after == Position::START {
            self.first(owner, chain_id).await?
        } else {
            store::list_approvals(&self.db, owner, chain_id, after, one_more(size)).await?
        };
        Ok(Page::cut(rows, size))
    }

    /// As many as the largest page needs.
    async fn first(&self, owner: Address, chain_id: ChainId) -> Result<Vec<Approval>, Error> {
        let name = owner.to_lower();
        let read = || store::list_approvals(&self.db, owner, chain_id, Position::START, one_more(PAGE_MAX));
        match self.cache.find(chain_id, &name).await {
            Found::Page(rows) => return Ok(rows),
            Found::Away => return Ok(read().await?),
            Found::Nothing(_) => {}
        }
        let stripe = self.stripe.hash_one((chain_id, owner)) % STRIPES as u64;
        let _turn = self.reading[usize::try_from(stripe).unwrap_or_default()].lock().await;
        match self.cache.look(chain_id, &name).await {
            Found::Page(rows) => Ok(rows),
            Found::Away => Ok(read().await?),
            Found::Nothing(seen) => {
                let rows = read().await?;
                self.cache.put(chain_id, &name, &seen, &rows).await;
                Ok(rows)
            }
        }
    }
}
