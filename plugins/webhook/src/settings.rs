//! The settings of a connector that uses this plugin.

use std::collections::BTreeMap;

use serde::{Deserialize, Deserializer};

/// The settings as used. The README describes each.
#[derive(Debug)]
pub(crate) struct Settings {
    /// Empty for the endpoint itself.
    pub(crate) path: String,
    pub(crate) format: Format,
    pub(crate) headers: BTreeMap<String, String>,
}

/// What is posted.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub(crate) enum Format {
    /// Type, timestamp and data, as Standard Webhooks recommends.
    #[default]
    Standard,
    /// A CloudEvent, as JSON.
    Cloudevent,
    /// The event's data as they are.
    Data,
}

/// The settings as written.
#[derive(Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
struct Written {
    #[serde(default)]
    path: String,
    #[serde(default)]
    format: Format,
    #[serde(default)]
    headers: BTreeMap<String, String>,
}

impl<'de> Deserialize<'de> for Settings {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let Written { path, format, headers } = Written::deserialize(deserializer)?;
        if !path.is_empty() && !path.starts_with('/') {
            let why = format!("path: `{path}` must begin with `/`: it follows the connector's endpoint");
            return Err(serde::de::Error::custom(why));
        }
        let is_ours = |name: &&String| name.to_ascii_lowercase().starts_with("webhook-");
        if let Some(name) = headers.keys().find(is_ours) {
            let why = format!("headers: `{name}` is set from the event, or by the host");
            return Err(serde::de::Error::custom(why));
        }
        Ok(Self { path, format, headers })
    }
}
