//! The door in for calls.

use std::str::FromStr;

use ids::{AccountId, AssetId, UserId};
use proto::media::v1::{
    self as pb,
    media_service_server::{MediaService, MediaServiceServer},
};
use tonic::{Request, Response, Status, service::Routes};
use url::Url;

use crate::{
    blob::Blobs,
    chains::Chains,
    complete_upload::complete_upload,
    create_upload::{UploadAsk, VALID_FOR, create_upload},
    error::Error,
    fetch::Fetcher,
    kubo::Kubo,
    model::Asset,
    pin_metadata::{AskedAttribute, PinAsk, asset_url, pin_metadata},
    relay::Bell,
    resolve_metadata::{Resolved, Subject, resolve_metadata},
    store::Store,
};

const BATCH_MAX: usize = 100;

/// What the calls need.
pub(crate) struct Door {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
    pub(crate) kubo: Option<Kubo>,
    pub(crate) fetcher: Fetcher,
    pub(crate) chains: Chains,
    pub(crate) bell: Bell,
    pub(crate) public_url: Url,
}

pub(crate) fn routes(door: Door) -> Routes {
    Routes::new(MediaServiceServer::new(door))
}

#[tonic::async_trait]
impl MediaService for Door {
    async fn create_upload(
        &self,
        request: Request<pb::CreateUploadRequest>,
    ) -> Result<Response<pb::CreateUploadResponse>, Status> {
        let user_id = user_of(&request)?;
        let pb::CreateUploadRequest { filename, mime_type, byte_size, sha256 } = request.into_inner();
        let ask = UploadAsk::parse(user_id, filename, &mime_type, byte_size, &sha256)?;
        let prepared = create_upload(&self.store, &self.blobs, ask).await?;
        Ok(Response::new(pb::CreateUploadResponse {
            upload_id: prepared.upload_id,
            method: "PUT".to_owned(),
            url: prepared.url.into(),
            headers: prepared.headers,
            expires_in_seconds: VALID_FOR.as_secs() as i64,
        }))
    }

    async fn complete_upload(
        &self,
        request: Request<pb::CompleteUploadRequest>,
    ) -> Result<Response<pb::CompleteUploadResponse>, Status> {
        let user_id = user_of(&request)?;
        let upload_id = request.into_inner().upload_id;
        let asset = complete_upload(&self.store, &self.blobs, &self.bell, user_id, &upload_id).await?;
        Ok(Response::new(pb::CompleteUploadResponse { asset: Some(self.to_wire(asset)) }))
    }

    async fn batch_get_assets(
        &self,
        request: Request<pb::BatchGetAssetsRequest>,
    ) -> Result<Response<pb::BatchGetAssetsResponse>, Status> {
        let asset_ids = request.into_inner().asset_ids;
        if asset_ids.len() > BATCH_MAX {
            return Err(Error::field("asset_ids", "TOO_MANY", format!("at most {BATCH_MAX}")).into());
        }
        let asset_ids: Vec<AssetId> =
            asset_ids.iter().map(|text| parse("asset_ids", text)).collect::<Result<_, _>>()?;
        let found = self.store.list_assets(asset_ids).await.map_err(Error::from)?;
        let assets = found.into_iter().map(|asset| self.to_wire(asset)).collect();
        Ok(Response::new(pb::BatchGetAssetsResponse { assets }))
    }

    async fn pin_metadata(
        &self,
        request: Request<pb::PinMetadataRequest>,
    ) -> Result<Response<pb::PinMetadataResponse>, Status> {
        user_of(&request)?;
        let ask = pin_ask(request.into_inner())?;
        let kubo = self.kubo.as_ref();
        let pinned = pin_metadata(&self.store, &self.blobs, kubo, &self.public_url, ask).await?;
        Ok(Response::new(pb::PinMetadataResponse {
            uri: format!("ipfs://{}", pinned.cid),
            cid: pinned.cid,
            document_json: pinned.document_json,
        }))
    }

    async fn resolve_metadata(
        &self,
        request: Request<pb::ResolveMetadataRequest>,
    ) -> Result<Response<pb::ResolveMetadataResponse>, Status> {
        let pb::ResolveMetadataRequest { contract_account_id, token_id, standard } = request.into_inner();
        let contract: AccountId = parse("contract_account_id", &contract_account_id)?;
        let subject = Subject::parse(&token_id, &standard)?;
        let resolved = resolve_metadata(&self.chains, &self.fetcher, &self.store, contract, subject).await?;
        Ok(Response::new(resolved.into()))
    }
}

impl Door {
    fn to_wire(&self, asset: Asset) -> pb::Asset {
        pb::Asset {
            asset_id: asset.asset_id.to_string(),
            mime_type: asset.mime_type,
            byte_size: asset.byte_size.unsigned_abs(),
            sha256: asset.sha256.to_string(),
            cid: asset.cid.unwrap_or_default(),
            url: asset_url(&self.public_url, asset.asset_id),
            status: asset.status.as_str().to_owned(),
        }
    }
}

impl From<Resolved> for pb::ResolveMetadataResponse {
    fn from(resolved: Resolved) -> pb::ResolveMetadataResponse {
        let uri = resolved.uri;
        let metadata = match resolved.outcome {
            Ok(metadata) => metadata,
            Err(code) => {
                let (status, error_code) = ("FAILED".to_owned(), code.to_owned());
                return pb::ResolveMetadataResponse { status, uri, error_code, ..Default::default() };
            }
        };
        let document_json = serde_json::to_string(&metadata).expect("metadata is plain text");
        let attributes = metadata.attributes.into_iter().map(|attribute| pb::Attribute {
            r#trait: attribute.trait_type,
            value: attribute.value,
            display_type: attribute.display_type,
        });
        pb::ResolveMetadataResponse {
            status: "READY".to_owned(),
            uri,
            document_json,
            name: metadata.name,
            description: metadata.description,
            image_uri: metadata.image,
            animation_uri: metadata.animation_url,
            attributes: attributes.collect(),
            error_code: String::new(),
        }
    }
}

fn pin_ask(request: pb::PinMetadataRequest) -> Result<PinAsk, Error> {
    let pb::PinMetadataRequest { name, description, image_asset_id, attributes, external_url } = request;
    let image = (!image_asset_id.is_empty()).then(|| parse("image_asset_id", &image_asset_id)).transpose()?;
    let external_url = (!external_url.is_empty()).then(|| Url::parse(&external_url)).transpose();
    let external_url =
        external_url.map_err(|err| Error::field("external_url", "INVALID", err.to_string()))?;
    let attributes = attributes.into_iter().map(|attribute| AskedAttribute {
        trait_type: attribute.r#trait,
        value: attribute.value,
        display_type: attribute.display_type,
    });
    Ok(PinAsk { name, description, image, attributes: attributes.collect(), external_url })
}

fn user_of<T>(request: &Request<T>) -> Result<UserId, Status> {
    let caller = rpc::caller::of(request)?;
    Ok(parse("caller.user_id", &caller.user_id)?)
}

fn parse<T: FromStr<Err = ids::Invalid>>(path: &'static str, text: &str) -> Result<T, Error> {
    text.parse().map_err(|err: ids::Invalid| Error::field(path, "INVALID", err.to_string()))
}
