//! Everything that auth says to its stores, one function a statement: here nonces and keys, beside it the rest.

mod audit;
mod bucket;
mod chains;
mod keys;
mod mirror;
mod people;
mod proof;
mod refresh;
mod session;

use chrono::{DateTime, TimeDelta, Utc};
use ids::AccountId;
use sqlx::PgPool;
use uuid::Uuid;

pub(crate) use audit::{
    Recorded, delete_old_login_events, delete_old_nonces, delete_old_revocations, insert_login_event,
    list_login_events,
};
pub(crate) use bucket::Buckets;
pub(crate) use chains::{list_known_chains, replace_known_chains};
pub(crate) use keys::{
    delete_old_keys, find_newest_key, insert_signing_key, list_public_keys, list_signing_keys,
    lock_signing_keys, retire_other_keys,
};
pub(crate) use mirror::Mirror;
pub(crate) use people::{
    KnownLink, find_link, insert_account, lock_account, lock_link, lock_standing, unlink_account,
    upsert_roles, upsert_status,
};
pub(crate) use proof::{
    Asked, end_lease, find_proof, list_due_proofs, mark_asked, mark_verified, take_lease,
};
pub(crate) use refresh::{
    Family, Successor, Touch, delete_old_refresh_tokens, delete_old_sessions, forget_salts,
    is_unlinked_since, list_chain, lock_family, revoke_by_token, rotate_token, touch_session,
};
pub(crate) use session::{
    Ended, NewSession, Proof, clock, find_session, insert_refresh_token, insert_revocation, insert_session,
    list_revoked_alive, list_sessions, revoke_all_but, revoke_by_ids, revoke_of_account, revoke_of_user,
    revoke_oldest, update_intent_context,
};

use crate::model::Aim;

/// What a nonce was bound to when it was issued.
pub(crate) struct Burned {
    pub(crate) account_id: Option<String>,
    pub(crate) chain_id: Option<String>,
    pub(crate) purpose: String,
    pub(crate) user_id: Option<Uuid>,
    pub(crate) pre_session: Option<Vec<u8>>,
}

/// Issues a nonce; the database's clock decides about its end, then and later.
pub(crate) async fn insert_nonce(
    db: &PgPool,
    nonce: &str,
    domain: &str,
    life: TimeDelta,
    aim: &Aim,
    account: Option<&AccountId>,
) -> Result<DateTime<Utc>, sqlx::Error> {
    let (purpose, user_id, pre_session) = match aim {
        Aim::SignIn { pre_session } => ("sign_in", None, pre_session.as_ref()),
        Aim::Link { user_id } => ("link", Some(user_id.0), None),
    };
    sqlx::query_scalar!(
        "insert into auth_nonces (nonce, domain, expires_at, purpose, user_id, pre_session, account_id, chain_id)
         values ($1, $2, now() + make_interval(secs => $3), $4, $5, $6, $7, $8) returning expires_at",
        nonce,
        domain,
        life.as_seconds_f64(),
        purpose,
        user_id,
        pre_session.map(<[u8; 32]>::as_slice),
        account.map(|account| account.address.to_lower()),
        account.map(|account| account.chain_id.to_string()),
    )
    .fetch_one(db)
    .await
}

/// Uses a nonce up: of any number of callers at once one gets it.
pub(crate) async fn burn_nonce(db: &PgPool, nonce: &str) -> Result<Option<Burned>, sqlx::Error> {
    sqlx::query_as!(
        Burned,
        "update auth_nonces set used = true, used_at = now()
         where nonce = $1 and not used and expires_at > now()
         returning account_id, chain_id, purpose, user_id, pre_session",
        nonce
    )
    .fetch_optional(db)
    .await
}

/// What a nonce was bound to and whether it was used; `None` if it was never issued.
pub(crate) async fn find_nonce(db: &PgPool, nonce: &str) -> Result<Option<(Burned, bool)>, sqlx::Error> {
    let row = sqlx::query!(
        "select account_id, chain_id, purpose, user_id, pre_session, used from auth_nonces where nonce = $1",
        nonce
    )
    .fetch_optional(db)
    .await?;
    Ok(row.map(|row| {
        let (account_id, chain_id, purpose) = (row.account_id, row.chain_id, row.purpose);
        (
            Burned { account_id, chain_id, purpose, user_id: row.user_id, pre_session: row.pre_session },
            row.used,
        )
    }))
}
