//! Which statements a connector may send to a server: by kind, by access and by table.
//!
//! Pure. A statement is read the way its database reads it, as far as a parser can tell; what is not certain is refused
//! where tables are granted. The stronger wall is the rights of the database user, which this does not replace. SQLite
//! says itself what a statement touches, see [`super::sqlite`].

mod depth;
mod names;
mod tables;

use std::cell::RefCell;
use std::collections::HashSet;
use std::ops::ControlFlow;

use sqlparser::ast::{Statement, Visit as _};
use sqlparser::dialect::{Dialect, MySqlDialect, PostgreSqlDialect};
use sqlparser::parser::Parser;
use sqlparser::tokenizer::Tokenizer;

use self::names::Name;
use self::tables::Inspector;
use crate::config::{Access, Database, Engine};
use crate::contract::{Failure, SqlRequest};

/// Texts that were granted, so that what is sent again and again is read once; beyond it, all are read anew.
const MAX_KNOWN: usize = 256;

/// Statements that a parser does not know are judged by their first word alone.
const FIRST_WORDS: [&str; 8] = ["select", "values", "with", "insert", "replace", "update", "delete", "merge"];
const READING: [&str; 2] = ["select", "values"];

pub(super) struct Grant {
    engine: Engine,
    access: Access,
    tables: Vec<Name>,
    known: RefCell<HashSet<String>>,
}

impl Grant {
    pub(super) fn of(database: &Database) -> Self {
        let tables = database.tables.iter().map(|text| Name::granted(text, database.engine)).collect();
        Self { engine: database.engine, access: database.access, tables, known: RefCell::default() }
    }

    /// Is every statement granted?
    pub(super) fn check(&self, request: &SqlRequest) -> Result<(), Failure> {
        let dialect: &dyn Dialect = match self.engine {
            Engine::Postgres => &PostgreSqlDialect {},
            Engine::MySql => &MySqlDialect {},
            Engine::Sqlite => return Ok(()),
        };
        for (number, statement) in request.statements.iter().enumerate() {
            if self.known.borrow().contains(&statement.sql) {
                continue;
            }
            self.check_text(&statement.sql, dialect)
                .map_err(|why| Failure::NotAllowed(format!("statement {number} {why}")))?;
            let mut known = self.known.borrow_mut();
            if known.len() == MAX_KNOWN {
                known.clear();
            }
            known.insert(statement.sql.clone());
        }
        Ok(())
    }

    fn check_text(&self, sql: &str, dialect: &dyn Dialect) -> Result<(), String> {
        if self.engine == Engine::MySql {
            mysql_reads_alike(sql, !self.tables.is_empty())?;
        }
        // What has no tokens cannot be parsed either, and is told by that.
        let tokens = Tokenizer::new(dialect, sql).tokenize().unwrap_or_default();
        depth::check(&tokens)?;
        match Parser::parse_sql(dialect, sql).as_deref() {
            Ok([statement]) => self.check_statement(statement),
            Ok([]) => Err("is empty".to_owned()),
            Ok(several) => Err(format!("is {} statements; give each by itself", several.len())),
            Err(error) => self.check_unread(sql, error),
        }
    }

    fn check_statement(&self, statement: &Statement) -> Result<(), String> {
        let mut inspector = Inspector::new(self.engine, self.access, &self.tables);
        match statement.visit(&mut inspector) {
            ControlFlow::Continue(()) => Ok(()),
            ControlFlow::Break(why) => Err(why),
        }
    }

    /// Not every text that a database takes is one that the parser knows.
    fn check_unread(&self, sql: &str, error: &sqlparser::parser::ParserError) -> Result<(), String> {
        if !self.tables.is_empty() {
            return Err(format!(
                "cannot be read, so that nobody knows its tables, and tables are granted: {error}"
            ));
        }
        let word = sql.split_whitespace().next().unwrap_or_default().to_ascii_lowercase();
        let word = word.split(|letter: char| !letter.is_ascii_alphabetic()).next().unwrap_or_default();
        let granted: &[&str] = match self.access {
            Access::Read => &READING,
            Access::Write => &FIRST_WORDS,
        };
        match granted.contains(&word) {
            true => Ok(()),
            false => Err(format!("begins with `{word}`; granted: {}", granted.join(", "))),
        }
    }
}

/// Two things that MySQL reads otherwise than it seems, or otherwise by its settings.
fn mysql_reads_alike(sql: &str, are_tables_granted: bool) -> Result<(), String> {
    if sql.contains("/*!") || sql.contains("/*M!") {
        return Err("holds a comment that is executed (`/*!`)".to_owned());
    }
    if are_tables_granted && sql.contains('\\') {
        return Err(
            "holds a `\\`, which ends a text or not by the server's settings; bind the value".to_owned()
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
