//! Plugins in Python: a virtual environment in the plugin's folder, and the SDK's own program in it.

use std::path::{Path, PathBuf};

use liaison::rehearsal::file::toml_as_json;

use super::made::Source;
use super::{Kind, Language, Tool, answer, is_since, sdk_folder, template};
use crate::cli::failure::Failure;

const MANIFEST: &str = "pyproject.toml";
const REQUIREMENTS: &str = "requirements.txt";
/// The virtual environment, below the plugin's folder.
const ENVIRONMENT: &str = ".venv";

pub(super) const PYTHON: Language = Language {
    name: "python",
    manifest: MANIFEST,
    files,
    sdk,
    tools: &[
        Tool {
            name: "Python 3.11 or newer",
            is_there: || is_since("python3", (3, 11)),
            get: "install it from https://www.python.org, or by your system (on Debian: apt-get install python3)",
        },
        Tool {
            name: "Python's module venv",
            is_there: || answer("python3", &["-c", "import venv, ensurepip"]).is_some(),
            get: "install it by your system (on Debian: apt-get install python3-venv)",
        },
    ],
    build,
};

fn files(kind: Kind) -> Vec<(&'static str, &'static str)> {
    let (code, test) = match kind {
        Kind::Connector => {
            (template!("python/connector/plugin.py"), template!("python/connector/test_plugin.py"))
        }
        Kind::Transformer => {
            (template!("python/transformer/plugin.py"), template!("python/transformer/test_plugin.py"))
        }
    };
    vec![
        (MANIFEST, template!("python/pyproject.toml.template")),
        (REQUIREMENTS, template!("python/requirements.txt")),
        ("src/plugin.py", code),
        ("tests/test_plugin.py", test),
        ("ci.sh", template!("python/ci.sh")),
        (".gitignore", template!("python/gitignore.template")),
        ("README.md", template!("python/README.md")),
    ]
}

fn sdk(folder: &Path) -> Result<PathBuf, String> {
    let folders = [folder.join("python"), folder.to_owned()];
    let found = sdk_folder(&folders, MANIFEST, "name = \"liaison-sdk\"")?;
    match found.to_string_lossy().contains(char::is_whitespace) {
        true => Err(format!("pip reads no path with a space from requirements.txt: {}", found.display())),
        false => Ok(found),
    }
}

/// The first time it makes the environment. pip and the SDK's program say themselves what is wrong.
fn build(folder: &Path) -> Result<PathBuf, Failure> {
    let parse = |text: &str| toml_as_json(text).map_err(|error| error.to_string());
    let source = Source::read(folder, MANIFEST, parse, ["/project/name", "/tool/liaison/module"])?;
    let programs = source.folder.join(ENVIRONMENT).join("bin");
    let liaison_sdk = programs.join("liaison-sdk");
    if !liaison_sdk.exists() {
        let pip = programs.join("pip");
        let install = ["install", "--quiet", "--disable-pip-version-check", "-r", REQUIREMENTS];
        let venv = ["-m", "venv", ENVIRONMENT];
        source.install(REQUIREMENTS, &[(Path::new("python3"), &venv), (&pip, &install)])?;
    }
    if !liaison_sdk.exists() {
        let text = "requirements.txt names no liaison-sdk: it wants a line such as ../liaison/plugin-sdk/python[build]";
        return Err(Failure::Usage(text.to_owned()));
    }
    source.build(&liaison_sdk)
}
