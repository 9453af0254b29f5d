//! What SQLite's errors mean. It has no SQLSTATE: the code stays empty.

use rusqlite::{Error, ErrorCode};

use super::authorize::Watch;
use crate::contract::{Failure, SqlError, SqlErrorKind};
use crate::egress::sql::Ended;
use crate::egress::sql::bounds::Budget;
use crate::egress::sql::state::refused;

/// How a transaction ends with this error.
pub(super) fn ended(error: &Error, watch: &Watch, budget: &Budget) -> Ended {
    if let Some(why) = watch.refusal() {
        return Failure::NotAllowed(why).into();
    }
    let (failure, message) = match error {
        Error::SqliteFailure(failure, message) => (failure, message.as_deref()),
        Error::SqlInputError { error, msg, .. } => (error, Some(msg.as_str())),
        Error::MultipleStatement => {
            return Failure::NotAllowed("is several statements; give each by itself".to_owned()).into();
        }
        other => return refused(SqlErrorKind::Other, "", other.to_string()),
    };
    let kind = match failure.code {
        ErrorCode::OperationInterrupted => return Failure::TimedOut.into(),
        // It has waited for as long as there was.
        ErrorCode::DatabaseBusy if watch.is_over() => return Failure::TimedOut.into(),
        ErrorCode::TooBig => return Failure::TooLarge(budget.max_bytes()).into(),
        ErrorCode::ConstraintViolation => SqlErrorKind::Constraint,
        ErrorCode::TypeMismatch => SqlErrorKind::Data,
        ErrorCode::DatabaseBusy | ErrorCode::DatabaseLocked | ErrorCode::SchemaChanged => {
            SqlErrorKind::Serialization
        }
        ErrorCode::PermissionDenied | ErrorCode::ReadOnly | ErrorCode::AuthorizationForStatementDenied => {
            SqlErrorKind::Permission
        }
        ErrorCode::Unknown | ErrorCode::ParameterOutOfRange => SqlErrorKind::Statement,
        ErrorCode::CannotOpen
        | ErrorCode::DiskFull
        | ErrorCode::OutOfMemory
        | ErrorCode::SystemIoFailure
        | ErrorCode::FileLockingProtocolFailed => SqlErrorKind::Unavailable,
        _ => SqlErrorKind::Other,
    };
    let message = message.map_or_else(|| failure.to_string(), str::to_owned);
    let constraint = (kind == SqlErrorKind::Constraint).then(|| constraint(&message)).flatten();
    Ended::Refused(SqlError { kind, statement: None, code: String::new(), message, constraint })
}

/// `UNIQUE constraint failed: t.a`, `CHECK constraint failed: positive`; a foreign key has no name here.
fn constraint(message: &str) -> Option<String> {
    message.split_once("constraint failed: ").map(|(_, name)| name.to_owned())
}
