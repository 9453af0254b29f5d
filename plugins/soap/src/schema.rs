//! XML Schema as far as a document/literal operation needs it: which elements stand in which, in which order and
//! namespace, how often, and which of them are numbers.
//!
//! `xs:sequence`, `xs:all` and `xs:choice` give elements in the order that they are written in; of a choice each may be
//! missing. Extensions begin with what they extend. Groups, substitution and what stands in other files are not
//! understood, and are named where they are met.

use std::collections::BTreeMap;

use roxmltree::Node;

use crate::xml::{Name, child, elements};

const XS: &str = "http://www.w3.org/2001/XMLSchema";
/// Types that extend each other.
const MAX_BASES: usize = 32;

/// All schemas of a WSDL.
#[derive(Debug, Default)]
pub(crate) struct Schema {
    elements: BTreeMap<Name, Element>,
    types: BTreeMap<Name, Type>,
}

/// An element that may stand somewhere.
#[derive(Debug, Clone)]
pub(crate) struct Element {
    /// Its namespace is empty where it is unqualified.
    pub(crate) name: Name,
    kind: Kind,
    pub(crate) is_optional: bool,
    pub(crate) is_list: bool,
    pub(crate) is_nillable: bool,
}

#[derive(Debug, Clone)]
enum Kind {
    Named(Name),
    Inline(Box<Type>),
    /// The element of that name, as it is declared elsewhere.
    Reference(Name),
}

/// What stands in an element.
#[derive(Debug, Clone)]
pub(crate) enum Type {
    Simple(Simple),
    Complex(Complex),
}

/// How a text is meant.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Simple {
    Text,
    Number,
    Boolean,
}

/// Elements in their order, or a text, with attributes.
#[derive(Debug, Clone, Default)]
pub(crate) struct Complex {
    base: Option<Name>,
    pub(crate) elements: Vec<Element>,
    pub(crate) attributes: Vec<String>,
    /// Its content is a text, and no elements.
    pub(crate) text: Option<Simple>,
}

impl Schema {
    /// Adds what one `xs:schema` declares.
    pub(crate) fn add(&mut self, schema: Node<'_, '_>) -> Result<(), String> {
        let reader = Reader {
            namespace: schema.attribute("targetNamespace").unwrap_or_default(),
            is_qualified: schema.attribute("elementFormDefault") == Some("qualified"),
        };
        for node in elements(&schema).filter(|node| node.tag_name().namespace() == Some(XS)) {
            let name = node.attribute("name").map(|name| Name::new(reader.namespace, name));
            match (node.tag_name().name(), name) {
                ("element", Some(name)) => {
                    if node.attribute("ref").is_some() {
                        return Err(format!("the element {name} is declared and refers to another one"));
                    }
                    let element = Element { name: name.clone(), ..reader.element(node)? };
                    self.elements.insert(name, element);
                }
                ("complexType", Some(name)) => {
                    self.types.insert(name, Type::Complex(reader.complex(node)?));
                }
                ("simpleType", Some(name)) => {
                    self.types.insert(name, Type::Simple(reader.simple(node)));
                }
                _ => {}
            }
        }
        Ok(())
    }

    /// The element of this name, which stands for itself.
    pub(crate) fn element(&self, name: &Name) -> Result<Element, String> {
        self.elements.get(name).cloned().ok_or_else(|| {
            format!("the WSDL has no element {name}; a schema that it imports must stand in it")
        })
    }

    /// The element that is meant, where this one refers to it.
    pub(crate) fn resolved(&self, element: &Element) -> Result<Element, String> {
        let Kind::Reference(name) = &element.kind else { return Ok(element.clone()) };
        let Element { is_optional, is_list, .. } = *element;
        Ok(Element { is_optional, is_list, ..self.element(name)? })
    }

    /// What stands in this element, with all that its type extends.
    pub(crate) fn content(&self, element: &Element) -> Result<Type, String> {
        match &element.kind {
            Kind::Inline(kind) => self.extended((**kind).clone()),
            Kind::Named(name) => self.named(name),
            Kind::Reference(name) => self.content(&self.element(name)?),
        }
    }

    fn named(&self, name: &Name) -> Result<Type, String> {
        if name.namespace == XS {
            return Ok(Type::Simple(built_in(&name.local)));
        }
        match self.types.get(name) {
            Some(kind) => self.extended(kind.clone()),
            None => Err(format!("the WSDL has no type {name}; a schema that it imports must stand in it")),
        }
    }

    fn extended(&self, kind: Type) -> Result<Type, String> {
        let Type::Complex(mut complex) = kind else { return Ok(kind) };
        for _ in 0..MAX_BASES {
            let Some(base) = complex.base.take() else { return Ok(Type::Complex(complex)) };
            if base.namespace == XS {
                complex.text = (base.local != "anyType").then(|| built_in(&base.local));
                continue;
            }
            match self.types.get(&base) {
                Some(Type::Simple(simple)) => complex.text = Some(*simple),
                Some(Type::Complex(under)) => {
                    let mut under = under.clone();
                    under.elements.append(&mut complex.elements);
                    under.attributes.append(&mut complex.attributes);
                    under.text = complex.text.or(under.text);
                    complex = under;
                }
                None => return Err(format!("the WSDL has no type {base}, which another one extends")),
            }
        }
        Err(format!("more than {MAX_BASES} types extend each other"))
    }
}

/// One `xs:schema`.
struct Reader<'a> {
    namespace: &'a str,
    is_qualified: bool,
}

impl Reader<'_> {
    fn element(&self, node: Node<'_, '_>) -> Result<Element, String> {
        let is_optional = node.attribute("minOccurs") == Some("0");
        let is_list = node.attribute("maxOccurs").is_some_and(|most| most != "1" && most != "0");
        let is_nillable = matches!(node.attribute("nillable"), Some("true" | "1"));
        let form = node.attribute("form").map_or(self.is_qualified, |form| form == "qualified");
        let namespace = if form { self.namespace } else { "" };
        if let Some(reference) = node.attribute("ref") {
            let name = Name::resolve(node, reference)?;
            return Ok(Element {
                name: name.clone(),
                kind: Kind::Reference(name),
                is_optional,
                is_list,
                is_nillable,
            });
        }
        let local = node.attribute("name").ok_or("an xs:element has neither `name` nor `ref`")?;
        let kind = match (node.attribute("type"), child(node, "complexType"), child(node, "simpleType")) {
            (Some(kind), ..) => Kind::Named(Name::resolve(node, kind)?),
            (None, Some(complex), _) => Kind::Inline(Box::new(Type::Complex(self.complex(complex)?))),
            (None, None, Some(simple)) => Kind::Inline(Box::new(Type::Simple(self.simple(simple)))),
            (None, None, None) => Kind::Named(Name::new(XS, "anyType")),
        };
        Ok(Element { name: Name::new(namespace, local), kind, is_optional, is_list, is_nillable })
    }

    fn complex(&self, node: Node<'_, '_>) -> Result<Complex, String> {
        let mut complex = Complex::default();
        self.collect(node, false, &mut complex)?;
        Ok(complex)
    }

    /// What stands in a complex type, or in a part of one that may be missing as a whole.
    fn collect(&self, node: Node<'_, '_>, is_optional: bool, complex: &mut Complex) -> Result<(), String> {
        for part in elements(&node) {
            let may_be_missing = is_optional || part.attribute("minOccurs") == Some("0");
            match part.tag_name().name() {
                "sequence" | "all" => self.collect(part, may_be_missing, complex)?,
                "choice" => self.collect(part, true, complex)?,
                "element" => {
                    let element = self.element(part)?;
                    let is_optional = element.is_optional || is_optional;
                    complex.elements.push(Element { is_optional, ..element });
                }
                "attribute" => complex.attributes.extend(part.attribute("name").map(str::to_owned)),
                "complexContent" | "simpleContent" => self.collect(part, is_optional, complex)?,
                "extension" | "restriction" => {
                    let base = part.attribute("base").map(|base| Name::resolve(part, base)).transpose()?;
                    // A restriction says anew what it holds of its base; of a text it changes nothing that matters here.
                    let is_of_text = node.tag_name().name() == "simpleContent";
                    complex.base = base.filter(|_| part.tag_name().name() == "extension" || is_of_text);
                    self.collect(part, is_optional, complex)?;
                }
                "group" => {
                    let text =
                        "the WSDL has an xs:group, which is not understood: write the call with a `body`";
                    return Err(text.to_owned());
                }
                // Annotations, wildcards and facets.
                _ => {}
            }
        }
        Ok(())
    }

    /// What its base is, as far as that is built in.
    fn simple(&self, node: Node<'_, '_>) -> Simple {
        let base = child(node, "restriction").and_then(|restriction| {
            let base = restriction.attribute("base")?;
            Name::resolve(restriction, base).ok()
        });
        match base {
            Some(base) if base.namespace == XS => built_in(&base.local),
            Some(_) | None => Simple::Text,
        }
    }
}

fn built_in(local: &str) -> Simple {
    match local {
        "boolean" => Simple::Boolean,
        "byte" | "decimal" | "double" | "float" | "int" | "integer" | "long" | "negativeInteger"
        | "nonNegativeInteger" | "nonPositiveInteger" | "positiveInteger" | "short" | "unsignedByte"
        | "unsignedInt" | "unsignedLong" | "unsignedShort" => Simple::Number,
        _ => Simple::Text,
    }
}

#[cfg(test)]
mod tests;
