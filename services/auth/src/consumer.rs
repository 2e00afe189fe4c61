//! The door for facts: what user says of users, and wallet of accounts.

use bus::{Bus, Failure, Handled};
use events::{
    Envelope, Fact, topology,
    users::{RolesChanged, StatusChanged},
    wallets::{WalletLinked, WalletUnlinked},
};
use sqlx::PgPool;
use tokio_util::sync::CancellationToken;

use crate::{
    follow_user::{follow_roles, follow_status},
    follow_wallet::{follow_linked, follow_unlinked},
    revoke_sessions::Revocation,
    store::Mirror,
};

/// Reads `auth.users.changed`.
pub(crate) async fn users(
    bus: Bus,
    db: PgPool,
    mirror: Mirror,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let handler = move |envelope: Envelope| {
        let (db, mirror) = (db.clone(), mirror.clone());
        async move {
            mirror.sessions_revoked(&on_user_changed(&db, &envelope).await?);
            Ok(Handled::all())
        }
    };
    bus::consume(bus, &topology::AUTH_USERS_CHANGED, handler, stopping).await
}

/// Reads `auth.wallets.changed`.
pub(crate) async fn wallets(
    bus: Bus,
    db: PgPool,
    mirror: Mirror,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    let handler = move |envelope: Envelope| {
        let (db, mirror) = (db.clone(), mirror.clone());
        async move {
            mirror.sessions_revoked(&on_wallet_changed(&db, &envelope).await?);
            Ok(Handled::all())
        }
    };
    bus::consume(bus, &topology::AUTH_WALLETS_CHANGED, handler, stopping).await
}

/// Follows user's word.
pub(crate) async fn on_user_changed(db: &PgPool, envelope: &Envelope) -> Result<Revocation, Failure> {
    enum Change {
        Status(StatusChanged),
        Roles(RolesChanged),
    }
    let change = match envelope.kind.as_str() {
        RolesChanged::TYPE => Change::Roles(envelope.open()?),
        _ => Change::Status(envelope.open()?),
    };
    let mut tx = db.begin().await?;
    if !bus::inbox::first_time(&mut tx, &envelope.id, envelope.time).await? {
        return Ok(Revocation::default());
    }
    let revocation = match change {
        Change::Status(fact) => follow_status(&mut tx, &fact, envelope.time).await?,
        Change::Roles(fact) => follow_roles(&mut tx, &fact, envelope.time).await?,
    };
    tx.commit().await?;
    Ok(revocation)
}

/// Follows wallet's word.
pub(crate) async fn on_wallet_changed(db: &PgPool, envelope: &Envelope) -> Result<Revocation, Failure> {
    enum Change {
        Linked(WalletLinked),
        Unlinked(WalletUnlinked),
    }
    let change = match envelope.kind.as_str() {
        WalletUnlinked::TYPE => Change::Unlinked(envelope.open()?),
        _ => Change::Linked(envelope.open()?),
    };
    let mut tx = db.begin().await?;
    if !bus::inbox::first_time(&mut tx, &envelope.id, envelope.time).await? {
        return Ok(Revocation::default());
    }
    let revocation = match change {
        Change::Linked(fact) => {
            follow_linked(&mut tx, &fact).await?;
            Revocation::default()
        }
        Change::Unlinked(fact) => follow_unlinked(&mut tx, &fact, envelope.time).await?,
    };
    tx.commit().await?;
    Ok(revocation)
}

#[cfg(test)]
#[path = "consumer_tests.rs"]
mod tests;
