//! The settings of a connector that uses this plugin: read and checked once an instance. The README describes each.

use std::collections::BTreeMap;

use liaison_sdk::pointer::Pointer;
use liaison_sdk::template::FieldTemplate;
use serde::{Deserialize, Deserializer};

use crate::path::PathTemplate;

/// The namespace of what the plugin itself writes down beside a document.
pub(crate) const RECORD_NAMESPACE: &str = "urn:liaison:delivery";
/// The same as a beginning of names, where there are no namespaces.
pub(crate) const RECORD_PREFIX: &str = "liaison-";

/// The field that is an event's version, wherever the event has it.
const VERSION: &str = "{version}";

/// The settings as used.
#[derive(Debug)]
pub(crate) struct Settings {
    pub(crate) target: TargetKind,
    pub(crate) path: PathTemplate,
    pub(crate) document: Places,
    pub(crate) max_bytes: u64,
    pub(crate) content_type: FieldTemplate,
    pub(crate) metadata: BTreeMap<String, Described>,
    pub(crate) namespace: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) version: Pointer,
    pub(crate) tombstone: Tombstone,
    pub(crate) keep_versions: Option<PathTemplate>,
    pub(crate) compare: Compare,
    pub(crate) verify: Verify,
}

/// What is kept beside a document under one name.
#[derive(Debug)]
pub(crate) struct Described {
    pub(crate) template: FieldTemplate,
    /// Where it is a part of the data and nothing else.
    pub(crate) pointer: Option<Pointer>,
}

/// What the repository speaks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum TargetKind {
    WebDav,
    S3,
}

/// Where an event has its document, as JSON pointers.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub(crate) struct Places {
    /// In base64.
    pub(crate) inline: Option<Pointer>,
    pub(crate) url: Option<Pointer>,
    pub(crate) sha256: Option<Pointer>,
}

/// What an event without data does to its document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Tombstone {
    #[default]
    Delete,
    Keep,
}

/// How a change by someone else is noticed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub(crate) enum Compare {
    /// What is there is read, and its sha256 compared with what was written down.
    #[default]
    Content,
    /// What was written down is believed, where the length is right.
    Record,
}

/// How it is made sure that what was written is there.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Verify {
    /// It is read, and its sha256 compared.
    #[default]
    ReadBack,
    /// The answer to the write is believed: its checksum where it has one, else its status.
    Answer,
}

/// The settings as written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    target: TargetKind,
    path: String,
    document: Places,
    max_bytes: Option<u64>,
    content_type: Option<String>,
    #[serde(default)]
    metadata: BTreeMap<String, String>,
    namespace: Option<String>,
    #[serde(default)]
    headers: BTreeMap<String, String>,
    version: Option<Pointer>,
    #[serde(default)]
    tombstone: Tombstone,
    keep_versions: Option<String>,
    #[serde(default)]
    compare: Compare,
    #[serde(default)]
    verify: Verify,
}

impl Written {
    /// What is wrong and cannot be said of one value alone.
    fn check(&self) -> Result<(), String> {
        if self.document.inline.is_none() && self.document.url.is_none() {
            return Err("document: give `inline`, `url` or both: where an event has its document".to_owned());
        }
        if self.keep_versions.as_ref().is_some_and(|path| !path.contains(VERSION)) {
            return Err("keep-versions: without `{version}` in it each version would replace the one before"
                .to_owned());
        }
        if let Some(name) = self.metadata.keys().find(|name| !is_name(name)) {
            return Err(format!(
                "metadata: `{name}` is no name: use lower case letters, digits and `-`, a letter first, and another \
                 beginning than `{RECORD_PREFIX}`"
            ));
        }
        if let Some(name) = self.headers.keys().find(|name| is_ours(name)) {
            return Err(format!("headers: `{name}` is set by the plugin"));
        }
        match &self.namespace {
            Some(_) if self.target == TargetKind::S3 => {
                Err("namespace: only WebDAV has namespaces".to_owned())
            }
            Some(name) if name.is_empty() || name == RECORD_NAMESPACE || name == "DAV:" => {
                Err(format!("namespace: `{name}` cannot be that of your metadata"))
            }
            Some(_) | None => Ok(()),
        }
    }
}

impl Settings {
    fn of(written: Written) -> Result<Self, String> {
        let version = written.version.unwrap_or_else(Pointer::updated_at);
        let whole = |text: &str| text.replace(VERSION, &format!("{{{version}}}"));
        let path =
            |key: &str, text: &str| PathTemplate::parse(&whole(text)).map_err(|why| format!("{key}: {why}"));
        let content_type = written.content_type.as_deref().unwrap_or("application/pdf");
        let content_type = FieldTemplate::try_from(whole(content_type));
        let metadata = written.metadata.into_iter().map(|(name, text)| {
            let described =
                Described::parse(&whole(&text)).map_err(|why| format!("metadata.{name}: {why}"))?;
            Ok((name, described))
        });
        Ok(Self {
            target: written.target,
            path: path("path", &written.path)?,
            document: written.document,
            max_bytes: written.max_bytes.unwrap_or(100 * 1024 * 1024),
            content_type: content_type.map_err(|why| format!("content-type: {why}"))?,
            metadata: metadata.collect::<Result<_, String>>()?,
            namespace: written.namespace.unwrap_or_else(|| "urn:liaison:document".to_owned()),
            headers: written.headers,
            tombstone: written.tombstone,
            keep_versions: written.keep_versions.map(|text| path("keep-versions", &text)).transpose()?,
            compare: written.compare,
            verify: written.verify,
            version,
        })
    }
}

impl Described {
    fn parse(text: &str) -> Result<Self, String> {
        let field = text.strip_prefix('{').and_then(|rest| rest.strip_suffix('}'));
        let pointer = field.filter(|name| name.starts_with('/') && !name.contains(['{', '}']));
        Ok(Self {
            template: FieldTemplate::try_from(text.to_owned())?,
            pointer: pointer.map(Pointer::parse).transpose()?,
        })
    }
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let written = Written::deserialize(deserializer)?;
        written.check().and_then(|()| Self::of(written)).map_err(serde::de::Error::custom)
    }
}

/// A name that is one in XML and in a header, and not one of the plugin's own.
fn is_name(name: &str) -> bool {
    let is_letter = |byte: u8| byte.is_ascii_lowercase();
    name.bytes().next().is_some_and(is_letter)
        && name.bytes().all(|byte| is_letter(byte) || byte.is_ascii_digit() || byte == b'-')
        && !name.starts_with(RECORD_PREFIX)
}

/// Headers that say what is written, or over what.
fn is_ours(header: &str) -> bool {
    let name = header.to_ascii_lowercase();
    let is_known =
        ["content-type", "if-match", "if-none-match", "x-amz-checksum-sha256"].contains(&name.as_str());
    is_known || name.starts_with("x-amz-meta-")
}
