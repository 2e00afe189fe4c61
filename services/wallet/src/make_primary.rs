//! Making a wallet the primary one of its user. There is always exactly one: the index sees to it that there are not
//! two, the user's lock that there is no moment with none.

use ids::{UserId, WalletId};
use sqlx::{PgConnection, PgPool};

use crate::{
    error::Error,
    model::{Client, Wallet},
    store,
};

/// The wallet, primary now.
pub(crate) async fn make_primary(db: &PgPool, user_id: UserId, wallet_id: WalletId) -> Result<Wallet, Error> {
    let mut tx = db.begin().await?;
    store::lock_user(&mut tx, user_id).await?;
    let mut wallet = store::find_own(&mut *tx, user_id, wallet_id).await?.ok_or(Error::NotFound)?;
    primary_within(&mut tx, &mut wallet, &Client::default()).await?;
    tx.commit().await?;
    Ok(wallet)
}

/// The same inside the transaction of whoever has locked the user.
pub(crate) async fn primary_within(
    tx: &mut PgConnection,
    wallet: &mut Wallet,
    client: &Client,
) -> Result<(), Error> {
    if wallet.is_primary {
        return Ok(());
    }
    store::clear_primary(tx, wallet.user_id).await?;
    store::set_primary(tx, wallet.wallet_id).await?;
    store::insert_activity(tx, wallet, "made_primary", client).await?;
    wallet.is_primary = true;
    Ok(())
}
