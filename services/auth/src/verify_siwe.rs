//! A sign-in: the nonce is burned before anything else, then everything about the message and the signature is checked,
//! then the session, the attempt's record and the fact are written in one transaction.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use events::auth::{LoggedIn, logged_in};

use crate::{
    access_token::Issuer,
    error::{Error, Refused},
    limit::Take,
    login_event::{LoginEvent, Purpose},
    model::{REFRESH_IDLE, SESSION_LIFE, Session},
    prove_account::{Attempt, Proven, Prover, prove_account},
    refresh_session::hash,
    revoke_sessions::tell,
    store::{self, NewSession},
    who_is::{Person, who_is},
};

/// Sessions that a user has at a time; the next one ends the oldest.
const SESSIONS_MAX: i64 = 100;

/// What a sign-in gives.
pub(crate) struct SignedIn {
    pub(crate) session: Session,
    pub(crate) access_token: String,
    pub(crate) refresh_token: String,
    pub(crate) refresh_expires_at: DateTime<Utc>,
    pub(crate) is_new_user: bool,
}

/// What a sign-in needs.
pub(crate) struct SignIn<'a> {
    pub(crate) prover: Prover<'a>,
    pub(crate) tokens: &'a Issuer,
}

/// Lets somebody in, or says why not. Either way the attempt is recorded.
pub(crate) async fn verify_siwe(with: &SignIn<'_>, attempt: &Attempt) -> Result<SignedIn, Error> {
    let mut record = LoginEvent::begun(Purpose::SignIn);
    let outcome = sign_in(with, attempt, &mut record).await;
    if let Err(err) = &outcome {
        record.refused(with.prover.db, &attempt.client, err).await;
    }
    outcome
}

async fn sign_in(with: &SignIn<'_>, attempt: &Attempt, record: &mut LoginEvent) -> Result<SignedIn, Error> {
    let Prover { db, peers, limits, .. } = with.prover;
    let proven = prove_account(with.prover, attempt, record).await?;
    let (account, kind) = (proven.message.account, proven.kind());
    // Only now: whoever merely names an account must not use up what its owner is granted.
    limits.take(Take::Session, &kind.identity(&account)).await?;
    let person = who_is(db, peers, &account, kind).await?;
    record.user_id = Some(person.user_id);
    open_session(with, attempt, proven, person, record).await
}

async fn open_session(
    with: &SignIn<'_>,
    attempt: &Attempt,
    proven: Proven,
    person: Person,
    record: &mut LoginEvent,
) -> Result<SignedIn, Error> {
    let (account, kind, method) = (&proven.message.account, proven.kind(), proven.method);
    let (user_id, identity) = (person.user_id, kind.identity(account));
    let mut tx = with.prover.db.begin().await?;
    // The database's clock, as at each refresh: what is compared later was told by one clock.
    let now = store::clock(&mut *tx).await?;
    let session = Session::open(user_id, account, kind, &attempt.client, now);
    // Both rows stay locked until the commit: whoever suspends the user or unlinks the account meanwhile waits, and then
    // sees this session and ends it.
    let standing = store::lock_standing(&mut tx, user_id, person.told.as_ref()).await?;
    if !standing.is_active() || person.told.as_ref().is_some_and(|told| !told.is_active()) {
        return Err(Refused::UserSuspended.into());
    }
    store::lock_account(&mut tx, &identity).await?;
    if let Some(wallet_id) = person.wallet_id {
        store::insert_account(&mut tx, &identity, account, kind, user_id, wallet_id).await?;
    }
    if !person.is_still(store::lock_link(&mut tx, &identity).await?.as_ref()) {
        return Err(Error::Unavailable("wallet"));
    }

    let access_token = with.tokens.sign(
        session.session_id,
        user_id,
        account,
        &standing.roles,
        session.created_at,
        session.access_expires_at,
    )?;
    let refresh_token = URL_SAFE_NO_PAD.encode(rand::random::<[u8; 32]>());
    let refresh_expires_at = now + REFRESH_IDLE;
    let new = NewSession {
        session: &session,
        identity: &identity,
        kind,
        chain_id: account.chain_id,
        refresh_hash: &hash(&refresh_token),
        absolute_expires_at: now + SESSION_LIFE,
        method: method.as_str(),
        proof: proven.proof,
    };
    store::insert_session(&mut tx, &new).await?;
    store::insert_refresh_token(&mut tx, &new).await?;
    let ended = store::revoke_oldest(&mut tx, user_id, SESSIONS_MAX, "revoked").await?;
    let revocation = tell(&mut tx, user_id, ended, "revoked").await?;
    launch::failpoint("auth.session.inserted");

    record.result = "success";
    record.session_id = Some(session.session_id);
    store::insert_login_event(&mut *tx, record, &attempt.client).await?;
    let fact = LoggedIn {
        user_id,
        session_id: session.session_id,
        account_id: *account,
        account_type: kind.as_str().to_owned(),
        chain_id: account.chain_id,
        is_new_user: person.is_new,
        login_event_id: record.id,
        at: now,
    };
    bus::outbox::put(&mut tx, &logged_in(&fact)).await?;
    tx.commit().await?;
    launch::failpoint("auth.outbox.committed");
    with.prover.mirror.sessions_revoked(&revocation);
    tracing::info!(user.id = %user_id, session.id = %session.session_id, is_new = person.is_new, "signed in");
    Ok(SignedIn { session, access_token, refresh_token, refresh_expires_at, is_new_user: person.is_new })
}
