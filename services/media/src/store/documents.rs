//! The collections `metadata.docs` and `metadata.history`.

use bson::doc;
use mongodb::error::Error;

use super::{Store, inserted};
use crate::{
    content_id::ContentHash,
    model::{Document, Sighting},
};

impl Store {
    pub(crate) async fn find_document(&self, sha256: ContentHash) -> Result<Option<Document>, Error> {
        self.documents.find_one(doc! { "_id": sha256.to_string() }).await
    }

    /// Keeps a document; the content that is there already stays, and one of ours stays ours.
    pub(crate) async fn put_document(&self, document: &Document) -> Result<(), Error> {
        let is_new = inserted(self.documents.insert_one(document).await)?;
        if !is_new && document.is_own {
            let foreign = doc! { "_id": document.sha256.to_string(), "is_own": false };
            let pins: Vec<bson::Document> = document
                .pins
                .iter()
                .map(|pin| doc! { "provider": &pin.provider, "status": &pin.status })
                .collect();
            self.documents.update_one(foreign, doc! { "$set": { "is_own": true, "pins": pins } }).await?;
        }
        Ok(())
    }

    pub(crate) async fn set_pin(
        &self,
        sha256: ContentHash,
        provider: &str,
        status: &str,
    ) -> Result<(), Error> {
        let pins = doc! { "$set": { "pins": [{ "provider": provider, "status": status }] } };
        self.documents.update_one(doc! { "_id": sha256.to_string() }, pins).await.map(|_| ())
    }

    /// The first sighting stays.
    pub(crate) async fn put_sighting(&self, sighting: &Sighting) -> Result<(), Error> {
        inserted(self.sightings.insert_one(sighting).await).map(|_| ())
    }
}
