//! What an event wants to be kept, and what a repository is found to hold.

use std::collections::BTreeMap;

use liaison_sdk::failure::Failure;

use crate::document::{Content, Digest};
use crate::settings::Settings;
use crate::template::{DocumentPath, Source, missing};
use crate::version::{Version, rfc3339};

/// All that is to be written beside the document itself.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) path: DocumentPath,
    /// Where this version is kept for itself.
    pub(crate) copy: Option<DocumentPath>,
    pub(crate) content_type: String,
    pub(crate) metadata: Metadata,
    pub(crate) version: Version,
    pub(crate) event_id: String,
    /// When it happened, as RFC 3339.
    pub(crate) event_time: Option<String>,
}

/// Values by name; what an event does not have is not in it.
pub(crate) type Metadata = BTreeMap<String, String>;

/// A document as the repository holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// A strong one, with its quotes.
    pub(crate) etag: Option<String>,
    pub(crate) length: Option<u64>,
    /// As RFC 3339.
    pub(crate) modified: Option<String>,
    pub(crate) metadata: Metadata,
    /// What was written down with it, where this plugin did.
    pub(crate) record: Option<Record>,
    /// Of what is there, where it was read.
    pub(crate) content: Option<Digest>,
    /// An attempt of ours began to write, and nothing says that it came to its end.
    pub(crate) is_pending: bool,
}

/// What this plugin writes down beside a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) version: Version,
    pub(crate) sha256: Digest,
    /// In bytes.
    pub(crate) length: Option<u64>,
    /// When the event that it comes from happened, as RFC 3339.
    pub(crate) event_time: Option<String>,
}

impl Wanted {
    pub(crate) fn read(settings: &Settings, source: &Source<'_>) -> Result<Self, Failure> {
        let version = source.version()?;
        let content_type = settings.content_type.render(source).map_err(|name| missing(name, source))?;
        let metadata = settings.metadata.iter().filter_map(|(name, template)| {
            let value = one_line(&template.render(source).ok()?);
            (!value.is_empty()).then(|| (name.clone(), value))
        });
        Ok(Self {
            path: settings.path.render(source)?,
            copy: settings.keep_versions.as_ref().map(|path| path.render(source)).transpose()?,
            content_type: one_line(&content_type),
            metadata: metadata.collect(),
            version,
            event_id: one_line(&source.event.id),
            event_time: source.event.time.map(rfc3339),
        })
    }

    /// What is written down beside the document, by name.
    pub(crate) fn record(&self, content: &Content) -> Vec<(&'static str, String)> {
        let mut record = vec![
            ("version", self.version.to_string()),
            ("sha256", content.sha256.hex()),
            ("event-id", self.event_id.clone()),
        ];
        record.extend(content.length.map(|length| ("length", length.to_string())));
        record.extend(self.event_time.clone().map(|time| ("event-time", time)));
        record
    }
}

/// Without control characters, which neither XML nor a header can hold, and without spaces at its ends, which they lose.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(char::is_control).filter(|part| !part.is_empty());
    words.collect::<Vec<_>>().join(" ").trim().to_owned()
}

impl Held {
    /// Of what is there, as far as it is known.
    pub(crate) fn digest(&self) -> Option<&Digest> {
        self.content.as_ref().or(self.record.as_ref().map(|record| &record.sha256))
    }

    /// Is it another one's work? What an attempt left half-written is not, nor is what is empty.
    pub(crate) fn is_foreign(&self) -> bool {
        !self.is_begun() && self.is_changed()
    }

    /// Is it what an attempt of ours may have left, however much of it there is?
    pub(crate) fn is_begun(&self) -> bool {
        self.is_pending || (self.record.is_none() && self.length == Some(0))
    }

    /// Is something else there than what was written down?
    pub(crate) fn is_changed(&self) -> bool {
        let Some(record) = &self.record else { return true };
        let is_other_length = self.length.zip(record.length).is_some_and(|(held, written)| held != written);
        is_other_length || self.content.as_ref().is_some_and(|content| *content != record.sha256)
    }
}
