//! A refresh: one transaction, with the session's row locked, decides what the token is worth and does it. An answer that
//! was lost is given again within the grace; a token that comes back otherwise ends its session.

use aws_lc_rs::hmac;
use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use ids::{AccountId, SessionId};
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};

use crate::{
    access_token::Issuer,
    ask_again::{Asker, Trust},
    error::{Error, Refused},
    limit::{Limits, Take},
    login_event::{LoginEvent, Purpose},
    model::{ACCESS_LIFE, Client, REFRESH_IDLE, Session},
    revoke_sessions::{Revocation, tell},
    rotation::{Outcome, judge},
    store::{self, Family, Mirror, Successor, Touch},
};

/// What a refresh needs.
pub(crate) struct Refresh<'a> {
    pub(crate) db: &'a PgPool,
    pub(crate) tokens: &'a Issuer,
    pub(crate) mirror: &'a Mirror,
    pub(crate) limits: &'a Limits,
    pub(crate) asker: &'a Asker,
}

/// What a refresh gives.
pub(crate) struct Refreshed {
    pub(crate) session: Session,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
}

/// What one look at the token came to.
enum Decision {
    /// Here you are.
    Granted(Box<Refreshed>),
    /// No, and nothing else happens.
    Refused,
    /// No, and the session ends.
    Ended(Refused, Revocation),
    /// The account is a contract that was not asked for a while.
    AskAgain(SessionId),
}

/// Exchanges a token, or says why not.
pub(crate) async fn refresh_session(
    with: &Refresh<'_>,
    token: &str,
    client: &Client,
) -> Result<Refreshed, Error> {
    if let Err(err) = with.limits.take_for(Take::Refresh, client.ip).await {
        LoginEvent::begun(Purpose::Refresh).refused(with.db, client, &err).await;
        return Err(err);
    }
    let mut is_asked = false;
    loop {
        let mut tx = with.db.begin().await?;
        match decide(with, &mut tx, token, client, is_asked).await? {
            Decision::Granted(refreshed) => {
                launch::failpoint("auth.refresh.rotated");
                tx.commit().await?;
                launch::failpoint("auth.refresh.committed");
                return Ok(*refreshed);
            }
            Decision::Refused => return Err(Refused::RefreshExpired.into()),
            Decision::Ended(why, revocation) => {
                tx.commit().await?;
                with.mirror.sessions_revoked(&revocation);
                return Err(why.into());
            }
            Decision::AskAgain(session_id) => {
                // No lock and no connection is held while a chain is asked.
                tx.rollback().await?;
                with.asker.ask_again(session_id).await?;
                is_asked = true;
            }
        }
    }
}

async fn decide(
    with: &Refresh<'_>,
    tx: &mut PgConnection,
    token: &str,
    client: &Client,
    is_asked: bool,
) -> Result<Decision, Error> {
    let (token_hash, fingerprint) = (hash(token), client.fingerprint());
    let Some(family) = store::lock_family(tx, &token_hash).await? else { return Ok(Decision::Refused) };
    // The clock is read after the wait for the lock, and is the database's: the same one for every process.
    let (now, chain) = store::list_chain(tx, &token_hash).await?;
    let tokens: Vec<_> = chain.iter().map(|link| link.token.clone()).collect();
    let outcome = judge(&family.life, &tokens, &fingerprint, now);
    let steps = match outcome {
        Outcome::Expired => return Ok(Decision::Refused),
        Outcome::Reused => {
            return end(tx, &family, client, "refresh_reused", Refused::RefreshReused).await;
        }
        Outcome::Rotate => 0,
        Outcome::Repeat(steps) => steps,
    };

    // Whoever suspends the user or unlinks the account ends the session too, and waits for this row to do so: what is
    // read here is either still true at the commit, or the session is ended right behind it.
    let Some((_, standing, _)) = store::find_session(&mut *tx, family.session_id).await? else {
        return Ok(Decision::Refused);
    };
    if !standing.is_active() {
        return end(tx, &family, client, "suspended", Refused::UserSuspended).await;
    }
    if store::is_unlinked_since(tx, &family).await? {
        return end(tx, &family, client, "unlinked", Refused::RefreshExpired).await;
    }
    if !is_asked && Trust::of(family.method.as_str(), family.verified_at, now) != Trust::Fresh {
        return Ok(Decision::AskAgain(family.session_id));
    }

    let mut refresh_token = token.to_owned();
    for link in chain.iter().take(steps) {
        refresh_token = successor(&refresh_token, link.successor_salt.as_deref().unwrap_or_default());
    }
    if outcome == Outcome::Rotate {
        let salt: [u8; 32] = rand::random();
        refresh_token = successor(token, &salt);
        let next = Successor {
            parent: &chain[0],
            used_at: now,
            fingerprint: &fingerprint,
            salt: &salt,
            session_id: family.session_id,
            token_hash: &hash(&refresh_token),
            expires_at: (now + REFRESH_IDLE).min(family.life.absolute_expires_at),
        };
        store::rotate_token(tx, &next).await?;
    }
    let access_expires_at = (now + ACCESS_LIFE).min(family.life.absolute_expires_at);
    let touch = Touch { session_id: family.session_id, at: now, access_expires_at, client };
    store::touch_session(tx, &touch).await?;
    let Some((session, ..)) = store::find_session(&mut *tx, family.session_id).await? else {
        return Ok(Decision::Refused);
    };
    let account = account(&session)?;
    let access_token = with.tokens.sign(
        session.session_id,
        session.user_id,
        &account,
        &standing.roles,
        now,
        access_expires_at,
    )?;
    let session = Session { access_expires_at, ..session };
    Ok(Decision::Granted(Box::new(Refreshed { session, access_token, refresh_token })))
}

/// Ends the session with its reason on record. What a stranger is told gives nothing away about the user.
async fn end(
    tx: &mut PgConnection,
    family: &Family,
    client: &Client,
    reason: &'static str,
    why: Refused,
) -> Result<Decision, Error> {
    let ended = store::revoke_by_ids(tx, family.user_id, &[family.session_id], reason).await?;
    let revocation = tell(tx, family.user_id, ended, reason).await?;
    if why != Refused::RefreshExpired {
        let mut record = LoginEvent::begun(Purpose::Refresh);
        record.user_id = Some(family.user_id);
        record.session_id = Some(family.session_id);
        record.account = family.account_id.parse().ok();
        record.result = why.words().1;
        record.error = Some(why.to_string());
        store::insert_login_event(&mut *tx, &record, client).await?;
    }
    let told = if why == Refused::RefreshReused { why } else { Refused::RefreshExpired };
    Ok(Decision::Ended(told, revocation))
}

fn account(session: &Session) -> Result<AccountId, Error> {
    session.account_id.parse().map_err(|_| Error::Store(sqlx::Error::Decode("sessions.account_id".into())))
}

/// What is stored of a refresh token. It is random enough that a plain hash cannot be searched.
pub(crate) fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}

/// The next token. Whoever holds the used one and the salt can make it again; the database holds the salt alone, and
/// that only until the grace is over.
fn successor(token: &str, salt: &[u8]) -> String {
    let key = hmac::Key::new(hmac::HMAC_SHA256, salt);
    URL_SAFE_NO_PAD.encode(hmac::sign(&key, token.as_bytes()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_successor_is_made_of_both_the_token_and_the_salt() {
        let token = successor("token", &[1; 32]);
        assert_eq!(token.len(), 43);
        assert_eq!(token, successor("token", &[1; 32]));
        assert_ne!(token, successor("token", &[2; 32]));
        assert_ne!(token, successor("other", &[1; 32]));
    }
}
