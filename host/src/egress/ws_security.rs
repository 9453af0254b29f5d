//! WS-Security UsernameToken (OASIS WSS 1.1): puts the `wsse:Security` header into a SOAP envelope on its way out.
//!
//! In goes a message whose body a plugin wrote, out it comes with the user's password, or a digest of it, in the envelope's
//! header. The body is read as XML, so that the header goes where SOAP has it and nowhere else; what is no envelope, or
//! has such a header already, is refused. A message without a body, such as a `GET` of the WSDL, goes as it is.

use std::cell::{Cell, RefCell};
use std::ops::Range;
use std::time::Instant;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use chrono::{SecondsFormat, Utc};
use memchr::memmem;
use ring::digest::{Context, SHA1_FOR_LEGACY_USE_ONLY};
use ring::rand::{SecureRandom as _, SystemRandom};
use roxmltree::{Document, Node, ParsingOptions};

use super::EgressError;
use super::credential::Generation;
use super::exchange::{Received, ReceivedBody};
use super::message::Message;
use super::outgoing::Outgoing;
use crate::config::mask::Mask;
use crate::config::secret::{Secret, Watched};
use crate::config::{PasswordType, SecretRef, UsernameToken as Settings};
use crate::contract::Failure;

const ENVELOPES: [&str; 2] =
    ["http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"];
const WSSE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd";
const WSU: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd";
const PROFILE: &str = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0";
const BASE64: &str =
    "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-soap-message-security-1.0#Base64Binary";
/// The fault of a token that is refused (WSS 1.1, section 12).
const REFUSED: &[u8] = b"FailedAuthentication";
/// Elements, texts and comments of an envelope.
const MAX_NODES: u32 = 500_000;

/// A user, and the password as it is now.
pub(super) struct UsernameToken {
    settings: Settings,
    password: RefCell<Watched>,
    generation: Cell<Generation>,
    mask: Mask,
}

/// Where in a message's body the header was put.
#[derive(Clone)]
struct Placed(Range<usize>);

impl UsernameToken {
    pub(super) fn new(settings: &Settings, mask: Mask) -> Result<Self, EgressError> {
        let watched = Watched::read(&settings.password)?;
        check(watched.secret(), &settings.password)?;
        if !settings.username.chars().all(is_xml) {
            return Err(EgressError::NotXml { what: format!("the user name {:?}", settings.username) });
        }
        let (password, generation) = (RefCell::new(watched), Cell::default());
        let token = Self { settings: settings.clone(), password, generation, mask };
        token.learn();
        Ok(token)
    }

    /// Puts the header into the message's body.
    pub(super) fn apply(&self, message: &mut Message) -> Result<(), Failure> {
        if self.password.borrow_mut().refresh(Instant::now()) {
            self.changed();
        }
        let Outgoing::Bytes(body) = message.body() else {
            return Err(invalid(
                "it is a reply that the host keeps, and a SOAP envelope is written by the plugin",
            ));
        };
        if body.is_empty() {
            return Ok(());
        }
        let text = std::str::from_utf8(body).map_err(|_| invalid("it is not UTF-8"))?;
        let place = place(text).map_err(|why| invalid(&why))?;
        let header = self.header(place.envelope);
        let start = place.at + place.before.len();
        let whole = [&text[..place.at], &place.before, &header, &place.after, &text[place.until..]].concat();
        message.extensions_mut().insert(Placed(start..start + header.len()));
        *message.body_mut() = Bytes::from(whole).into();
        self.generation.get().mark(message);
        Ok(())
    }

    /// The message was refused with the header that it has: gives it another one, if the password is another by now.
    pub(super) fn renew(&self, message: &mut Message) -> bool {
        if self.password.borrow_mut().refresh_now(Instant::now()) {
            self.changed();
        }
        let Some(Placed(range)) = message.extensions().get::<Placed>().cloned() else { return false };
        let Outgoing::Bytes(body) = message.body() else { return false };
        let Ok(text) = std::str::from_utf8(body) else { return false };
        let envelope = ENVELOPES.into_iter().find(|envelope| text[range.clone()].contains(envelope));
        let is_other = self.generation.get().is_after(message);
        let Some(envelope) = envelope.filter(|_| is_other) else { return false };
        let header = self.header(envelope);
        let whole = [&text[..range.start], &header, &text[range.end..]].concat();
        message.extensions_mut().insert(Placed(range.start..range.start + header.len()));
        *message.body_mut() = Bytes::from(whole).into();
        self.generation.get().mark(message);
        true
    }

    /// Could there be another password when this one is refused?
    pub(super) fn is_renewable(&self) -> bool {
        matches!(self.settings.password, SecretRef::File(_))
    }

    /// Does the reply say that the token was refused? Systems do so by a fault, in whatever status.
    pub(super) fn is_refused(reply: &Received) -> bool {
        match &reply.body {
            ReceivedBody::Memory(body) => !reply.status.is_success() && memmem::find(body, REFUSED).is_some(),
            ReceivedBody::Kept(_) => false,
        }
    }

    fn changed(&self) {
        self.generation.update(Generation::next);
        self.learn();
        let watched = self.password.borrow();
        match check(watched.secret(), watched.reference()) {
            Ok(()) => tracing::info!(secret = %watched.reference(), "a rotated secret is in use"),
            Err(error) => tracing::warn!(%error, "a rotated secret will be refused"),
        }
    }

    /// Makes the password known to the mask, as it is and as XML has it.
    fn learn(&self) {
        let watched = self.password.borrow();
        self.mask.learn_password(&self.settings.username, watched.secret());
        let escaped = escaped(watched.secret().expose());
        if escaped != watched.secret().expose() {
            self.mask.learn(&Secret::new(escaped));
        }
    }

    /// The header for an envelope of this namespace: with a nonce of its own each time, where it is a digest.
    fn header(&self, envelope: &str) -> String {
        let watched = self.password.borrow();
        let password = watched.secret().expose();
        let username = escaped(&self.settings.username);
        let must_understand = match self.settings.must_understand {
            true => format!(" xmlns:env=\"{envelope}\" env:mustUnderstand=\"1\""),
            false => format!(" xmlns:env=\"{envelope}\""),
        };
        let proof = match self.settings.password_type {
            PasswordType::Text => {
                format!(
                    "<wsse:Password Type=\"{PROFILE}#PasswordText\">{}</wsse:Password>",
                    escaped(password)
                )
            }
            PasswordType::Digest => {
                let mut nonce = [0; 16];
                // The system's generator fails where there is none: then the time alone makes it another.
                let _ = SystemRandom::new().fill(&mut nonce);
                let created = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
                let digest = digest(&nonce, &created, password);
                let nonce = STANDARD.encode(nonce);
                format!(
                    "<wsse:Password Type=\"{PROFILE}#PasswordDigest\">{digest}</wsse:Password><wsse:Nonce \
                     EncodingType=\"{BASE64}\">{nonce}</wsse:Nonce><wsu:Created>{created}</wsu:Created>"
                )
            }
        };
        format!(
            "<wsse:Security xmlns:wsse=\"{WSSE}\" xmlns:wsu=\"{WSU}\"{must_understand}><wsse:UsernameToken>\
             <wsse:Username>{username}</wsse:Username>{proof}</wsse:UsernameToken></wsse:Security>"
        )
    }
}

/// Base64 of SHA-1 of nonce, time and password.
fn digest(nonce: &[u8], created: &str, password: &str) -> String {
    let mut hash = Context::new(&SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(nonce);
    hash.update(created.as_bytes());
    hash.update(password.as_bytes());
    STANDARD.encode(hash.finish())
}

fn check(password: &Secret, place: &SecretRef) -> Result<(), EgressError> {
    match password.expose().chars().all(is_xml) {
        true => Ok(()),
        false => Err(EgressError::NotXml { what: place.to_string() }),
    }
}

/// What a document of XML 1.0 may hold.
fn is_xml(character: char) -> bool {
    matches!(character, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        match character {
            '&' => escaped.push_str("&amp;"),
            '<' => escaped.push_str("&lt;"),
            '>' => escaped.push_str("&gt;"),
            '\r' => escaped.push_str("&#13;"),
            other => escaped.push(other),
        }
    }
    escaped
}

fn invalid(why: &str) -> Failure {
    Failure::Invalid(format!("body: {why}; the connector's WS-Security credential goes into a SOAP envelope"))
}

/// Where the header belongs: `before`, it and `after` take the place of what stands from `at` to `until`.
#[derive(Debug, PartialEq, Eq)]
struct Place {
    envelope: &'static str,
    at: usize,
    until: usize,
    before: String,
    after: String,
}

fn place(text: &str) -> Result<Place, String> {
    let options = ParsingOptions { nodes_limit: MAX_NODES, ..ParsingOptions::default() };
    let document =
        Document::parse_with_options(text, options).map_err(|error| format!("it is not XML: {error}"))?;
    let root = document.root_element();
    let envelope = ENVELOPES.into_iter().find(|envelope| root.has_tag_name((*envelope, "Envelope")));
    let envelope = envelope.ok_or("it is no envelope of SOAP 1.1 or 1.2")?;
    let first = root.first_child().ok_or("its envelope is empty")?;
    let Some(header) = root.children().find(|child| child.has_tag_name((envelope, "Header"))) else {
        // A prefix that is in reach there: that of the envelope itself.
        let name = qualified(text, root);
        let header = match name.split_once(':') {
            Some((prefix, _)) => format!("{prefix}:Header"),
            None => "Header".to_owned(),
        };
        let at = first.range().start;
        let (before, after) = (format!("<{header}>"), format!("</{header}>"));
        return Ok(Place { envelope, at, until: at, before, after });
    };
    if header.children().any(|child| child.has_tag_name((WSSE, "Security"))) {
        return Err("its header has a Security element, which is for the connector's credential".to_owned());
    }
    let (none, range) = (String::new, header.range());
    if let Some(first) = header.first_child() {
        let at = first.range().start;
        return Ok(Place { envelope, at, until: at, before: none(), after: none() });
    }
    let whole = &text[range.clone()];
    match whole.strip_suffix("/>") {
        Some(open) => {
            let at = range.start + open.len();
            let after = format!("</{}>", qualified(text, header));
            Ok(Place { envelope, at, until: range.end, before: ">".to_owned(), after })
        }
        None => {
            // Nothing stands between its two tags.
            let at = range.start + whole.rfind("</").unwrap_or(whole.len());
            Ok(Place { envelope, at, until: at, before: none(), after: none() })
        }
    }
}

/// The name of an element with its prefix, as it stands in the text.
fn qualified<'text>(text: &'text str, node: Node<'_, '_>) -> &'text str {
    let tag = text[node.range()].trim_start_matches('<');
    let end = tag.find(|character: char| character.is_whitespace() || matches!(character, '>' | '/'));
    &tag[..end.unwrap_or(tag.len())]
}

#[cfg(test)]
mod tests;
