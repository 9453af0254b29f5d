//! Reads and checks a configuration file. Text in; a checked configuration or every mistake out.

use std::path::Path;

use super::Config;
use super::document::{Document, KeyPath};
use super::errors::{ConfigErrors, Mistake};
use super::places::Places;
use super::validate::{self, Checker};

/// A configuration without a mistake.
#[derive(Debug)]
pub struct Checked {
    pub config: Config,
    /// What works and is probably not meant, in the order of the file.
    pub warnings: Vec<Mistake>,
    pub places: Places,
}

impl Config {
    /// Reads and checks a file. Relative paths in it start at its folder.
    ///
    /// # Errors
    /// Every mistake of the file, or that it cannot be read.
    pub fn from_file(path: impl AsRef<Path>) -> Result<Checked, ConfigErrors> {
        from_file(path.as_ref(), true)
    }

    /// As [`Config::from_file`], for who needs none of its secrets, or only some: where they are named nothing is looked
    /// at. Whoever does need one then reads it, and fails if it is not there.
    pub fn from_file_without_secrets(path: impl AsRef<Path>) -> Result<Checked, ConfigErrors> {
        from_file(path.as_ref(), false)
    }

    /// Reads and checks this text. Relative paths in it start at `base`.
    ///
    /// # Errors
    /// Every mistake of the text.
    pub fn from_toml(text: &str, base: &Path) -> Result<Checked, ConfigErrors> {
        read(text, base, &|name| std::env::var(name).ok())
    }
}

fn from_file(path: &Path, are_secrets_needed: bool) -> Result<Checked, ConfigErrors> {
    let text = std::fs::read_to_string(path).map_err(|error| {
        let text = format!("cannot read it ({error}); give the path of a configuration file");
        ConfigErrors::new(Some(path.to_owned()), vec![Mistake::new(None, &KeyPath::default(), text)])
    })?;
    let base = path.parent().unwrap_or(Path::new(""));
    let checked = read_with(&text, base, &|name| std::env::var(name).ok(), are_secrets_needed);
    let mut checked = checked.map_err(|errors| errors.in_file(path.to_owned()))?;
    checked.places.file = Some(path.to_owned());
    Ok(checked)
}

/// As `from_toml`, in this environment.
pub(super) fn read(
    text: &str,
    base: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
) -> Result<Checked, ConfigErrors> {
    read_with(text, base, variable, true)
}

fn read_with(
    text: &str,
    base: &Path,
    variable: &dyn Fn(&str) -> Option<String>,
    are_secrets_needed: bool,
) -> Result<Checked, ConfigErrors> {
    let (document, settings, mistakes) = Document::read(text);
    let warnings = Vec::new();
    let mut checker = Checker { document: &document, base, variable, are_secrets_needed, mistakes, warnings };
    let config = validate::config(settings, &mut checker);
    let Checker { mistakes, mut warnings, .. } = checker;
    if !mistakes.is_empty() {
        return Err(ConfigErrors::new(None, mistakes));
    }
    warnings.sort_by_key(|warning| warning.position);
    Ok(Checked { config, warnings, places: Places::of(&document) })
}

#[cfg(test)]
mod tests;
