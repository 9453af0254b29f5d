//! The example of each plugin that ships is a whole configuration: the program accepts it.

use std::fs;
use std::path::Path;

use anyhow::{Context as _, ensure};
use liaison_tests::host::plugin;

use crate::command::Program;

/// What stands for every secret that an example names: it is a key, too.
const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

/// The variables that `{ env = "…" }` names.
fn variables(text: &str) -> Vec<&str> {
    let named = text.split("env = \"").skip(1);
    named.filter_map(|rest| rest.split('"').next()).collect()
}

#[test]
fn the_example_of_each_plugin_is_accepted() -> anyhow::Result<()> {
    let plugins = Path::new(env!("CARGO_MANIFEST_DIR")).parent().context("a workspace")?.join("plugins");
    let mut seen = 0;
    for entry in fs::read_dir(plugins)? {
        let folder = entry?.path();
        let file = folder.join("example.toml");
        let Ok(text) = fs::read_to_string(&file) else { continue };
        // Where the components are built is where this test was.
        let built = plugin("rest")?.parent().context("a folder")?.display().to_string();
        let text = text.replace("../../target/wasm32-wasip2/plugin", &built);
        let program = Program::new(&text)?;
        // With what it may name beside itself.
        for beside in fs::read_dir(&folder)? {
            let beside = beside?.path();
            if let Some(name) = beside.file_name().filter(|_| beside.is_file()) {
                fs::copy(&beside, program.path().join(name))?;
            }
        }
        let mut check = program.command("check")?;
        check.envs(variables(&text).into_iter().map(|name| (name, SECRET)));
        let ended = check.output()?;
        let said = String::from_utf8_lossy(&ended.stderr);
        ensure!(ended.status.success(), "{}: {said}", file.display());
        seen += 1;
    }
    assert!(seen >= 4, "{seen} examples");
    Ok(())
}
