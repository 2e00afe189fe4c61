//! The shape of a configuration, read from its JSON schema: which keys there are, of what kind, and what they mean.
//!
//! One description serves four uses: environment text becomes typed values, unknown keys are refused, secrets are
//! hidden when printed, and `docs/config.md` is written.
use schemars::{JsonSchema, generate::SchemaSettings};
use serde_json::{Map, Value};

/// A node of a configuration's schema.
#[derive(Clone, Copy)]
pub(crate) struct Shape<'a>(&'a Map<String, Value>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Kind {
    Text,
    Integer,
    Number,
    Boolean,
    List,
    Table,
}

impl Kind {
    pub(crate) fn noun(self) -> &'static str {
        match self {
            Self::Text => "text",
            Self::Integer => "an integer",
            Self::Number => "a number",
            Self::Boolean => "true or false",
            Self::List => "a list",
            Self::Table => "a table",
        }
    }
}

pub(crate) fn schema_of<C: JsonSchema>() -> Value {
    let settings = SchemaSettings::draft2020_12().with(|s| s.inline_subschemas = true);
    settings.into_generator().into_root_schema_for::<C>().to_value()
}

impl<'a> Shape<'a> {
    pub(crate) fn new(schema: &'a Value) -> Option<Self> {
        schema.as_object().map(Self)
    }

    /// The member of a table; for a map with free keys, the shape of its values.
    pub(crate) fn member(self, key: &str) -> Option<Shape<'a>> {
        let node = self.solid();
        let named = node.0.get("properties").and_then(|p| p.get(key));
        named.or_else(|| node.0.get("additionalProperties")).and_then(Shape::new)
    }

    pub(crate) fn members(self) -> Vec<(&'a str, Shape<'a>)> {
        let properties = self.solid().0.get("properties").and_then(Value::as_object);
        let named = properties.into_iter().flatten();
        named.filter_map(|(key, value)| Some((key.as_str(), Shape::new(value)?))).collect()
    }

    pub(crate) fn items(self) -> Option<Shape<'a>> {
        self.solid().0.get("items").and_then(Shape::new)
    }

    pub(crate) fn kind(self) -> Kind {
        let node = self.solid().0;
        let named = match node.get("type") {
            Some(Value::String(name)) => Some(name.as_str()),
            // `Option<u32>` is ["integer", "null"].
            Some(Value::Array(names)) => names.iter().filter_map(Value::as_str).find(|name| *name != "null"),
            _ => None,
        };
        match named {
            Some("integer") => Kind::Integer,
            Some("number") => Kind::Number,
            Some("boolean") => Kind::Boolean,
            Some("array") => Kind::List,
            Some("object") => Kind::Table,
            _ => Kind::Text,
        }
    }

    pub(crate) fn is_secret(self) -> bool {
        self.0.get("writeOnly").or_else(|| self.solid().0.get("writeOnly")) == Some(&Value::Bool(true))
    }

    pub(crate) fn meaning(self) -> &'a str {
        let said = self.0.get("description").or_else(|| self.solid().0.get("description"));
        said.and_then(Value::as_str).unwrap_or_default()
    }

    pub(crate) fn default(self) -> Option<&'a Value> {
        self.0.get("default")
    }

    pub(crate) fn type_name(self) -> String {
        let node = self.solid();
        match (node.kind(), node.0.get("format").and_then(Value::as_str), node.0.get("enum")) {
            (_, _, Some(Value::Array(values))) => {
                values.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" or ")
            }
            (Kind::List, ..) => format!("list of {}", node.items().map_or("text".into(), Shape::type_name)),
            (Kind::Text, Some("password"), _) => "secret".into(),
            (Kind::Text, Some("uri"), _) => "URL".into(),
            (Kind::Text, ..) => "text".into(),
            (Kind::Integer, ..) => "integer".into(),
            (Kind::Number, ..) => "number".into(),
            (Kind::Boolean, ..) => "boolean".into(),
            (Kind::Table, ..) => "table".into(),
        }
    }

    /// `Option<Table>` is written as anyOf [table, null]: the part that is not null.
    fn solid(self) -> Shape<'a> {
        let Some(Value::Array(choices)) = self.0.get("anyOf") else { return self };
        let solid = choices.iter().filter_map(Shape::new);
        solid.into_iter().find(|s| s.0.get("type") != Some(&Value::String("null".into()))).unwrap_or(self)
    }
}
