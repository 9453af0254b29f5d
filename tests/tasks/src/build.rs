//! Building plugins and host with cargo.
//!
//! Native builds always select the whole workspace: another selection is another set of features, and would compile
//! the heavy dependencies a second time. For the same reason all components are always built together; alone, one would
//! have another digest too.

use std::path::PathBuf;
use std::process::Command;

use crate::command::{Failure, cargo, run, run_saying, say};
use crate::paths;

/// What components are compiled for.
pub(crate) const TARGET: &str = "wasm32-wasip2";

/// The crates that become WebAssembly components.
const PLUGINS: [&str; 18] = [
    "calendar",
    "database",
    "documents",
    "grpc",
    "redact",
    "reshape",
    "rest",
    "soap",
    "warehouse",
    "webhook",
    "errand",
    "filing",
    "hostile",
    "outdated",
    "records",
    "training",
    "versioned",
    "versioned-transformer",
];

/// How the host is compiled.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Profile {
    /// Optimised dependencies, assertions on.
    Dev,
    /// What ships, and what is measured.
    Release,
}

/// Builds every plugin and every program of the workspace. Silent if nothing has to be built.
pub(crate) fn all(profile: Profile) -> Result<(), Failure> {
    programs(profile, "liaison", &["--bins"])
}

/// Builds every plugin and this program: linking one for release takes minutes.
pub(crate) fn one(profile: Profile, program: &'static str) -> Result<(), Failure> {
    programs(profile, program, &["--bin", program])
}

/// The first time is told by whether this program is there.
fn programs(profile: Profile, program: &str, which: &[&'static str]) -> Result<(), Failure> {
    let is_first = !folder(profile)?.join(program).exists();
    if is_first {
        say("building host and plugins: about 15 minutes the first time on 2 cores");
    }
    let build = |mut cargo: Command| {
        if is_first { run(&mut cargo) } else { run_saying(cargo.arg("--quiet"), "building what has changed") }
    };
    build(plugins_with("build")?)?;
    let mut arguments = vec!["build", "--workspace"];
    arguments.extend(which);
    match profile {
        Profile::Dev => {}
        Profile::Release => arguments.push("--release"),
    }
    build(cargo(arguments))
}

/// Builds every plugin, and says what it does.
pub(crate) fn plugins() -> Result<(), Failure> {
    run(&mut plugins_with("build")?)
}

/// A command of cargo for the plugins as components. All of them have the same flags, or they would be compiled twice.
pub(crate) fn plugins_with(command: &'static str) -> Result<Command, Failure> {
    let mut cargo = cargo([command, "--target", TARGET, "--profile", "plugin"]);
    cargo.args(PLUGINS.iter().flat_map(|plugin| ["--package", plugin]));
    cargo.args(paths::left_out()?);
    Ok(cargo)
}

/// Where the host's programs of this profile are: beside this one's own, so that cargo's settings hold.
pub(crate) fn folder(profile: Profile) -> Result<PathBuf, Failure> {
    let name = match profile {
        Profile::Dev => "debug",
        Profile::Release => "release",
    };
    let program =
        std::env::current_exe().map_err(|error| format!("where this program is cannot be told: {error}"))?;
    let target = program.parent().and_then(|folder| folder.parent());
    target
        .map(|target| target.join(name))
        .ok_or_else(|| format!("{} is not in a target folder: run it with cargo", program.display()).into())
}
