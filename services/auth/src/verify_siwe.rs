//! A sign-in: the nonce is burned before anything else, then everything about the message and the signature is checked,
//! then the session, the attempt's record and the fact are written in one transaction.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chrono::{DateTime, Utc};
use events::auth::{LoggedIn, logged_in};
use sha2::{Digest, Sha256};
use sqlx::PgPool;

use crate::{
    access_token::Issuer,
    error::{Error, Refused},
    model::{Client, Kind, LoginEvent, REFRESH_IDLE, SESSION_LIFE, Session},
    peers::Peers,
    signature, siwe,
    store::{self, Burned, Mirror, NewSession},
    who_is::{Person, who_is},
};

/// What came in.
pub(crate) struct Attempt {
    pub(crate) message: String,
    pub(crate) signature: Vec<u8>,
    pub(crate) client: Client,
}

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
    pub(crate) db: &'a PgPool,
    pub(crate) rules: &'a siwe::Rules,
    pub(crate) peers: &'a Peers,
    pub(crate) tokens: &'a Issuer,
    pub(crate) mirror: &'a Mirror,
}

/// Lets somebody in, or says why not. Either way the attempt is recorded.
pub(crate) async fn verify_siwe(with: &SignIn<'_>, attempt: &Attempt) -> Result<SignedIn, Error> {
    let mut record = LoginEvent::begun();
    let outcome = sign_in(with, attempt, &mut record).await;
    if let Err(err) = &outcome {
        record.result = err.result();
        record.session_id = None;
        record.error = matches!(err, Error::Refused(_) | Error::Unavailable(_)).then(|| err.to_string());
        // Without its record an attempt would go unseen; but the answer is a refusal already.
        if let Err(err) = store::insert_login_event(with.db, &record, &attempt.client).await {
            tracing::error!(login.event = %record.id, error = %err, "could not record a refused sign-in");
        }
    }
    outcome
}

async fn sign_in(with: &SignIn<'_>, attempt: &Attempt, record: &mut LoginEvent) -> Result<SignedIn, Error> {
    let message = siwe::parse(&attempt.message)?;
    record.account = Some(message.account);
    record.domain = Some(message.domain.clone());

    let burned = store::burn_nonce(with.db, &message.nonce).await?;
    let Some(burned) = burned else { return Err(why_not_burned(with.db, &message.nonce).await?.into()) };
    launch::failpoint("auth.nonce.consumed");
    with.mirror.nonce_burned(&message.nonce);

    check(with, &message, &burned).await?;
    // A key that signed is the account's, whatever code may be at its address; contract accounts cannot sign in yet.
    let kind = Kind::Eoa;
    if signature::recover(attempt.message.as_bytes(), &attempt.signature) != Some(message.account.address) {
        return Err(Refused::SignatureInvalid.into());
    }

    let person = who_is(with.db, with.peers, &message.account, kind).await?;
    record.user_id = Some(person.user_id);
    open_session(with, attempt, &message, kind, person, record).await
}

async fn why_not_burned(db: &PgPool, nonce: &str) -> Result<Refused, Error> {
    Ok(match store::find_nonce_used(db, nonce).await? {
        None => Refused::NonceUnknown,
        Some(true) => Refused::NonceUsed,
        Some(false) => Refused::NonceExpired,
    })
}

async fn check(with: &SignIn<'_>, message: &siwe::Message, burned: &Burned) -> Result<(), Error> {
    with.rules.check_site(message)?;
    siwe::check_time(message, Utc::now())?;
    let (account, chain_id) = (message.account.address, message.account.chain_id);
    if burned.chain_id.as_ref().is_some_and(|bound| *bound != chain_id.to_string()) {
        return Err(Refused::ChainMismatch.into());
    }
    if burned.account_id.as_ref().is_some_and(|bound| *bound != account.to_lower()) {
        return Err(Refused::SignatureInvalid.into());
    }
    match with.peers.chains.enabled().await?.contains(&chain_id) {
        true => Ok(()),
        false => Err(Refused::ChainDisabled.into()),
    }
}

async fn open_session(
    with: &SignIn<'_>,
    attempt: &Attempt,
    message: &siwe::Message,
    kind: Kind,
    person: Person,
    record: &mut LoginEvent,
) -> Result<SignedIn, Error> {
    let (user_id, account, now) = (person.user_id, &message.account, Utc::now());
    let session = Session::open(user_id, account, &attempt.client, now);
    let identity = kind.identity(account);
    let mut tx = with.db.begin().await?;
    // Both rows stay locked until the commit: whoever suspends the user or unlinks the account meanwhile waits, and then
    // sees this session and ends it.
    let standing = store::lock_standing(&mut tx, user_id, person.told.as_ref()).await?;
    if !standing.is_active() || person.told.as_ref().is_some_and(|told| !told.is_active()) {
        return Err(Refused::UserSuspended.into());
    }
    if let Some(wallet_id) = person.wallet_id {
        store::insert_account(&mut tx, &identity, account, kind, user_id, wallet_id).await?;
    }
    // The copy changed since it was read; the next attempt reads it anew. A copy that knows of nobody may lag behind.
    match store::lock_owner(&mut tx, &identity).await? {
        Some(owner) if owner != user_id => return Err(Error::Unavailable("wallet")),
        None if person.is_from_copy => return Err(Error::Unavailable("wallet")),
        _ => {}
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
    };
    store::insert_session(&mut tx, &new).await?;
    store::insert_refresh_token(&mut tx, &new).await?;
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
    tracing::info!(user.id = %user_id, session.id = %session.session_id, is_new = person.is_new, "signed in");
    Ok(SignedIn { session, access_token, refresh_token, refresh_expires_at, is_new_user: person.is_new })
}

/// What is stored of a refresh token. It is random enough that a plain hash cannot be searched.
fn hash(token: &str) -> String {
    hex::encode(Sha256::digest(token.as_bytes()))
}
