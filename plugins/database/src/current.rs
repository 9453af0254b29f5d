//! What the database holds, as a conflict tells the host.

use liaison_sdk::failure::Failure;
use liaison_sdk::outcome::{Outcome, Receipt};
use liaison_sdk::sql::{Row as Found, SqlValue};
use serde_json::{Map, Value};

use crate::row::{IS_OLDER, IS_SAME, Row};
use crate::settings::Settings;
use crate::source::Source;
use crate::value::{json, version_text};

/// How the version of a row that was found stands to that of the event.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Standing {
    Older,
    Same,
    Newer,
    /// There are no versions to compare.
    Unknown,
}

impl Standing {
    pub(crate) fn of(row: &Row<'_>, found: &Found<'_>) -> Result<Self, Failure> {
        if row.version.is_none() {
            return Ok(Standing::Unknown);
        }
        let is = |name: &str| Ok::<_, Failure>(found.get::<Option<bool>>(name)? == Some(true));
        Ok(match (is(IS_SAME)?, is(IS_OLDER)?) {
            (true, _) => Standing::Same,
            (false, true) => Standing::Older,
            (false, false) => Standing::Newer,
        })
    }
}

/// The event was written, or something that is the same.
pub(crate) fn delivered(row: &Row<'_>) -> Outcome {
    let of = row.settings.version.as_ref().and_then(|version| version.column.of);
    let version = row.version.as_ref().and_then(|(_, value)| version_text(value, of));
    Outcome::Delivered(Receipt { external_id: None, version })
}

/// The host decides, by what was found.
pub(crate) fn conflict(settings: &Settings, found: &Found<'_>, reason: &str) -> Outcome {
    let version = settings.version.as_ref().and_then(|version| {
        let value = found.value(&version.column.name)?;
        version_text(value, version.column.of)
    });
    Outcome::conflict(version, Some(shape(settings, found).to_string().into_bytes()), reason)
}

/// The version as it was read.
pub(crate) fn version_of(settings: &Settings, found: &Found<'_>) -> SqlValue {
    let column = settings.version_column();
    column.and_then(|name| found.value(name)).cloned().unwrap_or(SqlValue::Null)
}

/// In the event's own shape, as far as the columns are parts of its data.
fn shape(settings: &Settings, found: &Found<'_>) -> Value {
    let mut whole = Value::Object(Map::new());
    for column in settings.table.all() {
        let Some(value) = found.value(&column.name).map(|value| json(value, column.of)) else { continue };
        match &column.source {
            Source::Part(pointer) => pointer.put(&mut whole, value),
            Source::Data if value.is_object() => merge(&mut whole, value),
            _ => {}
        }
    }
    whole
}

/// What is kept as a whole gives way to what has a column of its own.
fn merge(whole: &mut Value, data: Value) {
    if let (Value::Object(whole), Value::Object(data)) = (whole, data) {
        for (name, value) in data {
            whole.entry(name).or_insert(value);
        }
    }
}
