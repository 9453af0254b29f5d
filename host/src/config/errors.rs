//! What is wrong with a configuration, for the person who wrote it.
//!
//! Every mistake names the place, the key, and what to write instead; all of them come at once.

use std::fmt;
use std::path::PathBuf;

use super::document::{KeyPath, Position};

/// Every mistake of one configuration, in the order of the file.
#[derive(Debug)]
pub struct ConfigErrors {
    file: Option<PathBuf>,
    mistakes: Vec<Mistake>,
}

/// One mistake, or one warning.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mistake {
    /// Where it stands; `None` where it concerns the file as a whole.
    pub position: Option<Position>,
    /// The key, such as `connectors.calendar.endpoint`; empty where it concerns no key.
    pub key: String,
    /// What is wrong, and what to do.
    pub text: String,
}

impl ConfigErrors {
    /// The mistakes of a file, or of text without a name.
    pub(super) fn new(file: Option<PathBuf>, mut mistakes: Vec<Mistake>) -> Self {
        mistakes.sort_by_key(|mistake| mistake.position);
        Self { file, mistakes }
    }

    pub(super) fn in_file(self, file: PathBuf) -> Self {
        Self { file: Some(file), ..self }
    }

    /// How many there are: at least one.
    #[expect(clippy::len_without_is_empty, reason = "there is always a mistake")]
    pub fn len(&self) -> usize {
        self.mistakes.len()
    }

    /// Each of them, in the order of the file.
    pub fn mistakes(&self) -> &[Mistake] {
        &self.mistakes
    }
}

impl std::error::Error for ConfigErrors {}

impl fmt::Display for ConfigErrors {
    /// A line each: `liaison.toml:14:3: connectors.calendar.endpont: unknown key; did you mean `endpoint`?`
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, mistake) in self.mistakes.iter().enumerate() {
            if index > 0 {
                formatter.write_str("\n")?;
            }
            match (&self.file, mistake.position) {
                (Some(file), Some(Position { line, column })) => {
                    write!(formatter, "{}:{line}:{column}: {mistake}", file.display())?;
                }
                (Some(file), None) => write!(formatter, "{}: {mistake}", file.display())?,
                (None, Some(Position { line, column })) => {
                    write!(formatter, "line {line}, column {column}: {mistake}")?;
                }
                (None, None) => write!(formatter, "{mistake}")?,
            }
        }
        Ok(())
    }
}

impl Mistake {
    pub(super) fn new(position: Option<Position>, key: &KeyPath, text: impl Into<String>) -> Self {
        Self { position, key: key.to_string(), text: text.into() }
    }
}

impl fmt::Display for Mistake {
    /// The key and the text, without the place.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        if !self.key.is_empty() {
            write!(formatter, "{}: ", self.key)?;
        }
        formatter.write_str(&self.text)
    }
}
