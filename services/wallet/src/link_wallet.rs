//! Linking a further account to a user, who proves to auth that it is theirs. Nobody takes an account from its owner,
//! proof or not: the owner unlinks it first.

use chrono::{SubsecRound, Utc};
use ids::UserId;
use sha2::{Digest, Sha256};
use sqlx::{PgConnection, PgPool};

use crate::{
    error::Error,
    label_wallet::label_within,
    make_primary::primary_within,
    model::{Client, LinkAsk, Proof, Wallet},
    peers::{Peers, Signed},
    store,
    upsert_link::link_within,
};

/// What the user wants linked.
#[derive(Debug, Clone)]
pub(crate) struct ProvenAsk {
    pub(crate) user_id: UserId,
    pub(crate) signed: Signed,
    pub(crate) label: Option<String>,
    pub(crate) connector: Option<String>,
    pub(crate) make_primary: bool,
    pub(crate) client: Client,
}

/// The user's link, and whether this call made it.
pub(crate) async fn link_wallet(db: &PgPool, peers: &Peers, ask: ProvenAsk) -> Result<(Wallet, bool), Error> {
    let message_hash = hex::encode(Sha256::digest(ask.signed.message.as_bytes()));
    // The nonce is burned, so that auth would refuse whoever asks again because the answer was lost.
    if let Some(wallet) = store::find_by_message(db, ask.user_id, &message_hash).await? {
        return Ok((wallet, false));
    }
    let proven = peers.verify_ownership(ask.user_id, ask.signed, &ask.client).await?;
    let ask = LinkAsk {
        user_id: ask.user_id,
        account: proven.account,
        kind: proven.kind,
        connector: ask.connector,
        label: ask.label,
        make_primary: ask.make_primary,
        proof: Some(Proof { method: proven.method, message_hash }),
        client: ask.client,
    };
    link_proven(db, &ask).await
}

/// The same once the proof is there.
async fn link_proven(db: &PgPool, ask: &LinkAsk) -> Result<(Wallet, bool), Error> {
    let mut tx = db.begin().await?;
    // Before the owner is looked up: the user's own unlinking of it is over then, or comes after.
    store::lock_user(&mut tx, ask.user_id).await?;
    let (mut wallet, created) = link_within(&mut tx, ask).await?;
    if wallet.user_id != ask.user_id {
        return Err(Error::Taken);
    }
    if !created {
        prove_again(&mut tx, &mut wallet, ask).await?;
    }
    tx.commit().await?;
    Ok((wallet, created))
}

/// The account is the user's already: the proof is kept, and what was asked with it is done.
async fn prove_again(tx: &mut PgConnection, wallet: &mut Wallet, ask: &LinkAsk) -> Result<(), Error> {
    let now = Utc::now().trunc_subsecs(6);
    store::insert_verification(tx, wallet, ask.proof.as_ref(), now).await?;
    store::update_verified(tx, wallet.wallet_id, ask.connector.as_deref(), now).await?;
    wallet.verified_at = Some(now);
    if ask.connector.is_some() {
        wallet.connector.clone_from(&ask.connector);
    }
    if ask.label.is_some() {
        label_within(tx, wallet, ask.label.clone(), &ask.client).await?;
    }
    if ask.make_primary {
        primary_within(tx, wallet, &ask.client).await?;
    }
    Ok(())
}

#[cfg(test)]
#[path = "link_wallet_tests.rs"]
mod tests;
