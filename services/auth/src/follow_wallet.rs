//! Keeps the copy of which account is whose in step with wallet; an account that is unlinked loses its sessions.

use chrono::{DateTime, Utc};
use events::wallets::{WalletLinked, WalletUnlinked};
use sqlx::PgConnection;

use crate::{
    error::Error,
    model::Kind,
    revoke_sessions::{Revocation, tell},
    store,
};

/// Takes a link.
pub(crate) async fn follow_linked(tx: &mut PgConnection, fact: &WalletLinked) -> Result<(), Error> {
    let kind = Kind::of(&fact.kind);
    let identity = kind.identity(&fact.account_id);
    store::insert_account(tx, &identity, &fact.account_id, kind, fact.user_id, fact.wallet_id).await?;
    Ok(())
}

/// Takes the end of a link.
pub(crate) async fn follow_unlinked(
    tx: &mut PgConnection,
    fact: &WalletUnlinked,
    told_at: DateTime<Utc>,
) -> Result<Revocation, Error> {
    let kind = Kind::of(&fact.kind);
    let identity = kind.identity(&fact.account_id);
    let owner =
        store::unlink_account(tx, &identity, &fact.account_id, kind, fact.user_id, fact.wallet_id).await?;
    // The account may have been linked by the same user and used again since; those sessions are not meant. If it is not
    // the user's now, all are: a session may have been opened while this fact was on its way.
    let before = (owner == Some(fact.user_id)).then_some(told_at);
    let ended = store::revoke_of_account(tx, fact.user_id, &identity, before).await?;
    tell(tx, fact.user_id, ended, "unlinked").await
}
