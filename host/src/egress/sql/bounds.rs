//! How much one SQL effect may ask for and be answered.
//!
//! Pure. Rows and bytes are counted as they are read, so that no more than the limit is ever held.

use std::time::Duration;

use super::Ended;
use super::state::refused;
use crate::contract::{Failure, SqlErrorKind, SqlRequest, SqlValue};

const MAX_STATEMENTS: usize = 100;
const MAX_STATEMENT_BYTES: usize = 64 * 1024;
const MAX_PARAMETERS: usize = 1_000;

/// What a request must keep to, whatever it asks.
pub(super) fn check(request: &SqlRequest) -> Result<(), Failure> {
    let invalid = |why: String| Err(Failure::Invalid(why));
    match request.statements.len() {
        0 => return invalid("a SQL transaction without a statement".to_owned()),
        count if count > MAX_STATEMENTS => {
            return invalid(format!("{count} statements in one transaction, more than {MAX_STATEMENTS}"));
        }
        _ => {}
    }
    for (number, statement) in request.statements.iter().enumerate() {
        if statement.sql.len() > MAX_STATEMENT_BYTES {
            return invalid(format!("statement {number} is longer than 64 KiB: bind its values"));
        }
        if statement.sql.contains('\0') {
            return invalid(format!("statement {number} holds a NUL character"));
        }
        if statement.parameters.len() > MAX_PARAMETERS {
            return invalid(format!("statement {number} has more than {MAX_PARAMETERS} parameters"));
        }
    }
    Ok(())
}

/// When a server is to give up a statement, of the time that is left: seven eighths of it at least, in steps, so that a
/// session is seldom told anew.
pub(super) fn patience(left: Duration) -> Duration {
    let left = u64::try_from(left.as_millis()).unwrap_or(u64::MAX).max(1);
    let step = 1 << (left / 8).checked_ilog2().unwrap_or_default();
    Duration::from_millis(left - left % step)
}

/// What is left of the answer to one transaction.
#[derive(Debug, Clone)]
pub(super) struct Budget {
    max_rows: usize,
    max_bytes: u64,
    bytes_left: u64,
}

impl Budget {
    pub(super) fn new(max_rows: usize, max_bytes: u64) -> Self {
        Self { max_rows, max_bytes, bytes_left: max_bytes }
    }

    pub(super) fn max_bytes(&self) -> u64 {
        self.max_bytes
    }

    /// One row more than those that a statement has given before.
    pub(super) fn row(&self, rows_before: usize) -> Result<(), Ended> {
        match rows_before < self.max_rows {
            true => Ok(()),
            false => {
                let text = format!("it gives more than {} rows (database.max-rows); limit it", self.max_rows);
                Err(refused(SqlErrorKind::TooManyRows, "", text))
            }
        }
    }

    pub(super) fn value(&mut self, value: &SqlValue) -> Result<(), Ended> {
        match self.bytes_left.checked_sub(value.bytes() as u64) {
            Some(left) => {
                self.bytes_left = left;
                Ok(())
            }
            None => Err(Failure::TooLarge(self.max_bytes).into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::SqlStatement;

    fn statement(sql: &str, parameters: usize) -> SqlStatement {
        SqlStatement { sql: sql.to_owned(), parameters: vec![SqlValue::Null; parameters] }
    }

    #[test]
    fn a_request_keeps_to_its_bounds() {
        for (statements, expected) in [
            (vec![statement("select 1", 1_000); 100], None),
            (vec![], Some("without a statement")),
            (vec![statement("select 1", 0); 101], Some("101 statements")),
            (vec![statement(&" ".repeat(65_537), 0)], Some("statement 0 is longer")),
            (vec![statement("a", 0), statement("a\0", 0)], Some("statement 1 holds a NUL")),
            (vec![statement("a", 1_001)], Some("more than 1000 parameters")),
        ] {
            let found = check(&SqlRequest { statements, timeout: None });
            match expected {
                None => assert_eq!(found, Ok(())),
                Some(part) => assert!(found.unwrap_err().to_string().contains(part), "{part}"),
            }
        }
    }

    #[test]
    fn rows_are_counted_a_statement_and_bytes_a_transaction() {
        let mut budget = Budget::new(2, 200);
        assert!(budget.row(0).is_ok() && budget.row(1).is_ok());
        let Err(Ended::Refused(error)) = budget.row(2) else { panic!("there is one too many") };
        assert_eq!(error.kind, SqlErrorKind::TooManyRows);
        let text = SqlValue::Text("x".repeat(100));
        assert_eq!(budget.value(&text), Ok(()));
        assert_eq!(budget.value(&text), Err(Ended::Failed(Failure::TooLarge(200))));
    }

    #[test]
    fn a_server_is_told_seldom_and_never_to_wait_for_longer_than_is_left() {
        let told = |left: u64| u64::try_from(patience(Duration::from_millis(left)).as_millis()).unwrap();
        assert_eq!([told(0), told(1), told(7), told(17)], [1, 1, 7, 16]);
        assert_eq!([told(28_672), told(29_990), told(30_000)], [28_672; 3]);
        for left in (1..100_000).chain([u64::MAX]) {
            assert!(told(left) <= left && told(left) >= left - left / 8, "{left}");
        }
    }
}
