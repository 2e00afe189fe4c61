//! Whose an account is. What auth knows itself is enough; for an account that it does not know, wallet is asked, which
//! is the authority, and then user, which makes one.

use ids::{AccountId, UserId, WalletId};
use sqlx::PgPool;

use crate::{
    error::Error,
    model::{Kind, Standing},
    peers::Peers,
    store,
};

/// The one who signs in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) user_id: UserId,
    /// Whether auth knew it by itself, so that its copy must still say so when the session is written.
    pub(crate) is_from_copy: bool,
    /// What a peer said of the user in this sign-in; auth's own copy may be newer.
    pub(crate) told: Option<Standing>,
    pub(crate) is_new: bool,
    /// The link, where wallet told it in this sign-in: by it the next sign-in knows the account.
    pub(crate) wallet_id: Option<WalletId>,
}

/// Finds or makes the user of an account.
pub(crate) async fn who_is(
    db: &PgPool,
    peers: &Peers,
    account: &AccountId,
    kind: Kind,
) -> Result<Person, Error> {
    let identity = kind.identity(account);
    if let Some(user_id) = store::find_owner(db, &identity).await? {
        return Ok(Person { user_id, is_from_copy: true, told: None, is_new: false, wallet_id: None });
    }
    if let Some(user_id) = peers.owner(account).await? {
        return Ok(Person { user_id, is_from_copy: false, told: None, is_new: false, wallet_id: None });
    }
    let ensured = peers.ensure_user(account).await?;
    let person = Person {
        user_id: ensured.user_id,
        is_from_copy: false,
        told: Some(ensured.standing),
        is_new: ensured.is_new,
        wallet_id: None,
    };
    // A link that cannot be made now is made when wallet hears of the sign-in.
    match peers.link(person.user_id, account, kind).await {
        Ok((owner, wallet_id)) if owner == person.user_id => {
            Ok(Person { wallet_id: Some(wallet_id), ..person })
        }
        // Somebody linked the account in the meantime; what was told about the other user is of no use.
        Ok((owner, wallet_id)) => {
            Ok(Person { user_id: owner, told: None, is_new: false, wallet_id: Some(wallet_id), ..person })
        }
        Err(_) => Ok(person),
    }
}
