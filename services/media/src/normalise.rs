//! The dialects of token and contract metadata, brought into one form. Pure: text in, values out.

use serde::Serialize;
use serde_json::{Map, Value};

const NAME_MAX: usize = 1_000;
const DESCRIPTION_MAX: usize = 20_000;
/// A longer one (a picture inside the URI) stays in the document as it came, and is no address of a picture.
const URI_MAX: usize = 8 * 1024;
const ATTRIBUTES_MAX: usize = 500;
const ATTRIBUTE_MAX: usize = 1_000;

/// Metadata in one form, in this order of keys.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Metadata {
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) name: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) description: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) image: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) animation_url: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) external_url: String,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub(crate) attributes: Vec<Attribute>,
}

/// One trait; its value as text.
#[derive(Debug, Clone, Default, PartialEq, Serialize)]
pub(crate) struct Attribute {
    pub(crate) trait_type: String,
    pub(crate) value: String,
    #[serde(skip_serializing_if = "String::is_empty")]
    pub(crate) display_type: String,
}

/// None where the text is no JSON object. `{id}` in addresses becomes the token's number, as ERC-1155 wants it.
pub(crate) fn normalise(text: &[u8], token_number: Option<&str>) -> Option<Metadata> {
    // Some files begin with a byte order mark.
    let text = text.strip_prefix(b"\xef\xbb\xbf").unwrap_or(text);
    let document: Map<String, Value> = serde_json::from_slice(text).ok()?;
    let uri = |names: &[&str]| {
        let found = first_text(&document, names, URI_MAX + 1);
        let found = token_number.map_or(found.clone(), |number| found.replace("{id}", number));
        if found.len() > URI_MAX { String::new() } else { found }
    };
    Some(Metadata {
        name: first_text(&document, &["name", "title"], NAME_MAX),
        description: first_text(&document, &["description"], DESCRIPTION_MAX),
        image: uri(&["image", "image_url", "imageUrl", "image_uri"]),
        animation_url: uri(&["animation_url", "animationUrl", "animation"]),
        external_url: uri(&["external_url", "external_link", "externalUrl"]),
        attributes: attributes(&document),
    })
}

fn first_text(document: &Map<String, Value>, names: &[&str], max: usize) -> String {
    names
        .iter()
        .filter_map(|name| document.get(*name))
        .map(|value| text(value, max))
        .find(|text| !text.is_empty())
        .unwrap_or_default()
}

/// Text and numbers; anything with a structure is nothing to show. No NUL, which databases do not take.
fn text(value: &Value, max: usize) -> String {
    match value {
        Value::String(text) => text.trim().chars().filter(|c| *c != '\0').take(max).collect(),
        Value::Number(number) => number.to_string(),
        Value::Bool(flag) => flag.to_string(),
        Value::Null | Value::Array(_) | Value::Object(_) => String::new(),
    }
}

fn attributes(document: &Map<String, Value>) -> Vec<Attribute> {
    let found = ["attributes", "traits", "properties"].iter().filter_map(|name| document.get(*name));
    let read = found.map(|value| match value {
        Value::Array(entries) => entries.iter().filter_map(listed).take(ATTRIBUTES_MAX).collect(),
        Value::Object(entries) => entries.iter().filter_map(named).take(ATTRIBUTES_MAX).collect(),
        _ => Vec::new(),
    });
    read.into_iter().find(|attributes: &Vec<Attribute>| !attributes.is_empty()).unwrap_or_default()
}

/// `{"trait_type": "Eyes", "value": "Blue"}`
fn listed(entry: &Value) -> Option<Attribute> {
    let entry = entry.as_object()?;
    let attribute = Attribute {
        trait_type: first_text(entry, &["trait_type", "traitType", "trait", "name", "key"], ATTRIBUTE_MAX),
        value: first_text(entry, &["value"], ATTRIBUTE_MAX),
        display_type: first_text(entry, &["display_type"], 50),
    };
    (!attribute.value.is_empty()).then_some(attribute)
}

/// `"Eyes": "Blue"`, or ERC-1155's `"eyes": {"name": "Eyes", "value": "Blue"}`
fn named((key, value): (&String, &Value)) -> Option<Attribute> {
    let attribute = match value {
        Value::Object(entry) => {
            let name = first_text(entry, &["name"], ATTRIBUTE_MAX);
            let trait_type =
                if name.is_empty() { text(&Value::from(key.as_str()), ATTRIBUTE_MAX) } else { name };
            Attribute {
                trait_type,
                value: first_text(entry, &["value"], ATTRIBUTE_MAX),
                display_type: String::new(),
            }
        }
        value => Attribute {
            trait_type: text(&Value::from(key.as_str()), ATTRIBUTE_MAX),
            value: text(value, ATTRIBUTE_MAX),
            display_type: String::new(),
        },
    };
    (!attribute.value.is_empty()).then_some(attribute)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn attribute(trait_type: &str, value: &str, display_type: &str) -> Attribute {
        let own = str::to_owned;
        Attribute { trait_type: own(trait_type), value: own(value), display_type: own(display_type) }
    }

    #[test]
    fn the_common_dialect_is_read_whole() {
        let text = br#"{"name":" One ","description":"d","image":"ipfs://x","animation_url":"https://a/b","external_link":"https://e",
            "attributes":[{"trait_type":"Eyes","value":"Blue"},{"display_type":"number","trait_type":"Level","value":5},{"value":true},7,{"trait_type":"Empty"}]}"#;
        let read = normalise(text, None).unwrap();
        assert_eq!(
            (read.name.as_str(), read.image.as_str(), read.external_url.as_str()),
            ("One", "ipfs://x", "https://e")
        );
        let expected =
            [attribute("Eyes", "Blue", ""), attribute("Level", "5", "number"), attribute("", "true", "")];
        assert_eq!(read.attributes, expected);
    }

    #[test]
    fn erc_1155_properties_and_plain_maps_are_attributes() {
        let text = br#"{"name":"x","image":"https://h/{id}.png","properties":{"eyes":{"name":"Eyes","value":"Blue"},"level":3,"deep":{"a":1}}}"#;
        let read = normalise(text, Some("00ff")).unwrap();
        assert_eq!(read.image, "https://h/00ff.png");
        assert_eq!(read.attributes, [attribute("Eyes", "Blue", ""), attribute("level", "3", "")]);
    }

    #[test]
    fn only_an_object_is_metadata() {
        for text in ["", "[]", "\"x\"", "<html>", "{", "null"] {
            assert_eq!(normalise(text.as_bytes(), None), None, "{text}");
        }
        let deep = format!("{}{}", "{\"a\":".repeat(10_000), "1");
        assert_eq!(normalise(deep.as_bytes(), None), None);
    }

    #[test]
    fn what_is_too_long_or_not_text_is_cut_or_left_out() {
        let text = serde_json::json!({ "name": "n".repeat(5_000), "image": "i".repeat(9_000), "description": "a\u{0}b", "external_url": ["x"] });
        let read = normalise(text.to_string().as_bytes(), None).unwrap();
        assert_eq!((read.name.len(), read.image.as_str(), read.description.as_str()), (NAME_MAX, "", "ab"));
        assert_eq!(read.external_url, "");
    }
}
