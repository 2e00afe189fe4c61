//! An upload is declared before it is made: what, how large, with which hash. The URL takes nothing else.

use std::{collections::HashMap, time::Duration};

use bson::DateTime;
use ids::UserId;
use url::Url;

use crate::{
    blob::Blobs,
    content_id::ContentHash,
    error::Error,
    media_type::MediaType,
    model::{Upload, UploadStatus, new_upload_id},
    store::Store,
};

pub(crate) const VALID_FOR: Duration = Duration::from_secs(15 * 60);
const FILENAME_MAX_CHARS: usize = 255;

/// What somebody means to upload.
pub(crate) struct UploadAsk {
    pub(crate) user_id: UserId,
    pub(crate) filename: String,
    pub(crate) kind: MediaType,
    pub(crate) byte_size: u64,
    pub(crate) sha256: ContentHash,
}

impl UploadAsk {
    pub(crate) fn parse(
        user_id: UserId,
        filename: String,
        mime_type: &str,
        byte_size: u64,
        sha256: &str,
    ) -> Result<UploadAsk, Error> {
        let kind = MediaType::from_mime(mime_type)
            .ok_or_else(|| Error::field("mime_type", "UNSUPPORTED", "this type of file is not taken"))?;
        if byte_size == 0 || byte_size > kind.limit_bytes() {
            let limit = kind.limit_bytes();
            let message = format!("a file of this type has between 1 and {limit} bytes");
            return Err(Error::field("byte_size", "OUT_OF_RANGE", message));
        }
        let sha256 = sha256
            .parse()
            .map_err(|()| Error::field("sha256", "INVALID", "must be 64 lower-case hexadecimal digits"))?;
        if filename.chars().count() > FILENAME_MAX_CHARS || filename.chars().any(char::is_control) {
            return Err(Error::field(
                "filename",
                "INVALID",
                "at most 255 characters, none of them control characters",
            ));
        }
        Ok(UploadAsk { user_id, filename, kind, byte_size, sha256 })
    }
}

/// Where and how to send the bytes.
pub(crate) struct Prepared {
    pub(crate) upload_id: String,
    pub(crate) url: Url,
    pub(crate) headers: HashMap<String, String>,
}

pub(crate) async fn create_upload(store: &Store, blobs: &Blobs, ask: UploadAsk) -> Result<Prepared, Error> {
    let now = DateTime::now();
    let upload = Upload {
        upload_id: new_upload_id(),
        file_id: ask.sha256.asset_id(),
        user_id: ask.user_id,
        file_type: ask.kind.mime().to_owned(),
        ipfs_hash: None,
        status: UploadStatus::Pending,
        filename: ask.filename,
        byte_size: i64::try_from(ask.byte_size).expect("limits are far below 2^63"),
        sha256: ask.sha256,
        mismatch: None,
        created_at: now,
        expires_at: DateTime::from_millis(now.timestamp_millis() + VALID_FOR.as_millis() as i64),
    };
    let key = upload.staging_key();
    let put = blobs.presign_put(&key, ask.kind.mime(), &ask.sha256, VALID_FOR).await?;
    store.insert_upload(&upload).await?;
    let headers = put
        .headers
        .iter()
        .filter_map(|(name, value)| Some((name.to_string(), value.to_str().ok()?.to_owned())));
    Ok(Prepared { upload_id: upload.upload_id, headers: headers.collect(), url: put.url })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parse(filename: &str, mime_type: &str, byte_size: u64, sha256: &str) -> Result<(), &'static str> {
        match UploadAsk::parse(UserId::new(), filename.to_owned(), mime_type, byte_size, sha256) {
            Ok(_) => Ok(()),
            Err(Error::Field { path, .. }) => Err(path),
            Err(_) => Err("something else"),
        }
    }

    #[test]
    fn an_upload_is_refused_by_the_field_that_is_wrong() {
        let hash = ContentHash::of(b"x").to_string();
        assert_eq!(parse("a.png", "image/png", 20 * 1024 * 1024, &hash), Ok(()));
        assert_eq!(parse("a.png", "image/png", 20 * 1024 * 1024 + 1, &hash), Err("byte_size"));
        assert_eq!(parse("a.png", "image/png", 0, &hash), Err("byte_size"));
        assert_eq!(parse("a.json", "application/json", 300_000, &hash), Err("byte_size"));
        assert_eq!(parse("a.svg", "image/svg+xml", 10, &hash), Err("mime_type"));
        assert_eq!(parse("a.png", "image/PNG", 10, &hash), Err("mime_type"));
        assert_eq!(parse("a.png", "image/png", 10, &hash.to_uppercase()), Err("sha256"));
        assert_eq!(parse("a\r\n.png", "image/png", 10, &hash), Err("filename"));
    }
}
