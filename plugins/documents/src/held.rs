//! What a repository is found to hold: the document, what is beside it, and what an attempt of ours left half-written.

use std::cmp::Ordering;

use liaison_sdk::time::{http_date, rfc3339};
use liaison_sdk::version::Version;
use serde_json::json;

use crate::document::{Content, Digest};
use crate::said::Said;
use crate::settings::Settings;
use crate::wanted::{Metadata, Wanted};

/// How much of a checksum tells two states of a document apart, in hexadecimal digits.
const FINGERPRINT_DIGITS: usize = 16;
/// Before the mark of what was merged.
const MERGED: &str = "merged:";
const SECOND: i128 = 1_000_000_000;

/// A document as the repository holds it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Held {
    /// With its quotes; it may be a weak one.
    pub(crate) etag: Option<String>,
    pub(crate) length: Option<u64>,
    /// As RFC 3339, in whole seconds.
    pub(crate) modified: Option<String>,
    pub(crate) metadata: Metadata,
    /// What was written down with it, where this plugin did.
    pub(crate) record: Option<Record>,
    /// Of what is there, where it was read.
    pub(crate) content: Option<Digest>,
    /// An attempt of ours may have begun to write.
    pub(crate) mark: Option<Mark>,
}

/// What this plugin writes down beside a document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Record {
    pub(crate) version: Version,
    pub(crate) sha256: Digest,
    /// In bytes.
    pub(crate) length: Option<u64>,
    /// Of its metadata.
    pub(crate) said: Said,
}

/// What an attempt meant to write, as it wrote down before it began.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Mark {
    pub(crate) sha256: Digest,
    /// In bytes.
    pub(crate) length: Option<u64>,
    pub(crate) version: Option<Version>,
    /// It was merged with what was there, of which only the metadata are left then.
    pub(crate) is_merged: bool,
}

impl Mark {
    /// As it is written down: checksum, length and version, with a space between them.
    pub(crate) fn text(content: &Content, wanted: &Wanted) -> String {
        let merged = if wanted.is_merged { MERGED } else { "" };
        let Content { sha256, length } = content;
        format!("{merged}{} {} {}", sha256.hex(), length.unwrap_or_default(), wanted.version)
    }

    pub(crate) fn parse(text: &str) -> Option<Self> {
        let text = text.trim();
        let (text, is_merged) = text.strip_prefix(MERGED).map_or((text, false), |text| (text, true));
        let mut parts = text.splitn(3, ' ');
        Some(Self {
            is_merged,
            sha256: Digest::parse(parts.next()?)?,
            length: parts.next().and_then(|length| length.parse().ok()),
            version: parts.next().and_then(Version::kept),
        })
    }
}

impl Held {
    /// What is there in one text, so that the host's decision about it is carried out on just this: its ETag, and a
    /// fingerprint of content, record and metadata, which tells what an ETag does not.
    pub(crate) fn version(&self) -> String {
        let record = self.record.as_ref().map(|record| (record.version.as_str(), record.sha256.hex()));
        let state = json!([self.content.as_ref().map(Digest::hex), self.length, record, self.metadata]);
        let mut fingerprint = Digest::of(state.to_string().as_bytes()).hex();
        fingerprint.truncate(FINGERPRINT_DIGITS);
        match &self.etag {
            Some(etag) => format!("{etag} {fingerprint}"),
            None => fingerprint,
        }
    }

    /// Of what is there, as far as it is known.
    pub(crate) fn digest(&self) -> Option<&Digest> {
        self.content.as_ref().or(self.record.as_ref().map(|record| &record.sha256))
    }

    /// When it was changed, where that can be compared with this version. A repository tells whole seconds: of a version
    /// within the same second, and finer than that, nobody knows which came first.
    pub(crate) fn changed_at(&self, offered: &Version) -> Option<Version> {
        let modified = Version::kept(self.modified.as_deref()?)?;
        let seconds = |instant: i128| (instant.div_euclid(SECOND), instant.rem_euclid(SECOND));
        let is_undecided = match (offered.instant().map(seconds), modified.instant().map(seconds)) {
            (Some((offered, fraction)), Some((held, _))) => offered == held && fraction != 0,
            (None, _) | (_, None) => true,
        };
        (!is_undecided).then_some(modified)
    }

    /// The version of what is there: as it was written down, or as it was meant by an attempt whose document arrived whole
    /// and was not described any more.
    pub(crate) fn document_version(&self) -> Option<&Version> {
        let whole = self.mark.as_ref().filter(|mark| self.content.as_ref() == Some(&mark.sha256));
        whole.and_then(|mark| mark.version.as_ref()).or(self.record.as_ref().map(|record| &record.version))
    }

    /// Is it another one's work? What an attempt left half-written is not, nor is what is empty.
    pub(crate) fn is_foreign(&self) -> bool {
        !self.is_begun() && self.is_changed()
    }

    /// Is it what an attempt of ours may have left? Where it wrote nothing, what was there before is no work of its own;
    /// and as much as it meant to write, or more, but other content, is another one's.
    pub(crate) fn is_begun(&self) -> bool {
        let Some(mark) = &self.mark else { return self.record.is_none() && self.length == Some(0) };
        match &self.content {
            Some(content) if *content == mark.sha256 => true,
            Some(_) if !self.is_changed() => false,
            None if self.length.is_some() && self.length == mark.length => true,
            Some(_) | None => self.length.zip(mark.length).is_none_or(|(held, meant)| held < meant),
        }
    }

    /// Did an attempt end half-way that carried out a decision to merge, which this one does not know? What it was merged
    /// with must not be written over for that.
    pub(crate) fn is_half_merged(&self, wanted: &Wanted) -> bool {
        let is_merged = self.mark.as_ref().is_some_and(|mark| mark.is_merged);
        is_merged && !wanted.is_merged && self.is_begun()
    }

    /// Did an attempt to write just this leave it?
    pub(crate) fn is_left_of(&self, wanted: &Wanted) -> bool {
        let is_wanted = |version: &Version| version.compare(&wanted.version) == Some(Ordering::Equal);
        let mark = self.mark.as_ref().and_then(|mark| mark.version.as_ref());
        self.is_begun() && mark.is_none_or(is_wanted)
    }

    /// Is something else there than what was written down?
    pub(crate) fn is_changed(&self) -> bool {
        let Some(record) = &self.record else { return true };
        let is_other_length = self.length.zip(record.length).is_some_and(|(held, written)| held != written);
        is_other_length || self.content.as_ref().is_some_and(|content| *content != record.sha256)
    }

    /// Are its metadata others than the source's, which were written with it?
    pub(crate) fn is_described_otherwise(&self, settings: &Settings) -> bool {
        let said = self.record.as_ref().map(|record| &record.said);
        said.is_some_and(|said| said.is_otherwise(settings.metadata.keys(), &self.metadata))
    }

    /// Has all that is wanted? What a repository keeps of older metadata is not asked for.
    pub(crate) fn is_same_metadata(&self, wanted: &Wanted) -> bool {
        wanted.metadata.iter().all(|(name, value)| self.metadata.get(name) == Some(value))
    }

    /// Would metadata be written over that are not the same?
    pub(crate) fn has_other_metadata(&self, wanted: &Wanted) -> bool {
        self.metadata.iter().any(|(name, value)| wanted.metadata.get(name) != Some(value))
    }
}

/// A date as HTTP writes it, as RFC 3339; nothing where it is none.
pub(crate) fn of_http_date(text: &str) -> Option<String> {
    http_date(text).map(rfc3339)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn version(text: &str) -> Version {
        Version::kept(text).unwrap()
    }

    fn held(content: &str, record: Option<&str>, mark: Option<(&str, u64)>) -> Held {
        let digest = |text: &str| Digest::of(text.as_bytes());
        let length = |text: &str| Some(text.len() as u64);
        Held {
            etag: Some("W/\"1\"".to_owned()),
            length: length(content),
            modified: None,
            metadata: Metadata::new(),
            record: record.map(|text| Record {
                version: version("6"),
                sha256: digest(text),
                length: length(text),
                said: Said::default(),
            }),
            content: Some(digest(content)),
            mark: mark.map(|(text, meant)| Mark {
                sha256: digest(text),
                length: Some(meant),
                version: Version::kept("7"),
                is_merged: false,
            }),
        }
    }

    #[test]
    fn what_an_attempt_left_is_told_from_what_someone_else_wrote() {
        let mark = Some(("%PDF-2", 6));
        // What is there, what was written down, what was begun; is it begun, is it foreign, its version.
        for (held, is_begun, is_foreign, version) in [
            (held("%PDF-1", Some("%PDF-1"), None), false, false, Some("6")),
            (held("theirs", Some("%PDF-1"), None), false, true, Some("6")),
            (held("", None, None), true, false, None),
            (held("theirs", None, None), false, true, None),
            // Nothing was written, half of it, all of it; and what someone else wrote over it.
            (held("%PDF-1", Some("%PDF-1"), mark), false, false, Some("6")),
            (held("%PD", Some("%PDF-1"), mark), true, false, Some("6")),
            (held("%PDF-2", Some("%PDF-1"), mark), true, false, Some("7")),
            (held("theirs", Some("%PDF-1"), mark), false, true, Some("6")),
            (held("theirs too", Some("%PDF-1"), mark), false, true, Some("6")),
        ] {
            let found = (held.is_begun(), held.is_foreign(), held.document_version().map(Version::as_str));
            assert_eq!(found, (is_begun, is_foreign, version), "{held:?}");
        }
        // Without the content its length tells.
        let unread =
            |length: u64, mark| Held { content: None, length: Some(length), ..held("", Some("12"), mark) };
        for (length, is_begun) in [(2, true), (5, true), (6, true), (7, false)] {
            assert_eq!(unread(length, mark).is_begun(), is_begun, "{length}");
        }
    }

    #[test]
    fn a_mark_reads_back_whatever_the_version_is() {
        let sha256 = Digest::of(b"%PDF");
        let hex = sha256.hex();
        for (text, version) in
            [("7", "7"), ("2026-05-01 12:00:00Z", "2026-05-01 12:00:00Z"), ("draft  two ", "draft  two")]
        {
            let mark = Mark::parse(&format!("{hex} 4 {text}")).unwrap();
            let version = Version::kept(version);
            assert_eq!(mark, Mark { sha256: sha256.clone(), length: Some(4), version, is_merged: false });
        }
        let mark = Mark::parse(&format!("merged:{hex} 4 7")).unwrap();
        assert!(mark.is_merged && mark.sha256 == sha256);
        let bare = Mark::parse(&hex).unwrap();
        assert_eq!(bare, Mark { sha256, length: None, version: None, is_merged: false });
        assert_eq!(Mark::parse("soon"), None);
    }

    #[test]
    fn two_states_have_two_versions_where_an_etag_does_not_tell() {
        let one = held("%PDF-1", Some("%PDF-1"), None);
        let mut others = vec![held("%PDF-3", Some("%PDF-1"), None), held("%PDF-1", None, None)];
        others.push(Held { metadata: [("title".to_owned(), "B".to_owned())].into(), ..one.clone() });
        others.push(Held { etag: None, ..one.clone() });
        for other in &others {
            assert_ne!(one.version(), other.version(), "{other:?}");
        }
        let marked = held("%PDF-1", Some("%PDF-1"), Some(("%PDF-2", 6)));
        assert_eq!(one.version(), marked.version(), "a mark is no change");
        assert!(one.version().starts_with("W/\"1\" "), "{}", one.version());
    }

    #[test]
    fn a_change_is_compared_with_versions_that_do_not_lie_within_its_second() {
        let modified = of_http_date("Sat, 28 Nov 2026 09:49:09 GMT");
        assert_eq!(modified.as_deref(), Some("2026-11-28T09:49:09.000Z"));
        assert_eq!(of_http_date("yesterday"), None);
        let held = Held { modified, ..held("theirs", None, None) };
        for (offered, is_compared) in [
            (json!("2026-11-28T09:49:08.999Z"), true),
            (json!("2026-11-28T09:49:09Z"), true),
            (json!("2026-11-28T10:49:09.000+01:00"), true),
            (json!("2026-11-28T09:49:09.001Z"), false),
            (json!("2026-11-28T10:49:09.999999+01:00"), false),
            (json!("2026-11-28T09:49:10.5Z"), true),
            (json!(7), false),
            (json!("final"), false),
        ] {
            let changed = Version::of(Some(&offered)).and_then(|offered| held.changed_at(&offered));
            assert_eq!(changed.is_some(), is_compared, "{offered}");
        }
    }
}
