//! What a refusal means here, in the words of the settings. Which outcome each kind has, the SDK says; one of them the
//! settings may decide otherwise.

use liaison_sdk::failure::Failure;
use liaison_sdk::outcome::Outcome;
use liaison_sdk::sql::{SqlErrorKind, SqlRefusal};

use crate::settings::{ForeignKey, Settings};

pub(crate) fn outcome(settings: &Settings, failure: Failure) -> Outcome {
    let Failure::Refused(refusal) = failure else { return failure.into() };
    if is_foreign_key(&refusal) && settings.foreign_key == ForeignKey::Retry {
        return Outcome::retry(told(&refusal));
    }
    match Outcome::from_sql(&refusal) {
        Outcome::Rejected(_) => Outcome::rejected(told(&refusal)),
        Outcome::Denied(_) if refusal.error.kind == SqlErrorKind::Statement => Outcome::denied(format!(
            "settings: the database does not know what they name, or cannot hold it so: {}",
            told(&refusal)
        )),
        other => other,
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
