//! Keeps the copy of which account is whose in step with wallet, which is the authority.

use ids::{AccountId, UserId, WalletId};
use sqlx::PgConnection;

use crate::{
    ensure_user::create,
    error::Error,
    model::{Account, Ownership, Word},
    store,
};

/// Takes wallet's word about a link, if it is newer than what is known.
pub(crate) async fn follow_wallet(
    tx: &mut PgConnection,
    word: Word,
    kind: &str,
    account: &AccountId,
    wallet_id: WalletId,
    user_id: UserId,
) -> Result<(), Error> {
    let account = Account::of(kind, account);
    // EnsureUser takes the same lock: nobody decides about this account meanwhile.
    store::lock_account(tx, &account.identity).await?;
    let nobody = Ownership { user_id: None, wallet_id: None, is_linked: false };
    let (known, is_new) = match store::find_ownership(&mut *tx, &account.identity).await? {
        Some(known) => (known, false),
        None => (nobody, true),
    };
    if known.outlives(word, wallet_id, user_id) {
        store::update_ended_link(tx, &account.identity, wallet_id).await?;
        return Ok(());
    }
    // The end of a link of which nothing was heard is kept too: its beginning may still be on its way.
    if !is_new && !known.yields_to(word, wallet_id, user_id) {
        return Ok(());
    }
    match word {
        Word::Linked => {
            create(tx, user_id).await?;
            store::upsert_linked_account(tx, &account, wallet_id, user_id).await?;
            store::mark_dirty(tx, &[user_id.0]).await?;
        }
        Word::Unlinked => {
            store::upsert_unlinked_account(tx, &account, wallet_id).await?;
            store::mark_dirty(tx, &[user_id.0]).await?;
        }
    }
    Ok(())
}
