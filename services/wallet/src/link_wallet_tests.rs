//! Who ends up with an account when several want it at once.

use futures::future::join_all;
use ids::{AccountId, WalletId};

use super::*;
use crate::{
    MIGRATOR, make_primary::make_primary, model::Kind, unlink_wallet::unlink_wallet, upsert_link::upsert_link,
};

fn account(n: u8) -> AccountId {
    format!("eip155:1:0x{}", format!("{n:02x}").repeat(20)).parse().unwrap()
}

fn ask(user_id: UserId, n: u8) -> LinkAsk {
    let proof = Proof { method: "eoa".to_owned(), message_hash: format!("{}/{n}", user_id) };
    LinkAsk { proof: Some(proof), ..LinkAsk::of_login(user_id, account(n), Kind::Eoa, None) }
}

async fn links(db: &PgPool, user_id: UserId) -> Vec<Wallet> {
    store::list_by_users(db, &[user_id.0]).await.unwrap()
}

async fn told(db: &PgPool, key: &str) -> i64 {
    sqlx::query_scalar("select count(*) from outbox where routing_key = $1")
        .bind(key)
        .fetch_one(db)
        .await
        .unwrap()
}

fn primaries(wallets: &[Wallet]) -> usize {
    wallets.iter().filter(|wallet| wallet.is_primary).count()
}

#[tokio::test]
async fn of_many_who_prove_one_account_at_once_one_gets_it() {
    let db = testkit::database(&MIGRATOR).await;
    let asks: Vec<LinkAsk> = (0..8).map(|_| ask(UserId::new(), 7)).collect();
    let answers = join_all(asks.iter().map(|ask| link_proven(&db.pool, ask))).await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Ok((_, true)))).count(), 1);
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(Error::Taken))).count(), 7);
    assert_eq!(told(&db.pool, "wallet.linked").await, 1);
}

#[tokio::test]
async fn one_who_links_an_account_twice_at_once_has_it_once() {
    let db = testkit::database(&MIGRATOR).await;
    let ask = ask(UserId::new(), 7);
    let answers = join_all((0..8).map(|_| link_proven(&db.pool, &ask))).await;
    let answers: Vec<(Wallet, bool)> = answers.into_iter().map(Result::unwrap).collect();
    assert_eq!(answers.iter().filter(|(_, created)| *created).count(), 1);
    assert!(answers.iter().all(|(wallet, _)| wallet.wallet_id == answers[0].0.wallet_id));
    assert_eq!(told(&db.pool, "wallet.linked").await, 1);
}

#[tokio::test]
async fn an_account_that_is_unlinked_and_linked_at_once_has_one_owner_or_none() {
    for round in 0..8 {
        let db = testkit::database(&MIGRATOR).await;
        let (old, new) = (UserId::new(), UserId::new());
        link_proven(&db.pool, &ask(old, 1)).await.unwrap();
        let (wallet, _) = link_proven(&db.pool, &ask(old, 7)).await.unwrap();
        let ask = ask(new, 7);
        let (unlinked, linked) =
            tokio::join!(unlink_wallet(&db.pool, old, wallet.wallet_id), link_proven(&db.pool, &ask),);
        unlinked.unwrap();
        let owner = store::find_by_identity(&db.pool, &wallet.identity).await.unwrap();
        match linked {
            Ok((link, true)) => assert_eq!(owner.map(|owner| owner.wallet_id), Some(link.wallet_id)),
            Err(Error::Taken) => assert_eq!(owner, None, "round {round}"),
            other => panic!("round {round}: {other:?}"),
        }
        assert_eq!(told(&db.pool, "wallet.unlinked").await, 1);
    }
}

#[tokio::test]
async fn two_who_unlink_the_last_two_at_once_leave_one() {
    for _ in 0..8 {
        let db = testkit::database(&MIGRATOR).await;
        let user = UserId::new();
        let (one, _) = link_proven(&db.pool, &ask(user, 1)).await.unwrap();
        let (two, _) = link_proven(&db.pool, &ask(user, 2)).await.unwrap();
        let both = tokio::join!(
            unlink_wallet(&db.pool, user, one.wallet_id),
            unlink_wallet(&db.pool, user, two.wallet_id),
        );
        let refused = [both.0, both.1].into_iter().filter(|done| matches!(done, Err(Error::LastWallet)));
        assert_eq!(refused.count(), 1);
        let left = links(&db.pool, user).await;
        assert_eq!((left.len(), primaries(&left)), (1, 1));
    }
}

#[tokio::test]
async fn however_many_change_the_primary_at_once_there_is_one() {
    let db = testkit::database(&MIGRATOR).await;
    let user = UserId::new();
    let mut ids: Vec<WalletId> = Vec::new();
    for n in 1..=6 {
        ids.push(link_proven(&db.pool, &ask(user, n)).await.unwrap().0.wallet_id);
    }
    let changes = ids[1..5].iter().map(|id| make_primary(&db.pool, user, *id));
    let primary = LinkAsk { make_primary: true, ..ask(user, 9) };
    let (changed, unlinked, linked) = tokio::join!(
        join_all(changes),
        unlink_wallet(&db.pool, user, ids[0]),
        link_proven(&db.pool, &primary),
    );
    assert!(changed.iter().all(Result::is_ok) && unlinked.is_ok() && linked.is_ok());
    let left = links(&db.pool, user).await;
    assert_eq!((left.len(), primaries(&left)), (6, 1));
}

#[tokio::test]
async fn the_oldest_other_wallet_follows_the_primary_that_went() {
    let db = testkit::database(&MIGRATOR).await;
    let user = UserId::new();
    let mut ids = Vec::new();
    for n in 1..=3 {
        ids.push(link_proven(&db.pool, &ask(user, n)).await.unwrap().0.wallet_id);
    }
    unlink_wallet(&db.pool, user, ids[0]).await.unwrap();
    let left = links(&db.pool, user).await;
    assert_eq!((left.len(), primaries(&left), left[0].wallet_id), (2, 1, ids[1]));
    // One that is not primary leaves everything else as it is.
    unlink_wallet(&db.pool, user, ids[2]).await.unwrap();
    assert_eq!(links(&db.pool, user).await[0].wallet_id, ids[1]);
}

#[tokio::test]
async fn a_user_has_no_more_wallets_than_anybody_can_have() {
    let db = testkit::database(&MIGRATOR).await;
    let user = UserId::new();
    for n in 1..=48 {
        upsert_link(&db.pool, &ask(user, n)).await.unwrap();
    }
    // Four at once where there is room for two.
    let asks: Vec<LinkAsk> = (101..=104).map(|n| ask(user, n)).collect();
    let answers = join_all(asks.iter().map(|ask| link_proven(&db.pool, ask))).await;
    assert_eq!(answers.iter().filter(|answer| matches!(answer, Err(Error::TooMany))).count(), 2);
    assert_eq!(links(&db.pool, user).await.len(), 50);
    // What is there can still be proven again, and a sign-in is never refused for it.
    assert!(!link_proven(&db.pool, &ask(user, 1)).await.unwrap().1);
    let login = LinkAsk::of_login(user, account(200), Kind::Eoa, None);
    assert!(upsert_link(&db.pool, &login).await.unwrap().1);
}
