//! Checks what a connector's `allow` grants: origins, and which paths and methods of each.

use http::Method;
use url::Url;

use super::Checker;
use crate::config::Grant;
use crate::config::document::KeyPath;
use crate::config::settings::GrantSettings;

/// A grant, or nothing where it names no origin.
pub(super) fn grant(path: &KeyPath, settings: GrantSettings, checker: &mut Checker<'_>) -> Option<Grant> {
    let table = match settings {
        GrantSettings::Origin(text) => {
            return Some(Grant::all(origin(path, &text, checker, true)?.origin()));
        }
        GrantSettings::Table(table) => table,
    };
    let text =
        checker.required(&path.key("origin"), table.origin, "write such as \"https://login.example.gov\"");
    let url = text.and_then(|text| origin(&path.key("origin"), &text, checker, false));
    let (paths, methods) = (path.key("paths"), path.key("methods"));
    let paths = all(&paths, table.paths, checker, path_prefix);
    let methods = all(&methods, table.methods, checker, method);
    Some(Grant { origin: url?.origin(), paths, methods })
}

fn origin(path: &KeyPath, text: &str, checker: &mut Checker<'_>, is_alone: bool) -> Option<Url> {
    let url = checker.http_url(path, text)?;
    if url.path() != "/" || url.query().is_some() {
        let origin = url.origin().ascii_serialization();
        let mend = if is_alone && url.query().is_none() {
            format!("write \"{origin}\", or {{ origin = \"{origin}\", paths = [\"{}\"] }}", url.path())
        } else {
            format!("write \"{origin}\"")
        };
        checker.mistake(path, format!("`{text}` is more than an origin; {mend}"));
    }
    Some(url)
}

/// Each entry of a list that is there; an empty one would grant nothing at all.
fn all<T>(
    path: &KeyPath,
    written: Option<Vec<String>>,
    checker: &mut Checker<'_>,
    one: impl Fn(&KeyPath, String, &mut Checker<'_>) -> Option<T>,
) -> Vec<T> {
    if written.as_ref().is_some_and(Vec::is_empty) {
        checker.mistake(path, "an empty list allows nothing; leave it out to allow all");
    }
    let written = written.unwrap_or_default().into_iter().enumerate();
    written.filter_map(|(index, text)| one(&path.index(index), text, checker)).collect()
}

/// As a request would ask for it: what is written otherwise would never be met.
fn path_prefix(path: &KeyPath, text: String, checker: &mut Checker<'_>) -> Option<String> {
    let mut url = Url::parse("https://invalid/").expect("an address");
    url.set_path(&text);
    if !text.starts_with('/') || url.path() != text {
        checker.mistake(path, format!("`{text}` is not a path as it is asked; write \"{}\"", url.path()));
        return None;
    }
    Some(text)
}

fn method(path: &KeyPath, text: String, checker: &mut Checker<'_>) -> Option<Method> {
    let method = Method::from_bytes(text.as_bytes()).ok();
    if method.is_none() {
        checker.mistake(path, format!("`{text}` is not a method; write such as \"GET\""));
    } else if text != text.to_ascii_uppercase() {
        let text =
            format!("`{text}` is another method than {0}, by case; write \"{0}\"", text.to_ascii_uppercase());
        checker.mistake(path, text);
    }
    method
}
