//! Naming a wallet, which only its user sees.

use ids::{UserId, WalletId};
use sqlx::{PgConnection, PgPool};

use crate::{
    error::Error,
    model::{Client, Wallet},
    store,
};

/// The wallet with its new name, or without one.
pub(crate) async fn label_wallet(
    db: &PgPool,
    user_id: UserId,
    wallet_id: WalletId,
    label: Option<String>,
) -> Result<Wallet, Error> {
    let mut tx = db.begin().await?;
    store::lock_user(&mut tx, user_id).await?;
    let mut wallet = store::find_own(&mut *tx, user_id, wallet_id).await?.ok_or(Error::NotFound)?;
    label_within(&mut tx, &mut wallet, label, &Client::default()).await?;
    tx.commit().await?;
    Ok(wallet)
}

/// The same inside the transaction of whoever has locked the user.
pub(crate) async fn label_within(
    tx: &mut PgConnection,
    wallet: &mut Wallet,
    label: Option<String>,
    client: &Client,
) -> Result<(), Error> {
    if wallet.label == label {
        return Ok(());
    }
    store::set_label(tx, wallet.wallet_id, label.as_deref()).await?;
    store::insert_activity(tx, wallet, "labelled", client).await?;
    wallet.label = label;
    Ok(())
}
