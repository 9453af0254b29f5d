//! Can versions in a column be compared? A check asks before the first event does.
//!
//! The column must hold what is bound, a time or an integer, and all of it: one that rounds makes two versions one, and an
//! event that was written newer or older than it is.

use serde_json::json;

use super::{Dialect, SqlErrorKind, SqlValue, TableName};
use crate::column::{Column, Type};
use crate::failure::Failure;
use crate::http::Http;

/// Names that no column of a table has.
const FOUND: &str = "liaison_version";
const KEPT: &str = "liaison_kept";
/// How SQLite has a time that this SDK wrote, as far as a pattern tells.
const TIME: &str = "[0-9][0-9][0-9][0-9]-[0-9][0-9]-[0-9][0-9] [0-9][0-9]:[0-9][0-9]:[0-9][0-9]*";
/// A time with all that a version may have, and its microseconds since 1970.
const FINE: &str = "1970-01-01T00:00:00.123456Z";
const FINE_US: i64 = 123_456;
/// Letters of a time with microseconds in MySQL.
const FINE_LETTERS: i64 = 26;

/// Why versions in this column of a table that is there cannot be compared; nothing where they can. It asks for no row of
/// PostgreSQL and MySQL, which know the type of a column, and for the first that is in another form of SQLite, which does
/// not.
///
/// # Errors
///
/// What the database refuses or leaves unanswered for other reasons.
pub async fn version_problem(
    http: &Http,
    dialect: Dialect,
    table: &TableName,
    column: &Column,
) -> Result<Option<String>, Failure> {
    let at = At { http, dialect, table, column };
    match at.other_type().await? {
        Some(what) => {
            let wanted = column.of.map_or("timestamp", Type::word);
            Ok(Some(format!(
                "settings: `{}` of {table} holds the version as `{wanted}`, and {what}: versions could not be compared; \
                 say the type that the column has, or give the column the type that is wanted",
                column.name
            )))
        }
        None if column.of == Some(Type::Timestamp) => at.rounding().await,
        None => Ok(None),
    }
}

/// The column in question.
struct At<'a> {
    http: &'a Http,
    dialect: Dialect,
    table: &'a TableName,
    column: &'a Column,
}

impl At<'_> {
    fn name(&self) -> String {
        self.dialect.quoted(&self.column.name)
    }

    /// What the column holds instead.
    async fn other_type(&self) -> Result<Option<String>, Failure> {
        let text = self.of_version();
        let is_time = self.column.of == Some(Type::Timestamp);
        let asked = self.http.sql(text);
        let asked = if self.dialect == Dialect::Sqlite && is_time { asked.bind(TIME) } else { asked };
        let answer = match asked.run().await {
            Ok(answer) => answer,
            // There is no value of both types.
            Err(Failure::Refused(refusal))
                if matches!(refusal.error.kind, SqlErrorKind::Statement | SqlErrorKind::Data)
                    && !is_missing(&refusal.error.code) =>
            {
                return Ok(Some(format!(
                    "the database's column has another type ({})",
                    refusal.error.message
                )));
            }
            Err(failure) => return Err(failure),
        };
        let found = answer.row().and_then(|row| row.value(FOUND).cloned());
        Ok(match (self.dialect, self.column.of, found) {
            (Dialect::Sqlite, _, None)
            | (Dialect::Postgres | Dialect::MySql, Some(Type::Integer), Some(SqlValue::Integer(_)))
            | (Dialect::Postgres | Dialect::MySql, Some(Type::Timestamp), Some(SqlValue::Timestamp(_))) => {
                None
            }
            (Dialect::Sqlite, _, Some(_)) => Some(
                "a row has it in another form, such as 2026-01-02T03:04:05Z instead of 2026-01-02 03:04:05"
                    .to_owned(),
            ),
            (Dialect::Postgres | Dialect::MySql, ..) => {
                Some("the database's column has another type".to_owned())
            }
        })
    }

    /// Of PostgreSQL and MySQL, a value that has the column's type if that goes together with the type that is wanted.
    fn of_version(&self) -> String {
        let (name, table) = (self.name(), self.table.quoted(self.dialect));
        let is_time = self.column.of == Some(Type::Timestamp);
        match self.dialect {
            Dialect::Sqlite => {
                let is_other = match is_time {
                    true => format!("{name} not glob ?"),
                    false => format!("cast(cast({name} as integer) as text) <> cast({name} as text)"),
                };
                format!(
                    "select 1 as {FOUND} from {table} where typeof({name}) <> 'null' and {is_other} limit 1"
                )
            }
            Dialect::Postgres | Dialect::MySql => {
                // A day is a time where the column has times, and stays a day where it has days.
                let other = if is_time { "cast('1970-01-01' as date)" } else { "0" };
                format!("select coalesce(max({name}), {other}) as {FOUND} from {table} where 1 = 0")
            }
        }
    }

    /// Why a column of times makes two versions one.
    async fn rounding(&self) -> Result<Option<String>, Failure> {
        let (name, table) = (self.name(), self.table.quoted(self.dialect));
        let asked = match self.dialect {
            // A text keeps all of it.
            Dialect::Sqlite => return Ok(None),
            // As the column itself would take it.
            Dialect::Postgres => {
                let row = json!({ &self.column.name: FINE });
                let asked = self.http.sql(format!(
                    "select r.{name} as {KEPT} from jsonb_populate_record(cast(null as {table}), cast($1 as jsonb)) as r"
                ));
                asked.bind(row)
            }
            // The digits of the finer of both are the column's.
            Dialect::MySql => self.http.sql(format!(
                "select char_length(cast(coalesce(max({name}), cast('1970-01-01' as datetime)) as char)) as {KEPT} from \
                 {table} where 1 = 0"
            )),
        };
        let answer = match asked.run().await {
            Ok(answer) => answer,
            // A table of which no such row can be made: nothing is known of it.
            Err(Failure::Refused(_)) => return Ok(None),
            Err(failure) => return Err(failure),
        };
        let wanted = match self.dialect {
            Dialect::MySql => SqlValue::Integer(FINE_LETTERS),
            Dialect::Postgres | Dialect::Sqlite => SqlValue::Timestamp(FINE_US),
        };
        let keeps_all =
            answer.row().and_then(|row| row.value(KEPT).cloned()).is_none_or(|kept| kept == wanted);
        Ok((!keeps_all).then(|| self.rounds()))
    }

    fn rounds(&self) -> String {
        let fine = match self.dialect {
            Dialect::MySql => "datetime(6)",
            Dialect::Postgres | Dialect::Sqlite => "timestamp(6), which `timestamp` and `timestamptz` are",
        };
        format!(
            "settings: `{}` of {} holds the version, and the database's column rounds its fractions of a second: a newer \
             version could look older or equal; make it {fine}",
            self.column.name, self.table
        )
    }
}

/// Of PostgreSQL: no such table, schema or column, which is no question of types.
fn is_missing(code: &str) -> bool {
    matches!(code, "42P01" | "42703" | "3F000")
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::column::Mapping;
    use crate::failure::Failure;
    use crate::outcome::{Delivery, Outcome};
    use crate::testing::{self, Reply, rows, sql_error};

    async fn deliver(delivery: &Delivery, http: &Http) -> Result<Outcome, Failure> {
        let dialect = match delivery.event.type_.as_str() {
            "postgres" => Dialect::Postgres,
            "mysql" => Dialect::MySql,
            _ => Dialect::Sqlite,
        };
        let mapping: Mapping =
            serde_json::from_value(json!("/at")).map_err(|_| Failure::Settings(String::new()))?;
        let column = Column::new("v", mapping).as_version().map_err(Failure::Settings)?;
        let table = TableName::try_from("hr.people".to_owned()).map_err(Failure::Settings)?;
        Ok(Outcome::rejected(version_problem(http, dialect, &table, &column).await?.unwrap_or_default()))
    }

    fn problem(dialect: &str, kept: Reply) -> String {
        let q = if dialect == "mysql" { '`' } else { '"' };
        let table = format!("{q}hr{q}.{q}people{q}");
        let of = format!(
            "SQL select coalesce(max({q}v{q}), cast('1970-01-01' as date)) as liaison_version from {table} where 1 = 0"
        );
        let how = match dialect {
            "mysql" => format!(
                "SQL select char_length(cast(coalesce(max({q}v{q}), cast('1970-01-01' as datetime)) as char)) as liaison_kept \
                 from {table} where 1 = 0"
            ),
            _ => format!(
                "SQL select r.{q}v{q} as liaison_kept from jsonb_populate_record(cast(null as {table}), cast($1 as jsonb)) as r"
            ),
        };
        let run = testing::endpoint()
            .expect(&of, rows(["liaison_version"]).row([SqlValue::Timestamp(0)]))
            .expect(&how, kept)
            .deliver(deliver, testing::event(dialect));
        let Outcome::Rejected(problem) = run.outcome else { panic!("{:?}", run.outcome) };
        problem
    }

    #[test]
    fn a_column_that_rounds_is_named() {
        let kept = |value: SqlValue| rows(["liaison_kept"]).row([value]).into();
        assert_eq!(problem("postgres", kept(SqlValue::Timestamp(123_456))), "");
        assert_eq!(problem("mysql", kept(26.into())), "");
        // Nothing is known of it.
        assert_eq!(problem("postgres", sql_error(SqlErrorKind::Constraint, "23502", "no").into()), "");
        for (dialect, value, mend) in [
            ("postgres", SqlValue::Timestamp(0), "make it timestamp(6)"),
            ("postgres", SqlValue::Timestamp(123_000), "make it timestamp(6)"),
            ("mysql", 19.into(), "make it datetime(6)"),
            ("mysql", 23.into(), "make it datetime(6)"),
        ] {
            let problem = problem(dialect, kept(value));
            let begin = "settings: `v` of hr.people holds the version, and the database's column rounds its fractions";
            assert!(
                problem.starts_with(begin) && problem.ends_with(mend) || problem.contains(mend),
                "{problem}"
            );
        }
    }
}
