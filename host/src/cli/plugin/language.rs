//! The languages that plugins are written in here: how a folder of each begins, how it is told, and how it is built.
//!
//! A language is one entry of [`LANGUAGES`] and one file beside this one; `new` and `build` know none of them.

mod rust;

use std::io;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use clap::ValueEnum;

use crate::cli::failure::Failure;

/// All of them, the first whose manifest a folder holds is its language.
pub(super) const LANGUAGES: &[Language] = &[rust::RUST];

/// One language.
#[derive(Debug, Clone, Copy)]
pub(super) struct Language {
    /// What `--lang` takes.
    pub(super) name: &'static str,
    /// The file that tells a folder of it.
    pub(super) manifest: &'static str,
    /// The files of a new folder: their path there, and their text with `{{name}}`, `{{file}}`, `{{kind}}` and `{{sdk}}`
    /// to be filled in. One that ends in `.sh` can be run.
    pub(super) files: fn(Kind) -> Vec<(&'static str, &'static str)>,
    /// What is wrong with this folder as the SDK, if anything.
    pub(super) check_sdk: fn(&Path) -> Result<(), String>,
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
}

impl Language {
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

fn not_run(program: &str, error: &io::Error) -> Failure {
    Failure::Failed(format!("{program} cannot be run: {error}"))
}
