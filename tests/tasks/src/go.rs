//! Go programs for the tests, by way of the Go module proxy: servers that nobody here wrote, each built once at a fixed
//! version and kept in the user's cache. Starting one is the harness's part.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::cache::{self, cache};
use crate::command::{Failure, say};

/// A program that `go install` makes.
#[derive(Debug, Clone, Copy)]
pub struct Program {
    /// What the file is called.
    pub name: &'static str,
    /// Its package, without a version.
    pub package: &'static str,
    pub version: &'static str,
    /// What is fetched and built.
    pub about: &'static str,
}

/// A server that speaks the API of S3.
pub const GOFAKES3: Program = Program {
    name: "gofakes3",
    package: "github.com/johannesboyne/gofakes3/cmd/gofakes3",
    version: "v1.2.0",
    about: "15 MB, about a minute",
};

/// The program's file, built now if it is not there.
///
/// Safe to call from several processes at once: whoever comes first is kept. Fails with one line if Go is missing or
/// cannot reach its module proxy.
pub fn prepare(program: &Program) -> Result<PathBuf, Failure> {
    let cache = cache()?;
    let home = cache.join(format!("go-{}-{}", program.name, program.version));
    if !home.exists() {
        say(&format!("building {} {} with Go: {}", program.name, program.version, program.about));
        build(program, &cache.join(format!("partial-go-{}", std::process::id())), &home)?;
    }
    Ok(home.join(program.name))
}

/// Builds into `partial` and moves that to `home` in one step, so that a home that exists is complete.
fn build(program: &Program, partial: &Path, home: &Path) -> Result<(), Failure> {
    let name = program.name;
    let mut go = Command::new("go");
    go.args(["install", &format!("{}@{}", program.package, program.version)]);
    go.env("GOBIN", partial).env("CGO_ENABLED", "0").stdin(Stdio::null());
    let output = go.output().map_err(|error| {
        format!("{name} cannot be built: Go (`go`) could not be run ({error}); install Go 1.24 or newer")
    })?;
    let built = match output.status.success() {
        true => cache::keep(partial, home),
        false => {
            let text = String::from_utf8_lossy(&output.stderr);
            Err(format!(
                "{name} cannot be built: Go said: {}; it needs the Go module proxy",
                last_line(&text)
            )
            .into())
        }
    };
    // Gone already where it was kept; what a failure leaves is of no use, and does no harm if it stays.
    let _ = fs::remove_dir_all(partial);
    built
}

/// The last thing that is said, on one line of at most 300 characters.
fn last_line(output: &str) -> String {
    let mut lines = output.lines().rev().map(str::trim);
    lines.find(|line| !line.is_empty()).unwrap_or("nothing").chars().take(300).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_of_go_becomes_one_line() {
        let output = "go: downloading x\ngo: x@v1: reading https://proxy/x.info: 404 Not Found\n\tserver said: gone\n\n";
        assert_eq!(last_line(output), "server said: gone");
        assert_eq!(last_line(" \n"), "nothing");
        assert_eq!(last_line(&"x".repeat(900)).len(), 300);
    }
}
