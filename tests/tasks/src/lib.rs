//! What stands behind `cargo demo`, `cargo verify`, `cargo chaos`, `cargo fuzz-decoders`, `cargo build-plugins`,
//! `cargo certify-plugins`, `cargo bench-delivery` and `cargo bench-plugins`.
//!
//! In come the arguments of one task, out comes an exit code, with short lines on stderr that say what is being done.
//! Only the standard library is used, so that the first line appears seconds after the command, before anything heavy
//! is compiled. Nothing here tests or delivers anything itself: tasks prepare the machine, build, and hand over.
//!
//! - `command`: running other programs, and what a person reads when one fails
//! - `setup`: the tools that must be there
//! - `build`: plugins and host
//! - `paths`: what keeps the paths of this machine out of components
//! - `sdks`: the SDKs in other languages, and the components of their examples
//! - [`kafka`]: fetching Apache Kafka, which the harness uses too
//! - [`python`]: fetching servers in Python, which the harness uses too
//! - [`schema_registry`]: fetching a schema registry, which the harness uses too
//! - [`go`]: building a server of the S3 API in Go, which the harness uses too
//! - `cache`: where all of them are kept
//! - `verify`: every check of the project, in order

mod build;
mod cache;
mod command;
pub mod go;
pub mod kafka;
mod paths;
pub mod python;
pub mod schema_registry;
mod sdks;
mod setup;
mod verify;

use std::ffi::OsString;
use std::path::Path;
use std::process::{Command, ExitCode};

pub use command::Failure;

use build::Profile;

const USAGE: &str = "usage: cargo demo | cargo verify [--quick] | cargo chaos | \
                     cargo fuzz-decoders [--seconds N] | cargo build-plugins | cargo certify-plugins | \
                     cargo bench-delivery | cargo bench-plugins, each with its own arguments";
/// How long each decoder is tried, unless it is said.
const FUZZ_SECONDS: u64 = 60;

/// Runs the task that the first argument names with the others, and gives its exit code: the one of the command that
/// failed, or 64 for bad usage.
pub fn run(arguments: impl Iterator<Item = OsString>) -> ExitCode {
    let mut arguments = arguments.peekable();
    let task = arguments.next();
    // `cargo demo -- --stay` arrives as `demo -- --stay`.
    arguments.next_if(|argument| argument == "--");
    let arguments: Vec<OsString> = arguments.collect();
    let done = match task.as_ref().and_then(|task| task.to_str()) {
        Some("demo") => demo(&arguments),
        Some("verify") => verify(&arguments),
        Some("chaos") => chaos(&arguments),
        Some("fuzz-decoders") => fuzz_decoders(&arguments),
        Some("build-plugins") => build_plugins(&arguments),
        Some("certify-plugins") => certify_plugins(&arguments),
        Some("bench-delivery") => bench_delivery(&arguments),
        Some("bench-plugins") => bench_plugins(&arguments),
        Some(_) | None => Err(usage()),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(failure) => {
            command::say(&failure.line);
            ExitCode::from(failure.code)
        }
    }
}

fn demo(arguments: &[OsString]) -> Result<(), Failure> {
    setup::toolchain()?;
    build::all(Profile::Dev)?;
    if arguments.iter().any(|argument| argument.to_string_lossy().starts_with("--story")) {
        // A story leaves out what it cannot start, and says so itself.
        let _ = setup::databases();
    }
    hand_over(&build::folder(Profile::Dev)?.join("demo"), arguments)
}

fn verify(arguments: &[OsString]) -> Result<(), Failure> {
    match arguments {
        [] => verify::run(verify::Extent::Full),
        [quick] if quick == "--quick" => verify::run(verify::Extent::Quick),
        _ => Err(usage()),
    }
}

fn chaos(arguments: &[OsString]) -> Result<(), Failure> {
    setup::toolchain()?;
    build::all(Profile::Dev)?;
    setup::kafka_tools()?;
    kafka::prepare()?;
    hand_over(&build::folder(Profile::Dev)?.join("chaos"), arguments)
}

/// Tries every decoder of the host for so long; they are tried side by side.
fn fuzz_decoders(arguments: &[OsString]) -> Result<(), Failure> {
    let seconds = match arguments {
        [] => FUZZ_SECONDS,
        [flag, seconds] if flag == "--seconds" => {
            seconds.to_str().and_then(|text| text.parse().ok()).ok_or_else(usage)?
        }
        _ => return Err(usage()),
    };
    setup::toolchain()?;
    let mut test = command::cargo(["test", "--workspace", "--lib", "fuzz::"]);
    command::run(test.env("LIAISON_FUZZ_SECONDS", seconds.to_string()))
}

/// All of them, always: see `build`.
fn build_plugins(arguments: &[OsString]) -> Result<(), Failure> {
    if !arguments.is_empty() {
        return Err(usage());
    }
    setup::toolchain()?;
    build::plugins()
}

fn certify_plugins(arguments: &[OsString]) -> Result<(), Failure> {
    setup::toolchain()?;
    build::one(Profile::Dev, "certify-plugins")?;
    hand_over(&build::folder(Profile::Dev)?.join("certify-plugins"), arguments)
}

fn bench_delivery(arguments: &[OsString]) -> Result<(), Failure> {
    setup::toolchain()?;
    build::one(Profile::Release, "bench-delivery")?;
    setup::kafka_tools()?;
    kafka::prepare()?;
    hand_over(&build::folder(Profile::Release)?.join("bench-delivery"), arguments)
}

fn bench_plugins(arguments: &[OsString]) -> Result<(), Failure> {
    setup::toolchain()?;
    sdks::tools()?;
    build::one(Profile::Release, "bench-plugins")?;
    sdks::build()?;
    hand_over(&build::folder(Profile::Release)?.join("bench-plugins"), arguments)
}

/// Becomes this program; comes back only if that fails.
fn hand_over(program: &Path, arguments: &[OsString]) -> Result<(), Failure> {
    Err(command::replace(Command::new(program).args(arguments)))
}

fn usage() -> Failure {
    Failure { line: USAGE.into(), code: 64 }
}
