//! Changes a profile: once for each request, at the version that the caller saw, with a name that nobody else has.

use ids::UserId;
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::{
    error::Error,
    model::{ProfileChange, User},
    store,
};

/// What is asked for.
#[derive(Debug, Clone)]
pub(crate) struct ProfileAsk {
    pub(crate) user_id: UserId,
    pub(crate) change: ProfileChange,
    /// 0 for whichever.
    pub(crate) expected_version: i64,
    /// The name under which the same again changes nothing.
    pub(crate) request_id: Option<String>,
}

impl ProfileAsk {
    fn hash(&self) -> Result<Vec<u8>, Error> {
        let text = serde_json::to_vec(&(&self.change, self.expected_version))?;
        Ok(Sha256::digest(text).to_vec())
    }
}

/// What was answered.
#[derive(Debug)]
pub(crate) enum Answer {
    /// The user as the change left them.
    Changed(User),
    /// Of a repeated request: the user as the first time left them. They may have changed since.
    Repeated(User),
}

/// Makes the change, once.
pub(crate) async fn update_profile(db: &PgPool, ask: &ProfileAsk) -> Result<Answer, Error> {
    let hash = ask.hash()?;
    let mut tx = db.begin().await?;
    // The lock comes first: the same request at once from two sides is one after the other.
    let held = store::lock_profile(&mut tx, ask.user_id).await?.ok_or(Error::NotFound)?;
    if let Some(request_id) = &ask.request_id
        && let Some(before) = store::find_request(&mut tx, ask.user_id, request_id).await?
    {
        let is_same = before.request_hash == hash;
        return if is_same {
            Ok(Answer::Repeated(serde_json::from_value(before.answer)?))
        } else {
            Err(Error::OtherRequest)
        };
    }
    if held.status != "active" {
        return Err(Error::Suspended);
    }
    if ask.expected_version != 0 && ask.expected_version != held.version {
        return Err(Error::Stale);
    }
    store::update_profile(&mut tx, ask.user_id, &ask.change)
        .await
        .map_err(|err| Error::on_constraint(err, "profiles_username_key", Error::UsernameTaken))?;
    let user = store::find_by_id(&mut *tx, ask.user_id).await?.ok_or(Error::Changed)?;
    if let Some(request_id) = &ask.request_id {
        let answer = serde_json::to_value(&user)?;
        store::insert_request(&mut tx, ask.user_id, request_id, &hash, &answer).await?;
    }
    tx.commit().await?;
    launch::failpoint("user.profile_committed");
    Ok(Answer::Changed(user))
}
