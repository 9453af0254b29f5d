//! `liaison plugin new`: a folder that builds, tests, and has what a CI service calls.

use std::fs::{self, OpenOptions};
use std::io::{self, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::{Path, PathBuf};

use clap::Args;
use serde_json::json;

use super::language::{self, Kind, Language};
use crate::cli::failure::Failure;
use crate::cli::output;

#[derive(Debug, Args)]
#[command(after_help = "\
The SDKs are not in any package registry: --sdk names the folder plugin-sdk of a checkout of
liaison, or that of the language's SDK in it, by which the new folder refers to it. A relative path
is kept as one.")]
pub(in crate::cli) struct New {
    /// Of the plugin and its folder: lower-case letters, digits and -
    #[arg(value_parser = name)]
    name: String,
    /// The language: rust, ts or python
    #[arg(long, value_parser = language::named)]
    lang: &'static Language,
    /// What it is to be
    #[arg(long, value_enum)]
    kind: Kind,
    /// The folder of the SDKs, or of the language's own
    #[arg(long, value_name = "FOLDER")]
    sdk: PathBuf,
    /// Print JSON
    #[arg(long)]
    json: bool,
}

pub(super) fn new(options: &New) -> Result<(), Failure> {
    let New { name, lang, kind, sdk, json } = options;
    let sdk = (lang.sdk)(sdk).map_err(|why| Failure::Usage(format!("--sdk: {why}")))?;
    let folder = Path::new(name);
    let failed = |path: &Path, error: &io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => {
            let text = format!("{} is there already: take another name, or remove it", path.display());
            Failure::Usage(text)
        }
        _ => Failure::Failed(format!("{} cannot be written: {error}", path.display())),
    };
    fs::create_dir(folder).map_err(|error| failed(folder, &error))?;
    // As seen from within the new folder.
    let sdk = if sdk.is_absolute() { sdk } else { Path::new("..").join(sdk) };
    let mut written = Vec::new();
    for (path, text) in lang.files(*kind) {
        let text = fill(text, name, *kind, &sdk.display().to_string());
        let path = folder.join(path);
        write(&path, &text).map_err(|error| failed(&path, &error))?;
        written.push(path.display().to_string());
    }
    if *json {
        return output::json(&json!({"folder": name, "files": written}));
    }
    let files: String = written.iter().map(|path| format!("{path}\n")).collect();
    output::text(&format!("{files}\n{}", next_text(name)))
}

/// The steps that follow, each in a line that can be copied.
fn next_text(name: &str) -> String {
    let component = format!("{}.wasm", file(name));
    format!(
        "next:\n  cd {name}\n  liaison plugin build\n  liaison plugin test {component}\n  \
         liaison plugin certify {component}\nand README.md there says how to see it deliver\n"
    )
}

/// The text with its placeholders filled in.
pub(super) fn fill(text: &str, name: &str, kind: Kind, sdk: &str) -> String {
    let text = text.replace("{{name}}", name).replace("{{file}}", &file(name));
    let text = text.replace("{{demo}}", &kind.demo(&file(name)));
    text.replace("{{kind}}", kind.name()).replace("{{run}}", kind.run()).replace("{{sdk}}", sdk)
}

/// The component's file, without its ending.
fn file(name: &str) -> String {
    name.replace('-', "_")
}

fn write(path: &Path, text: &str) -> io::Result<()> {
    fs::create_dir_all(path.parent().unwrap_or(path))?;
    let mode = if path.extension().is_some_and(|extension| extension == "sh") { 0o755 } else { 0o644 };
    OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?.write_all(text.as_bytes())
}

fn name(text: &str) -> Result<String, String> {
    let is_plain = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    let starts_well = text.bytes().next().is_some_and(|byte| byte.is_ascii_lowercase());
    match starts_well && text.bytes().all(is_plain) && !text.ends_with('-') {
        true => Ok(text.to_owned()),
        false => Err("use lower-case letters, digits and -, beginning with a letter".to_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_plain() {
        for text in ["a", "room-booking", "a1"] {
            assert_eq!(name(text).as_deref(), Ok(text));
        }
        for text in ["", "-a", "1a", "a-", "A", "a/b", "..", "a b"] {
            assert!(name(text).is_err(), "{text}");
        }
    }
}
