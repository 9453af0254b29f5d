//! What a component must not tell: where, and so by whom, it was built.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::Context as _;

/// What a component shows of where it was built.
#[derive(Debug)]
pub struct Shown {
    /// The builder's folders that it names.
    pub builders: Vec<String>,
    /// Does it name source files of crates and of the standard library, as everybody's would? Else nothing was looked at.
    pub has_sources: bool,
}

/// Looks through a component for these folders, for those of the builder's tools, and for the names of registries.
///
/// # Errors
///
/// When it cannot be read.
pub fn shown_by(component: &Path, folders: &[&Path]) -> anyhow::Result<Shown> {
    let bytes = fs::read(component).with_context(|| component.display().to_string())?;
    let has = |text: &str| bytes.windows(text.len()).any(|window| window == text.as_bytes());
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let cargo_home = std::env::var_os("CARGO_HOME").map_or_else(|| home.join(".cargo"), PathBuf::from);
    let tools = [cargo_home, home.join(".rustup")];
    let paths = folders.iter().copied().chain(tools.iter().map(PathBuf::as_path));
    // Those of each registry, whose folder tells its name.
    let texts = paths.map(|path| path.display().to_string()).chain(["registry/src".to_owned()]);
    Ok(Shown {
        builders: texts.filter(|text| has(text)).collect(),
        has_sources: has("crates/serde_json-") && has("/rustc/"),
    })
}
