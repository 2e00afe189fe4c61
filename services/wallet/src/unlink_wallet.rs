//! Unlinking an account: whoever signs in with it later is somebody else. The last one stays, since without any nobody
//! could sign in as this user.

use events::wallets::{WalletUnlinked, unlinked};
use ids::{UserId, WalletId};
use sqlx::PgPool;

use crate::{
    error::Error,
    make_primary::primary_within,
    model::{Client, Wallet},
    store,
};

/// Unlinks a wallet of the user's; if it was the primary one, the oldest other one is.
pub(crate) async fn unlink_wallet(db: &PgPool, user_id: UserId, wallet_id: WalletId) -> Result<(), Error> {
    let mut tx = db.begin().await?;
    // Two at once would each see the other's wallet and leave none.
    store::lock_user(&mut tx, user_id).await?;
    let Some(wallet) = store::find_own(&mut *tx, user_id, wallet_id).await? else {
        // Whoever asks again because the answer was lost hears it now.
        let is_done = store::was_unlinked(&mut *tx, user_id, wallet_id).await?;
        return if is_done { Ok(()) } else { Err(Error::NotFound) };
    };
    if store::count_of_user(&mut *tx, user_id).await? == 1 {
        return Err(Error::LastWallet);
    }
    store::delete_link(&mut tx, wallet_id).await?;
    launch::failpoint("wallet.unlink.deleted");
    let nobody = Client::default();
    store::insert_activity(&mut tx, &wallet, "unlinked", &nobody).await?;
    if wallet.is_primary
        && let Some(mut next) = store::find_oldest(&mut *tx, user_id).await?
    {
        primary_within(&mut tx, &mut next, &nobody).await?;
    }
    bus::outbox::put(&mut tx, &unlinked(&fact(wallet))).await?;
    tx.commit().await?;
    Ok(())
}

fn fact(wallet: Wallet) -> WalletUnlinked {
    WalletUnlinked {
        user_id: wallet.user_id,
        wallet_id: wallet.wallet_id,
        account_id: wallet.account_id.parse().expect("the column holds what AccountId printed"),
        kind: wallet.kind,
        is_primary: wallet.is_primary,
    }
}
