//! What the scenarios about versions of plugins have in common: a plugin file that changes under a running host.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use anyhow::{Context as _, ensure};
use liaison_tests::folder::Folder;
use liaison_tests::host::plugin;
use liaison_tests::system::Entry;
use liaison_tests::wait;
use serde_json::Value;
use sha2::{Digest as _, Sha256};

use crate::fixture::Fixture;

/// What the guests of many versions are marked with, before their word.
const MARK: &[u8] = b"liaison-guest-mark:";
/// The bytes of a word.
const WORD_BYTES: usize = 13;

/// What is done behind all deliveries may wait for them, on a machine that has other work too.
const BEHIND: Duration = Duration::from_secs(120);

/// The file of a plugin, in a folder of its own.
pub(crate) struct PluginFile {
    folder: Folder,
    /// Of the guests of many versions; empty for others.
    guest: &'static str,
}

impl PluginFile {
    /// The first version of this guest: `versioned`, or `versioned-transformer`.
    pub(crate) fn new(guest: &'static str, word: &str) -> anyhow::Result<Self> {
        let file = Self { folder: Folder::new("plugin")?, guest };
        fs::write(file.path(), version(guest, word)?)?;
        Ok(file)
    }

    /// With any content.
    pub(crate) fn of(content: &[u8]) -> anyhow::Result<Self> {
        let file = Self { folder: Folder::new("plugin")?, guest: "" };
        fs::write(file.path(), content)?;
        Ok(file)
    }

    pub(crate) fn path(&self) -> PathBuf {
        self.folder.path().join("plugin.wasm")
    }

    pub(crate) fn text(&self) -> String {
        self.path().display().to_string()
    }

    /// Another version takes its place, whole at once.
    pub(crate) fn replace(&self, word: &str) -> anyhow::Result<()> {
        self.replace_by(&version(self.guest, word)?)
    }

    /// The same with any content.
    pub(crate) fn replace_by(&self, content: &[u8]) -> anyhow::Result<()> {
        let beside = self.folder.path().join("next.wasm");
        fs::write(&beside, content)?;
        Ok(fs::rename(&beside, self.path())?)
    }
}

/// The component of this guest with a word in its mark.
pub(crate) fn version(guest: &str, word: &str) -> anyhow::Result<Vec<u8>> {
    let mut component = fs::read(plugin(guest)?)?;
    let begin = component.windows(MARK.len()).position(|window| window == MARK).context("it has no mark")?;
    let mark = begin + MARK.len()..begin + MARK.len() + WORD_BYTES;
    ensure!(word.len() <= WORD_BYTES, "{word} is too long for a mark");
    component[mark].copy_from_slice(format!("{word:-<WORD_BYTES$}").as_bytes());
    Ok(component)
}

/// As the host writes it.
pub(crate) fn sha256(component: &[u8]) -> String {
    Sha256::digest(component).iter().map(|byte| format!("{byte:02x}")).collect()
}

/// Which version delivered this.
pub(crate) fn word(entry: &Entry) -> &str {
    entry.headers.get("x-version").and_then(|word| word.to_str().ok()).unwrap_or_default()
}

/// What `/plugins` shows of the one plugin.
pub(crate) fn status(fixture: &Fixture) -> Value {
    fixture.host.versions().status()["subject"].clone()
}

/// Waits until this version is live, and gives how long that took.
pub(crate) fn wait_for_live(fixture: &Fixture, sha256: &str) -> anyhow::Result<Duration> {
    wait_for(fixture, "the new version to be live", |status| status["live"] == sha256)
}

/// Waits until this version is tried, and gives how long that took.
pub(crate) fn wait_for_candidate(fixture: &Fixture, sha256: &str) -> anyhow::Result<Duration> {
    wait_for(fixture, "the new version to be tried", |status| status["candidate"]["sha256"] == sha256)
}

/// Waits until the status is so, and gives how long that took.
pub(crate) fn wait_for(
    fixture: &Fixture,
    what: &str,
    is_so: impl Fn(&Value) -> bool,
) -> anyhow::Result<Duration> {
    let begun = Instant::now();
    wait::until(BEHIND, what, || is_so(&status(fixture))).with_context(|| status(fixture).to_string())?;
    Ok(begun.elapsed())
}

/// How many new versions of the plugin came to this.
pub(crate) fn swaps(fixture: &Fixture, result: &str) -> f64 {
    fixture.metric("liaison_plugin_swaps_total", &[("result", result)])
}

/// The folder that a file is in.
pub(crate) fn folder_of(file: &Path) -> &Path {
    file.parent().expect("a file is in a folder")
}
