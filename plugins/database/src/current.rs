//! What the database holds, as a conflict tells the host.

use liaison_sdk::column::{json, shape, version_text};
use liaison_sdk::failure::Failure;
use liaison_sdk::outcome::Outcome;
use liaison_sdk::sql::{Row as Found, SqlValue};

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
    let column = settings.version.as_ref().map(|version| &version.column);
    let version = column.and_then(|column| version_text(found.value(&column.name)?, column.of));
    let held = settings.table.all().filter_map(|column| {
        let value = found.value(&column.name)?;
        Some((&column.source, json(value, column.of)))
    });
    Outcome::conflict(version, Some(shape(held).to_string().into_bytes()), reason)
}

/// The version as it was read.
pub(crate) fn version_of(settings: &Settings, found: &Found<'_>) -> SqlValue {
    let column = settings.version_column();
    column.and_then(|name| found.value(name)).cloned().unwrap_or(SqlValue::Null)
}
