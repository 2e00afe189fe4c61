//! The door for facts: sign-ins, links of wallets, and what the catalog says has changed.

use bus::{Bus, Failure, Handled};
use events::{
    Envelope, Fact,
    auth::LoggedIn,
    topology,
    wallets::{WalletLinked, WalletUnlinked},
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    ensure_user::create,
    find_users::show_change,
    follow_wallet::follow_wallet,
    mark_stats::{concerns, mark_stats},
    model::{Account, Word},
    store::{self, Cache},
};

/// Reads `user.auth.logged_in`.
pub(crate) async fn logins(bus: Bus, db: PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
    let handler = move |envelope: Envelope| {
        let db = db.clone();
        async move { on_logged_in(&db, &envelope).await }
    };
    bus::consume(bus, &topology::USER_AUTH_LOGGED_IN, handler, stopping).await
}

/// Reads `user.wallets.changed`.
pub(crate) async fn wallets(bus: Bus, db: PgPool, stopping: CancellationToken) -> anyhow::Result<()> {
    let handler = move |envelope: Envelope| {
        let db = db.clone();
        async move { on_wallet_changed(&db, &envelope).await }
    };
    bus::consume(bus, &topology::USER_WALLETS_CHANGED, handler, stopping).await
}

/// Reads `user.stats.changed`.
pub(crate) async fn stats(
    bus: Bus,
    db: PgPool,
    cache: Cache,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let handler = move |envelope: Envelope| {
        let (db, cache) = (db.clone(), cache.clone());
        async move { on_stats_changed(&db, &cache, &envelope).await }
    };
    bus::consume(bus, &topology::USER_STATS_CHANGED, handler, stopping).await
}

/// A user whom auth let in exists; normally it does already, since auth asked.
pub(crate) async fn on_logged_in(db: &PgPool, envelope: &Envelope) -> Result<Handled, Failure> {
    let fact: LoggedIn = envelope.open()?;
    let mut tx = db.begin().await?;
    if !bus::inbox::first_time(&mut tx, &envelope.id, envelope.time).await? {
        return Ok(Handled::all());
    }
    let account = Account::of(&fact.account_type, &fact.account_id);
    store::lock_account(&mut tx, &account.identity).await?;
    // Only with the user is the account made: an account that is known to belong to nobody was unlinked since.
    if create(&mut tx, fact.user_id).await?
        && store::find_ownership(&mut *tx, &account.identity).await?.is_none()
    {
        store::upsert_ensured_account(&mut tx, &account, fact.user_id).await?;
    }
    store::update_last_login(&mut tx, fact.user_id, fact.at).await?;
    tx.commit().await?;
    Ok(Handled::all())
}

/// Follows wallet's word.
pub(crate) async fn on_wallet_changed(db: &PgPool, envelope: &Envelope) -> Result<Handled, Failure> {
    let (word, fact) = if envelope.kind == WalletUnlinked::TYPE {
        let fact: WalletUnlinked = envelope.open()?;
        let WalletUnlinked { user_id, wallet_id, account_id, kind, is_primary } = fact;
        (Word::Unlinked, WalletLinked { user_id, wallet_id, account_id, kind, is_primary })
    } else {
        (Word::Linked, envelope.open::<WalletLinked>()?)
    };
    let mut tx = db.begin().await?;
    if bus::inbox::first_time(&mut tx, &envelope.id, envelope.time).await? {
        follow_wallet(&mut tx, word, &fact.kind, &fact.account_id, fact.wallet_id, fact.user_id).await?;
        tx.commit().await?;
    }
    Ok(Handled::all())
}

/// Marks whose figures may have changed, and makes a creator of whoever has a first collection.
pub(crate) async fn on_stats_changed(
    db: &PgPool,
    cache: &Cache,
    envelope: &Envelope,
) -> Result<Handled, Failure> {
    let concerns = concerns(envelope)?;
    let mut tx = db.begin().await?;
    if bus::inbox::first_time(&mut tx, &envelope.id, envelope.time).await? {
        let creators = mark_stats(&mut tx, &concerns).await?;
        tx.commit().await?;
        show_change(db, cache, &creators).await?;
    }
    Ok(Handled::all())
}

#[cfg(test)]
#[path = "consumer_tests.rs"]
mod tests;
