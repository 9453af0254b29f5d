//! A WSDL 1.1 as far as calling its operations needs it: document/literal, by SOAP 1.1 or 1.2.

use std::collections::BTreeMap;

use roxmltree::Node;

use crate::envelope::Version;
use crate::schema::{Element, Schema};
use crate::xml::{self, Name, child, elements};

const WSDL: &str = "http://schemas.xmlsoap.org/wsdl/";
const BINDINGS: [(Version, &str); 2] = [
    (Version::V11, "http://schemas.xmlsoap.org/wsdl/soap/"),
    (Version::V12, "http://schemas.xmlsoap.org/wsdl/soap12/"),
];

/// The operations of a service in one version of SOAP.
#[derive(Debug)]
pub(crate) struct Wsdl {
    pub(crate) version: Version,
    pub(crate) schema: Schema,
    operations: BTreeMap<String, Operation>,
}

/// One operation: its action, and the elements that stand in the bodies of request and response.
#[derive(Debug, Clone)]
pub(crate) struct Operation {
    pub(crate) name: String,
    pub(crate) action: String,
    pub(crate) input: Element,
    /// Nothing where there is no response.
    pub(crate) output: Option<Element>,
}

impl Wsdl {
    /// Reads the binding of this version; without one that of 1.1, else that of 1.2.
    pub(crate) fn parse(text: &str, version: Option<Version>) -> Result<Self, String> {
        let document = xml::parse(text).map_err(|error| format!("is not XML that can be read: {error}"))?;
        let root = document.root_element();
        if !root.has_tag_name((WSDL, "definitions")) {
            return Err(format!("is no WSDL 1.1: it begins with `{}`", root.tag_name().name()));
        }
        let mut schema = Schema::default();
        for node in child(root, "types").into_iter().flat_map(|types| elements(&types)) {
            schema.add(node)?;
        }
        for (found, namespace) in
            BINDINGS.into_iter().filter(|(found, _)| version.is_none_or(|wanted| wanted == *found))
        {
            let operations = operations(root, namespace, &schema)?;
            if !operations.is_empty() {
                return Ok(Self { version: found, schema, operations });
            }
        }
        Err("has no binding of document style for that version of SOAP".to_owned())
    }

    /// The operation of this name.
    pub(crate) fn operation(&self, name: &str) -> Result<&Operation, String> {
        self.operations.get(name).ok_or_else(|| {
            let names = self.operations.keys().map(String::as_str).collect::<Vec<_>>();
            format!("the WSDL has no operation `{name}`; it has {}", names.join(", "))
        })
    }
}

/// Of all bindings with this kind of SOAP. Those of RPC style are left out: nothing in the schema says how they look.
fn operations(
    root: Node<'_, '_>,
    soap: &str,
    schema: &Schema,
) -> Result<BTreeMap<String, Operation>, String> {
    let mut operations = BTreeMap::new();
    for binding in named(root, "binding") {
        let Some(kind) = elements(&binding).find(|node| node.has_tag_name((soap, "binding"))) else {
            continue;
        };
        let port = Name::resolve(binding, binding.attribute("type").unwrap_or_default())?;
        let port = named(root, "portType").find(|found| found.attribute("name") == Some(&port.local));
        for node in elements(&binding).filter(|node| node.has_tag_name((WSDL, "operation"))) {
            let name = node.attribute("name").unwrap_or_default();
            let bound = elements(&node).find(|inner| inner.has_tag_name((soap, "operation")));
            let attribute = |key: &str| bound.and_then(|bound| bound.attribute(key));
            if attribute("style").or(kind.attribute("style")) == Some("rpc") {
                continue;
            }
            let declared = port.and_then(|port| {
                elements(&port).find(|found| {
                    found.has_tag_name((WSDL, "operation")) && found.attribute("name") == Some(name)
                })
            });
            let Some(declared) = declared else {
                return Err(format!("binds an operation `{name}` that its port type does not have"));
            };
            let Some(input) = message(root, declared, "input", schema)? else { continue };
            let output = message(root, declared, "output", schema)?;
            let action = attribute("soapAction").unwrap_or_default().to_owned();
            operations.insert(name.to_owned(), Operation { name: name.to_owned(), action, input, output });
        }
    }
    Ok(operations)
}

fn named<'a, 'input>(root: Node<'a, 'input>, name: &'static str) -> impl Iterator<Item = Node<'a, 'input>> {
    elements(&root).filter(move |node| node.has_tag_name((WSDL, name)))
}

/// The element of the first part of this message that has one.
fn message(
    root: Node<'_, '_>,
    operation: Node<'_, '_>,
    direction: &str,
    schema: &Schema,
) -> Result<Option<Element>, String> {
    let Some(message) = child(operation, direction).and_then(|node| Some((node, node.attribute("message")?)))
    else {
        return Ok(None);
    };
    let name = Name::resolve(message.0, message.1)?;
    let Some(message) = named(root, "message").find(|found| found.attribute("name") == Some(&name.local))
    else {
        return Err(format!("has no message `{}`", name.local));
    };
    let part = elements(&message).find_map(|part| Some((part, part.attribute("element")?)));
    let Some((part, element)) = part else { return Ok(None) };
    schema.element(&Name::resolve(part, element)?).map(Some)
}
