//! Reads cases from files and folders: `.toml` and `.json`, one case a file or several.
//!
//! A file of several has them under `case`; what stands beside that holds for each of them that does not say it itself.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value};

use super::case::{Case, CaseError};
use crate::config::settings_file;

/// A larger file is not read.
const MAX_FILE_BYTES: u64 = 64 << 20;
/// More cases are not run at once.
const MAX_CASES: usize = 10_000;

/// Why there are no cases.
#[derive(Debug, thiserror::Error)]
pub enum CasesError {
    #[error("{path} cannot be read: {source}", path = path.display())]
    Read { path: PathBuf, source: io::Error },
    #[error("{path} is no case file: {reason}", path = path.display())]
    Syntax { path: PathBuf, reason: String },
    #[error("{path}: {case}: {source}", path = path.display())]
    Case { path: PathBuf, case: String, source: CaseError },
    #[error("{path} holds no case: a case is a file that ends in .toml or .json", path = path.display())]
    None { path: PathBuf },
    #[error("these are more than {MAX_CASES} cases: run fewer at once")]
    TooMany,
}

/// All cases of these files and folders, folders in the order of their files' names, each with the file it is from.
/// Folders within a folder are not looked into.
pub fn cases(paths: &[PathBuf]) -> Result<Vec<(PathBuf, Case)>, CasesError> {
    let mut cases = Vec::new();
    for path in paths {
        let before = cases.len();
        if path.is_dir() {
            for file in files(path)? {
                read(&file, &mut cases)?;
            }
        } else {
            read(path, &mut cases)?;
        }
        if cases.len() == before {
            return Err(CasesError::None { path: path.clone() });
        }
        if cases.len() > MAX_CASES {
            return Err(CasesError::TooMany);
        }
    }
    Ok(cases)
}

fn files(folder: &Path) -> Result<Vec<PathBuf>, CasesError> {
    let failed = |source| CasesError::Read { path: folder.to_owned(), source };
    let entries = fs::read_dir(folder).map_err(failed)?;
    let mut files: Vec<_> =
        entries.map(|entry| Ok(entry?.path())).collect::<io::Result<_>>().map_err(failed)?;
    files.retain(|file| file.is_file() && is_case_file(file));
    files.sort();
    Ok(files)
}

fn is_case_file(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "toml" || extension == "json")
}

fn read(path: &Path, cases: &mut Vec<(PathBuf, Case)>) -> Result<(), CasesError> {
    let failed = |source| CasesError::Read { path: path.to_owned(), source };
    if fs::metadata(path).map_err(failed)?.len() > MAX_FILE_BYTES {
        return Err(failed(io::ErrorKind::FileTooLarge.into()));
    }
    let text = fs::read_to_string(path).map_err(failed)?;
    let syntax = |reason: String| CasesError::Syntax { path: path.to_owned(), reason };
    let json = if path.extension().is_some_and(|extension| extension == "json") {
        serde_json::from_str(&text).map_err(|error| syntax(error.to_string()))?
    } else {
        toml_as_json(&text).map_err(|error| syntax(error.to_string()))?
    };
    let stem = path.file_stem().unwrap_or_default().to_string_lossy();
    for (name, json) in split(json, &stem).map_err(syntax)? {
        let base = path.parent().unwrap_or(Path::new(""));
        let case = with_files(json, base).and_then(|json| Case::from_json(json, &name));
        let case = case.map_err(|source| CasesError::Case { path: path.to_owned(), case: name, source })?;
        cases.push((path.to_owned(), case));
    }
    Ok(())
}

/// With the files of `settings-files` among its settings, which only who knows where the case stands can read.
fn with_files(json: Value, base: &Path) -> Result<Value, CaseError> {
    let Value::Object(mut case) = json else { return Ok(json) };
    settings_file::add_to_case(&mut case, base).map_err(CaseError)?;
    Ok(Value::Object(case))
}

/// The cases of a file, each with the name it has if it gives itself none.
fn split(json: Value, stem: &str) -> Result<Vec<(String, Value)>, String> {
    let Value::Object(mut common) = json else { return Err("it is no table".to_owned()) };
    let listed = match common.remove("case") {
        None => return Ok(vec![(stem.to_owned(), Value::Object(common))]),
        Some(Value::Array(listed)) => listed,
        Some(_) => return Err("`case` is no list: write [[case]]".to_owned()),
    };
    let mut cases = Vec::with_capacity(listed.len());
    for (number, case) in (1..).zip(listed) {
        let Value::Object(case) = case else { return Err(format!("case {number} is no table")) };
        let name = case.get("name").and_then(Value::as_str);
        let name = name.map_or_else(|| format!("{stem} {number}"), str::to_owned);
        let mut whole: Map<String, Value> = common.clone();
        whole.extend(case);
        cases.push((name, Value::Object(whole)));
    }
    Ok(cases)
}

/// A text in TOML as the JSON that means the same; a date or a time becomes text.
pub fn toml_as_json(text: &str) -> Result<Value, toml::de::Error> {
    let mut json = toml::from_str(text)?;
    times_as_text(&mut json);
    Ok(json)
}

/// A time of TOML is given as a table with a key of its own; in a case it is text, as in JSON.
fn times_as_text(value: &mut Value) {
    const TIME: &str = "$__toml_private_datetime";
    match value {
        Value::Object(map) => match map.get(TIME) {
            Some(time) => *value = time.clone(),
            None => map.values_mut().for_each(times_as_text),
        },
        Value::Array(values) => values.iter_mut().for_each(times_as_text),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => {}
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Folder(PathBuf);

    impl Folder {
        fn new(name: &str, files: &[(&str, &str)]) -> Self {
            let path = std::env::temp_dir().join(format!("liaison-cases-{name}-{}", std::process::id()));
            drop(fs::remove_dir_all(&path));
            fs::create_dir(&path).unwrap();
            for (file, text) in files {
                fs::write(path.join(file), text).unwrap();
            }
            Self(path)
        }
    }

    impl Drop for Folder {
        fn drop(&mut self) {
            drop(fs::remove_dir_all(&self.0));
        }
    }

    const SEVERAL: &str = "settings = { a = 1 }\n[event]\ntype = 't'\ntime = 2026-01-02T00:00:00Z\n\
                           [[case]]\n[[case]]\nname = 'named'\nsettings = { b = 2 }\n";

    #[test]
    fn files_of_one_and_of_several_cases_are_read_in_order() {
        let one = r#"{"event": {"type": "t"}}"#;
        let files = [("b.json", one), ("a.toml", SEVERAL), ("notes.md", "nothing")];
        let folder = Folder::new("order", &files);
        let cases = cases(std::slice::from_ref(&folder.0)).unwrap();
        let names: Vec<_> = cases.iter().map(|(_, case)| case.name.as_str()).collect();
        assert_eq!(names, ["a 1", "named", "b"]);
        let settings: Vec<_> = cases.iter().map(|(_, case)| Value::from(case.settings.clone())).collect();
        assert_eq!(
            settings,
            [serde_json::json!({"a": 1}), serde_json::json!({"b": 2}), serde_json::json!({})]
        );
        assert_eq!(cases[0].1.event.time, Some(1_767_312_000_000));
    }

    #[test]
    fn what_is_wrong_is_named_with_its_file() {
        let files = [
            ("syntax.toml", "a = "),
            ("wrong.toml", "[[case]]\nname = 'x'\nevent = { type = 't' }\nwhat = 1\n"),
            ("list.json", "[]"),
            ("case.toml", "case = 1\n"),
        ];
        let folder = Folder::new("wrong", &files);
        for (file, expected) in [
            ("syntax.toml", "is no case file: "),
            ("wrong.toml", "wrong.toml: x: what: unknown field `what`"),
            ("list.json", "is no case file: it is no table"),
            ("case.toml", "is no case file: `case` is no list"),
            ("missing.toml", "missing.toml cannot be read: "),
        ] {
            let error = cases(&[folder.0.join(file)]).unwrap_err().to_string();
            assert!(error.contains(expected), "{error}");
        }
        let empty = Folder::new("empty", &[]);
        let error = cases(std::slice::from_ref(&empty.0)).unwrap_err().to_string();
        assert!(error.contains("holds no case"), "{error}");
    }
}
