//! The JavaScript SDK: a copy of it, in which npm may install and TypeScript may write.

use std::fs;
use std::io;
use std::os::unix::fs::symlink;
use std::path::PathBuf;
use std::process::Command;

use super::stamp::{copy, unless_made};
use super::{Places, version};
use crate::command::{Failure, output, run, say};

/// The oldest Node that the SDK is written for: see its `package.json`.
const OLDEST: (u32, u32) = (20, 0);

/// What the copy is made of, beside the contract.
const SOURCES: [&str; 8] = [
    "package.json",
    "package-lock.json",
    "tsconfig.json",
    "tsconfig.build.json",
    "src",
    "test",
    "example",
    "../outcomes.json",
];

const TESTS: [&str; 7] = ["steps", "outcome", "reading", "forms", "grpc", "sql", "joint"];

/// What is built by it: the SDK's example, and guests of the tests.
const MODULES: [(&str, &str); 4] = [
    ("training_js", "plugin-sdk/js/example/src/training.ts"),
    ("booking_js", "tests/guests/booking/booking.ts"),
    ("records_js", "tests/guests/records/records.ts"),
    ("lines_js", "tests/guests/lines/lines.ts"),
];

pub(super) fn tools() -> Result<(), Failure> {
    let found = output(Command::new("node").arg("--version")).and_then(|text| version(&text));
    let has_npm = output(Command::new("npm").arg("--version")).is_some();
    if found.is_some_and(|found| found >= OLDEST) && has_npm {
        return Ok(());
    }
    Err("Node 20 or newer with npm (`node`, `npm`) is missing, which builds plugins in JavaScript: install it (https://nodejs.org), or leave other languages out with `cargo verify --quick`"
        .to_owned()
        .into())
}

pub(super) fn build(places: &Places) -> Result<(), Failure> {
    let workshop = Workshop::new(places);
    let sdk = places.source("plugin-sdk/js");
    let contract = places.source("wit");
    let sources: Vec<_> = SOURCES.iter().map(|name| sdk.join(name)).chain([contract]).collect();
    unless_made(&workshop.stamp("copy"), &sources, || {
        workshop.fill(&sources).map_err(|error| format!("{}: {error}", workshop.folder.display()).into())
    })?;
    unless_made(&workshop.stamp("tools"), &sources[..2], || {
        say("installing what builds plugins in JavaScript: componentize-js, 200 MB");
        run(workshop.command("npm").args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"]))?;
        // The example asks for the SDK by its name.
        symlink("..", workshop.folder.join("node_modules/liaison-sdk"))
            .map_err(|error| format!("{}: {error}", workshop.folder.display()).into())
    })?;
    unless_made(&workshop.stamp("sdk"), &sources, || {
        run(workshop.command("npm").args(["run", "-s", "build"]))
    })?;
    for (name, module) in MODULES {
        let module = places.source(module);
        let made_from = [sources[1].clone(), sdk.join("src"), module.clone(), places.source("wit")];
        unless_made(&workshop.stamp(name), &made_from, || {
            say("building a plugin by the JavaScript SDK: about 10 seconds");
            // Within the workshop, where the SDK and its libraries are found.
            let copied = workshop.folder.join(format!("{name}.ts"));
            fs::copy(&module, &copied).map_err(|error| format!("{}: {error}", copied.display()))?;
            let component = places.components.join(format!("{name}.wasm"));
            let mut build = workshop.command("node");
            run(build.args(["dist/build.js", "build"]).arg(copied).arg("--output").arg(component))
        })?;
    }
    Ok(())
}

pub(super) fn check(places: &Places) -> Result<(), Failure> {
    let workshop = Workshop::new(places);
    run(workshop.command("npm").args(["run", "-s", "check"]))?;
    run(workshop.command("node").args(["node_modules/typescript/bin/tsc", "--project", "example"]))?;
    let test = |files: &[&str]| {
        let reporter = ["--import", "tsx", "--test-reporter=dot", "--test"];
        run(workshop.command("node").args(reporter).args(files))
    };
    let tests = TESTS.map(|name| format!("test/{name}.test.ts"));
    test(&tests.each_ref().map(String::as_str))?;
    test(&["example/test/training.test.ts"])
}

/// The folder in which everything is done.
struct Workshop {
    folder: PathBuf,
}

impl Workshop {
    fn new(places: &Places) -> Self {
        Self { folder: places.made.join("js") }
    }

    /// Puts these in the place of what was there.
    fn fill(&self, sources: &[PathBuf]) -> io::Result<()> {
        for source in sources {
            let name = source.file_name().ok_or_else(|| io::Error::other("a source has a name"))?;
            let place = self.folder.join(name);
            if place.is_dir() {
                fs::remove_dir_all(&place)?;
            }
            copy(source, &place)?;
        }
        Ok(())
    }

    fn command(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.current_dir(&self.folder).env("NPM_CONFIG_UPDATE_NOTIFIER", "false");
        command
    }

    fn stamp(&self, name: &str) -> PathBuf {
        self.folder.with_extension(format!("{name}.stamp"))
    }
}
