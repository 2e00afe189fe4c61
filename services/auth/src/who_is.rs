//! Whose an account is. What auth knows itself is enough; for an account that it does not know, wallet is asked, which
//! is the authority, and then user, which makes one.

use ids::{AccountId, UserId, WalletId};
use sqlx::PgPool;

use crate::{
    error::Error,
    model::{Kind, Standing},
    peers::Peers,
    store::{self, KnownLink},
};

/// The one who signs in.
#[derive(Debug, Clone)]
pub(crate) struct Person {
    pub(crate) user_id: UserId,
    /// What auth's copy said before anybody was asked.
    pub(crate) seen: Option<KnownLink>,
    /// What a peer said of the user in this sign-in; auth's own copy may be newer.
    pub(crate) told: Option<Standing>,
    pub(crate) is_new: bool,
    /// The link, where wallet told it in this sign-in: by it the next sign-in knows the account.
    pub(crate) wallet_id: Option<WalletId>,
}

impl Person {
    /// Whether the account is still this person's by what is known of it now. Where the copy names the owner, it is that
    /// one. Where it names nobody, because it never heard of the account or because the last link ended, the peers' word
    /// counts, unless the copy changed since before they were asked: then it may be the newer of the two.
    pub(crate) fn is_still(&self, known: Option<&KnownLink>) -> bool {
        match known.and_then(|link| link.owner) {
            Some(owner) => owner == self.user_id,
            None => self.wallet_id.is_none() && self.seen.as_ref() == known,
        }
    }
}

/// Finds or makes the user of an account.
pub(crate) async fn who_is(
    db: &PgPool,
    peers: &Peers,
    account: &AccountId,
    kind: Kind,
) -> Result<Person, Error> {
    let seen = store::find_link(db, &kind.identity(account)).await?;
    let person = |user_id| Person { user_id, seen: seen.clone(), told: None, is_new: false, wallet_id: None };
    if let Some(user_id) = seen.as_ref().and_then(|link| link.owner) {
        return Ok(person(user_id));
    }
    if let Some(user_id) = peers.owner(account, kind).await? {
        return Ok(person(user_id));
    }
    let ensured = peers.ensure_user(account, kind).await?;
    // The link with this user has ended, which user has not heard of yet: the account is a stranger's to them by now.
    if seen.as_ref().is_some_and(|link| link.former == Some(ensured.user_id)) {
        tracing::warn!(user.id = %ensured.user_id, "user names the former owner of an account");
        return Err(Error::Unavailable("user"));
    }
    let person = Person { told: Some(ensured.standing), is_new: ensured.is_new, ..person(ensured.user_id) };
    // What wallet refuses is no link now or later: user has not heard of something yet.
    match peers.link(person.user_id, account, kind).await? {
        Some((owner, wallet_id)) if owner == person.user_id => {
            Ok(Person { wallet_id: Some(wallet_id), ..person })
        }
        // Somebody linked the account in the meantime; what was told about the other user is of no use.
        Some((owner, wallet_id)) => {
            Ok(Person { user_id: owner, told: None, is_new: false, wallet_id: Some(wallet_id), ..person })
        }
        // A link that cannot be made now is made when wallet hears of the sign-in.
        None => Ok(person),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_copy_has_the_last_word_where_it_is_newer_than_the_answer() {
        let (user_id, other) = (UserId::new(), UserId::new());
        let link = |owner| KnownLink { owner, wallet_id: WalletId::new(), former: None };
        let person = |seen| Person { user_id, seen, told: None, is_new: false, wallet_id: None };
        let (mine, theirs, ended) = (link(Some(user_id)), link(Some(other)), link(None));

        assert!(person(Some(mine.clone())).is_still(Some(&mine)));
        assert!(!person(Some(mine.clone())).is_still(Some(&ended)), "unlinked since");
        assert!(!person(Some(mine.clone())).is_still(Some(&theirs)));
        assert!(person(None).is_still(None) && person(None).is_still(Some(&mine)));
        assert!(!person(None).is_still(Some(&ended)), "the end came while wallet was asked");
        assert!(!person(None).is_still(Some(&theirs)));
        assert!(person(Some(ended.clone())).is_still(Some(&ended)), "wallet was asked after the end");
        assert!(!person(Some(ended.clone())).is_still(Some(&link(None))), "another end came meanwhile");

        // A link that wallet told is in the copy, unless its end is.
        let linked = Person { wallet_id: Some(ended.wallet_id), ..person(Some(ended.clone())) };
        assert!(!linked.is_still(Some(&ended)) && linked.is_still(Some(&mine)));
    }
}
