//! Where keys of a configuration file stand, for mistakes that only whoever uses the configuration can find.

use std::collections::BTreeMap;
use std::path::PathBuf;

use super::document::{Document, KeyPath, Position};
use super::errors::{ConfigErrors, Mistake};

/// The places of all keys `[table] key`. Empty for a configuration that was made in code.
#[derive(Debug, Clone, Default)]
pub struct Places {
    pub(super) file: Option<PathBuf>,
    known: BTreeMap<String, Position>,
}

impl Places {
    pub(super) fn of(document: &Document<'_>) -> Self {
        let mut known = BTreeMap::new();
        for table in document.tables() {
            let names = document.names(table);
            let paths = names.into_iter().map(|name| KeyPath::of(&[table, name]));
            for path in paths.chain([KeyPath::of(&[table])]) {
                known.extend(document.locate(&path).map(|position| (path.to_string(), position)));
            }
        }
        Self { file: None, known }
    }

    /// These keys of tables, each with what is wrong and what to do. Of a key that is not written its table counts.
    pub fn mistakes(&self, found: &[([&str; 2], String)]) -> ConfigErrors {
        let mistakes = found.iter().map(|([table, key], text)| {
            let (path, above) = (KeyPath::of(&[table, key]), KeyPath::of(&[table]));
            let position = self.known.get(&path.to_string()).or_else(|| self.known.get(&above.to_string()));
            Mistake::new(position.copied(), &path, text.clone())
        });
        ConfigErrors::new(self.file.clone(), mistakes.collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_key_is_found_where_it_stands_or_at_its_table() {
        let (document, _, _) = Document::read("[kafka]\nbrokers = []\n\n[admin]\n");
        let places = Places::of(&document);
        let found = [("kafka", "brokers"), ("kafka", "security"), ("admin", "address"), ("runtime", "cache")];
        let found = found.map(|(table, key)| ([table, key], "no".to_owned()));
        let lines = places.mistakes(&found).to_string();
        let expected = [
            "runtime.cache: no",
            "line 1, column 2: kafka.security: no",
            "line 2, column 1: kafka.brokers: no",
            "line 4, column 2: admin.address: no",
        ];
        assert_eq!(lines.lines().collect::<Vec<_>>(), expected);
        let in_code = Places::default().mistakes(&found[..1]);
        assert_eq!(in_code.to_string(), "kafka.brokers: no");
    }
}
