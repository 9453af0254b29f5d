//! The statements that write, read and delete a row, and that compare its version.
//!
//! A version is bound as what its column holds, a time or an integer, so that the comparison is the same in every database.

use liaison_sdk::column::Type;
use liaison_sdk::sql::{Dialect, SqlValue};

use crate::row::Row;
use crate::settings::Settings;
use crate::text::Text;

/// The name that no column of a table has: is the version of the row the event's own?
pub(crate) const IS_SAME: &str = "liaison_is_same";
/// Is it older than the event's, or none?
pub(crate) const IS_OLDER: &str = "liaison_is_older";

impl Row<'_> {
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
        self.on_conflict(&mut text).push("nothing");
        text
    }

    /// Writes it over an older one, or inserts it, in one statement: of PostgreSQL and SQLite.
    pub(crate) fn upsert(&self) -> Text {
        let mut text = self.insert();
        self.on_conflict(&mut text).push("update set ");
        text.each(&self.columns, ", ", |text, (name, _)| {
            text.name(name).push(" = excluded.").name(name);
        });
        if let Some((version, _)) = &self.version {
            let table = self.settings.table.name.last();
            let held = |text: &mut Text| {
                text.name(table).push(".").name(version);
            };
            text.push(" where ");
            held(&mut text);
            text.push(" is null or ");
            compared(self.settings, &mut text, |text| {
                text.push("excluded.").name(version);
            });
            text.push(" > ");
            compared(self.settings, &mut text, held);
        }
        text
    }

    /// `on conflict` of its key `do`
    fn on_conflict<'t>(&self, text: &'t mut Text) -> &'t mut Text {
        text.push(" on conflict (");
        text.each(&self.key, ", ", |text, (name, _)| {
            text.name(name);
        });
        text.push(") do ")
    }

    /// Writes it over one that is older, or over whatever is there if there are no versions.
    pub(crate) fn update_older(&self) -> Text {
        let mut text = self.update();
        if let Some((name, value)) = &self.version {
            text.push(" and ");
            older(self.settings, &mut text, name, value, " < ");
        }
        text
    }

    /// Writes it over this version.
    pub(crate) fn update_over(&self, version: &SqlValue) -> Text {
        let mut text = self.update();
        if let Some(name) = self.settings.version_column() {
            text.push(" and ");
            is_version(self.settings, &mut text, name, version);
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
            is_version(self.settings, &mut text, name, version);
        }
        text
    }

    fn unless_newer(&self, text: &mut Text) {
        if let Some((name, value)) = &self.version {
            text.push(" and ");
            older(self.settings, text, name, value, " <= ");
        }
    }

    /// What is there under its key, and how its version stands to the event's.
    pub(crate) fn select(&self) -> Text {
        let mut text = self.text("select ");
        text.each(self.settings.names(), ", ", |text, name| {
            text.name(name);
        });
        if let Some((name, value)) = &self.version {
            text.push(", ");
            version_column(self.settings, &mut text, name);
            text.push(" = ").bind(value).push(" as ").push(IS_SAME).push(", ");
            older(self.settings, &mut text, name, value, " < ");
            text.push(" as ").push(IS_OLDER);
        }
        text.push(" from ").table(&self.settings.table.name);
        self.of_key(&mut text);
        text
    }

    /// Refused by the key unless the row has the event's version, or is not there: the transaction that it ends is undone
    /// where another has written the row in the meantime.
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
        text.push(" and (").name(version).push(" is null or ");
        version_column(self.settings, &mut text, version);
        text.push(" <> ").bind(value).push(")");
        Some(text)
    }

    /// Holds it for the transaction, so that all that follows meets the same version. SQLite holds the file anyway.
    pub(crate) fn lock(&self) -> Option<Text> {
        if self.settings.dialect == Dialect::Sqlite {
            return None;
        }
        let mut text = self.text("select 1 from ");
        text.table(&self.settings.table.name);
        self.of_key(&mut text);
        text.push(" for update");
        Some(text)
    }

    /// `exists` one of its key.
    pub(crate) fn is_there(&self, text: &mut Text) {
        text.push("exists (select 1 from ").table(&self.settings.table.name);
        self.of_key(text);
        text.push(")");
    }

    /// `exists` one that is not newer, or that has this version.
    pub(crate) fn exists(&self, text: &mut Text, version: Option<&SqlValue>) {
        text.push("exists (select 1 from ").table(&self.settings.table.name);
        self.of_key(text);
        match (version, self.settings.version_column()) {
            (Some(version), Some(name)) => {
                text.push(" and ");
                is_version(self.settings, text, name, version);
            }
            (Some(_) | None, _) => self.unless_newer(text),
        }
        text.push(")");
    }
}

/// `(v is null or v < 7)`
fn older(settings: &Settings, text: &mut Text, name: &str, value: &SqlValue, than: &str) {
    text.push("(").name(name).push(" is null or ");
    version_column(settings, text, name);
    text.push(than).bind(value).push(")");
}

fn is_version(settings: &Settings, text: &mut Text, name: &str, version: &SqlValue) {
    if *version == SqlValue::Null {
        text.name(name).push(" is null");
    } else {
        version_column(settings, text, name);
        text.push(" = ").bind(version);
    }
}

fn version_column(settings: &Settings, text: &mut Text, name: &str) {
    compared(settings, text, |text| {
        text.name(name);
    });
}

/// What a column holds, to be compared. SQLite has no types but those of values: in a column that was made for text an
/// integer is text, by which 10 is less than 9.
fn compared(settings: &Settings, text: &mut Text, column: impl FnOnce(&mut Text)) {
    let of = settings.version.as_ref().and_then(|version| version.column.of);
    let is_cast = settings.dialect == Dialect::Sqlite && of == Some(Type::Integer);
    text.push(if is_cast { "cast(" } else { "" });
    column(text);
    text.push(if is_cast { " as integer)" } else { "" });
}
