//! `liaison plugin build`: from an author's folder to a component, by the tools of its language.

use std::fs;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use liaison::config::{self, PluginName, Runtime};
use liaison::dead_letter::header::hex_text;
use liaison::host;

use super::language;
use crate::cli::failure::{Exit, Failure};
use crate::cli::output::{self, bytes_text};

#[derive(Debug, Args)]
#[command(after_help = "\
The language is seen by the folder's manifest: Cargo.toml is Rust, package.json is TypeScript or
JavaScript, pyproject.toml is Python. What is missing on this machine is said, with how to get it.
The first time, npm or pip install what the folder names. In Rust, flags are added to your own
rustflags that take this machine's paths out of the component. Exit code 1 if it does not compile,
or the host would refuse what is made.")]
pub(in crate::cli) struct Build {
    /// The plugin's folder
    #[arg(default_value = ".")]
    folder: PathBuf,
    /// Where to put the component [default: in the folder, by its own name]
    #[arg(long, value_name = "FILE")]
    out: Option<PathBuf>,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn build(options: &Build) -> Result<(), Failure> {
    let language = language::of_folder(&options.folder)?;
    language.check_tools()?;
    let made = (language.build)(&options.folder)?;
    let own = || options.folder.join(made.file_name().unwrap_or_default());
    let out = options.out.clone().unwrap_or_else(own);
    copy(&made, &out)?;
    let settings = config::Plugin::new(&out);
    let inspection = host::inspect(&PluginName::new(&settings.source.stem()), &settings, &Runtime::default());
    let inspection = inspection.map_err(|error| Failure::Failed(error.to_string()))?;
    let sha256 = hex_text(&inspection.provenance.sha256);
    if options.json {
        output::json(&json!({
            "file": out.display().to_string(),
            "language": language.name,
            "sha256": sha256,
            "bytes": inspection.bytes,
            "world": inspection.world,
            "refusal": inspection.refusal,
        }))?;
    } else {
        let size = bytes_text(inspection.bytes);
        let world = inspection.world.unwrap_or("of no world");
        output::text(&format!("{}: {world}, {size}\nsha256 {sha256}\n", out.display()))?;
    }
    match inspection.refusal {
        None => Ok(()),
        Some(_) if options.json => Err(Failure::Printed(Exit::Failed)),
        Some(why) => Err(Failure::Failed(format!("the host refuses it: {why}"))),
    }
}

/// Whole or not at all.
fn copy(from: &Path, to: &Path) -> Result<(), Failure> {
    let beside = to.with_extension(format!("{}.tmp", std::process::id()));
    let copied = fs::copy(from, &beside).and_then(|_| fs::rename(&beside, to));
    copied.map_err(|error| Failure::Failed(format!("{} cannot be written: {error}", to.display())))
}
