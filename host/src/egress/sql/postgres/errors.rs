//! What PostgreSQL says of a refusal, and of a connection that broke.

use tokio_postgres::Error;
use tokio_postgres::error::DbError;

use crate::contract::SqlError;
use crate::egress::sql::state::kind;

/// Without detail and hint, which hold values of rows.
pub(super) fn sql_error(refusal: &DbError) -> SqlError {
    let code = refusal.code().code();
    SqlError {
        kind: kind(code),
        statement: None,
        code: code.to_owned(),
        message: refusal.message().to_owned(),
        constraint: refusal.constraint().map(str::to_owned),
    }
}

/// With what lies under it.
pub(super) fn text(error: &Error) -> String {
    match std::error::Error::source(error) {
        Some(source) if !error.to_string().contains(&source.to_string()) => format!("{error}: {source}"),
        Some(_) | None => error.to_string(),
    }
}
