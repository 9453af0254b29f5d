//! The tools a task needs: looks for each, adds what it may add, and asks for the rest in one line.
//!
//! What cargo itself fetches is not looked at.

use std::path::Path;
use std::process::Command;

use crate::build::TARGET;
use crate::command::{Failure, output, run, say};

/// The oldest Java that runs Kafka 4 (its upgrade notes: brokers need Java 17).
const JAVA: u32 = 17;

/// The oldest Go that builds what is built here (the `go` line of its go.mod).
const GO: (u32, u32) = (1, 24);

/// Makes sure that plugins and the C parts of the host can be compiled.
pub(crate) fn toolchain() -> Result<(), Failure> {
    for (program, part) in [("cc", "a C compiler"), ("make", "make")] {
        if output(Command::new(program).arg("--version")).is_none() {
            return Err(format!(
                "`{program}` is missing: the Kafka client is compiled with {part}; install it (on Debian: apt-get install build-essential)"
            )
            .into());
        }
    }
    perl()?;
    if has_target() {
        return Ok(());
    }
    say("adding the Rust target wasm32-wasip2, in which plugins are compiled: about 30 seconds");
    if output(Command::new("rustup").arg("--version")).is_none() {
        return Err(format!(
            "the Rust target {TARGET} is missing and so is rustup, which would add it: install the target as this Rust was installed"
        )
        .into());
    }
    run(Command::new("rustup").args(["target", "add", TARGET]))
}

/// OpenSSL, which the Kafka client is built with, configures itself by Perl.
fn perl() -> Result<(), Failure> {
    if has_perl() {
        return Ok(());
    }
    if may_install_packages() {
        say("installing Perl, by which OpenSSL configures its build");
        update_packages()?;
        install_package("perl")?;
    }
    if has_perl() {
        return Ok(());
    }
    Err("`perl` with its standard modules is missing: OpenSSL configures its build by it; install it (on Debian: apt-get install perl)"
        .to_owned()
        .into())
}

/// With the modules that a minimal installation may lack.
fn has_perl() -> bool {
    output(Command::new("perl").args(["-MFindBin", "-MIPC::Cmd", "-e", "print 1"])).is_some()
}

/// Makes sure that Java and Maven are there, which fetch and run Apache Kafka.
pub(crate) fn kafka_tools() -> Result<(), Failure> {
    let wanted = missing_kafka_tools();
    if wanted.is_empty() {
        return Ok(());
    }
    if may_install_packages() {
        say("installing Java and Maven, which fetch and run Apache Kafka: about 2 minutes");
        install(&wanted)?;
    }
    match missing_kafka_tools().as_slice() {
        [] => Ok(()),
        missing => Err(format!(
            "real Kafka needs {}: install it, or leave real Kafka out with `cargo verify --quick`",
            missing.iter().map(|tool| tool.name()).collect::<Vec<_>>().join(" and ")
        )
        .into()),
    }
}

/// Makes sure that PostgreSQL and MariaDB are there, which the scenarios of SQL start.
pub(crate) fn databases() -> Result<(), Failure> {
    for (name, package, is_there) in [
        ("PostgreSQL", "postgresql", has_postgres as fn() -> bool),
        ("MariaDB", "mariadb-server", has_mariadb),
    ] {
        if !is_there() && may_install_packages() {
            say(&format!("installing {name}: about 1 minute"));
            update_packages()?;
            install_package(package)?;
        }
        if !is_there() {
            return Err(format!(
                "{name} is missing, and the scenarios of SQL start one: install it (on Debian: apt-get install {package}), or \
                 leave that out with `cargo verify --quick`"
            )
            .into());
        }
    }
    Ok(())
}

/// Where Debian puts it, a folder a version.
fn has_postgres() -> bool {
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    versions.into_iter().any(|version| version.path().join("bin/initdb").exists())
}

fn has_mariadb() -> bool {
    output(Command::new("mariadbd").arg("--version")).is_some()
}

/// Makes sure that Python and pip are there, which fetch and run gRPC and CalDAV servers.
pub(crate) fn python_tools() -> Result<(), Failure> {
    if has_pip() {
        return Ok(());
    }
    if may_install_packages() {
        say("installing Python and pip, which fetch and run gRPC and CalDAV servers");
        update_packages()?;
        install_package("python3-pip")?;
    }
    match has_pip() {
        true => Ok(()),
        false => Err("real gRPC and CalDAV servers need Python 3 with pip (`python3 -m pip`): install it, or leave that out with \
                      `cargo verify --quick`"
            .to_owned()
            .into()),
    }
}

/// Makes sure that Go is there, which builds a server of the S3 API.
pub(crate) fn go_tools() -> Result<(), Failure> {
    let version = output(Command::new("go").arg("version")).and_then(|text| go_version(&text));
    let found = match version {
        Some(version) if version >= GO => return Ok(()),
        Some((major, minor)) => format!("Go {major}.{minor} is there"),
        None => "`go` is missing".to_owned(),
    };
    let (major, minor) = GO;
    Err(format!(
        "{found}, and a real server of the S3 API needs Go {major}.{minor} or newer: install it from go.dev/dl or by your \
         system's packages, or leave that out with `cargo verify --quick`"
    )
    .into())
}

/// Makes sure that a registry of images and openssl are there, which hold and sign plugins.
pub(crate) fn registry_tools() -> Result<(), Failure> {
    let tools = [("docker-registry", "--version"), ("openssl", "version")];
    let missing = || {
        let is_missing = |(program, word): &(&str, &str)| output(Command::new(program).arg(word)).is_none();
        tools.into_iter().filter(is_missing).map(|(program, _)| program).collect::<Vec<_>>()
    };
    let wanted = missing();
    if !wanted.is_empty() && may_install_packages() {
        say("installing a registry of images and openssl, which hold and sign plugins");
        update_packages()?;
        // Each is a package of its own name.
        wanted.into_iter().try_for_each(install_package)?;
    }
    match missing().as_slice() {
        [] => Ok(()),
        missing => Err(format!(
            "plugins from a real registry need {}: install it, or leave that out with `cargo verify --quick`",
            missing.join(" and ")
        )
        .into()),
    }
}

fn has_pip() -> bool {
    output(Command::new("python3").args(["-m", "pip", "--version"])).is_some()
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Tool {
    Java,
    Maven,
}

impl Tool {
    fn name(self) -> &'static str {
        match self {
            Tool::Java => "Java 17 or newer (`java`)",
            Tool::Maven => "Maven (`mvn`)",
        }
    }

    /// Debian packages that hold it, in order of preference: no release has them all.
    fn packages(self) -> &'static [&'static str] {
        match self {
            Tool::Java => &["openjdk-17-jre-headless", "default-jre-headless"],
            Tool::Maven => &["maven"],
        }
    }
}

fn has_target() -> bool {
    let mut rustc = Command::new("rustc");
    rustc.args(["--print", "target-libdir", "--target", TARGET]);
    output(&mut rustc).is_some_and(|folder| Path::new(folder.trim()).exists())
}

fn missing_kafka_tools() -> Vec<Tool> {
    let java = output(Command::new(crate::kafka::java()).arg("-version"));
    let has_java = java.and_then(|text| java_version(&text)).is_some_and(|version| version >= JAVA);
    let has_maven = output(Command::new("mvn").arg("--version")).is_some();
    let tools = [(Tool::Java, has_java), (Tool::Maven, has_maven)];
    tools.into_iter().filter(|(_, has)| !has).map(|(tool, _)| tool).collect()
}

fn may_install_packages() -> bool {
    let is_root = output(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0");
    is_root && Path::new("/etc/debian_version").exists()
}

fn install(wanted: &[Tool]) -> Result<(), Failure> {
    update_packages()?;
    for tool in wanted {
        let known = |package: &&&str| {
            output(Command::new("apt-cache").args(["show", package])).is_some_and(|text| !text.is_empty())
        };
        install_package(tool.packages().iter().find(known).unwrap_or(&tool.packages()[0]))?;
    }
    Ok(())
}

fn update_packages() -> Result<(), Failure> {
    run(Command::new("apt-get").args(["update", "-q"]))
}

fn install_package(package: &str) -> Result<(), Failure> {
    let mut install = Command::new("apt-get");
    install.args(["install", "-y", "-q", "--no-install-recommends", package]);
    run(install.env("DEBIAN_FRONTEND", "noninteractive"))
}

/// The major version in what `java -version` prints: `openjdk version "17.0.15" 2025-04-15`.
fn java_version(text: &str) -> Option<u32> {
    let (_, version) = text.split_once('"')?;
    version.split(|character: char| !character.is_ascii_digit()).next()?.parse().ok()
}

/// The version in what `go version` prints: `go version go1.26.8 linux/amd64`.
fn go_version(text: &str) -> Option<(u32, u32)> {
    let mut numbers = text.split(' ').find_map(|word| word.strip_prefix("go1."))?.split(['.', 'r', 'b']);
    Some((1, numbers.next()?.parse().ok()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_of_go_is_read() {
        for (text, version) in [
            ("go version go1.26.8 linux/amd64", Some((1, 26))),
            ("go version go1.27rc1 linux/amd64", Some((1, 27))),
            ("go version go1.19 linux/arm64", Some((1, 19))),
            ("go version devel go1.28-abcdef linux/amd64", None),
            ("no go here", None),
        ] {
            assert_eq!(go_version(text), version, "{text}");
        }
    }

    #[test]
    fn the_version_of_java_is_read() {
        for (text, version) in [
            ("openjdk version \"17.0.15\" 2025-04-15\nOpenJDK Runtime", Some(17)),
            ("openjdk version \"25\" 2025-09-16", Some(25)),
            ("openjdk version \"21-ea\" 2023-09-19", Some(21)),
            ("java version \"1.8.0_292\"", Some(1)),
            ("no java here", None),
            ("version \"unknown\"", None),
        ] {
            assert_eq!(java_version(text), version, "{text}");
        }
    }
}
