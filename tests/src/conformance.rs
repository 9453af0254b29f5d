//! Certificates of the plugins that ship: `cargo certify-plugins` writes them, `cargo verify` compares them.
//!
//! In come the plugin folders and their built components; out goes `certificate.json` in each folder, or what is wrong with
//! the one that is there. A component has another digest after each change of the SDK and with each version of rustc, so a
//! certificate of an earlier build is told and is no error; one that judges otherwise is.

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, bail};
use liaison::config;
use liaison::rehearsal::certificate::{Certificate, TrialRecord};
use liaison::rehearsal::{Subject, file};

use crate::host::plugin;

/// In the folder of a plugin.
const FILE: &str = "certificate.json";
const MEND: &str = "cargo certify-plugins";

/// A plugin that ships.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Shipped {
    pub name: String,
    pub folder: PathBuf,
}

/// How a certificate stands to what the kit finds now.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Standing {
    /// But for when it was made and how fast the machine was.
    Same,
    /// The same judgements, on another component or by other cases.
    Earlier,
    /// Why it must not stay as it is.
    Wrong(Vec<String>),
}

/// What a trial came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Judgement {
    Untried,
    Passed,
    Failed,
}

/// The plugins that ship, by name.
pub fn shipped() -> anyhow::Result<Vec<Shipped>> {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("a repository")?.join("plugins");
    let mut shipped = Vec::new();
    for entry in fs::read_dir(&plugins).with_context(|| plugins.display().to_string())? {
        let folder = entry?.path();
        if folder.join("Cargo.toml").is_file() {
            let name = folder.file_name().context("a folder has a name")?.to_string_lossy().into_owned();
            shipped.push(Shipped { name, folder });
        }
    }
    shipped.sort();
    Ok(shipped)
}

/// Certifies each and writes its certificate, unless the one that is there says the same.
///
/// # Errors
///
/// When a plugin fails a trial: its certificate stays as it was.
pub fn write(say: &dyn Fn(&str)) -> anyhow::Result<()> {
    each(|plugin, found| {
        let path = plugin.folder.join(FILE);
        let is_same =
            read(&path).is_ok_and(|kept| kept.is_some_and(|kept| standing(&kept, found) == Standing::Same));
        if !is_same {
            let json = serde_json::to_string_pretty(found)? + "\n";
            fs::write(&path, json).with_context(|| path.display().to_string())?;
        }
        let what = if is_same { "as it was" } else { "written" };
        say(&format!("{}: passed in {} runs, {FILE} {what}", plugin.name, found.runs));
        Ok(())
    })
}

/// Certifies each and compares. One line tells of certificates that are of an earlier build.
///
/// # Errors
///
/// When a plugin fails a trial, or a certificate is missing or judges otherwise.
pub fn check(say: &dyn Fn(&str)) -> anyhow::Result<()> {
    let mut earlier = Vec::new();
    each(|plugin, found| {
        let kept = read(&plugin.folder.join(FILE))?;
        let kept = kept.with_context(|| format!("it has no {FILE}"))?;
        match standing(&kept, found) {
            Standing::Same => {}
            Standing::Earlier => earlier.push(plugin.name.clone()),
            Standing::Wrong(reasons) => bail!("{FILE} {}", reasons.join("; ")),
        }
        Ok(())
    })
    .with_context(|| format!("plugins without a certificate that holds (`{MEND}` writes them)"))?;
    if !earlier.is_empty() {
        say(&format!("certificates are of an earlier build ({}): {MEND}", earlier.join(", ")));
    }
    Ok(())
}

/// Goes on after one that fails, so that all are named.
fn each(mut then: impl FnMut(&Shipped, &Certificate) -> anyhow::Result<()>) -> anyhow::Result<()> {
    let mut failed = Vec::new();
    for plugin in shipped()? {
        let done = certify(&plugin).and_then(|found| {
            passed(&found)?;
            then(&plugin, &found)
        });
        failed.extend(done.err().map(|error| format!("{}: {error:#}", plugin.name)));
    }
    if !failed.is_empty() {
        bail!("{}", failed.join("\n"));
    }
    Ok(())
}

/// What the kit finds now, of the component that was built last.
fn certify(shipped: &Shipped) -> anyhow::Result<Certificate> {
    let subject = Subject::load(&config::Plugin::new(plugin(&shipped.name)?))?;
    let cases = file::cases(&[shipped.folder.join("cases")])?;
    let cases: Vec<_> = cases.into_iter().map(|(_, case)| case).collect();
    Ok(Certificate::of(&subject.certify(&cases)?))
}

fn passed(found: &Certificate) -> anyhow::Result<()> {
    if found.is_passed {
        return Ok(());
    }
    let findings = found.trials.iter().flat_map(|trial| {
        trial.findings.iter().map(|finding| format!("\n  {}: {}: {}", trial.name, finding.case, finding.text))
    });
    bail!("fails the conformance kit{}", findings.collect::<String>());
}

/// The certificate in this file; none if it is not there.
fn read(path: &Path) -> anyhow::Result<Option<Certificate>> {
    let text = match fs::read_to_string(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        other => other.with_context(|| path.display().to_string())?,
    };
    let certificate =
        serde_json::from_str(&text).with_context(|| format!("{} is no certificate", path.display()))?;
    Ok(Some(certificate))
}

fn standing(kept: &Certificate, found: &Certificate) -> Standing {
    let mut wrong = Vec::new();
    if !kept.is_passed {
        wrong.push("says that the plugin failed".to_owned());
    }
    for (what, kept, found) in [
        ("format", &kept.format, &found.format),
        ("contract", &kept.contract, &found.contract),
        ("world", &kept.world, &found.world),
        ("version", &kept.host_version, &found.host_version),
    ] {
        if kept != found {
            wrong.push(format!("is of the {what} {kept}, and the plugin of {found}"));
        }
    }
    if kept.accepted != found.accepted {
        wrong.push("repeats other endings than those that the cases accept".to_owned());
    }
    let (said, is) = (judgements(kept), judgements(found));
    let names = said.keys().chain(is.keys().filter(|name| !said.contains_key(*name)));
    let judgement =
        |all: &BTreeMap<&str, Judgement>, name| all.get(name).copied().unwrap_or(Judgement::Untried);
    for name in names {
        let (said, is) = (judgement(&said, name), judgement(&is, name));
        if said != is {
            wrong.push(format!("says of the trial {name} {said:?}, and now it is {is:?}"));
        }
    }
    match wrong.is_empty() {
        false => Standing::Wrong(wrong),
        true if *found == but_for_the_machine(kept, found) => Standing::Same,
        true => Standing::Earlier,
    }
}

fn judgements(certificate: &Certificate) -> BTreeMap<&str, Judgement> {
    let judgement = |trial: &TrialRecord| match (trial.runs, trial.failed) {
        (0, _) => Judgement::Untried,
        (_, 0) => Judgement::Passed,
        _ => Judgement::Failed,
    };
    certificate.trials.iter().map(|trial| (trial.name.as_str(), judgement(trial))).collect()
}

/// What differs each time is taken from the other.
fn but_for_the_machine(kept: &Certificate, found: &Certificate) -> Certificate {
    Certificate { made_at: found.made_at.clone(), longest_call_us: found.longest_call_us, ..kept.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn certificate() -> Certificate {
        let trial = |name: &str, runs| TrialRecord {
            name: name.to_owned(),
            about: String::new(),
            runs,
            failed: 0,
            findings: Vec::new(),
        };
        Certificate {
            format: "f".into(),
            is_signed: false,
            is_passed: true,
            plugin_sha256: "ab".into(),
            world: "connector-plugin".into(),
            contract: "c".into(),
            host_version: "0.1.0".into(),
            made_at: "then".into(),
            cases: 3,
            good_cases: 2,
            runs: 9,
            longest_call_us: 70,
            memory_bytes: 1 << 20,
            accepted: BTreeMap::new(),
            trials: vec![trial("503", 4), trial("crash", 0)],
        }
    }

    fn changed(change: impl FnOnce(&mut Certificate)) -> Certificate {
        let mut certificate = certificate();
        change(&mut certificate);
        certificate
    }

    #[test]
    fn another_day_and_another_machine_make_no_other_certificate() {
        let later = changed(|found| (found.made_at, found.longest_call_us) = ("now".into(), 90));
        assert_eq!(standing(&certificate(), &later), Standing::Same);
    }

    #[test]
    fn another_build_or_more_cases_are_no_error() {
        for found in [
            changed(|found| found.plugin_sha256 = "cd".into()),
            changed(|found| (found.cases, found.trials[0].runs) = (4, 5)),
            changed(|found| found.memory_bytes = 2 << 20),
        ] {
            assert_eq!(standing(&certificate(), &found), Standing::Earlier);
        }
    }

    #[test]
    fn what_judges_otherwise_is_named() {
        for (kept, found, expected) in [
            (changed(|kept| kept.is_passed = false), certificate(), "says that the plugin failed"),
            (
                certificate(),
                changed(|found| found.host_version = "0.2.0".into()),
                "is of the version 0.1.0, and the plugin of 0.2.0",
            ),
            (
                certificate(),
                changed(|found| found.world = "w".into()),
                "is of the world connector-plugin, and the plugin of w",
            ),
            (
                certificate(),
                changed(|found| drop(found.accepted.insert("404".into(), vec![]))),
                "repeats other endings than those that the cases accept",
            ),
            (
                certificate(),
                changed(|found| found.trials[1].runs = 1),
                "says of the trial crash Untried, and now it is Passed",
            ),
            (
                certificate(),
                changed(|found| found.trials[0].name = "504".into()),
                "says of the trial 503 Passed, and now it is Untried; says of the trial 504 Untried, and now it is Passed",
            ),
            (
                changed(|kept| kept.trials[0].failed = 1),
                certificate(),
                "says of the trial 503 Failed, and now it is Passed",
            ),
        ] {
            let Standing::Wrong(reasons) = standing(&kept, &found) else { panic!("{expected}") };
            assert_eq!(reasons.join("; "), expected);
        }
    }

    #[test]
    fn what_is_no_certificate_is_told_and_what_is_missing_is_none() {
        let folder = crate::folder::Folder::new("conformance").unwrap();
        let path = folder.path().join(FILE);
        assert_eq!(read(&path).unwrap(), None);
        fs::write(&path, serde_json::to_string(&certificate()).unwrap()).unwrap();
        assert_eq!(read(&path).unwrap(), Some(certificate()));
        fs::write(&path, "{}").unwrap();
        assert!(read(&path).unwrap_err().to_string().ends_with("is no certificate"));
    }

    #[test]
    fn a_plugin_that_fails_is_told_with_what_was_found() {
        let found = changed(|found| found.is_passed = false);
        assert_eq!(passed(&found).unwrap_err().to_string(), "fails the conformance kit");
        passed(&certificate()).unwrap();
    }

    #[test]
    fn plugins_that_ship_are_the_folders_with_a_manifest() {
        let names: Vec<_> = shipped().unwrap().into_iter().map(|shipped| shipped.name).collect();
        assert!(names.contains(&"rest".to_owned()) && names.is_sorted(), "{names:?}");
    }
}
