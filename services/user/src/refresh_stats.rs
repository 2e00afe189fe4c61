//! Asks the catalog for the figures of users whom an event marked. Never in a hurry and never in a circle: in bounded
//! batches, with a deadline, and with a growing pause while the catalog is away.

use std::{collections::HashMap, time::Duration};

use ids::UserId;
use proto::catalog::v1::{OwnerStats, OwnerStatsRequest, catalog_service_client::CatalogServiceClient};
use rpc::{Code, Problem};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;
use tonic::{Request, Status};
use uuid::Uuid;

use crate::{
    change_roles::grant_creator,
    error::Error,
    find_users::show_change,
    store::{self, Cache, Claimed, FigureRow},
};

/// Users a batch.
const MOST: i64 = 50;
/// Addresses a call, as the catalog bounds it.
const ADDRESSES: usize = 100;
const DEADLINE: Duration = Duration::from_secs(3);
const LOOK_EVERY: Duration = Duration::from_secs(1);
const LONGEST_PAUSE: Duration = Duration::from_secs(60);
/// A collection of which nothing was told for so long has settled; one that never does is looked at after ten times that.
const QUIET_SECS: f64 = 60.0;

type Catalog = CatalogServiceClient<rpc::Channel>;

/// Why a batch did not come to its end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unrefreshed {
    /// The catalog did not answer.
    #[error("the catalog did not answer")]
    Away(#[source] Status),
    /// The catalog answered something else.
    #[error("the catalog's answer does not fit the question")]
    Misfit,
    /// Our own store failed.
    #[error("the figures cannot be written")]
    Own(#[from] Error),
}

impl Unrefreshed {
    /// Whether asking about fewer users would lead to nothing either.
    fn is_outage(&self) -> bool {
        match self {
            Unrefreshed::Away(status) => {
                matches!(Problem::from(status).code, Code::Unavailable | Code::DeadlineExceeded)
            }
            Unrefreshed::Misfit => false,
            Unrefreshed::Own(err) => !matches!(err, Error::Store(sqlx::Error::Database(_))),
        }
    }
}

impl From<sqlx::Error> for Unrefreshed {
    fn from(err: sqlx::Error) -> Unrefreshed {
        Unrefreshed::Own(err.into())
    }
}

/// Refreshes until it is told to stop.
pub(crate) async fn refresh_stats(
    db: PgPool,
    cache: Cache,
    catalog: Catalog,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let mut failures = 0;
    loop {
        // Nothing is lost by letting go in the middle: a claim ends by itself.
        let done = tokio::select! {
            () = stopping.cancelled() => return Ok(()),
            done = refresh_batch(&db, &cache, &catalog) => done,
        };
        let pause = match done {
            Ok(users) => {
                failures = 0;
                if users < MOST as usize { LOOK_EVERY } else { Duration::ZERO }
            }
            Err(err) => {
                failures += 1;
                let error = format!("{:#}", anyhow::Error::from(err));
                tracing::warn!(error, failures, "could not refresh figures");
                pause_after(failures)
            }
        };
        tokio::select! { () = stopping.cancelled() => return Ok(()), () = tokio::time::sleep(pause) => {} }
    }
}

fn pause_after(failures: u32) -> Duration {
    LOOK_EVERY.saturating_mul(1 << failures.min(6)).min(LONGEST_PAUSE)
}

/// Refreshes the longest marked users, and says how many there were.
pub(crate) async fn refresh_batch(
    db: &PgPool,
    cache: &Cache,
    catalog: &Catalog,
) -> Result<usize, Unrefreshed> {
    let claimed = store::claim_dirty(db, MOST).await?;
    if claimed.len() < MOST as usize {
        settle_collections(db).await?;
    }
    if claimed.is_empty() {
        return Ok(0);
    }
    match refresh(db, cache, catalog, &claimed).await {
        Ok(()) => Ok(claimed.len()),
        Err(err) if err.is_outage() => {
            release(db, &claimed).await?;
            Err(err)
        }
        Err(err) => one_by_one(db, cache, catalog, &claimed, err).await,
    }
}

/// Asks about these users and writes what the catalog says.
async fn refresh(
    db: &PgPool,
    cache: &Cache,
    catalog: &Catalog,
    claimed: &[Claimed],
) -> Result<(), Unrefreshed> {
    let figures = ask(db, catalog, &rows(claimed)).await?;
    launch::failpoint("user.stats_asked_unwritten");
    write(db, cache, claimed, &figures).await?;
    Ok(())
}

/// Finds the user for whom a batch failed, so that nobody else has to wait. A user who fails is left until the claim ends.
async fn one_by_one(
    db: &PgPool,
    cache: &Cache,
    catalog: &Catalog,
    claimed: &[Claimed],
    mut failure: Unrefreshed,
) -> Result<usize, Unrefreshed> {
    let mut refreshed = 0;
    for (at, row) in claimed.iter().enumerate() {
        match refresh(db, cache, catalog, std::slice::from_ref(row)).await {
            Ok(()) => refreshed += 1,
            Err(err) if err.is_outage() => {
                release(db, &claimed[at..]).await?;
                return Err(err);
            }
            Err(err) => {
                tracing::warn!(user.id = %row.user_id, error = %err, "could not refresh a user's figures");
                failure = err;
            }
        }
    }
    // Where nobody's figures can be had there is no hurry.
    if refreshed == 0 { Err(failure) } else { Ok(claimed.len()) }
}

/// Not for the end of the claim: when the catalog is back, it goes on at once.
async fn release(db: &PgPool, claimed: &[Claimed]) -> Result<(), Unrefreshed> {
    let mut tx = db.begin().await?;
    store::lock_stats(&mut tx, &rows(claimed)).await?;
    store::release_claims(&mut tx, claimed).await?;
    tx.commit().await?;
    Ok(())
}

fn rows(claimed: &[Claimed]) -> Vec<Uuid> {
    claimed.iter().map(|row| row.user_id).collect()
}

/// What each account of these users has. Nothing is locked meanwhile: a follow does not wait for the catalog.
async fn ask(db: &PgPool, catalog: &Catalog, users: &[Uuid]) -> Result<Vec<FigureRow>, Unrefreshed> {
    let accounts = store::list_accounts_of(db, users).await?;
    let owners: HashMap<String, UserId> =
        accounts.iter().map(|account| (account.identity.clone(), account.user_id)).collect();
    let mut figures = Vec::with_capacity(accounts.len());
    for part in accounts.chunks(ADDRESSES) {
        let addresses = part.iter().map(|account| account.identity.clone()).collect();
        let mut request = Request::new(OwnerStatsRequest { addresses });
        request.set_timeout(DEADLINE);
        let answer = catalog.clone().owner_stats(request).await.map_err(Unrefreshed::Away)?.into_inner();
        if answer.owners.len() != part.len() {
            return Err(Unrefreshed::Misfit);
        }
        for owner in answer.owners {
            let user_id = *owners.get(&owner.address).ok_or(Unrefreshed::Misfit)?;
            figures.push(figure(user_id, owner).ok_or(Unrefreshed::Misfit)?);
        }
    }
    Ok(figures)
}

/// What the catalog says, if it is what figures are: nothing negative, and volumes in digits.
fn figure(user_id: UserId, owner: OwnerStats) -> Option<FigureRow> {
    let counts = [
        owner.collections_count,
        owner.items_count,
        owner.listings_count,
        owner.sales_count,
        owner.purchases_count,
    ];
    let is_volume = |text: &str| (1..=100).contains(&text.len()) && text.bytes().all(|b| b.is_ascii_digit());
    let fits = counts.iter().all(|count| *count >= 0)
        && is_volume(&owner.volume_sold)
        && is_volume(&owner.volume_purchased);
    fits.then_some(FigureRow {
        user_id: user_id.0,
        collections_count: owner.collections_count,
        items_count: owner.items_count,
        listings_count: owner.listings_count,
        sales_count: owner.sales_count,
        purchases_count: owner.purchases_count,
        volume_sold: owner.volume_sold,
        volume_purchased: owner.volume_purchased,
    })
}

async fn write(db: &PgPool, cache: &Cache, claimed: &[Claimed], figures: &[FigureRow]) -> Result<(), Error> {
    // A wallet that is linked later brings its collections along.
    let creators: Vec<Uuid> =
        figures.iter().filter(|row| row.collections_count > 0).map(|row| row.user_id).collect();
    let mut tx = db.begin().await?;
    let granted = grant_creator(&mut tx, &creators).await?;
    store::lock_stats(&mut tx, &rows(claimed)).await?;
    store::write_figures(&mut tx, claimed, figures).await?;
    tx.commit().await?;
    show_change(db, cache, &granted).await
}

/// Collections of which many tokens changed at once: the messages named nobody, so everybody who may have some is asked
/// about once they have settled, a batch at a time. Then they are forgotten.
async fn settle_collections(db: &PgPool) -> Result<(), Error> {
    let Some(until) = store::find_settled_collections(db, QUIET_SECS).await? else { return Ok(()) };
    let mut tx = db.begin().await?;
    if store::mark_older(&mut tx, until, 10 * MOST).await? == 0 {
        store::delete_dirty_collections(&mut tx, until).await?;
    }
    tx.commit().await?;
    Ok(())
}

#[cfg(test)]
#[path = "refresh_stats_tests.rs"]
mod tests;
