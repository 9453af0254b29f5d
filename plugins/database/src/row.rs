//! A row as an event says it, and the statements that write, read and delete it.

use liaison_sdk::failure::Failure;
use liaison_sdk::sql::SqlValue;

use crate::settings::{Column, Dialect, Settings, Table};
use crate::source::Record;
use crate::text::Text;
use crate::value::bound;

/// The name that no column of a table has: is the version of the row the event's own?
pub(crate) const IS_SAME: &str = "liaison_is_same";
/// Is it older than the event's, or none?
pub(crate) const IS_OLDER: &str = "liaison_is_older";

/// A row of the table.
#[derive(Debug)]
pub(crate) struct Row<'s> {
    pub(crate) settings: &'s Settings,
    pub(crate) key: Vec<(&'s str, SqlValue)>,
    /// All columns but the key.
    pub(crate) columns: Vec<(&'s str, SqlValue)>,
    /// The version's column and value, if there are any.
    pub(crate) version: Option<(&'s str, SqlValue)>,
}

impl<'s> Row<'s> {
    pub(crate) fn of(settings: &'s Settings, record: &Record<'_>) -> Result<Self, Failure> {
        let mut columns = values(&settings.table.columns, record)?;
        let version = match &settings.version {
            None => None,
            Some(version) => {
                Some((version.column.name.as_str(), present(&version.column, record, "version")?))
            }
        };
        if let Some(name) = &settings.deleted_column {
            columns.push((name, SqlValue::Boolean(false)));
        }
        Ok(Self { settings, key: key(&settings.table, record)?, columns, version })
    }

    /// The row of a deletion: its key, its version if that can be told, and the mark if there is one.
    pub(crate) fn deleted(settings: &'s Settings, record: &Record<'_>) -> Result<Self, Failure> {
        let version = match settings.version.as_ref().and_then(|version| version.of_tombstone.as_ref()) {
            None => None,
            Some(column) => Some((column.name.as_str(), present(column, record, "version")?)),
        };
        let mut columns: Vec<_> = version.clone().into_iter().collect();
        if let Some(name) = &settings.deleted_column {
            columns.push((name, SqlValue::Boolean(true)));
        }
        Ok(Self { settings, key: key(&settings.table, record)?, columns, version })
    }

    fn text(&self, sql: &str) -> Text {
        Text::new(self.settings.dialect, sql)
    }

    /// `where` its key.
    fn of_key(&self, text: &mut Text) {
        text.push(" where ").matches(self.key.iter().map(|(name, value)| (*name, value)));
    }

    /// Inserts it; refused where it is there.
    pub(crate) fn insert(&self) -> Text {
        let mut text = self.text("insert into ");
        let all = || self.key.iter().chain(&self.columns);
        text.table(&self.settings.table.name).push(" (");
        text.each(all(), ", ", |text, (name, _)| {
            text.name(name);
        });
        text.push(") values (");
        text.each(all(), ", ", |text, (_, value)| {
            text.bind(value);
        });
        text.push(")");
        text
    }

    /// Inserts it where nothing has its key.
    pub(crate) fn insert_if_new(&self) -> Text {
        let mut text = self.insert();
        text.push(" on conflict (");
        text.each(&self.key, ", ", |text, (name, _)| {
            text.name(name);
        });
        text.push(") do nothing");
        text
    }

    /// Writes it over an older one, or inserts it, in one statement: of PostgreSQL and SQLite.
    pub(crate) fn upsert(&self) -> Text {
        let mut text = self.insert();
        text.push(" on conflict (");
        text.each(&self.key, ", ", |text, (name, _)| {
            text.name(name);
        });
        text.push(") do update set ");
        text.each(&self.columns, ", ", |text, (name, _)| {
            text.name(name).push(" = excluded.").name(name);
        });
        if let Some((version, _)) = &self.version {
            let table = self.settings.table.name.last().map_or("", String::as_str);
            text.push(" where ").name(table).push(".").name(version).push(" is null or excluded.");
            text.name(version).push(" > ").name(table).push(".").name(version);
        }
        text
    }

    /// Writes it over one that is older, or over whatever is there if there are no versions.
    pub(crate) fn update_older(&self) -> Text {
        let mut text = self.update();
        if let Some((name, value)) = &self.version {
            text.push(" and ");
            older(&mut text, name, value, " < ");
        }
        text
    }

    /// Writes it over this version.
    pub(crate) fn update_over(&self, version: &SqlValue) -> Text {
        let mut text = self.update();
        if let Some(name) = self.settings.version_column() {
            text.push(" and ");
            is_version(&mut text, name, version);
        }
        text
    }

    fn update(&self) -> Text {
        let mut text = self.text("update ");
        text.table(&self.settings.table.name).push(" set ");
        text.each(&self.columns, ", ", |text, (name, value)| {
            text.name(name).push(" = ").bind(value);
        });
        self.of_key(&mut text);
        text
    }

    /// Sets the mark on a row that is not newer.
    pub(crate) fn mark(&self) -> Text {
        let mut text = self.update();
        self.unless_newer(&mut text);
        text
    }

    /// Deletes it, unless it is newer.
    pub(crate) fn delete(&self) -> Text {
        let mut text = self.text("delete from ");
        text.table(&self.settings.table.name);
        self.of_key(&mut text);
        self.unless_newer(&mut text);
        text
    }

    /// Deletes it if it has this version.
    pub(crate) fn delete_over(&self, version: &SqlValue) -> Text {
        let mut text = self.text("delete from ");
        text.table(&self.settings.table.name);
        self.of_key(&mut text);
        if let Some(name) = self.settings.version_column() {
            text.push(" and ");
            is_version(&mut text, name, version);
        }
        text
    }

    fn unless_newer(&self, text: &mut Text) {
        if let Some((name, value)) = &self.version {
            text.push(" and ");
            older(text, name, value, " <= ");
        }
    }

    /// What is there under its key, and how its version stands to the event's.
    pub(crate) fn select(&self) -> Text {
        let mut text = self.text("select ");
        text.each(self.settings.table.all(), ", ", |text, column| {
            text.name(&column.name);
        });
        if let Some((name, value)) = &self.version {
            text.push(", ").name(name).push(" = ").bind(value).push(" as ").push(IS_SAME);
            text.push(", ");
            older(&mut text, name, value, " < ");
            text.push(" as ").push(IS_OLDER);
        }
        text.push(" from ").table(&self.settings.table.name);
        self.of_key(&mut text);
        text
    }

    /// Refused by the key unless the row has the event's version, or is not there: the transaction that it is part of is
    /// undone where another has written the row in the meantime.
    pub(crate) fn guard(&self) -> Option<Text> {
        let (version, value) = self.version.as_ref()?;
        let mut text = self.text("insert into ");
        let names = |text: &mut Text| {
            text.each(self.settings.table.all(), ", ", |text, column| {
                text.name(&column.name);
            });
        };
        text.table(&self.settings.table.name).push(" (");
        names(&mut text);
        text.push(") select ");
        names(&mut text);
        text.push(" from ").table(&self.settings.table.name);
        self.of_key(&mut text);
        text.push(" and (")
            .name(version)
            .push(" is null or ")
            .name(version)
            .push(" <> ")
            .bind(value)
            .push(")");
        Some(text)
    }

    /// `exists` one that is not newer, or that has this version.
    pub(crate) fn exists(&self, text: &mut Text, version: Option<&SqlValue>) {
        text.push("exists (select 1 from ").table(&self.settings.table.name);
        self.of_key(text);
        match (version, self.settings.version_column()) {
            (Some(version), Some(name)) => {
                text.push(" and ");
                is_version(text, name, version);
            }
            (Some(_) | None, _) => self.unless_newer(text),
        }
        text.push(")");
    }
}

/// Asks for nothing of a table but that its columns are there.
pub(crate) fn probe<'a>(
    dialect: Dialect,
    table: &[String],
    columns: impl IntoIterator<Item = &'a str>,
) -> Text {
    let mut text = Text::new(dialect, "select ");
    text.each(columns, ", ", |text, name| {
        text.name(name);
    });
    text.push(" from ").table(table).push(" where 1 = 0");
    text
}

/// `(v is null or v < 7)`
fn older(text: &mut Text, name: &str, value: &SqlValue, than: &str) {
    text.push("(").name(name).push(" is null or ").name(name).push(than).bind(value).push(")");
}

fn is_version(text: &mut Text, name: &str, version: &SqlValue) {
    match version {
        SqlValue::Null => text.name(name).push(" is null"),
        version => text.name(name).push(" = ").bind(version),
    };
}

pub(crate) fn values<'s>(
    columns: &'s [Column],
    record: &Record<'_>,
) -> Result<Vec<(&'s str, SqlValue)>, Failure> {
    columns.iter().map(|column| Ok((column.name.as_str(), value(column, record)?))).collect()
}

/// None of it is null.
pub(crate) fn key<'s>(table: &'s Table, record: &Record<'_>) -> Result<Vec<(&'s str, SqlValue)>, Failure> {
    let key = table.key.iter().map(|column| Ok((column.name.as_str(), present(column, record, "key")?)));
    key.collect()
}

fn value(column: &Column, record: &Record<'_>) -> Result<SqlValue, Failure> {
    bound(&column.source.give(record), column.of).map_err(|wanted| {
        let Column { name, source, .. } = column;
        Failure::Event(format!(
            "the column `{name}` is to hold {wanted}, and the event has another thing at `{source}`"
        ))
    })
}

fn present(column: &Column, record: &Record<'_>, what: &str) -> Result<SqlValue, Failure> {
    match value(column, record)? {
        SqlValue::Null => {
            let Column { name, source, .. } = column;
            let mut why = format!("the event has nothing at `{source}`, which is to be the {what} `{name}`");
            if record.document.is_none() && !source.is_of_event() {
                why.push_str(
                    ": it is a tombstone; take the column from what it has, such as `key` or `subject`",
                );
            }
            Err(Failure::Event(why))
        }
        value => Ok(value),
    }
}
