//! Adds flags of rustc to those that the author has, wherever those are, so that none is lost.
//!
//! cargo takes flags from one place alone, the first in which it finds any: `CARGO_ENCODED_RUSTFLAGS`, `RUSTFLAGS`,
//! `target.….rustflags` of a configuration, `build.rustflags` of one
//! (<https://doc.rust-lang.org/cargo/reference/config.html#buildrustflags>). So what is added stands in that place too: in the
//! variable, or beside each list in a configuration that cargo may choose.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use super::TARGET;
use crate::cli::failure::Failure;

/// Flags apart from each other, so that they may have spaces.
const ENCODED: &str = "CARGO_ENCODED_RUSTFLAGS";
const SEPARATOR: &str = "\u{1f}";

/// Adds these flags to a command of cargo that is run in this folder.
pub(super) fn add(cargo: &mut Command, flags: &[String], folder: &Path) -> Result<(), Failure> {
    let variable = |name: &str| std::env::var(name).ok();
    match of_environment(variable) {
        Some(theirs) => {
            cargo.env(ENCODED, [&theirs, flags].concat().join(SEPARATOR));
        }
        None => {
            let mut keys = configured(&configurations(folder))?;
            let of_target = format!("target.{}", quoted(TARGET));
            if variable("CARGO_TARGET_WASM32_WASIP2_RUSTFLAGS").is_some() && !keys.contains(&of_target) {
                keys.push(of_target);
            }
            for key in keys {
                cargo.arg("--config").arg(setting(&key, flags));
            }
        }
    }
    Ok(())
}

/// The author's flags of the environment, which outrank every configuration; as cargo parts them.
fn of_environment(variable: impl Fn(&str) -> Option<String>) -> Option<Vec<String>> {
    let parted = |text: String, separator: &str| -> Vec<String> {
        text.split(separator).filter(|flag| !flag.is_empty()).map(str::to_owned).collect()
    };
    variable(ENCODED)
        .map(|text| parted(text, SEPARATOR))
        .or_else(|| variable("RUSTFLAGS").map(|text| parted(text, " ")))
}

/// The files in which cargo looks for settings, when it is run in this folder.
fn configurations(folder: &Path) -> Vec<PathBuf> {
    let folder = fs::canonicalize(folder).unwrap_or_else(|_| folder.to_owned());
    let of = |name| std::env::var_os(name).filter(|value| !value.is_empty()).map(PathBuf::from);
    let home = of("CARGO_HOME").or_else(|| Some(of("HOME")?.join(".cargo")));
    let folders = folder.ancestors().map(|folder| folder.join(".cargo")).chain(home);
    folders.flat_map(|folder| ["config.toml", "config"].map(|name| folder.join(name))).collect()
}

/// The tables in which a list of flags is, or could be, that cargo uses for components.
fn configured(files: &[PathBuf]) -> Result<Vec<String>, Failure> {
    let mut keys = vec!["build".to_owned()];
    for file in files {
        // What cannot be read, cargo tells.
        let Some(table) = fs::read_to_string(file).ok().and_then(|text| text.parse::<toml::Table>().ok())
        else {
            continue;
        };
        for (key, flags) in lists(&table) {
            if !flags.is_array() {
                return Err(Failure::Usage(format!(
                    "{}: {key}.rustflags is one text: write it as a list, so that the flags can be added to it that take \
                     this machine's paths out of the component",
                    file.display()
                )));
            }
            if !keys.contains(&key) {
                keys.push(key);
            }
        }
    }
    Ok(keys)
}

/// The flags of one file that may concern components, by the key of their table.
fn lists(table: &toml::Table) -> impl Iterator<Item = (String, &toml::Value)> {
    let of_build = table.get("build").map(|build| ("build".to_owned(), build));
    let targets = table.get("target").and_then(toml::Value::as_table).into_iter().flatten();
    // Whether a `cfg(…)` fits is for cargo to say: flags beside one that does not are not used either.
    let of_targets = targets
        .filter(|(name, _)| *name == TARGET || name.starts_with("cfg("))
        .map(|(name, target)| (format!("target.{}", quoted(name)), target));
    of_build.into_iter().chain(of_targets).filter_map(|(key, table)| Some((key, table.get("rustflags")?)))
}

/// A setting of cargo, as TOML on its command line: a list there is added to the same list elsewhere.
fn setting(key: &str, flags: &[String]) -> String {
    let flags: Vec<_> = flags.iter().map(|flag| quoted(flag)).collect();
    format!("{key}.rustflags=[{}]", flags.join(","))
}

/// As a basic string of TOML; none of what comes here holds control characters.
fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_of_the_environment_are_kept_and_the_first_variable_counts() {
        let of = |set: &'static [(&str, &str)]| {
            of_environment(|name| {
                set.iter().find(|(known, _)| *known == name).map(|(_, text)| (*text).to_owned())
            })
        };
        assert_eq!(of(&[]), None);
        assert_eq!(of(&[("RUSTFLAGS", " -C  debuginfo=1 ")]), Some(vec!["-C".into(), "debuginfo=1".into()]));
        assert_eq!(of(&[("RUSTFLAGS", "")]), Some(vec![]));
        let both = of(&[("RUSTFLAGS", "-a"), (ENCODED, "--cfg\u{1f}feature=\"a b\"")]);
        assert_eq!(both, Some(vec!["--cfg".into(), "feature=\"a b\"".into()]));
    }

    #[test]
    fn every_list_that_cargo_may_choose_is_added_to_and_a_text_is_refused() {
        let folder = std::env::temp_dir().join(format!("liaison-rustflags-{}", std::process::id()));
        fs::create_dir_all(&folder).unwrap();
        let file = folder.join("config.toml");
        let keys = |text: &str| {
            fs::write(&file, text).unwrap();
            configured(&[folder.join("missing"), file.clone()])
        };
        assert_eq!(keys("[net]\noffline = true").unwrap(), ["build"]);
        let found = keys(
            "[build]\nrustflags = ['-a']\n[target.'cfg(a = \"b\")']\nrustflags = ['-b']\n[target.wasm32-wasip2]\n\
             rustflags = ['-c']\n[target.x86_64-unknown-linux-gnu]\nrustflags = '-d'\n[target.'cfg(unix)']\nrunner = 'e'",
        );
        assert_eq!(found.unwrap(), ["build", r#"target."cfg(a = \"b\")""#, r#"target."wasm32-wasip2""#]);
        let refused = keys("[build]\nrustflags = '-a -b'");
        let mend = "config.toml: build.rustflags is one text: write it as a list";
        assert!(matches!(&refused, Err(Failure::Usage(why)) if why.contains(mend)), "{refused:?}");
        fs::remove_dir_all(&folder).unwrap();
        let setting = setting("build", &["--remap-path-prefix=/a \"b\"\\c=x".to_owned(), "-v".to_owned()]);
        assert_eq!(setting, r#"build.rustflags=["--remap-path-prefix=/a \"b\"\\c=x","-v"]"#);
    }
}
