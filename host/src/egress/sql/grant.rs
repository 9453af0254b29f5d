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
use sqlparser::parser::{Parser, ParserError};
use sqlparser::tokenizer::{Token, Tokenizer};

use self::names::Name;
use self::tables::{Inspector, is_refused_function};
use crate::config::{Access, Database, Engine};
use crate::contract::{Failure, SqlRequest};

/// Texts that were granted, so that what is sent again and again is read once; beyond it, all are read anew.
const MAX_KNOWN: usize = 256;

/// Statements that a parser does not know are judged by their words.
const FIRST_WORDS: [&str; 8] = ["select", "values", "with", "insert", "replace", "update", "delete", "merge"];
const READING: [&str; 2] = ["select", "values"];
/// Those that put rows into something.
const INTO: [&str; 3] = ["insert", "merge", "replace"];

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
        reads_alike(sql, self.engine, !self.tables.is_empty())?;
        let tokens =
            Tokenizer::new(dialect, sql).tokenize().map_err(|error| format!("cannot be read: {error}"))?;
        depth::check(&tokens)?;
        match Parser::parse_sql(dialect, sql).as_deref() {
            Ok([statement]) => self.check_statement(statement),
            Ok([]) => Err("is empty".to_owned()),
            Ok(several) => Err(format!("is {} statements; give each by itself", several.len())),
            Err(error) => self.check_unread(&tokens, error),
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
    fn check_unread(&self, tokens: &[Token], error: &ParserError) -> Result<(), String> {
        if !self.tables.is_empty() {
            return Err(format!(
                "cannot be read, so that nobody knows its tables, and tables are granted: {error}"
            ));
        }
        let words: Vec<String> = tokens.iter().filter_map(word).collect();
        let first = words.first().map(String::as_str).unwrap_or_default();
        let granted: &[&str] = match self.access {
            Access::Read => &READING,
            Access::Write => &FIRST_WORDS,
        };
        if !granted.contains(&first) {
            return Err(format!("begins with `{first}`; granted: {}", granted.join(", ")));
        }
        if let Some(function) = words.iter().find(|word| is_refused_function(word)) {
            return Err(format!("says `{function}`, which does more than its statement says"));
        }
        // Of rows into a table, or of a result into a table or file of its own.
        match INTO.contains(&first) || !words.iter().any(|word| word == "into") {
            true => Ok(()),
            false => Err("selects into something, which is never granted".to_owned()),
        }
    }
}

/// In lower case.
fn word(token: &Token) -> Option<String> {
    match token {
        Token::Word(word) => Some(word.value.to_lowercase()),
        _ => None,
    }
}

/// What a database reads otherwise than the parser, or otherwise by its settings; and what MySQL alone has that outlives
/// a transaction.
fn reads_alike(sql: &str, engine: Engine, are_tables_granted: bool) -> Result<(), String> {
    let refused = |what: &str| Err(what.to_owned());
    match engine {
        Engine::MySql if sql.contains("/*!") || sql.contains("/*M!") => {
            return refused("holds a comment that is executed (`/*!`)");
        }
        Engine::MySql if sql.contains(":=") => {
            return refused(
                "holds `:=`, which sets a variable that outlives its transaction; bind the value",
            );
        }
        Engine::MySql if are_tables_granted && sql.contains('\\') => {
            return refused(
                "holds a `\\`, which ends a text or not by the server's settings; bind the value",
            );
        }
        Engine::Postgres if sql.to_ascii_lowercase().contains("u&\"") => {
            return refused("holds a name with escapes (`U&\"`); write its letters");
        }
        Engine::Postgres | Engine::MySql | Engine::Sqlite => {}
    }
    if are_tables_granted && (sql.contains("--") || sql.contains("/*")) {
        return refused(
            "holds `--` or `/*`, which is a comment or not by what stands before it; leave it out, or bind the value",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests;
