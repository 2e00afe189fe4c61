//! Text that a contract or a metadata document brought: whatever it holds, a row must be able to keep it.

use serde_json::Value;

/// The text without control characters (PostgreSQL refuses a zero character), cut to at most `longest` characters.
pub(crate) fn clean(text: &str, longest: usize) -> String {
    text.chars().filter(|c| !c.is_control()).take(longest).collect()
}

/// The document with every zero character replaced: `jsonb` refuses them.
pub(crate) fn without_nul(value: Value) -> Value {
    const NUL: char = '\0';
    let swap = |text: String| if text.contains(NUL) { text.replace(NUL, "\u{fffd}") } else { text };
    match value {
        Value::String(text) => Value::String(swap(text)),
        Value::Array(items) => items.into_iter().map(without_nul).collect(),
        Value::Object(members) => {
            members.into_iter().map(|(key, value)| (swap(key), without_nul(value))).collect()
        }
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn text_loses_what_a_row_cannot_keep_and_is_cut_between_characters() {
        assert_eq!(clean("a\0b\nc", 10), "abc");
        assert_eq!(clean("ééé", 2), "éé");
    }

    #[test]
    fn a_document_keeps_its_shape() {
        assert_eq!(
            without_nul(json!({ "a\0": ["b\0", 1, null] })),
            json!({ "a\u{fffd}": ["b\u{fffd}", 1, null] })
        );
    }
}
