//! Envelopes of SOAP 1.1 and 1.2: made around a body, and taken apart.

use liaison_sdk::http::Request;
use roxmltree::Node;
use serde::Deserialize;

use crate::xml::{self, Name, child, elements};

/// A version of SOAP.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
pub(crate) enum Version {
    #[serde(rename = "1.1")]
    V11,
    #[serde(rename = "1.2")]
    V12,
}

const ENVELOPES: [(Version, &str); 2] = [
    (Version::V11, "http://schemas.xmlsoap.org/soap/envelope/"),
    (Version::V12, "http://www.w3.org/2003/05/soap-envelope"),
];

/// Codes within each other, or elements of a detail, that are looked at.
const MAX_NAMES: usize = 16;

impl Version {
    fn namespace(self) -> &'static str {
        match self {
            Version::V11 => ENVELOPES[0].1,
            Version::V12 => ENVELOPES[1].1,
        }
    }

    /// The whole message around this body, with these blocks in its header.
    pub(crate) fn envelope(self, header: &str, body: &str) -> String {
        let namespace = self.namespace();
        let header =
            if header.is_empty() { String::new() } else { format!("<soap:Header>{header}</soap:Header>") };
        format!(
            "<?xml version=\"1.0\" encoding=\"UTF-8\"?><soap:Envelope xmlns:soap=\"{namespace}\">{header}<soap:Body>{body}\
             </soap:Body></soap:Envelope>"
        )
    }

    /// The headers of HTTP by which a version says what is sent and what is to be done.
    pub(crate) fn address<'http>(self, request: Request<'http>, action: &str) -> Request<'http> {
        let action = action.replace(['"', '\\', '\r', '\n'], "");
        match self {
            Version::V11 => request
                .header("content-type", "text/xml; charset=utf-8")
                .header("soapaction", format!("\"{action}\"")),
            Version::V12 if action.is_empty() => {
                request.header("content-type", "application/soap+xml; charset=utf-8")
            }
            Version::V12 => request
                .header("content-type", format!("application/soap+xml; charset=utf-8; action=\"{action}\"")),
        }
    }
}

/// What an envelope holds.
pub(crate) enum Content<'a, 'input> {
    /// The first element of its body; nothing where the body is empty.
    Answer(Option<Node<'a, 'input>>),
    Fault(Fault),
}

/// Why an operation was not done.
#[derive(Debug, Default, PartialEq, Eq)]
pub(crate) struct Fault {
    /// The elements of its detail, which are the service's own.
    pub(crate) details: Vec<Name>,
    /// Its codes, from the most particular to the most general, each alone and with what it is a part of:
    /// `Client.Record.Stale`, `Stale`, `Client.Record`, `Record`, `Client`.
    pub(crate) codes: Vec<Name>,
    /// The code that a person is told.
    pub(crate) code: String,
    pub(crate) reason: String,
}

/// Is this the namespace of either version?
pub(crate) fn is_envelope(namespace: &str) -> bool {
    ENVELOPES.iter().any(|(_, known)| *known == namespace)
}

/// What a document holds, if it is an envelope.
pub(crate) fn content<'a, 'input>(root: Node<'a, 'input>) -> Option<Content<'a, 'input>> {
    let (version, namespace) =
        ENVELOPES.into_iter().find(|(_, namespace)| root.has_tag_name((*namespace, "Envelope")))?;
    let body = elements(&root).find(|child| child.has_tag_name((namespace, "Body")))?;
    let first = elements(&body).next();
    Some(match first.filter(|first| first.has_tag_name((namespace, "Fault"))) {
        Some(fault) => Content::Fault(match version {
            Version::V11 => fault_11(fault),
            Version::V12 => fault_12(fault),
        }),
        None => Content::Answer(first),
    })
}

/// `faultcode`, `faultstring` and `detail`; a code may have parts behind dots, from general to particular, which SOAP 1.2
/// has as subcodes.
fn fault_11(fault: Node<'_, '_>) -> Fault {
    let code = child(fault, "faultcode").map(qualified).unwrap_or_default();
    let parts = code.local.split('.').filter(|part| !part.is_empty());
    let chain = parts.map(|part| Name::new(&code.namespace, part)).collect();
    let reason = child(fault, "faultstring").map(words).unwrap_or_default();
    Fault::new(child(fault, "detail"), chain, reason)
}

/// `Code` with its `Subcode`s, `Reason` and `Detail`.
fn fault_12(fault: Node<'_, '_>) -> Fault {
    let mut chain = Vec::new();
    let mut place = child(fault, "Code");
    while let Some(code) = place {
        chain.extend(child(code, "Value").map(qualified).filter(|name| !name.local.is_empty()));
        place = child(code, "Subcode");
    }
    let reason = child(fault, "Reason").and_then(|reason| child(reason, "Text"));
    Fault::new(child(fault, "Detail"), chain, reason.map(words).unwrap_or_default())
}

impl Fault {
    /// Of its codes from the most general on.
    fn new(detail: Option<Node<'_, '_>>, chain: Vec<Name>, reason: String) -> Self {
        let entries = detail.into_iter().flat_map(|detail| elements(&detail));
        let details = entries.map(|entry| Name::of(entry)).take(MAX_NAMES).collect();
        let dotted =
            |chain: &[Name]| chain.iter().map(|name| name.local.as_str()).collect::<Vec<_>>().join(".");
        let mut codes = Vec::new();
        for length in (1..=chain.len().min(MAX_NAMES)).rev() {
            let own = &chain[length - 1];
            if length > 1 {
                codes.push(Name::new(&own.namespace, &dotted(&chain[..length])));
            }
            codes.push(own.clone());
        }
        Self { details, codes, code: dotted(&chain), reason }
    }
}

/// The text of an element as a qualified name. Without a prefix, or with one that stands for nothing, it is in no
/// namespace: services that write `Client` mean SOAP's, whatever the default namespace is there.
fn qualified(node: Node<'_, '_>) -> Name {
    let text = xml::text(node);
    let text = text.trim();
    match text.rsplit_once(':') {
        Some((_, local)) => Name::resolve(node, text).unwrap_or_else(|_| Name::new("", local)),
        None => Name::new("", text),
    }
}

/// The text, on one line and not too long for one.
fn words(node: Node<'_, '_>) -> String {
    let text = xml::text(node);
    let line = text.split(|character: char| character.is_whitespace() || character.is_control());
    let line = line.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
    match line.char_indices().nth(300) {
        Some((end, _)) => format!("{}…", &line[..end]),
        None => line,
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::xml::{escaped, parse};

    fn simple(name: &str, text: &str) -> String {
        format!("<{name}>{}</{name}>", escaped(text))
    }

    fn fault(text: &str) -> Fault {
        let document = parse(text).unwrap();
        match content(document.root_element()) {
            Some(Content::Fault(fault)) => fault,
            Some(Content::Answer(_)) | None => panic!("no fault: {text}"),
        }
    }

    #[test]
    fn an_envelope_is_what_it_was_made_of() {
        for version in [Version::V11, Version::V12] {
            let text = version.envelope("<a xmlns=\"h\"/>", &simple("b", "x & y"));
            let document = parse(&text).unwrap();
            let Some(Content::Answer(Some(node))) = content(document.root_element()) else {
                panic!("{text}")
            };
            assert_eq!((node.tag_name().name(), node.text()), ("b", Some("x & y")));
            let empty = version.envelope("", "");
            let document = parse(&empty).unwrap();
            assert!(matches!(content(document.root_element()), Some(Content::Answer(None))));
            assert!(!empty.contains("Header"));
        }
        assert!(content(parse("<Envelope><Body/></Envelope>").unwrap().root_element()).is_none());
        assert!(content(parse("<html/>").unwrap().root_element()).is_none());
    }

    fn names(names: &[Name]) -> Vec<String> {
        names.iter().map(Name::to_string).collect()
    }

    #[test]
    fn a_fault_of_1_1_has_its_code_in_parts() {
        let fault = fault(&Version::V11.envelope(
            "",
            "<soap:Fault><faultcode xmlns:m='urn:m'>m:Client.Record.Stale</faultcode><faultstring>it is\n  older</faultstring>\
             <detail><x:Stale xmlns:x='urn:x'/><own/></detail></soap:Fault>",
        ));
        assert_eq!(names(&fault.details), ["{urn:x}Stale", "own"]);
        assert_eq!(
            names(&fault.codes),
            [
                "{urn:m}Client.Record.Stale",
                "{urn:m}Stale",
                "{urn:m}Client.Record",
                "{urn:m}Record",
                "{urn:m}Client"
            ]
        );
        assert_eq!((fault.code.as_str(), fault.reason.as_str()), ("Client.Record.Stale", "it is older"));
    }

    #[test]
    fn a_fault_of_1_2_has_codes_within_codes() {
        let fault = fault(&Version::V12.envelope(
            "",
            "<soap:Fault xmlns:m='urn:m'><soap:Code><soap:Value>soap:Sender</soap:Value><soap:Subcode><soap:Value>m:Record\
             </soap:Value><soap:Subcode><soap:Value>m:Stale</soap:Value></soap:Subcode></soap:Subcode></soap:Code><soap:Reason>\
             <soap:Text xml:lang='en'>it is older</soap:Text></soap:Reason><soap:Detail><m:Why/></soap:Detail></soap:Fault>",
        ));
        let sender = "{http://www.w3.org/2003/05/soap-envelope}Sender";
        let codes =
            ["{urn:m}Sender.Record.Stale", "{urn:m}Stale", "{urn:m}Sender.Record", "{urn:m}Record", sender];
        assert_eq!(
            (names(&fault.codes), names(&fault.details)),
            (codes.map(str::to_owned).into(), vec!["{urn:m}Why".into()])
        );
        assert_eq!((fault.code.as_str(), fault.reason.as_str()), ("Sender.Record.Stale", "it is older"));
    }

    #[test]
    fn a_fault_that_says_too_little_or_too_much_is_one_still() {
        let of =
            |inner: &str| fault(&Version::V11.envelope("", &format!("<soap:Fault>{inner}</soap:Fault>")));
        assert_eq!(of(""), Fault::default());
        assert_eq!(names(&of("<faultcode> nobody:..Stale. </faultcode>").codes), ["Stale"]);
        assert_eq!(of("<faultcode>nobody:Stale</faultcode>").code, "Stale");
        let long = of(&format!("<faultstring>{}</faultstring>", "x".repeat(400)));
        assert_eq!(long.reason.chars().count(), 301);
        let deep = of(&format!("<faultcode>{}</faultcode>", "a.".repeat(5000)));
        assert_eq!(deep.codes.len(), 2 * MAX_NAMES - 1);
    }
}
