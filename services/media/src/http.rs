//! The door for bytes, on a host of its own: whatever an asset holds, it runs nowhere that matters.

use std::{ops::Range, str::FromStr};

use axum::{
    Router,
    body::Body,
    extract::{Path, State},
    http::{HeaderMap, HeaderValue, StatusCode, header},
    response::{IntoResponse, Response},
    routing::get,
};
use cid::Cid;
use ids::AssetId;
use tokio::net::TcpListener;
use tokio_util::sync::CancellationToken;

use crate::{
    blob::{Blobs, asset_key},
    content_id::ContentHash,
    error::Error,
    media_type::MediaType,
    model::{Asset, AssetStatus},
    store::Store,
};

/// What the door needs.
#[derive(Clone)]
pub(crate) struct Bytes {
    pub(crate) store: Store,
    pub(crate) blobs: Blobs,
}

pub(crate) async fn serve(
    listener: TcpListener,
    bytes: Bytes,
    stopping: CancellationToken,
) -> anyhow::Result<()> {
    tracing::info!(http.addr = %listener.local_addr()?, "serving bytes");
    let app = Router::new()
        .route("/assets/{asset_id}", get(asset))
        .route("/ipfs/{cid}", get(content))
        .with_state(bytes);
    axum::serve(listener, app).with_graceful_shutdown(stopping.cancelled_owned()).await?;
    Ok(())
}

async fn asset(State(bytes): State<Bytes>, Path(asset_id): Path<String>, headers: HeaderMap) -> Response {
    let Ok(asset_id) = AssetId::from_str(&asset_id) else { return nothing() };
    answer(find(&bytes, asset_id, &headers).await)
}

/// A document of ours, or an asset, by what it contains. Documents of others are not served.
async fn content(State(bytes): State<Bytes>, Path(cid): Path<String>, headers: HeaderMap) -> Response {
    let hash = Cid::from_str(&cid).ok().and_then(|cid| ContentHash::of_raw(&cid));
    let Some(hash) = hash else { return nothing() };
    match bytes.store.find_document(hash).await {
        Ok(Some(document)) if document.is_own => {
            let mut response = sealed(&hash);
            if is_known(&headers, &hash) {
                return not_modified(response);
            }
            set(&mut response, header::CONTENT_TYPE, "application/json");
            *response.body_mut() = document.original.into();
            response
        }
        Ok(_) => answer(find(&bytes, hash.asset_id(), &headers).await),
        Err(err) => answer(Err(err.into())),
    }
}

fn answer(found: Result<Option<Response>, Error>) -> Response {
    match found {
        Ok(Some(response)) => response,
        Ok(None) => nothing(),
        Err(err) => {
            tracing::warn!(error = %format!("{:#}", anyhow::Error::from(err)), "content could not be served");
            StatusCode::SERVICE_UNAVAILABLE.into_response()
        }
    }
}

async fn find(bytes: &Bytes, asset_id: AssetId, headers: &HeaderMap) -> Result<Option<Response>, Error> {
    let Some(asset) = bytes.store.find_asset(asset_id).await? else { return Ok(None) };
    let (AssetStatus::Ready, Some(kind)) = (asset.status, MediaType::from_mime(&asset.mime_type)) else {
        return Ok(None);
    };
    let mut response = sealed(&asset.sha256);
    if is_known(headers, &asset.sha256) {
        return Ok(Some(not_modified(response)));
    }
    let byte_size = asset.byte_size.unsigned_abs();
    let range = match headers.get(header::RANGE).and_then(|value| value.to_str().ok()) {
        None => None,
        Some(text) => match parse_range(text, byte_size) {
            Asked::Part(range) => Some(range),
            Asked::Whole => None,
            Asked::Beyond => {
                set(&mut response, header::CONTENT_RANGE, &format!("bytes */{byte_size}"));
                *response.status_mut() = StatusCode::RANGE_NOT_SATISFIABLE;
                return Ok(Some(response));
            }
        },
    };
    let Some(found) = bytes.blobs.read(&asset_key(&asset.sha256), range.clone()).await? else {
        return Err(Error::Broken(anyhow::anyhow!("the bytes of asset {asset_id} are gone")));
    };
    describe(&mut response, &asset, kind, range, byte_size);
    *response.body_mut() = Body::from_stream(found.into_stream());
    Ok(Some(response))
}

fn describe(
    response: &mut Response,
    asset: &Asset,
    kind: MediaType,
    range: Option<Range<u64>>,
    byte_size: u64,
) {
    set(response, header::CONTENT_TYPE, kind.mime());
    set(response, header::ACCEPT_RANGES, "bytes");
    if !kind.is_raster() {
        let (id, extension) = (asset.asset_id, kind.extension());
        set(response, header::CONTENT_DISPOSITION, &format!("attachment; filename=\"{id}.{extension}\""));
    }
    let length = range.as_ref().map_or(byte_size, |range| range.end - range.start);
    set(response, header::CONTENT_LENGTH, &length.to_string());
    if let Some(range) = range {
        let (first, last) = (range.start, range.end - 1);
        set(response, header::CONTENT_RANGE, &format!("bytes {first}-{last}/{byte_size}"));
        *response.status_mut() = StatusCode::PARTIAL_CONTENT;
    }
}

/// What every content carries: it is what it says it is, runs nothing, may be shown anywhere, and never changes.
fn sealed(hash: &ContentHash) -> Response {
    let mut response = Response::new(Body::empty());
    set(&mut response, header::X_CONTENT_TYPE_OPTIONS, "nosniff");
    set(&mut response, header::CONTENT_SECURITY_POLICY, "sandbox; default-src 'none'");
    set(&mut response, header::CACHE_CONTROL, "public, max-age=31536000, immutable");
    set(&mut response, header::ETAG, &format!("\"{hash}\""));
    set(&mut response, header::ACCESS_CONTROL_ALLOW_ORIGIN, "*");
    set(&mut response, header::REFERRER_POLICY, "no-referrer");
    let anywhere = HeaderValue::from_static("cross-origin");
    response.headers_mut().insert("cross-origin-resource-policy", anywhere);
    response
}

fn set(response: &mut Response, name: header::HeaderName, value: &str) {
    let value = HeaderValue::from_str(value).expect("types, numbers and digits are ASCII");
    response.headers_mut().insert(name, value);
}

fn is_known(headers: &HeaderMap, hash: &ContentHash) -> bool {
    let known = headers.get(header::IF_NONE_MATCH).and_then(|value| value.to_str().ok()).unwrap_or_default();
    known.trim() == "*"
        || known
            .split(',')
            .any(|tag| tag.trim().trim_start_matches("W/").trim_matches('"') == hash.to_string())
}

fn not_modified(mut response: Response) -> Response {
    *response.status_mut() = StatusCode::NOT_MODIFIED;
    response
}

fn nothing() -> Response {
    StatusCode::NOT_FOUND.into_response()
}

#[derive(Debug, PartialEq)]
enum Asked {
    Part(Range<u64>),
    /// Several ranges, another unit, or no sense: a server may answer with the whole.
    Whole,
    Beyond,
}

fn parse_range(text: &str, byte_size: u64) -> Asked {
    let Some((first, last)) = text.strip_prefix("bytes=").and_then(|range| range.split_once('-')) else {
        return Asked::Whole;
    };
    let number = |text: &str| text.trim().parse::<u64>().ok();
    let range = match (number(first), number(last)) {
        (Some(first), Some(last)) if first <= last => first..last.saturating_add(1).min(byte_size),
        (Some(first), None) if last.trim().is_empty() => first..byte_size,
        (None, Some(count)) if first.trim().is_empty() => byte_size.saturating_sub(count)..byte_size,
        _ => return Asked::Whole,
    };
    if range.is_empty() { Asked::Beyond } else { Asked::Part(range) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_range_is_a_part_the_whole_or_beyond() {
        for (text, expected) in [
            ("bytes=0-0", Asked::Part(0..1)),
            ("bytes=2-", Asked::Part(2..10)),
            ("bytes=-3", Asked::Part(7..10)),
            ("bytes=-30", Asked::Part(0..10)),
            ("bytes=5-99", Asked::Part(5..10)),
            ("bytes=10-", Asked::Beyond),
            ("bytes=-0", Asked::Beyond),
            ("bytes=18446744073709551615-18446744073709551615", Asked::Beyond),
            ("bytes=3-2", Asked::Whole),
            ("bytes=0-1,3-4", Asked::Whole),
            ("items=0-1", Asked::Whole),
            ("bytes=-", Asked::Whole),
        ] {
            assert_eq!(parse_range(text, 10), expected, "{text}");
        }
    }
}
