//! The RSA key that signs access tokens: made once for the whole fleet and kept in the database.

use anyhow::{Context, anyhow};
use aws_lc_rs::{
    encoding::AsDer,
    rsa::{KeyPair, KeySize},
};
use base64::{Engine, engine::general_purpose::STANDARD};
use jsonwebtoken::{
    Algorithm, EncodingKey,
    jwk::{Jwk, PublicKeyUse, ThumbprintHash},
};
use sqlx::PgPool;

use crate::store;

/// A key that signs.
#[derive(Clone)]
pub(crate) struct SigningKey {
    pub(crate) kid: String,
    pub(crate) encoding: EncodingKey,
}

/// What the database keeps of a key.
pub(crate) struct StoredKey {
    pub(crate) kid: String,
    pub(crate) private_pem: String,
}

/// The key that signs now. The first process of a new fleet makes it; those that start beside it wait and use the same.
pub(crate) async fn ensure(db: &PgPool) -> anyhow::Result<SigningKey> {
    let mut tx = db.begin().await?;
    store::lock_signing_keys(&mut tx).await?;
    let stored = match store::find_signing_key(&mut *tx).await? {
        Some(stored) => stored,
        None => {
            let (stored, public) = tokio::task::spawn_blocking(generate).await??;
            store::insert_signing_key(&mut tx, &stored, &public).await?;
            tracing::info!(key.id = %stored.kid, "made a signing key");
            stored
        }
    };
    tx.commit().await?;
    let encoding = EncodingKey::from_rsa_pem(stored.private_pem.as_bytes())
        .map_err(|_| anyhow!("signing key {} cannot be read", stored.kid))?;
    Ok(SigningKey { kid: stored.kid, encoding })
}

/// A new key of 2048 bits, named by the thumbprint of its public half (RFC 7638).
fn generate() -> anyhow::Result<(StoredKey, serde_json::Value)> {
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
    Ok((StoredKey { kid, private_pem }, public))
}

fn pem(der: &[u8]) -> String {
    let text = STANDARD.encode(der);
    let lines: Vec<&str> =
        text.as_bytes().chunks(64).map(|line| std::str::from_utf8(line).expect("base64 is ASCII")).collect();
    format!("-----BEGIN PRIVATE KEY-----\n{}\n-----END PRIVATE KEY-----\n", lines.join("\n"))
}
