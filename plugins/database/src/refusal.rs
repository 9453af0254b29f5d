//! What a failure means here, where that is not what it usually does.

use liaison_sdk::failure::{Failure, Unanswered};
use liaison_sdk::outcome::Outcome;
use liaison_sdk::sql::{SqlErrorKind, SqlRefusal};

use crate::settings::{ForeignKey, Settings};

/// A row that the database refuses is the event's mistake; a statement that it does not understand, or that was not
/// granted, is one of the settings: all wait until that is mended, and no event is lost.
pub(crate) fn outcome(settings: &Settings, failure: Failure) -> Outcome {
    match failure {
        Failure::Refused(refusal) => match refusal.error.kind {
            SqlErrorKind::Constraint
                if is_foreign_key(&refusal) && settings.foreign_key == ForeignKey::Retry =>
            {
                Outcome::retry(told(&refusal))
            }
            SqlErrorKind::Constraint | SqlErrorKind::Data => Outcome::rejected(told(&refusal)),
            SqlErrorKind::Statement => Outcome::denied(format!(
                "settings: the database does not know what they name, or cannot hold it so: {}",
                told(&refusal)
            )),
            SqlErrorKind::Serialization
            | SqlErrorKind::Permission
            | SqlErrorKind::TooManyRows
            | SqlErrorKind::Unavailable
            | SqlErrorKind::Other => Outcome::from_sql(&refusal),
        },
        Failure::Unanswered { why: Unanswered::NotAllowed(why), .. } => Outcome::denied(format!(
            "settings: the connector's `database` does not grant what they ask for: {why}"
        )),
        other => other.into(),
    }
}

/// Did a row refer to one that is not there? MySQL and SQLite say so in words alone.
pub(crate) fn is_foreign_key(refusal: &SqlRefusal) -> bool {
    let error = &refusal.error;
    error.kind == SqlErrorKind::Constraint
        && (error.code == "23503" || error.message.to_ascii_lowercase().contains("foreign key"))
}

pub(crate) fn is_constraint(failure: &Failure) -> bool {
    matches!(failure, Failure::Refused(refusal) if refusal.error.kind == SqlErrorKind::Constraint)
}

/// In the database's words, with the constraint's name.
fn told(refusal: &SqlRefusal) -> String {
    let error = &refusal.error;
    let constraint = error.constraint.as_ref().map(|name| format!(", constraint `{name}`"));
    let code = if error.code.is_empty() { String::new() } else { format!(" ({})", error.code) };
    format!("the database refused it{code}{}: {}", constraint.unwrap_or_default(), error.message)
}
