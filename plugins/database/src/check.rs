//! Are the tables and columns there, may they be read, and can versions be compared?

use liaison_sdk::column::{Column, Type};
use liaison_sdk::failure::Failure;
use liaison_sdk::http::Http;
use liaison_sdk::outcome::Check;
use liaison_sdk::settings::settings;
use liaison_sdk::sql::{Dialect, SqlErrorKind, SqlValue, TableName};

use crate::settings::Settings;
use crate::text::{Text, run};

/// The name that no column of a table has.
const FOUND: &str = "liaison_version";
/// How SQLite has a time that this plugin wrote, as far as a pattern tells.
const TIME: &str = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]*";

pub(crate) async fn check(http: &Http) -> Result<Check, Failure> {
    let settings = settings::<Settings>()?;
    let table = &settings.table;
    let mut texts = vec![columns(settings.dialect, &table.name, settings.names())];
    if let Some(lines) = &settings.lines {
        let names = lines.header_key.iter().map(String::as_str);
        let names = names.chain(lines.table.all().map(|column| column.name.as_str()));
        texts.push(columns(settings.dialect, &lines.table.name, names));
    }
    run(http, texts).await?;
    if let Some(version) = &settings.version
        && let Some(problem) = problem(http, &settings, &version.column).await?
    {
        return Ok(Check::unusable(problem));
    }
    Ok(Check::usable(format!("the columns of `{}` are there", table.name)))
}

/// Asks for nothing of a table but that its columns are there.
fn columns<'a>(dialect: Dialect, table: &TableName, names: impl IntoIterator<Item = &'a str>) -> Text {
    let mut text = Text::new(dialect, "select ");
    text.each(names, ", ", |text, name| {
        text.name(name);
    });
    text.push(" from ").table(table).push(" where 1 = 0");
    text
}

/// Why versions in this column cannot be compared, if they cannot.
async fn problem(http: &Http, settings: &Settings, column: &Column) -> Result<Option<String>, Failure> {
    let other_type = |what: &str| {
        let (name, wanted) = (&column.name, column.of.map_or("timestamp", Type::word));
        format!(
            "settings: `{name}` holds the version as `{wanted}`, and {what}: versions could not be compared; give \
             `{name}` the type that the column has, or the column the type that is wanted"
        )
    };
    let answer = match run(http, vec![of_version(settings, column)]).await {
        Ok(answer) => answer,
        Err(Failure::Refused(refusal))
            if matches!(refusal.error.kind, SqlErrorKind::Statement | SqlErrorKind::Data) =>
        {
            return Ok(Some(other_type(&format!(
                "the database's column has another type ({})",
                refusal.error.message
            ))));
        }
        Err(failure) => return Err(failure),
    };
    let found = answer.row().and_then(|row| row.value(FOUND).cloned());
    Ok(match (settings.dialect, column.of, found) {
        (Dialect::Sqlite, _, None)
        | (Dialect::Postgres | Dialect::MySql, Some(Type::Integer), Some(SqlValue::Integer(_)))
        | (Dialect::Postgres | Dialect::MySql, Some(Type::Timestamp), Some(SqlValue::Timestamp(_))) => None,
        (Dialect::Sqlite, _, Some(_)) => Some(other_type(
            "a row has it in another form, such as 2026-01-02T03:04:05Z instead of 2026-01-02 03:04:05",
        )),
        (Dialect::Postgres | Dialect::MySql, ..) => {
            Some(other_type("the database's column has another type"))
        }
    })
}

/// Of PostgreSQL and MySQL, a value that has the column's type if that goes together with the type that is wanted; none of
/// its rows is read. SQLite has types of values alone: the first that is in another form.
fn of_version(settings: &Settings, column: &Column) -> Text {
    let is_time = column.of == Some(Type::Timestamp);
    let mut text = Text::new(settings.dialect, "select ");
    if settings.dialect == Dialect::Sqlite {
        text.push("1 as ").push(FOUND).push(" from ").table(&settings.table.name).push(" where ");
        match is_time {
            true => {
                text.push("typeof(").name(&column.name).push(") <> 'null' and ").name(&column.name);
                text.push(" not glob ").bind(&TIME.into());
            }
            false => {
                text.push("typeof(").name(&column.name).push(") <> 'null' and cast(cast(").name(&column.name);
                text.push(" as integer) as text) <> cast(").name(&column.name).push(" as text)");
            }
        }
        text.push(" limit 1");
        return text;
    }
    text.push("coalesce(max(").name(&column.name).push("), ");
    // A day is a time where the column has times, and stays a day where it has days.
    text.push(if is_time { "cast('1970-01-01' as date)" } else { "0" }).push(") as ").push(FOUND);
    text.push(" from ").table(&settings.table.name).push(" where 1 = 0");
    text
}
