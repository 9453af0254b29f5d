//! Every check of the project, in order, the quick ones first. Ends at the first that fails.

use std::process::Command;
use std::time::{Duration, Instant};

use crate::build::{self, Profile};
use crate::command::{self, Failure, cargo, say};
use crate::{go, kafka, python, schema_registry, sdks, setup};

/// How much is checked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Extent {
    /// With real Kafka, a real gRPC server, real registries of images and of schemas, real databases, and the SDKs in other languages.
    Full,
    /// Without what needs Java, Python or Node.
    Quick,
}

type Stage = (&'static str, fn(Extent) -> Result<(), Failure>);

const STAGES: [Stage; 11] = [
    ("format", |_| cargo_with(&["fmt", "--all", "--check"])),
    ("tools", tools),
    ("lint", lint),
    ("documentation", documentation),
    ("build", |_| build::all(Profile::Dev)),
    ("certificates", certificates),
    ("SDKs", other_sdks),
    ("real counterparts", real_counterparts),
    ("tests", workspace_tests),
    ("tests that need the machine", tests_alone),
    ("chaos", chaos),
];

/// Scenarios that compile, load the machine as much as it takes, or measure a rate: one after another, so that no time-out
/// and no figure of another is theirs.
const ALONE: [&str; 10] = [
    "authors::",
    "first_steps::",
    "kafka_long_outage::",
    "kafka_schedule::",
    "many_connectors::",
    "neighbours::",
    "plugin_rollback::",
    "plugin_swap::",
    "poison::",
    "recovery::",
];

/// Five minutes on a quiet machine, with the same faults each time: other seeds are for a person, `cargo chaos --seed N`.
const CHAOS: [&str; 8] = ["--seed", "1", "--minutes", "5", "--faults", "12", "--events", "50000"];

/// Runs every stage and says how long each took.
pub(crate) fn run(extent: Extent) -> Result<(), Failure> {
    let started = Instant::now();
    for (name, stage) in STAGES {
        say(&format!("verify: {name}"));
        let began = Instant::now();
        let done = stage(extent);
        let took = shown(began.elapsed());
        match done {
            Ok(()) => say(&format!("verify: {name}: done in {took}")),
            Err(Failure { line, code }) => {
                let line = format!("{line}\nverify: FAILED in {name}, after {took}");
                return Err(Failure { line, code });
            }
        }
    }
    let left_out = match extent {
        Extent::Full => "",
        Extent::Quick => {
            ", without real Kafka, a real gRPC server, real registries of images and of schemas, real databases and the SDKs in other languages"
        }
    };
    say(&format!("verify: everything passed in {}{left_out}", shown(started.elapsed())));
    Ok(())
}

/// Before the long stages, so that a missing tool is known at once.
fn tools(extent: Extent) -> Result<(), Failure> {
    setup::toolchain()?;
    match extent {
        Extent::Full => {
            sdks::tools()?;
            setup::python_tools()?;
            setup::registry_tools()?;
            setup::databases()?;
            setup::go_tools()?;
            setup::kafka_tools()
        }
        Extent::Quick => Ok(()),
    }
}

/// The plugins are linted in both shapes: native, as their unit tests are built, and as components.
fn lint(_: Extent) -> Result<(), Failure> {
    cargo_with(&["clippy", "--workspace", "--all-targets", "--", "-D", "warnings"])?;
    command::run(build::plugins_with("clippy")?.args(["--", "-D", "warnings"]))
}

fn documentation(_: Extent) -> Result<(), Failure> {
    let mut doc = cargo(["doc", "--workspace", "--no-deps"]);
    command::run(doc.env("RUSTDOCFLAGS", "-D warnings"))
}

/// Each plugin that ships is certified anew, and its certificate says the same; see `liaison_tests::conformance`.
fn certificates(_: Extent) -> Result<(), Failure> {
    command::run(Command::new(build::folder(Profile::Dev)?.join("certify-plugins")).arg("--check"))
}

/// The scenarios run what is built here.
fn other_sdks(extent: Extent) -> Result<(), Failure> {
    match extent {
        Extent::Full => {
            sdks::build()?;
            sdks::check()
        }
        Extent::Quick => Ok(()),
    }
}

fn real_counterparts(extent: Extent) -> Result<(), Failure> {
    match extent {
        Extent::Full => {
            kafka::prepare()?;
            schema_registry::prepare()?;
            python::ALL.iter().try_for_each(|packages| python::prepare(packages).map(drop))?;
            go::prepare(&go::GOFAKES3).map(drop)
        }
        Extent::Quick => Ok(()),
    }
}

fn workspace_tests(extent: Extent) -> Result<(), Failure> {
    let mut test = cargo(["test", "--workspace", "--"]);
    test.args(ALONE.iter().flat_map(|scenarios| ["--skip", scenarios]));
    command::run(of_extent(&mut test, extent))
}

fn tests_alone(extent: Extent) -> Result<(), Failure> {
    let mut test = cargo(["test", "--workspace", "--test", "scenarios", "--", "--test-threads", "1"]);
    command::run(of_extent(test.args(ALONE), extent))
}

fn of_extent(test: &mut Command, extent: Extent) -> &mut Command {
    match extent {
        Extent::Full => test.env_remove("LIAISON_TESTS"),
        Extent::Quick => test.env("LIAISON_TESTS", "quick"),
    }
}

fn chaos(extent: Extent) -> Result<(), Failure> {
    match extent {
        Extent::Full => command::run(Command::new(build::folder(Profile::Dev)?.join("chaos")).args(CHAOS)),
        Extent::Quick => Ok(()),
    }
}

fn cargo_with(arguments: &[&str]) -> Result<(), Failure> {
    command::run(&mut cargo(arguments.iter().copied()))
}

fn shown(time: Duration) -> String {
    match time.as_secs() {
        0..60 => format!("{:.1} s", time.as_secs_f64()),
        seconds => format!("{} min {} s", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_shown_in_seconds_then_minutes() {
        for (ms, text) in [(40, "0.0 s"), (1_250, "1.2 s"), (59_900, "59.9 s"), (61_000, "1 min 1 s")] {
            assert_eq!(shown(Duration::from_millis(ms)), text);
        }
    }
}
