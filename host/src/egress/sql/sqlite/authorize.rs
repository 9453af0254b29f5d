//! What a statement may do to a SQLite file, as SQLite asks while it reads the statement; and when it must stop.
//!
//! Rows of granted tables may be read and, with that access, changed; all else (DDL, `attach`, `pragma`, transactions) is
//! for the host. What a view or trigger of the database touches is granted with the view's or trigger's own name too,
//! unless the statement says `with`: then its tables must be granted.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, PoisonError};
use std::time::Instant;

use rusqlite::hooks::{AuthAction, AuthContext, Authorization};

use crate::config::Access;

/// Tables that functions make of their arguments.
const MADE_TABLES: [&str; 3] = ["generate_series", "json_each", "json_tree"];

#[derive(Debug)]
pub(super) struct Rules {
    access: Access,
    /// In lower case; empty: all.
    tables: Vec<String>,
}

/// One connection, seen from both of its threads.
#[derive(Debug, Default)]
pub(super) struct Watch {
    end: Mutex<Option<Instant>>,
    is_cancelled: AtomicBool,
    /// What is read now is the host's own.
    is_host: AtomicBool,
    /// What is read now may name a query like a view.
    has_with: AtomicBool,
    refusal: Mutex<Option<String>>,
}

impl Watch {
    /// This statement is read next.
    pub(super) fn reads(&self, sql: &str) {
        self.has_with.store(sql.to_ascii_lowercase().contains("with"), Ordering::Relaxed);
    }

    pub(super) fn begin(&self, end: Instant) {
        *self.end.lock().unwrap_or_else(PoisonError::into_inner) = Some(end);
    }

    /// Nobody waits any more.
    pub(super) fn cancel(&self) {
        self.is_cancelled.store(true, Ordering::Relaxed);
    }

    pub(super) fn is_over(&self) -> bool {
        let end = *self.end.lock().unwrap_or_else(PoisonError::into_inner);
        self.is_cancelled.load(Ordering::Relaxed) || end.is_some_and(|end| Instant::now() >= end)
    }

    pub(super) fn left(&self) -> std::time::Duration {
        let end = *self.end.lock().unwrap_or_else(PoisonError::into_inner);
        end.map(|end| end.saturating_duration_since(Instant::now())).unwrap_or_default()
    }

    /// Runs something of the host's own.
    pub(super) fn as_host<T>(&self, work: impl FnOnce() -> T) -> T {
        self.is_host.store(true, Ordering::Relaxed);
        let done = work();
        self.is_host.store(false, Ordering::Relaxed);
        done
    }

    /// What was refused since the last call.
    pub(super) fn refusal(&self) -> Option<String> {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).take()
    }

    fn refuse(&self, why: String) -> Authorization {
        self.refusal.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(why);
        Authorization::Deny
    }
}

impl Rules {
    pub(super) fn new(access: Access, tables: &[String]) -> Self {
        Self { access, tables: tables.iter().map(|name| name.to_lowercase()).collect() }
    }

    pub(super) fn access(&self) -> Access {
        self.access
    }

    pub(super) fn judge(&self, context: &AuthContext<'_>, watch: &Watch) -> Authorization {
        if watch.is_host.load(Ordering::Relaxed) {
            return Authorization::Allow;
        }
        let (table, changes) = match context.action {
            AuthAction::Select | AuthAction::Recursive => return Authorization::Allow,
            AuthAction::Function { function_name } if function_name != "load_extension" => {
                return Authorization::Allow;
            }
            AuthAction::Read { table_name, .. } => (table_name, false),
            AuthAction::Insert { table_name }
            | AuthAction::Update { table_name, .. }
            | AuthAction::Delete { table_name } => (table_name, true),
            other => {
                return watch.refuse(format!(
                    "does what is never granted: {other:?}; a statement selects, inserts, updates or deletes"
                ));
            }
        };
        if changes && self.access == Access::Read {
            return watch.refuse(format!("changes rows of `{table}`; granted access: read"));
        }
        if changes && table.starts_with("sqlite_") {
            return watch.refuse(format!("changes `{table}`, which is SQLite's own"));
        }
        // A query that `with` names says that name here too.
        let through = context.accessor.filter(|_| !watch.has_with.load(Ordering::Relaxed));
        match self.is_granted(table) || through.is_some_and(|accessor| self.is_named(accessor)) {
            true => Authorization::Allow,
            false => watch.refuse(format!("asks for `{table}`; granted tables: {}", self.tables.join(", "))),
        }
    }

    fn is_granted(&self, table: &str) -> bool {
        // What only stands in the statement has no name.
        self.tables.is_empty() || table.is_empty() || self.is_named(table) || MADE_TABLES.contains(&table)
    }

    fn is_named(&self, name: &str) -> bool {
        let name = name.to_lowercase();
        self.tables.iter().any(|granted| *granted == name || granted.strip_prefix("main.") == Some(&name))
    }
}
