//! The liaison program as a command that ends: what it printed, and how.

use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, ensure};
use liaison_tests::folder::Folder;
use liaison_tests::host::liaison_binary;
use serde_json::Value;

/// A configuration to run commands with.
pub(crate) struct Program {
    folder: Folder,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Ended {
    pub(crate) code: Option<i32>,
    pub(crate) out: String,
    pub(crate) log: String,
}

impl Program {
    pub(crate) fn new(config: &str) -> anyhow::Result<Self> {
        let folder = Folder::new("command")?;
        folder.write("liaison.toml", config)?;
        Ok(Self { folder })
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    /// The program with these words, to be run in the folder of the configuration.
    pub(crate) fn command(&self, words: &str) -> anyhow::Result<Command> {
        let mut command = Command::new(liaison_binary()?);
        command.args(words.split_whitespace()).current_dir(self.folder.path());
        command.env_remove("RUST_LOG").env_remove("LIAISON_CONFIG");
        Ok(command)
    }

    pub(crate) fn run(&self, words: &str) -> anyhow::Result<Ended> {
        let output = self.command(words)?.output()?;
        let (out, log) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        Ok(Ended { code: output.status.code(), out, log })
    }

    /// What it answers in JSON; it must end with this code.
    pub(crate) fn ask(&self, words: &str, code: i32) -> anyhow::Result<Value> {
        let ended = self.run(&format!("{words} --json"))?;
        ensure!(ended.code == Some(code), "`{words}` did not end with {code}: {ended:#?}");
        serde_json::from_str(&ended.out).with_context(|| format!("`{words}`: {ended:#?}"))
    }

    pub(crate) fn path(&self) -> &Path {
        self.folder.path()
    }
}
