//! Documents inside their own URI.

use base64::{Engine, engine::general_purpose::STANDARD};
use bytes::Bytes;

use super::Unfetched;

const DECODED_BYTES: usize = 256 * 1024;

/// The JSON in a `data:` URI. Contracts write it in base64, percent-encoded, or just as it is.
pub(crate) fn read(uri: &str) -> Result<Bytes, Unfetched> {
    let (head, content) = uri.get(5..).and_then(|rest| rest.split_once(',')).ok_or(Unfetched::NotJson)?;
    let mut parameters = head.split(';').map(str::trim);
    let mime_type = parameters.next().unwrap_or_default().to_ascii_lowercase();
    // Anything else is a picture or a page that claims to be a token's metadata.
    if !matches!(mime_type.as_str(), "" | "application/json" | "text/plain") {
        return Err(Unfetched::NotJson);
    }
    if parameters.any(|parameter| parameter.eq_ignore_ascii_case("base64")) {
        if content.len() > DECODED_BYTES.div_ceil(3) * 4 {
            return Err(Unfetched::TooLarge);
        }
        let (content, _) = content.split_once('#').unwrap_or((content, ""));
        return STANDARD.decode(content).map(Bytes::from).map_err(|_| Unfetched::NotJson);
    }
    if content.len() > DECODED_BYTES * 3 {
        return Err(Unfetched::TooLarge);
    }
    let decoded = plain(content);
    if decoded.len() > DECODED_BYTES { Err(Unfetched::TooLarge) } else { Ok(decoded.into()) }
}

/// Text that is JSON already is not decoded: a literal `%41` inside it is meant, and so is a `#`, which most contracts
/// write as it is (`"name":"One #1"`). Only where nothing else makes it JSON does a `#` begin a fragment.
fn plain(content: &str) -> Vec<u8> {
    let is_json = |text: &[u8]| serde_json::from_slice::<serde::de::IgnoredAny>(text).is_ok();
    if is_json(content.as_bytes()) {
        return content.as_bytes().to_vec();
    }
    let whole = percent_decode(content.as_bytes());
    match content.rsplit_once('#') {
        Some((before, _)) if !is_json(&whole) => percent_decode(before.as_bytes()),
        _ => whole,
    }
}

/// A percent sign that no two digits follow stands for itself.
fn percent_decode(text: &[u8]) -> Vec<u8> {
    let mut decoded = Vec::with_capacity(text.len());
    let mut rest = text;
    while let [first, tail @ ..] = rest {
        let escaped = match tail {
            [high, low, ..] if *first == b'%' => hex::decode([*high, *low]).ok(),
            _ => None,
        };
        match escaped {
            Some(byte) => {
                decoded.extend(byte);
                rest = &tail[2..];
            }
            None => {
                decoded.push(*first);
                rest = tail;
            }
        }
    }
    decoded
}

#[cfg(test)]
mod tests {
    use super::*;

    fn text(uri: &str) -> Result<String, Unfetched> {
        read(uri).map(|bytes| String::from_utf8(bytes.to_vec()).unwrap())
    }

    #[test]
    fn the_three_ways_to_write_it_are_read() {
        let expected = Ok(r#"{"name":"a b"}"#.to_owned());
        assert_eq!(text(r#"data:application/json,{"name":"a b"}"#), expected);
        assert_eq!(text(r#"data:application/json;utf8,{"name":"a b"}"#), expected);
        assert_eq!(text("data:application/json;charset=utf-8,%7B%22name%22%3A%22a%20b%22%7D"), expected);
        assert_eq!(text("data:application/json;base64,eyJuYW1lIjoiYSBiIn0="), expected);
        assert_eq!(text(r#"data:,{"n":"100%41"}"#), Ok(r#"{"n":"100%41"}"#.to_owned()));
    }

    #[test]
    fn a_number_sign_is_part_of_the_text_unless_only_a_fragment_makes_sense() {
        let named = Ok(r#"{"name":"One #1"}"#.to_owned());
        assert_eq!(text(r#"data:application/json,{"name":"One #1"}"#), named);
        assert_eq!(text("data:application/json,%7B%22name%22:%22One #1%22%7D"), named);
        assert_eq!(
            text("data:application/json,%7B%22name%22:%22One%22%7D#7"),
            Ok(r#"{"name":"One"}"#.to_owned())
        );
        assert_eq!(text("data:application/json;base64,e30=#7"), Ok("{}".to_owned()));
    }

    #[test]
    fn a_page_or_a_picture_is_not_metadata() {
        for uri in [
            "data:text/html,<script>",
            "data:image/svg+xml;base64,PHN2Zz4=",
            "data:application/json;base64,e30",
            "data:",
            "data:x",
        ] {
            assert_eq!(text(uri), Err(Unfetched::NotJson), "{uri}");
        }
    }

    #[test]
    fn a_document_ends_at_256_kib() {
        let of = |bytes: usize| format!("data:application/json,{{\"a\":\"{}\"}}", "x".repeat(bytes - 8));
        assert_eq!(read(&of(DECODED_BYTES)).map(|bytes| bytes.len()), Ok(DECODED_BYTES));
        assert_eq!(read(&of(DECODED_BYTES + 1)), Err(Unfetched::TooLarge));
        let long = format!("data:;base64,{}", STANDARD.encode(vec![b' '; DECODED_BYTES + 3]));
        assert_eq!(read(&long), Err(Unfetched::TooLarge));
    }
}
