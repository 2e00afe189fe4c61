//! The kinds of content that are taken, how large each may be, and how its first bytes look.

/// What an asset may be. SVG is not among them: it is a program, and nothing here makes it harmless yet.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum MediaType {
    Png,
    Jpeg,
    Gif,
    Webp,
    Mp4,
    Webm,
    Mp3,
    Wav,
    Glb,
    Json,
}

const MIB: u64 = 1024 * 1024;
/// So much of the beginning decides on the type; JSON is read whole, so it may not be longer.
pub(crate) const HEAD_BYTES: usize = 256 * 1024;

impl MediaType {
    const ALL: [MediaType; 10] = [
        MediaType::Png,
        MediaType::Jpeg,
        MediaType::Gif,
        MediaType::Webp,
        MediaType::Mp4,
        MediaType::Webm,
        MediaType::Mp3,
        MediaType::Wav,
        MediaType::Glb,
        MediaType::Json,
    ];

    /// By its registered name, exactly.
    pub(crate) fn from_mime(mime: &str) -> Option<MediaType> {
        MediaType::ALL.into_iter().find(|kind| kind.mime() == mime)
    }

    pub(crate) fn mime(self) -> &'static str {
        match self {
            MediaType::Png => "image/png",
            MediaType::Jpeg => "image/jpeg",
            MediaType::Gif => "image/gif",
            MediaType::Webp => "image/webp",
            MediaType::Mp4 => "video/mp4",
            MediaType::Webm => "video/webm",
            MediaType::Mp3 => "audio/mpeg",
            MediaType::Wav => "audio/wav",
            MediaType::Glb => "model/gltf-binary",
            MediaType::Json => "application/json",
        }
    }

    pub(crate) fn extension(self) -> &'static str {
        match self {
            MediaType::Png => "png",
            MediaType::Jpeg => "jpg",
            MediaType::Gif => "gif",
            MediaType::Webp => "webp",
            MediaType::Mp4 => "mp4",
            MediaType::Webm => "webm",
            MediaType::Mp3 => "mp3",
            MediaType::Wav => "wav",
            MediaType::Glb => "glb",
            MediaType::Json => "json",
        }
    }

    pub(crate) fn limit_bytes(self) -> u64 {
        match self {
            MediaType::Png | MediaType::Jpeg | MediaType::Gif | MediaType::Webp => 20 * MIB,
            MediaType::Mp4 | MediaType::Webm => 100 * MIB,
            MediaType::Mp3 | MediaType::Wav | MediaType::Glb => 50 * MIB,
            MediaType::Json => HEAD_BYTES as u64,
        }
    }

    /// Whether a browser may show it in place: pixels and nothing else.
    pub(crate) fn is_raster(self) -> bool {
        matches!(self, MediaType::Png | MediaType::Jpeg | MediaType::Gif | MediaType::Webp)
    }

    /// What content is, by its beginning (up to [`HEAD_BYTES`]) and its length.
    pub(crate) fn sniff(head: &[u8], byte_size: u64) -> Option<MediaType> {
        let at = |offset: usize, magic: &[u8]| head.get(offset..).is_some_and(|rest| rest.starts_with(magic));
        let kind = match head {
            _ if at(0, b"\x89PNG\r\n\x1a\n") && at(12, b"IHDR") => MediaType::Png,
            _ if at(0, b"\xff\xd8\xff") => MediaType::Jpeg,
            _ if at(0, b"GIF87a") || at(0, b"GIF89a") => MediaType::Gif,
            _ if at(0, b"RIFF") && at(8, b"WEBPVP8") => MediaType::Webp,
            _ if at(0, b"RIFF") && at(8, b"WAVE") => MediaType::Wav,
            _ if at(4, b"ftyp") && is_mp4_brand(head.get(8..12)) => MediaType::Mp4,
            _ if at(0, b"\x1a\x45\xdf\xa3") && is_webm(head) => MediaType::Webm,
            _ if at(0, b"glTF\x02\0\0\0") && number_at(head, 8) == Some(byte_size) => MediaType::Glb,
            _ if at(0, b"ID3") || is_mp3_frame(head) => MediaType::Mp3,
            _ if head.len() as u64 == byte_size && is_json(head) => MediaType::Json,
            _ => return None,
        };
        Some(kind)
    }
}

/// HEIC and AVIF are in the same box format; only brands that mean video count.
fn is_mp4_brand(brand: Option<&[u8]>) -> bool {
    const BRANDS: [&[u8]; 10] =
        [b"isom", b"iso2", b"iso4", b"iso5", b"iso6", b"mp41", b"mp42", b"avc1", b"M4V ", b"dash"];
    brand.is_some_and(|brand| BRANDS.contains(&brand))
}

/// Matroska and WebM differ by the document type in the first element.
fn is_webm(head: &[u8]) -> bool {
    head[..head.len().min(64)].windows(7).any(|window| window == b"\x42\x82\x84webm")
}

fn is_mp3_frame(head: &[u8]) -> bool {
    let [0xff, second, third, ..] = head else { return false };
    let is_layer_three = second & 0xe6 == 0xe2;
    let (bitrate, sample_rate) = (third >> 4, (third >> 2) & 3);
    is_layer_three && (1..15).contains(&bitrate) && sample_rate != 3
}

fn number_at(head: &[u8], offset: usize) -> Option<u64> {
    let bytes = head.get(offset..offset + 4)?;
    Some(u64::from(u32::from_le_bytes(bytes.try_into().ok()?)))
}

fn is_json(whole: &[u8]) -> bool {
    let first = whole.iter().find(|byte| !byte.is_ascii_whitespace());
    matches!(first, Some(b'{' | b'[')) && serde_json::from_slice::<serde::de::IgnoredAny>(whole).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sniff(bytes: &[u8]) -> Option<MediaType> {
        MediaType::sniff(bytes, bytes.len() as u64)
    }

    #[test]
    fn each_kind_is_known_by_its_first_bytes() {
        let kinds: [(&[u8], MediaType); 12] = [
            (b"\x89PNG\r\n\x1a\n\0\0\0\x0dIHDR", MediaType::Png),
            (b"\xff\xd8\xff\xe0\0\x10JFIF", MediaType::Jpeg),
            (b"GIF89a\x01\0\x01\0", MediaType::Gif),
            (b"RIFF\x24\0\0\0WEBPVP8L", MediaType::Webp),
            (b"RIFF\x24\0\0\0WAVEfmt ", MediaType::Wav),
            (b"\0\0\0\x20ftypisom\0\0\x02\0", MediaType::Mp4),
            (b"\x1a\x45\xdf\xa3\x9f\x42\x86\x81\x01\x42\x82\x84webm", MediaType::Webm),
            (b"glTF\x02\0\0\0\x0c\0\0\0", MediaType::Glb),
            (b"ID3\x04\0\0\0\0\0\0", MediaType::Mp3),
            (b"\xff\xfb\x90\x64", MediaType::Mp3),
            (b"  {\"name\":\"x\"}", MediaType::Json),
            (b"[1,2]", MediaType::Json),
        ];
        for (bytes, kind) in kinds {
            assert_eq!(sniff(bytes), Some(kind), "{bytes:?}");
            assert_eq!(MediaType::from_mime(kind.mime()), Some(kind));
        }
    }

    #[test]
    fn what_is_not_on_the_list_has_no_type() {
        let others: [&[u8]; 12] = [
            b"",
            b"<svg xmlns=\"http://www.w3.org/2000/svg\"><script/></svg>",
            b"<!doctype html><script>alert(1)</script>",
            b"%PDF-1.7",
            b"PK\x03\x04",
            b"\x89PNG\r\n\x1a\n",
            b"\0\0\0\x20ftypheic\0\0\0\0",
            b"\x1a\x45\xdf\xa3\x9f\x42\x82\x88matroska",
            b"glTF\x02\0\0\0\xff\0\0\0",
            b"{\"name\":",
            b"\"a string\"",
            b"RIFF\x24\0\0\0AVI LIST",
        ];
        for bytes in others {
            assert_eq!(sniff(bytes), None, "{bytes:?}");
        }
        assert_eq!(MediaType::from_mime("image/svg+xml"), None);
        assert_eq!(MediaType::from_mime("text/html"), None);
    }

    #[test]
    fn the_beginning_of_a_longer_json_text_is_not_json() {
        assert_eq!(MediaType::sniff(b"{}", 3), None);
    }
}
