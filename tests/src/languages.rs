//! The same connector in each language that has an SDK: `training`, which lies beside the SDKs as their example.

use std::path::PathBuf;

use anyhow::{Context as _, ensure};

use crate::host::plugin;

/// The JavaScript SDK as a plugin's folder may name it: built, with its dependencies beside it.
pub fn javascript_sdk() -> anyhow::Result<PathBuf> {
    let component = plugin(Language::JavaScript.plugin())?;
    let target = component.ancestors().nth(3).context("a component is in the target folder")?;
    let folder = target.join("sdks/js");
    ensure!(folder.join("dist/build.js").is_file(), "{} is not built: run `cargo verify`", folder.display());
    Ok(folder)
}

/// A language with an SDK.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Language {
    Rust,
    Python,
    JavaScript,
}

impl Language {
    pub const ALL: [Self; 3] = [Self::Rust, Self::Python, Self::JavaScript];

    /// As a command line names it.
    pub fn name(self) -> &'static str {
        match self {
            Self::Rust => "rust",
            Self::Python => "python",
            Self::JavaScript => "js",
        }
    }

    /// As people call it.
    pub fn title(self) -> &'static str {
        match self {
            Self::Rust => "Rust",
            Self::Python => "Python",
            Self::JavaScript => "TypeScript, JavaScript",
        }
    }

    /// The language of this name.
    pub fn named(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|language| language.name() == name)
    }

    /// The name of the connector's component, for [`crate::host::plugin`].
    pub fn plugin(self) -> &'static str {
        match self {
            Self::Rust => "training",
            Self::Python => "training-python",
            Self::JavaScript => "training-js",
        }
    }

    /// What its documentation tells an author to write into `[plugins.NAME]`.
    pub fn plugin_settings(self) -> &'static str {
        match self {
            Self::Rust => "",
            Self::Python | Self::JavaScript => "instances = { warm = 1000 }",
        }
    }
}
