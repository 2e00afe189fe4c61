//! Linking an account to a user. Linking twice is not an error: the second call returns the first call's wallet, and
//! where another user owns the account, the owner's link is the answer. What a user unlinked only a proof brings back.

use chrono::Utc;
use events::wallets::{WalletLinked, linked};
use sqlx::{PgConnection, PgPool};

use crate::{
    error::Error,
    make_primary::primary_within,
    model::{LINKS_MAX, LinkAsk, Wallet},
    store,
};

/// The link there is now, and whether this call made it.
pub(crate) async fn upsert_link(db: &PgPool, ask: &LinkAsk) -> Result<(Wallet, bool), Error> {
    let mut tx = db.begin().await?;
    // The user's own unlinking of it is over then, or comes after the link.
    store::lock_user(&mut tx, ask.user_id).await?;
    let linked = link_within(&mut tx, ask).await?;
    tx.commit().await?;
    Ok(linked)
}

/// The same inside the caller's transaction.
pub(crate) async fn link_within(tx: &mut PgConnection, ask: &LinkAsk) -> Result<(Wallet, bool), Error> {
    let identity = ask.kind.identity(&ask.account);
    if let Some(wallet) = store::find_by_identity(&mut *tx, &identity).await? {
        return Ok((wallet, false));
    }
    // Two first links of one user at once would both count nothing and both be primary.
    store::lock_user(tx, ask.user_id).await?;
    if ask.proof.is_none() && store::was_unlinked_from(&mut *tx, ask.user_id, &identity).await? {
        return Err(Error::WasUnlinked);
    }
    let owned = store::count_of_user(&mut *tx, ask.user_id).await?;
    if ask.proof.is_some() && owned >= LINKS_MAX {
        return Err(Error::TooMany);
    }
    let last = store::find_last_link(&mut *tx, &identity).await?;
    let mut wallet = Wallet::link(ask, owned, last, Utc::now());
    if !store::insert_link(tx, &wallet).await? {
        // Somebody was faster: the insert waited for their commit, so their row is visible now. Or the user has the
        // address on this chain as the other kind of account.
        if let Some(found) = store::find_by_identity(&mut *tx, &identity).await? {
            return Ok((found, false));
        }
        let own = store::find_own_at(&mut *tx, ask.user_id, &wallet.address, &wallet.chain_id).await?;
        return Err(if own.is_some() { Error::OtherKind } else { Error::Changed });
    }
    launch::failpoint("wallet.link.inserted");
    store::insert_activity(tx, &wallet, "linked", &ask.client).await?;
    if ask.make_primary {
        primary_within(tx, &mut wallet, &ask.client).await?;
    }
    store::insert_verification(tx, &wallet, ask.proof.as_ref(), wallet.created_at).await?;
    let fact = WalletLinked {
        user_id: wallet.user_id,
        wallet_id: wallet.wallet_id,
        account_id: ask.account,
        kind: wallet.kind.clone(),
        is_primary: wallet.is_primary,
    };
    bus::outbox::put(tx, &linked(&fact)).await?;
    Ok((wallet, true))
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;
    use ids::{UserId, WalletId};

    use super::*;
    use crate::{
        MIGRATOR,
        model::{Kind, Proof},
        unlink_wallet::unlink_wallet,
    };

    fn ask(user_id: UserId, chain: u64, address: u8) -> LinkAsk {
        let account = format!("eip155:{chain}:0x{}", format!("{address:02x}").repeat(20)).parse().unwrap();
        LinkAsk::of_login(user_id, account, Kind::Eoa, None)
    }

    async fn count(db: &PgPool, table: &'static str) -> i64 {
        let query = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        sqlx::query_scalar(query).fetch_one(db).await.unwrap()
    }

    #[tokio::test]
    async fn eight_first_links_at_once_make_one_primary() {
        let db = testkit::database(&MIGRATOR).await;
        let user = UserId::new();
        let asks: Vec<LinkAsk> = (1..=8).map(|n| ask(user, 1, n)).collect();
        let links = join_all(asks.iter().map(|ask| upsert_link(&db.pool, ask))).await;
        let links: Vec<(Wallet, bool)> = links.into_iter().map(Result::unwrap).collect();
        assert!(links.iter().all(|(_, created)| *created));
        assert_eq!(links.iter().filter(|(wallet, _)| wallet.is_primary).count(), 1);
        assert_eq!(count(&db.pool, "outbox").await, 8);
    }

    #[tokio::test]
    async fn an_account_has_one_user_however_many_want_it_at_once() {
        let db = testkit::database(&MIGRATOR).await;
        let asks: Vec<LinkAsk> = (0..8).map(|n| ask(UserId::new(), 1 + n % 2, 7)).collect();
        let links = join_all(asks.iter().map(|ask| upsert_link(&db.pool, ask))).await;
        let links: Vec<(Wallet, bool)> = links.into_iter().map(Result::unwrap).collect();
        assert_eq!(links.iter().filter(|(_, created)| *created).count(), 1);
        let owner = links[0].0.user_id;
        assert!(links.iter().all(|(wallet, _)| wallet.user_id == owner && wallet.is_primary));
        assert_eq!(count(&db.pool, "wallet_links").await, 1);
        assert_eq!(count(&db.pool, "outbox").await, 1);
    }

    #[tokio::test]
    async fn linking_twice_gives_the_first_link_and_tells_nothing_new() {
        let db = testkit::database(&MIGRATOR).await;
        let ask = ask(UserId::new(), 1, 7);
        let (first, created) = upsert_link(&db.pool, &ask).await.unwrap();
        let (second, again) = upsert_link(&db.pool, &ask).await.unwrap();
        assert!(created && !again);
        assert_eq!(first.wallet_id, second.wallet_id);
        for table in ["outbox", "wallet_activity", "wallet_verifications"] {
            assert_eq!(count(&db.pool, table).await, 1, "{table}");
        }
    }

    #[tokio::test]
    async fn an_address_that_is_linked_as_a_key_is_not_linked_again_as_a_contract() {
        let db = testkit::database(&MIGRATOR).await;
        let key = ask(UserId::new(), 1, 7);
        let (first, _) = upsert_link(&db.pool, &key).await.unwrap();
        let contract = LinkAsk { kind: Kind::Contract, ..key };
        assert!(matches!(upsert_link(&db.pool, &contract).await, Err(Error::OtherKind)));
        let links = store::list_by_users(&db.pool, &[contract.user_id.0]).await.unwrap();
        assert_eq!(links.iter().map(|link| link.wallet_id).collect::<Vec<_>>(), [first.wallet_id]);
    }

    #[tokio::test]
    async fn what_a_user_unlinked_no_sign_in_links_again_and_a_proof_does() {
        let db = testkit::database(&MIGRATOR).await;
        let ask_again = ask(UserId::new(), 1, 7);
        upsert_link(&db.pool, &ask(ask_again.user_id, 1, 1)).await.unwrap();
        let (first, _) = upsert_link(&db.pool, &ask_again).await.unwrap();
        unlink_wallet(&db.pool, ask_again.user_id, first.wallet_id).await.unwrap();
        let told = count(&db.pool, "outbox").await;
        assert!(matches!(upsert_link(&db.pool, &ask_again).await, Err(Error::WasUnlinked)));
        assert_eq!(count(&db.pool, "outbox").await, told);
        let proof = Proof { method: "eoa".to_owned(), message_hash: "7".to_owned() };
        let proven = LinkAsk { proof: Some(proof), ..ask_again };
        assert!(upsert_link(&db.pool, &proven).await.unwrap().1);
    }

    #[tokio::test]
    async fn a_link_is_newer_than_the_identitys_last_one_whatever_the_clock_says() {
        let db = testkit::database(&MIGRATOR).await;
        let owner = UserId::new();
        upsert_link(&db.pool, &ask(owner, 1, 1)).await.unwrap();
        let (mut last, _) = upsert_link(&db.pool, &ask(owner, 1, 7)).await.unwrap();
        // As a process wrote it whose clock is ahead.
        let ahead = WalletId("0fffffff-0000-7fff-bfff-ffffffffffff".parse().unwrap());
        sqlx::query("delete from wallet_verifications").execute(&db.pool).await.unwrap();
        for table in ["wallet_links", "wallet_activity"] {
            let query =
                sqlx::AssertSqlSafe(format!("update {table} set wallet_id = $2 where wallet_id = $1"));
            sqlx::query(query).bind(last.wallet_id).bind(ahead).execute(&db.pool).await.unwrap();
        }
        last.wallet_id = ahead;
        unlink_wallet(&db.pool, owner, last.wallet_id).await.unwrap();
        let (next, _) = upsert_link(&db.pool, &ask(UserId::new(), 137, 7)).await.unwrap();
        assert!(next.wallet_id > last.wallet_id, "{} after {}", next.wallet_id, last.wallet_id);
    }

    #[tokio::test]
    async fn a_contract_on_two_chains_is_two_accounts() {
        let db = testkit::database(&MIGRATOR).await;
        let contract = |chain| LinkAsk { kind: Kind::Contract, ..ask(UserId::new(), chain, 7) };
        let (one, _) = upsert_link(&db.pool, &contract(1)).await.unwrap();
        let (other, created) = upsert_link(&db.pool, &contract(2)).await.unwrap();
        assert!(created);
        assert_ne!(one.user_id, other.user_id);
    }
}
