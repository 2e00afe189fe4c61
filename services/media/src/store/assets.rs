//! The collection `media.assets`.

use bson::doc;
use futures::{StreamExt, TryStreamExt, stream};
use ids::{AssetId, UserId};
use mongodb::error::Error;

use super::{Store, inserted};
use crate::model::Asset;

/// Looked up at once for a batch: the stand-in would scan for `$in`.
const AT_ONCE: usize = 16;

impl Store {
    pub(crate) async fn find_asset(&self, asset_id: AssetId) -> Result<Option<Asset>, Error> {
        self.assets.find_one(doc! { "_id": asset_id.to_string() }).await
    }

    /// Those of the ids that are known.
    pub(crate) async fn list_assets(&self, asset_ids: Vec<AssetId>) -> Result<Vec<Asset>, Error> {
        let found: Vec<Option<Asset>> =
            stream::iter(asset_ids).map(|id| self.find_asset(id)).buffered(AT_ONCE).try_collect().await?;
        Ok(found.into_iter().flatten().collect())
    }

    /// `false` when there is an asset with this content already.
    pub(crate) async fn insert_asset(&self, asset: &Asset) -> Result<bool, Error> {
        inserted(self.assets.insert_one(asset).await)
    }

    /// Adding somebody twice changes nothing.
    pub(crate) async fn add_owner(&self, asset_id: AssetId, user_id: UserId) -> Result<(), Error> {
        let _turn = self.turn(asset_id).await;
        let change = doc! { "$addToSet": { "owners": user_id.to_string() } };
        self.assets.update_one(doc! { "_id": asset_id.to_string() }, change).await.map(|_| ())
    }

    /// Assets with something to tell, whoever left them.
    pub(crate) async fn list_unsent(&self, limit: i64) -> Result<Vec<Asset>, Error> {
        let unsent = doc! { "outbox.revision": { "$exists": true } };
        self.assets.find(unsent).limit(limit).await?.try_collect().await
    }

    /// Forgets the oldest message, if it is this one: another relay may have sent and cleared it.
    pub(crate) async fn clear_sent(&self, asset_id: AssetId, revision: i64) -> Result<(), Error> {
        let _turn = self.turn(asset_id).await;
        let oldest = doc! { "_id": asset_id.to_string(), "outbox.0.revision": revision };
        self.assets.update_one(oldest, doc! { "$pop": { "outbox": -1 } }).await.map(|_| ())
    }
}

#[cfg(test)]
mod tests {
    use bson::DateTime;

    use super::*;
    use crate::{
        content_id::ContentHash,
        media_type::MediaType,
        model::{Upload, UploadStatus},
    };

    fn asset(content: &[u8]) -> Asset {
        let (sha256, now) = (ContentHash::of(content), DateTime::now());
        let upload = Upload {
            upload_id: "upload".to_owned(),
            file_id: sha256.asset_id(),
            user_id: UserId::new(),
            file_type: MediaType::Png.mime().to_owned(),
            ipfs_hash: None,
            status: UploadStatus::Pending,
            filename: String::new(),
            byte_size: content.len() as i64,
            sha256,
            mismatch: None,
            created_at: now,
            expires_at: now,
        };
        Asset::new(&upload, None, now)
    }

    async fn store() -> Store {
        let (_, prefix) = testkit::mongo().await;
        let url = std::env::var("VITRINE_TEST_MONGO").unwrap();
        Store::connect(&url.into(), &prefix, &mut testkit::process("media")).await.unwrap()
    }

    #[tokio::test]
    async fn an_asset_goes_in_once_and_a_batch_leaves_out_the_unknown() {
        let (store, one, two) = (store().await, asset(b"one"), asset(b"two"));
        assert!(store.insert_asset(&one).await.unwrap() && store.insert_asset(&two).await.unwrap());
        assert!(!store.insert_asset(&asset(b"one")).await.unwrap());
        let ids = vec![two.asset_id, AssetId::new(), one.asset_id];
        let found: Vec<AssetId> =
            store.list_assets(ids).await.unwrap().into_iter().map(|asset| asset.asset_id).collect();
        assert_eq!(found, [two.asset_id, one.asset_id]);
    }

    #[tokio::test]
    async fn owners_that_come_at_once_are_all_kept_while_a_message_is_cleared() {
        let (store, one) = (store().await, asset(b"one"));
        store.insert_asset(&one).await.unwrap();
        let owners: Vec<UserId> = (0..20).map(|_| UserId::new()).collect();
        let adding =
            futures::future::join_all(owners.iter().map(|owner| store.add_owner(one.asset_id, *owner)));
        let (added, cleared) = tokio::join!(adding, store.clear_sent(one.asset_id, 1));
        assert!(added.iter().all(Result::is_ok) && cleared.is_ok());
        store.add_owner(one.asset_id, owners[0]).await.unwrap();
        let kept = store.find_asset(one.asset_id).await.unwrap().unwrap();
        assert_eq!((kept.owners.len(), kept.outbox.len()), (21, 0));
    }

    #[tokio::test]
    async fn only_the_oldest_message_is_cleared_and_only_by_its_revision() {
        let (store, mut one) = (store().await, asset(b"one"));
        let mut second = one.outbox[0].clone();
        second.revision = 2;
        one.outbox.push(second);
        store.insert_asset(&one).await.unwrap();
        store.insert_asset(&Asset { outbox: Vec::new(), ..asset(b"two") }).await.unwrap();
        for (revision, left) in [(2, vec![1, 2]), (1, vec![2]), (1, vec![2])] {
            store.clear_sent(one.asset_id, revision).await.unwrap();
            let unsent = store.list_unsent(10).await.unwrap();
            let revisions: Vec<i64> = unsent[0].outbox.iter().map(|unsent| unsent.revision).collect();
            assert_eq!((unsent.len(), revisions), (1, left));
        }
        store.clear_sent(one.asset_id, 2).await.unwrap();
        assert_eq!(store.list_unsent(10).await.unwrap().len(), 0);
    }
}
