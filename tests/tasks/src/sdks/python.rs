//! The Python SDK: a virtual environment with the SDK and what it is built and checked with.

use std::path::PathBuf;
use std::process::Command;

use super::stamp::unless_made;
use super::{Places, version};
use crate::command::{Failure, output, run, say};

/// The oldest Python that the SDK is written for: see its `pyproject.toml`.
const OLDEST: (u32, u32) = (3, 11);

/// What is built by it: the SDK's example, and guests of the tests.
const MODULES: [(&str, &str); 4] = [
    ("training_python", "plugin-sdk/python/example/src/training.py"),
    ("booking_python", "tests/guests/booking/booking.py"),
    ("records_python", "tests/guests/records/records.py"),
    ("lines_python", "tests/guests/lines/lines.py"),
];

pub(super) fn tools() -> Result<(), Failure> {
    let found = output(Command::new("python3").arg("--version")).and_then(|text| version(&text));
    let has_venv = output(Command::new("python3").args(["-c", "import venv, ensurepip"])).is_some();
    if found.is_some_and(|found| found >= OLDEST) && has_venv {
        return Ok(());
    }
    Err("Python 3.11 or newer with its module venv (`python3`) is missing, which builds plugins in Python: install it (on Debian: apt-get install python3-venv), or leave other languages out with `cargo verify --quick`"
        .to_owned()
        .into())
}

pub(super) fn build(places: &Places) -> Result<(), Failure> {
    let environment = Environment::new(places);
    let sdk = places.source("plugin-sdk/python");
    let project = [sdk.join("pyproject.toml")];
    unless_made(&environment.stamp("tools"), &project, || {
        say("installing what builds plugins in Python: componentize-py, 50 MB");
        run(Command::new("python3").args(["-m", "venv", "--clear"]).arg(&environment.folder))?;
        let wanted = format!("{}[build,check]", sdk.display());
        run(environment.program("pip").args(["install", "--quiet", &wanted]))
    })?;
    let sources = [project[0].clone(), sdk.join("src")];
    unless_made(&environment.stamp("sdk"), &sources, || {
        let arguments = ["install", "--quiet", "--no-deps", "--force-reinstall"];
        run(environment.program("pip").args(arguments).arg(&sdk))
    })?;
    for (name, module) in MODULES {
        let module = places.source(module);
        let sources = [project[0].clone(), sdk.join("src"), module.clone()];
        unless_made(&environment.stamp(name), &sources, || {
            say("building a plugin by the Python SDK: about 15 seconds");
            let component = places.components.join(format!("{name}.wasm"));
            run(environment.program("liaison-sdk").arg("build").arg(module).arg("--output").arg(component))
        })?;
    }
    Ok(())
}

pub(super) fn check(places: &Places) -> Result<(), Failure> {
    let environment = Environment::new(places);
    let sdk = places.source("plugin-sdk/python");
    for folder in [&sdk, &sdk.join("example")] {
        let mut types = environment.program("mypy");
        types.args(["--no-error-summary", "--cache-dir"]).arg(environment.folder.join("types"));
        run(types.args(["src", "tests"]).current_dir(folder))?;
        run(environment.program("pytest").args(["--quiet", "-p", "no:cacheprovider"]).current_dir(folder))?;
    }
    Ok(())
}

struct Environment {
    folder: PathBuf,
}

impl Environment {
    fn new(places: &Places) -> Self {
        Self { folder: places.made.join("python") }
    }

    /// A program of the environment, which writes nothing beside what it reads.
    fn program(&self, name: &str) -> Command {
        let mut command = Command::new(self.folder.join("bin").join(name));
        command.env("PYTHONDONTWRITEBYTECODE", "1").env("PIP_DISABLE_PIP_VERSION_CHECK", "1");
        command
    }

    fn stamp(&self, name: &str) -> PathBuf {
        self.folder.with_extension(format!("{name}.stamp"))
    }
}
