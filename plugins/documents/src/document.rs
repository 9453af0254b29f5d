//! The document of an event: in the event itself, or fetched from where the event says it is. What does not match the
//! checksum or the limit is refused before anything is written.

use base64::Engine as _;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use liaison_sdk::pointer::Pointer;
use liaison_sdk::prelude::*;
use liaison_sdk::template::Source;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::media;
use crate::settings::Settings;
use crate::stop::Stop;
use crate::wanted::at;

/// Base64 with or without its padding.
const LENIENT: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// A sha256.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Digest([u8; 32]);

/// What a document is, without what is in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Content {
    pub(crate) sha256: Digest,
    /// In bytes, where it is known.
    pub(crate) length: Option<u64>,
}

/// A document as the event gives it.
#[derive(Debug)]
pub(crate) enum Document {
    Inline(Fetched),
    /// At this address, which is still to be asked, with the checksum that the event gives.
    At {
        url: String,
        sha256: Option<Digest>,
    },
}

/// A document that is here, and is what the event says.
#[derive(Debug)]
pub(crate) struct Fetched {
    pub(crate) content: Content,
    body: Body,
}

#[derive(Debug)]
enum Body {
    Bytes(Vec<u8>),
    /// The host has it.
    Of(Response),
}

impl Digest {
    /// Of these bytes.
    pub(crate) fn of(content: &[u8]) -> Self {
        Self(Sha256::digest(content).into())
    }

    /// Of a body that stayed with the host.
    pub(crate) fn of_kept(reply: &Response) -> Result<(Self, u64), Failure> {
        let unkept = || Failure::Reply(format!("{}: its body was not kept", reply.summary()));
        let kept = reply.kept_body().ok_or_else(unkept)?;
        let sha256 = kept.sha256.as_slice().try_into().map_err(|_| unkept())?;
        Ok((Self(sha256), kept.length))
    }

    /// From 64 hexadecimal digits, with or without `sha256:` before them, or from base64.
    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let text = text.strip_prefix("sha256:").unwrap_or(text);
        let bytes = if text.len() == 64 { from_hex(text)? } else { LENIENT.decode(text).ok()? };
        bytes.try_into().ok().map(Self)
    }

    pub(crate) fn hex(&self) -> String {
        self.0
            .iter()
            .flat_map(|byte| [byte >> 4, byte & 15])
            .filter_map(|digit| char::from_digit(digit.into(), 16))
            .collect()
    }

    pub(crate) fn base64(&self) -> String {
        STANDARD.encode(self.0)
    }
}

fn from_hex(text: &str) -> Option<Vec<u8>> {
    let digits: Vec<u32> = text.chars().map(|digit| digit.to_digit(16)).collect::<Option<_>>()?;
    digits.chunks(2).map(|pair| u8::try_from(pair[0] << 4 | pair.get(1)?).ok()).collect()
}

impl Document {
    /// As the event gives it, by the places that the settings name; that in the event itself first.
    pub(crate) fn read(settings: &Settings, source: &Source<'_>, media_type: &str) -> Result<Self, Failure> {
        let places = &settings.document;
        let expected = places.sha256.as_ref().map(|pointer| expected(source, pointer)).transpose()?;
        if let Some(encoded) = text(source, places.inline.as_ref())? {
            let bytes = decoded(encoded)?;
            let content = Content { sha256: Digest::of(&bytes), length: Some(bytes.len() as u64) };
            check(settings, "the event's document", &content, expected.as_ref())?;
            if let Some(why) = media::against_bytes(media_type, &bytes) {
                return Err(Failure::Event(format!("the event's document: {why}")));
            }
            return Ok(Document::Inline(Fetched { content, body: Body::Bytes(bytes) }));
        }
        if let Some(url) = text(source, places.url.as_ref())? {
            let is_address = (url.starts_with("https://") || url.starts_with("http://"))
                && url.bytes().all(|byte| byte.is_ascii_graphic());
            if !is_address {
                let pointer = places.url.as_ref().map(Pointer::as_str).unwrap_or_default();
                let what = "the event's data has no address such as https://host/path at";
                return Err(Failure::Event(format!("{what} `{pointer}`")));
            }
            return Ok(Document::At { url: url.to_owned(), sha256: expected });
        }
        let named = [&places.inline, &places.url].into_iter().flatten().map(|pointer| format!("`{pointer}`"));
        let named = named.collect::<Vec<_>>().join(" nor at ");
        Err(Failure::Event(format!("the event has no document: its data has nothing at {named}")))
    }

    /// What it is, as far as that is known before it is fetched.
    pub(crate) fn sha256(&self) -> Option<&Digest> {
        match self {
            Document::Inline(fetched) => Some(&fetched.content.sha256),
            Document::At { sha256, .. } => sha256.as_ref(),
        }
    }

    /// Asks for it where it is not in the event; its bytes stay with the host.
    pub(crate) async fn fetch(
        self,
        settings: &Settings,
        media_type: &str,
        http: &Http,
    ) -> Result<Fetched, Stop> {
        let (url, expected) = match self {
            Document::Inline(fetched) => return Ok(fetched),
            Document::At { url, sha256 } => (url, sha256),
        };
        let asked = http.get(&url).keep_body();
        let (reply, head) = if expected.is_none() && media::is_told_by_bytes(media_type) {
            let (reply, head) = join(asked.send(), first_bytes(http, &url)).await;
            (reply?, head?)
        } else {
            (asked.send().await?, None)
        };
        if reply.status() != 200 {
            return Err(Stop::of_source(&reply));
        }
        let (sha256, length) = Digest::of_kept(&reply)?;
        let content = Content { sha256, length: Some(length) };
        // What the event's checksum vouches for is the document, whatever the source calls it.
        if expected.as_ref() != Some(&content.sha256)
            && let Some(why) = media::against_declared(media_type, &reply)
        {
            return Err(Stop::retry(format!("{}: {why}", reply.summary())));
        }
        check(settings, &reply.summary(), &content, expected.as_ref())?;
        if let Some(why) = head.and_then(|head| media::against_bytes(media_type, &head)) {
            return Err(Stop::rejected(format!("{}: {why}", reply.summary())));
        }
        Ok(Fetched { content, body: Body::Of(reply) })
    }
}

/// The beginning of what is there; nothing where the source sends all of it or none, and it is more than a plugin is given.
async fn first_bytes(http: &Http, url: &str) -> Result<Option<Vec<u8>>, Stop> {
    let range = format!("bytes=0-{}", media::HEAD_BYTES - 1);
    let reply = match http.get(url).header("range", range).send().await {
        Err(Failure::Unanswered { why: Unanswered::TooLarge(_), .. }) => return Ok(None),
        reply => reply?,
    };
    match reply.status() {
        200 | 206 => Ok(Some(reply.body().to_vec())),
        // It is empty (RFC 9110, 15.5.17), or the source knows no ranges.
        416 => Ok(None),
        _ => Err(Stop::of_source(&reply)),
    }
}

impl Fetched {
    /// The request with this as its body.
    pub(crate) fn carried_by<'http>(&self, request: Request<'http>) -> Request<'http> {
        match &self.body {
            Body::Bytes(bytes) => request.body(bytes.clone()),
            Body::Of(reply) => request.body_of(reply),
        }
    }
}

/// The text there; nothing where there is nothing.
fn text<'source>(
    source: &'source Source<'_>,
    pointer: Option<&Pointer>,
) -> Result<Option<&'source str>, Failure> {
    let Some(pointer) = pointer else { return Ok(None) };
    match at(source, pointer) {
        None => Ok(None),
        Some(Value::String(text)) => Ok(Some(text)),
        Some(_) => {
            Err(Failure::Event(format!("the event's data has something else than a text at `{pointer}`")))
        }
    }
}

/// The checksum that the event gives.
fn expected(source: &Source<'_>, pointer: &Pointer) -> Result<Digest, Failure> {
    let sha256 = text(source, Some(pointer))?.and_then(Digest::parse);
    sha256.ok_or_else(|| Failure::Event(format!("the event's data has no sha256 at `{pointer}`")))
}

fn decoded(encoded: &str) -> Result<Vec<u8>, Failure> {
    let decoded = if encoded.contains(|character: char| character.is_ascii_whitespace()) {
        let text: String = encoded.split_ascii_whitespace().collect();
        LENIENT.decode(text)
    } else {
        LENIENT.decode(encoded)
    };
    decoded.map_err(|error| Failure::Event(format!("the event's document is no base64: {error}")))
}

fn check(
    settings: &Settings,
    what: &str,
    content: &Content,
    expected: Option<&Digest>,
) -> Result<(), Failure> {
    let (limit, length) = (settings.max_bytes, content.length.unwrap_or_default());
    let wrong = match expected {
        _ if length == 0 => "it is empty".to_owned(),
        _ if length > limit => format!("it has {length} bytes, and `max-bytes` is {limit}"),
        Some(expected) if *expected != content.sha256 => {
            format!("its sha256 is {}, and the event says {}", content.sha256.hex(), expected.hex())
        }
        Some(_) | None => return Ok(()),
    };
    Err(Failure::Event(format!("{what}: {wrong}")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_checksum_is_read_in_the_ways_that_people_write_it() {
        let digest = Digest::of(b"%PDF");
        let hex = digest.hex();
        assert_eq!(hex.len(), 64);
        let written = [hex.clone(), hex.to_uppercase(), format!(" sha256:{hex}"), digest.base64()];
        for text in written.iter().map(String::as_str).chain([digest.base64().trim_end_matches('=')]) {
            assert_eq!(Digest::parse(text).as_ref(), Some(&digest), "{text}");
        }
        for text in ["", "sha256:", "abc", &hex[1..], &format!("{}g", &hex[1..]), "é", &"é".repeat(32)] {
            assert_eq!(Digest::parse(text), None, "{text}");
        }
    }

    #[test]
    fn base64_is_read_with_or_without_padding_and_line_breaks() {
        for text in ["JVBERg==", "JVBERg", "JVBE\r\nRg==\n"] {
            assert_eq!(decoded(text).unwrap(), b"%PDF", "{text:?}");
        }
        for text in ["JVBERg=!", "J", "JVBE-g=="] {
            let error = decoded(text).unwrap_err().to_string();
            assert!(error.starts_with("the event's document is no base64: "), "{error}");
        }
    }
}
