//! What the database holds, as a conflict tells the host.

use liaison_sdk::column::{Source, json, shape, version_text};
use liaison_sdk::failure::Failure;
use liaison_sdk::outcome::Outcome;
use liaison_sdk::sql::{Row as Found, SqlValue};
use serde_json::Value;

use crate::row::Row;
use crate::settings::Settings;
use crate::statements::{IS_OLDER, IS_SAME};

const ALREADY: &str = "already there: the database holds this version";
const OTHER: &str = "the database holds this version with other values";

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

/// The row has the event's version: with the same values there is nothing to do, with others the host decides.
pub(crate) fn same(row: &Row<'_>, found: &Found<'_>) -> Outcome {
    match row.is_other_than(found) {
        true => conflict(row.settings, found, OTHER),
        false => Outcome::skipped(ALREADY),
    }
}

/// The host decides, by what was found.
pub(crate) fn conflict(settings: &Settings, found: &Found<'_>, reason: &str) -> Outcome {
    told(settings, found, reason, current(settings, found))
}

/// The same where the host would take the version that is held for something that it can compare.
pub(crate) fn conflict_without_version(settings: &Settings, found: &Found<'_>, reason: &str) -> Outcome {
    let mut current = current(settings, found);
    if let Some(Source::Part(pointer)) = settings.version.as_ref().map(|version| &version.column.source)
        && let Some(place) = pointer.find_mut(&mut current)
    {
        *place = Value::Null;
    }
    told(settings, found, reason, current)
}

fn told(settings: &Settings, found: &Found<'_>, reason: &str, current: Value) -> Outcome {
    Outcome::conflict(version_shown(settings, found), Some(current.to_string().into_bytes()), reason)
}

/// In the shape of an event's data.
fn current(settings: &Settings, found: &Found<'_>) -> Value {
    shape(settings.table.all().filter_map(|column| {
        let value = found.value(&column.name)?;
        Some((&column.source, json(value, column.of)))
    }))
}

/// The version of the row as a policy is to see it, and as it comes back in a decision.
pub(crate) fn version_shown(settings: &Settings, found: &Found<'_>) -> Option<String> {
    let column = settings.version.as_ref().map(|version| &version.column)?;
    version_text(found.value(&column.name)?, column.of)
}

/// The version as it was read.
pub(crate) fn version_of(settings: &Settings, found: &Found<'_>) -> SqlValue {
    let column = settings.version_column();
    column.and_then(|name| found.value(name)).cloned().unwrap_or(SqlValue::Null)
}
