//! A configuration is three layers: the defaults compiled into the binary, a file, the environment. What a layer
//! says about a key that does not exist, or says in the wrong type, is refused with one line that names key and source.
use std::{fmt, path::Path};

use config::{Config, File, FileFormat, Map, Source, Value, ValueKind};
use schemars::JsonSchema;
use serde::de::DeserializeOwned;

use crate::shape::{Kind, Shape, schema_of};

/// Why a process does not start: one line, with the key and where it was said.
#[derive(Debug, PartialEq, Eq)]
pub struct ConfigError(String);

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for ConfigError {}

/// A configuration with all layers applied.
pub struct Resolved<C> {
    pub config: C,
    tree: serde_json::Value,
    schema: serde_json::Value,
}

impl<C> Resolved<C> {
    /// The whole configuration as TOML-like JSON, with stars in place of secrets.
    pub fn redacted(&self) -> serde_json::Value {
        let mut tree = self.tree.clone();
        if let Some(shape) = Shape::new(&self.schema) {
            redact(&mut tree, shape);
        }
        tree
    }

    pub(crate) fn part<T: DeserializeOwned>(&self, key: &str) -> Result<T, ConfigError> {
        let part = self.tree.get(key).cloned().unwrap_or(serde_json::Value::Null);
        serde_json::from_value(part).map_err(|err| ConfigError(format!("{key}: {err}")))
    }
}

/// Layers `defaults`, the file and those variables of `environment` that begin with the service's prefix.
pub fn resolve<C: DeserializeOwned + JsonSchema>(
    name: &str,
    defaults: &str,
    file: Option<&Path>,
    environment: impl IntoIterator<Item = (String, String)>,
) -> Result<Resolved<C>, ConfigError> {
    let schema = schema_of::<C>();
    let shape = Shape::new(&schema).ok_or_else(|| ConfigError("the configuration has no schema".into()))?;
    let mut builder = Config::builder();

    let compiled = File::from_str(defaults, FileFormat::Toml);
    builder = builder.add_source(Layer::checked(&compiled, shape, "the compiled-in defaults")?);
    if let Some(path) = file {
        let source = format!("file {}", path.display());
        builder =
            builder.add_source(Layer::checked(&File::from(path).format(FileFormat::Toml), shape, &source)?);
    }
    for (variable, text) in environment {
        let Some(key) = key_of(name, &variable) else { continue };
        let value = read_text(shape, &variable, &key, &text)?;
        builder = builder.set_override(key.join("."), value).map_err(|err| wrong(&err))?;
    }

    let merged = builder.build().map_err(|err| wrong(&err))?;
    let tree: serde_json::Value = merged.clone().try_deserialize().map_err(|err| wrong(&err))?;
    let config = merged.try_deserialize().map_err(|err| wrong(&err))?;
    Ok(Resolved { config, tree, schema })
}

pub(crate) fn prefix(name: &str) -> String {
    format!("{}__", name.replace('-', "_").to_uppercase())
}

/// `WALLET__PROCESS__OPS_ADDR` is `process.ops_addr`; `WALLET__CONFIG` is where the file is, no key.
fn key_of(name: &str, variable: &str) -> Option<Vec<String>> {
    let key = variable.strip_prefix(&prefix(name))?.to_lowercase();
    (key != "config").then(|| key.split("__").map(str::to_owned).collect())
}

/// Environment variables are text; the schema says what the text stands for.
fn read_text(shape: Shape<'_>, variable: &str, key: &[String], text: &str) -> Result<Value, ConfigError> {
    let source = format!("environment variable {variable}");
    let mut node = shape;
    for part in key {
        node = node
            .member(part)
            .ok_or_else(|| ConfigError(format!("{}: unknown key in {source}", key.join("."))))?;
    }
    let kind = typed(node, text).ok_or_else(|| {
        ConfigError(format!("{}: expected {} in {source}", key.join("."), node.kind().noun()))
    })?;
    Ok(Value::new(Some(&source), kind))
}

fn typed(node: Shape<'_>, text: &str) -> Option<ValueKind> {
    match node.kind() {
        Kind::Text => Some(ValueKind::String(text.to_owned())),
        Kind::Integer => text.trim().parse().ok().map(ValueKind::I64),
        Kind::Number => text.trim().parse().ok().map(ValueKind::Float),
        Kind::Boolean => text.trim().parse().ok().map(ValueKind::Boolean),
        Kind::List => {
            let parts = text.split(',').map(str::trim).filter(|part| !part.is_empty());
            let read = |part| node.items().map_or(Some(ValueKind::from(part)), |item| typed(item, part));
            let values = parts.map(|part| read(part).map(|kind| Value::new(None, kind)));
            values.collect::<Option<Vec<_>>>().map(ValueKind::Array)
        }
        Kind::Table => None,
    }
}

/// A source whose keys have been compared with the schema, and whose values know where they come from.
#[derive(Clone, Debug)]
struct Layer(Map<String, Value>);

impl Layer {
    fn checked(source: &impl Source, shape: Shape<'_>, name: &str) -> Result<Self, ConfigError> {
        let read = source.collect().map_err(|err| ConfigError(format!("{name}: {}", one_line(&err))))?;
        Ok(Self(claim(read, shape, name, "")?))
    }
}

impl Source for Layer {
    fn clone_into_box(&self) -> Box<dyn Source + Send + Sync> {
        Box::new(self.clone())
    }

    fn collect(&self) -> Result<Map<String, Value>, config::ConfigError> {
        Ok(self.0.clone())
    }
}

fn claim(
    table: Map<String, Value>,
    shape: Shape<'_>,
    source: &str,
    path: &str,
) -> Result<Map<String, Value>, ConfigError> {
    let claimed = table.into_iter().map(|(key, value)| {
        let at = if path.is_empty() { key.clone() } else { format!("{path}.{key}") };
        let node = shape.member(&key).ok_or_else(|| ConfigError(format!("{at}: unknown key in {source}")))?;
        let kind = match value.kind {
            ValueKind::Table(inner) if node.kind() == Kind::Table => {
                ValueKind::Table(claim(inner, node, source, &at)?)
            }
            kind => kind,
        };
        Ok((key, Value::new(Some(&source.to_owned()), kind)))
    });
    claimed.collect()
}

fn wrong(err: &config::ConfigError) -> ConfigError {
    let (key, origin, said) = parts(err);
    let place = origin.map(|o| format!(" in {o}")).unwrap_or_default();
    ConfigError(key.map_or_else(|| format!("{said}{place}"), |key| format!("{key}: {said}{place}")))
}

/// The library says a key, an origin and an error in three ways; one line is made of them.
fn parts(err: &config::ConfigError) -> (Option<String>, Option<String>, String) {
    use config::ConfigError as E;
    match err {
        // What was found is left out on purpose: it may be a secret that stands at the wrong key.
        E::Type { origin, expected, key, .. } => {
            (key.clone(), origin.clone(), format!("expected {expected}"))
        }
        E::At { error, origin, key } => {
            let (inner_key, inner_origin, said) = parts(error);
            (key.clone().or(inner_key), origin.clone().or(inner_origin), said)
        }
        E::NotFound(key) => (Some(key.clone()), None, "is missing".into()),
        other => (None, None, one_line(other)),
    }
}

fn one_line(err: &impl fmt::Display) -> String {
    err.to_string().split_whitespace().collect::<Vec<_>>().join(" ")
}

fn redact(tree: &mut serde_json::Value, shape: Shape<'_>) {
    if shape.is_secret() {
        *tree = "***".into();
        return;
    }
    match tree {
        serde_json::Value::Object(members) => {
            for (key, value) in members {
                if let Some(node) = shape.member(key) {
                    redact(value, node);
                }
            }
        }
        serde_json::Value::Array(items) => {
            if let Some(node) = shape.items() {
                items.iter_mut().for_each(|item| redact(item, node));
            }
        }
        _ => {}
    }
}
