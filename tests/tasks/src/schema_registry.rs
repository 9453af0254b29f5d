//! Apicurio Registry for the tests, by way of Maven: a schema registry that speaks Confluent's API, fetched once and kept in
//! the user's cache. Starting it is the harness's part.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use crate::cache::{cache, keep};
use crate::command::{Failure, say};
use crate::kafka::maven;

/// The version that is fetched: the last one that runs on Java 17.
pub const VERSION: &str = "2.6.13.Final";

/// The program, fetched now if it is not there: 142 MB, from 10 seconds to some minutes.
///
/// Safe to call from several processes at once: whoever comes first is kept. Fails with one line if Maven is missing
/// or cannot reach its repository.
pub fn prepare() -> Result<PathBuf, Failure> {
    let cache = cache()?;
    let home = cache.join(format!("apicurio-registry-{VERSION}"));
    if !home.exists() {
        say(&format!("fetching Apicurio Registry {VERSION} with Maven: 142 MB"));
        fetch(&cache.join(format!("partial-registry-{}", std::process::id())), &home)?;
    }
    Ok(home.join("program").join(format!("apicurio-registry-app-{VERSION}-runner.jar")))
}

/// Fetches into `partial` and moves that to `home` in one step, so that a home that exists is complete.
fn fetch(partial: &Path, home: &Path) -> Result<(), Failure> {
    let artifact = format!("-Dartifact=io.apicurio:apicurio-registry-app:{VERSION}:tar.gz:all");
    let fetched = write_project(partial)
        .map_err(|error| Failure::from(format!("{} cannot be written: {error}", partial.display())))
        .and_then(|()| {
            maven(
                "Apicurio Registry",
                partial,
                &["dependency:unpack", &artifact, "-DoutputDirectory=program"],
            )
        })
        .and_then(|()| keep(partial, home));
    // Gone already where it was kept; what a failure leaves is of no use, and does no harm if it stays.
    let _ = fs::remove_dir_all(partial);
    fetched
}

/// Without a project Maven does not know where to keep its own notes.
fn write_project(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    let project = "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">
  <modelVersion>4.0.0</modelVersion>
  <groupId>liaison</groupId>
  <artifactId>schema-registry-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
</project>
";
    fs::write(folder.join("pom.xml"), project)
}
