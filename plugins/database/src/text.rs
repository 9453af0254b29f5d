//! SQL as text with what is bound in it: names are quoted, values never written.

use liaison_sdk::failure::Failure;
use liaison_sdk::http::Http;
use liaison_sdk::sql::{Dialect, Sql, SqlAnswer, SqlValue, TableName};

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

    /// The name of a column.
    pub(crate) fn name(&mut self, name: &str) -> &mut Self {
        self.dialect.push_name(&mut self.sql, name);
        self
    }

    pub(crate) fn table(&mut self, name: &TableName) -> &mut Self {
        name.push(self.dialect, &mut self.sql);
        self
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
    transaction(http, texts)?.run().await
}

/// The same, where that delivers the event if each statement changes something.
pub(crate) async fn run_to_deliver(http: &Http, texts: Vec<Text>) -> Result<SqlAnswer, Failure> {
    transaction(http, texts)?.run_to_deliver().await
}

fn transaction(http: &Http, texts: Vec<Text>) -> Result<Sql<'_>, Failure> {
    let mut transaction: Option<Sql<'_>> = None;
    for Text { sql, parameters, .. } in texts {
        let begun = match transaction {
            Some(transaction) => transaction.and(sql),
            None => http.sql(sql),
        };
        transaction = Some(parameters.into_iter().fold(begun, Sql::bind));
    }
    transaction.ok_or_else(|| Failure::Reply("there is nothing to ask".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_bound_and_never_written() {
        for (dialect, expected) in
            [(Dialect::Postgres, r#""a" = $1 and "b" = $2"#), (Dialect::MySql, "`a` = ? and `b` = ?")]
        {
            let mut text = Text::new(dialect, "");
            text.matches([("a", &1.into()), ("b", &"'; drop".into())]);
            assert_eq!((text.sql.as_str(), text.parameters.len()), (expected, 2));
        }
    }
}
