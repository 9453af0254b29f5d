//! The plugin's own part of the configuration, as the plugin's own type.
//!
//! They do not change while an instance lives, so they are read once an instance.

use std::any::Any;
use std::cell::RefCell;
use std::rc::Rc;

use serde::de::DeserializeOwned;

use crate::failure::Failure;
use crate::json;

thread_local! {
    /// What was read before: one entry a type that was asked for, which is one.
    static READ: RefCell<Vec<Rc<dyn Any>>> = const { RefCell::new(Vec::new()) };
}

/// The `settings` of the connector or transformer that this plugin runs as.
///
/// # Errors
///
/// [`Failure::Settings`] names the key. In `deliver` it becomes `denied`: its connector is held back and
/// somebody is told, and no event is lost to a typing mistake. In `check` it becomes unusable, in a
/// transformer `reject`.
pub fn settings<T: DeserializeOwned + 'static>() -> Result<Rc<T>, Failure> {
    let known = READ.with_borrow(|read| read.iter().find_map(|value| Rc::clone(value).downcast().ok()));
    if let Some(known) = known {
        return Ok(known);
    }
    let text = source::text().map_err(Failure::Settings)?;
    let value = Rc::new(json::parse::<T>(text.as_bytes()).map_err(mistake)?);
    READ.with_borrow_mut(|read| read.push(value.clone()));
    Ok(value)
}

/// The line and column that the reader adds are those of a text that nobody wrote.
fn mistake(mut error: String) -> Failure {
    error.truncate(error.rfind(" at line ").unwrap_or(error.len()));
    Failure::Settings(error)
}

/// Where the settings come from: the host.
#[cfg(target_family = "wasm")]
mod source {
    use crate::raw::connector::wasi::config::store;

    /// All settings as one JSON object.
    pub(super) fn text() -> Result<String, String> {
        match store::get("settings") {
            Ok(text) => Ok(text.unwrap_or_else(|| "{}".to_owned())),
            Err(store::Error::Io(error) | store::Error::Upstream(error)) => Err(error),
        }
    }
}

/// Where the settings come from: the test.
#[cfg(not(target_family = "wasm"))]
pub(crate) mod source {
    use std::cell::RefCell;

    thread_local! {
        static TEXT: RefCell<String> = RefCell::new("{}".to_owned());
    }

    /// All settings as one JSON object.
    #[expect(clippy::unnecessary_wraps, reason = "a host may fail")]
    pub(super) fn text() -> Result<String, String> {
        Ok(TEXT.with_borrow(Clone::clone))
    }

    /// Begins anew with these settings, as a fresh instance would.
    pub(crate) fn set(text: String) {
        TEXT.set(text);
        super::READ.with_borrow_mut(Vec::clear);
    }
}

#[cfg(test)]
mod tests {
    use serde::Deserialize;
    use serde_json::json;

    use super::*;
    use crate::testing;

    #[derive(Debug, Deserialize, PartialEq)]
    #[serde(deny_unknown_fields)]
    struct Settings {
        path: String,
        #[serde(default)]
        limit: u8,
    }

    #[test]
    fn settings_are_read_once_an_instance() {
        testing::settings(json!({ "path": "/a", "limit": 7 }));
        let first = settings::<Settings>().unwrap();
        assert_eq!(*first, Settings { path: "/a".into(), limit: 7 });
        assert!(Rc::ptr_eq(&first, &settings::<Settings>().unwrap()));

        testing::settings(json!({ "path": "/b" }));
        assert_eq!(settings::<Settings>().unwrap().path, "/b");
    }

    #[test]
    fn an_error_names_the_key() {
        for (value, expected) in [
            (json!({ "path": 5 }), "settings: path: invalid type: integer `5`, expected a string"),
            (json!({}), "settings: missing field `path`"),
            (json!({ "pth": "/a" }), "settings: pth: unknown field `pth`, expected `path` or `limit`"),
        ] {
            testing::settings(value);
            let error = settings::<Settings>().unwrap_err().to_string();
            assert_eq!(error, expected);
        }
    }
}
