//! Plugins in Rust: cargo, and its target `wasm32-wasip2`.

mod paths;
mod rustflags;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use serde_json::Value;

use super::{Kind, Language, Tool, answer, not_run, sdk_folder, template};
use crate::cli::failure::Failure;

const TARGET: &str = "wasm32-wasip2";

pub(super) const RUST: Language = Language {
    name: "rust",
    manifest: "Cargo.toml",
    files,
    sdk: |folder| sdk_folder(&[folder.to_owned()], "Cargo.toml", "name = \"liaison-sdk\""),
    tools: &[
        Tool {
            name: "cargo and rustc",
            is_there: || {
                answer("cargo", &["--version"]).is_some() && answer("rustc", &["--version"]).is_some()
            },
            get: "install Rust 1.95 or newer from https://rustup.rs",
        },
        Tool {
            name: "the target wasm32-wasip2",
            is_there: || {
                let folder = answer("rustc", &["--print", "target-libdir", "--target", TARGET]);
                folder.is_some_and(|folder| Path::new(&folder).is_dir())
            },
            get: "rustup target add wasm32-wasip2",
        },
    ],
    build,
};

fn files(kind: Kind) -> Vec<(&'static str, &'static str)> {
    let code = match kind {
        Kind::Connector => template!("rust/connector/lib.rs"),
        Kind::Transformer => template!("rust/transformer/lib.rs"),
    };
    vec![
        ("Cargo.toml", template!("rust/Cargo.toml.template")),
        ("build.rs", template!("rust/build.rs")),
        ("src/lib.rs", code),
        ("ci.sh", template!("rust/ci.sh")),
        (".gitignore", template!("rust/gitignore.template")),
        ("README.md", template!("rust/README.md")),
    ]
}

/// cargo says itself what is wrong with the code, and where it put the component.
fn build(folder: &Path) -> Result<PathBuf, Failure> {
    let mut cargo = Command::new("cargo");
    cargo.args(["build", "--release", "--target", TARGET, "--message-format", "json-render-diagnostics"]);
    rustflags::add(&mut cargo, &paths::flags(folder)?, folder)?;
    cargo.current_dir(folder).stdin(Stdio::null()).stderr(Stdio::inherit());
    let output = cargo.output().map_err(|error| not_run("cargo", &error))?;
    if !output.status.success() {
        return Err(Failure::Failed(format!("cargo build: {}", output.status)));
    }
    let manifest = fs::canonicalize(folder.join("Cargo.toml"));
    let manifest = manifest.map_err(|error| Failure::Failed(format!("{}: {error}", folder.display())))?;
    component(&String::from_utf8_lossy(&output.stdout), &manifest).ok_or_else(|| {
        Failure::Failed("cargo made no component: Cargo.toml wants crate-type = [\"cdylib\"]".to_owned())
    })
}

/// The `.wasm` file of the package with this manifest, by cargo's messages of what it made.
fn component(messages: &str, manifest: &Path) -> Option<PathBuf> {
    let messages = messages.lines().filter_map(|line| serde_json::from_str::<Value>(line).ok());
    let of_package = messages.filter(|message| {
        let path = message["manifest_path"].as_str().map(Path::new);
        message["reason"] == "compiler-artifact" && path == Some(manifest)
    });
    let files = of_package.filter_map(|message| message["filenames"].as_array().cloned()).flatten();
    let mut files = files.filter_map(|file| file.as_str().map(PathBuf::from));
    files.find(|file| file.extension().is_some_and(|extension| extension == "wasm"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_component_is_the_one_of_the_package() {
        let artifact = |manifest: &str, file: &str| serde_json::json!({"reason": "compiler-artifact", "manifest_path": manifest, "filenames": [file]});
        let messages = [
            serde_json::json!({"reason": "build-script-executed"}),
            artifact("/sdk/Cargo.toml", "/t/sdk.wasm"),
            artifact("/p/Cargo.toml", "/t/libp.rlib"),
            artifact("/p/Cargo.toml", "/t/p.wasm"),
        ];
        let text = messages.map(|message| message.to_string()).join("\nno json\n");
        assert_eq!(component(&text, Path::new("/p/Cargo.toml")), Some(PathBuf::from("/t/p.wasm")));
        assert_eq!(component(&text, Path::new("/q/Cargo.toml")), None);
    }
}
