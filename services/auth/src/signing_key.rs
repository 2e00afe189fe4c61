//! The RSA keys that sign access tokens: made once for the whole fleet, kept in the database, and replaced by age or by
//! command. A new key is published before it signs, and an old one for as long as something that it signed is alive, so
//! that whoever checks a token finds its key at every moment.

use std::{sync::Arc, time::Duration};

use anyhow::{Context, anyhow};
use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair, KeySize},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use chrono::{DateTime, TimeDelta, Utc};
use jsonwebtoken::{
    Algorithm, EncodingKey,
    jwk::{Jwk, PublicKeyUse, ThumbprintHash},
};
use sqlx::{PgConnection, PgPool};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{
    model::{ACCESS_LIFE, CLOCK_SKEW},
    store,
};

/// How long a key is published before it signs; whoever checks tokens looks for keys at least every five minutes.
pub(crate) const PUBLISHED_BEFORE: TimeDelta = TimeDelta::minutes(10);

/// A key that signs in its time.
#[derive(Clone)]
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) encoding: EncodingKey,
    signs_from: DateTime<Utc>,
    retired_at: Option<DateTime<Utc>>,
}

/// What the database keeps of a key.
pub(crate) struct StoredKey {
    pub(crate) kid: String,
    pub(crate) private_pem: String,
    pub(crate) signs_from: DateTime<Utc>,
    pub(crate) retired_at: Option<DateTime<Utc>>,
}

/// A key and from when it signs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Scheduled {
    pub(crate) kid: String,
    pub(crate) signs_from: DateTime<Utc>,
}

/// The keys that this process has; all its clones see the same.
#[derive(Clone)]
pub(crate) struct Keyring {
    db: PgPool,
    max_age: TimeDelta,
    keys: Arc<watch::Sender<Vec<SigningKey>>>,
}

impl Keyring {
    /// The keys as they are now. The first process of a new fleet makes one; those that start beside it wait and use the
    /// same.
    pub(crate) async fn open(db: PgPool, max_age: TimeDelta) -> anyhow::Result<Keyring> {
        let ring = Keyring { db, max_age, keys: Arc::new(watch::Sender::new(Vec::new())) };
        ring.turn().await?;
        Ok(ring)
    }

    /// The key that signs a token at a time: the newest whose time has come, of those that are published until the token
    /// ends. With clocks so far apart that none has begun, the one that begins first.
    pub(crate) fn at(&self, time: DateTime<Utc>, until: DateTime<Utc>) -> Option<SigningKey> {
        let keys = self.keys.borrow();
        let alive = || keys.iter().filter(|key| key.retired_at.is_none_or(|end| until <= end));
        let begun = alive().filter(|key| key.signs_from <= time).max_by_key(|key| key.signs_from);
        begun.or_else(|| alive().min_by_key(|key| key.signs_from)).cloned()
    }

    /// Makes a key if one is due, and reads what there is.
    pub(crate) async fn turn(&self) -> anyhow::Result<()> {
        let mut tx = self.db.begin().await?;
        store::lock_signing_keys(&mut tx).await?;
        match store::find_newest_key(&mut tx, self.max_age).await? {
            None => drop(replace(&mut tx, TimeDelta::zero()).await?),
            Some(newest) if newest.is_old => drop(replace(&mut tx, PUBLISHED_BEFORE).await?),
            Some(_) => {}
        }
        tx.commit().await?;
        self.reload().await
    }

    /// Makes a new key that signs after it has been published for a while, unless one is waiting already; or, where the
    /// old ones must not be believed any more, one that signs now, and ends them.
    pub(crate) async fn rotate(&self, at_once: bool) -> anyhow::Result<Scheduled> {
        let mut tx = self.db.begin().await?;
        store::lock_signing_keys(&mut tx).await?;
        let scheduled = match store::find_newest_key(&mut tx, self.max_age).await? {
            _ if at_once => replace(&mut tx, TimeDelta::zero()).await?,
            Some(newest) if !newest.is_signing => {
                Scheduled { kid: newest.kid, signs_from: newest.signs_from }
            }
            _ => replace(&mut tx, PUBLISHED_BEFORE).await?,
        };
        tx.commit().await?;
        self.reload().await?;
        Ok(scheduled)
    }

    async fn reload(&self) -> anyhow::Result<()> {
        let mut keys = Vec::new();
        for stored in store::list_signing_keys(&self.db).await? {
            let encoding = EncodingKey::from_rsa_pem(stored.private_pem.as_bytes())
                .map_err(|_| anyhow!("signing key {} cannot be read", stored.kid))?;
            let StoredKey { kid, signs_from, retired_at, .. } = stored;
            keys.push(SigningKey { kid, encoding, signs_from, retired_at });
        }
        self.keys.send_replace(keys);
        Ok(())
    }

    /// Keeps the keys as they should be until told to stop. While the database is away, the keys stay what they were.
    pub(crate) async fn run(self, every: Duration, stopping: CancellationToken) -> anyhow::Result<()> {
        loop {
            tokio::select! {
                () = stopping.cancelled() => return Ok(()),
                () = tokio::time::sleep(every) => {}
            }
            if let Err(err) = self.turn().await {
                tracing::warn!(error = &*err, "could not look for signing keys");
            }
        }
    }
}

/// A new key in the place of all others. Those that signed until now stay accepted until the last token is dead; a key
/// that signs at once is made because the others are not to be believed, and ends them.
async fn replace(tx: &mut PgConnection, after: TimeDelta) -> anyhow::Result<Scheduled> {
    let generated = tokio::task::spawn_blocking(generate).await??;
    let Generated { kid, private_pem, public } = generated;
    let signs_from = store::insert_signing_key(tx, &kid, &private_pem, &public, after).await?;
    let retired_at = if after.is_zero() { signs_from } else { signs_from + ACCESS_LIFE + CLOCK_SKEW * 2 };
    let retired = store::retire_other_keys(tx, &kid, retired_at).await?;
    tracing::info!(key.id = %kid, key.signs_from = %signs_from, keys.retired = retired, "made a signing key");
    Ok(Scheduled { kid, signs_from })
}

struct Generated {
    kid: String,
    private_pem: String,
    public: serde_json::Value,
}

/// A new key of 2048 bits, named by the thumbprint of its public half (RFC 7638).
fn generate() -> anyhow::Result<Generated> {
    let pair = KeyPair::generate(KeySize::Rsa2048).map_err(|_| anyhow!("generating a signing key"))?;
    let der = AsDer::<aws_lc_rs::encoding::Pkcs8V1Der<'_>>::as_der(&pair)
        .map_err(|_| anyhow!("encoding a signing key"))?;
    let private_pem = pem(der.as_ref());
    let encoding = EncodingKey::from_rsa_pem(private_pem.as_bytes())?;
    let mut public = Jwk::from_encoding_key(&encoding, Algorithm::RS256)?;
    let kid = public.thumbprint(ThumbprintHash::SHA256)?;
    public.common.key_id = Some(kid.clone());
    public.common.public_key_use = Some(PublicKeyUse::Signature);
    let public = serde_json::to_value(&public).context("writing a public key")?;
    Ok(Generated { kid, private_pem, public })
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64 is ASCII")).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}

#[cfg(test)]
#[path = "signing_key_tests.rs"]
mod tests;
