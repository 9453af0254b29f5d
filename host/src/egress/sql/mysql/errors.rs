//! What MySQL's and MariaDB's errors mean. Many share a state that says nothing (`HY000`), so the number is asked first.
//!
//! Pure. The names of the numbers are those of the servers' own lists.

use mysql_async::{DriverError, Error, ServerError};

use crate::contract::{Failure, SqlError, SqlErrorKind};
use crate::egress::sql::Ended;
use crate::egress::sql::state::{kind, refused};

/// What an error leaves: a transaction to roll back, or a session that is of no use any more.
pub(super) fn ended(error: &Error) -> Ended {
    match error {
        Error::Server(refusal) => of_server(refusal),
        Error::Driver(
            DriverError::MixedParams | DriverError::Params(_) | DriverError::StmtParamsMismatch { .. },
        ) => refused(SqlErrorKind::Statement, "", "its parameters stand as `?`, one for each value"),
        Error::Driver(_) | Error::Io(_) | Error::Other(_) | Error::Url(_) => {
            Failure::Connection(error.to_string()).into()
        }
    }
}

fn of_server(refusal: &ServerError) -> Ended {
    match refusal.code {
        // QUERY_INTERRUPTED, STATEMENT_TIMEOUT, QUERY_TIMEOUT: by the time limit that it was given.
        1317 | 1969 | 3024 => return Failure::TimedOut.into(),
        // SERVER_SHUTDOWN, CONNECTION_KILLED
        1053 | 1927 => return Failure::Connection(refusal.message.clone()).into(),
        _ => {}
    }
    Ended::Refused(SqlError {
        kind: by_number(refusal.code).unwrap_or_else(|| kind(&refusal.state)),
        statement: None,
        code: refusal.state.clone(),
        message: refusal.message.clone(),
        constraint: constraint(refusal),
    })
}

fn by_number(code: u16) -> Option<SqlErrorKind> {
    Some(match code {
        // NO_DEFAULT_FOR_FIELD, CHECK_CONSTRAINT_VIOLATED, CONSTRAINT_FAILED
        1364 | 3819 | 4025 => SqlErrorKind::Constraint,
        // TRUNCATED_WRONG_VALUE, WARN_DATA_OUT_OF_RANGE, WARN_DATA_TRUNCATED, TRUNCATED_WRONG_VALUE_FOR_FIELD,
        // DATA_TOO_LONG, INVALID_JSON_TEXT
        1264 | 1265 | 1292 | 1366 | 1406 | 3140 => SqlErrorKind::Data,
        // CHECKREAD, LOCK_WAIT_TIMEOUT, LOCK_DEADLOCK
        1020 | 1205 | 1213 => SqlErrorKind::Serialization,
        // DBACCESS_DENIED, BAD_DB, TABLEACCESS_DENIED, COLUMNACCESS_DENIED, OPTION_PREVENTS_STATEMENT (read only),
        // PROCACCESS_DENIED, CANT_EXECUTE_IN_READ_ONLY_TRANSACTION, READ_ONLY_MODE
        1044 | 1049 | 1142 | 1143 | 1290 | 1370 | 1792 | 1836 => SqlErrorKind::Permission,
        // DISK_FULL, CON_COUNT, RECORD_FILE_FULL, TOO_MANY_USER_CONNECTIONS
        1021 | 1040 | 1114 | 1203 => SqlErrorKind::Unavailable,
        _ => return None,
    })
}

/// The message alone names it: `… for key 'NAME'`, `CONSTRAINT `NAME` …`, `Check constraint 'NAME' …`.
fn constraint(refusal: &ServerError) -> Option<String> {
    let message = &refusal.message;
    let between = |before: &str, quote: char| {
        let (_, rest) = message.rsplit_once(before)?;
        rest.split(quote).next().filter(|name| !name.is_empty()).map(str::to_owned)
    };
    match refusal.code {
        1062 | 1586 => between("for key '", '\''),
        1451 | 1452 | 4025 => between("CONSTRAINT `", '`'),
        3819 => between("constraint '", '\''),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(code: u16, state: &str, message: &str) -> Ended {
        let refusal = ServerError { code, state: state.to_owned(), message: message.to_owned() };
        ended(&Error::Server(refusal))
    }

    #[test]
    fn a_refusal_has_its_kind_and_its_constraint() {
        use SqlErrorKind::{Constraint, Data, Other, Permission, Serialization, Statement, Unavailable};
        for (code, state, message, kind, constraint) in [
            (1062, "23000", "Duplicate entry 'it's' for key 'PRIMARY'", Constraint, Some("PRIMARY")),
            (
                1452,
                "23000",
                "Cannot add: a foreign key fails (`d`.`t`, CONSTRAINT `owner` FOREIGN KEY (`o`) REFERENCES `o`)",
                Constraint,
                Some("owner"),
            ),
            (4025, "23000", "CONSTRAINT `positive` failed for `d`.`t`", Constraint, Some("positive")),
            (3819, "HY000", "Check constraint 'positive' is violated.", Constraint, Some("positive")),
            (1048, "23000", "Column 'a' cannot be null", Constraint, None),
            (1644, "45000", "no", Constraint, None),
            (1406, "22001", "Data too long", Data, None),
            (1366, "HY000", "Incorrect integer value", Data, None),
            (1213, "40001", "Deadlock found", Serialization, None),
            (1205, "HY000", "Lock wait timeout exceeded", Serialization, None),
            (1142, "42000", "SELECT command denied", Permission, None),
            (1045, "28000", "Access denied", Permission, None),
            (1064, "42000", "You have an error in your SQL syntax", Statement, None),
            (1146, "42S02", "Table 'd.t' doesn't exist", Statement, None),
            (1040, "08004", "Too many connections", Unavailable, None),
            (1105, "HY000", "Unknown error", Other, None),
        ] {
            let Ended::Refused(error) = of(code, state, message) else { panic!("{code}") };
            assert_eq!((error.kind, error.constraint.as_deref()), (kind, constraint), "{code}");
            assert_eq!((error.code.as_str(), error.message.as_str()), (state, message));
        }
        assert_eq!(of(1969, "70100", "max_statement_time exceeded"), Ended::Failed(Failure::TimedOut));
        assert!(matches!(of(1053, "08S01", "Server shutdown"), Ended::Failed(Failure::Connection(_))));
    }
}
