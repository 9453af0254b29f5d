//! Python programs for the tests, by way of pip: servers that nobody here wrote, each with its packages in a folder of its
//! own in the user's cache. Starting one is the harness's part.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{Mutex, PoisonError};

use crate::cache::{self, cache};
use crate::command::{Failure, say};

/// Packages that belong together, each at one version.
#[derive(Debug)]
pub struct Packages {
    pub name: &'static str,
    /// As pip reads them, pinned: `grpcio==1.85.1`.
    pub requirements: &'static [&'static str],
    /// What is fetched, roughly.
    pub megabytes: u32,
}

/// grpcio with its health and reflection services, and protoc.
pub const GRPC: Packages = Packages {
    name: "grpc",
    requirements: &[
        "grpcio==1.85.1",
        "grpcio-health-checking==1.85.1",
        "grpcio-reflection==1.85.1",
        "grpcio-tools==1.85.1",
    ],
    megabytes: 20,
};

/// A SOAP server, the HTTP server it runs in, and another one's client.
pub const SOAP: Packages = Packages {
    name: "soap",
    requirements: &["spyne==2.14.0", "lxml==6.1.3", "cheroot==11.1.2", "zeep==4.3.3"],
    megabytes: 9,
};

/// A CalDAV server, and a client that reads calendars as people's programs do.
pub const CALDAV: Packages = Packages {
    name: "caldav",
    requirements: &["radicale==3.9.0", "caldav==3.6.0", "icalendar==7.3.2", "recurring-ical-events==3.8.2"],
    megabytes: 25,
};

/// A WebDAV server, with an HTTP server to run it.
pub const WEBDAV: Packages =
    Packages { name: "webdav", requirements: &["wsgidav==4.4.0", "cheroot==11.1.2"], megabytes: 9 };

/// All that the scenarios use.
pub(crate) const ALL: [&Packages; 4] = [&GRPC, &SOAP, &CALDAV, &WEBDAV];

/// One at a time: each fetches into a folder that has the name of the process.
static FETCHING: Mutex<()> = Mutex::new(());

/// The folder with these packages, fetched now if they are not there.
///
/// Safe to call from several processes at once. Fails with one line if Python is missing or its package index cannot be
/// reached.
pub fn prepare(packages: &Packages) -> Result<PathBuf, Failure> {
    let cache = cache()?;
    let home = cache.join(packages.folder());
    let _one = FETCHING.lock().unwrap_or_else(PoisonError::into_inner);
    if !home.exists() {
        let Packages { name, megabytes, .. } = packages;
        say(&format!("fetching the Python packages `{name}` with pip: {megabytes} MB"));
        fetch(packages, &cache.join(format!("partial-python-{}", std::process::id())), &home)?;
    }
    Ok(home)
}

/// A Python that finds what is in this home.
pub fn python(home: &Path) -> Command {
    let mut python = Command::new("python3");
    python.env("PYTHONPATH", home).env("PYTHONDONTWRITEBYTECODE", "1");
    python
}

impl Packages {
    /// Another version is another folder.
    fn folder(&self) -> String {
        let versions = self.requirements.iter().map(|pinned| pinned.rsplit('=').next().unwrap_or(pinned));
        let mut versions: Vec<_> = versions.collect();
        versions.dedup();
        format!("python-{}-{}-{}", self.name, self.requirements.len(), versions.join("-"))
    }
}

/// Into a folder and not into a virtual environment, which could not be moved to its place when it is complete.
fn fetch(packages: &Packages, partial: &Path, home: &Path) -> Result<(), Failure> {
    let name = packages.name;
    let mut pip = Command::new("python3");
    pip.args(["-m", "pip", "install", "--quiet", "--disable-pip-version-check", "--target"]).arg(partial);
    pip.args(packages.requirements).stdin(Stdio::null());
    let output = pip.output().map_err(|error| {
        format!(
            "the Python packages `{name}` cannot be fetched: Python (`python3`) could not be run ({error}); install \
             Python 3 with pip"
        )
    })?;
    let fetched = match output.status.success() {
        true => cache::keep(partial, home),
        false => {
            let text = String::from_utf8_lossy(&output.stderr);
            let line =
                text.lines().rev().find(|line| !line.trim().is_empty()).unwrap_or("nothing").to_owned();
            Err(format!(
                "the Python packages `{name}` cannot be fetched: pip said: {line}; it needs the Python package index"
            )
            .into())
        }
    };
    // Gone already where it was kept; what a failure leaves is of no use, and does no harm if it stays.
    let _ = fs::remove_dir_all(partial);
    fetched
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_set_of_versions_has_a_folder_of_its_own() {
        assert_eq!(GRPC.folder(), "python-grpc-4-1.85.1");
        assert_eq!(SOAP.folder(), "python-soap-4-2.14.0-6.1.3-11.1.2-4.3.3");
    }
}
