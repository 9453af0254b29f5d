//! Takes the builder's paths out of components, so that the same source gives the same bytes wherever it is built.
//!
//! A component tells where it panicked, by the path of the source file. Those of the workspace are relative already; here
//! the folders of crates, of the standard library and of what build scripts write get names that are the same for
//! everyone. In come those folders, out go rustc's flags, for the target of components alone: nothing native is compiled
//! again for them.

use std::ffi::OsString;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::build::{self, Profile};
use crate::command::{self, Failure, cargo, output};

/// Where crates are, whichever registry or mirror they came from.
const CRATES: &str = "crates";

/// Where a component's source can be.
struct Folders {
    workspace: PathBuf,
    target: PathBuf,
    cargo_home: PathBuf,
    /// One a registry, in the order of their names.
    registries: Vec<PathBuf>,
    /// The standard library's, where it was installed; what takes its place is what rustc itself writes otherwise.
    library: (PathBuf, String),
}

/// The arguments by which cargo compiles components without the paths of this machine.
pub(crate) fn left_out() -> Result<[OsString; 2], Failure> {
    let folders = Folders::of_this_machine()?;
    Ok(["--config".into(), configuration(&folders.renamed())?.into()])
}

impl Folders {
    fn of_this_machine() -> Result<Self, Failure> {
        let workspace = Path::new(env!("CARGO_MANIFEST_DIR")).ancestors().nth(2);
        let workspace = workspace.ok_or_else(|| "the tasks are not in a repository".to_owned())?;
        let profile = build::folder(Profile::Dev)?;
        let target = profile.parent().ok_or_else(|| format!("{} is in no folder", profile.display()))?;
        let cargo_home = cargo_home()?;
        Ok(Self {
            workspace: workspace.to_owned(),
            target: target.to_owned(),
            registries: registries(&cargo_home)?,
            cargo_home,
            library: library()?,
        })
    }

    /// Each folder with its other name. The last that fits a path counts, so what is within another comes after it.
    fn renamed(&self) -> Vec<(&Path, &str)> {
        let (library, library_name) = &self.library;
        let mut renamed: Vec<(&Path, &str)> = vec![
            (&self.cargo_home, "cargo"),
            (&self.workspace, "liaison"),
            (&self.target, "target"),
            (library, library_name),
        ];
        renamed.extend(self.registries.iter().map(|folder| (folder.as_path(), CRATES)));
        renamed
    }
}

/// As cargo looks for it.
fn cargo_home() -> Result<PathBuf, Failure> {
    let of = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    of("CARGO_HOME")
        .or_else(|| Some(of("HOME")?.join(".cargo")))
        .ok_or_else(|| "neither CARGO_HOME nor HOME is set: cargo's folder cannot be told".to_owned().into())
}

/// The folders that hold crates: their names tell of the registry or of its mirror. Crates are fetched if there is none.
fn registries(cargo_home: &Path) -> Result<Vec<PathBuf>, Failure> {
    let folder = cargo_home.join("registry/src");
    let list = || {
        let entries = fs::read_dir(&folder).into_iter().flatten().flatten();
        let mut found: Vec<_> = entries.map(|entry| entry.path()).filter(|path| path.is_dir()).collect();
        found.sort();
        found
    };
    let found = list();
    if !found.is_empty() {
        return Ok(found);
    }
    command::run(&mut cargo(["fetch", "--target", build::TARGET]))?;
    Ok(list())
}

/// Where the source of the standard library is looked for, and how rustc calls that where it is not installed.
fn library() -> Result<(PathBuf, String), Failure> {
    let rustc = |argument: &[&str]| {
        let program = std::env::var_os("RUSTC").unwrap_or_else(|| "rustc".into());
        output(Command::new(program).args(argument)).ok_or_else(|| {
            format!("`rustc {}` failed: install Rust from https://rustup.rs", argument.join(" "))
        })
    };
    let sysroot = rustc(&["--print", "sysroot"])?;
    let version = rustc(&["-vV"])?;
    let commit = version.lines().find_map(|line| line.strip_prefix("commit-hash: ")).unwrap_or("unknown");
    Ok((Path::new(sysroot.trim()).join("lib/rustlib/src/rust"), format!("/rustc/{commit}")))
}

/// A setting of cargo, as TOML on its command line: unlike a variable, it takes paths with spaces.
fn configuration(renamed: &[(&Path, &str)]) -> Result<String, Failure> {
    let flag = |(folder, name): &(&Path, &str)| {
        let path = folder.to_str().filter(|path| !path.chars().any(char::is_control));
        let path = path.ok_or_else(|| {
            format!("{} is a path that rustc cannot be given: build elsewhere", folder.display())
        })?;
        let path = path.replace('\\', "\\\\").replace('"', "\\\"");
        Ok(format!("\"--remap-path-prefix={path}={name}\""))
    };
    let flags = renamed.iter().map(flag).collect::<Result<Vec<_>, Failure>>()?;
    Ok(format!("target.{}.rustflags=[{}]", build::TARGET, flags.join(",")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_within_another_is_renamed_after_it() {
        let folders = Folders {
            workspace: "/home/ada/liaison".into(),
            target: "/home/ada/liaison/target".into(),
            cargo_home: "/home/ada/.cargo".into(),
            registries: vec![
                "/home/ada/.cargo/registry/src/one".into(),
                "/home/ada/.cargo/registry/src/two".into(),
            ],
            library: ("/home/ada/.rustup/lib/rustlib/src/rust".into(), "/rustc/1a2b".to_owned()),
        };
        let renamed = folders.renamed();
        // As rustc does: the last that fits.
        let name = |path: &str| {
            let fits = |(folder, _): &&(&Path, &str)| Path::new(path).starts_with(folder);
            let (folder, name) = renamed.iter().rev().find(fits).unwrap();
            Path::new(name).join(Path::new(path).strip_prefix(folder).unwrap()).display().to_string()
        };
        for (path, expected) in [
            ("/home/ada/.cargo/registry/src/two/serde-1.0.0/src/lib.rs", "crates/serde-1.0.0/src/lib.rs"),
            ("/home/ada/.cargo/git/checkouts/a/src/lib.rs", "cargo/git/checkouts/a/src/lib.rs"),
            ("/home/ada/liaison/target/build/a/out/b.rs", "target/build/a/out/b.rs"),
            ("/home/ada/liaison/plugins/rest/src/lib.rs", "liaison/plugins/rest/src/lib.rs"),
            (
                "/home/ada/.rustup/lib/rustlib/src/rust/library/core/src/fmt.rs",
                "/rustc/1a2b/library/core/src/fmt.rs",
            ),
        ] {
            assert_eq!(name(path), expected);
        }
    }

    #[test]
    fn a_path_with_spaces_and_quotes_is_one_flag() {
        let text = configuration(&[(Path::new("/a b/\"c\"\\d"), "x"), (Path::new("/e"), "y")]).unwrap();
        assert_eq!(
            text,
            r#"target.wasm32-wasip2.rustflags=["--remap-path-prefix=/a b/\"c\"\\d=x","--remap-path-prefix=/e=y"]"#
        );
        let failure = configuration(&[(Path::new("/a\nb"), "x")]).unwrap_err();
        assert!(failure.line.ends_with("is a path that rustc cannot be given: build elsewhere"), "{failure}");
    }

    #[test]
    fn the_standard_library_is_called_as_rustc_calls_it() {
        let (folder, name) = library().unwrap();
        assert!(folder.is_absolute() && folder.ends_with("lib/rustlib/src/rust"), "{}", folder.display());
        assert!(name.starts_with("/rustc/") && name.len() > "/rustc/".len(), "{name}");
    }
}
