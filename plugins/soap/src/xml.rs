//! XML as this plugin reads and writes it: bounded, without DTDs, and escaped.

pub(crate) use liaison_sdk::text::{xml_escaped as escaped, xml_forbidden as forbidden};
use roxmltree::{Document, Node, ParsingOptions};

/// Elements, attributes, texts and comments of one document.
const MAX_NODES: u32 = 200_000;
/// Elements within each other.
pub(crate) const MAX_DEPTH: usize = 64;

pub(crate) const XSI: &str = "http://www.w3.org/2001/XMLSchema-instance";

/// Reads a document. One with a DTD is refused, and so are more or deeper elements than any service sends.
pub(crate) fn parse(text: &str) -> Result<Document<'_>, String> {
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document = Document::parse_with_options(text, options).map_err(|error| error.to_string())?;
    match is_deep(&document) {
        true => Err(format!("more than {MAX_DEPTH} elements within each other")),
        false => Ok(document),
    }
}

/// Level by level, so that no element is asked for its depth again.
fn is_deep(document: &Document<'_>) -> bool {
    let mut level = vec![document.root_element()];
    for _ in 0..MAX_DEPTH {
        level = level.iter().flat_map(elements).collect();
        if level.is_empty() {
            return false;
        }
    }
    true
}

/// The elements in an element.
pub(crate) fn elements<'a, 'input>(
    node: &Node<'a, 'input>,
) -> impl Iterator<Item = Node<'a, 'input>> + use<'a, 'input> {
    node.children().filter(Node::is_element)
}

/// The first element in an element of this local name, whatever its namespace.
pub(crate) fn child<'a, 'input>(node: Node<'a, 'input>, name: &str) -> Option<Node<'a, 'input>> {
    elements(&node).find(|child| child.tag_name().name() == name)
}

/// All text in an element, as one.
pub(crate) fn text(node: Node<'_, '_>) -> String {
    node.children().filter(Node::is_text).filter_map(|text| text.text()).collect()
}

/// A name with its namespace; empty where it has none.
#[derive(Debug, Clone, Default, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Name {
    pub(crate) namespace: String,
    pub(crate) local: String,
}

impl Name {
    pub(crate) fn new(namespace: &str, local: &str) -> Self {
        Self { namespace: namespace.to_owned(), local: local.to_owned() }
    }

    /// That of an element.
    pub(crate) fn of(node: Node<'_, '_>) -> Self {
        let name = node.tag_name();
        Self::new(name.namespace().unwrap_or_default(), name.name())
    }

    /// What `prefix:local` in this element means. Without a prefix it is in the default namespace.
    pub(crate) fn resolve(node: Node<'_, '_>, text: &str) -> Result<Self, String> {
        let (prefix, local) = match text.split_once(':') {
            Some((prefix, local)) => (Some(prefix), local),
            None => (None, text),
        };
        match (node.lookup_namespace_uri(prefix), prefix) {
            (Some(namespace), _) => Ok(Self::new(namespace, local)),
            (None, None) => Ok(Self::new("", local)),
            (None, Some(prefix)) => Err(format!("`{text}`: the prefix `{prefix}` stands for nothing")),
        }
    }
}

impl std::fmt::Display for Name {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        match self.namespace.as_str() {
            "" => formatter.write_str(&self.local),
            namespace => write!(formatter, "{{{namespace}}}{}", self.local),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_could_blow_up_is_refused() {
        let bomb = "<!DOCTYPE a [<!ENTITY a 'x'><!ENTITY b '&a;&a;&a;'>]><a>&b;</a>";
        assert!(parse(bomb).unwrap_err().contains("DTD"));
        let external = "<!DOCTYPE a SYSTEM 'http://elsewhere/x.dtd'><a/>";
        assert!(parse(external).is_err());
        let deep = |depth: usize| "<a>".repeat(depth) + &"</a>".repeat(depth);
        assert!(parse(&deep(MAX_DEPTH)).is_ok());
        assert_eq!(parse(&deep(MAX_DEPTH + 1)).unwrap_err(), "more than 64 elements within each other");
        assert!(parse(&deep(300_000)).is_err());
        let many = format!("<a>{}</a>", "<b/>".repeat(MAX_NODES as usize));
        assert!(parse(&many).unwrap_err().contains("nodes limit"));
    }

    #[test]
    fn text_is_escaped_so_that_it_comes_back_as_it_was() {
        let text = "a & b < c > \"d\" 'e' ]]> \r\n\t漢 🜚";
        let document = format!("<a b=\"{0}\">{0}</a>", escaped(text));
        let document = parse(&document).unwrap();
        assert_eq!(super::text(document.root_element()), text);
        assert_eq!(document.root_element().attribute("b"), Some(text));
        assert_eq!(forbidden(text), None);
        assert_eq!(forbidden("a\u{1}b"), Some('\u{1}'));
    }
}
