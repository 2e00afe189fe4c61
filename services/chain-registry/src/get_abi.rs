//! Gets an interface by its hash, wherever its bytes are.

use sqlx::PgPool;

use crate::{
    blobs::Blobs,
    error::Error,
    store::{self, Abi},
};

/// The bytes that the hash is of, and what is known of them.
pub(crate) async fn get_abi(db: &PgPool, blobs: &Blobs, sha256: &str) -> Result<(String, Abi), Error> {
    if sha256.len() != 64 || !sha256.bytes().all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f')) {
        return Err(Error::field("sha256", "must be 64 lower-case hexadecimal digits"));
    }
    let mut abi = store::find_abi(db, sha256).await?.ok_or(Error::AbiUnknown)?;
    let text = match (abi.abi_text.take(), &abi.s3_key, &abi.abi_json) {
        (Some(text), ..) => text,
        (None, Some(key), _) => blobs.read(key, sha256).await?,
        // A row of before the bytes were kept has their meaning alone.
        (None, None, value) => value.clone().unwrap_or_default().to_string(),
    };
    Ok((text, abi))
}
