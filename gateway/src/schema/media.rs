//! Uploads and pinned metadata.

use async_graphql::{Context, ID, InputObject, Json, Object, Result, SimpleObject, Union};
use proto::media::v1::{self as pb, CompleteUploadRequest, CreateUploadRequest, PinMetadataRequest};

use super::{
    guard::{Requires, auth},
    node,
    problem::{self, NotFoundProblem, Problem, ValidationProblem},
    scalar::{BigInt, DateTime, Uri, text},
    user::{Role, acting},
};
use crate::{error::failed, peers::Peers};

/// Where and how to PUT a file.
#[derive(SimpleObject)]
pub(crate) struct MediaUpload {
    upload_id: ID,
    method: String,
    url: Uri,
    /// To be sent exactly so: they are part of the signature.
    headers: Vec<Header>,
    expires_at: DateTime,
}

#[derive(SimpleObject)]
pub(crate) struct Header {
    name: String,
    value: String,
}

/// A file that has been checked and kept.
#[derive(SimpleObject)]
pub(crate) struct Media {
    id: ID,
    url: Uri,
    mime_type: String,
    byte_size: BigInt,
    /// Its content identifier, where it is pinned.
    cid: Option<String>,
}

/// A metadata document that has been pinned.
#[derive(SimpleObject)]
pub(crate) struct PinnedMetadata {
    /// `ipfs://…`
    uri: Uri,
    cid: String,
    metadata: Option<Json<serde_json::Value>>,
}

#[derive(InputObject)]
pub(crate) struct CreateMediaUploadInput {
    filename: String,
    mime_type: String,
    byte_size: BigInt,
    /// 64 hexadecimal digits.
    sha256: String,
}

#[derive(InputObject)]
pub(crate) struct PinMetadataInput {
    name: String,
    description: Option<String>,
    image_asset_id: Option<ID>,
    #[graphql(default)]
    attributes: Vec<AttributeInput>,
    external_url: Option<Uri>,
}

#[derive(InputObject)]
pub(crate) struct AttributeInput {
    #[graphql(name = "trait")]
    trait_: String,
    value: String,
    display_type: Option<String>,
}

/// An upload that can begin, or why it cannot.
#[derive(Union)]
pub(crate) enum CreateUploadResult {
    Upload(MediaUpload),
    Validation(ValidationProblem),
}

/// A file that was accepted, or why it was not.
#[derive(Union)]
pub(crate) enum CompleteUploadResult {
    Media(Media),
    Validation(ValidationProblem),
    NotFound(NotFoundProblem),
}

/// A document that was pinned, or why it was not.
#[derive(Union)]
pub(crate) enum PinMetadataResult {
    Pinned(PinnedMetadata),
    Validation(ValidationProblem),
    NotFound(NotFoundProblem),
}

#[derive(Default)]
pub(crate) struct MediaMutation;

#[Object]
impl MediaMutation {
    /// Where to PUT a file; then call `completeMediaUpload`.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn create_media_upload(
        &self,
        context: &Context<'_>,
        input: CreateMediaUploadInput,
    ) -> Result<CreateUploadResult> {
        let asked = CreateUploadRequest {
            filename: input.filename,
            mime_type: input.mime_type,
            // What does not fit is larger than any limit, and media says so.
            byte_size: u64::try_from(input.byte_size.0).unwrap_or(u64::MAX),
            sha256: input.sha256.to_lowercase(),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        match context.data_unchecked::<Peers>().media.clone().create_upload(asked).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                let expires_in = chrono::TimeDelta::seconds(answer.expires_in_seconds);
                Ok(CreateUploadResult::Upload(MediaUpload {
                    upload_id: ID(answer.upload_id),
                    method: answer.method,
                    url: Uri(answer.url),
                    headers: answer.headers.into_iter().map(|(name, value)| Header { name, value }).collect(),
                    expires_at: DateTime(chrono::Utc::now() + expires_in),
                }))
            }
            Err(status) => match problem::expected(&status)? {
                Problem::Validation(problem) => Ok(CreateUploadResult::Validation(problem)),
                _ => Err(failed(&status)),
            },
        }
    }

    /// Checks what was uploaded, and keeps it.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn complete_media_upload(
        &self,
        context: &Context<'_>,
        upload_id: ID,
    ) -> Result<CompleteUploadResult> {
        let asked = CompleteUploadRequest { upload_id: upload_id.0 };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        match context.data_unchecked::<Peers>().media.clone().complete_upload(asked).await {
            Ok(answer) => {
                Ok(CompleteUploadResult::Media(shown(answer.into_inner().asset.unwrap_or_default())))
            }
            Err(status) => match problem::expected(&status)? {
                Problem::Validation(problem) => Ok(CompleteUploadResult::Validation(problem)),
                Problem::NotFound(problem) => Ok(CompleteUploadResult::NotFound(problem)),
                _ => Err(failed(&status)),
            },
        }
    }

    /// Builds a metadata document and pins it.
    #[graphql(guard = "Requires(Role::User)", directive = auth::apply(Role::User))]
    async fn pin_metadata(
        &self,
        context: &Context<'_>,
        input: PinMetadataInput,
    ) -> Result<PinMetadataResult> {
        let image: Option<ids::AssetId> = match input.image_asset_id {
            None => None,
            // A document is for ever: one that silently lacks its image is worse than none.
            Some(id) => match node::key("Media", &id) {
                Some(key) => Some(key),
                None => {
                    let problem =
                        ValidationProblem::field("imageAssetId", "must be the id of an uploaded file");
                    return Ok(PinMetadataResult::Validation(problem));
                }
            },
        };
        let asked = PinMetadataRequest {
            name: input.name,
            description: input.description.unwrap_or_default(),
            image_asset_id: image.map(|id| id.to_string()).unwrap_or_default(),
            attributes: input.attributes.into_iter().map(attribute).collect(),
            external_url: input.external_url.map(|url| url.0).unwrap_or_default(),
        };
        let asked = rpc::caller::acting(asked, &acting(context)?.caller());
        match context.data_unchecked::<Peers>().media.clone().pin_metadata(asked).await {
            Ok(answer) => {
                let answer = answer.into_inner();
                Ok(PinMetadataResult::Pinned(PinnedMetadata {
                    uri: Uri(answer.uri),
                    cid: answer.cid,
                    metadata: serde_json::from_str(&answer.document_json).ok().map(Json),
                }))
            }
            Err(status) => match problem::expected(&status)? {
                Problem::Validation(problem) => Ok(PinMetadataResult::Validation(problem)),
                Problem::NotFound(problem) => Ok(PinMetadataResult::NotFound(problem)),
                _ => Err(failed(&status)),
            },
        }
    }
}

fn shown(asset: pb::Asset) -> Media {
    Media {
        id: node::id("Media", &asset.asset_id),
        cid: text(&asset.cid),
        url: Uri(asset.url),
        mime_type: asset.mime_type,
        byte_size: BigInt(amounts::U256::from(asset.byte_size)),
    }
}

fn attribute(attribute: AttributeInput) -> pb::Attribute {
    let display_type = attribute.display_type.unwrap_or_default();
    pb::Attribute { r#trait: attribute.trait_, value: attribute.value, display_type }
}
