//! A connector's or transformer's settings as `wasi:config/store` shows them.

use serde_json::{Map, Value};

/// The name under which a guest finds all settings as one JSON object.
const ALL: &str = "settings";

/// Settings by name, sorted. Text is kept as it is, everything else as JSON.
#[derive(Debug)]
pub(super) struct Settings(Vec<(String, String)>);

impl Settings {
    pub(super) fn new(settings: &Map<String, Value>) -> Self {
        let text = |value: &Value| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
        let mut all: Vec<_> = settings.iter().map(|(name, value)| (name.clone(), text(value))).collect();
        all.retain(|(name, _)| name != ALL);
        all.push((ALL.to_owned(), Value::from(settings.clone()).to_string()));
        all.sort();
        Self(all)
    }

    pub(super) fn get(&self, name: &str) -> Option<&str> {
        let index = self.0.binary_search_by(|(known, _)| known.as_str().cmp(name)).ok()?;
        Some(&self.0[index].1)
    }

    pub(super) fn all(&self) -> &[(String, String)] {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn text_is_plain_and_the_rest_is_json() {
        let settings = serde_json::json!({ "path": "/events/{id}", "retries": 3, "headers": { "a": "b" } });
        let settings = Settings::new(settings.as_object().unwrap());
        assert_eq!(settings.get("path"), Some("/events/{id}"));
        assert_eq!(settings.get("retries"), Some("3"));
        assert_eq!(settings.get("headers"), Some(r#"{"a":"b"}"#));
        assert_eq!(settings.get("missing"), None);
        let all: Value = serde_json::from_str(settings.get("settings").unwrap()).unwrap();
        assert_eq!(all["retries"], 3);
        assert_eq!(settings.all().len(), 4);
    }
}
