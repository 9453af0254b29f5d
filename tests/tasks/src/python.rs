//! Python programs for the tests, by way of pip: a gRPC server that nobody here wrote, in an environment of its own in the
//! user's cache. Starting one is the harness's part.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache::{self, cache};
use crate::command::{Failure, say};

/// The version of grpcio that is fetched.
pub const GRPC: &str = "1.85.1";

/// Python with grpcio and its health service, fetched now if they are not there: 15 MB.
///
/// Safe to call from several processes at once. Fails with one line if Python is missing or its package index cannot be
/// reached.
pub fn prepare() -> Result<PathBuf, Failure> {
    let cache = cache()?;
    let home = cache.join(format!("python-grpc-{GRPC}"));
    if !home.exists() {
        say(&format!("fetching grpcio {GRPC} with pip: 15 MB"));
        fetch(&cache.join(format!("partial-python-{}", std::process::id())), &home)?;
    }
    Ok(home)
}

/// A Python that finds what is in this home.
pub fn python(home: &Path) -> Command {
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", home).env("PYTHONDONTWRITEBYTECODE", "1");
    python
}

/// Into a folder and not into a virtual environment, which could not be moved to its place when it is complete.
fn fetch(partial: &Path, home: &Path) -> Result<(), Failure> {
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]).arg(partial);
    pip.args([format!("grpcio=={GRPC}"), format!("grpcio-health-checking=={GRPC}")]).stdin(Stdio::null());
    let output = pip.output().map_err(|error| {
        format!("grpcio cannot be fetched: Python (`python3`) could not be run ({error}); install Python 3 with pip")
    })?;
    let fetched = match output.status.success() {
        true => cache::keep(partial, home),
        false => {
            let text = String::from_utf8_lossy(&output.stderr);
            let line =
                text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing").to_owned();
            Err(format!("grpcio cannot be fetched: pip said: {line}; it needs the Python package index")
                .into())
        }
    };
    // Gone already where it was kept; what a failure leaves is of no use, and does no harm if it stays.
    let _ = fs::remove_dir_all(partial);
    fetched
}
