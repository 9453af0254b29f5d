//! What an author does, in each language: begins a plugin, builds it, tests it, and has it certified for a host.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context as _, ensure};
use liaison_tests::builder::{Shown, shown_by};
use liaison_tests::host::plugin;
use liaison_tests::languages::{Language, javascript_sdk};
use liaison_tests::{is_quick, say_skipped};
use serde_json::{Value, json};

use crate::command::Program;

const KINDS: [(&str, &str); 2] = [("room-booking", "connector"), ("public-notices", "transformer")];

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is a member of the workspace")
}

/// A plugin's folder that was just begun.
struct Begun {
    folder: PathBuf,
    /// The name of its component.
    component: String,
}

impl Begun {
    fn new(program: &Program, name: &str, kind: &str, language: &str, sdk: &Path) -> anyhow::Result<Self> {
        let words = format!("plugin new {name} --lang {language} --kind {kind} --sdk {}", sdk.display());
        let made = program.run(&words)?;
        ensure!(made.code == Some(0), "{made:#?}");
        let again = program.run(&words)?;
        assert!(again.code == Some(64) && again.log.contains("is there already"), "{again:#?}");
        let component = format!("{}.wasm", name.replace('-', "_"));
        Ok(Self { folder: program.path().join(name), component })
    }

    /// The dependencies of the SDK are those that are locked here.
    fn in_rust(program: &Program, name: &str, kind: &str) -> anyhow::Result<Self> {
        let begun = Self::new(program, name, kind, "rust", &repository().join("plugin-sdk"))?;
        fs::copy(repository().join("Cargo.lock"), begun.folder.join("Cargo.lock"))?;
        Ok(begun)
    }

    /// Runs this in the folder; what it printed.
    fn run(&self, mut command: Command) -> anyhow::Result<String> {
        // Kept between runs: nothing of the Rust SDK is compiled twice.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("new-plugin");
        command.env("CARGO_TARGET_DIR", target).env("CARGO_NET_OFFLINE", "true").current_dir(&self.folder);
        let output = command.output()?;
        let (out, log) = (String::from_utf8(output.stdout)?, String::from_utf8(output.stderr)?);
        ensure!(output.status.success(), "{command:?}: {out}\n{log}");
        Ok(out)
    }

    /// Builds it, runs its cases, its event and the conformance kit.
    fn build_and_certify(&self, program: &Program, kind: &str) -> anyhow::Result<()> {
        let component = &self.component;
        let built: Value = serde_json::from_str(&self.run(program.command("plugin build --json")?)?)?;
        assert_eq!(built["world"], format!("{kind}-plugin"));
        let tested = self.run(program.command(&format!("plugin test {component}"))?)?;
        assert!(tested.ends_with("2 passed, 0 failed\n"), "{tested}");
        let mut run = program.command(&format!("plugin run {component} --event event.json"))?;
        let (more, end) = match kind {
            "connector" => (["--case", "cases/first.toml"], "delivered"),
            _ => (["--settings", "kind = 'notice.published'"], "emitted"),
        };
        run.args(more);
        if kind == "connector" {
            run.args(["--name", "an event is put on its path"]);
        }
        let run = self.run(run)?;
        assert!(run.contains(end), "{run}");
        let report = self.run(program.command(&format!("plugin certify {component}"))?)?;
        assert!(report.ends_with("passed\n"), "{report}");
        Ok(())
    }
}

#[test]
fn a_plugin_begun_in_rust_builds_and_passes_its_own_cases_and_the_kit() -> anyhow::Result<()> {
    let program = Program::new("")?;
    for (name, kind) in KINDS {
        let begun = Begun::in_rust(&program, name, kind)?;
        let mut cargo = Command::new("cargo");
        cargo.args(["test", "--quiet"]);
        begun.run(cargo)?;
        begun.build_and_certify(&program, kind)?;
    }
    let ended = program.run("plugin build .")?;
    assert!(ended.code == Some(64) && ended.log.contains("holds no plugin"), "{ended:#?}");
    Ok(())
}

/// Of `plugin build` alone: it is what an author publishes.
#[test]
fn a_plugin_built_in_rust_is_the_same_in_each_folder_and_tells_nothing_of_its_builder() -> anyhow::Result<()>
{
    let (name, kind) = KINDS[0];
    let mut built = Vec::new();
    for _ in 0..2 {
        let program = Program::new("")?;
        let begun = Begun::in_rust(&program, name, kind)?;
        begun.run(program.command("plugin build")?)?;
        let component = begun.folder.join(&begun.component);
        let folders = [repository(), Path::new(env!("CARGO_TARGET_TMPDIR")), program.path()];
        let Shown { builders, has_sources } = shown_by(&component, &folders)?;
        assert!(builders.is_empty() && has_sources, "{builders:?}, {has_sources}");
        built.push(fs::read(component)?);
    }
    assert!(built[0] == built[1], "built from another folder, it is another component");
    Ok(())
}

#[test]
fn a_plugin_begun_in_typescript_builds_and_passes_its_own_cases_and_the_kit() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("a_plugin_begun_in_typescript_builds_and_passes_its_own_cases_and_the_kit", "needs npm");
        return Ok(());
    }
    let program = Program::new("")?;
    let ended = program.run("plugin new a --lang ts --kind connector --sdk .")?;
    assert!(ended.code == Some(64) && ended.log.contains("js/package.json or "), "{ended:#?}");
    for (name, kind) in KINDS {
        let begun = Begun::new(&program, name, kind, "ts", &javascript_sdk()?)?;
        begun.build_and_certify(&program, kind)?;
        for script in ["test", "check"] {
            let mut npm = Command::new("npm");
            npm.args(["run", script]);
            begun.run(npm)?;
        }
    }
    Ok(())
}

#[test]
fn a_plugin_begun_in_python_builds_and_passes_its_own_cases_and_the_kit() -> anyhow::Result<()> {
    if is_quick() {
        say_skipped("a_plugin_begun_in_python_builds_and_passes_its_own_cases_and_the_kit", "needs pip");
        return Ok(());
    }
    let program = Program::new("")?;
    for (name, kind) in KINDS {
        let begun = Begun::new(&program, name, kind, "python", &repository().join("plugin-sdk"))?;
        begun.build_and_certify(&program, kind)?;
        for check in ["pytest", "mypy"] {
            begun.run(Command::new(begun.folder.join(".venv/bin").join(check)))?;
        }
    }
    Ok(())
}

/// The trials of a certificate: how often each was run, and how often it failed.
fn trials(certificate: &Value) -> anyhow::Result<BTreeMap<String, (u64, u64)>> {
    let trials = certificate["trials"].as_array().context("a list of trials")?;
    let one = |trial: &Value| {
        let name = trial["name"].as_str()?.to_owned();
        Some((name, (trial["runs"].as_u64()?, trial["failed"].as_u64()?)))
    };
    trials.iter().map(|trial| one(trial).with_context(|| trial.to_string())).collect()
}

#[test]
fn the_same_connector_is_certified_in_each_language_and_a_host_requires_it() -> anyhow::Result<()> {
    let languages = if is_quick() { &Language::ALL[..1] } else { &Language::ALL[..] };
    let program = Program::new("")?;
    let cases = repository().join("plugin-sdk/example/cases");
    let mut config = "[kafka]\nbrokers = 'embedded'\n[runtime]\nrequire-certificate = true\n".to_owned();
    let mut found = Vec::new();
    for language in languages {
        let (name, component) = (language.plugin(), plugin(language.plugin())?);
        let (component, cases) = (component.display(), cases.display());
        let tested = program.ask(&format!("plugin test {component} {cases}"), 0)?;
        assert_eq!((&tested["passed"], &tested["failed"]), (&json!(5), &json!(0)), "{language:?}");
        let words = format!("plugin certify {component} --cases {cases} --certificate {name}.json");
        let certificate = program.ask(&words, 0).with_context(|| format!("{language:?}"))?;
        assert_eq!(certificate["is_passed"], true, "{language:?}");
        assert_eq!(certificate["accepted"], json!({}), "{language:?}");
        found.push(trials(&certificate)?);
        config += &format!(
            "[plugins.{name}]\npath = '{component}'\ncertificate = '{name}.json'\n[connectors.{name}]\nplugin = '{name}'\n\
             endpoint = 'http://h.example'\nsettings = {{ calendar = 'staff' }}\n[subscriptions.{name}]\n\
             connector = '{name}'\ntopics = ['t']\n"
        );
    }
    // Each asks for the same, so that each is tried alike.
    assert!(found.iter().all(|trials| *trials == found[0]), "{found:#?}");
    // It asks no database.
    let mut trials = found[0].iter().filter(|(name, _)| !name.starts_with("sql-"));
    assert!(trials.all(|(_, (runs, failed))| *runs > 0 && *failed == 0), "{:#?}", found[0]);
    program.folder().write("liaison.toml", &config)?;
    let ended = program.run("check")?;
    ensure!(ended.code == Some(0), "{ended:#?}");
    program.folder().write("liaison.toml", &config.replace("training.json", "nothing.json"))?;
    let ended = program.run("check")?;
    assert!(ended.code == Some(64) && ended.log.contains("nothing.json"), "{ended:#?}");
    Ok(())
}
