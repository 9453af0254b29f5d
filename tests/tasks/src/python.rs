//! Python programs for the tests, by way of pip: servers that nobody here wrote, each with its packages in a folder of its
//! own in the user's cache. Starting one is the harness's part.

use std::fs;
use std::hash::{DefaultHasher, Hash as _, Hasher as _};
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

/// Kinto: a store of JSON records with ETags, by HTTP.
pub const KINTO: Packages = Packages {
    name: "kinto",
    requirements: &[
        "kinto==26.5.0",
        "attrs==26.1.0",
        "bcrypt==5.0.0",
        "certifi==2026.10.19.post1",
        "cffi==2.1.1",
        "charset-normalizer==3.5.3",
        "colander==2.0",
        "colorama==0.4.6",
        "cryptography==50.0.2",
        "dockerflow==2026.3.4",
        "hupper==1.12.1",
        "idna==3.20",
        "iso8601==2.1.0",
        "jsonpatch==1.48",
        "jsonpointer==3.12",
        "jsonschema-specifications==2025.9.1",
        "jsonschema==4.26.0",
        "logging-color-formatter==1.1.0",
        "pastedeploy==3.1.0",
        "plaster-pastedeploy==1.0.1",
        "plaster==1.1.2",
        "pycparser==3.12",
        "pyjwt==2.15.1",
        "pyramid-multiauth==1.1.0",
        "pyramid-tm==2.6",
        "pyramid==2.1",
        "python-dateutil==4.0.0",
        "python-rapidjson==1.25",
        "referencing==0.37.0",
        "requests==2.34.2",
        "rpds-py==2026.9.1",
        "setuptools==81.0.0",
        "transaction==5.1",
        "translationstring==1.4",
        "typing-extensions==4.16.0",
        "urllib3==2.8.0",
        "venusian==3.1.1",
        "waitress==3.0.2",
        "webob==1.8.11",
        "zope-deprecation==6.0",
        "zope-interface==8.7",
    ],
    megabytes: 20,
};

/// All that the scenarios use.
pub(crate) const ALL: [&Packages; 5] = [&GRPC, &SOAP, &CALDAV, &WEBDAV, &KINTO];

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
    /// Another version of any of them is another folder.
    fn folder(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.requirements.hash(&mut hasher);
        let first = self.requirements.first().and_then(|pinned| pinned.rsplit('=').next());
        format!("python-{}-{}-{:016x}", self.name, first.unwrap_or_default(), hasher.finish())
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
        let folder = SOAP.folder();
        assert!(folder.starts_with("python-soap-2.14.0-"), "{folder}");
        for position in 0..SOAP.requirements.len() {
            let mut requirements = SOAP.requirements.to_vec();
            requirements[position] = "another==1";
            let other = Packages { requirements: requirements.leak(), ..SOAP };
            assert_ne!(other.folder(), folder);
        }
    }
}
