//! What a database's refusal means: of a SQLSTATE, whichever database it comes from.
//!
//! Pure. What one database says in its own numbers is in its own file.

use super::Ended;
use crate::contract::{SqlError, SqlErrorKind};

/// A refusal without a constraint; which statement it was of is said later.
pub(super) fn refused(kind: SqlErrorKind, code: &str, message: impl Into<String>) -> Ended {
    Ended::Refused(SqlError {
        kind,
        statement: None,
        code: code.to_owned(),
        message: message.into(),
        constraint: None,
    })
}

/// By ISO/IEC 9075's classes, and PostgreSQL's and MySQL's additions to them.
pub(super) fn kind(code: &str) -> SqlErrorKind {
    match code {
        // Lock not available; another's change was in the way.
        "55P03" => return SqlErrorKind::Serialization,
        // Insufficient privilege; a read-only transaction, or a replica that was failed over to.
        "42501" | "25006" => return SqlErrorKind::Permission,
        // More than one row where one was asked for.
        "21000" => return SqlErrorKind::Data,
        // MySQL: the server is shutting down, or has too many connections.
        "08S01" | "08004" => return SqlErrorKind::Unavailable,
        _ => {}
    }
    match code.get(..2).unwrap_or_default() {
        // What a trigger or function raises by itself (P0, 45) refuses data as a constraint does.
        "23" | "44" | "45" | "P0" => SqlErrorKind::Constraint,
        "22" => SqlErrorKind::Data,
        "40" => SqlErrorKind::Serialization,
        // The log-in, and the database that it is to.
        "28" | "3D" => SqlErrorKind::Permission,
        "07" | "0A" | "26" | "42" | "54" => SqlErrorKind::Statement,
        "08" | "53" | "57" | "58" => SqlErrorKind::Unavailable,
        _ => SqlErrorKind::Other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_state_has_its_kind() {
        use SqlErrorKind::{Constraint, Data, Other, Permission, Serialization, Statement, Unavailable};
        for (kind_of, codes) in [
            (Constraint, &["23505", "23000", "23514", "44000", "P0001", "45000"][..]),
            (Data, &["22001", "22P02", "21000"]),
            (Serialization, &["40001", "40P01", "55P03"]),
            (Permission, &["28P01", "28000", "3D000", "42501", "25006"]),
            (Statement, &["42601", "42P01", "42S02", "0A000", "54001"]),
            (Unavailable, &["53300", "57P03", "58030", "08S01", "08004"]),
            (Other, &["XX000", "HY000", "25001", "", "é"]),
        ] {
            for code in codes {
                assert_eq!(kind(code), kind_of, "{code}");
            }
        }
    }
}
