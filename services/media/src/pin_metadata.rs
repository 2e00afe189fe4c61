//! A metadata document is built here, byte for byte: the same input has the same CID everywhere.

use bson::DateTime;
use events::media::Pin;
use ids::AssetId;
use serde::Serialize;
use serde_json::{Number, Value};
use url::Url;

use crate::{
    blob::Blobs,
    content_id::ContentHash,
    error::Error,
    kubo::Kubo,
    media_type::MediaType,
    model::{Asset, AssetStatus, Document},
    store::Store,
};

const NAME_MAX_CHARS: usize = 200;
const DESCRIPTION_MAX_CHARS: usize = 10_000;
const ATTRIBUTES_MAX: usize = 100;
const TRAIT_MAX_CHARS: usize = 100;
const VALUE_MAX_CHARS: usize = 500;
const PROVIDER: &str = "kubo";
/// OpenSea's words; all but the first want a number.
const DISPLAY_TYPES: [&str; 5] = ["", "number", "boost_number", "boost_percentage", "date"];

/// What a document is to say.
pub(crate) struct PinAsk {
    pub(crate) name: String,
    pub(crate) description: String,
    pub(crate) image: Option<AssetId>,
    pub(crate) attributes: Vec<AskedAttribute>,
    pub(crate) external_url: Option<Url>,
}

pub(crate) struct AskedAttribute {
    pub(crate) trait_type: String,
    pub(crate) value: String,
    pub(crate) display_type: String,
}

impl PinAsk {
    pub(crate) fn check(&self) -> Result<(), Error> {
        if self.name.trim().is_empty() || self.name.chars().count() > NAME_MAX_CHARS {
            return Err(Error::field(
                "name",
                "INVALID",
                format!("between 1 and {NAME_MAX_CHARS} characters"),
            ));
        }
        if self.description.chars().count() > DESCRIPTION_MAX_CHARS {
            return Err(Error::field(
                "description",
                "TOO_LONG",
                format!("at most {DESCRIPTION_MAX_CHARS} characters"),
            ));
        }
        if self.attributes.len() > ATTRIBUTES_MAX {
            return Err(Error::field(
                "attributes",
                "TOO_MANY",
                format!("at most {ATTRIBUTES_MAX} attributes"),
            ));
        }
        let is_web = |url: &Url| matches!(url.scheme(), "http" | "https");
        if self.external_url.as_ref().is_some_and(|url| !is_web(url)) {
            return Err(Error::field("external_url", "INVALID", "must be an http or https URL"));
        }
        self.attributes.iter().try_for_each(AskedAttribute::check)
    }
}

impl AskedAttribute {
    fn check(&self) -> Result<(), Error> {
        if self.trait_type.chars().count() > TRAIT_MAX_CHARS || self.value.chars().count() > VALUE_MAX_CHARS {
            let message =
                format!("a trait has at most {TRAIT_MAX_CHARS} characters, its value {VALUE_MAX_CHARS}");
            return Err(Error::field("attributes", "TOO_LONG", message));
        }
        if self.value.is_empty() {
            return Err(Error::field("attributes", "INVALID", "an attribute has a value"));
        }
        if !DISPLAY_TYPES.contains(&self.display_type.as_str()) {
            return Err(Error::field(
                "attributes",
                "INVALID",
                format!("display_type is one of {DISPLAY_TYPES:?}"),
            ));
        }
        if !self.display_type.is_empty() && self.number().is_none() {
            return Err(Error::field("attributes", "INVALID", "with a display_type the value is a number"));
        }
        Ok(())
    }

    fn number(&self) -> Option<Number> {
        serde_json::from_str(&self.value).ok()
    }
}

/// The document, its keys in the order in which they are written.
#[derive(Serialize)]
struct Built<'a> {
    name: &'a str,
    description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    image: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    animation_url: Option<String>,
    #[serde(skip_serializing_if = "Option::is_none")]
    external_url: Option<&'a Url>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    attributes: Vec<BuiltAttribute<'a>>,
}

#[derive(Serialize)]
struct BuiltAttribute<'a> {
    #[serde(skip_serializing_if = "str::is_empty")]
    display_type: &'a str,
    #[serde(skip_serializing_if = "str::is_empty")]
    trait_type: &'a str,
    value: Value,
}

fn build(ask: &PinAsk, picture: Option<(MediaType, String)>) -> String {
    let (image, animation_url) = match picture {
        Some((kind, uri)) if kind.is_raster() => (Some(uri), None),
        Some((_, uri)) => (None, Some(uri)),
        None => (None, None),
    };
    let attributes = ask.attributes.iter().map(|asked| {
        let number = if asked.display_type.is_empty() { None } else { asked.number() };
        BuiltAttribute {
            display_type: &asked.display_type,
            trait_type: &asked.trait_type,
            value: number.map_or_else(|| Value::from(asked.value.as_str()), Value::Number),
        }
    });
    let built = Built {
        name: &ask.name,
        description: &ask.description,
        image,
        animation_url,
        external_url: ask.external_url.as_ref(),
        attributes: attributes.collect(),
    };
    serde_json::to_string(&built).expect("a document is plain text and numbers")
}

/// What was built and where it is.
pub(crate) struct Pinned {
    pub(crate) cid: String,
    pub(crate) document_json: String,
}

pub(crate) async fn pin_metadata(
    store: &Store,
    blobs: &Blobs,
    kubo: Option<&Kubo>,
    public_url: &Url,
    ask: PinAsk,
) -> Result<Pinned, Error> {
    ask.check()?;
    let asset = match ask.image {
        Some(asset_id) => Some(ready_asset(store, asset_id).await?),
        None => None,
    };
    let picture = match &asset {
        Some(asset) => Some((picture_type(asset)?, picture_uri(asset, public_url))),
        None => None,
    };
    let document_json = build(&ask, picture);
    let sha256 = ContentHash::of(document_json.as_bytes());
    let cid = sha256.cid();
    blobs.write(&document_key(&cid.to_string()), document_json.clone().into()).await?;
    let document = Document {
        sha256,
        cid: cid.to_string(),
        original: document_json.clone(),
        is_own: true,
        pins: vec![Pin { provider: PROVIDER.to_owned(), status: "queued".to_owned() }],
        created_at: DateTime::now(),
    };
    store.put_document(&document).await?;
    if let Some(kubo) = kubo {
        pin(store, kubo, &document).await?;
    }
    Ok(Pinned { cid: cid.to_string(), document_json })
}

/// A node that is away leaves the pin queued: the document is kept here, and its name does not depend on the node.
async fn pin(store: &Store, kubo: &Kubo, document: &Document) -> Result<(), Error> {
    match kubo.put_block(document.original.as_bytes(), &document.sha256.cid()).await {
        Ok(()) => {
            launch::failpoint("media.pinned_no_meta");
            store.set_pin(document.sha256, PROVIDER, "pinned").await?;
        }
        Err(err) => {
            tracing::warn!(cid = document.cid, error = %format!("{err:#}"), "document not pinned yet")
        }
    }
    Ok(())
}

async fn ready_asset(store: &Store, asset_id: AssetId) -> Result<Asset, Error> {
    let asset = store.find_asset(asset_id).await?.filter(|asset| asset.status == AssetStatus::Ready);
    asset.ok_or_else(|| {
        Error::field("image_asset_id", "NOT_FOUND", "there is no such asset, or it is not ready")
    })
}

fn picture_type(asset: &Asset) -> Result<MediaType, Error> {
    let kind = MediaType::from_mime(&asset.mime_type).filter(|kind| *kind != MediaType::Json);
    kind.ok_or_else(|| {
        Error::field("image_asset_id", "INVALID", "the asset is nothing to look at or listen to")
    })
}

/// By content where one block holds it; the tree of a longer file is not computed yet, so it is named by its place.
fn picture_uri(asset: &Asset, public_url: &Url) -> String {
    match &asset.cid {
        Some(cid) => format!("ipfs://{cid}"),
        None => asset_url(public_url, asset.asset_id),
    }
}

/// Where the media host serves an asset.
pub(crate) fn asset_url(public_url: &Url, asset_id: AssetId) -> String {
    format!("{}/assets/{asset_id}", public_url.as_str().trim_end_matches('/'))
}

fn document_key(cid: &str) -> String {
    format!("ipfs/{cid}")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask() -> PinAsk {
        let own = str::to_owned;
        let attribute = |trait_type, value, display_type| AskedAttribute {
            trait_type: own(trait_type),
            value: own(value),
            display_type: own(display_type),
        };
        PinAsk {
            name: own("One \"1\""),
            description: own("d"),
            image: None,
            attributes: vec![attribute("Eyes", "7", ""), attribute("Level", "7", "number")],
            external_url: Some("https://example.com/".parse().unwrap()),
        }
    }

    #[test]
    fn the_same_ask_gives_the_same_bytes_in_a_fixed_order() {
        let image = || Some((MediaType::Png, own_uri()));
        let built = build(&ask(), image());
        let expected = r#"{"name":"One \"1\"","description":"d","image":"ipfs://x","external_url":"https://example.com/","attributes":[{"trait_type":"Eyes","value":"7"},{"display_type":"number","trait_type":"Level","value":7}]}"#;
        assert_eq!(built, expected);
        assert_eq!(build(&ask(), image()), built);
        assert!(build(&ask(), Some((MediaType::Mp4, own_uri()))).contains(r#""animation_url":"ipfs://x""#));
    }

    fn own_uri() -> String {
        "ipfs://x".to_owned()
    }

    #[test]
    fn what_a_document_may_say_is_bounded() {
        let field = |change: fn(&mut PinAsk)| {
            let mut changed = ask();
            change(&mut changed);
            match changed.check() {
                Ok(()) => "",
                Err(Error::Field { path, .. }) => path,
                Err(_) => "something else",
            }
        };
        assert_eq!(field(|_| ()), "");
        assert_eq!(field(|ask| ask.name = " ".to_owned()), "name");
        assert_eq!(field(|ask| ask.description = "x".repeat(10_001)), "description");
        assert_eq!(field(|ask| ask.external_url = "javascript:alert(1)".parse().ok()), "external_url");
        assert_eq!(field(|ask| ask.attributes[1].value = "many".to_owned()), "attributes");
        assert_eq!(field(|ask| ask.attributes[0].display_type = "script".to_owned()), "attributes");
        assert_eq!(field(|ask| ask.attributes[0].value = "v".repeat(501)), "attributes");
    }
}
