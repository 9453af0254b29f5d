//! Names of tables and columns, as settings write them and as statements quote them.

use std::fmt;

use serde::Deserialize;

/// The most that a name may be made of: its schema, and itself.
const MAX_PARTS: usize = 2;

/// Whose SQL is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Dialect {
    #[serde(alias = "postgresql")]
    Postgres,
    /// MySQL and MariaDB.
    #[serde(alias = "mariadb")]
    MySql,
    Sqlite,
}

impl Dialect {
    /// Writes a name so that whatever is in it is a name and nothing else.
    pub fn push_name(self, sql: &mut String, name: &str) {
        // SQLite takes a name in `"` for a text where there is no such column.
        let quote = match self {
            Dialect::Postgres => '"',
            Dialect::MySql | Dialect::Sqlite => '`',
        };
        sql.push(quote);
        for letter in name.chars() {
            if letter == quote {
                sql.push(quote);
            }
            sql.push(letter);
        }
        sql.push(quote);
    }

    /// The same by itself.
    pub fn quoted(self, name: &str) -> String {
        let mut sql = String::with_capacity(name.len() + 2);
        self.push_name(&mut sql, name);
        sql
    }
}

/// A table, as settings name it: `records`, or `hr.records` with its schema, in the letters that it was made with.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct TableName {
    written: String,
}

impl TableName {
    /// Writes it into a statement.
    pub fn push(&self, dialect: Dialect, sql: &mut String) {
        for (index, part) in self.written.split('.').enumerate() {
            if index > 0 {
                sql.push('.');
            }
            dialect.push_name(sql, part);
        }
    }

    /// The same by itself.
    pub fn quoted(&self, dialect: Dialect) -> String {
        let mut sql = String::with_capacity(self.written.len() + 6);
        self.push(dialect, &mut sql);
        sql
    }

    /// Without its schema.
    pub fn last(&self) -> &str {
        self.written.rsplit('.').next().unwrap_or_default()
    }
}

impl TryFrom<String> for TableName {
    type Error = String;

    fn try_from(written: String) -> Result<Self, String> {
        if written.split('.').count() > MAX_PARTS {
            return Err(format!("`{written}` is no table: write its name, or `schema.name`"));
        }
        written.split('.').try_for_each(is_name)?;
        Ok(Self { written })
    }
}

impl fmt::Display for TableName {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(&self.written)
    }
}

/// Can a table or a column be called so? Quoted, nearly anything can.
///
/// # Errors
///
/// It cannot: it is empty, or holds what is no letter.
pub fn is_name(name: &str) -> Result<(), String> {
    match name.is_empty() || name.chars().any(char::is_control) {
        true => Err(format!("`{}` is no name of a table or column", name.escape_debug())),
        false => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_quoted_as_its_database_reads_it() {
        let table = TableName::try_from("a\"b.c`d".to_owned()).unwrap();
        assert_eq!((table.last(), table.to_string().as_str()), ("c`d", "a\"b.c`d"));
        for (dialect, expected) in [
            (Dialect::Postgres, r#""a""b"."c`d""#),
            (Dialect::MySql, r#"`a"b`.`c``d`"#),
            (Dialect::Sqlite, r#"`a"b`.`c``d`"#),
        ] {
            assert_eq!(table.quoted(dialect), expected);
        }
        for wrong in ["a.b.c", "", "a.", "a\0b"] {
            assert!(TableName::try_from(wrong.to_owned()).is_err(), "{wrong:?}");
        }
    }
}
