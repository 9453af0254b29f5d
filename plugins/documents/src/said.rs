//! What the source said of a document when it was written, so that it is noticed where someone else says otherwise.
//!
//! Only a few digits of a checksum of each value are kept: a repository has little room for metadata.

use std::collections::BTreeMap;

use crate::document::Digest;
use crate::wanted::Metadata;

/// Of a value's checksum, in hexadecimal digits.
const DIGITS: usize = 8;

/// The values that an event had, told by their checksums.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Said(BTreeMap<String, String>);

impl Said {
    pub(crate) fn of(metadata: &Metadata) -> Self {
        Self(metadata.iter().map(|(name, value)| (name.clone(), checksum(value))).collect())
    }

    /// As it was written down: `title=1a2b3c4d agency=…`. What cannot be read says nothing.
    pub(crate) fn parse(text: &str) -> Self {
        let parts = text.split_whitespace().filter_map(|part| part.split_once('='));
        Self(parts.map(|(name, checksum)| (name.to_owned(), checksum.to_owned())).collect())
    }

    /// As it is written down; nothing where it says nothing.
    pub(crate) fn text(&self) -> Option<String> {
        let parts: Vec<_> = self.0.iter().map(|(name, checksum)| format!("{name}={checksum}")).collect();
        (!parts.is_empty()).then(|| parts.join(" "))
    }

    /// Is any of it, as far as it is still asked for, held otherwise? What was not said then tells nothing: it may be
    /// older.
    pub(crate) fn is_otherwise<'name>(
        &self,
        mut asked: impl Iterator<Item = &'name String>,
        held: &Metadata,
    ) -> bool {
        asked.any(|name| {
            self.0
                .get(name)
                .is_some_and(|said| held.get(name).map(|value| checksum(value)).as_ref() != Some(said))
        })
    }
}

fn checksum(value: &str) -> String {
    let mut checksum = Digest::of(value.as_bytes()).hex();
    checksum.truncate(DIGITS);
    checksum
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_someone_else_says_is_noticed_of_what_is_asked_for() {
        let metadata = |values: &[(&str, &str)]| -> Metadata {
            values.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect()
        };
        let written = Said::of(&metadata(&[("agency", "Büro"), ("title", "A = b")])).text().unwrap();
        let said = Said::parse(&written);
        let asked = ["title".to_owned(), "owner".to_owned()];
        for (held, is_otherwise) in [
            (&[("title", "A = b"), ("agency", "Büro")][..], false),
            (&[("title", "A = b"), ("owner", "new")], false),
            (&[("title", "B")], true),
            (&[], true),
        ] {
            assert_eq!(said.is_otherwise(asked.iter(), &metadata(held)), is_otherwise, "{held:?}");
        }
        assert!(!Said::parse("soon").is_otherwise(asked.iter(), &metadata(&[("title", "B")])));
        assert_eq!(Said::of(&Metadata::new()).text(), None);
    }
}
