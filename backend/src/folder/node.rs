//! YAML or JSON, with the place of each key and value.

use std::{fmt, path::Path};

use serde::{Deserialize, de};
use serde_json::Value;
use serde_saphyr::Spanned;

use super::Fault;

/// A value, with the places of those in it.
pub(crate) enum Node {
    Scalar(Value),
    List(Vec<Spanned<Node>>),
    Map(Vec<(Spanned<String>, Spanned<Node>)>),
}

impl<'de> Deserialize<'de> for Node {
    fn deserialize<D: de::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Visitor;
        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Node;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("text, a number, a list or a map")
            }
            fn visit_bool<E>(self, value: bool) -> Result<Node, E> {
                Ok(Node::Scalar(value.into()))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Node, E> {
                Ok(Node::Scalar(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Node, E> {
                Ok(Node::Scalar(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Node, E> {
                Ok(Node::Scalar(value.into()))
            }
            fn visit_str<E>(self, value: &str) -> Result<Node, E> {
                Ok(Node::Scalar(value.into()))
            }
            fn visit_unit<E>(self) -> Result<Node, E> {
                Ok(Node::Scalar(Value::Null))
            }
            fn visit_none<E>(self) -> Result<Node, E> {
                Ok(Node::Scalar(Value::Null))
            }
            fn visit_some<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Node, D::Error> {
                Node::deserialize(deserializer)
            }
            fn visit_seq<A: de::SeqAccess<'de>>(self, mut list: A) -> Result<Node, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = list.next_element()? {
                    items.push(item);
                }
                Ok(Node::List(items))
            }
            fn visit_map<A: de::MapAccess<'de>>(self, mut map: A) -> Result<Node, A::Error> {
                let mut entries: Vec<(Spanned<String>, Spanned<Node>)> = Vec::new();
                while let Some((key, value)) = map.next_entry::<Spanned<String>, Spanned<Node>>()? {
                    if entries.iter().any(|(known, _)| known.value == key.value) {
                        return Err(de::Error::custom(format!("the key {:?} stands here twice", key.value)));
                    }
                    entries.push((key, value));
                }
                Ok(Node::Map(entries))
            }
        }
        deserializer.deserialize_any(Visitor)
    }
}

/// Reads a whole text; else the line of what is wrong, and what it is.
pub(crate) fn parse(text: &str) -> Result<Spanned<Node>, (Option<u64>, String)> {
    // A course has 16 levels; every level costs stack, tens of kilobytes in a debug build.
    let options = serde_saphyr::options! { budget: serde_saphyr::budget! { max_depth: 20, max_nodes: 1_000_000, max_events: 4_000_000 } };
    serde_saphyr::from_str_with_options(text, options)
        .map_err(|error| (error.location().map(|at| at.line()), error.without_snippet().to_string()))
}

/// The same, of a file.
pub(super) fn root(file: &Path, text: &str) -> Result<Spanned<Node>, Vec<Fault>> {
    parse(text).map_err(|(line, detail)| vec![Fault { file: file.to_owned(), line, pointer: String::new(), detail }])
}
