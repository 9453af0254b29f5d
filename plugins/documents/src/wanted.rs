//! What an event wants to be kept.

use std::collections::BTreeMap;

use liaison_sdk::failure::Failure;
use liaison_sdk::pointer::Pointer;
use liaison_sdk::template::Source;
use liaison_sdk::time::rfc3339;
use liaison_sdk::transform::Event;
use liaison_sdk::version::Version;
use serde_json::Value;

use crate::document::Content;
use crate::path::DocumentPath;
use crate::said::Said;
use crate::settings::Settings;

/// All that is to be written beside the document itself.
#[derive(Debug)]
pub(crate) struct Wanted {
    pub(crate) path: DocumentPath,
    /// Where this version is kept for itself.
    pub(crate) copy: Option<DocumentPath>,
    pub(crate) content_type: String,
    pub(crate) metadata: Metadata,
    /// Of the event itself, whatever else it was merged with.
    pub(crate) said: Said,
    pub(crate) version: Version,
    /// The host made it of the event's data and of what is there.
    pub(crate) is_merged: bool,
    pub(crate) event_id: String,
    /// When it happened, as RFC 3339.
    pub(crate) event_time: Option<String>,
}

/// Values by name; what an event does not have is not in it.
pub(crate) type Metadata = BTreeMap<String, String>;

impl Wanted {
    pub(crate) fn read(settings: &Settings, source: &Source<'_>, event: &Event) -> Result<Self, Failure> {
        let version = Version::of(settings.version.find(source.data()?)).filter(Version::is_comparable);
        let version = version.ok_or_else(|| {
            let at = &settings.version;
            Failure::Event(format!("the event's data has no text or integer at `{at}`, which is its version"))
        })?;
        let content_type = settings.content_type.render(source)?;
        let metadata = metadata(settings, source);
        Ok(Self {
            path: settings.path.render(source)?,
            copy: settings.keep_versions.as_ref().map(|path| path.render(source)).transpose()?,
            content_type: one_line(&content_type),
            said: Said::of(&metadata),
            metadata,
            version,
            is_merged: false,
            event_id: one_line(&event.id),
            event_time: event.time.map(rfc3339),
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
        record.extend(self.said.text().map(|said| ("said", said)));
        record.extend(self.event_time.clone().map(|time| ("event-time", time)));
        record
    }
}

/// What is to be kept beside the document.
pub(crate) fn metadata(settings: &Settings, source: &Source<'_>) -> Metadata {
    let metadata = settings.metadata.iter().filter_map(|(name, described)| {
        let value = one_line(&described.template.render(source).ok()?);
        (!value.is_empty()).then(|| (name.clone(), value))
    });
    metadata.collect()
}

/// The value there in the data; nothing for a tombstone.
pub(crate) fn at<'source>(source: &'source Source<'_>, pointer: &Pointer) -> Option<&'source Value> {
    pointer.find(source.data().ok()?)
}

/// Without control characters, which neither XML nor a header can hold, and without spaces at its ends, which they lose.
pub(crate) fn one_line(text: &str) -> String {
    let words = text.split(char::is_control).filter(|part| !part.is_empty());
    words.collect::<Vec<_>>().join(" ").trim().to_owned()
}
