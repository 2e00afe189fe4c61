//! The collection `media.media_uploads`.

use bson::{Bson, doc};
use mongodb::error::Error;

use super::Store;
use crate::model::{Mismatch, Upload};

impl Store {
    pub(crate) async fn insert_upload(&self, upload: &Upload) -> Result<(), Error> {
        self.uploads.insert_one(upload).await.map(|_| ())
    }

    pub(crate) async fn find_upload(&self, upload_id: &str) -> Result<Option<Upload>, Error> {
        self.uploads.find_one(doc! { "_id": upload_id }).await
    }

    pub(crate) async fn complete_upload(&self, upload_id: &str, cid: Option<&str>) -> Result<(), Error> {
        let change =
            doc! { "$set": { "status": "COMPLETED", "ipfs_hash": cid.map_or(Bson::Null, Bson::from) } };
        self.uploads.update_one(doc! { "_id": upload_id }, change).await.map(|_| ())
    }

    pub(crate) async fn fail_upload(&self, upload_id: &str, mismatch: Mismatch) -> Result<(), Error> {
        let change = doc! { "$set": { "status": "FAILED", "mismatch": mismatch.code() } };
        self.uploads.update_one(doc! { "_id": upload_id }, change).await.map(|_| ())
    }
}
