//! XML to JSON: by a schema, which knows lists and numbers, or as it looks.

use std::collections::BTreeMap;

use roxmltree::Node;
use serde_json::{Map, Number, Value};

use crate::schema::{Element, Schema, Simple, Type};
use crate::write::TEXT;
use crate::xml::{XSI, elements, text};

/// What stands in this element, which the schema describes.
pub(crate) fn element(schema: &Schema, declared: &Element, node: Node<'_, '_>) -> Value {
    if is_nil(node) {
        return Value::Null;
    }
    match schema.content(declared) {
        Ok(Type::Simple(simple)) => {
            let is_plain = elements(&node).next().is_none();
            if is_plain { typed(simple, text(node)) } else { generic(node) }
        }
        Ok(Type::Complex(complex)) => {
            let mut map = attributes(node);
            if let Some(simple) = complex.text {
                let content = typed(simple, text(node));
                if map.is_empty() {
                    return content;
                }
                map.insert(TEXT.to_owned(), content);
                return map.into();
            }
            let find = |name: &str| complex.elements.iter().find(|element| element.name.local == name);
            for child in elements(&node) {
                let name = child.tag_name().name();
                let declared = find(name).and_then(|found| schema.resolved(found).ok());
                let value =
                    declared.as_ref().map_or_else(|| generic(child), |found| element(schema, found, child));
                match declared.is_some_and(|found| found.is_list) {
                    true => match map.entry(name.to_owned()).or_insert_with(|| Value::Array(Vec::new())) {
                        Value::Array(values) => values.push(value),
                        other => *other = value,
                    },
                    false => drop(map.insert(name.to_owned(), value)),
                }
            }
            map.into()
        }
        Err(_) => generic(node),
    }
}

/// As it looks: an element without elements and attributes is its text, elements of one name are a list.
pub(crate) fn generic(node: Node<'_, '_>) -> Value {
    if is_nil(node) {
        return Value::Null;
    }
    let mut map = attributes(node);
    let mut children: BTreeMap<&str, Vec<Value>> = BTreeMap::new();
    for child in elements(&node) {
        children.entry(child.tag_name().name()).or_default().push(generic(child));
    }
    if children.is_empty() {
        if map.is_empty() {
            return text(node).into();
        }
        map.insert(TEXT.to_owned(), text(node).into());
    }
    for (name, mut values) in children {
        let value = if values.len() == 1 { values.remove(0) } else { values.into() };
        map.insert(name.to_owned(), value);
    }
    map.into()
}

fn attributes(node: Node<'_, '_>) -> Map<String, Value> {
    let own = node.attributes().filter(|attribute| attribute.namespace() != Some(XSI));
    own.map(|attribute| (format!("@{}", attribute.name()), attribute.value().into())).collect()
}

fn is_nil(node: Node<'_, '_>) -> bool {
    matches!(node.attribute((XSI, "nil")), Some("true" | "1"))
}

/// What is not what it is declared to be stays a text.
fn typed(simple: Simple, text: String) -> Value {
    let trimmed = text.trim();
    match simple {
        Simple::Text => text.into(),
        Simple::Boolean => match trimmed {
            "true" | "1" => true.into(),
            "false" | "0" => false.into(),
            _ => text.into(),
        },
        Simple::Number => {
            let number = trimmed.strip_prefix('+').unwrap_or(trimmed);
            serde_json::from_str::<Number>(number).map_or_else(|_| text.clone().into(), Value::Number)
        }
    }
}
