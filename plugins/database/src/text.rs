//! SQL as text with what is bound in it: names are quoted, values never written.

use liaison_sdk::failure::Failure;
use liaison_sdk::http::Http;
use liaison_sdk::sql::{Sql, SqlAnswer, SqlValue};

use crate::settings::Dialect;

/// A statement that is being written.
#[derive(Debug, Clone)]
pub(crate) struct Text {
    dialect: Dialect,
    sql: String,
    parameters: Vec<SqlValue>,
}

impl Text {
    pub(crate) fn new(dialect: Dialect, sql: &str) -> Self {
        Self { dialect, sql: sql.to_owned(), parameters: Vec::new() }
    }

    pub(crate) fn push(&mut self, sql: &str) -> &mut Self {
        self.sql.push_str(sql);
        self
    }

    /// The name of a column. SQLite takes a name in `"` for a text where there is no such column, so it is quoted there as
    /// in MySQL.
    pub(crate) fn name(&mut self, name: &str) -> &mut Self {
        let quote = match self.dialect {
            Dialect::Postgres => '"',
            Dialect::MySql | Dialect::Sqlite => '`',
        };
        self.sql.push(quote);
        for letter in name.chars() {
            if letter == quote {
                self.sql.push(quote);
            }
            self.sql.push(letter);
        }
        self.sql.push(quote);
        self
    }

    /// The name of a table, with its schema if it has one.
    pub(crate) fn table(&mut self, name: &[String]) -> &mut Self {
        self.each(name, ".", |text, part| {
            text.name(part);
        })
    }

    pub(crate) fn bind(&mut self, value: &SqlValue) -> &mut Self {
        self.parameters.push(value.clone());
        match self.dialect {
            Dialect::Postgres => {
                self.sql.push('$');
                self.sql.push_str(&self.parameters.len().to_string());
            }
            Dialect::MySql | Dialect::Sqlite => self.sql.push('?'),
        }
        self
    }

    /// Each of them, with this between them.
    pub(crate) fn each<T>(
        &mut self,
        items: impl IntoIterator<Item = T>,
        between: &str,
        mut write: impl FnMut(&mut Self, T),
    ) -> &mut Self {
        for (index, item) in items.into_iter().enumerate() {
            if index > 0 {
                self.sql.push_str(between);
            }
            write(self, item);
        }
        self
    }

    /// `a = 1 and b = 2`
    pub(crate) fn matches<'a>(
        &mut self,
        columns: impl IntoIterator<Item = (&'a str, &'a SqlValue)>,
    ) -> &mut Self {
        self.each(columns, " and ", |text, (name, value)| {
            text.name(name).push(" = ").bind(value);
        })
    }
}

/// All of them as one transaction.
pub(crate) async fn run(http: &Http, texts: Vec<Text>) -> Result<SqlAnswer, Failure> {
    let mut transaction: Option<Sql<'_>> = None;
    for Text { sql, parameters, .. } in texts {
        let begun = match transaction {
            Some(transaction) => transaction.and(sql),
            None => http.sql(sql),
        };
        transaction = Some(parameters.into_iter().fold(begun, Sql::bind));
    }
    let transaction = transaction.ok_or_else(|| Failure::Reply("there is nothing to ask".to_owned()))?;
    transaction.run().await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_values_bound() {
        for (dialect, expected) in [
            (Dialect::Postgres, r#"x "a""b"."c`d" "e""#),
            (Dialect::MySql, r#"x `a"b`.`c``d` `e`"#),
            (Dialect::Sqlite, r#"x `a"b`.`c``d` `e`"#),
        ] {
            let mut text = Text::new(dialect, "x ");
            text.table(&["a\"b".to_owned(), "c`d".to_owned()]).push(" ").name("e");
            assert_eq!(text.sql, expected);
        }
        let mut text = Text::new(Dialect::Postgres, "");
        text.matches([("a", &1.into()), ("b", &"'; drop".into())]);
        assert_eq!((text.sql.as_str(), text.parameters.len()), (r#""a" = $1 and "b" = $2"#, 2));
    }
}
