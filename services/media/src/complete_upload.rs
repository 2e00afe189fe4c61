//! What arrived is read once: checked and copied in the same pass, so that the bytes that are kept are the bytes that
//! were checked, even if the URL is used again meanwhile. Completing twice answers the same.

use std::{sync::LazyLock, time::Duration};

use bson::DateTime;
use futures::TryStreamExt;
use ids::{AssetId, UserId};
use object_store::GetResult;
use prometheus::{IntCounterVec, register_int_counter_vec};
use sha2::{Digest, Sha256};
use tracing::Instrument;

use crate::{
    blob::{Blobs, Draft, asset_key},
    content_id::ContentHash,
    error::Error,
    media_type::{HEAD_BYTES, MediaType},
    model::{Asset, Mismatch, Upload, UploadStatus},
    relay::Bell,
    store::Store,
};

/// Enough for the largest file; a caller with a shorter deadline asks again.
const CHECKED_WITHIN: Duration = Duration::from_secs(120);
/// How long the last answer before the caller's deadline takes to travel.
const MARGIN: Duration = Duration::from_millis(300);

static COMPLETED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "media_uploads_total",
        "Uploads that were checked, by what was found.",
        &["result"]
    )
    .expect("the name is registered once")
});

pub(crate) async fn complete_upload(
    store: &Store,
    blobs: &Blobs,
    bell: &Bell,
    user_id: UserId,
    upload_id: &str,
) -> Result<Asset, Error> {
    let upload = store.find_upload(upload_id).await?.filter(|upload| upload.user_id == user_id);
    let upload = upload.ok_or(Error::NoUpload)?;
    match (upload.status, upload.mismatch) {
        (UploadStatus::Completed, _) => return asset(store, upload.file_id).await,
        (UploadStatus::Failed, Some(mismatch)) => return Err(Error::Mismatch(mismatch)),
        _ => {}
    }
    // On a task of its own: a caller that gives up leaves no half of it behind.
    let (store, blobs, bell) = (store.clone(), blobs.clone(), bell.clone());
    let checking = async move {
        let checked = check_and_keep(&store, &blobs, &bell, &upload);
        tokio::time::timeout(CHECKED_WITHIN, checked).await.unwrap_or(Err(Error::StillChecking))
    };
    let checking = tokio::spawn(checking.in_current_span());
    let patience = rpc::remaining().map_or(CHECKED_WITHIN, |left| left.saturating_sub(MARGIN));
    match tokio::time::timeout(patience, checking).await {
        Ok(Ok(result)) => result,
        Ok(Err(panicked)) => Err(Error::Broken(panicked.into())),
        Err(_) => Err(Error::StillChecking),
    }
}

async fn check_and_keep(store: &Store, blobs: &Blobs, bell: &Bell, upload: &Upload) -> Result<Asset, Error> {
    let kept = keep(blobs, upload).await?;
    if let Err(mismatch) = kept {
        store.fail_upload(&upload.upload_id, mismatch).await?;
        clean(blobs, upload).await;
        COMPLETED.with_label_values(&[mismatch.code()]).inc();
        return Err(Error::Mismatch(mismatch));
    }
    launch::failpoint("media.blob_written_no_meta");
    let asset = Asset::new(upload, launch::trace::current_traceparent(), DateTime::now());
    let asset = match store.insert_asset(&asset).await? {
        true => {
            bell.ring(asset.asset_id);
            asset
        }
        false => {
            store.add_owner(asset.asset_id, upload.user_id).await?;
            self::asset(store, asset.asset_id).await?
        }
    };
    store.complete_upload(&upload.upload_id, asset.cid.as_deref()).await?;
    clean(blobs, upload).await;
    COMPLETED.with_label_values(&["ok"]).inc();
    tracing::info!(asset.id = %asset.asset_id, mime_type = asset.mime_type, byte_size = asset.byte_size, "upload completed");
    Ok(asset)
}

/// One pass over the staged bytes. They become visible under their hash only when all of it is right.
async fn keep(blobs: &Blobs, upload: &Upload) -> Result<Result<(), Mismatch>, Error> {
    let staged = blobs.read(&upload.staging_key(), None).await?.ok_or(Error::NothingArrived)?;
    let byte_size = upload.byte_size.unsigned_abs();
    if staged.meta.size != byte_size {
        return Ok(Err(Mismatch::Size));
    }
    let final_key = asset_key(&upload.sha256);
    let is_kept_already = blobs.byte_size(&final_key).await? == Some(byte_size);
    let mut draft = blobs.draft(&final_key);
    let copied = copy(staged, byte_size, if is_kept_already { None } else { Some(&mut draft) }).await;
    match copied.map(|seen| verdict(upload, seen)) {
        Ok(Ok(())) => {
            if !is_kept_already {
                draft.publish().await?;
            }
            Ok(Ok(()))
        }
        Ok(Err(mismatch)) => {
            draft.discard().await;
            Ok(Err(mismatch))
        }
        Err(err) => {
            draft.discard().await;
            Err(err.into())
        }
    }
}

/// What the bytes turned out to be.
struct Seen {
    byte_size: u64,
    sha256: ContentHash,
    head: Vec<u8>,
}

/// Reads to the end, or to the first byte too many.
async fn copy(staged: GetResult, limit: u64, mut draft: Option<&mut Draft>) -> object_store::Result<Seen> {
    let (mut byte_size, mut digest, mut head) = (0, Sha256::new(), Vec::new());
    let mut chunks = staged.into_stream();
    while let Some(chunk) = chunks.try_next().await? {
        byte_size += chunk.len() as u64;
        if byte_size > limit {
            break;
        }
        digest.update(&chunk);
        let room = HEAD_BYTES.saturating_sub(head.len()).min(chunk.len());
        head.extend_from_slice(&chunk[..room]);
        if let Some(draft) = &mut draft {
            draft.push(&chunk).await?;
        }
    }
    Ok(Seen { byte_size, sha256: ContentHash::of_digest(digest), head })
}

fn verdict(upload: &Upload, seen: Seen) -> Result<(), Mismatch> {
    if seen.byte_size != upload.byte_size.unsigned_abs() {
        return Err(Mismatch::Size);
    }
    if seen.sha256 != upload.sha256 {
        return Err(Mismatch::Hash);
    }
    match MediaType::sniff(&seen.head, seen.byte_size) {
        Some(kind) if kind.mime() == upload.file_type => Ok(()),
        _ => Err(Mismatch::Type),
    }
}

async fn asset(store: &Store, asset_id: AssetId) -> Result<Asset, Error> {
    let found = store.find_asset(asset_id).await?;
    found.ok_or_else(|| Error::Broken(anyhow::anyhow!("the asset {asset_id} of a completed upload is gone")))
}

/// What stays in staging costs room and nothing else.
async fn clean(blobs: &Blobs, upload: &Upload) {
    if let Err(err) = blobs.delete(&upload.staging_key()).await {
        tracing::warn!(error = %err, "could not clear a staged upload");
    }
}
