//! The table of a service's configuration, as `docs/config.md` shows it: printed from the types, so that it cannot
//! say anything else than the code does.
use config::{Config, File, FileFormat};
use schemars::JsonSchema;
use serde_json::Value;

use crate::{
    Card,
    layers::prefix,
    shape::{Kind, Shape, schema_of},
};

/// One markdown section: every key with its variable, type, default and meaning.
pub fn document<C: JsonSchema>(card: &Card<C>) -> String {
    let schema = schema_of::<C>();
    let read = Config::builder().add_source(File::from_str(card.defaults, FileFormat::Toml)).build();
    let defaults: Value = read.and_then(Config::try_deserialize).unwrap_or_default();

    let mut page = format!("## {}\n\n", card.name);
    page += "| key | environment | type | default | meaning |\n| --- | --- | --- | --- | --- |\n";
    if let Some(shape) = Shape::new(&schema) {
        rows(shape, Some(&defaults), &mut Vec::new(), &prefix(card.name), &mut page);
    }
    page
}

fn rows<'a>(
    shape: Shape<'a>,
    defaults: Option<&Value>,
    path: &mut Vec<&'a str>,
    prefix: &str,
    page: &mut String,
) {
    for (key, node) in shape.members() {
        path.push(key);
        let default = defaults.and_then(|d| d.get(key));
        if node.kind() == Kind::Table && !node.members().is_empty() {
            rows(node, default, path, prefix, page);
        } else {
            let variable = path.join("__").to_uppercase();
            let default = shown(node, default.or(node.default()));
            let meaning = node.meaning().split_whitespace().collect::<Vec<_>>().join(" ").replace('|', "\\|");
            let key = path.join(".");
            *page += &format!(
                "| `{key}` | `{prefix}{variable}` | {} | {default} | {meaning} |\n",
                node.type_name()
            );
        }
        path.pop();
    }
}

fn shown(node: Shape<'_>, default: Option<&Value>) -> String {
    match default {
        None => "required".into(),
        Some(Value::Null) => "none".into(),
        Some(_) if node.is_secret() => "`***`".into(),
        Some(Value::String(text)) => format!("`{text}`"),
        Some(Value::Array(items)) => {
            let texts =
                items.iter().map(|item| item.as_str().map_or_else(|| item.to_string(), str::to_owned));
            format!("`{}`", texts.collect::<Vec<_>>().join(","))
        }
        Some(other) => format!("`{other}`"),
    }
}
