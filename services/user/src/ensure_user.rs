//! The user of an account, created if it is missing: however many ask at once, there is one.

use ids::UserId;
use sqlx::{PgConnection, PgPool};

use crate::{
    error::Error,
    model::{Account, User},
    store,
};

/// The user of an account, and whether this call created it. The same address is one person's key and another person's
/// contract: the kind of the account, which the signature proved, says which.
pub(crate) async fn ensure_user(db: &PgPool, account: &Account) -> Result<(User, bool), Error> {
    // Nearly every call is about somebody known: that needs no lock.
    if let Some(user) = store::find_by_identities(db, std::slice::from_ref(&account.identity)).await? {
        return Ok((user, false));
    }
    let mut tx = db.begin().await?;
    store::lock_account(&mut tx, &account.identity).await?;
    if let Some(user) = store::find_by_identities(&mut *tx, std::slice::from_ref(&account.identity)).await? {
        return Ok((user, false));
    }
    let user_id = UserId::new();
    create(&mut tx, user_id).await?;
    store::upsert_ensured_account(&mut tx, account, user_id).await?;
    let user = store::find_by_id(&mut *tx, user_id).await?.ok_or(Error::Changed)?;
    tx.commit().await?;
    Ok((user, true))
}

/// Every row that a user has from the first moment; false if the user was there.
pub(crate) async fn create(tx: &mut PgConnection, user_id: UserId) -> Result<bool, Error> {
    if !store::insert_user(tx, user_id).await? {
        return Ok(false);
    }
    store::insert_profile(tx, user_id).await?;
    store::insert_preferences(tx, user_id).await?;
    store::insert_stats(tx, user_id).await?;
    store::insert_role(tx, user_id, "user", None).await?;
    Ok(true)
}

#[cfg(test)]
mod tests {
    use futures::future::join_all;

    use super::*;
    use crate::MIGRATOR;

    fn account(chain: u64, address: u8) -> Account {
        Account::eoa(&format!("eip155:{chain}:0x{}", format!("{address:02x}").repeat(20)).parse().unwrap())
    }

    fn contract(chain: u64, address: u8) -> Account {
        Account::contract(&account(chain, address).account_id.parse().unwrap())
    }

    async fn count(db: &PgPool, table: &'static str) -> i64 {
        let query = sqlx::AssertSqlSafe(format!("select count(*) from {table}"));
        sqlx::query_scalar(query).fetch_one(db).await.unwrap()
    }

    #[tokio::test]
    async fn eight_at_once_make_one_user_with_all_its_rows() {
        let db = testkit::database(&MIGRATOR).await;
        // The same key on different chains is one person.
        let accounts: Vec<Account> = (0..8).map(|n| account(1 + n % 3, 7)).collect();
        let users = join_all(accounts.iter().map(|account| ensure_user(&db.pool, account))).await;
        let users: Vec<(User, bool)> = users.into_iter().map(Result::unwrap).collect();
        assert_eq!(users.iter().filter(|(_, created)| *created).count(), 1);
        assert!(users.iter().all(|(user, _)| user.user_id == users[0].0.user_id));
        assert_eq!(
            (users[0].0.status.as_str(), users[0].0.roles.as_slice()),
            ("active", &["user".to_owned()][..])
        );
        for table in ["users", "user_accounts", "user_roles", "profiles", "user_preferences", "user_stats"] {
            assert_eq!(count(&db.pool, table).await, 1, "{table}");
        }
    }

    #[tokio::test]
    async fn one_address_is_a_persons_key_and_on_each_chain_another_persons_contract() {
        let db = testkit::database(&MIGRATOR).await;
        let accounts = [account(1, 7), contract(1, 7), contract(137, 7)];
        let mut ids = Vec::new();
        for account in &accounts {
            let (user, created) = ensure_user(&db.pool, account).await.unwrap();
            let (again, created_again) = ensure_user(&db.pool, account).await.unwrap();
            assert!(created && !created_again);
            assert_eq!(user.user_id, again.user_id);
            ids.push(user.user_id);
        }
        ids.dedup();
        assert_eq!(ids.len(), 3);
    }

    #[tokio::test]
    async fn two_accounts_are_two_users() {
        let db = testkit::database(&MIGRATOR).await;
        let (one, _) = ensure_user(&db.pool, &account(1, 7)).await.unwrap();
        let (other, created) = ensure_user(&db.pool, &account(1, 8)).await.unwrap();
        assert!(created);
        assert_ne!(one.user_id, other.user_id);
    }
}
