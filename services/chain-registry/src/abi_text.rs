//! An interface as somebody gives it: bounded before it is parsed, named by the hash of its bytes.

use alloy::json_abi::JsonAbi;
use serde_json::Value;
use sha2::{Digest, Sha256};

use crate::{error::Error, model::is_plain};

/// Up to this an interface lies in its row; a larger one lies in the object store.
pub(crate) const ROW_MAX_BYTES: usize = 256 * 1024;
/// Beyond this it is refused.
pub(crate) const ABI_MAX_BYTES: usize = 4 * 1024 * 1024;
/// Structures in structures; no compiler's output comes near it.
const DEEPEST: usize = 48;
/// A type is parsed by recursion over its brackets, and a deep one has ended processes before (RUSTSEC-2024-0362).
const TYPE_MAX_CHARS: usize = 512;
const TYPE_MAX_BRACKETS: usize = 16;

/// An interface that may be stored.
#[derive(Debug, Clone)]
pub(crate) struct AbiText {
    pub(crate) text: String,
    pub(crate) value: Value,
    /// Of the text's bytes, 64 digits.
    pub(crate) sha256: String,
}

impl AbiText {
    /// Checks the text; takes milliseconds for a large one, so it is no work for a thread that serves others.
    pub(crate) fn parse(text: String) -> Result<AbiText, Error> {
        let refuse = |why: &str| Error::field("abi_json", why);
        if text.len() > ABI_MAX_BYTES {
            return Err(refuse("must be at most 4 MiB"));
        }
        // The parser of JSON has a bound of its own on depth.
        let value: Value = serde_json::from_str(&text).map_err(|err| Error::field("abi_json", err))?;
        if !value.is_array() {
            return Err(refuse("must be a JSON array"));
        }
        if !is_plain(&value, DEEPEST) || !has_flat_types(&value) {
            return Err(refuse("must not be nested deeper than contracts are, nor hold NUL characters"));
        }
        serde_json::from_str::<JsonAbi>(&text)
            .map_err(|err| Error::field("abi_json", format!("is not a JSON ABI: {err}")))?;
        let sha256 = sha256(text.as_bytes());
        Ok(AbiText { text, value, sha256 })
    }

    pub(crate) fn size_bytes(&self) -> i32 {
        i32::try_from(self.text.len()).unwrap_or(i32::MAX)
    }

    /// Whether it is too large for a row.
    pub(crate) fn is_large(&self) -> bool {
        self.text.len() > ROW_MAX_BYTES
    }
}

/// The name of these bytes.
pub(crate) fn sha256(bytes: &[u8]) -> String {
    hex::encode(Sha256::digest(bytes))
}

/// Whether every text under `type` and `internalType` is short and has few brackets.
fn has_flat_types(value: &Value) -> bool {
    let is_flat = |text: &str| {
        text.len() <= TYPE_MAX_CHARS
            && text.bytes().filter(|byte| matches!(byte, b'(' | b'[')).count() <= TYPE_MAX_BRACKETS
    };
    match value {
        Value::Array(items) => items.iter().all(has_flat_types),
        Value::Object(fields) => fields.iter().all(|(key, field)| match (key.as_str(), field) {
            ("type" | "internalType", Value::String(text)) => is_flat(text),
            (_, field) => has_flat_types(field),
        }),
        _ => true,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(kind: &str) -> String {
        format!(
            r#"[{{"type":"function","name":"f","stateMutability":"view","inputs":[{{"name":"a","type":"{kind}"}}],"outputs":[]}}]"#
        )
    }

    #[test]
    fn an_interface_is_named_by_its_bytes() {
        let abi = AbiText::parse(view("uint256[2][]")).unwrap();
        assert_eq!(abi.sha256, sha256(view("uint256[2][]").as_bytes()));
        let spaced = AbiText::parse(format!(" {}", view("uint256[2][]"))).unwrap();
        assert_eq!(spaced.value, abi.value);
        assert_ne!(spaced.sha256, abi.sha256, "other bytes are another blob");
        assert_eq!(sha256(b"[]"), "4f53cda18c2baa0c0354bb5f9a3ecbe5ed12ab4d8e11ba873c2f11161202b945");
    }

    #[test]
    fn what_is_no_interface_is_refused_and_nothing_overflows() {
        let deep_type = format!("uint8{}", "[]".repeat(100_000));
        let deep_tuple = "[{\"type\":\"tuple\",\"components\":".repeat(60);
        let deep_json = "[".repeat(1_000_000);
        let wrong = [
            "{}".to_owned(),
            "[1]".to_owned(),
            "[{\"type\":\"function\"}]".to_owned(),
            view(&deep_type),
            view(&format!("{}uint8{}", "(".repeat(5_000), ")".repeat(5_000))),
            view("\\u0000"),
            deep_tuple,
            deep_json,
            format!("[{}]", " ".repeat(ABI_MAX_BYTES)),
        ];
        for text in wrong {
            assert!(matches!(AbiText::parse(text.clone()), Err(Error::Invalid(_))), "{:.80}", text);
        }
    }
}
