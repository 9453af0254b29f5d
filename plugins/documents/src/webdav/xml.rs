//! The XML of WebDAV: requests written, multi-status answers read (RFC 4918, 14).

use std::collections::BTreeMap;

use liaison_sdk::text::{xml_escaped, xml_forbidden};
use roxmltree::{Document, Node};

use crate::settings::RECORD_NAMESPACE;

const DAV: &str = "DAV:";
const HEAD: &str = r#"<?xml version="1.0" encoding="utf-8"?>"#;

/// Whose property it is.
#[derive(Debug, Clone, Copy)]
pub(super) enum Namespace<'settings> {
    Dav,
    /// What this plugin writes down.
    Record,
    /// What the settings name.
    Metadata(&'settings str),
}

/// The properties of one document that are there.
#[derive(Debug)]
pub(super) struct Properties {
    values: BTreeMap<(String, String), String>,
    is_folder: bool,
}

/// Asks for all that is looked at.
pub(super) fn propfind(namespace: &str, metadata: &[&str]) -> String {
    let names = metadata.iter().map(|name| format!("<m:{name}/>"));
    let asked: String = names.collect();
    format!(
        "{HEAD}<propfind xmlns=\"{DAV}\" xmlns:l=\"{RECORD_NAMESPACE}\" xmlns:m=\"{}\"><prop><getetag/><getcontentlength/>\
         <getlastmodified/><resourcetype/><l:version/><l:sha256/><l:length/><l:said/><l:pending/>{asked}</prop></propfind>",
        escaped(namespace)
    )
}

/// What is to be set and removed of the properties of one document, all or none of it.
#[derive(Debug, Default)]
pub(super) struct Update<'name> {
    set: Vec<(char, &'name str, &'name str)>,
    removed: Vec<(char, &'name str)>,
}

impl<'name> Update<'name> {
    pub(super) fn set_record(mut self, name: &'name str, value: &'name str) -> Self {
        self.set.push(('l', name, value));
        self
    }

    pub(super) fn set_metadata(mut self, name: &'name str, value: &'name str) -> Self {
        self.set.push(('m', name, value));
        self
    }

    pub(super) fn remove_record(mut self, name: &'name str) -> Self {
        self.removed.push(('l', name));
        self
    }

    pub(super) fn remove_metadata(mut self, name: &'name str) -> Self {
        self.removed.push(('m', name));
        self
    }

    pub(super) fn text(&self, namespace: &str) -> String {
        let mut body = format!(
            "{HEAD}<propertyupdate xmlns=\"{DAV}\" xmlns:l=\"{RECORD_NAMESPACE}\" xmlns:m=\"{}\">",
            escaped(namespace)
        );
        let set = self
            .set
            .iter()
            .map(|(prefix, name, value)| format!("<{prefix}:{name}>{}</{prefix}:{name}>", escaped(value)));
        let removed = self.removed.iter().map(|(prefix, name)| format!("<{prefix}:{name}/>"));
        for (what, properties) in [("set", set.collect::<String>()), ("remove", removed.collect())] {
            if !properties.is_empty() {
                body.push_str(&format!("<{what}><prop>{properties}</prop></{what}>"));
            }
        }
        body.push_str("</propertyupdate>");
        body
    }
}

/// For text and for an attribute in quotes. What no document of XML may hold has a mark in its place.
fn escaped(text: &str) -> String {
    xml_escaped(
        &text.replace(
            |character: char| xml_forbidden(character.encode_utf8(&mut [0; 4])).is_some(),
            "\u{fffd}",
        ),
    )
}

/// What an answer about the properties of one document says.
#[derive(Debug)]
pub(super) enum Found {
    /// There is no document.
    Nothing,
    /// Some of what was asked for was not told, by this status: what is there is not known.
    Refused(u16),
    There(Properties),
}

impl Found {
    pub(super) fn read(text: &str) -> Result<Self, String> {
        let document = parse(text)?;
        let response = responses(&document)?.next().ok_or_else(not_one_document)?;
        if let Some(status) = child(response, "status").map(status).transpose()? {
            return Ok(if is_gone(status) { Found::Nothing } else { Found::Refused(status) });
        }
        let mut properties = Properties { values: BTreeMap::new(), is_folder: false };
        for propstat in children(response, "propstat") {
            let Some(status) = child(propstat, "status").map(status).transpose()? else { continue };
            let mut all =
                child(propstat, "prop").into_iter().flat_map(|prop| prop.children().filter(Node::is_element));
            match status {
                200 => all.for_each(|property| properties.take(property)),
                status if is_gone(status) => {}
                // Of nothing that was asked for.
                _ if all.next().is_none() => {}
                status => return Ok(Found::Refused(status)),
            }
        }
        Ok(Found::There(properties))
    }
}

/// It is not there: a document, or a property of it.
fn is_gone(status: u16) -> bool {
    matches!(status, 404 | 410)
}

impl Properties {
    fn take(&mut self, property: Node<'_, '_>) {
        let name = property.tag_name();
        if is_dav(property, "resourcetype") {
            self.is_folder |= child(property, "collection").is_some();
        }
        let text: String = property.children().filter_map(|part| part.text()).collect();
        let namespace = name.namespace().unwrap_or_default();
        self.values.insert((namespace.to_owned(), name.name().to_owned()), text);
    }

    pub(super) fn is_folder(&self) -> bool {
        self.is_folder
    }

    /// The text of a property that is there.
    pub(super) fn get(&self, namespace: Namespace<'_>, name: &str) -> Option<&str> {
        let namespace = match namespace {
            Namespace::Dav => DAV,
            Namespace::Record => RECORD_NAMESPACE,
            Namespace::Metadata(name) => name,
        };
        self.values.get(&(namespace.to_owned(), name.to_owned())).map(String::as_str)
    }
}

/// The status of what was refused in a multi-status, whichever part it was, and not only because of something else (424).
pub(super) fn refusal(text: &str) -> Result<Option<u16>, String> {
    let document = parse(text)?;
    let mut statuses: Vec<u16> = Vec::new();
    for response in responses(&document)? {
        let parts = children(response, "propstat").filter_map(|propstat| child(propstat, "status"));
        for part in parts.chain(child(response, "status")) {
            statuses.push(status(part)?);
        }
    }
    if statuses.is_empty() {
        return Err("it says nothing of what became of its parts".to_owned());
    }
    let bad = statuses.into_iter().filter(|status| !(200..300).contains(status));
    // The cause before what it took with it.
    Ok(bad.min_by_key(|status| *status == 424))
}

fn parse(text: &str) -> Result<Document<'_>, String> {
    Document::parse(text).map_err(|error| format!("it is no XML: {error}"))
}

fn responses<'a, 'text>(
    document: &'a Document<'text>,
) -> Result<impl Iterator<Item = Node<'a, 'text>>, String> {
    let root = document.root_element();
    if !is_dav(root, "multistatus") {
        return Err(not_one_document());
    }
    Ok(children(root, "response"))
}

fn not_one_document() -> String {
    "it is no multi-status about one document".to_owned()
}

fn children<'a, 'text>(node: Node<'a, 'text>, name: &str) -> impl Iterator<Item = Node<'a, 'text>> {
    node.children().filter(move |child| is_dav(*child, name))
}

fn child<'a, 'text>(node: Node<'a, 'text>, name: &str) -> Option<Node<'a, 'text>> {
    children(node, name).next()
}

fn is_dav(node: Node<'_, '_>, name: &str) -> bool {
    node.is_element() && node.tag_name().namespace() == Some(DAV) && node.tag_name().name() == name
}

/// `HTTP/1.1 200 OK`
fn status(node: Node<'_, '_>) -> Result<u16, String> {
    let text = node.text().unwrap_or_default();
    let status = text.trim().split(' ').nth(1).and_then(|status| status.parse().ok());
    status.ok_or_else(|| format!("`{text}` is no status"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_written_reads_back_whatever_is_in_it() {
        let namespace = "urn:x?a=1&b=\"2\"";
        let text = Update::default()
            .set_record("version", "7")
            .set_metadata("title", "A & <b> \"c\" 'd' 漢\u{ffff}\u{1}")
            .remove_record("pending")
            .remove_metadata("gone")
            .text(namespace);
        let document = Document::parse(&text).unwrap();
        let values: Vec<_> = document
            .descendants()
            .filter(|node| node.is_element() && node.tag_name().namespace() != Some(DAV))
            .map(|node| (node.tag_name().namespace().unwrap(), node.tag_name().name(), node.text()))
            .collect();
        let expected = [
            (RECORD_NAMESPACE, "version", Some("7")),
            (namespace, "title", Some("A & <b> \"c\" 'd' 漢\u{fffd}\u{fffd}")),
            (RECORD_NAMESPACE, "pending", None),
            (namespace, "gone", None),
        ];
        assert_eq!(values, expected);
        assert!(Document::parse(&propfind(namespace, &["title"])).is_ok());
    }

    #[test]
    fn properties_that_are_there_are_found_under_any_prefix() {
        let text = "<z:multistatus xmlns:z='DAV:'><z:response><z:href>/a</z:href><z:propstat><z:prop><z:getetag>1</z:getetag>\
                    <title xmlns='urn:m'>A<![CDATA[ & ]]>B</title><z:resourcetype/></z:prop><z:status>HTTP/1.1 200 OK</z:status>\
                    </z:propstat><z:propstat><z:prop><gone xmlns='urn:m'/></z:prop><z:status>HTTP/1.1 404 Not Found</z:status>\
                    </z:propstat></z:response></z:multistatus>";
        let Found::There(properties) = Found::read(text).unwrap() else { panic!("it is there") };
        assert_eq!(properties.get(Namespace::Dav, "getetag"), Some("1"));
        assert_eq!(properties.get(Namespace::Metadata("urn:m"), "title"), Some("A & B"));
        assert_eq!(properties.get(Namespace::Metadata("urn:m"), "gone"), None);
        assert_eq!(properties.get(Namespace::Record, "title"), None);
        assert!(!properties.is_folder());
        let gone = "<multistatus xmlns='DAV:'><response><href>/a</href><status>HTTP/1.1 404 Not Found</status></response></multistatus>";
        assert!(matches!(Found::read(gone), Ok(Found::Nothing)));
    }

    #[test]
    fn a_property_that_is_not_told_is_not_taken_for_one_that_is_not_there() {
        for (status, expected) in
            [("404 Not Found", None), ("403 Forbidden", Some(403)), ("500 Oh", Some(500))]
        {
            let text = format!(
                "<multistatus xmlns='DAV:'><response><propstat><prop><getetag>1</getetag></prop><status>HTTP/1.1 200 OK\
                 </status></propstat><propstat><prop><version xmlns='urn:liaison:delivery'/></prop><status>HTTP/1.1 {status}\
                 </status></propstat></response></multistatus>"
            );
            let refused = match Found::read(&text).unwrap() {
                Found::Refused(status) => Some(status),
                Found::Nothing | Found::There(_) => None,
            };
            assert_eq!(refused, expected, "{status}");
        }
    }

    #[test]
    fn of_what_was_refused_the_cause_is_told() {
        let multistatus = |statuses: &[&str]| {
            let parts = statuses
                .iter()
                .map(|status| format!("<propstat><prop/><status>HTTP/1.1 {status}</status></propstat>"));
            format!(
                "<multistatus xmlns='DAV:'><response>{}</response></multistatus>",
                parts.collect::<String>()
            )
        };
        for (statuses, expected) in [
            (&["200 OK"][..], Ok(Some(None))),
            (&["424 Failed Dependency", "507 Insufficient Storage"], Ok(Some(Some(507)))),
            (&["424 Failed Dependency"], Ok(Some(Some(424)))),
            // A status of the whole, and of another part.
            (
                &[
                    "200 OK</status></propstat></response><response><status>HTTP/1.1 423 Locked</status><propstat><status>HTTP/1.1 200 OK",
                ],
                Ok(Some(Some(423))),
            ),
            (&["nothing"], Err(())),
            (&[], Err(())),
        ] {
            let found = refusal(&multistatus(statuses)).map(Some).map_err(drop);
            assert_eq!(found, expected, "{statuses:?}");
        }
    }
}
