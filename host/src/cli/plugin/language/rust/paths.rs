//! Takes the author's paths out of a component, so that it tells nothing of their machine and is the same wherever it is
//! built.
//!
//! A component tells where it panicked, by the path of the source file. Those of the plugin's own folder are relative
//! already. Here the folders of other packages, of what build scripts write and of the standard library get names that are
//! the same for everyone. In come what cargo says of the packages and what rustc says of itself; out go rustc's flags.

use std::collections::BTreeSet;
use std::ffi::OsStr;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::TARGET;
use crate::cli::failure::Failure;
use crate::cli::plugin::language::not_run;

/// Where crates of a registry are, whichever it was or whatever mirrors it.
const CRATES: &str = "crates";

/// Has rustc rename all folders in which the source of the plugin in this folder is.
pub(super) fn flags(folder: &Path) -> Result<Vec<String>, Failure> {
    let arguments = ["metadata", "--format-version", "1", "--filter-platform", TARGET];
    let metadata = said("cargo".as_ref(), &arguments, folder)?;
    let metadata: Value = serde_json::from_str(&metadata)
        .map_err(|error| Failure::Failed(format!("cargo metadata: its answer cannot be read: {error}")))?;
    let mut renamed = of_packages(&metadata);
    renamed.insert(standard_library(folder)?);
    renamed.into_iter().map(|(folder, name)| flag(&folder, &name)).collect()
}

/// Each folder with its other name, in the order of the folders: what is within another comes after it, and rustc takes the
/// last that fits a path. The plugin's own folder has none, or whatever is shared with another's target folder would be
/// compiled anew for each.
fn of_packages(metadata: &Value) -> BTreeSet<(PathBuf, String)> {
    let path = |value: &Value| value.as_str().map(PathBuf::from);
    let own = path(&metadata["workspace_root"]);
    let is_own = |folder: &Path| own.as_ref().is_some_and(|own| folder.starts_with(own));
    let packages = metadata["packages"].as_array().into_iter().flatten();
    let of_package = |package: &Value| {
        let folder = path(&package["manifest_path"])?.parent()?.to_owned();
        match package["source"].as_str() {
            None if is_own(&folder) => None,
            Some(source) if !source.starts_with("git+") => {
                Some((folder.parent()?.to_owned(), CRATES.to_owned()))
            }
            Some(_) | None => Some((folder, package["name"].as_str()?.to_owned())),
        }
    };
    let target = path(&metadata["target_directory"]).map(|target| (target, "target".to_owned()));
    packages.filter_map(of_package).chain(target).collect()
}

/// Where its source is looked for, and how rustc calls that where it is not installed.
fn standard_library(folder: &Path) -> Result<(PathBuf, String), Failure> {
    let rustc = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
    let sysroot = said(&rustc, &["--print", "sysroot"], folder)?;
    let version = said(&rustc, &["-vV"], folder)?;
    let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).unwrap_or("unknown");
    Ok((Path::new(sysroot.trim()).join("lib/rustlib/src/rust"), format!("/rustc/{commit}")))
}

fn flag(folder: &Path, name: &str) -> Result<String, Failure> {
    let path = folder.to_str().filter(|path| !path.chars().any(char::is_control));
    let path = path.ok_or_else(|| {
        Failure::Failed(format!("{} is a path that rustc cannot be given: build elsewhere", folder.display()))
    })?;
    Ok(format!("--remap-path-prefix={path}={name}"))
}

/// What a program prints that is run in this folder, for which a `rust-toolchain.toml` may choose another one.
fn said(program: &OsStr, arguments: &[&str], folder: &Path) -> Result<String, Failure> {
    let shown = program.to_string_lossy();
    let mut command = Command::new(program);
    command.args(arguments).current_dir(folder).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = command.output().map_err(|error| not_run(&shown, &error))?;
    match output.status.success() {
        true => Ok(String::from_utf8_lossy(&output.stdout).into_owned()),
        false => Err(Failure::Failed(format!("{shown} {}: {}", arguments.join(" "), output.status))),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_folder_gets_the_same_name_wherever_it_is_and_the_innermost_counts() {
        let package = |name: &str, source: Option<&str>, path: &str| json!({"name": name, "source": source, "manifest_path": format!("{path}/Cargo.toml")});
        let registry = Some("registry+https://registry.example/index");
        let renamed = of_packages(&json!({
            "workspace_root": "/home/ada/booking",
            "target_directory": "/home/ada/booking/target",
            "packages": [
                package("booking", None, "/home/ada/booking"),
                package("rooms", None, "/home/ada/booking/rooms"),
                package("bookings", registry, "/home/ada/booking/vendor/bookings"),
                package("liaison-sdk", None, "/home/ada/liaison/plugin-sdk"),
                package("serde", registry, "/home/ada/.cargo/registry/src/one-0123/serde-1.0.0"),
                package("calendar", Some("git+https://git.example/c#1"), "/home/ada/.cargo/git/checkouts/c/1/calendar"),
            ],
        }));
        // As rustc does: the last that fits.
        let name = |path: &str| {
            let fits = |(folder, _): &&(PathBuf, String)| Path::new(path).starts_with(folder);
            let (folder, name) = renamed.iter().rev().find(fits).unwrap();
            Path::new(name).join(Path::new(path).strip_prefix(folder).unwrap()).display().to_string()
        };
        for (path, expected) in [
            ("/home/ada/booking/target/release/build/a/out/b.rs", "target/release/build/a/out/b.rs"),
            ("/home/ada/booking/vendor/bookings/src/lib.rs", "crates/bookings/src/lib.rs"),
            ("/home/ada/liaison/plugin-sdk/src/http.rs", "liaison-sdk/src/http.rs"),
            ("/home/ada/.cargo/registry/src/one-0123/serde-1.0.0/src/de.rs", "crates/serde-1.0.0/src/de.rs"),
            ("/home/ada/.cargo/git/checkouts/c/1/calendar/src/lib.rs", "calendar/src/lib.rs"),
        ] {
            assert_eq!(name(path), expected);
        }
        let own = renamed.iter().find(|(folder, _)| folder.ends_with("booking") || folder.ends_with("rooms"));
        assert_eq!(own, None);
    }

    #[test]
    fn a_path_that_rustc_cannot_be_given_is_told() {
        assert_eq!(flag(Path::new("/a b"), "x").unwrap(), "--remap-path-prefix=/a b=x");
        let refused = flag(Path::new("/a\nb"), "x");
        assert!(
            matches!(&refused, Err(Failure::Failed(why)) if why.ends_with("build elsewhere")),
            "{refused:?}"
        );
    }
}
