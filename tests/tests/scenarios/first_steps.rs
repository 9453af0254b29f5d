//! The steps of the documents as they are written: from nothing to a plugin that delivers in the demo, and the mistakes
//! that are made on the way.
//!
//! What stands in the shell blocks of `plugins/README.md` is run line by line, beside a checkout as they want one. So a
//! step that is left out, or a command that has another name by now, is a test that fails.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use anyhow::{Context as _, ensure};
use liaison_tests::folder::Folder;
use liaison_tests::host::{liaison_binary, plugin};
use liaison_tests::languages::{Language, javascript_sdk};
use liaison_tests::{is_quick, say_skipped};

use crate::command::Program;

/// `cargo demo` builds what is built already here: its program is run in its place.
const DEMO: &str = r#"cargo() {
    if [ "$1" = demo ]; then shift 2; target/debug/demo "$@"; else command cargo "$@"; fi
}
"#;

fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("it is a member of the workspace")
}

/// Blocks of this language in the section of a document, in their order.
fn blocks(document: &str, section: &str, language: &str) -> anyhow::Result<Vec<String>> {
    let text = fs::read_to_string(repository().join(document))?;
    let (_, text) = text.split_once(&format!("\n{section}\n")).with_context(|| format!("no {section}"))?;
    let level = section.split(' ').next().unwrap_or_default();
    let text = text.split(&format!("\n{level} ")).next().unwrap_or_default();
    let blocks = text.split("```").skip(1).step_by(2);
    let of_language = blocks.filter_map(|block| block.strip_prefix(&format!("{language}\n")));
    Ok(of_language.map(str::to_owned).collect())
}

/// How the table of the languages says that this one is tested natively.
fn native_test(language: Language) -> anyhow::Result<String> {
    let text = fs::read_to_string(repository().join("plugins/README.md"))?;
    let row =
        |line: &&str| line.starts_with(&format!("| {} |", language.title())) && line.contains("or newer");
    let row = text.lines().find(row).with_context(|| format!("no row of {language:?}"))?;
    let cell = row.trim_end_matches(" |").rsplit("| ").next().unwrap_or_default();
    Ok(cell.trim_matches('`').to_owned())
}

/// A folder with `liaison` in it, a checkout in which `cargo demo` was run, and nothing else.
struct Place(Folder);

impl Place {
    fn new(language: Language) -> anyhow::Result<Self> {
        let folder = Folder::new("first-steps")?;
        let checkout = folder.path().join("liaison");
        link_entries(repository(), &checkout, &["target", ".git", "plugin-sdk"])?;
        let sdks = checkout.join("plugin-sdk");
        link_entries(&repository().join("plugin-sdk"), &sdks, &["js"])?;
        if language == Language::JavaScript {
            symlink(javascript_sdk()?, sdks.join("js"))?;
        }
        let programs = checkout.join("target/debug");
        fs::create_dir_all(&programs)?;
        for name in ["liaison", "demo"] {
            let program = liaison_binary()?.with_file_name(name);
            // Not a link that is followed: the demo writes beside where it is.
            fs::hard_link(&program, programs.join(name))
                .or_else(|_| fs::copy(&program, programs.join(name)).map(|_| ()))?;
        }
        let components = plugin("rest")?;
        let components = components.parent().and_then(Path::parent).context("it is in the target folder")?;
        symlink(components, checkout.join("target/wasm32-wasip2"))?;
        Ok(Self(folder))
    }

    /// Runs these lines by a shell in a folder of it, and gives what they printed.
    fn run(&self, folder: &str, script: &str) -> anyhow::Result<Output> {
        let mut shell = Command::new("sh");
        shell.args(["-eu", "-c", &format!("{DEMO}{script}")]).current_dir(self.0.path().join(folder));
        let path = std::env::var("PATH").unwrap_or_default();
        let programs = self.0.path().join("liaison/target/debug");
        shell.env("PATH", format!("{}:{path}", programs.display())).env_remove("LIAISON_CONFIG");
        // Kept between runs: nothing of the Rust SDK's dependencies is compiled twice.
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).join("first-steps");
        shell.env("CARGO_TARGET_DIR", target).env("CARGO_NET_OFFLINE", "true");
        Ok(shell.output()?)
    }

    /// The same, of lines that must not fail.
    fn must(&self, folder: &str, script: &str) -> anyhow::Result<String> {
        let output = self.run(folder, script)?;
        let (out, log) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        ensure!(output.status.success(), "{script}: {}: {out}\n{log}", output.status);
        Ok(out.into_owned())
    }
}

/// Makes the folder with a link to each entry of another but those.
fn link_entries(from: &Path, to: &Path, but: &[&str]) -> anyhow::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let name = entry?.file_name();
        if !but.iter().any(|left_out| name == **left_out) {
            symlink(from.join(&name), to.join(&name))?;
        }
    }
    Ok(())
}

/// Walks all steps of one language; the place as it is then.
fn walk(language: Language, lang: &str) -> anyhow::Result<Place> {
    let place = Place::new(language)?;
    let steps = blocks("plugins/README.md", "## Ten minutes to a connector", "sh")?;
    let [make, see, check] = steps.as_slice() else { anyhow::bail!("three blocks of steps: {steps:#?}") };
    let make = make.replace("--lang python", &format!("--lang {lang}"));
    assert!(make.contains(&format!("--lang {lang}")), "{make}");
    // The dependencies of the SDK are those that are locked here: no test asks a registry for others.
    let make =
        make.replace("cd booking\n", "cd booking\n[ ! -f Cargo.toml ] || cp ../liaison/Cargo.lock .\n");
    let made = place.must("", &make)?;
    assert!(made.contains("2 passed, 0 failed\n") && made.ends_with("passed\n"), "{made}");
    place.must("booking", &native_test(language)?)?;
    let seen = place.must("booking", see)?;
    assert!(seen.contains("of 480 events 480 delivered, 0 filtered, 0 dead letters"), "{seen}");
    assert!(seen.contains("PUT /events/"), "{seen}");
    let config = blocks("plugins/README.md", "## Ten minutes to a connector", "toml")?;
    fs::write(place.0.path().join("booking/liaison.toml"), config.concat())?;
    let check =
        check.lines().find(|line| line.starts_with("liaison check")).context("the check is told of")?;
    place.must("booking", check)?;
    Ok(place)
}

fn walk_unless_quick(test: &str, language: Language, lang: &str, needs: &str) -> anyhow::Result<()> {
    if is_quick() {
        say_skipped(test, needs);
        return Ok(());
    }
    walk(language, lang).map(drop)
}

#[test]
fn the_documented_steps_lead_to_a_plugin_in_rust_that_delivers_in_the_demo() -> anyhow::Result<()> {
    let place = walk(Language::Rust, "rust")?;
    // The connector that the document goes on with.
    let code = blocks("plugins/README.md", "## Ten minutes to a connector", "rust")?;
    fs::write(place.0.path().join("booking/src/lib.rs"), code.concat())?;
    place.must(
        "booking",
        "cargo test --quiet && liaison plugin build && liaison check --config liaison.toml",
    )?;
    let code = blocks("plugins/README.md", "## A transformer", "rust")?;
    fs::write(place.0.path().join("booking/src/lib.rs"), code.concat())?;
    let built = place.must("booking", "liaison plugin build")?;
    assert!(built.contains("transformer-plugin"), "{built}");
    Ok(())
}

#[test]
fn the_documented_steps_lead_to_a_plugin_in_typescript_that_delivers_in_the_demo() -> anyhow::Result<()> {
    let test = "the_documented_steps_lead_to_a_plugin_in_typescript_that_delivers_in_the_demo";
    walk_unless_quick(test, Language::JavaScript, "ts", "needs npm")
}

#[test]
fn the_documented_steps_lead_to_a_plugin_in_python_that_delivers_in_the_demo() -> anyhow::Result<()> {
    let test = "the_documented_steps_lead_to_a_plugin_in_python_that_delivers_in_the_demo";
    walk_unless_quick(test, Language::Python, "python", "needs pip")
}

#[test]
fn settings_that_the_own_plugin_does_not_take_are_told_at_the_end_of_the_demo() -> anyhow::Result<()> {
    let place = Place::new(Language::Rust)?;
    let rest = plugin("rest")?;
    let demo = |settings: &str| {
        place.run("liaison", &format!("cargo demo -- --connector {} --settings '{settings}'", rest.display()))
    };
    let ended = demo("pth = \"/events/{id}\"")?;
    let out = String::from_utf8(ended.stdout)?;
    assert_eq!(ended.status.code(), Some(1), "{out}");
    let (_, told) = out.split_once("\nYour plugin\n").context(out.clone())?;
    // Lines are broken at a hundred columns.
    let told = told.split_whitespace().collect::<Vec<_>>().join(" ");
    assert!(told.contains("480 events have not ended: ") && told.contains("settings: pth: "), "{told}");
    assert!(!out.contains("waiting for your plugin"), "{out}");
    let ended = demo("path = /events")?;
    let log = String::from_utf8(ended.stderr)?;
    assert_eq!(ended.status.code(), Some(64), "{log}");
    assert!(log.contains("--settings: ") && log.contains("string values must be quoted"), "{log}");
    Ok(())
}

/// The first configuration of a platform team is what the README says.
#[test]
fn the_first_configuration_of_the_readme_is_right() -> anyhow::Result<()> {
    let config = blocks("README.md", "## Run it", "toml")?;
    let config = config.first().context("a configuration to begin with")?;
    let program = Program::new(config)?;
    let folder = program.path().join("target/wasm32-wasip2/plugin");
    fs::create_dir_all(&folder)?;
    symlink(plugin("rest")?, folder.join("rest.wasm"))?;
    let mut check = program.command("check")?;
    check.env("CALENDAR_TOKEN", "a-token-that-is-long-enough");
    let output = check.output()?;
    let out = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success() && output.stderr.is_empty(), "{output:?}");
    assert!(out.contains("is right: 1 plugin, 1 connector, 1 subscription"), "{out}");
    Ok(())
}

#[test]
fn a_mistake_at_the_first_steps_is_told_with_its_mend() -> anyhow::Result<()> {
    let program = Program::new("")?;
    let sdk = repository().join("plugin-sdk");
    let component: PathBuf = plugin("rest")?;
    let (sdk, component, here) = (sdk.display(), component.display(), repository().display());
    let cases = repository().join("plugins/rest/cases");
    let case = fs::read_dir(&cases)?.next().context("rest has cases")??.path();
    let (cases, case) = (cases.display(), case.display());
    program.folder().write("event.json", r#"{"type": "made", "id": "1"}"#)?;
    fs::create_dir(program.path().join("there"))?;
    for (words, told) in [
        (
            format!("plugin new there --lang rust --kind connector --sdk {sdk}"),
            "there is there already: take another name",
        ),
        (
            format!("plugin new a_b --lang rust --kind connector --sdk {sdk}"),
            "use lower-case letters, digits and -",
        ),
        (
            format!("plugin new a --lang rust --kind connector --sdk {here}"),
            "name the folder plugin-sdk of a checkout",
        ),
        (
            format!("plugin test none.wasm {cases}"),
            "none.wasm is not there: make it by `liaison plugin build`",
        ),
        (format!("plugin test {component}"), "cases is not there: run this in the plugin's folder"),
        (
            format!("plugin certify {component} --cases none"),
            "none is not there: run this in the plugin's folder",
        ),
        (
            format!("plugin test {component} {cases} --only nothing-like-it"),
            "no case has `nothing-like-it` in its name",
        ),
        (
            format!("plugin run {component} --event event.json --endpoint localhost:80"),
            "such as http://localhost:80",
        ),
        (
            format!("plugin run {component} --event event.json --endpoint 10.0.0.1:80"),
            "such as http://10.0.0.1:80",
        ),
        (format!("plugin run {component} --case {case} --name none"), "has no such case: it has '"),
        (format!("plugin run {component} --case {case}"), "has several cases: choose one by --name, '"),
    ] {
        let ended = program.run(&words)?;
        assert_eq!(ended.code, Some(64), "{words}: {ended:#?}");
        assert!(ended.log.contains(told), "{words}: {ended:#?}");
    }
    Ok(())
}

/// What is missing to build is named with how to get it, before anything is installed.
#[test]
fn a_tool_that_is_missing_is_named_with_how_to_get_it() -> anyhow::Result<()> {
    let program = Program::new("")?;
    for (manifest, told) in [
        ("Cargo.toml", "install Rust 1.95 or newer from https://rustup.rs"),
        ("package.json", "Node 20 or newer: install it from https://nodejs.org"),
        ("pyproject.toml", "Python 3.11 or newer: install it from https://www.python.org"),
    ] {
        let folder = Folder::new("without-tools")?;
        folder.write(manifest, "")?;
        let mut build = program.command("plugin build")?;
        let output = build.current_dir(folder.path()).env("PATH", folder.path()).output()?;
        let log = String::from_utf8(output.stderr)?;
        assert_eq!(output.status.code(), Some(64), "{log}");
        assert!(log.contains("to build it you need ") && log.contains(told), "{log}");
    }
    Ok(())
}
