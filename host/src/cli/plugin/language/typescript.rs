//! Plugins in TypeScript or JavaScript: npm, and the SDK's own program among what it installs.

use std::path::{Path, PathBuf};

use super::made::Source;
use super::{Kind, Language, Tool, answer, is_since, sdk_folder, template};
use crate::cli::failure::Failure;

const MANIFEST: &str = "package.json";
/// What of the SDK is made by `npm ci` in its own folder, and run here.
const PROGRAM_OF_SDK: &str = "dist/build.js";

pub(super) const TYPESCRIPT: Language = Language {
    name: "ts",
    manifest: MANIFEST,
    files,
    sdk,
    tools: &[
        Tool {
            name: "Node 20 or newer",
            is_there: || is_since("node", (20, 0)),
            get: "install it from https://nodejs.org, or by your system",
        },
        Tool {
            name: "npm",
            is_there: || answer("npm", &["--version"]).is_some(),
            get: "it comes with Node (on Debian: apt-get install npm)",
        },
    ],
    build,
};

fn files(kind: Kind) -> Vec<(&'static str, &'static str)> {
    let (code, test) = match kind {
        Kind::Connector => (template!("ts/connector/plugin.ts"), template!("ts/connector/plugin.test.ts")),
        Kind::Transformer => {
            (template!("ts/transformer/plugin.ts"), template!("ts/transformer/plugin.test.ts"))
        }
    };
    vec![
        (MANIFEST, template!("ts/package.json.template")),
        ("tsconfig.json", template!("ts/tsconfig.json.template")),
        ("src/plugin.ts", code),
        ("test/plugin.test.ts", test),
        ("ci.sh", template!("ts/ci.sh")),
        (".gitignore", template!("ts/gitignore.template")),
        ("README.md", template!("ts/README.md")),
    ]
}

fn sdk(folder: &Path) -> Result<PathBuf, String> {
    let folders = [folder.join("js"), folder.to_owned()];
    let found = sdk_folder(&folders, MANIFEST, "\"name\": \"liaison-sdk\"")?;
    match found.join(PROGRAM_OF_SDK).is_file() {
        true => Ok(found),
        false => Err(format!("the SDK is not made yet: run `npm ci` in {}", found.display())),
    }
}

/// The first time it installs what the manifest names. npm and the SDK's program say themselves what is wrong.
fn build(folder: &Path) -> Result<PathBuf, Failure> {
    let parse = |text: &str| serde_json::from_str(text).map_err(|error| error.to_string());
    let source = Source::read(folder, MANIFEST, parse, ["/name", "/liaison/module"])?;
    let liaison_sdk = source.folder.join("node_modules/.bin/liaison-sdk");
    if !liaison_sdk.exists() {
        let is_locked = source.folder.join("package-lock.json").is_file();
        let install = if is_locked { "ci" } else { "install" };
        let npm = [install, "--no-audit", "--no-fund", "--no-progress", "--loglevel=error"];
        source.install(MANIFEST, &[(Path::new("npm"), &npm)])?;
    }
    if !liaison_sdk.exists() {
        let text = "package.json names no liaison-sdk, or a folder of it that is not made: run `npm ci` in that folder";
        return Err(Failure::Usage(text.to_owned()));
    }
    source.build(&liaison_sdk)
}
