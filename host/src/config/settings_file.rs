//! Files beside the configuration that a plugin is given among its settings: a WSDL, a descriptor set.
//!
//! A path and a form in, what stands in the settings out, or what is wrong with the file and the mend. It is read when
//! the configuration is, and no other time: another content is another configuration.

use std::fs::File;
use std::io::{self, Read as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use schemars::JsonSchema;
use serde::Deserialize;
use serde_json::{Map, Value};

/// The most bytes of one file. All settings are copied into each instance of the plugin.
const LIMIT_BYTES: u64 = 1 << 20;

/// A file that is given to the plugin among its settings.
#[derive(Debug, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case", deny_unknown_fields, expecting = "a table")]
pub(super) struct SettingsFile {
    /// The file; a relative one is looked for beside this file. At most 1 MiB.
    #[schemars(required)]
    pub(super) path: Option<PathBuf>,
    /// How the plugin is given it. Default: `text`.
    #[serde(rename = "as")]
    pub(super) form: Option<Form>,
}

/// How a plugin is given a file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, JsonSchema)]
#[serde(rename_all = "kebab-case")]
pub(super) enum Form {
    /// As it is, which must be UTF-8.
    Text,
    /// In base64.
    Base64,
}

/// What stands in the settings for this file.
pub(super) fn read(path: &Path, form: Form) -> Result<String, String> {
    let shown = path.display();
    let bytes =
        bytes(path).map_err(|error| format!("cannot read {shown} ({error}); mend the path or its rights"))?;
    if bytes.len() as u64 > LIMIT_BYTES {
        return Err(format!("{shown} is larger than 1 MiB; leave out of it what the plugin does not need"));
    }
    if bytes.is_empty() {
        return Err(format!("{shown} is empty; write into it what it is for"));
    }
    match form {
        Form::Base64 => Ok(STANDARD.encode(bytes)),
        Form::Text => String::from_utf8(bytes).map_err(|_| {
            format!("{shown} is not UTF-8 text; write `as = \"base64\"` if it is meant to be binary")
        }),
    }
}

/// One byte more than allowed, so that too much is noticed. What is no plain file might never answer.
fn bytes(path: &Path) -> io::Result<Vec<u8>> {
    if !std::fs::metadata(path)?.is_file() {
        return Err(io::Error::other("not a file"));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(LIMIT_BYTES + 1).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// Puts the files that `settings-files` of a case names into its `settings`; relative paths start at `base`.
pub(crate) fn add_to_case(case: &mut Map<String, Value>, base: &Path) -> Result<(), String> {
    let Some(written) = case.remove("settings-files") else { return Ok(()) };
    let files: std::collections::BTreeMap<String, SettingsFile> =
        serde_json::from_value(written).map_err(|error| format!("settings-files: {error}"))?;
    let settings = case.entry("settings").or_insert_with(|| Value::Object(Map::new()));
    let Value::Object(settings) = settings else { return Err("settings: must be a table".to_owned()) };
    for (name, file) in files {
        let wrong = |text: String| format!("settings-files.{name}: {text}");
        if settings.contains_key(&name) {
            return Err(wrong("stands in `settings` too; leave one out".to_owned()));
        }
        let path = file.path.ok_or_else(|| wrong("missing `path`".to_owned()))?;
        let content = read(&base.join(path), file.form.unwrap_or(Form::Text)).map_err(wrong)?;
        settings.insert(name, content.into());
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, files: &[(&str, &[u8])]) -> Self {
            let path = std::env::temp_dir().join(format!("liaison-settings-{name}-{}", std::process::id()));
            drop(std::fs::remove_dir_all(&path));
            std::fs::create_dir(&path).unwrap();
            for (file, content) in files {
                std::fs::write(path.join(file), content).unwrap();
            }
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(std::fs::remove_dir_all(&self.0));
        }
    }

    #[test]
    fn a_file_is_text_or_base64_and_bounded() {
        let most = vec![b'x'; 1 << 20];
        let more = vec![b'x'; (1 << 20) + 1];
        let folder = Folder::new(
            "read",
            &[
                ("text", "<a>ü</a>\n".as_bytes()),
                ("binary", &[0xff, 0x00]),
                ("empty", b""),
                ("most", &most),
                ("more", &more),
            ],
        );
        let read = |name: &str, form| read(&folder.0.join(name), form);
        assert_eq!(read("text", Form::Text).unwrap(), "<a>ü</a>\n");
        assert_eq!(read("binary", Form::Base64).unwrap(), "/wA=");
        assert_eq!(read("most", Form::Text).unwrap().len(), 1 << 20);
        for (name, form, expected) in [
            ("binary", Form::Text, "is not UTF-8 text; write `as = \"base64\"`"),
            ("empty", Form::Base64, "is empty"),
            ("more", Form::Text, "is larger than 1 MiB"),
            ("missing", Form::Text, "(No such file or directory (os error 2)); mend the path"),
            ("", Form::Text, "(not a file)"),
        ] {
            let error = read(name, form).unwrap_err();
            assert!(error.contains(expected), "{name}: {error}");
        }
    }

    #[test]
    fn a_case_has_its_files_beside_it() {
        let folder = Folder::new("case", &[("service.wsdl", b"<wsdl/>"), ("set", &[0xff])]);
        let mut case = json!({
            "settings": { "a": 1 },
            "settings-files": { "wsdl": { "path": "service.wsdl" }, "set": { "path": "set", "as": "base64" } },
        });
        let case = case.as_object_mut().unwrap();
        add_to_case(case, &folder.0).unwrap();
        assert_eq!(
            Value::from(case.clone()),
            json!({ "settings": { "a": 1, "wsdl": "<wsdl/>", "set": "/w==" } })
        );
        for (files, expected) in [
            (json!({ "a": { "path": "set" } }), "settings-files.a: stands in `settings` too"),
            (json!({ "b": { "as": "text" } }), "settings-files.b: missing `path`"),
            (json!({ "b": { "path": "set" } }), "settings-files.b:  … is not UTF-8"),
            (json!({ "b": { "path": "set", "x": 1 } }), "settings-files: unknown field `x`"),
            (json!({ "b": { "path": "set", "as": "hex" } }), "settings-files: unknown variant `hex`"),
        ] {
            let mut case = json!({ "settings": { "a": 1 }, "settings-files": files });
            let error = add_to_case(case.as_object_mut().unwrap(), &folder.0).unwrap_err();
            assert!(expected.split(" … ").all(|part| error.contains(part)), "{error}");
        }
    }
}
