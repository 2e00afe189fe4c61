//! Whether an account is a user's to link: the same proof as for a sign-in, around a nonce that this user asked for. Opens
//! no session and links nothing: that is wallet's.

use ids::{AccountId, UserId};

use crate::{
    error::Error,
    login_event::{LoginEvent, Purpose},
    model::Method,
    prove_account::{Attempt, Prover, prove_account},
    store,
};

/// An account that is its user's.
pub(crate) struct Owned {
    pub(crate) account: AccountId,
    pub(crate) method: Method,
}

/// Finds the account that the message proves for the user. Either way the attempt is recorded as the user's.
pub(crate) async fn verify_ownership(
    with: Prover<'_>,
    attempt: &Attempt,
    user_id: UserId,
) -> Result<Owned, Error> {
    let mut record = LoginEvent::begun(Purpose::Link);
    record.user_id = Some(user_id);
    match prove_account(with, attempt, &mut record).await {
        Ok(proven) => {
            record.result = "success";
            store::insert_login_event(with.db, &record, &attempt.client).await?;
            tracing::info!(user.id = %user_id, "an account was proved for a link");
            Ok(Owned { account: proven.message.account, method: proven.method })
        }
        Err(err) => {
            record.refused(with.db, &attempt.client, &err).await;
            Err(err)
        }
    }
}
