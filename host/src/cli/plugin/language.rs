//! The languages that plugins are written in here: how a folder of each begins, how it is told, and how it is built.
//!
//! A language is one entry of [`LANGUAGES`] and one file beside this one; `new` and `build` know none of them.

mod made;
mod python;
mod rust;
mod typescript;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::ValueEnum;

use crate::cli::failure::Failure;

/// The text of a template, by its path below `templates`.
macro_rules! template {
    ($path:literal) => {
        include_str!(concat!(env!("CARGO_MANIFEST_DIR"), "/templates/", $path))
    };
}
use template;

/// All of them, the first whose manifest a folder holds is its language.
pub(super) const LANGUAGES: &[Language] = &[rust::RUST, typescript::TYPESCRIPT, python::PYTHON];

/// One language.
#[derive(Debug, Clone, Copy)]
pub(super) struct Language {
    /// What `--lang` takes.
    pub(super) name: &'static str,
    /// The file that tells a folder of it.
    pub(super) manifest: &'static str,
    /// The language's own files of a new folder: their path there, and their text with `{{name}}`, `{{file}}`, `{{kind}}`,
    /// `{{run}}`, `{{demo}}` and `{{sdk}}` to be filled in. One that ends in `.sh` can be run.
    files: fn(Kind) -> Vec<(&'static str, &'static str)>,
    /// Where its SDK is, in the folder `plugin-sdk` or as that folder itself; else what is wrong.
    pub(super) sdk: fn(&Path) -> Result<PathBuf, String>,
    /// What must be there to build.
    pub(super) tools: &'static [Tool],
    /// Builds the plugin in a folder with the language's own tools; where the component is.
    pub(super) build: fn(&Path) -> Result<PathBuf, Failure>,
}

/// What a plugin is to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(super) enum Kind {
    Connector,
    Transformer,
}

/// Something that a language is built with.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tool {
    /// For a person.
    pub(super) name: &'static str,
    pub(super) is_there: fn() -> bool,
    /// How to get it.
    pub(super) get: &'static str,
}

impl Kind {
    pub(super) fn name(self) -> &'static str {
        match self {
            Kind::Connector => "connector",
            Kind::Transformer => "transformer",
        }
    }

    /// What `cargo demo` is told of the component.
    pub(super) fn demo(self, file: &str) -> String {
        let settings = match self {
            Kind::Connector => "path = \"/events\"",
            Kind::Transformer => "kind = \"notice.published\"",
        };
        format!("--{} PATH/{file}.wasm --settings '{settings}'", self.name())
    }

    /// What `liaison plugin run` needs beside the event that comes with the folder.
    pub(super) fn run(self) -> &'static str {
        match self {
            Kind::Connector => "--case cases/first.toml --name 'an event is put on its path'",
            Kind::Transformer => "--settings 'kind = \"notice.published\"'",
        }
    }
}

impl Language {
    /// All files of a new folder; the cases and the event are the same in every language.
    pub(super) fn files(&self, kind: Kind) -> Vec<(&'static str, &'static str)> {
        let (cases, event) = match kind {
            Kind::Connector => (template!("common/connector.toml"), template!("common/connector.json")),
            Kind::Transformer => (template!("common/transformer.toml"), template!("common/transformer.json")),
        };
        let mut files = (self.files)(kind);
        files.extend([("cases/first.toml", cases), ("event.json", event)]);
        files
    }

    /// What is missing, and how to get it.
    pub(super) fn check_tools(&self) -> Result<(), Failure> {
        let missing = self.tools.iter().filter(|tool| !(tool.is_there)());
        let missing: Vec<_> = missing.map(|tool| format!("{}: {}", tool.name, tool.get)).collect();
        match missing.is_empty() {
            true => Ok(()),
            false => Err(Failure::Usage(format!("to build it you need {}", missing.join("; and ")))),
        }
    }
}

/// The language of this name.
pub(super) fn named(name: &str) -> Result<&'static Language, String> {
    LANGUAGES.iter().find(|language| language.name == name).ok_or_else(|| {
        let names: Vec<_> = LANGUAGES.iter().map(|language| language.name).collect();
        format!("choose one of: {}", names.join(", "))
    })
}

/// The language of the plugin in this folder.
pub(super) fn of_folder(folder: &Path) -> Result<&'static Language, Failure> {
    LANGUAGES.iter().find(|language| folder.join(language.manifest).is_file()).ok_or_else(|| {
        let manifests: Vec<_> = LANGUAGES.iter().map(|language| language.manifest).collect();
        Failure::Usage(format!(
            "{} holds no plugin: no {} is there",
            folder.display(),
            manifests.join(" or ")
        ))
    })
}

/// What a program prints; `None` if it is not there or fails.
fn answer(program: &str, arguments: &[&str]) -> Option<String> {
    let output = Command::new(program).args(arguments).stdin(Stdio::null()).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The first of these folders in which this file, the manifest of an SDK, holds this text.
fn sdk_folder(folders: &[PathBuf], manifest: &str, text: &str) -> Result<PathBuf, String> {
    let is_sdk = |folder: &&PathBuf| {
        std::fs::read_to_string(folder.join(manifest)).is_ok_and(|manifest| manifest.contains(text))
    };
    folders.iter().find(is_sdk).cloned().ok_or_else(|| {
        let places: Vec<_> =
            folders.iter().map(|folder| folder.join(manifest).display().to_string()).collect();
        format!(
            "{} is not there, or not that of liaison-sdk: name the folder plugin-sdk of a checkout of liaison",
            places.join(" or ")
        )
    })
}

/// Whether a program is there in this version or a newer one, by what it prints of itself.
fn is_since(program: &str, oldest: (u32, u32)) -> bool {
    answer(program, &["--version"]).and_then(|text| version(&text)).is_some_and(|found| found >= oldest)
}

/// The first two numbers of a version such as `Python 3.11.7` or `v20.20.2`.
fn version(text: &str) -> Option<(u32, u32)> {
    let start = text.find(|character: char| character.is_ascii_digit())?;
    let mut numbers = text[start..].split('.').map(str::trim);
    Some((numbers.next()?.parse().ok()?, numbers.next()?.parse().ok()?))
}

fn not_run(program: &str, error: &io::Error) -> Failure {
    Failure::Failed(format!("{program} cannot be run: {error}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_a_program_is_read() {
        for (text, expected) in [
            ("Python 3.11.7", Some((3, 11))),
            ("v20.20.2", Some((20, 20))),
            ("v22.1", Some((22, 1))),
            ("nothing", None),
            ("7", None),
        ] {
            assert_eq!(version(text), expected, "{text}");
        }
    }

    #[test]
    fn every_placeholder_of_a_template_is_known_and_no_language_lacks_a_file() {
        for language in LANGUAGES {
            for kind in [Kind::Connector, Kind::Transformer] {
                let files = language.files(kind);
                for (path, text) in &files {
                    let filled = crate::cli::plugin::new::fill(text, "a-b", kind, "../sdk");
                    assert!(!filled.contains("{{") && !filled.contains("}}"), "{path}: {filled}");
                }
                for path in [language.manifest, "cases/first.toml", "event.json", "ci.sh", "README.md"] {
                    assert!(files.iter().any(|(known, _)| *known == path), "{}: {path}", language.name);
                }
            }
        }
    }
}
