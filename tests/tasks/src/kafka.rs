//! Apache Kafka for the tests, by way of Maven: its jars, fetched once and kept in the user's cache.
//!
//! Maven Central holds every part of Kafka, and is reachable where download pages are not. Starting a broker is the
//! harness's part.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::{fs, io};

use crate::cache::{cache, keep};
use crate::command::{Failure, say};

/// The version that is fetched.
pub const VERSION: &str = "4.1.1";

const LOG4J: &str = "2.25.1";

/// The folder that holds Kafka's jars, fetched now if they are not there: 54 MB, from 10 seconds to some minutes.
///
/// Safe to call from several processes at once: whoever comes first is kept. Fails with one line if Maven is missing
/// or cannot reach its repository.
pub fn prepare() -> Result<PathBuf, Failure> {
    let cache = cache()?;
    let home = cache.join(format!("kafka-{VERSION}"));
    if !home.exists() {
        say(&format!("fetching Apache Kafka {VERSION} with Maven: 54 MB"));
        fetch(&cache.join(format!("partial-{}", std::process::id())), &home)?;
    }
    Ok(home.join("libs"))
}

/// The Java to run it with: `JAVA_HOME`'s, else the one on the path.
pub fn java() -> PathBuf {
    match std::env::var_os("JAVA_HOME") {
        Some(home) => Path::new(&home).join("bin/java"),
        None => "java".into(),
    }
}

/// Fetches into `partial` and moves that to `home` in one step, so that a home that exists is complete.
fn fetch(partial: &Path, home: &Path) -> Result<(), Failure> {
    let fetched = write_project(partial)
        .map_err(|error| Failure::from(format!("{} cannot be written: {error}", partial.display())))
        .and_then(|()| run_maven(partial))
        .and_then(|()| keep(partial, home));
    // Gone already where it was kept; what a failure leaves is of no use, and does no harm if it stays.
    let _ = fs::remove_dir_all(partial);
    fetched
}

fn write_project(folder: &Path) -> io::Result<()> {
    fs::create_dir_all(folder)?;
    fs::write(folder.join("pom.xml"), project())
}

fn run_maven(folder: &Path) -> Result<(), Failure> {
    let copy = ["dependency:copy-dependencies", "-DincludeScope=runtime", "-DoutputDirectory=libs"];
    maven("Apache Kafka", folder, &copy)
}

/// Has Maven fetch something in a folder that has a project; `what` is for a person.
pub(crate) fn maven(what: &str, folder: &Path, arguments: &[&str]) -> Result<(), Failure> {
    let mut maven = Command::new("mvn");
    maven.args(["--quiet", "--batch-mode"]).args(arguments).current_dir(folder).stdin(Stdio::null());
    let output = maven.output().map_err(|error| {
        format!(
            "{what} cannot be fetched: Maven (`mvn`) could not be run ({error}); install Maven and Java 17"
        )
    })?;
    if output.status.success() {
        return Ok(());
    }
    let text = String::from_utf8_lossy(&output.stdout);
    Err(format!(
        "{what} cannot be fetched: Maven said: {}; it needs Maven Central, or a mirror named in ~/.m2/settings.xml",
        first_error(&text)
    )
    .into())
}

/// The first thing Maven complains about, on one line of at most 300 characters.
fn first_error(output: &str) -> String {
    let mut errors = output.lines().filter_map(|line| Some(line.split_once("[ERROR] ")?.1));
    errors.find(|error| !error.trim().is_empty()).unwrap_or("nothing").chars().take(300).collect()
}

fn project() -> String {
    let dependency = |group, artifact, version| {
        format!(
            "    <dependency><groupId>{group}</groupId><artifactId>{artifact}</artifactId><version>{version}</version></dependency>\n"
        )
    };
    let dependencies = [
        dependency("org.apache.kafka", "kafka_2.13", VERSION),
        dependency("org.apache.kafka", "kafka-tools", VERSION),
        dependency("org.apache.logging.log4j", "log4j-slf4j-impl", LOG4J),
        dependency("org.apache.logging.log4j", "log4j-core", LOG4J),
    ]
    .concat();
    format!(
        "<project xmlns=\"http://maven.apache.org/POM/4.0.0\">
  <modelVersion>4.0.0</modelVersion>
  <groupId>liaison</groupId>
  <artifactId>kafka-for-tests</artifactId>
  <version>1</version>
  <packaging>pom</packaging>
  <dependencies>
{dependencies}  </dependencies>
</project>
"
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_complaint_of_maven_becomes_one_line() {
        let output = "[INFO] scanning\n[ERROR] \n\x1b[0m[ERROR] Unknown host\n[ERROR] To see more";
        assert_eq!(first_error(output), "Unknown host");
        assert_eq!(first_error(""), "nothing");
        assert_eq!(first_error(&format!("[ERROR] {}", "x".repeat(900))).len(), 300);
    }

    #[test]
    fn the_first_of_two_fetches_is_kept() {
        let folder = std::env::temp_dir().join(format!("liaison-tasks-keep-{}", std::process::id()));
        let (home, partial) = (folder.join("home"), folder.join("partial"));
        for (folder, name) in [(&home, "first"), (&partial, "second")] {
            fs::create_dir_all(folder).unwrap();
            fs::write(folder.join(name), "").unwrap();
        }
        assert_eq!(keep(&partial, &home), Ok(()));
        assert!(home.join("first").exists());
        assert!(!home.join("second").exists());
        fs::remove_dir_all(folder).unwrap();
    }
}
